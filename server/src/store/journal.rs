//! The journal as fjall frames it: read and checked by ourselves before fjall opens it.
//!
//! fjall cuts a journal, without a word, where an entry does not decode, and refuses one in which
//! a whole batch fails its checksum. Both are told apart here from what a crash leaves behind.
//! Always: nothing is written; lengths that a damaged file claims are never believed.
//!
//! A batch is `Start` (1, items u32, number u64), items (2, kind u8, packing u8, keyspace u64,
//! length of the key u16, of the value u32, of its bytes here u32, key, bytes), clears (4,
//! keyspace u64), and `End` (3, xxh3 of items and clears u64, `FJL` 3); integers little-endian.
//! A new journal is laid out with zeroes, which are no batch.

use xxhash_rust::xxh3::xxh3_64;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const END_MAGIC: &[u8; 4] = b"FJL\x03";

/// Bytes of an `End`.
const END_LEN: usize = 13;

/// The key under which a commit is counted; see [`super::synced`].
pub(super) const COMMITS_KEY: &[u8] = b"ringpost.commits";

/// What stands in one journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journal {
    /// Whole batches, from the beginning.
    pub batches: u64,
    /// Where the last of them ends, in bytes.
    pub good_len: u64,
    /// The highest count of commits that they hold, if any does.
    pub commits: Option<u64>,
    /// What stands behind them.
    pub rest: Rest,
}

/// What stands behind the last whole batch of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing but zeroes.
    Nothing,
    /// The beginning of a batch whose writing did not come to its end, or that lacks a page.
    Unfinished {
        /// Bytes of it.
        len: u64,
    },
    /// Something that was whole once.
    Damaged {
        /// Bytes from there to the end of what was written.
        len: u64,
        /// Whole batches that follow it.
        batches_behind: u64,
        /// The highest count of commits in those, if any has one.
        commits_behind: Option<u64>,
    },
}

/// A whole batch.
struct Batch {
    len: usize,
    number: u64,
    commits: Option<u64>,
}

/// Reads a journal.
pub fn read(bytes: &[u8]) -> Journal {
    let written = without_zeroes(bytes);
    let mut at = 0;
    let mut journal = Journal {
        batches: 0,
        good_len: 0,
        commits: None,
        rest: Rest::Nothing,
    };
    let mut number = None;
    // The checksum leaves the number out, but numbers rise.
    while let Some(batch) =
        batch_at(&written[at..]).filter(|batch| number.is_none_or(|last| batch.number > last))
    {
        at += batch.len;
        number = Some(batch.number);
        journal.batches += 1;
        journal.commits = journal.commits.max(batch.commits);
    }
    journal.good_len = at as u64;
    journal.rest = rest_of(&written[at..], at);
    journal
}

/// What stands before the zeroes at the end, of which a new journal has 64 MiB.
fn without_zeroes(bytes: &[u8]) -> &[u8] {
    const PAGE: [u8; 4096] = [0; 4096];
    let mut left = bytes;
    while let Some(rest) = left.strip_suffix(&PAGE) {
        left = rest;
    }
    let last = left.iter().rposition(|byte| *byte != 0);
    &left[..last.map_or(0, |at| at + 1)]
}

/// A crash leaves the beginning of a batch, or, where pages were written in another order, one
/// with a page of zeroes. Anything else was whole once.
fn rest_of(rest: &[u8], at: usize) -> Rest {
    if rest.is_empty() {
        return Rest::Nothing;
    }
    let len = rest.len() as u64;
    let (batches_behind, commits_behind) = behind(rest);
    let unfinished = !ends_a_batch(rest) || lacks_a_page(rest, at);
    if batches_behind == 0 && unfinished && (rest[0] == START || !has_an_end(rest)) {
        return Rest::Unfinished { len };
    }
    Rest::Damaged {
        len,
        batches_behind,
        commits_behind,
    }
}

fn ends_a_batch(rest: &[u8]) -> bool {
    rest.len() >= END_LEN && rest.ends_with(END_MAGIC) && rest[rest.len() - END_LEN] == END
}

fn has_an_end(rest: &[u8]) -> bool {
    rest.windows(END_MAGIC.len())
        .any(|window| window == END_MAGIC)
}

/// Whether a whole sector of the file, which lies at `at`, was never written. Bodies of ours have
/// no such run of zeroes at a place that is a multiple of it but by chance.
fn lacks_a_page(rest: &[u8], at: usize) -> bool {
    const SECTOR: usize = 512;
    let first = (SECTOR - at % SECTOR) % SECTOR;
    rest.get(first..)
        .into_iter()
        .flat_map(|sectors| sectors.chunks_exact(SECTOR))
        .any(|sector| sector.iter().all(|byte| *byte == 0))
}

/// How many whole batches follow a damaged place, and their highest count of commits.
fn behind(rest: &[u8]) -> (u64, Option<u64>) {
    let (mut batches, mut commits) = (0, None);
    // One that is whole here stands in a wrong place: its number does not rise.
    let mut at = batch_at(rest).map_or(1, |batch| batch.len);
    while at < rest.len() {
        match batch_at(&rest[at..]) {
            Some(batch) => {
                at += batch.len;
                batches += 1;
                commits = commits.max(batch.commits);
            }
            None => at += 1,
        }
    }
    (batches, commits)
}

/// The batch at the beginning of these bytes, if it is whole.
fn batch_at(bytes: &[u8]) -> Option<Batch> {
    let mut cursor = Cursor { bytes, at: 0 };
    if cursor.u8()? != START {
        return None;
    }
    let items = cursor.u32()?;
    let number = cursor.u64()?;
    let body = cursor.at;
    let mut commits = None;
    for _ in 0..items {
        match cursor.u8()? {
            ITEM => {
                let (_kind, packing) = (cursor.u8()?, cursor.u8()?);
                let _keyspace = cursor.u64()?;
                let key_len = usize::from(cursor.u16()?);
                let _len = cursor.u32()?;
                let packed_len = usize::try_from(cursor.u32()?).ok()?;
                let key = cursor.take(key_len)?;
                let value = cursor.take(packed_len)?;
                if key == COMMITS_KEY && packing == 0 {
                    let count = value.try_into().ok().map(u64::from_be_bytes);
                    commits = commits.max(count);
                }
            }
            CLEAR => {
                cursor.u64()?;
            }
            _ => return None,
        }
    }
    let checksum = xxh3_64(&bytes[body..cursor.at]);
    let whole = cursor.u8()? == END
        && cursor.u64()? == checksum
        && cursor.take(END_MAGIC.len())? == END_MAGIC;
    whole.then_some(Batch {
        len: cursor.at,
        number,
        commits,
    })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(bytes: &mut Vec<u8>, key: &[u8], value: &[u8]) {
        bytes.extend([ITEM, 0, 0]);
        bytes.extend(7_u64.to_le_bytes());
        bytes.extend((key.len() as u16).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend((value.len() as u32).to_le_bytes());
        bytes.extend(key);
        bytes.extend(value);
    }

    fn batch(number: u64, commits: u64, values: &[&[u8]]) -> Vec<u8> {
        let mut body = Vec::new();
        values
            .iter()
            .for_each(|value| item(&mut body, b"key", value));
        item(&mut body, COMMITS_KEY, &commits.to_be_bytes());
        body.push(CLEAR);
        body.extend(9_u64.to_le_bytes());
        let mut bytes = vec![START];
        bytes.extend((values.len() as u32 + 2).to_le_bytes());
        bytes.extend(number.to_le_bytes());
        bytes.extend(&body);
        bytes.push(END);
        bytes.extend(xxh3_64(&body).to_le_bytes());
        bytes.extend(END_MAGIC);
        bytes
    }

    /// Three batches, the last with a body of several sectors, and the zeroes of a new journal.
    fn three() -> (Vec<u8>, [usize; 3]) {
        let mut bytes = Vec::new();
        let mut ends = [0; 3];
        for (at, end) in ends.iter_mut().enumerate() {
            let body = vec![0xAB; 100 + 2500 * (at / 2)];
            bytes.extend(batch(
                at as u64 + 3,
                at as u64 + 1,
                &[&body, b"", &[1; 300]],
            ));
            *end = bytes.len();
        }
        bytes.resize(64 * 1024, 0);
        (bytes, ends)
    }

    #[test]
    fn given_whole_batches_when_read_should_count_them_and_find_nothing_behind() {
        let (bytes, ends) = three();
        let whole = Journal {
            batches: 3,
            good_len: ends[2] as u64,
            commits: Some(3),
            rest: Rest::Nothing,
        };
        assert_eq!(read(&bytes), whole);
        assert_eq!(read(&bytes[..ends[2]]), whole);
        let empty = Journal {
            batches: 0,
            good_len: 0,
            commits: None,
            rest: Rest::Nothing,
        };
        assert_eq!(read(&[]), empty);
        assert_eq!(read(&[0; 9000]), empty);
    }

    #[test]
    fn given_the_last_batch_cut_anywhere_when_read_should_be_unfinished() {
        let (bytes, ends) = three();
        for end in ends[1] + 1..ends[2] {
            let cut = read(&bytes[..end]);
            assert_eq!((cut.batches, cut.good_len), (2, ends[1] as u64), "{end}");
            assert!(
                matches!(cut.rest, Rest::Unfinished { .. }),
                "{end}: {cut:?}"
            );
        }
    }

    #[test]
    fn given_a_sector_of_the_last_batch_that_was_not_written_when_read_should_be_unfinished() {
        let (mut bytes, ends) = three();
        let sector = ends[1].next_multiple_of(512);
        bytes[sector..sector + 512].fill(0);
        assert!(matches!(read(&bytes).rest, Rest::Unfinished { .. }));
    }

    #[test]
    fn given_any_bit_of_a_batch_flipped_when_read_should_be_damaged_with_what_follows() {
        let (bytes, ends) = three();
        let first = 0..ends[0];
        let last = ends[1]..ends[2];
        for (batch, good_len, behind) in [(first, 0, 2), (last, ends[1], 0)] {
            // The number is in no checksum; a higher one shows at the batch behind.
            let number = batch.start + 5..batch.start + 13;
            for at in batch.filter(|at| !number.contains(at)) {
                let mut flipped = bytes.clone();
                flipped[at] ^= 0x10;
                let found = read(&flipped);
                assert_eq!(found.good_len, good_len as u64, "{at}");
                let Rest::Damaged {
                    batches_behind,
                    commits_behind,
                    ..
                } = found.rest
                else {
                    // The very end of the last batch: a crash leaves the same.
                    assert!(at + END_LEN >= ends[2], "{at}: {found:?}");
                    continue;
                };
                assert_eq!(batches_behind, behind, "{at}");
                assert_eq!(commits_behind, (behind > 0).then_some(3), "{at}");
            }
        }
    }

    #[test]
    fn given_a_number_that_does_not_rise_when_read_should_be_damaged_there() {
        let (mut bytes, ends) = three();
        bytes[5] = 200;
        let found = read(&bytes);
        assert_eq!(found.good_len, ends[0] as u64);
        assert!(matches!(
            found.rest,
            Rest::Damaged {
                batches_behind: 1,
                ..
            }
        ));
    }

    #[test]
    fn given_garbage_behind_the_batches_when_read_should_be_an_unfinished_write() {
        let (bytes, ends) = three();
        let mut garbage = bytes[..ends[2]].to_vec();
        garbage.extend((0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 | 0x80));
        assert_eq!(read(&garbage).rest, Rest::Unfinished { len: 4096 });
    }
}
