//! Where messages for devices without a connection are handed to the vendor channel.
//!
//! Owner: the ingress thread. Always: nothing here is waited for by an answer; what waits is bounded
//! in bytes, and what does not fit is left out, since the message itself rests in the outbox.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use protocol::ClientId;
use schema::record::{App, Profile};
use server_core::command::{Answer, Command, TargetStatus};
use server_core::ids::AppNo;

use super::fault::Fault;
use super::member::{self, object};
use super::owners;
use super::push_request::PushRequest;
use super::strategy::Strategy;
use crate::ask::Asker;
use crate::limits::{VENDOR_HELD_LEN_MAX, VENDOR_MESSAGES_PER_TURN};
use crate::vendor::{VendorChannel, VendorMessage, VendorToken};

object! {
    /// What is stored with a task for others than this server.
    RawVendor { strategy, push_channel }
}

/// What a request has for vendor channels.
#[derive(Debug)]
pub(super) struct Offer {
    /// Which devices it may go to.
    pub(super) strategy: Strategy,
    /// The member `push_channel` as it came.
    pub(super) push_channel: Box<str>,
}

/// The vendor channel of this server, if it has one.
pub(super) struct VendorDesk {
    channel: RefCell<Option<Arc<dyn VendorChannel>>>,
    held_len: Rc<Cell<usize>>,
    strategy_told: Cell<bool>,
    full_told: Cell<bool>,
}

/// A share of what may wait.
struct Held {
    len: usize,
    held_len: Rc<Cell<usize>>,
}

/// A task with those of its targets that are not connected.
struct Job {
    asker: Rc<Asker>,
    app: Rc<App>,
    task_id: Box<str>,
    cids: Vec<ClientId>,
    channel: Arc<dyn VendorChannel>,
    _held: Held,
}

impl VendorDesk {
    /// A desk in front of a channel, or of none.
    pub(super) fn new(channel: Option<Arc<dyn VendorChannel>>) -> Rc<Self> {
        Rc::new(VendorDesk {
            channel: RefCell::new(channel),
            held_len: Rc::default(),
            strategy_told: Cell::new(false),
            full_told: Cell::new(false),
        })
    }

    /// Stands in front of another channel, or of none. What was handed in before goes to the one of then.
    pub(super) fn set(&self, channel: Option<Arc<dyn VendorChannel>>) {
        self.channel.replace(channel);
    }

    /// What a request has for the channel; nothing if there is no channel.
    pub(super) fn offer(&self, request: &PushRequest<'_>) -> Option<Offer> {
        self.note(&request.settings.strategy);
        let channel = self.channel.borrow();
        channel.as_ref().and_then(|_| request.offer())
    }

    /// Says once that a strategy cannot be followed.
    pub(super) fn note(&self, strategy: &Strategy) {
        if self.channel.borrow().is_none()
            && strategy.wants_vendor_only()
            && !self.strategy_told.replace(true)
        {
            tracing::info!(
                "strategy 2 (vendor only) is treated as 1: no vendor channel is attached"
            );
        }
    }

    /// Hands the messages of a task to the channel for those targets that were not connected.
    pub(super) fn hand_over(
        &self,
        asker: &Rc<Asker>,
        app: &Rc<App>,
        task_id: &str,
        offer: Offer,
        targets: &[(ClientId, TargetStatus)],
    ) {
        let Some(job) = self.job(asker, app, task_id, offer.push_channel.len(), targets) else {
            return;
        };
        tokio::task::spawn_local(async move { job.hand_over(&offer).await });
    }

    /// The same for a list, whose message was taken in an earlier request.
    pub(super) fn hand_over_list(
        &self,
        asker: &Rc<Asker>,
        app: &Rc<App>,
        task_id: &str,
        targets: &[(ClientId, TargetStatus)],
    ) {
        let text_len = schema::limits::VENDOR_LEN_MAX;
        let Some(job) = self.job(asker, app, task_id, text_len, targets) else {
            return;
        };
        tokio::task::spawn_local(async move {
            if let Some(offer) = job.stored_offer().await {
                job.hand_over(&offer).await;
            }
        });
    }

    /// `None` if there is nothing to do, or no room.
    fn job(
        &self,
        asker: &Rc<Asker>,
        app: &Rc<App>,
        task_id: &str,
        text_len: usize,
        targets: &[(ClientId, TargetStatus)],
    ) -> Option<Job> {
        let channel = Arc::clone(self.channel.borrow().as_ref()?);
        let offline = targets
            .iter()
            .filter(|(_, status)| *status == TargetStatus::Offline);
        let cids: Vec<ClientId> = offline.map(|(cid, _)| *cid).collect();
        if cids.is_empty() {
            return None;
        }
        let len = text_len + cids.len() * size_of::<ClientId>();
        let held_len = self.held_len.get() + len;
        if held_len > VENDOR_HELD_LEN_MAX {
            if !self.full_told.replace(true) {
                tracing::warn!(
                    limit = VENDOR_HELD_LEN_MAX,
                    "too much waits for the vendor channel; messages are not handed to it"
                );
            }
            return None;
        }
        self.full_told.set(false);
        self.held_len.set(held_len);
        Some(Job {
            asker: Rc::clone(asker),
            app: Rc::clone(app),
            task_id: task_id.into(),
            cids,
            channel,
            _held: Held {
                len,
                held_len: Rc::clone(&self.held_len),
            },
        })
    }
}

impl std::fmt::Debug for VendorDesk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VendorDesk")
            .field("is_attached", &self.channel.borrow().is_some())
            .field("held_len", &self.held_len)
            .finish_non_exhaustive()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.held_len.set(self.held_len.get() - self.len);
    }
}

impl Job {
    async fn hand_over(&self, offer: &Offer) {
        let profiles = self.profiles().await.unwrap_or_default();
        for (at, cid) in self.cids.iter().enumerate() {
            if at % VENDOR_MESSAGES_PER_TURN == VENDOR_MESSAGES_PER_TURN - 1 {
                tokio::task::yield_now().await;
            }
            let token = profiles
                .get(cid)
                .filter(|profile| !profile.device_token.is_empty())
                .map(|profile| VendorToken {
                    kind: &profile.token_kind,
                    token: &profile.device_token,
                });
            let kind = token.map(|token| token.kind);
            if offer.strategy.allows_vendor(kind) {
                self.channel.hand_over(&VendorMessage {
                    app_id: &self.app.app_id,
                    cid: *cid,
                    token,
                    task_id: &self.task_id,
                    strategy: offer.strategy.of(kind),
                    push_channel: &offer.push_channel,
                });
            }
        }
    }

    /// What is known of the devices. A shard that is busy knows nothing: a channel then gets the
    /// message without a token and may look for one itself.
    async fn profiles(&self) -> Result<HashMap<ClientId, Profile>, Fault> {
        let app = AppNo(self.app.number);
        let command = |cids| Command::Details { app, cids };
        let mut profiles = HashMap::new();
        for answer in owners::ask_each(&self.asker, &self.cids, command).await? {
            if let Answer::Details(details) = answer {
                profiles.extend(
                    details
                        .into_iter()
                        .map(|(cid, detail)| (cid, detail.profile)),
                );
            }
        }
        Ok(profiles)
    }

    /// What was stored with the list.
    async fn stored_offer(&self) -> Option<Offer> {
        let home = self.asker.home(self.task_id.as_bytes());
        let command = Command::Groups {
            app: AppNo(self.app.number),
            task_ids: vec![self.task_id.clone()],
        };
        let Answer::Groups(views) = self.asker.ask(home, command).await else {
            return None;
        };
        let text = views.into_iter().next()?.group.vendor?;
        let raw: RawVendor<'_> = member::body(text.as_bytes()).ok()?;
        Some(Offer {
            strategy: Strategy::read(raw.strategy).ok()?,
            push_channel: raw.push_channel.json()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;
    use crate::http::fixture;
    use crate::vendor::LogOnly;

    struct Lines(SyncSender<String>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let line = String::from_utf8_lossy(bytes).into_owned();
            self.0.send(line).expect("the test listens");
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `act` logs.
    fn logged(act: impl FnOnce()) -> Vec<String> {
        let (sender, lines): (_, Receiver<String>) = sync_channel(64);
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Lines(sender.clone()))
            .finish();
        tracing::subscriber::with_default(log, act);
        lines.try_iter().collect()
    }

    fn strategy(number: u8) -> Strategy {
        object! { Request { strategy } }
        let body = format!(r#"{{"strategy":{{"default":{number}}}}}"#);
        let request: Request<'_> = member::body(body.as_bytes()).expect("json");
        Strategy::read(request.strategy).expect("a strategy")
    }

    fn targets(len: u128) -> Vec<(ClientId, TargetStatus)> {
        (0..len)
            .map(|number| {
                let cid = format!("{number:032x}").parse().expect("a cid");
                (cid, TargetStatus::Offline)
            })
            .collect()
    }

    #[test]
    fn given_vendor_only_without_a_channel_when_noted_should_be_said_once() {
        let lines = logged(|| {
            let desk = VendorDesk::new(None);
            for number in [1, 3, 2, 2, 2] {
                desk.note(&strategy(number));
            }
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("INFO") && lines[0].contains("strategy 2"));
        let lines = logged(|| VendorDesk::new(Some(Arc::new(LogOnly))).note(&strategy(2)));
        assert!(lines.is_empty(), "{lines:?}");
    }

    #[test]
    fn given_more_than_may_wait_when_handed_over_should_be_left_out_until_there_is_room() {
        let asker = Asker::new(Vec::new(), Vec::new());
        let app = Rc::new(fixture::app());
        let desk = VendorDesk::new(Some(Arc::new(LogOnly)));
        let job = |text_len| desk.job(&asker, &app, "RASS_1", text_len, &targets(1));
        let whole = VENDOR_HELD_LEN_MAX - size_of::<ClientId>();
        let first = job(whole);
        assert!(first.is_some());
        let lines = logged(|| assert!(job(0).is_none() && job(0).is_none()));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains("WARN"), "{lines:?}");
        drop(first);
        assert!(job(whole).is_some());
        assert!(job(whole + 1).is_none());
        assert_eq!(desk.held_len.get(), 0);
    }

    #[test]
    fn given_nobody_offline_when_handed_over_should_be_nothing_to_do() {
        let asker = Asker::new(Vec::new(), Vec::new());
        let app = Rc::new(fixture::app());
        let desk = VendorDesk::new(Some(Arc::new(LogOnly)));
        let mut one = targets(1);
        assert!(desk.job(&asker, &app, "RASS_1", 0, &one).is_some());
        for status in [TargetStatus::Online, TargetStatus::Ignored] {
            one[0].1 = status;
            assert!(desk.job(&asker, &app, "RASS_1", 0, &one).is_none());
        }
    }

    #[test]
    fn given_a_message_when_the_log_is_the_channel_should_be_one_line_without_secrets() {
        let lines = logged(|| {
            LogOnly.hand_over(&VendorMessage {
                app_id: "app",
                cid: targets(1)[0].0,
                token: Some(VendorToken {
                    kind: "hw",
                    token: "t0ken",
                }),
                task_id: "RASS_1",
                strategy: 4,
                push_channel: r#"{"text":"payl0ad"}"#,
            });
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        for part in [
            "INFO",
            "app=\"app\"",
            "cid=00000000000000000000000000000000",
            "task=\"RASS_1\"",
            "kind=\"hw\"",
            "strategy=4",
            "push_channel_len=18",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert!(
            !line.contains("t0ken") && !line.contains("payl0ad"),
            "{line}"
        );
    }
}
