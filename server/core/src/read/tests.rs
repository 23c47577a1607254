//! Pages of messages: whole bodies, both bounds, and what is named when one is broken.

use schema::record::Message;

use super::*;
use crate::limits::PIECE_LEN_MAX;
use crate::rows::{MemoryRows, WriteSet};

const CID: ClientId = ClientId::from_bytes([7; 16]);

/// Rows of one day with `len` messages, each with a body of this many bytes.
fn with_messages(len: u64, body_len: usize, expires_ms: u64) -> MemoryRows {
    let mut writes = WriteSet::default();
    let body = vec![1; body_len];
    let pieces: Vec<&[u8]> = body.chunks(PIECE_LEN_MAX).collect();
    for id in 1..=len {
        for (piece, bytes) in (0..).zip(&pieces) {
            let row = Message {
                group: 0,
                expires_ms,
                accepted_ms: 0,
                pieces: pieces.len() as u16,
                sealed: false,
                body: bytes.to_vec(),
            };
            let key = keys::message(CID, MessageId(id), piece);
            let value = if piece == 0 { row.encode() } else { row.body };
            writes.messages.push((Day(0), key, value));
        }
    }
    let mut rows = MemoryRows::default();
    rows.commit(writes);
    rows
}

#[test]
fn given_more_than_a_page_when_the_run_of_a_day_is_read_should_stop_at_either_bound() {
    let len = PAGE_LEN_MAX as u64;
    for (messages, body_len, came, complete) in [
        (len, 2, PAGE_LEN_MAX, true),
        (len + 1, 2, PAGE_LEN_MAX, false),
        (4, PAGE_BYTES_MAX / 4, 4, true),
        (5, PAGE_BYTES_MAX / 4, 4, false),
    ] {
        let rows = with_messages(messages, body_len, 1_000);
        let run = run_of_day(&rows, Day(0), CID, MessageId::NONE, 0).expect("memory reads");
        assert_eq!((run.messages.len(), run.complete), (came, complete));
    }
}

#[test]
fn given_a_message_that_expires_now_when_read_should_have_no_part_of_its_body() {
    let len = PIECE_LEN_MAX + 1;
    let rows = with_messages(1, len, 1_000);
    for (now_ms, body_len) in [(999, len), (1_000, 0)] {
        let page = backlog(&rows, CID, MessageId::NONE, now_ms).expect("memory reads");
        assert_eq!(page.messages[0].body.len(), body_len, "at {now_ms}");
    }
}

#[test]
fn given_a_message_that_lacks_a_piece_when_read_should_name_it_and_not_the_row_behind() {
    let cid = ClientId::from_bytes([7; 16]);
    let mut writes = WriteSet::default();
    for (id, pieces) in [(1, 1), (2, 2), (3, 1)] {
        let row = Message {
            group: 0,
            expires_ms: 1_000,
            accepted_ms: 0,
            pieces,
            sealed: false,
            body: vec![1],
        };
        let key = keys::message(cid, MessageId(id), 0);
        writes.messages.push((Day(0), key, row.encode()));
    }
    let mut rows = MemoryRows::default();
    rows.commit(writes);
    let named = |rows: &MemoryRows| match backlog(rows, cid, MessageId::NONE, 0) {
        Err(RowsError::Damaged { key, .. }) => keys::message_of(&key),
        other => panic!("a page with a broken message: {other:?}"),
    };
    assert_eq!(named(&rows), Some((MessageId(2), 0)));
    let mut last = WriteSet::default();
    last.delete(Keyspace::Msg(Day(0)), keys::message(cid, MessageId(3), 0));
    rows.commit(last);
    assert_eq!(
        named(&rows),
        Some((MessageId(2), 0)),
        "at the end of the run"
    );
}

#[test]
fn given_a_message_whose_group_push_has_no_body_when_read_should_name_it_unless_it_expired() {
    let group = GroupNo(7);
    let row = Message {
        group: group.0,
        expires_ms: 1_000,
        accepted_ms: 0,
        pieces: 1,
        sealed: false,
        body: Vec::new(),
    };
    let mut writes = WriteSet::default();
    let key = keys::message(CID, MessageId(1), 0);
    writes.messages.push((Day(0), key.clone(), row.encode()));
    let mut rows = MemoryRows::default();
    rows.commit(writes);
    let read = |rows: &MemoryRows, now_ms| backlog(rows, CID, MessageId::NONE, now_ms);
    let named = match read(&rows, 999) {
        Err(RowsError::Damaged { keyspace, key, .. }) => (keyspace, key),
        other => panic!("a message without a body was read: {other:?}"),
    };
    assert_eq!(named, (Keyspace::Msg(Day(0)), key));
    assert_eq!(read(&rows, 1_000).expect("expired").messages.len(), 1);
    let mut body = WriteSet::default();
    body.put(Keyspace::Body(Day(0)), keys::body(group, 0), Vec::new());
    rows.commit(body);
    let page = read(&rows, 999).expect("memory reads");
    assert_eq!(page.messages.len(), 1, "a body may be empty");
}
