//! Whether the rows of a store agree with each other: for `ringpost check`, and for tests.
//!
//! Pure over [`Rows`]. Always: every row is looked at, whatever is wrong with others; of faults the
//! first [`FAULTS_LEN_MAX`] are kept and all are counted; memory does not grow with the rows. Whoever
//! finds a row without one that it belongs to also says what mends it, for [`amends`](crate::amends).

mod apps;
mod devices;
mod groups;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use bytes::Bytes;
use protocol::ClientId;
use schema::SchemaError;
use schema::record::Number;

use crate::clock::Day;
use crate::keys;
use crate::limits::FAULTS_LEN_MAX;
use crate::placement::Slot;
use crate::rows::{Keyspace, Rows, RowsError};

/// A row that is not as it should be, or that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub keyspace: Keyspace,
    /// The key of the row.
    pub key: Vec<u8>,
    /// What is wrong, in words.
    pub what: String,
    /// What makes it right where a part of the rows is lost; `None` if the row itself is damaged.
    pub mend: Option<Mend>,
}

/// What makes a row fit again to the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mend {
    /// It goes: what it belongs to is gone.
    Delete,
    /// A row is written that follows from it.
    Put(Keyspace, Vec<u8>, Vec<u8>),
}

/// What was looked at and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// How many rows each keyspace has.
    pub rows: BTreeMap<Keyspace, u64>,
    /// The first faults, at most [`FAULTS_LEN_MAX`].
    pub faults: Vec<Fault>,
    /// How many there are.
    pub faults_total: u64,
}

/// What is wrong with one row.
struct Wrong {
    what: String,
    mend: Option<Mend>,
}

impl From<String> for Wrong {
    fn from(what: String) -> Self {
        Wrong { what, mend: None }
    }
}

impl From<&str> for Wrong {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}

impl From<SchemaError> for Wrong {
    fn from(error: SchemaError) -> Self {
        error.to_string().into()
    }
}

impl From<RowsError> for Wrong {
    fn from(error: RowsError) -> Self {
        format!("what it belongs to cannot be read: {error}").into()
    }
}

/// The row is whole, and one that it belongs to is gone or says otherwise.
fn parted(what: &str) -> Wrong {
    Wrong {
        mend: Some(Mend::Delete),
        ..what.into()
    }
}

/// The row is whole, and one that follows from it is gone or says otherwise.
fn lacking(what: &str, keyspace: Keyspace, key: Vec<u8>, value: Vec<u8>) -> Wrong {
    Wrong {
        mend: Some(Mend::Put(keyspace, key, value)),
        ..what.into()
    }
}

type Look = Result<(), Wrong>;

struct Check<'a, R> {
    rows: &'a R,
    /// Who is told of each fault.
    see: &'a mut dyn FnMut(Fault),
    /// The day keyspaces that exist.
    days: BTreeSet<Keyspace>,
    now_ms: u64,
    /// No id at or above this time, in ms, was ever given.
    ceiling_ms: u64,
    /// Above all ids that were found above that, in ms.
    newest_ms: u64,
    /// Messages of each day of which no end is known.
    open: BTreeMap<Day, u64>,
    counts: BTreeMap<Keyspace, u64>,
}

/// Looks at every row; `days` are the day keyspaces that exist.
pub fn check(rows: &impl Rows, days: &[Keyspace], now_ms: u64) -> Findings {
    let mut findings = Findings::default();
    findings.rows = check_each(rows, days, now_ms, &mut |fault| {
        findings.faults_total += 1;
        if findings.faults.len() < FAULTS_LEN_MAX {
            findings.faults.push(fault);
        }
    });
    findings
}

/// As [`check`], for whoever wants to see each fault; how many rows each keyspace has.
pub fn check_each(
    rows: &impl Rows,
    days: &[Keyspace],
    now_ms: u64,
    see: &mut dyn FnMut(Fault),
) -> BTreeMap<Keyspace, u64> {
    let mut check = Check {
        rows,
        see,
        days: days.iter().copied().collect(),
        now_ms,
        ceiling_ms: 0,
        newest_ms: 0,
        open: BTreeMap::new(),
        counts: BTreeMap::new(),
    };
    match check.number(keys::meta::ID_CEILING_MS) {
        Ok(ceiling_ms) => check.ceiling_ms = ceiling_ms,
        // Told once, when the keyspace is looked at.
        Err(_) => check.ceiling_ms = u64::MAX,
    }
    for keyspace in Keyspace::FIXED.iter().chain(days) {
        check.keyspace(*keyspace);
    }
    check.sums_of_open();
    check.counts
}

impl<R: Rows> Check<'_, R> {
    fn keyspace(&mut self, keyspace: Keyspace) {
        let rows = self.rows;
        let mut count = 0;
        let mut last = Vec::new();
        let read = rows.range(keyspace, &[], &[], &mut |key, value| {
            count += 1;
            key.clone_into(&mut last);
            if let Err(wrong) = self.row(keyspace, key, value) {
                self.fault(keyspace, key, wrong);
            }
            true
        });
        if let Err(error) = read {
            self.fault(
                keyspace,
                &last,
                format!("no row behind it can be read: {error}").into(),
            );
        }
        self.counts.insert(keyspace, count);
    }

    fn row(&mut self, keyspace: Keyspace, key: &[u8], value: &[u8]) -> Look {
        match keyspace {
            Keyspace::Reg => self.reg(key, value),
            Keyspace::Cur => self.cursor(key, value),
            Keyspace::Install => self.install(key, value),
            Keyspace::Alias => self.alias(key, value),
            Keyspace::ClientAlias => self.client_alias(key, value),
            Keyspace::ClientTags => self.client_tags(key, value),
            Keyspace::Profile => self.profile(key, value),
            Keyspace::Upstreams => self.upstreams(key, value),
            Keyspace::App => self.app(key, value),
            Keyspace::Meta => self.meta(key, value),
            Keyspace::DaySums | Keyspace::Presence => app_day(keyspace, key, value),
            Keyspace::Online => apps::online(key, value),
            Keyspace::Receipt | Keyspace::DeadReceipt => self.receipt(keyspace, key, value),
            Keyspace::UpstreamBody => self.upstream_body(key),
            Keyspace::Group => self.group(key, value),
            Keyspace::GroupOfTask => self.group_of_task(key, value),
            Keyspace::GroupOfName => self.group_of_name(key),
            Keyspace::GroupSums => self.group_sums(key, value),
            Keyspace::Walk => self.walk(key, value),
            Keyspace::Body(day) => self.body(day, key),
            Keyspace::Stat => messages::tally(key, value),
            Keyspace::Msg(day) => self.message(day, key, value),
            Keyspace::Dedup(day) => self.first_answer(day, key, value),
            Keyspace::Task(day) => self.task(day, key, value),
            Keyspace::Outcome(day) => messages::outcome(day, key, value),
            Keyspace::TaskOf(day) => messages::task_of(day, key, value),
            Keyspace::Acted(day) => messages::acted(day, key, value),
        }
    }

    fn fault(&mut self, keyspace: Keyspace, key: &[u8], wrong: Wrong) {
        let Wrong { what, mend } = wrong;
        (self.see)(Fault {
            keyspace,
            key: key.to_vec(),
            what,
            mend,
        });
    }

    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, Wrong> {
        Ok(self.rows.get(keyspace, key)?)
    }

    fn has(&self, keyspace: Keyspace, key: &[u8]) -> Result<bool, Wrong> {
        Ok(self.get(keyspace, key)?.is_some())
    }

    /// Whether all these pieces of a body are there.
    fn pieces(
        &self,
        keyspace: Keyspace,
        pieces: Range<u16>,
        key: impl Fn(u8) -> Vec<u8>,
        gone: &'static str,
    ) -> Look {
        for piece in pieces {
            let piece = u8::try_from(piece).map_err(|_| "it has more pieces than a body can")?;
            belongs(self.has(keyspace, &key(piece))?, gone)?;
        }
        Ok(())
    }

    fn number(&self, name: &[u8]) -> Result<u64, Wrong> {
        let row = self.rows.row(Keyspace::Meta, name, Number::decode)?;
        Ok(row.map_or(0, |number| number.value))
    }

    /// Whether an id, by the time in it, can have been given.
    fn given(&mut self, id: u64) -> Look {
        let made_ms = crate::apply::made_ms(protocol::MessageId(id));
        if made_ms <= self.ceiling_ms {
            return Ok(());
        }
        // The last of these rows that is written stands above all of them.
        self.newest_ms = self.newest_ms.max(made_ms + 1);
        let (name, value) = (keys::meta::ID_CEILING_MS, self.newest_ms);
        let what = "its id is above all that were ever given";
        let number = Number { value }.encode();
        Err(lacking(what, Keyspace::Meta, name.to_vec(), number))
    }
}

fn app_day(keyspace: Keyspace, key: &[u8], value: &[u8]) -> Look {
    ensure(key.len() == 8, "its key is no app and day")?;
    if keyspace == Keyspace::Presence {
        schema::record::Presence::decode(value)?;
    } else {
        schema::record::Sums::decode(value)?;
    }
    Ok(())
}

fn ensure(holds: bool, what: &str) -> Look {
    if holds { Ok(()) } else { Err(what.into()) }
}

/// As [`ensure`], of another row.
fn belongs(holds: bool, what: &str) -> Look {
    if holds { Ok(()) } else { Err(parted(what)) }
}

/// The CID at the beginning of a key of this length, in its slot.
fn client(key: &[u8], len: usize) -> Result<ClientId, Wrong> {
    ensure(key.len() == len, "its key has another length")?;
    client_before(key)
}

fn client_before(key: &[u8]) -> Result<ClientId, Wrong> {
    let cid = keys::client_of(key).ok_or("its key has no CID")?;
    let slot = Slot::of_cid(cid).number().to_be_bytes();
    ensure(key.starts_with(&slot), "its slot is not that of its CID")?;
    Ok(cid)
}

/// A text with its length before it, taken off the front of a key.
fn text<'k>(key: &mut &'k [u8]) -> Result<&'k str, Wrong> {
    let (len, rest) = key.split_first().ok_or("its key is too short")?;
    let (text, rest) = rest
        .split_at_checked(usize::from(*len))
        .ok_or("its key is too short")?;
    *key = rest;
    std::str::from_utf8(text).map_err(|_| "a text in its key is no UTF-8".into())
}

/// A number of an app, taken off the front of a key.
fn app_of(key: &mut &[u8]) -> Result<crate::ids::AppNo, Wrong> {
    let (app, rest) = key.split_first_chunk::<4>().ok_or("its key has no app")?;
    *key = rest;
    Ok(crate::ids::AppNo(u32::from_be_bytes(*app)))
}
