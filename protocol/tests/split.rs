//! How a stream is cut changes nothing.

mod vectors;

use protocol::Peer;
use vectors::{Outcome, Vector, parse_hex};

fn check_every_cut(name: &str, sender: Peer, bytes: &[u8], expected: &str) {
    for at in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(
            Outcome::of(sender, [head, tail]).text(),
            expected,
            "{name} cut at {at}"
        );
    }
    let single = Outcome::of(sender, bytes.chunks(1));
    assert_eq!(single.text(), expected, "{name} byte by byte");
}

#[test]
fn given_a_vector_when_cut_anywhere_should_give_the_same_text() {
    for vector in Vector::all() {
        check_every_cut(&vector.name, vector.sender, &vector.bytes, &vector.expected);
    }
}

#[test]
fn given_all_good_frames_in_one_stream_when_cut_anywhere_should_give_the_same_frames() {
    for sender in [Peer::Device, Peer::Server] {
        let good: Vec<Vector> = Vector::all()
            .into_iter()
            .filter(|vector| vector.sender == sender && vector.encodes)
            .collect();
        let bytes: Vec<u8> = good
            .iter()
            .flat_map(|vector| vector.bytes.clone())
            .collect();
        let frames: String = good
            .iter()
            .filter_map(|vector| vector.expected.strip_prefix("end = clean\n"))
            .collect();
        check_every_cut("all", sender, &bytes, &format!("end = clean\n{frames}"));
    }
}

#[test]
fn given_hex_with_comments_when_read_should_drop_them() {
    assert_eq!(parse_hex("# 00\n01 0a # ff\n\n ff"), [1, 10, 255]);
}
