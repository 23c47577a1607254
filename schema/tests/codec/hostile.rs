//! Bytes no writer of ours made: refused or read, never a panic, never more memory than they are long.
//!
//! Owner: the tests of this crate. Always: what decodes after damage is a value like any other and round-trips.

use flatbuffers::{FlatBufferBuilder, InvalidFlatbuffer, UnionWIPOffset, WIPOffset};
use proptest::prelude::*;
use schema::Problem;
use schema::push::PushMessage;
use schema::record::{
    AliasOfClient, App, Binding, Cursor, Device, FirstAnswer, Message, Number, Outcome, Tally, Task,
};

use crate::samples::{self, Codec};

/// The place of a field in a vtable, from its id in the .fbs file.
const fn slot(id: u16) -> u16 {
    4 + 2 * id
}

/// Decoding must not panic; what comes out must be whole.
fn read_calmly<T: Codec>(bytes: &[u8]) -> bool {
    match T::from_bytes(bytes) {
        Ok(value) => {
            assert_eq!(T::from_bytes(&value.to_bytes()), Ok(value));
            true
        }
        Err(_) => false,
    }
}

fn read_as_everything(bytes: &[u8]) {
    read_calmly::<PushMessage>(bytes);
    read_calmly::<App>(bytes);
    read_calmly::<Device>(bytes);
    read_calmly::<Cursor>(bytes);
    read_calmly::<AliasOfClient>(bytes);
    read_calmly::<Binding>(bytes);
    read_calmly::<Message>(bytes);
    read_calmly::<FirstAnswer>(bytes);
    read_calmly::<Task>(bytes);
    read_calmly::<Outcome>(bytes);
    read_calmly::<Tally>(bytes);
    read_calmly::<Number>(bytes);
}

fn flip_every_bit<T: Codec>(name: &str, value: T) {
    let mut bytes = value.to_bytes();
    let mut refused = 0;
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        refused += usize::from(!read_calmly::<T>(&bytes));
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    assert!(refused > 0, "{name}: no flipped bit was noticed");
    assert_eq!(T::from_bytes(&bytes), Ok(value), "{name}");
}

fn cut_everywhere<T: Codec>(name: &str, value: T) {
    let bytes = value.to_bytes();
    for len in 0..bytes.len() {
        read_calmly::<T>(&bytes[..len]);
    }
    assert!(T::from_bytes(&bytes[..4]).is_err(), "{name}: a bare root");
    assert!(T::from_bytes(&[]).is_err(), "{name}: nothing at all");
}

#[test]
fn given_every_sample_when_one_bit_flips_should_never_panic() {
    samples::for_every_sample!(flip_every_bit);
}

#[test]
fn given_every_sample_when_cut_anywhere_should_never_panic() {
    samples::for_every_sample!(cut_everywhere);
}

proptest! {
    #[test]
    fn given_random_bytes_when_decoded_should_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn given_several_damaged_bytes_when_decoded_should_never_panic(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        for sample in [samples::notification().encode(), samples::first_answer().encode()] {
            let mut bytes = sample;
            for (place, byte) in &damage {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            read_as_everything(&bytes);
        }
    }
}

/// A push with a content table of our choice.
fn push_with(
    kind: u8,
    content: impl FnOnce(&mut FlatBufferBuilder<'_>) -> WIPOffset<UnionWIPOffset>,
) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let content = content(&mut builder);
    let task_id = builder.create_string("task");
    let table = builder.start_table();
    builder.push_slot_always(slot(0), task_id);
    builder.push_slot_always(slot(1), kind);
    builder.push_slot_always(slot(2), content);
    let root = builder.end_table(table);
    builder.finish_minimal(root);
    builder.finished_data().to_vec()
}

/// A notification whose `fields` all point to one text.
fn sharing(
    builder: &mut FlatBufferBuilder<'_>,
    text: &str,
    fields: &[u16],
) -> WIPOffset<UnionWIPOffset> {
    let text = builder.create_string(text);
    let table = builder.start_table();
    for id in fields {
        builder.push_slot_always(slot(*id), text);
    }
    WIPOffset::new(builder.end_table(table).value())
}

#[test]
fn given_many_fields_on_one_text_when_decoded_should_be_refused_before_copying() {
    let text = "x".repeat(60_000);
    let bytes = push_with(2, |b| {
        sharing(b, &text, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11])
    });
    assert_eq!(
        PushMessage::decode(&bytes).unwrap_err().problem,
        Problem::Layout(InvalidFlatbuffer::ApparentSizeTooLarge)
    );
}

#[test]
fn given_an_unknown_content_kind_when_decoded_should_be_refused_by_number() {
    for kind in [0, 4, 255] {
        let bytes = push_with(kind, |b| sharing(b, "x", &[0]));
        let error = PushMessage::decode(&bytes).unwrap_err();
        assert_eq!(error.what, "PushMessage");
        assert_eq!(error.problem, Problem::UnknownContent { kind, kind_max: 3 });
    }
}

#[test]
fn given_a_missing_required_text_when_decoded_should_be_named() {
    let bytes = push_with(2, |b| sharing(b, "x", &[0, 1]));
    let error = PushMessage::decode(&bytes).unwrap_err().to_string();
    assert!(error.contains("`click_type`"), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn given_a_text_that_is_not_utf8_when_decoded_should_be_refused() {
    let mut bytes = samples::alias_of_client().encode();
    let alias = samples::alias_of_client().alias;
    let start = bytes
        .windows(alias.len())
        .position(|window| window == alias.as_bytes())
        .unwrap();
    bytes[start] = 0xff;
    assert!(matches!(
        AliasOfClient::decode(&bytes).unwrap_err().problem,
        Problem::Layout(InvalidFlatbuffer::Utf8Error { .. })
    ));
}
