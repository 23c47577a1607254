//! What devices and third parties say in a script.

use bytes::Bytes;
use protocol::{
    Ack, ClientId, Close, CloseReason, Command as DeviceCommand, DeviceInfo, DeviceSecret,
    Feedback, Frame, Hello, Identity, InstallId, MessageId, NotificationSwitch, Operation,
    Platform, SilentTime, Upstream, UpstreamId, Welcome,
};
use schema::record::{
    App, AppSettings, Callback, DeviceQuotas, OfflineLimits, PreviousSecrets, Registration,
};
use server_core::command::{Command, Push, Storage};
use server_core::event::ShardEvent;
use server_core::ids::AppNo;
use server_core::placement::Slot;
use sha2::{Digest, Sha256};

use super::boot::app;
use super::line::{Line, body, duration_ms, number};
use super::world::World;

impl World {
    pub(super) fn frame(&mut self, session: &str, frame: Frame) {
        let (at, session) = self.session(session);
        self.feed(at, ShardEvent::Frame(session, frame));
    }

    pub(super) fn device_says(&mut self, line: &Line) {
        let name = line.word(1);
        let frame = match line.verb() {
            "hello" => Frame::Hello(self.hello(line)),
            "ack" => {
                let (at, session) = self.session(name);
                let cid = self.cid_of_session(at, session);
                let of = line
                    .named("of")
                    .map_or(cid, |of| Some(self.cid(of)))
                    .expect("who acks is live");
                let ids = line
                    .words_from(2)
                    .iter()
                    .flat_map(|word| self.ordinals(of, word))
                    .collect();
                Frame::Ack(Ack { ids })
            }
            "bye" => Frame::Close(Close {
                reason: CloseReason::Normal,
                retry_after_ms: 0,
                text: String::new(),
            }),
            "welcome" => Frame::Welcome(Welcome {
                minor: 0,
                registered: false,
                cid: ClientId::from_bytes([0; 16]),
                generation: 0,
                server_time_ms: 0,
                heartbeat_s: 0,
                heartbeat_min_s: 0,
                heartbeat_max_s: 0,
                window: 0,
            }),
            "upstream" => Frame::Upstream(Upstream {
                id: UpstreamId(number(line.word(2))),
                task_id: line.named_or("task", "").to_owned(),
                body: Bytes::from(body(line.word(3))),
            }),
            _ => Frame::Command(DeviceCommand {
                serial: number(line.word(2)) as u32,
                operation: match line.word(3) {
                    "feedback" => Operation::Feedback(self.feedback(line)),
                    _ => operation(line),
                },
            }),
        };
        self.frame(name, frame);
    }

    /// Entries such as `1:10000` or `1:10000:5s`: message, action, how long ago.
    fn feedback(&self, line: &Line) -> Vec<Feedback> {
        let (at, session) = self.session(line.word(1));
        let cid = self
            .cid_of_session(at, session)
            .expect("who reports is live");
        let entries = line.word(4).split(',').map(|entry| {
            let mut parts = entry.split(':');
            let mut part = || parts.next();
            let message = part().expect("a message");
            Feedback {
                message: match message.strip_prefix('?') {
                    Some(id) => MessageId(number(id)),
                    None => self.message(cid, message),
                },
                action: number(part().expect("an action")) as u32,
                ago_s: part().map_or(0, |ago| (duration_ms(ago) / 1000) as u32),
            }
        });
        entries.collect()
    }

    fn ordinals(&self, cid: ClientId, word: &str) -> Vec<MessageId> {
        match word.split_once("..") {
            Some((first, last)) => (number(first)..=number(last))
                .map(|ordinal| self.message(cid, &ordinal.to_string()))
                .collect(),
            None => vec![self.message(cid, word)],
        }
    }

    fn hello(&self, line: &Line) -> Hello {
        let app_id = line.named_or("app", "demo");
        let (identity, bytes, resume) = match line.word(2) {
            "register" => {
                let install = [line.number_or("install", 1) as u8; 16];
                let resume = MessageId(line.number_or("resume", 0));
                (
                    Identity::Register(InstallId::from_bytes(install)),
                    install,
                    resume,
                )
            }
            _ => {
                let cid = self.cid(line.word(3));
                (
                    Identity::Login(cid),
                    *cid.as_bytes(),
                    match line.named_or("resume", "0") {
                        "beyond" => MessageId(u64::MAX),
                        ordinal => self.message(cid, ordinal),
                    },
                )
            }
        };
        let secret = [line.number_or("secret", 1) as u8; 32];
        let sign = line.named("sign").map(|sign| {
            let app_secret = if sign == "right" {
                app(app_id).app_secret
            } else {
                sign.to_owned()
            };
            let text = [app_id.as_bytes(), &bytes, &secret, app_secret.as_bytes()].concat();
            Sha256::digest(text).into()
        });
        Hello {
            minor: 0,
            app_id: app_id.to_owned(),
            identity,
            secret: DeviceSecret::from_bytes(secret),
            sign,
            resume,
            heartbeat_s: line.number_or("hb", 0) as u16,
            platform: Platform::Android,
            sdk_version: "test 1.0".to_owned(),
        }
    }

    /// What a third party asks.
    pub(super) fn ask(&mut self, line: &Line) {
        for _ in 0..line.number_or("n", 1) {
            self.ask_once(line);
        }
    }

    fn ask_once(&mut self, line: &Line) {
        let app_no = app_no(line);
        let alias_type: Box<str> = line.named_or("type", "").into();
        if line.verb() == "push" {
            return self.push(line, app_no);
        }
        let label = line.named_or("as", "q");
        let mut at = line.number_or("at", 0) as usize;
        let cids = |world: &World| {
            line.word(1)
                .split(',')
                .map(|name| world.cid(name))
                .collect::<Vec<_>>()
        };
        let command = match line.verb() {
            "probe" | "status" => {
                let cids = cids(self);
                at = self.owner(cids[0]);
                if line.verb() == "probe" {
                    Command::Probe { app: app_no, cids }
                } else {
                    Command::Status { app: app_no, cids }
                }
            }
            "cids" => Command::CidsOfAlias {
                app: app_no,
                alias_type,
                alias: line.word(1).into(),
            },
            "alias" => {
                let cid = self.cid(line.word(1));
                at = self.owner(cid);
                Command::AliasOfCid {
                    app: app_no,
                    alias_type,
                    cid,
                }
            }
            "app" => Command::CreateApp(app(line.word(1))),
            "disable" | "enable" | "rotate" | "set" | "delete" => self.app_command(line),
            "task" => Command::TaskHistory {
                app: app_no,
                task_id: line.word(1).into(),
            },
            "device" | "live" => {
                let cid = self.cid(line.word(1));
                at = self.owner(cid);
                match line.verb() {
                    "device" => Command::DeviceHistory { app: app_no, cid },
                    _ => Command::LiveSession { app: app_no, cid },
                }
            }
            verb => {
                let bindings = line
                    .pairs()
                    .filter(|(name, _)| !["at", "as", "type", "app"].contains(name))
                    .map(|(name, alias)| (self.cid(name), alias.into()))
                    .collect();
                if verb == "bind" {
                    Command::BindAliases {
                        app: app_no,
                        alias_type,
                        bindings,
                    }
                } else {
                    Command::UnbindAliases {
                        app: app_no,
                        alias_type,
                        bindings,
                    }
                }
            }
        };
        let ticket = self.ticket(label);
        self.feed(at, ShardEvent::Command(ticket, command));
    }

    /// What an operator does with an app that exists.
    fn app_command(&self, line: &Line) -> Command {
        let apps = server_core::recovery::apps(&self.rows).expect("memory reads");
        let found = apps.into_iter().find(|app| app.app_id == line.word(1));
        let app = found.expect("the app exists");
        match line.verb() {
            "delete" => Command::DeleteApp(app),
            "rotate" => Command::ChangeApp(App {
                app_secret: "rotated".to_owned(),
                previous: Some(PreviousSecrets {
                    app_secret: app.app_secret.clone(),
                    master_secret: app.master_secret.clone(),
                    until_ms: self.now.wall_ms + duration_ms(line.word(2)) as u64,
                }),
                ..app
            }),
            "set" => Command::ChangeApp(App {
                settings: Box::new(settings(line)),
                ..app
            }),
            verb => Command::ChangeApp(App {
                disabled: verb == "disable",
                ..app
            }),
        }
    }

    fn push(&mut self, line: &Line, app: AppNo) {
        self.pushes += 1;
        let own = format!("own {}", self.pushes);
        let request_id: Box<str> = line.named_or("req", &own).into();
        let label = line.named("as").or(line.named("req")).unwrap_or("r");
        let ttl_ms = line.named_or("ttl", "1h");
        let storage = match ttl_ms {
            "-1" => Storage::Never,
            ttl => Storage::Until(self.now.wall_ms.strict_add_signed(duration_ms(ttl))),
        };
        let push = Push {
            task_id: line.named_or("task", &own).into(),
            storage,
            vendor: None,
            skips_notify_off: line.has_word("skip"),
            body: Bytes::from(body(line.named_or("body", "x"))),
            request_id,
        };
        let cids: Vec<ClientId> = line.word(1).split(',').map(|name| self.cid(name)).collect();
        if let [cid] = cids.as_slice() {
            let ticket = self.ticket(label);
            let command = Command::PushSingle {
                app,
                cid: *cid,
                push,
            };
            return self.feed(self.owner(*cid), ShardEvent::Command(ticket, command));
        }
        self.probed = Some(Vec::new());
        for cid in cids {
            let ticket = self.ticket("probe");
            let command = Command::Probe {
                app,
                cids: vec![cid],
            };
            self.feed(self.owner(cid), ShardEvent::Command(ticket, command));
        }
        let targets = self.probed.take().expect("just set");
        let home = Slot::of_name(push.request_id.as_bytes()).shard(self.shards.len() as u16);
        let ticket = self.ticket(label);
        let command = Command::PushMany { app, targets, push };
        self.feed(usize::from(home.0), ShardEvent::Command(ticket, command));
    }
}

/// The settings that a line names, all others as they are without one.
fn settings(line: &Line) -> AppSettings {
    AppSettings {
        registration: match line.named_or("registration", "open") {
            "open" => Registration::Open,
            "signed" => Registration::Signed,
            _ => Registration::Closed,
        },
        devices_may_bind: line.named("devices_may_bind").map(|word| word == "yes"),
        offline: OfflineLimits {
            len_max: line.number_or("offline_len", 0) as u32,
            bytes_max: line.number_or("offline_bytes", 0),
        },
        callback: Callback {
            url: line.named("callback").map(str::to_owned),
            ..Callback::default()
        },
        device_quotas: DeviceQuotas {
            tags_per_day: line.number_or("device_tags", 0) as u32,
            aliases_per_day: line.number_or("device_aliases", 0) as u32,
            alias_pause_s: line.number_or("alias_pause", 0) as u32,
        },
        ..AppSettings::default()
    }
}

pub(super) fn app_no(line: &Line) -> AppNo {
    match line.named_or("app", "demo") {
        "demo" => AppNo(1),
        "other" => AppNo(2),
        other => panic!("line {}: no third party of {other}", line.number),
    }
}

fn operation(line: &Line) -> Operation {
    let alias_type = line.named_or("type", "").to_owned();
    let alias = || line.word(4).to_owned();
    match line.word(3) {
        "bind" => Operation::BindAlias {
            alias_type,
            alias: alias(),
        },
        "settags" => Operation::SetTags(match line.word(4) {
            "none" => Vec::new(),
            tags => tags.split(',').map(str::to_owned).collect(),
        }),
        "querytags" => Operation::QueryTags,
        "switch" => Operation::PushSwitch {
            on: line.word(4) == "on",
        },
        "silent" => Operation::SilentTime(SilentTime {
            begin_hour: number(line.word(4)) as u8,
            hours: number(line.word(5)) as u8,
            zone_min: line.word(6).parse().expect("minutes"),
        }),
        "info" => Operation::DeviceInfo(DeviceInfo {
            brand: line.named_or("brand", "").to_owned(),
            model: line.named_or("model", "").to_owned(),
            notifications: match line.named("notify") {
                Some("off") => NotificationSwitch::Off,
                Some(_) => NotificationSwitch::On,
                None => NotificationSwitch::Unknown,
            },
            ..DeviceInfo::default()
        }),
        "badge" => Operation::Badge(number(line.word(4)) as u32),
        "token" => Operation::VendorToken {
            channel: line.word(4).to_owned(),
            token: line.word(5).replace('-', ""),
        },
        "unbind" => Operation::UnbindAlias {
            everywhere: false,
            alias_type,
            alias: alias(),
        },
        "drop" => Operation::UnbindAlias {
            everywhere: true,
            alias_type,
            alias: alias(),
        },
        _ => Operation::Unknown(number(line.word(4)) as u8),
    }
}
