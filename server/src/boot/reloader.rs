//! Settings and certificate, read again while the server runs.
//!
//! Owner: one task of the ingress thread, which SIGHUP and the admin API ask. Always: everything that can fail is done
//! before anything is changed, so a reload is whole or has not been; connections stay, whatever is changed; who asked is
//! answered when every shard has said that it goes by the new terms.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at};

use super::bootstrap_file::BootstrapFile;
use super::line::Line;
use crate::ask::Asker;
use crate::config::{Change, Changes, Config, ConfigError, ServeArgs};
use crate::http::{HttpSettings, Ingress};
use crate::lifecycle::{Lifecycle, Stage};
use crate::limits::{KEYS_LOOKED_AT_EVERY, TERMS_WAIT};
use crate::net::certificate::{self, CertificateError, Identity};
use crate::net::{TicketKeys, with_certificate, with_tickets};
use crate::reload::{Outcome, ReloadOrders, Reloaded};
use crate::shard_loop::{Control, Terms};
use crate::telemetry::{LogFilter, Telemetry, parse_filter};
use crate::wall_clock::now_ms;
use crate::webhook::WebhookSettings;

/// Where the settings come from, and the one that is not kept by this process itself.
#[derive(Debug)]
pub struct Sources {
    /// The flags of the start.
    pub args: ServeArgs,
    /// The variables of the start.
    pub environment: HashMap<String, String>,
    /// What is logged.
    pub log: LogFilter,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("log.filter = {0}")]
    LogFilter(String),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("tls.key = {key}: it does not fit tls.cert = {cert}: {error}")]
    Pair {
        cert: String,
        key: String,
        error: rustls::Error,
    },
    #[error("the keys of tickets: {0}")]
    Tickets(rustls::Error),
    #[error("the bootstrap file cannot be written: {0}")]
    Bootstrap(io::Error),
    #[error("a shard has not taken over what was set last; try again")]
    ShardBehind,
    #[error("the server is draining")]
    Draining,
    #[error("the thread that reads the files: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

/// What was read and is good.
struct Prepared {
    config: Config,
    identity: Identity,
}

/// What a reload changes, and how.
pub(super) struct Reloader {
    pub(super) sources: Sources,
    /// What the server goes by; read by whoever drains it.
    pub(super) running: Rc<RefCell<Config>>,
    pub(super) terms: Arc<Terms>,
    /// SHA-256 of the leaf in use.
    pub(super) leaf: String,
    pub(super) tickets: TicketKeys,
    pub(super) listens_on: IpAddr,
    pub(super) line: Line,
    pub(super) asker: Rc<Asker>,
    pub(super) ingress: Rc<Ingress>,
    pub(super) webhooks: watch::Sender<WebhookSettings>,
    pub(super) bootstrap: Rc<BootstrapFile>,
    pub(super) telemetry: Arc<Telemetry>,
    pub(super) lifecycle: Lifecycle,
    /// How often shards were told of terms, all together.
    pub(super) told: u64,
}

/// Where the keys lie that are the server's own.
pub(super) fn own_keys(config: &Config) -> PathBuf {
    config.data.join("tls")
}

/// The identity of the device port that the settings want; one of our own is made by `own`.
pub(super) fn identity(
    config: &Config,
    listens_on: IpAddr,
    own: fn(&Path, &[String]) -> Result<Identity, CertificateError>,
) -> Result<Identity, CertificateError> {
    match &config.tls {
        Some(tls) => certificate::load(&tls.cert, &tls.key, tls.ca.as_deref()),
        None => {
            let hosts = certificate::hosts(listens_on, config.public_host.as_deref());
            own(&own_keys(config), &hosts)
        }
    }
}

/// Writes the keys of tickets for the next start. Without them devices make a full handshake then.
pub(super) fn keep_tickets(tickets: &TicketKeys, dir: &Path) {
    if let Err(error) = tickets.write(dir) {
        tracing::warn!(%error, "the keys of tickets are not kept for the next start");
    }
}

/// SIGHUP, heard from now on: without it the signal ends the process.
pub(super) fn hang_ups() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

impl Reloader {
    /// Does what it is asked, and looks at its own keys by itself; never ends.
    pub(super) async fn run(mut self, mut orders: ReloadOrders, mut hang_ups: Signal) {
        let first = tokio::time::Instant::now() + KEYS_LOOKED_AT_EVERY;
        let mut looks = interval_at(first, KEYS_LOOKED_AT_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(told) = orders.next() => {
                    let outcome = self.reload("the admin API").await;
                    // Who asked may be gone; what was done is done.
                    let _ = told.send(outcome);
                }
                Some(()) = hang_ups.recv() => {
                    // It is in the log.
                    let _ = self.reload("SIGHUP").await;
                }
                _ = looks.tick() => self.look_at_keys().await,
            }
        }
    }

    async fn reload(&mut self, asked_by: &str) -> Outcome {
        let (args, environment) = (self.sources.args.clone(), self.sources.environment.clone());
        let running = self.running.borrow().clone();
        let listens_on = self.listens_on;
        let read = move || {
            let config = Config::load(&args, &environment)?;
            parse_filter(&config.log_filter).map_err(ReloadError::LogFilter)?;
            let changes = Changes::between(&running, &config);
            let config = config.taken_over_by(&running);
            let identity = identity(&config, listens_on, certificate::renewed)?;
            Ok((Prepared { config, identity }, changes))
        };
        let outcome = match self.prepare(read).await {
            Ok((prepared, changes)) => self.apply(prepared, changes).await,
            Err(error) => Err(error),
        };
        self.telemetry.settings_read(outcome.is_ok(), now_ms());
        match outcome {
            Ok(reloaded) => {
                tell(asked_by, &reloaded);
                Ok(reloaded)
            }
            Err(error) => {
                tracing::error!(%error, asked_by, "the settings are refused; all stays as it was");
                Err(error.to_string())
            }
        }
    }

    /// Renews what is the server's own: the keys of tickets, and a leaf that nears its end. An operator's certificate is read
    /// when the operator says so.
    async fn look_at_keys(&mut self) {
        if let Some(tickets) = self.tickets.renewed(now_ms() / 1000) {
            match self.seal_by(tickets).await {
                Ok(()) | Err(ReloadError::Draining) => {}
                Err(error) => tracing::error!(%error, "the keys of tickets are not renewed"),
            }
        }
        if self.running.borrow().tls.is_none() {
            self.look_at_leaf().await;
        }
    }

    async fn seal_by(&mut self, tickets: TicketKeys) -> Result<(), ReloadError> {
        let dir = own_keys(&self.running.borrow());
        let ticketer = tickets.ticketer().map_err(ReloadError::Tickets)?;
        let kept = tickets.clone();
        self.prepare(move || {
            keep_tickets(&kept, &dir);
            Ok(())
        })
        .await?;
        self.tickets = tickets;
        self.go_by(Terms {
            tls: with_tickets(&self.terms.tls, ticketer),
            ..Terms::clone(&self.terms)
        });
        self.shards_behind().await;
        Ok(())
    }

    async fn look_at_leaf(&mut self) {
        let config = self.running.borrow().clone();
        let listens_on = self.listens_on;
        let read = move || {
            let identity = identity(&config, listens_on, certificate::renewed)?;
            Ok((Prepared { config, identity }, Changes::default()))
        };
        let outcome = match self.prepare(read).await {
            Ok((prepared, _)) if prepared.identity.fingerprint() == self.leaf => return,
            Ok((prepared, changes)) => self.apply(prepared, changes).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(reloaded) => tell("the look at keys", &reloaded),
            Err(ReloadError::Draining) => {}
            Err(error) => tracing::error!(%error, "the certificate is not renewed"),
        }
    }

    /// Reads files on a thread that may wait for a disk.
    async fn prepare<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, ReloadError> + Send + 'static,
    ) -> Result<T, ReloadError> {
        if self.lifecycle.stage() == Stage::Draining {
            return Err(ReloadError::Draining);
        }
        // Then the ring to each shard is empty, and what is told does not meet a full one.
        if *self.asker.watch_terms().borrow() < self.told {
            return Err(ReloadError::ShardBehind);
        }
        tokio::task::spawn_blocking(read).await?
    }

    /// Changes everything that was read. What can still fail comes first.
    async fn apply(
        &mut self,
        prepared: Prepared,
        changes: Changes,
    ) -> Result<Reloaded, ReloadError> {
        let Prepared { config, identity } = prepared;
        let leaf = identity.fingerprint();
        let tls = with_certificate(&self.terms.tls, identity.chain, identity.key)
            .map_err(|error| pair_error(&config, error))?;
        self.bootstrap
            .renew(config.public_host.as_deref(), &identity.ca_pem)
            .map_err(ReloadError::Bootstrap)?;

        let Changes {
            at_once: mut changed,
            at_a_start: needs_restart,
        } = changes;
        if leaf != self.leaf {
            changed.push(Change {
                key: "certificate",
                from: std::mem::replace(&mut self.leaf, leaf.clone()).into(),
                to: leaf.into(),
            });
        }
        self.go_by(Terms {
            settings: config.shard.clone(),
            tls,
            door: config.door.clone(),
            send_timeout: config.send_timeout,
        });
        self.ingress
            .set(http_settings(&config, &self.ingress.settings()));
        self.webhooks.send_replace(config.webhooks.clone());
        if let Err(error) = self.sources.log.set(&config.log_filter) {
            // It was read before, so this is a process whose log is gone.
            tracing::error!(error, "the log keeps its filter");
        }
        self.running.replace(config);
        Ok(Reloaded {
            changed,
            needs_restart,
            shards_behind: self.shards_behind().await,
        })
    }

    /// Tells all shards; that they were told is known by [`Reloader::shards_behind`].
    fn go_by(&mut self, terms: Terms) {
        self.terms = Arc::new(terms);
        self.told += self.line.len();
        self.line.tell(&Control::Terms(Arc::clone(&self.terms)));
    }

    /// Waits until all shards go by what they were told last; how many do not after [`TERMS_WAIT`].
    async fn shards_behind(&self) -> u64 {
        let mut taken = self.asker.watch_terms();
        let all = taken.wait_for(|taken| *taken >= self.told);
        let _ = tokio::time::timeout(TERMS_WAIT, all).await;
        self.told.saturating_sub(*taken.borrow())
    }
}

/// What the ingress goes by: the settings, and what only the start could give it.
pub(super) fn http_settings(config: &Config, of_start: &HttpSettings) -> HttpSettings {
    HttpSettings {
        admin_token: of_start.admin_token.clone(),
        backups: of_start.backups.clone(),
        reloads: of_start.reloads.clone(),
        vendor_channel: config.vendor_channel.channel(),
        ..config.ingress.clone()
    }
}

fn pair_error(config: &Config, error: rustls::Error) -> ReloadError {
    let (cert, key) = match &config.tls {
        Some(tls) => (tls.cert.clone(), tls.key.clone()),
        None => {
            let own = own_keys(config);
            (own.join("device.pem"), own.join("device.key"))
        }
    };
    ReloadError::Pair {
        cert: cert.display().to_string(),
        key: key.display().to_string(),
        error,
    }
}

fn tell(asked_by: &str, reloaded: &Reloaded) {
    let Reloaded {
        changed,
        needs_restart,
        shards_behind,
    } = reloaded;
    for Change { key, from, to } in changed {
        tracing::info!(key, %from, %to, "a setting is changed");
    }
    for Change { key, from, to } in needs_restart {
        tracing::warn!(key, %from, %to, "a setting needs a restart");
    }
    if *shards_behind > 0 {
        tracing::warn!(shards_behind, "shards do not go by the new settings yet");
    }
    tracing::info!(
        asked_by,
        changed = changed.len(),
        needs_restart = needs_restart.len(),
        "the settings are read again"
    );
}

const _: () = assert!(TERMS_WAIT.as_millis() < Duration::from_secs(30).as_millis());
