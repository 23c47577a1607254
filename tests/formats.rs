//! Data folders that older versions wrote, as they wrote them: `formats/N.tar.gz` is one of format
//! N, made by a server of its time, with `made.json` in it, which says what is to be found. Its rows lie
//! in the journal; those of `formats/N-tables.tar.gz`, a backup, in tables.
//!
//! Always: an archive is never made again. `CONTRIBUTING.md` says how that of a new format is added.

#[path = "formats/contents.rs"]
mod contents;
mod harness;
#[path = "formats/tarball.rs"]
mod tarball;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use harness::{Server, Surroundings, preload};
use serde_json::{Value, json};
use server_core::keys::FORMAT;
use tempfile::TempDir;

fn archive(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats");
    folder.join(format!("{name}.tar.gz"))
}

/// The names of both archives of each format.
fn archives() -> impl Iterator<Item = String> {
    (1..=FORMAT).flat_map(|format| [format.to_string(), format!("{format}-tables")])
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .expect("after 1970")
        .as_secs()
        .try_into()
        .expect("before long")
}

/// A copy of the data folder in an archive, and what is to be found in it.
fn unpacked(name: &str) -> (TempDir, Value) {
    let dir = tempfile::tempdir().expect("a folder");
    let data = dir.path().join("data");
    tarball::unpack(&archive(name), &data);
    let made = fs::read(data.join("made.json")).expect("what is in it");
    (dir, serde_json::from_slice(&made).expect("JSON"))
}

/// A server whose clock shows some time after the folder was made.
fn serve_after(dir: &Path, made: &Value, hours: i64) -> Server {
    let library = preload::library(dir, "formats/clock.c");
    let offset = made["made_s"].as_i64().expect("a time") + hours * 3600 - now_s();
    let surroundings = Surroundings {
        variables: vec![
            ("LD_PRELOAD", library.to_str().expect("text").to_owned()),
            ("CLOCK_OFFSET_S", offset.to_string()),
        ],
        ..Surroundings::default()
    };
    // Third parties of the test have the clock of today.
    Server::start_in(dir, 1, "[ingress]\ntimestamp_skew_s = 0\n", surroundings)
}

#[test]
fn given_a_folder_of_each_format_when_served_today_should_have_all_that_lasts() {
    for name in archives() {
        let (dir, made) = unpacked(&name);
        let server = Server::start(dir.path(), 2, &[]);
        contents::look_for_what_lasts(&server, &made);
    }
}

#[test]
fn given_a_folder_of_each_format_when_served_in_its_time_should_have_everything() {
    for name in archives() {
        let (dir, made) = unpacked(&name);
        let mut server = serve_after(dir.path(), &made, 1);
        contents::look_for_the_rest(&server, &made);
        assert!(server.stop().success());
        server.check();
    }
}

#[test]
fn given_a_folder_of_each_format_when_served_long_after_should_have_all_that_lasts() {
    for name in archives() {
        let (dir, made) = unpacked(&name);
        let server = serve_after(dir.path(), &made, 100 * 24);
        contents::look_for_what_lasts(&server, &made);
        // The messages of those days are over.
        let (app, cid) = (&made["app"], &made["cids"][1]);
        let args = [app, cid].map(|text| text.as_str().expect("text"));
        let device = server.say(&["device", args[0], args[1]]);
        assert_eq!(device["queue_len"], 0, "{device}");
    }
}

#[test]
fn given_the_archives_when_measured_should_be_small() {
    for name in archives() {
        let len = fs::metadata(archive(&name)).expect("an archive").len();
        assert!(len < 200_000, "{name}: {len} bytes");
    }
}

/// The rows of the present format, where a server keeps them that ended in order.
fn make_folder(server: &mut Server) -> PathBuf {
    assert!(server.stop().success());
    // The second start cuts off the zeroes with which a journal is laid out.
    server.restart();
    assert!(server.stop().success());
    server.data().to_owned()
}

/// The same in a backup.
fn make_tables(server: &mut Server) -> PathBuf {
    // What was acknowledged is written down at the latest when it ends.
    assert!(server.stop().success());
    server.restart();
    let to = server.data().with_file_name("backup");
    server.say(&["backup", "--to", to.to_str().expect("text")]);
    to
}

#[test]
#[ignore = "writes the archives of the present format; an archive is never made again"]
fn given_a_new_format_when_its_folders_are_made_should_be_packed() {
    let kinds = [
        (
            FORMAT.to_string(),
            make_folder as fn(&mut Server) -> PathBuf,
        ),
        (format!("{FORMAT}-tables"), make_tables),
    ];
    for (name, make) in kinds {
        let archive = archive(&name);
        if archive.exists() {
            eprintln!("{} exists and stays", archive.display());
            continue;
        }
        let dir = tempfile::tempdir().expect("a folder");
        let mut server = Server::start(dir.path(), 1, &[]);
        let mut made = contents::put(&server);
        made["made_s"] = json!(now_s());
        let folder = make(&mut server);
        let made = serde_json::to_vec_pretty(&made).expect("JSON");
        fs::write(folder.join("made.json"), made).expect("written");
        tarball::pack(&folder, &archive);
    }
}
