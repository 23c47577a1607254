//! Everything that can happen to a session in every state, run against the real shard.
//!
//! Owner: `session_table.txt` and the picture of docs/protocol.md section 4.9, both written here.
//! Always: the two texts are what the shard does. A change of behaviour shows as a changed line,
//! and its reviewer asks whether it is meant. `SESSION_TABLE=write cargo test -p server-core --test
//! session_table` writes both texts and fails, so that the variable is not left on.

#[path = "session_table/happening.rs"]
mod happening;
#[path = "session_table/picture.rs"]
mod picture;
#[path = "session_table/subject.rs"]
mod subject;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use subject::{Place, State, Subject};

const BEGIN: &str = "<!-- session-table:begin -->";
const END: &str = "<!-- session-table:end -->";

const STATES: [State; 5] = [
    State::New,
    State::Greeting,
    State::Registering,
    State::Live,
    State::Closed,
];

const HEAD: &str = "\
# What becomes of a session. Written by session_table.rs; read its header before changing a line.
# STATE  what happens (variant)  -> the state then; what it makes the server do
# New: its connection is about to come. Closed: forgotten, while frames and answers are on the way.
# +drain: the server stops. A Live session was sent its GoAway, or is at the next tick.
# (any): all variants end alike. What cannot happen in a state has no line there.
";

/// One line of the table.
struct Row {
    from: Place,
    what: String,
    to: Place,
    seen: Vec<String>,
}

fn places() -> impl Iterator<Item = Place> {
    [false, true]
        .into_iter()
        .flat_map(|draining| STATES.map(|state| Place { state, draining }))
}

/// The rows of one place; variants of one kind that end alike are one row.
fn rows_of(from: Place) -> Vec<Row> {
    let happenings = happening::all();
    let mut rows = Vec::new();
    for same_kind in happenings.chunk_by(|a, b| a.kind == b.kind) {
        let mut kind_rows: Vec<Row> = Vec::new();
        for happening in same_kind.iter().filter(|one| (one.can_be)(from.state)) {
            let mut subject = Subject::at(from);
            (happening.run)(&mut subject);
            let (seen, to) = subject.outcome();
            let what = match happening.variant {
                "" => happening.kind.to_owned(),
                variant => format!("{} ({variant})", happening.kind),
            };
            kind_rows.push(Row {
                from,
                what,
                to,
                seen,
            });
        }
        let alike = |rows: &[Row]| {
            rows.windows(2)
                .all(|pair| pair[0].to == pair[1].to && pair[0].seen == pair[1].seen)
        };
        if kind_rows.len() > 1 && alike(&kind_rows) {
            kind_rows.truncate(1);
            kind_rows[0].what = format!("{} (any)", same_kind[0].kind);
        }
        rows.extend(kind_rows);
    }
    rows
}

fn table(rows: &[Row]) -> String {
    let mut text = HEAD.to_owned();
    for of_place in rows.chunk_by(|a, b| a.from == b.from) {
        text.push('\n');
        for row in of_place {
            let seen: String = row.seen.iter().map(|seen| format!("; {seen}")).collect();
            writeln!(
                text,
                "{:<17} {:<54} -> {}{seen}",
                row.from, row.what, row.to
            )
            .expect("a string takes all");
        }
    }
    text
}

fn in_crate(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The document before, between and behind the two marks.
fn split_document(document: &str) -> (&str, &str, &str) {
    let (before, rest) = document
        .split_once(BEGIN)
        .expect("docs/protocol.md has the first mark");
    let (between, behind) = rest
        .split_once(END)
        .expect("docs/protocol.md has the second mark");
    (before, between, behind)
}

#[test]
fn given_every_state_when_anything_happens_should_do_what_the_texts_say() {
    let rows: Vec<Row> = places().flat_map(rows_of).collect();
    let table = table(&rows);
    let picture = picture::draw(&rows);
    let (table_path, document_path) = (
        in_crate("tests/session_table.txt"),
        in_crate("../../docs/protocol.md"),
    );
    let document = fs::read_to_string(&document_path).expect("docs/protocol.md");
    let (before, between, behind) = split_document(&document);
    if std::env::var_os("SESSION_TABLE").is_some_and(|value| value == "write") {
        fs::write(&table_path, &table).expect("the table is written");
        fs::write(
            &document_path,
            format!("{before}{BEGIN}{picture}{END}{behind}"),
        )
        .expect("the picture is written");
        panic!("both texts are written; read the difference and run again without SESSION_TABLE");
    }
    let checked_in = fs::read_to_string(&table_path).expect("session_table.txt");
    let differs = table
        .lines()
        .zip(checked_in.lines())
        .find(|(is, said)| is != said);
    assert!(
        table == checked_in,
        "session_table.txt says otherwise, first here (is, said): {differs:#?}"
    );
    assert!(
        picture == between,
        "the picture in docs/protocol.md is not that of the table:\n{picture}"
    );
}

#[test]
fn given_the_protocols_kinds_when_the_table_is_made_should_have_each() {
    let in_table: BTreeSet<&str> = happening::all().iter().map(|one| one.kind).collect();
    let missing: Vec<_> = protocol::Kind::ALL
        .iter()
        .map(|kind| kind.name())
        .filter(|name| !in_table.contains(name))
        .collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
}
