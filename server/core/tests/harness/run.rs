//! What each line of a script does to the world.

use protocol::{ClientId, Frame};
use schema::record::{Cursor, Device, Receipt};
use server_core::event::ShardEvent;
use server_core::keys;
use server_core::op::{Committed, Submitted};
use server_core::rows::{Keyspace, Rows, RowsError, WriteSet};
use server_core::shard::{Settings, Shard};
use server_core::wheel::TICK_MS;

use super::counts;
use super::groups;
use super::line::{Line, duration_ms, number};
use super::losses::Losses;
use super::sums;
use super::world::World;

impl World {
    pub(super) fn run(&mut self, line: &Line) {
        match line.verb() {
            "open" => {
                let at = line.number_or("at", 0) as usize;
                let session = self.new_session(line.word(1), at);
                self.feed(at, ShardEvent::Opened(session));
            }
            "gone" => {
                let (at, session) = self.session(line.word(1));
                self.feed(at, ShardEvent::Closed(session));
            }
            "garbage" => {
                let (at, session) = self.session(line.word(1));
                let mut decoder = protocol::Decoder::new(protocol::Peer::Device);
                decoder.push(&[0x7f, 0]);
                let error = decoder.next_frame().expect_err("0x7f is no kind");
                self.feed(at, ShardEvent::Malformed(session, error));
            }
            "ping" => self.frame(line.word(1), Frame::Ping),
            "pong" => self.frame(line.word(1), Frame::Pong),
            "hello" | "ack" | "bye" | "welcome" | "cmd" | "upstream" => self.device_says(line),
            "push" | "probe" | "status" | "cids" | "alias" | "bind" | "unbind" | "app"
            | "disable" | "enable" | "rotate" | "set" | "delete" | "task" | "device" | "live" => {
                self.ask(line)
            }
            verb if groups::VERBS.contains(&verb) || groups::MORE_VERBS.contains(&verb) => {
                self.group_line(line);
            }
            "import" | "export" => self.portable_line(line),
            "commit" => self.commit_line(line),
            "refuse" => self.refuse_line(line),
            "read" => {
                let hold = line.has_word("hold");
                let count = line
                    .words_from(1)
                    .iter()
                    .find(|word| *word != "hold")
                    .map_or(usize::MAX, |n| number(n) as usize);
                self.perform_reads(count);
                if !hold {
                    self.deliver_reads();
                }
            }
            "deliver" if line.has_word("reads") => self.deliver_reads(),
            "deliver" => match line.words_from(1) {
                [count] => self.deliver_oldest(number(count) as usize),
                _ => self.deliver(line.named("at").map(number)),
            },
            "waiting" => self.waiting(line),
            "line" => {
                let longest = self.shards.iter().map(Shard::page_line_len).max();
                let (least, most) = line.word(1).split_once("..").expect("from..to");
                let span = number(least) as usize..=number(most) as usize;
                assert!(
                    longest.is_some_and(|longest| span.contains(&longest)),
                    "line {}: {longest:?}",
                    line.number
                );
            }
            "rest" => {
                let rest = self.shards.iter().all(Shard::is_at_rest);
                assert_eq!(rest, line.word(1) == "yes", "line {}: rest", line.number);
            }
            "unwritten" => {
                let ends = self.shards.iter().map(|shard| shard.unwritten_ends().len());
                let len = ends.sum::<usize>() as u64;
                assert_eq!(len, number(line.word(1)), "line {}", line.number);
            }
            "tick" => self.pass(duration_ms(line.word(1)) as u64, TICK_MS),
            "jump" => {
                let ms = duration_ms(line.word(1)) as u64;
                self.pass(ms, ms);
            }
            "clock" => {
                self.now.wall_ms = self
                    .now
                    .wall_ms
                    .strict_add_signed(duration_ms(line.word(1)));
            }
            "drain" => {
                let jitter_ms = duration_ms(line.word(1)) as u32;
                let endpoint = line.named_or("endpoint", "").to_owned();
                self.all(|| ShardEvent::Drain {
                    jitter_ms,
                    endpoint: endpoint.clone(),
                });
            }
            "settings" => {
                self.settings = Settings {
                    heartbeat_default_s: line.number_or("hb", 240) as u16,
                    heartbeat_min_s: line.number_or("min", 10) as u16,
                    heartbeat_max_s: line.number_or("max", 1800) as u16,
                    devices_may_bind: line.named_or("devices_may_bind", "yes") == "yes",
                    ..self.settings.clone()
                };
                let settings = self.settings.clone();
                self.all(|| ShardEvent::Settings(settings.clone()));
            }
            "finish" => self.all(|| ShardEvent::Finish),
            "crash" => {
                if line.has_word("unsynced") {
                    self.rows = self.synced.clone();
                    self.losses = Losses::of_what_follows(&self.rows);
                }
                self.boot(line.number_or("shards", self.shards.len() as u64) as u16);
            }
            "mute" => self.mute(line),
            "counts" => self.compare_counts(line),
            "cursor" | "rows" | "seen" | "tally" | "devices" | "told" => self.look(line),
            other => panic!("line {}: {other} means nothing", line.number),
        }
    }

    fn all(&mut self, event: impl Fn() -> ShardEvent) {
        for at in 0..self.shards.len() {
            self.feed(at, event());
        }
    }

    fn pass(&mut self, ms: u64, step_ms: u64) {
        let mut left_ms = ms;
        while left_ms > 0 {
            let step_ms = step_ms.min(left_ms);
            left_ms -= step_ms;
            self.now.mono_ms += step_ms;
            self.now.wall_ms += step_ms;
            self.tick_all();
        }
    }

    fn commit_line(&mut self, line: &Line) {
        let hold = line.has_word("hold");
        let count = line
            .words_from(1)
            .iter()
            .find(|word| *word != "hold")
            .map_or(usize::MAX, |n| number(n) as usize);
        let count = count.min(self.commits.len());
        let batch: Vec<Submitted> = self.commits.drain(..count).collect();
        self.commit(&batch);
        if !hold {
            self.deliver(None);
        }
    }

    fn refuse_line(&mut self, line: &Line) {
        if line.has_word("reads") {
            let error = || RowsError::Read {
                keyspace: Keyspace::Meta,
                reason: "by script".to_owned(),
            };
            for (shard, read) in std::mem::take(&mut self.reads) {
                let done = read.refused(error());
                assert_eq!(done.error(), Some(&error()), "the log is told why");
                self.feed(usize::from(shard.0), ShardEvent::Read(done));
            }
            return;
        }
        for Submitted { shard, op } in std::mem::take(&mut self.commits) {
            self.feed(
                usize::from(shard.0),
                ShardEvent::Committed(Committed::Done(op.failed())),
            );
        }
        if line.has_word("crash") {
            self.boot(self.shards.len() as u16);
        }
    }

    fn waiting(&self, line: &Line) {
        for (name, value) in line.pairs() {
            let waits = match name {
                "commits" => self.commits.len(),
                "reads" => self.reads.len(),
                other => panic!("line {}: nothing called {other} waits", line.number),
            };
            assert_eq!(
                waits as u64,
                number(value),
                "line {}: {name} that wait",
                line.number
            );
        }
    }

    /// Changes a device's row behind the shards' back.
    fn mute(&mut self, line: &Line) {
        let key = keys::client(self.cid(line.word(1)));
        let row = self
            .rows
            .get(Keyspace::Reg, &key)
            .expect("memory reads")
            .expect("it is registered");
        let row = Device {
            blocked: true,
            ..Device::decode(&row).expect("a row of ours")
        };
        let mut writes = WriteSet::default();
        writes.put(Keyspace::Reg, key, row.encode());
        self.losses.note(&writes);
        self.rows.commit(writes);
        self.synced = self.rows.clone();
    }

    fn compare_counts(&self, line: &Line) {
        for (name, value) in line.pairs() {
            let came: u64 = self
                .shards
                .iter()
                .map(|shard| counts::of_name(&shard.counters(), name))
                .sum();
            assert_eq!(came, number(value), "line {}: {name}", line.number);
        }
    }

    fn look(&self, line: &Line) {
        if line.verb() == "tally" {
            let sum = sums::total(&self.rows);
            for (name, value) in line.pairs() {
                let came = match name {
                    "accepted" => sum.accepted,
                    "acked" => sum.acked,
                    "expired" => sum.expired,
                    "filtered" => sum.filtered,
                    "revoked" => sum.revoked,
                    "failed" => sum.failed,
                    other => panic!("line {}: no stage is called {other}", line.number),
                };
                assert_eq!(came, number(value), "line {}: {name}", line.number);
            }
            return;
        }
        if line.verb() == "devices" {
            let rows = self.rows.all();
            let devices = rows.filter(|(keyspace, ..)| *keyspace == Keyspace::Reg);
            assert_eq!(
                devices.count() as u64,
                number(line.word(1)),
                "line {}: {}",
                line.number,
                line.text
            );
            return;
        }
        if line.verb() == "told" {
            let rows = self.rows.all();
            let ago_ms: Vec<i64> = rows
                .filter(|(keyspace, ..)| *keyspace == Keyspace::Receipt)
                .map(|(.., row)| Receipt::decode(row).expect("a row of ours"))
                .map(|receipt| (self.now.wall_ms - receipt.at_ms) as i64)
                .collect();
            let expected: Vec<i64> = line.word(1).split(',').map(duration_ms).collect();
            assert_eq!(ago_ms, expected, "line {}: {}", line.number, line.text);
            return;
        }
        let cid = self.cid(line.word(1));
        match line.verb() {
            "cursor" => {
                let acked = self.cursor_row(cid).map_or(0, |row| row.acked);
                assert_eq!(
                    acked,
                    self.message(cid, line.word(2)).0,
                    "line {}: {}",
                    line.number,
                    line.text
                );
            }
            "rows" => {
                let prefix = keys::client(cid);
                let rows = self.rows.all().filter(|(keyspace, key, _)| {
                    matches!(keyspace, Keyspace::Msg(_)) && key.starts_with(&prefix)
                });
                assert_eq!(
                    rows.count() as u64,
                    number(line.word(2)),
                    "line {}: {}",
                    line.number,
                    line.text
                );
            }
            _ => {
                let seen_ms = self.cursor_row(cid).map_or(0, |row| row.last_seen_ms);
                let ago_ms = self.now.wall_ms - seen_ms;
                assert_eq!(
                    ago_ms as i64,
                    duration_ms(line.word(2)),
                    "line {}: {}",
                    line.number,
                    line.text
                );
            }
        }
    }

    fn cursor_row(&self, cid: ClientId) -> Option<Cursor> {
        let row = self
            .rows
            .get(Keyspace::Cur, &keys::client(cid))
            .expect("memory reads")?;
        Some(Cursor::decode(&row).expect("a row of ours"))
    }
}
