//! Old and new versions read each other.
//!
//! Owner: the tests of this crate. Always: tables are written here by slot, as another version would write them.

use flatbuffers::FlatBufferBuilder;
use schema::record::{App, Cursor, Registration, Tally};

/// A table of numbers, by field id.
fn table_of(fields: &[(u16, u64)]) -> Vec<u8> {
    let mut builder = FlatBufferBuilder::new();
    let table = builder.start_table();
    for (id, value) in fields {
        builder.push_slot_always(4 + 2 * id, *value);
    }
    let root = builder.end_table(table);
    builder.finish_minimal(root);
    builder.finished_data().to_vec()
}

#[test]
fn given_a_field_of_a_newer_version_when_decoded_should_be_ignored() {
    let bytes = table_of(&[(0, 5), (1, 6), (2, 7), (40, 8)]);
    let cursor = Cursor {
        acked: 5,
        last_login_ms: 6,
        last_seen_ms: 7,
    };
    assert_eq!(Cursor::decode(&bytes), Ok(cursor));
}

#[test]
fn given_a_record_of_an_older_version_when_decoded_should_have_zero_for_what_it_lacks() {
    let bytes = table_of(&[(0, 5)]);
    let tally = Tally {
        accepted: 5,
        ..Tally::default()
    };
    assert_eq!(Tally::decode(&bytes), Ok(tally));
}

#[test]
fn given_a_way_to_register_of_a_newer_version_when_decoded_should_let_nobody_in() {
    let mut builder = FlatBufferBuilder::new();
    let text = builder.create_string("x");
    let table = builder.start_table();
    for id in 1..6 {
        builder.push_slot_always(4 + 2 * id, text);
    }
    builder.push_slot_always(4 + 2 * 12, 3_u8);
    let root = builder.end_table(table);
    builder.finish_minimal(root);
    let app = App::decode(builder.finished_data()).expect("an app");
    assert_eq!(app.settings.registration, Registration::Closed);
}
