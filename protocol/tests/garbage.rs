//! A hostile peer gets an error, never a panic, and never more memory than the limit.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::wire::HEADER_LEN_MAX;
use protocol::{Decoder, Peer, limits};

/// Feeds `pieces`, takes what comes, and checks the bound after each piece.
fn feed(sender: Peer, pieces: &[Vec<u8>]) {
    let mut decoder = Decoder::new(sender);
    let mut greeted = false;
    for piece in pieces {
        let before = decoder.unread_len();
        decoder.push(piece);
        assert!(decoder.unread_len() <= before + piece.len());
        let failed = loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => {
                    greeted = true;
                    assert_eq!(frame.check(), Ok(()), "what is read can be written");
                }
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        let body_len_max = match sender {
            Peer::Device if !greeted => limits::HELLO_LEN_MAX,
            sender => sender.body_len_max(),
        };
        assert!(decoder.unread_len() < HEADER_LEN_MAX + body_len_max);
        assert!(!failed || decoder.unread_len() == 0);
    }
}

fn peer() -> impl Strategy<Value = Peer> {
    prop_oneof![Just(Peer::Device), Just(Peer::Server)]
}

/// A frame with a kind that may be known, a true length and random contents.
fn framed() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![0_u8..16, any::<u8>()];
    (kind, vec(any::<u8>(), 0..128)).prop_map(|(kind, body)| {
        let mut frame = vec![kind, u8::try_from(body.len()).expect("below 128")];
        frame.extend(body);
        frame
    })
}

/// Kind 0x80 is skipped, so the stream never fails and the decoder must not keep it.
fn ignorable() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..128).prop_map(|body| {
        let mut frame = vec![0x80, u8::try_from(body.len()).expect("below 128")];
        frame.extend(body);
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn given_random_bytes_when_fed_should_neither_panic_nor_grow(
        sender in peer(),
        pieces in vec(vec(any::<u8>(), 0..300), 0..20),
    ) {
        feed(sender, &pieces);
    }

    #[test]
    fn given_random_bodies_in_true_frames_when_fed_should_neither_panic_nor_grow(
        sender in peer(),
        frames in vec(framed(), 0..20),
        piece_len in 1_usize..64,
    ) {
        let pieces: Vec<Vec<u8>> = frames.concat().chunks(piece_len).map(<[u8]>::to_vec).collect();
        feed(sender, &pieces);
    }

    #[test]
    fn given_endless_ignorable_frames_when_fed_should_not_grow(
        sender in peer(),
        frames in vec(ignorable(), 100),
        piece_len in 1_usize..64,
    ) {
        let pieces: Vec<Vec<u8>> = frames.concat().chunks(piece_len).map(<[u8]>::to_vec).collect();
        feed(sender, &pieces);
    }
}
