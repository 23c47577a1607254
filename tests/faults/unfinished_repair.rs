//! A repair that did not come to its end: what it cut is not served before the next goes on with it.

use std::fs;
use std::process::Command;

use super::place::Place;
use super::victim::Victim;
use super::{flip, stderr};
use crate::harness::Server;
use crate::harness::disk::Disk;

#[test]
fn given_a_journal_without_room_when_repaired_should_not_be_served_until_the_next_has_ended() {
    let victim = Victim::kill();
    let there = victim.answered() / 2;
    let place = Place::copy_of(&victim.data());
    let journal = place.journal();
    let mut bytes = fs::read(&journal).expect("a journal");
    flip(&mut bytes, victim.body(there));
    fs::write(&journal, &bytes).expect("written");

    // The copy has filled the disk: what the repair itself writes finds no room.
    let disk = Disk::new(place.dir());
    disk.order("torn");
    let data = place.data();
    let broken = Command::new(env!("CARGO_BIN_EXE_ringpost"))
        .args(["repair", "--data", data.to_str().expect("text")])
        .envs(disk.surroundings().variables)
        .output()
        .expect("runs");
    assert_eq!(broken.status.code(), Some(1), "{}", stderr(&broken));
    assert!(stderr(&broken).contains("the copy has all that was there"));
    assert!(disk.was_half_written());

    let Err((status, log)) = Server::try_start(place.dir(), 1) else {
        panic!("half repaired, and served");
    };
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("a repair was begun and not ended"), "{log}");
    assert!(log.contains("run `ringpost repair --data"), "{log}");
    let checked = place.ringpost(&["check"]);
    assert_eq!(checked.status.code(), Some(78), "{}", stderr(&checked));

    let output = place.ringpost(&["repair", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let lost = told["commits_lost"].as_u64().expect("a number");
    assert!(lost >= (victim.answered() - there) as u64, "{told}");
    let server = Server::start(place.dir(), 1, &[]);
    assert_eq!(victim.there(&server), there);
}
