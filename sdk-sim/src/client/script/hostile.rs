//! Servers that send anything, in any cut.
//!
//! Owner: the tests. Always: no panic, and no claim on more than was fed.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use protocol::Frame;

use super::{Stage, config, push, welcome};
use crate::client::Event;

/// Handles everything as a caller does; returns the events.
fn play(stage: &mut Stage, bytes: &[u8], cut_len: usize) -> Vec<Event> {
    let mut all = Vec::new();
    for part in bytes.chunks(cut_len.max(1)) {
        stage.client.bytes_received(stage.now_ms, part);
        for event in stage.events() {
            if let Event::Push { id, .. } = &event {
                stage.client.handled(*id);
            }
            all.push(event);
        }
        stage.sent();
    }
    all
}

proptest! {
    #[test]
    fn given_any_bytes_when_fed_should_never_panic(
        bytes in vec(any::<u8>(), 0..2_000),
        cut_len in 1_usize..100,
        greeted in any::<bool>(),
    ) {
        let mut stage = if greeted { Stage::online(config()) } else {
            let mut stage = Stage::new(config());
            stage.connect();
            stage
        };
        let events = play(&mut stage, &bytes, cut_len);
        // The shortest frame that makes an event has two bytes; an end adds one event.
        prop_assert!(events.len() <= bytes.len() / 2 + 2);
    }

    #[test]
    fn given_good_frames_when_cut_anywhere_should_give_the_same_events(
        ids in vec(any::<u8>(), 0..40),
        cut_len in 1_usize..200,
    ) {
        let mut bytes = BytesMut::new();
        welcome(60).encode(&mut bytes);
        for id in &ids {
            push(u64::from(*id) + 1).encode(&mut bytes);
            Frame::Ping.encode(&mut bytes);
        }
        let run = |cut_len| {
            let mut stage = Stage::new(config());
            stage.connect();
            play(&mut stage, &bytes, cut_len)
        };
        let whole = run(bytes.len());
        prop_assert_eq!(run(cut_len), whole.clone());
        let pushed = whole.iter().filter(|event| matches!(event, Event::Push { .. })).count();
        let mut highest = 0;
        let new = ids.iter().filter(|id| {
            let id = u64::from(**id) + 1;
            let new = id > highest;
            highest = highest.max(id);
            new
        });
        prop_assert_eq!(pushed, new.count());
    }
}
