//! Receipts on their way to the developers' servers.
//!
//! Owner: the ingress thread; one sender per app with a callback, which reads what waits in the store by
//! [`Asker`] and settles what was told. Always: at most one delivery of an app is under way; receipts
//! are in memory only while they are under way; nothing here is waited for by a device or by a third party.
//!
//! Read in this order: `sender` (when), `parcel` and `sign` (what), `target` and `call` (where).

mod back_off;
mod call;
mod custom_callbacks;
mod parcel;
mod sender;
mod sign;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use server_core::command::{Answer, Command, Settling};
use server_core::ids::AppNo;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::ask::Asker;
use crate::limits::{WEBHOOK_CALLS_MAX, WEBHOOK_LAGS_SHOWN_MAX, WEBHOOK_LOOK_MAX};
use crate::telemetry::Telemetry;
use call::Caller;
use sender::Sender;

/// What can be set about webhooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Whether receivers may be on loopback and private networks.
    pub allow_private: bool,
    /// How long one try may take.
    pub timeout: Duration,
    /// The first pause after a try that failed.
    pub retry_first: Duration,
    /// The longest pause.
    pub retry_most: Duration,
    /// How old a receipt may become before it is given up after a try that failed.
    pub keep: Duration,
}

impl Default for WebhookSettings {
    fn default() -> Self {
        WebhookSettings {
            allow_private: false,
            timeout: Duration::from_secs(10),
            retry_first: Duration::from_secs(1),
            retry_most: Duration::from_secs(600),
            keep: Duration::from_secs(24 * 3600),
        }
    }
}

/// What all senders share.
#[derive(Debug)]
struct Office {
    asker: Rc<Asker>,
    telemetry: Arc<Telemetry>,
    settings: watch::Receiver<WebhookSettings>,
    caller: Caller,
    calls: Semaphore,
}

impl Office {
    /// Asks the home of an app, so that the questions about one app meet one ring.
    async fn ask(&self, app_id: &str, command: Command) -> Answer {
        let home = self.asker.home(app_id.as_bytes());
        self.asker.ask(home, command).await
    }

    /// Clears everything that an app which is gone would have been told.
    async fn clear(&self, app_id: &str, app: AppNo) {
        loop {
            let receipts = Command::Receipts {
                app,
                after: 0,
                dead: false,
            };
            let cleared = match self.ask(app_id, receipts).await {
                Answer::Receipts(page) => match page.receipts.last() {
                    Some(last) => {
                        let settle = Command::SettleReceipts {
                            app,
                            upto: last.order,
                            settling: Settling::Dropped,
                        };
                        matches!(self.ask(app_id, settle).await, Answer::Done)
                    }
                    // What was given up is cleared by the same way.
                    None => match self.ask(app_id, Command::ReplayReceipts { app }).await {
                        Answer::Count(0) => return,
                        answer => matches!(answer, Answer::Count(_)),
                    },
                },
                _ => false,
            };
            if !cleared {
                tokio::time::sleep(WEBHOOK_LOOK_MAX).await;
            }
        }
    }
}

/// Keeps a sender for each app that has a callback; never ends. The settings are those of the
/// moment at which each is needed.
pub async fn run(
    asker: Rc<Asker>,
    telemetry: Arc<Telemetry>,
    settings: watch::Receiver<WebhookSettings>,
) {
    let office = Rc::new(Office {
        caller: Caller::new(settings.clone()),
        asker: Rc::clone(&asker),
        telemetry,
        settings,
        calls: Semaphore::new(WEBHOOK_CALLS_MAX),
    });
    let mut changes = asker.watch_apps();
    let mut known: BTreeMap<String, AppNo> = BTreeMap::new();
    let mut sending: BTreeSet<String> = BTreeSet::new();
    let mut shown: BTreeSet<String> = BTreeSet::new();
    let mut running = JoinSet::new();
    loop {
        changes.borrow_and_update();
        let apps = asker.apps();
        let now: BTreeMap<String, AppNo> = apps
            .iter()
            .map(|app| (app.app_id.clone(), AppNo(app.number)))
            .collect();
        for (app_id, app) in known
            .iter()
            .filter(|(app_id, _)| !now.contains_key(*app_id))
        {
            let (office, app_id, app) = (Rc::clone(&office), app_id.clone(), *app);
            running.spawn_local(async move {
                office.clear(&app_id, app).await;
                None
            });
        }
        known = now;
        for app in apps
            .iter()
            .filter(|app| app.settings.callback.url.is_some())
        {
            let app_id = app.app_id.clone();
            if !sending.insert(app_id.clone()) {
                continue;
            }
            let shows_lag = shown.len() < WEBHOOK_LAGS_SHOWN_MAX && shown.insert(app_id.clone());
            let sender = Sender::new(Rc::clone(&office), app_id.clone(), shows_lag);
            running.spawn_local(async move {
                sender.run().await;
                Some(app_id)
            });
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() {
                return;
            },
            // A sender ends when its app has no callback any more. It may have got one again meanwhile.
            Some(Ok(Some(app_id))) = running.join_next() => {
                sending.remove(&app_id);
                shown.remove(&app_id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
