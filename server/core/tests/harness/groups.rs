//! Pushes to many, tags and reports in a script.

use bytes::Bytes;
use protocol::{ClientId, MessageId};
use schema::record::Sums;
use server_core::clock::Day;
use server_core::command::{Answer, Command, Settling};
use server_core::event::ShardEvent;
use server_core::group::{
    Activity, Audience, Badge, Condition, ConditionKey, ConditionOp, GroupKind, GroupPush,
    GroupState, TagTerm,
};

use server_core::report::QueuedReceipt;
use server_core::rows::Keyspace;

use super::asks::app_no;
use super::line::{Line, body, duration_ms, number};
use super::world::World;

/// The verbs of this page.
pub(super) const VERBS: [&str; 17] = [
    "group",
    "list",
    "stop",
    "unschedule",
    "groups",
    "named",
    "day",
    "online",
    "detail",
    "count",
    "match",
    "settags",
    "addtag",
    "deltag",
    "tags",
    "block",
    "unblock",
];

/// More of them.
pub(super) const MORE_VERBS: [&str; 8] = [
    "badge",
    "token",
    "details",
    "forget",
    "dropalias",
    "receipts",
    "settle",
    "replay",
];

impl World {
    pub(super) fn group_line(&mut self, line: &Line) {
        let app = app_no(line);
        let label = line.named_or("as", "q").to_owned();
        let mut at = line.number_or("at", 0) as usize;
        let task = || -> Box<str> { line.word(1).into() };
        let command = match line.verb() {
            "group" => Command::PushGroup {
                app,
                push: self.group_push(line),
            },
            "list" => return self.push_list(line),
            "stop" => Command::StopGroup {
                app,
                task_id: task(),
            },
            "unschedule" => Command::Unschedule {
                app,
                task_id: task(),
            },
            "groups" => Command::Groups {
                app,
                task_ids: line.word(1).split(',').map(Box::from).collect(),
            },
            "named" => {
                let today = Day::of_ms(self.now.wall_ms);
                let group_name = task();
                Command::GroupsByName {
                    app,
                    group_name,
                    from: Day(today.0 - 1),
                    to: today,
                }
            }
            "day" => Command::AppDay {
                app,
                day: Day::of_ms(self.now.wall_ms),
            },
            "online" => Command::OnlineSamples { app },
            "receipts" => Command::Receipts {
                app,
                after: 0,
                dead: line.has_word("dead"),
            },
            "settle" => {
                let rows = self.rows.all();
                let first = rows
                    .filter(|(keyspace, ..)| *keyspace == Keyspace::Receipt)
                    .find_map(|(_, key, _)| server_core::keys::receipt_of(key));
                Command::SettleReceipts {
                    app,
                    upto: first.expect("a receipt waits"),
                    settling: match line {
                        line if line.has_word("dead") => Settling::Dead,
                        line if line.has_word("dropped") => Settling::Dropped,
                        _ => Settling::Told,
                    },
                }
            }
            "replay" => Command::ReplayReceipts { app },
            "count" => Command::CountAudience {
                app,
                audience: audience(line),
            },
            _ => {
                let (to, command) = self.client_command(line);
                at = line.number_or("at", to as u64) as usize;
                command
            }
        };
        let ticket = self.ticket(&label);
        self.feed(at, ShardEvent::Command(ticket, command));
    }

    /// What is asked of one client or of some, and the owner of the first.
    fn client_command(&mut self, line: &Line) -> (usize, Command) {
        let app = app_no(line);
        let many = |world: &World, at: usize| -> Vec<ClientId> {
            line.word(at)
                .split(',')
                .map(|name| world.cid(name))
                .collect()
        };
        let texts = |at: usize| -> Vec<Box<str>> {
            let words = line.words_from(at);
            let texts = words.first().map_or("", |word| word);
            let texts = texts.split(',').filter(|text| !text.is_empty());
            texts.map(Box::from).collect()
        };
        let command = match line.verb() {
            "addtag" | "deltag" => {
                return (
                    0,
                    Command::ChangeTag {
                        app,
                        tag: line.word(1).into(),
                        cids: many(self, 2),
                        add: line.verb() == "addtag",
                    },
                );
            }
            "dropalias" => {
                return (
                    0,
                    Command::DropAlias {
                        app,
                        alias_type: "".into(),
                        alias: line.word(1).into(),
                    },
                );
            }
            "block" | "unblock" => Command::Block {
                app,
                cids: many(self, 1),
                blocked: line.verb() == "block",
            },
            "badge" => {
                let word = line.word(2);
                let change: i32 = word.parse().expect("a number");
                Command::SetBadge {
                    app,
                    cids: many(self, 1),
                    badge: if word.starts_with(['+', '-']) {
                        Badge::By(change)
                    } else {
                        Badge::To(change)
                    },
                }
            }
            "token" => Command::BindTokens {
                app,
                kind: "fcm".into(),
                tokens: many(self, 1)
                    .into_iter()
                    .map(|cid| {
                        (
                            cid,
                            line.words_from(2).first().map_or("", |word| word).into(),
                        )
                    })
                    .collect(),
            },
            "details" => Command::Details {
                app,
                cids: many(self, 1),
            },
            "match" => {
                let op = op_of(line.word(2));
                let term = TagTerm { op, tags: texts(3) };
                Command::MatchTags {
                    app,
                    terms: many(self, 1)
                        .into_iter()
                        .map(|cid| (cid, term.clone()))
                        .collect(),
                }
            }
            verb => {
                let cid = self.cid(line.word(1));
                match verb {
                    "settags" => Command::SetTags {
                        app,
                        cid,
                        tags: texts(2),
                    },
                    "tags" => Command::TagsOfCid { app, cid },
                    "forget" => Command::ForgetDevice { app, cid },
                    _ => Command::MessageDetail {
                        app,
                        cid,
                        task_id: line.word(2).into(),
                    },
                }
            }
        };
        let first = line.word(1).split(',').next().expect("one at least");
        (self.owner(self.cid(first)), command)
    }

    fn group_push(&self, line: &Line) -> GroupPush {
        let in_ms = line.named("in").map(|wait| duration_ms(wait) as u64);
        GroupPush {
            request_id: line.named("req").map(Box::from),
            task_id: line.word(1).into(),
            group_name: line.named_or("name", "").into(),
            kind: if line.has_word("list") {
                GroupKind::List
            } else {
                GroupKind::App
            },
            audience: audience(line),
            start_ms: in_ms.map(|ms| self.now.wall_ms + ms),
            ttl_ms: match line.named_or("ttl", "1h") {
                "-1" => None,
                ttl => Some(duration_ms(ttl) as u64),
            },
            speed: line.number_or("speed", 0) as u32,
            vendor: None,
            skips_notify_off: line.has_word("skip"),
            body: Bytes::from(body(line.named_or("body", "x"))),
        }
    }

    fn push_list(&mut self, line: &Line) {
        let app = app_no(line);
        self.probed = Some(Vec::new());
        for name in line.word(2).split(',') {
            let cid = self.cid(name);
            let ticket = self.ticket("probe");
            let command = Command::Probe {
                app,
                cids: vec![cid],
            };
            self.feed(self.owner(cid), ShardEvent::Command(ticket, command));
        }
        let targets = self.probed.take().expect("just set");
        let ticket = self.ticket(line.named_or("as", "r"));
        let task_id = line.word(1).into();
        let command = Command::PushList {
            app,
            task_id,
            targets,
        };
        self.feed(0, ShardEvent::Command(ticket, command));
    }

    /// Notes the messages that a walk made.
    pub(super) fn learn_fanned(&mut self, cid: ClientId, id: MessageId) {
        if id != MessageId::NONE {
            self.messages.entry(cid).or_default().push(id);
        }
    }
}

fn op_of(word: &str) -> ConditionOp {
    match word {
        "or" => ConditionOp::Or,
        "and" => ConditionOp::And,
        _ => ConditionOp::Not,
    }
}

/// `or=a,b and=a,b not=a,b` of tags, `platform=ios`, `active=3` and `idle=3` in days.
fn audience(line: &Line) -> Audience {
    let condition = |key, op, values: &str| Condition {
        key,
        op,
        values: values.split(',').map(Box::from).collect(),
    };
    let mut conditions = Vec::new();
    let mut activity = None;
    for (name, value) in line.pairs() {
        match name {
            "or" | "and" | "not" => {
                conditions.push(condition(ConditionKey::Tag, op_of(name), value));
            }
            "platform" => {
                conditions.push(condition(ConditionKey::Platform, ConditionOp::Or, value));
            }
            "region" => conditions.push(condition(ConditionKey::Unknown, ConditionOp::Or, value)),
            "active" | "idle" => {
                activity = Some(Activity {
                    days: number(value) as u8,
                    active: name == "active",
                });
            }
            _ => {}
        }
    }
    Audience {
        conditions,
        activity,
    }
}

/// Only what is not zero.
fn sums(sums: &Sums) -> String {
    let fields = [
        ("targets", sums.targets),
        ("acked", sums.acked),
        ("expired", sums.expired),
        ("filtered", sums.filtered),
        ("revoked", sums.revoked),
        ("shown", sums.shown),
        ("clicked", sums.clicked),
    ];
    let shown = fields
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!(" {name}={count}"));
    let mut text: String = shown.collect();
    let actions = sums.actions.iter();
    let actions: Vec<String> = actions.map(|(action, n)| format!("{action}x{n}")).collect();
    if !actions.is_empty() {
        text += &format!(" did={}", actions.join(","));
    }
    text
}

/// An answer of this page, or nothing.
pub(super) fn answer(
    answer: &Answer,
    now_ms: u64,
    name: impl Fn(ClientId) -> String,
) -> Option<Vec<String>> {
    Some(match answer {
        Answer::GroupTaken { task_id } => vec![format!("taken {task_id}")],
        Answer::NoSuchTask => vec!["no-such-task".to_owned()],
        Answer::TaskBegun => vec!["begun".to_owned()],
        Answer::TaskCannotStop => vec!["cannot-stop".to_owned()],
        Answer::Groups(groups) => groups
            .iter()
            .map(|view| {
                let state = GroupState::from_number(view.group.state);
                format!("{}:{state:?}{}", view.group.task_id, sums(&view.sums))
            })
            .collect(),
        Answer::AppDay(day) => vec![format!(
            "day{} registered={} active={} peak={} of={}",
            sums(&day.sums),
            day.registered,
            day.active,
            day.online_peak,
            day.accumulated
        )],
        Answer::OnlineSamples(samples) => samples
            .iter()
            .map(|(at_ms, count)| {
                let minutes = now_ms.saturating_sub(*at_ms) / 60_000;
                format!("-{minutes}m:{count}")
            })
            .collect(),
        Answer::MessageDetail(stages) => match stages {
            None => vec!["no-message".to_owned()],
            Some(stages) => {
                assert!(stages.is_sorted_by_key(|(_, ms)| *ms), "{stages:?}");
                stages
                    .iter()
                    .map(|(stage, _)| (*stage).to_owned())
                    .collect()
            }
        },
        Answer::Count(count) => vec![count.to_string()],
        Answer::Tags(tags) => tags.iter().map(|tag| tag.to_string()).collect(),
        Answer::Changed(changed) => changed
            .iter()
            .map(|(cid, changed)| format!("{}:{changed}", name(*cid)))
            .collect(),
        Answer::Receipts(page) => page
            .receipts
            .iter()
            .map(|QueuedReceipt { receipt, body, .. }| {
                let cid = name(ClientId::from_bytes(receipt.cid));
                let task = &receipt.task_id;
                match (receipt.upstream, receipt.action) {
                    (0, 0) => format!("{task}:{cid}:{}", receipt.fate),
                    (0, action) => format!("{task}:{cid}:did{action}"),
                    (id, _) => format!("{task}:{cid}:up{id}:{}", super::show::body(body)),
                }
            })
            .collect(),
        Answer::Details(details) => details
            .iter()
            .map(|(cid, detail)| {
                let silent = match detail.profile.silent {
                    silent if silent.hours == 0 => String::new(),
                    silent => format!(
                        " silent={}+{}@{}",
                        silent.begin_hour, silent.hours, silent.zone_min
                    ),
                };
                let phone = match detail.profile.model.as_str() {
                    "" => String::new(),
                    model => format!(" phone={}/{model}", detail.profile.brand),
                };
                format!(
                    "{}:badge={} token={}/{} blocked={}{silent}{phone}",
                    name(*cid),
                    detail.profile.badge,
                    detail.profile.token_kind,
                    detail.profile.device_token,
                    detail.device.blocked
                )
            })
            .collect(),
        other => return super::portable::answer(other, name),
    })
}
