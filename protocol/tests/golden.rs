//! Runs the golden vectors both ways, and keeps the document in step with them.
//!
//! Always: a vector that was released is never edited; a new rule gets a new vector.

mod vectors;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use bytes::BytesMut;
use protocol::{Frame, FrameError, Kind};
use vectors::{Outcome, Vector, parse_hex};

fn outcome(vector: &Vector) -> Outcome {
    Outcome::of(vector.sender, [vector.bytes.as_slice()])
}

#[test]
fn given_a_vector_when_decoded_should_give_its_text() {
    for vector in Vector::all() {
        assert_eq!(outcome(&vector).text(), vector.expected, "{}", vector.name);
    }
}

#[test]
fn given_a_vector_that_encodes_when_encoded_should_give_its_bytes() {
    for vector in Vector::all() {
        let mut out = BytesMut::new();
        outcome(&vector)
            .frames
            .iter()
            .for_each(|frame| frame.encode(&mut out));
        assert_eq!(
            out == vector.bytes,
            vector.encodes,
            "{}: {out:02x?}",
            vector.name
        );
    }
}

#[test]
fn given_all_vectors_when_counted_should_cover_every_kind_and_every_error() {
    let outcomes: Vec<Outcome> = Vector::all().iter().map(outcome).collect();
    let kinds: BTreeSet<u8> = outcomes
        .iter()
        .flat_map(|outcome| outcome.frames.iter().map(Frame::kind))
        .map(Kind::number)
        .collect();
    assert_eq!(kinds, Kind::ALL.iter().map(|kind| kind.number()).collect());

    let errors: BTreeSet<usize> = outcomes
        .iter()
        .filter_map(|outcome| outcome.error.as_ref())
        .map(error_number)
        .collect();
    assert_eq!(errors, (0..ERROR_COUNT).collect());
}

const ERROR_COUNT: usize = 14;

/// Without a wildcard: a new variant does not compile until it has a number and a vector.
fn error_number(error: &FrameError) -> usize {
    match error {
        FrameError::UnknownKind { .. } => 0,
        FrameError::WrongDirection { .. } => 1,
        FrameError::LengthTooWide { .. } => 2,
        FrameError::BodyTooLong { .. } => 3,
        FrameError::VarintNotMinimal { .. } => 4,
        FrameError::VarintTooLong { .. } => 5,
        FrameError::Truncated { .. } => 6,
        FrameError::BadLength { .. } => 7,
        FrameError::OutOfRange { .. } => 8,
        FrameError::NotUtf8 { .. } => 9,
        FrameError::ReservedBits { .. } => 10,
        FrameError::UnknownCredential { .. } => 11,
        FrameError::NotAscending { .. } => 12,
        FrameError::IdOverflow { .. } => 13,
    }
}

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    fs::read_to_string(path).expect("docs/protocol.md")
}

#[test]
fn given_an_example_of_the_document_when_read_should_be_the_vector_it_names() {
    let vectors = Vector::all();
    let document = document();
    let mut seen = BTreeSet::new();
    for block in document.split("```text golden ").skip(1) {
        let (name, rest) = block.split_once('\n').expect("a name");
        let (example, _) = rest.split_once("```").expect("the end of a block");
        let vector = vectors
            .iter()
            .find(|vector| vector.name == name)
            .unwrap_or_else(|| panic!("the document names {name}, which is no vector"));
        assert_eq!(parse_hex(example), vector.bytes, "{name}");
        seen.extend(
            outcome(vector)
                .frames
                .iter()
                .map(|frame| frame.kind().number()),
        );
    }
    assert_eq!(seen, Kind::ALL.iter().map(|kind| kind.number()).collect());
}

#[test]
fn given_the_requirements_of_the_document_when_listed_should_be_numbered_without_gaps() {
    let document = document();
    let mut numbers: Vec<usize> = document
        .split("**R-")
        .skip(1)
        .map(|rest| {
            rest.split("**")
                .next()
                .expect("a number")
                .parse()
                .expect("a number")
        })
        .collect();
    assert!(!numbers.is_empty());
    // A number is never given again, so one that came later stands where it belongs.
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
}
