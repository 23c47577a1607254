//! Start and stop of the whole process, in a written order.
//!
//! Start: settings, checks, lock, store, first app, certificate, committer and readers, shards,
//! ingress, `ready`. Stop: device listeners shut and devices told to go, HTTP finished, sessions
//! waited for, shards finished, committer emptied and synced. Between them `reloader` changes settings.

mod backups;
mod bootstrap_file;
mod line;
mod reloader;
mod seat;
mod signals;
mod wiring;

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use glommio::ExecutorJoinHandle;
use schema::record::App;
use server_core::devices::Devices;
use server_core::ids::ShardNo;
use server_core::op::{Committed, Done, Op};
use server_core::recovery::GroupsAtStart;
use server_core::rows::RowsError;
use server_core::shard::Identity;
use tokio::sync::watch;

use bootstrap_file::{BootstrapFile, Bound};
use line::Line;
use reloader::Reloader;
use seat::Seat;
use signals::Signals;
use wiring::Wiring;

pub use reloader::Sources;

use crate::ask::{Asker, ToIngress};
use crate::backup::{self, BackupDesk};
use crate::config::Config;
use crate::data_folder;
use crate::http::{self, Entrance, HttpSettings, Ingress, Surfaces};
use crate::lifecycle::{Lifecycle, Stage};
use crate::memory_budget::MemoryBudget;
use crate::mesh::Inbox;
use crate::net::{self, Places, TicketKeys, certificate};
use crate::new_app::new_app;
use crate::preflight;
use crate::reload;
use crate::secret;
use crate::shard_loop::{Control, Terms};
use crate::shares::Shares;
use crate::store::committer::Committer;
use crate::store::{Store, StoreBounds, View, recovery};
use crate::telemetry::Telemetry;
use crate::wall_clock::now_ms;
use crate::webhook;

/// Why the server did not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// A check of the machine failed.
    #[error(transparent)]
    Preflight(#[from] preflight::PreflightError),
    /// The data folder cannot be used.
    #[error("data folder {}: {reason}", .path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] crate::store::OpenError),
    /// The store opened and cannot be read or written.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// There is no usable certificate.
    #[error(transparent)]
    Certificate(#[from] certificate::CertificateError),
    /// TLS does not take the certificate.
    #[error("certificate and key: {0}")]
    Tls(#[from] rustls::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The system refused a thread, a file or a signal.
    #[error("{what}: {source}")]
    System {
        /// What was asked of it.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// An executor did not start.
    #[error("executor of shard {shard}: {reason}")]
    Executor {
        /// Which shard.
        shard: u16,
        /// Why.
        reason: String,
    },
}

impl BootError {
    /// The exit code: 78 (`EX_CONFIG`) for what the operator must change, else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            BootError::Preflight(_) | BootError::Certificate(_) | BootError::Tls(_) => 78,
            _ => 1,
        }
    }
}

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> BootError {
    move |source| BootError::System { what, source }
}

/// Runs the server until it is told to stop. `sources` are what the settings came from: they are read again when
/// somebody asks for it.
///
/// # Errors
/// The server did not start, or did not end well.
pub fn serve(config: Config, sources: Sources) -> Result<(), BootError> {
    // Whatever is created from here on holds secrets: for its owner alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    preflight::take_small_pages();
    let resources = preflight::resources();
    let shards = config.shards.unwrap_or(resources.usable_cores);
    preflight::check(shards, resources.files)?;
    let shares = Shares::of_limit(resources.files, shards, config.admin.is_some());
    let _lock = data_folder::take(&config.data).map_err(|reason| BootError::Data {
        path: config.data.clone(),
        reason,
    })?;
    let mut fleet = Fleet::start(&config, shards, &resources.cpus, shares)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("tokio runtime"))?;
    let local = tokio::task::LocalSet::new();
    let ended = local.block_on(&runtime, fleet.attend(config, sources));
    // The last handles to the rings go with the ingress; then shards, committer and readers end.
    drop(local);
    // A look-up of a name may hang in the system; nobody waits for it any more.
    runtime.shutdown_background();
    fleet.join();
    ended
}

/// All threads but the ingress, and what the ingress needs of them.
struct Fleet {
    shards: Vec<ExecutorJoinHandle<()>>,
    committer: JoinHandle<()>,
    readers: Vec<JoinHandle<()>>,
    line: Line,
    asker: Rc<Asker>,
    answers: Option<Inbox<ToIngress>>,
    telemetry: Arc<Telemetry>,
    lifecycle: Lifecycle,
    http: Option<TcpListener>,
    admin: Option<TcpListener>,
    shares: Shares,
    bootstrap: Rc<BootstrapFile>,
    terms: Arc<Terms>,
    leaf: String,
    tickets: TicketKeys,
    listens_on: IpAddr,
    backups: Option<BackupDesk>,
    backup_writer: JoinHandle<()>,
}

impl Fleet {
    fn start(
        config: &Config,
        shards: u16,
        cpus: &[usize],
        shares: Shares,
    ) -> Result<Fleet, BootError> {
        let started = Instant::now();
        let store = Store::open(
            &data_folder::store(&config.data),
            StoreBounds {
                files: shares.store,
                memory: config.store_memory,
            },
        )?;
        let mut known = Default::default();
        let (mut apps, mut devices, groups, held) = {
            let view = store.view(&mut known)?;
            recovery::check_format(&view, store.path())?;
            load(&view, shards).map_err(|error| match error {
                RowsError::Read { .. } => Store::explained(store.path(), error.to_string()).into(),
                other => BootError::from(other),
            })?
        };
        let lifecycle = Lifecycle::default();
        let telemetry = Telemetry::new(shards, held);
        let mut committer =
            Committer::new(store.clone(), Arc::clone(&telemetry), lifecycle.clone())?;
        let by_ms = recovery::registered_by_ms(&devices);
        let epoch = prepare(&mut committer, &mut apps, by_ms)?;
        let registered = devices.iter().map(Devices::len).sum::<usize>();
        tracing::info!(
            apps = apps.len(),
            devices = registered,
            held,
            epoch,
            took_ms = started.elapsed().as_millis() as u64,
            "the store is open"
        );
        let connections = shares.devices as u64;
        let memory = MemoryBudget::of(shards, config.store_memory);
        let at_most = memory.with_devices(connections, registered as u64);
        tracing::info!(
            mib = at_most / 1024 / 1024,
            without_devices_mib = memory.fixed / 1024 / 1024,
            connections,
            "the most memory that it takes"
        );

        let (listeners, device_bound) =
            net::bind(config.device, shards).map_err(|source| BootError::Listen {
                address: config.device,
                source,
            })?;
        let http = listen(config.http)?;
        let admin = config.admin.map(listen).transpose()?;
        let listens_on = device_bound.ip();
        let identity = reloader::identity(config, listens_on, certificate::own)?;
        let bound = Bound {
            device: device_bound,
            http: bound_to(&http)?,
            admin: admin.as_ref().map(bound_to).transpose()?,
        };
        let bootstrap = BootstrapFile::write(config, bound, &identity.ca_pem, &apps)?;
        let leaf = identity.fingerprint();
        let own_keys = reloader::own_keys(config);
        let tickets = TicketKeys::kept_in(&own_keys, now_ms() / 1000);
        reloader::keep_tickets(&tickets, &own_keys);
        let terms = Arc::new(Terms {
            settings: config.shard.clone(),
            tls: net::server_config(identity.chain, identity.key, tickets.ticketer()?)?,
            door: config.door.clone(),
            send_timeout: config.send_timeout,
        });
        let (backups, orders) = backup::desk();
        let backup_writer = backups::start(orders, store.clone(), config.data.clone())
            .map_err(system("backup thread"))?;
        let mut wiring = Wiring::new(shards, &mut committer, store);
        let places = Places::new(shares.devices);
        let mut handles = Vec::new();
        for ((number, listener), devices) in (0..shards).zip(listeners).zip(devices.drain(..)) {
            let (inboxes, outlets) = wiring.take(number);
            let seat = Seat {
                identity: Identity {
                    me: ShardNo(number),
                    shards,
                    epoch,
                    seed: secret::random(),
                },
                apps: apps.clone(),
                devices,
                groups: groups.clone(),
                terms: Arc::clone(&terms),
                places: places.clone(),
                telemetry: Arc::clone(&telemetry),
            };
            let cpu = cpus[usize::from(number) % cpus.len()];
            handles.push(seat.start(cpu, inboxes, outlets, listener)?);
        }
        let mut readers = Vec::new();
        for (number, reader) in wiring.readers.into_iter().enumerate() {
            readers.push(reader.start(number).map_err(system("reader thread"))?);
        }
        let committer = committer.start().map_err(system("committer thread"))?;
        Ok(Fleet {
            shards: handles,
            committer,
            readers,
            line: Line::new(wiring.control),
            asker: Asker::new(wiring.questions, apps),
            answers: Some(wiring.answers),
            telemetry,
            lifecycle,
            http: Some(http),
            admin,
            shares,
            bootstrap: Rc::new(bootstrap),
            terms,
            leaf,
            tickets,
            listens_on,
            backups: Some(backups),
            backup_writer,
        })
    }

    /// The line that scripts wait for. Who reads it may stop the server at once, so signals are
    /// heard by then.
    fn announce(&self, config: &Config) {
        let bootstrap = self.bootstrap.content();
        let device = &bootstrap.device;
        let http = bootstrap.http.trim_start_matches("http://");
        self.lifecycle.enter(Stage::Ready);
        println!(
            "ready device={device} http={http} data={}",
            config.data.display()
        );
    }

    /// The ingress and the signals, until the process shall end.
    async fn attend(&mut self, config: Config, sources: Sources) -> Result<(), BootError> {
        let mut signals = Signals::new().map_err(system("signals"))?;
        let hang_ups = reloader::hang_ups().map_err(system("signals"))?;
        self.telemetry.settings_read(true, now_ms());
        self.announce(&config);
        let (stop, stopped) = watch::channel(false);
        let (reloads, orders) = reload::desk();
        let of_start = HttpSettings {
            admin_token: self.bootstrap.content().admin_token,
            backups: self.backups.take(),
            reloads: Some(reloads),
            ..HttpSettings::default()
        };
        let ingress = Rc::new(Ingress::new(
            Rc::clone(&self.asker),
            Arc::clone(&self.telemetry),
            self.lifecycle.clone(),
            reloader::http_settings(&config, &of_start),
        ));
        if let Some(inbox) = self.answers.take() {
            let asker = Rc::clone(&self.asker);
            tokio::task::spawn_local(async move { asker.listen(inbox).await });
        }
        tokio::task::spawn_local(Rc::clone(&self.bootstrap).keep(Rc::clone(&self.asker)));
        let (webhooks, webhook_settings) = watch::channel(config.webhooks.clone());
        tokio::task::spawn_local(webhook::run(
            Rc::clone(&self.asker),
            Arc::clone(&self.telemetry),
            webhook_settings,
        ));
        let running = Rc::new(RefCell::new(config));
        let reloader = Reloader {
            sources,
            running: Rc::clone(&running),
            terms: Arc::clone(&self.terms),
            leaf: self.leaf.clone(),
            tickets: self.tickets.clone(),
            listens_on: self.listens_on,
            line: self.line.clone(),
            asker: Rc::clone(&self.asker),
            ingress: Rc::clone(&ingress),
            webhooks,
            bootstrap: Rc::clone(&self.bootstrap),
            telemetry: Arc::clone(&self.telemetry),
            lifecycle: self.lifecycle.clone(),
            told: 0,
        };
        tokio::task::spawn_local(reloader.run(orders, hang_ups));
        let mut serving = tokio::task::JoinSet::new();
        for entrance in self.entrances() {
            serving.spawn_local(http::serve(entrance, Rc::clone(&ingress), stopped.clone()));
        }
        tokio::select! {
            name = signals.next() => tracing::info!(signal = name, "draining"),
            () = self.lifecycle.asked_to_drain() => tracing::info!(asked_by = "the admin API", "draining"),
            Some(ended) = serving.join_next() => {
                if let Ok(Err(source)) = ended {
                    tracing::error!(error = %source, "the HTTP listener failed");
                }
            }
        }
        let config = running.borrow().clone();
        let drained = tokio::time::timeout(
            config.drain_timeout,
            self.drain(&config, &stop, &mut serving),
        );
        tokio::select! {
            drained = drained => if drained.is_err() {
                tracing::warn!("the drain took its whole time; what is left is closed");
            },
            name = signals.next() => tracing::warn!(signal = name, "ending at once"),
        }
        self.line.tell(&Control::Finish);
        Ok(())
    }

    /// Where third parties and operators come in.
    fn entrances(&mut self) -> Vec<Entrance> {
        let (http, admin) = (self.http.take(), self.admin.take());
        let own = Surfaces::ADMIN | Surfaces::METRICS;
        let surfaces = if admin.is_some() {
            Surfaces::REST
        } else {
            Surfaces::ALL
        };
        let http = http.map(|listener| ("http", listener, surfaces, self.shares.third_parties));
        let admin = admin.map(|listener| ("admin", listener, own, self.shares.operators));
        http.into_iter()
            .chain(admin)
            .map(|(name, listener, surfaces, connections_max)| Entrance {
                name,
                listener,
                surfaces,
                connections_max,
            })
            .collect()
    }

    async fn drain(
        &mut self,
        config: &Config,
        stop: &watch::Sender<bool>,
        serving: &mut tokio::task::JoinSet<std::io::Result<()>>,
    ) {
        self.lifecycle.enter(Stage::Draining);
        self.line.tell(&Control::Drain {
            jitter_ms: config.drain_jitter_ms,
            endpoint: config.drain_endpoint.clone(),
        });
        let _ = stop.send(true);
        while serving.join_next().await.is_some() {}
        self.asker.all_drained().await;
    }

    fn join(self) {
        let Fleet {
            shards,
            committer,
            readers,
            asker,
            line,
            backup_writer,
            ..
        } = self;
        for (number, shard) in shards.into_iter().enumerate() {
            if let Err(error) = shard.join() {
                tracing::error!(shard = number, %error, "a shard did not end well");
            }
        }
        drop((asker, line));
        if committer.join().is_err() {
            tracing::error!("the committer did not end well");
        }
        for thread in readers.into_iter().chain([backup_writer]) {
            let _ = thread.join();
        }
        tracing::info!("ended");
    }
}

type Loaded = (Vec<App>, Vec<Devices>, GroupsAtStart, u64);

fn load(view: &View<'_>, shards: u16) -> Result<Loaded, RowsError> {
    let tally = recovery::tally(view)?;
    let held = tally
        .accepted
        .saturating_sub(server_core::apply::finals(&tally));
    Ok((
        recovery::apps(view)?,
        devices(view, shards)?,
        recovery::groups(view, now_ms())?,
        held,
    ))
}

/// The devices of each shard, each read by a thread of its own.
fn devices(view: &View<'_>, shards: u16) -> Result<Vec<Devices>, RowsError> {
    std::thread::scope(|scope| {
        let reading: Vec<_> = (0..shards)
            .map(|shard| scope.spawn(move || recovery::devices_of(view, ShardNo(shard), shards)))
            .collect();
        let read = reading.into_iter();
        read.map(|one| one.join().expect("reading does not panic"))
            .collect()
    })
}

/// Raises the boot epoch and makes the first app; both are durable when this returns.
fn prepare(
    committer: &mut Committer,
    apps: &mut Vec<App>,
    registered_by_ms: u64,
) -> Result<u32, BootError> {
    let mut ops = vec![Op::Boot { registered_by_ms }];
    if apps.is_empty() {
        ops.push(Op::CreateApp {
            ticket: None,
            app: new_app("demo".into(), now_ms()),
        });
    }
    let mut epoch = 0;
    for committed in committer.commit_now(ops)? {
        match committed {
            Committed::Done(Done::Booted { epoch: raised }) => epoch = raised,
            Committed::Done(Done::AppCreated { app, .. }) => apps.push(app),
            _ => {}
        }
    }
    Ok(epoch)
}

fn listen(address: SocketAddr) -> Result<TcpListener, BootError> {
    TcpListener::bind(address).map_err(|source| BootError::Listen { address, source })
}

fn bound_to(listener: &TcpListener) -> Result<SocketAddr, BootError> {
    listener.local_addr().map_err(system("listening address"))
}
