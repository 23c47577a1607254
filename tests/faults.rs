//! A data folder that broke: what was answered is there, or the server says which file is to blame.
//!
//! The folders are made by a real server that was killed. Always: a damaged folder is a copy; after
//! any damage the server either serves everything that was answered, or stops, and then a repair
//! leaves all that came before the damage, or refuses and changes nothing.
//!
//! Some places of damage here; many with
//! `cargo test --release --test faults -- --ignored`.

mod harness;
#[path = "faults/place.rs"]
mod place;
#[path = "faults/two_journals.rs"]
mod two_journals;
#[path = "faults/unfinished_repair.rs"]
mod unfinished_repair;
#[path = "faults/victim.rs"]
mod victim;

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use harness::Server;
use place::Place;
use victim::Victim;

/// What a damaged folder came to.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It was served with everything in it.
    Served,
    /// The server stopped; repaired, so many pushes are there.
    Repaired(usize),
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Damages a copy of the victim's journal and looks at what becomes of it.
fn journal_trial(victim: &Victim, what: &str, damage: impl FnOnce(&mut Vec<u8>)) -> End {
    let place = Place::copy_of(&victim.data());
    let journal = place.journal();
    let mut bytes = fs::read(&journal).expect("a journal");
    damage(&mut bytes);
    fs::write(&journal, &bytes).expect("written");
    match Server::try_start(place.dir(), 1) {
        Ok(server) => {
            assert_eq!(victim.there(&server), victim.answered(), "{what}: silent");
            End::Served
        }
        Err((status, log)) => {
            assert_eq!(status.code(), Some(1), "{what}: {log}");
            let file = journal.to_str().expect("text");
            assert!(log.contains(file), "{what}: no file is named: {log}");
            assert!(log.contains("run `ringpost repair --data"), "{what}: {log}");
            assert_eq!(fs::read(&journal).expect("there"), bytes, "{what}: touched");
            End::Repaired(repaired(victim, &place, what))
        }
    }
}

/// Repairs a folder; how many pushes it then has.
fn repaired(victim: &Victim, place: &Place, what: &str) -> usize {
    let broken = fs::read(place.journal()).expect("a journal");
    let output = place.ringpost(&["repair", "--json"]);
    assert!(output.status.success(), "{what}: {}", stderr(&output));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let copy = PathBuf::from(told["copy"].as_str().expect("where the copy is"));
    let name = place.journal();
    let name = name.strip_prefix(place.data()).expect("in it").to_owned();
    assert_eq!(fs::read(copy.join(name)).expect("a copy"), broken, "{what}");
    let server = Server::start(place.dir(), 1, &[]);
    let there = victim.there(&server);
    let lost = victim.answered() - there;
    let commits_lost = told["commits_lost"].as_u64().expect("a number");
    assert!(lost as u64 <= commits_lost, "{what}: {lost} pushes, {told}");
    there
}

/// Flips one bit.
fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 0x04;
}

#[test]
fn given_what_a_crash_leaves_behind_the_last_batch_when_served_should_have_all_that_was_answered() {
    let victim = Victim::kill();
    let end = victim.written();
    let unfinished = victim.first_batch();
    let trials: [(&str, &[u8]); 4] = [
        ("nothing", &[]),
        ("zeroes", &[0; 9000]),
        ("garbage", &[0xA5; 4096]),
        (
            "a batch that was begun",
            &unfinished[..unfinished.len() / 2],
        ),
    ];
    for (what, tail) in trials {
        let end = journal_trial(&victim, what, |bytes| {
            bytes.truncate(end);
            bytes.extend(tail);
        });
        assert_eq!(end, End::Served, "{what}");
    }
}

#[test]
fn given_a_journal_that_lost_its_end_when_served_should_stop_and_be_repaired_up_to_there() {
    let victim = Victim::kill();
    let end = victim.written();
    for (what, len) in [("half", end / 2), ("a little", end - 300), ("all", 0)] {
        let end = journal_trial(&victim, what, |bytes| bytes.truncate(len));
        let End::Repaired(there) = end else {
            panic!("{what}: served, and the end of the journal was answered");
        };
        assert!(there < victim.answered(), "{what}: {there}");
    }
}

#[test]
fn given_bits_that_flipped_when_served_should_stop_and_be_repaired_up_to_there() {
    let victim = Victim::kill();
    let middle = victim.body(victim.answered() / 2);
    let last = victim.body(victim.answered() - 1);
    let trials = [
        ("in the middle", middle, victim.answered() / 2),
        ("in the last push", last, victim.answered() - 1),
    ];
    for (what, at, there) in trials {
        let end = journal_trial(&victim, what, |bytes| flip(bytes, at));
        assert_eq!(end, End::Repaired(there), "{what}");
    }
    let page = middle.next_multiple_of(4096);
    let end = journal_trial(&victim, "a page of zeroes", |bytes| {
        bytes[page..page + 4096].fill(0);
    });
    assert!(matches!(end, End::Repaired(there) if there < victim.answered()));
}

#[test]
#[ignore = "minutes: a server for each of some hundred places"]
fn given_a_damage_anywhere_when_served_should_never_be_silent() {
    let victim = Victim::kill();
    let end = victim.written();
    for number in 0..100 {
        let at = end * number / 100 + number * 7 % 13;
        journal_trial(&victim, &format!("cut at {at}"), |bytes| bytes.truncate(at));
        journal_trial(&victim, &format!("bit at {at}"), |bytes| flip(bytes, at));
        journal_trial(&victim, &format!("30 zeroes at {at}"), |bytes| {
            bytes[at..end.min(at + 30)].fill(0);
        });
        journal_trial(&victim, &format!("page at {at}"), |bytes| {
            let page = at / 4096 * 4096;
            bytes[page..page + 4096].fill(0);
        });
    }
}

#[test]
fn given_a_damaged_table_or_list_of_tables_when_served_should_name_it_and_not_be_repaired() {
    let victim = Victim::kill();
    let names = victim.data().join("store/keyspaces/0");
    // Older tables may lie there until fjall takes them away.
    let newest = fs::read_dir(names.join("tables"))
        .expect("tables")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok())
        .max()
        .expect("the names of the keyspaces are a table");
    let table = PathBuf::from(format!("tables/{newest}"));
    let current = fs::read(names.join("current")).expect("there");
    let list = u64::from_le_bytes(*current.first_chunk().expect("a number"));
    let list = PathBuf::from(format!("v{list}"));
    for file in [table, list, PathBuf::from("current")] {
        let place = Place::copy_of(&victim.data());
        let file = place.data().join("store/keyspaces/0").join(file);
        let mut bytes = fs::read(&file).expect("there");
        let middle = bytes.len() / 2;
        flip(&mut bytes, middle);
        fs::write(&file, bytes).expect("written");
        let Err((status, log)) = Server::try_start(place.dir(), 1) else {
            panic!("{} is damaged and served", file.display());
        };
        assert_eq!(status.code(), Some(1), "{log}");
        let before = place.listing();
        let output = place.ringpost(&["repair"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        for told in [log, stderr(&output)] {
            let folder = file.parent().expect("a folder").to_str().expect("text");
            assert!(told.contains(folder), "{told}");
            assert!(told.contains("restore a backup"), "{told}");
        }
        assert_eq!(place.listing(), before);
    }
}

#[test]
fn given_a_part_of_the_store_that_is_gone_when_served_should_name_it_and_change_nothing() {
    let victim = Victim::kill();
    let served = Place::copy_of(&victim.data());
    let backup = served.dir().join("backup");
    {
        let server = Server::start(served.dir(), 1, &[]);
        let bootstrap = server.bootstrap_path();
        let names = [&backup, &bootstrap].map(|path| path.to_str().expect("text"));
        let output = served.run(&["backup", "--to", names[0], "--bootstrap", names[1]]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let parts = [
        "version",
        "keyspaces",
        "keyspaces/0",
        "keyspaces/1",
        "keyspaces/4",
        "0.jnl",
    ];
    for (data, kind) in [(&victim.data(), "killed"), (&backup, "a backup")] {
        for part in parts {
            let place = Place::copy_of(data);
            let gone = place.data().join("store").join(part);
            let removed = match gone.is_dir() {
                true => fs::remove_dir_all(&gone),
                false => fs::remove_file(&gone),
            };
            removed.expect("there");
            let before = place.listing();
            let Err((status, log)) = Server::try_start(place.dir(), 1) else {
                panic!("{kind}: {part} is gone, and it is served");
            };
            assert_eq!(status.code(), Some(1), "{log}");
            let output = place.ringpost(&["repair"]);
            assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
            for told in [log, stderr(&output)] {
                let named = match part {
                    "0.jnl" => "it has no journal",
                    _ => gone.to_str().expect("text"),
                };
                assert!(told.contains(named), "{kind}, {part}: {told}");
                assert!(told.contains("restore a backup"), "{kind}, {part}: {told}");
            }
            assert_eq!(place.listing(), before, "{kind}, {part}");
        }
    }
    for foreign in ["keyspaces/lost+found", "keyspaces/1/tables/1.bak"] {
        let place = Place::copy_of(&victim.data());
        let foreign = place.data().join("store").join(foreign);
        fs::create_dir_all(&foreign).expect("made");
        let Err((status, log)) = Server::try_start(place.dir(), 1) else {
            panic!("{} is served", foreign.display());
        };
        assert_eq!(status.code(), Some(1), "{log}");
        let output = place.ringpost(&["repair"]);
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        for told in [log, stderr(&output)] {
            assert!(told.contains(foreign.to_str().expect("text")), "{told}");
            assert!(told.contains("move it away"), "{told}");
        }
        fs::remove_dir(&foreign).expect("moved away");
        let server = Server::start(place.dir(), 1, &[]);
        assert_eq!(victim.there(&server), victim.answered());
    }
    // What only fjall's files are missing of is no new store; a lock is no more than a name.
    let place = Place::copy_of(&victim.data());
    let store = place.data().join("store");
    fs::remove_file(store.join("lock")).expect("there");
    let server = Server::start(place.dir(), 1, &[]);
    assert_eq!(victim.there(&server), victim.answered());
    drop(server);
    fs::remove_file(store.join("version")).expect("there");
    fs::remove_dir_all(store.join("keyspaces")).expect("there");
    fs::remove_file(place.journal()).expect("there");
    let Err((status, log)) = Server::try_start(place.dir(), 1) else {
        panic!("all is gone, and it is served");
    };
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("restore a backup"), "{log}");
    // Nor is one whose journal is empty while it has days.
    let place = Place::copy_of(&victim.data());
    fs::remove_file(place.data().join("store/synced")).expect("there");
    fs::write(place.journal(), [0; 4096]).expect("written");
    let Err((status, log)) = Server::try_start(place.dir(), 1) else {
        panic!("an empty journal is served");
    };
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("it holds no commit, and there were some"),
        "{log}"
    );

    let place = Place::copy_of(&victim.data());
    let version = place.data().join("store/version");
    fs::write(&version, "???").expect("written");
    let Err((_, log)) = Server::try_start(place.dir(), 1) else {
        panic!("a version that is none is served");
    };
    assert!(log.contains(version.to_str().expect("text")), "{log}");
}

#[test]
fn given_a_folder_that_opens_or_is_none_or_is_served_when_repaired_should_say_so() {
    let victim = Victim::kill();
    let place = Place::copy_of(&victim.data());
    let output = place.ringpost(&["repair"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(told, "the store opens; nothing was changed\n");
    assert_eq!(place.beside(), ["data"]);

    let _server = Server::start(place.dir(), 1, &[]);
    let served = place.ringpost(&["repair"]);
    let nowhere = Place::empty();
    let none = nowhere.ringpost(&["repair"]);
    for (output, told) in [(served, "another process"), (none, "No such file")] {
        assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
    assert!(nowhere.beside().is_empty(), "a folder was made");
}
