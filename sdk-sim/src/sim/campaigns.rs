//! Third parties that push to many, tag and black-list devices, delete some, and take receipts.

use protocol::ClientId;
use schema::record::App;
use server_core::clock::Day;
use server_core::command::{Command, Settling};
use server_core::group::{Audience, Condition, ConditionKey, ConditionOp, GroupKind, GroupPush};
use server_core::placement::Slot;
use server_core::report::QueuedReceipt;

use super::parties::app_no;
use super::party::{Aim, AppPush, Ask, AttemptNo, Ttl, task_of};
use super::world::{World, short};

/// Tags that devices get: few, so that audiences meet.
const TAGS: [&str; 3] = ["red", "green", "blue"];

impl World {
    /// One act of a third party that has to do with many devices.
    pub(super) fn campaign(&mut self, app: usize) {
        match self.dice.below(100) {
            0..8 => self.request(app, Aim::List),
            8..30 => self.push_list(app),
            30..48 => self.push_app(app),
            48..56 => self.withdraw(),
            56..76 => self.tag_somebody(app),
            76..82 => self.block_somebody(app),
            82..84 => self.forget_somebody(app),
            84..93 => self.take_receipts(app),
            _ => self.ask_reports(app),
        }
    }

    fn push_app(&mut self, app: usize) {
        let conditions = (0..self.dice.below(3))
            .map(|_| {
                let platform = self.dice.chance(1, 8);
                let (key, values) = if platform {
                    (ConditionKey::Platform, vec!["android".into()])
                } else {
                    let first = self.dice.index(TAGS.len());
                    let len = self.dice.within(1, 2) as usize;
                    let tags = TAGS.iter().cycle().skip(first).take(len);
                    (ConditionKey::Tag, tags.map(|tag| Box::from(*tag)).collect())
                };
                let op = self
                    .dice
                    .pick(&[ConditionOp::Or, ConditionOp::And, ConditionOp::Not]);
                Condition { key, op, values }
            })
            .collect();
        let in_ms = match self.dice.below(8) {
            0 => Some(self.dice.within(1, 3_000)),
            1 => Some(self.dice.within(50_000, 80_000)),
            2 => Some(3_600_000),
            _ => None,
        };
        let push = AppPush {
            conditions,
            in_ms,
            speed: self.dice.pick(&[0, 0, 0, 1, 3, 40]),
        };
        self.request(app, Aim::App(Box::new(push)));
    }

    fn push_list(&mut self, app: usize) {
        let known = self.parties.lists.iter().rev().filter(|(of, _)| *of == app);
        let tasks: Vec<Box<str>> = known.take(4).map(|(_, task)| task.clone()).collect();
        if tasks.is_empty() {
            return self.request(app, Aim::List);
        }
        let task = tasks[self.dice.index(tasks.len())].clone();
        let cids = self.some_cids(app);
        if !cids.is_empty() {
            self.request(app, Aim::OfList(task, cids));
        }
    }

    fn some_cids(&mut self, app: usize) -> Vec<ClientId> {
        let mut cids = self.known_cids(app);
        let odds = self.dice.within(1, 3);
        cids.retain(|_| self.dice.chance(odds, 3));
        cids
    }

    /// What an attempt asks for.
    pub(super) fn group_push_of(&self, number: AttemptNo) -> GroupPush {
        let request = self.request_of(number);
        let app_push = match &request.aim {
            Aim::App(push) => Some(&**push),
            _ => None,
        };
        GroupPush {
            request_id: Some(request.id.clone()),
            task_id: task_of(number),
            group_name: "".into(),
            kind: match app_push {
                Some(_) => GroupKind::App,
                None => GroupKind::List,
            },
            audience: Audience {
                conditions: app_push.map_or(Vec::new(), |push| push.conditions.clone()),
                activity: None,
            },
            start_ms: app_push
                .and_then(|push| push.in_ms)
                .map(|in_ms| self.wall_ms() + in_ms),
            ttl_ms: match request.ttl {
                Ttl::Never => None,
                Ttl::Ms(ms) => Some(ms),
            },
            speed: app_push.map_or(0, |push| push.speed),
            vendor: None,
            skips_notify_off: false,
            body: self.parties.body(number),
        }
    }

    /// Stops some push to many, or deletes one that is scheduled.
    fn withdraw(&mut self) {
        let lists = self.parties.lists.iter().chain(&self.parties.app_pushes);
        let known: Vec<(usize, Box<str>)> = lists.cloned().collect();
        if known.is_empty() || self.server.seats.is_empty() {
            return;
        }
        let newest = known.len().min(10);
        let at = if self.dice.chance(1, 2) {
            self.dice.index(known.len())
        } else {
            known.len() - 1 - self.dice.index(newest)
        };
        let (app, task_id) = known[at].clone();
        let app = app_no(app);
        let any = self.dice.index(self.server.seats.len());
        let command = if self.dice.chance(1, 3) {
            Command::Unschedule { app, task_id }
        } else {
            Command::StopGroup { app, task_id }
        };
        self.ask(any, Ask::Other, command);
    }

    fn tag_somebody(&mut self, app: usize) {
        let cids = self.some_cids(app);
        let (Some(first), false) = (cids.first().copied(), self.server.seats.is_empty()) else {
            return;
        };
        let tag: Box<str> = self.dice.pick(&TAGS).into();
        let app = app_no(app);
        if self.dice.chance(1, 3) {
            let mut tags = TAGS.map(Box::from).to_vec();
            tags.retain(|_| self.dice.chance(1, 2));
            tags.sort_unstable();
            let cid = first;
            let at = self.owner(cid);
            return self.ask(at, Ask::Other, Command::SetTags { app, cid, tags });
        }
        let add = self.dice.chance(2, 3);
        let any = self.dice.index(self.server.seats.len());
        let command = Command::ChangeTag {
            app,
            tag,
            cids,
            add,
        };
        self.ask(any, Ask::Other, command);
    }

    fn block_somebody(&mut self, app: usize) {
        let cids = self.known_cids(app);
        if cids.is_empty() || self.server.seats.is_empty() {
            return;
        }
        let cid = cids[self.dice.index(cids.len())];
        let blocked = !self.ledger.blocked.contains(&cid);
        let any = self.dice.index(self.server.seats.len());
        let command = Command::Block {
            app: app_no(app),
            cids: vec![cid],
            blocked,
        };
        self.ask(any, Ask::Other, command);
    }

    /// Deletes a device. Of one with a damaged row the deletion would be refused.
    fn forget_somebody(&mut self, app: usize) {
        let cids = self.known_cids(app);
        if cids.is_empty() || self.server.seats.is_empty() {
            return;
        }
        let cid = cids[self.dice.index(cids.len())];
        if self.is_damaged_device(cid) {
            return;
        }
        self.trace.note("forget device", [short(cid), 0, 0]);
        self.forgetting.insert(cid);
        let app = app_no(app);
        let at = self.owner(cid);
        self.ask(at, Ask::Other, Command::ForgetDevice { app, cid });
    }

    fn take_receipts(&mut self, app: usize) {
        if self.server.seats.is_empty() {
            return;
        }
        let any = self.dice.index(self.server.seats.len());
        let app = app_no(app);
        if self.dice.chance(1, 5) {
            return self.ask(any, Ask::Other, Command::ReplayReceipts { app });
        }
        let command = Command::Receipts {
            app,
            after: 0,
            dead: self.dice.chance(1, 5),
        };
        self.ask(any, Ask::Receipts(app), command);
    }

    /// Some of the receipts were told, or could not be.
    pub(super) fn settle(&mut self, app: server_core::ids::AppNo, told: &[QueuedReceipt]) {
        if told.is_empty() || self.server.seats.is_empty() || !self.is_wild() {
            return;
        }
        let upto = told[self.dice.index(told.len())].order;
        let any = self.dice.index(self.server.seats.len());
        let settling = match self.dice.below(6) {
            0 | 1 => Settling::Dead,
            2 => Settling::Dropped,
            _ => Settling::Told,
        };
        for _ in 0..self.dice.pick(&[1, 1, 1, 2]) {
            let command = Command::SettleReceipts {
                app,
                upto,
                settling,
            };
            self.ask(any, Ask::Other, command);
        }
    }

    /// Gives an app a callback, or takes it away.
    pub(super) fn switch_callback(&mut self, row: App, any: usize) {
        let mut settings = row.settings.clone();
        settings.callback.url = match settings.callback.url {
            Some(_) => None,
            None => Some("https://receipts.example".to_owned()),
        };
        self.ask(any, Ask::App, Command::ChangeApp(App { settings, ..row }));
    }

    fn ask_reports(&mut self, app: usize) {
        let cids = self.known_cids(app);
        if cids.is_empty() || self.server.seats.is_empty() {
            return;
        }
        let cid = cids[self.dice.index(cids.len())];
        let owner = self.owner(cid);
        let attempts = self.parties.attempts.len() as u64;
        let task_id = task_of(self.dice.below(attempts + 1));
        let app = app_no(app);
        let command = match self.dice.below(4) {
            0 => Command::TagsOfCid { app, cid },
            1 => Command::Groups {
                app,
                task_ids: vec![task_id],
            },
            2 => Command::MessageDetail { app, cid, task_id },
            _ => Command::AppDay {
                app,
                day: Day::of_ms(self.wall_ms()),
            },
        };
        self.ask(owner, Ask::Other, command);
    }

    /// The home of a task.
    pub(super) fn home_of_task(&self, task_id: &str) -> usize {
        self.place(Slot::of_name(task_id.as_bytes()))
    }
}
