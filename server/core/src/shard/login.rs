//! From an open connection to a welcome: who it is, who owns it, whether it may.

use protocol::{ClientId, Close, CloseReason, Frame, Hello, Identity as Who, MessageId, Welcome};
use schema::record::{App, Device as DeviceRow};
use sha2::{Digest, Sha256};

use super::Shard;
use crate::apps::AppRefusal;
use crate::clock::{Day, Now};
use crate::devices::{Device, hash_of};
use crate::effect::Effect;
use crate::ids::{AppNo, SessionId};
use crate::limits::WINDOW_LEN_MAX;
use crate::op::Op;
use crate::outbox::Outbox;
use crate::placement::Slot;
use crate::session::{Live, Session};

impl Shard {
    /// The app of an AppID, for whoever decides on what the core does not know of: addresses.
    pub fn app(&self, app_id: &str) -> Option<&App> {
        self.apps.get(app_id)
    }

    pub(super) fn on_opened(&mut self, now: Now, session: SessionId, effects: &mut Vec<Effect>) {
        self.counters.connections_opened += 1;
        let deadline_ms = now.mono_ms + self.settings.hello_timeout_ms;
        self.sessions
            .insert(session, Session::Greeting { deadline_ms });
        self.wheel.insert(deadline_ms, session);
        if self.draining.is_some() {
            self.close(session, CloseReason::Draining, "", effects);
        }
    }

    pub(super) fn on_adopted(
        &mut self,
        now: Now,
        session: SessionId,
        hello: Hello,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.adopted += 1;
        self.sessions.insert(
            session,
            Session::Greeting {
                deadline_ms: now.mono_ms,
            },
        );
        if self.draining.is_some() {
            return self.close(session, CloseReason::Draining, "", effects);
        }
        // Where it landed the app was asked already, and a sign may have been made over the
        // install id that led to this CID; but the app may have changed since.
        match (self.apps.open(&hello.app_id), &hello.identity) {
            (Ok(app), Who::Login(cid)) => {
                self.log_in(now, session, app, *cid, &hello, false, effects);
            }
            (Err(refusal), _) => self.refuse_app(session, refusal, effects),
            (Ok(_), Who::Register(_)) => {
                let text = "handed over without a CID";
                self.close(session, CloseReason::InternalError, text, effects);
            }
        }
    }

    fn refuse_app(&mut self, session: SessionId, refusal: AppRefusal, effects: &mut Vec<Effect>) {
        let (reason, text) = match refusal {
            AppRefusal::Unknown => (CloseReason::UnknownApp, "no app has this AppID"),
            AppRefusal::Disabled => (CloseReason::AppDisabled, "the app is disabled"),
            AppRefusal::SignRequired => (CloseReason::SignRequired, "sign missing or wrong"),
            AppRefusal::RegistrationClosed => {
                (CloseReason::AppDisabled, "the app takes no new devices")
            }
        };
        self.refuse(session, reason, text, effects);
    }

    /// Decides on a hello: refuse, hand over, register or log in.
    pub(super) fn greet(
        &mut self,
        now: Now,
        session: SessionId,
        hello: Hello,
        effects: &mut Vec<Effect>,
    ) {
        if self.draining.is_some() {
            return self.close(session, CloseReason::Draining, "", effects);
        }
        let app = match self.apps.admit(&hello, now.wall_ms) {
            Ok(app) => app,
            Err(refusal) => return self.refuse_app(session, refusal, effects),
        };
        match hello.identity {
            Who::Login(cid) => {
                let owner = Slot::of_cid(cid).shard(self.identity.shards);
                if owner == self.identity.me {
                    self.log_in(now, session, app, cid, &hello, false, effects);
                } else {
                    self.hand_off(session, owner, hello, effects);
                }
            }
            Who::Register(install) => {
                let device = DeviceRow {
                    app: app.0,
                    install: *install.as_bytes(),
                    secret_hash: hash_of(&hello.secret),
                    created_ms: now.wall_ms,
                    platform: hello.platform.number(),
                    sdk_version: hello.sdk_version.clone(),
                    push_off: false,
                    blocked: false,
                    notify_off: false,
                };
                let cid = self.draw_cid();
                let op = Op::Register {
                    session,
                    cid,
                    device,
                };
                if !self.can_commit(op.weight()) {
                    return self.refuse(
                        session,
                        CloseReason::Overloaded,
                        "too many registrations",
                        effects,
                    );
                }
                self.sessions
                    .insert(session, Session::Registering(Box::new(hello)));
                self.commit(op, effects);
            }
        }
    }

    fn hand_off(
        &mut self,
        session: SessionId,
        to: crate::ids::ShardNo,
        hello: Hello,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.handed_off += 1;
        self.sessions.remove(&session);
        effects.push(Effect::HandOff {
            session,
            to,
            hello: Box::new(hello),
        });
    }

    fn refuse(
        &mut self,
        session: SessionId,
        reason: CloseReason,
        text: &str,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.logins_refused += 1;
        self.close(session, reason, text, effects);
    }

    /// A new CID in a slot of this shard. Nobody can guess it: it is a hash of the secret seed.
    fn draw_cid(&mut self) -> ClientId {
        self.cids_drawn += 1;
        let hash: [u8; 32] = Sha256::new()
            .chain_update(self.identity.seed)
            .chain_update(self.identity.epoch.to_be_bytes())
            .chain_update(self.cids_drawn.to_be_bytes())
            .finalize()
            .into();
        let (random, rest) = hash.split_at(16);
        let pick = u64::from_be_bytes(rest[..8].try_into().expect("8 of 16 bytes"));
        Slot::within(self.identity.me, self.identity.shards, pick)
            .cid(random.try_into().expect("16 of 32 bytes"))
    }

    pub(super) fn on_registered(
        &mut self,
        now: Now,
        session: SessionId,
        cid: ClientId,
        new: Option<DeviceRow>,
        effects: &mut Vec<Effect>,
    ) {
        let registered = new.is_some();
        if new
            .as_ref()
            .is_some_and(|row| !self.apps.has_number(AppNo(row.app)))
        {
            // The app was deleted while the registration was on its way to the disk.
            self.to_forget.push(cid);
            return self.close(
                session,
                CloseReason::UnknownApp,
                "the app was deleted",
                effects,
            );
        }
        if let Some(row) = new {
            self.counters.registrations += 1;
            self.devices.put(cid, Device::new(&row, Some(MessageId(0))));
        }
        let hello = match self.sessions.remove(&session) {
            Some(Session::Registering(hello)) => hello,
            // The connection went away meanwhile; the device will ask again and get this CID.
            None => return,
            Some(other) => unreachable!("{session:?} was registering, not {other:?}"),
        };
        self.sessions.insert(
            session,
            Session::Greeting {
                deadline_ms: now.mono_ms,
            },
        );
        let hello = Hello {
            identity: Who::Login(cid),
            ..*hello
        };
        let owner = Slot::of_cid(cid).shard(self.identity.shards);
        if owner != self.identity.me {
            return self.hand_off(session, owner, hello, effects);
        }
        // The app may have changed while the registration was on its way to the disk.
        match self.apps.open(&hello.app_id) {
            Ok(app) => self.log_in(now, session, app, cid, &hello, registered, effects),
            Err(refusal) => self.refuse_app(session, refusal, effects),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the facts of one login, used once"
    )]
    fn log_in(
        &mut self,
        now: Now,
        session: SessionId,
        app: AppNo,
        cid: ClientId,
        hello: &Hello,
        registered: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(device) = self.devices.get(cid).filter(|device| device.app == app) else {
            return self.refuse(
                session,
                CloseReason::UnknownClient,
                "no device of this app has this CID",
                effects,
            );
        };
        if !device.has_secret(&hello.secret) {
            return self.refuse(
                session,
                CloseReason::BadCredential,
                "the secret is not this device's",
                effects,
            );
        }
        if let Some(old) = device.session() {
            self.counters.replaced += 1;
            self.forget(old);
            let text = "a newer login of the same CID".to_owned();
            effects.push(Effect::Close(
                old,
                Close {
                    reason: CloseReason::Replaced,
                    retry_after_ms: 0,
                    text,
                },
            ));
        }
        let heartbeat_s = self.heartbeat_s(hello.heartbeat_s);
        let generation = self.next_generation();
        let device = self.devices.get_mut(cid).expect("just seen");
        device.set_session(Some(session));
        device.newly_active |= Day::of_ms(device.last_login_ms) < Day::of_ms(now.wall_ms);
        device.last_login_ms = now.wall_ms;
        device.last_seen_ms = now.wall_ms;
        let caught_up = device.tail().is_some_and(|tail| tail <= device.acked);
        let mut live = Live {
            cid,
            generation,
            heartbeat_ms: u64::from(heartbeat_s) * 1000,
            heard_ms: now.mono_ms,
            seen_ms: now.wall_ms,
            armed_ms: 0,
            in_page_line: false,
            outbox: Outbox::new(device.acked, hello.resume, caught_up),
        };
        live.armed_ms = self.wheel.insert(live.deadline_ms(), session);
        self.sessions.insert(session, Session::Live(Box::new(live)));
        self.counters.sessions += 1;
        self.counters.logins += 1;
        self.devices.touch(cid);
        let welcome = Welcome {
            minor: protocol::VERSION_MINOR,
            registered,
            cid,
            generation: generation.0,
            server_time_ms: now.wall_ms,
            heartbeat_s,
            heartbeat_min_s: self.settings.heartbeat_min_s,
            heartbeat_max_s: self.settings.heartbeat_max_s,
            window: WINDOW_LEN_MAX,
        };
        effects.push(Effect::Send(session, Frame::Welcome(welcome)));
        self.pump(now, session, effects);
    }

    fn heartbeat_s(&self, wish_s: u16) -> u16 {
        let wish_s = if wish_s == 0 {
            self.settings.heartbeat_default_s
        } else {
            wish_s
        };
        wish_s.clamp(self.settings.heartbeat_min_s, self.settings.heartbeat_max_s)
    }
}
