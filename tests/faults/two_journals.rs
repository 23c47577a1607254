//! A data folder with two journals, whose server was killed under every kind of change: where the older
//! one is damaged, tables hold some of what is cut.

use std::fs;
use std::path::PathBuf;

use hyper::Method;
use protocol::ClientId;
use sdk_sim::third_party::{BlockingThirdParty, Push, PushBody};
use serde_json::{Value, json};

use super::flip;
use super::place::{Place, journals, written};
use crate::harness::device::{register, waiting_texts};
use crate::harness::{Server, Surroundings};

/// The least that there is: tables are written soon, and with each a journal begins.
const SETTINGS: &str = "store.memory_mib = 32\n";

const DEVICES: u8 = 6;

/// Rounds of changes after which there must be a second journal; it takes some forty.
const ROUNDS_MAX: usize = 400;

/// Rounds behind that, so that there is something in it.
const ROUNDS_BEHIND: usize = 10;

/// Places of damage in the older journal, in hundredths of its length.
const PLACES: [usize; 4] = [3, 30, 60, 97];

/// The text of the push by which it is seen how far a round came.
fn witness(round: usize) -> String {
    format!("witness {round:05}")
}

/// Single pushes, a push to a tag and one to the app, tags and aliases: some of each.
fn change_everything(party: &BlockingThirdParty, cids: &[String], round: usize) {
    let call = |path: &str, body: Value| {
        let answer = party.call(Method::POST, path, Some(&body));
        answer.unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let settings = json!({ "ttl": 86_400_000 });
    let messages: Vec<Value> = (0..60)
        .map(|number| {
            json!({
                "request_id": format!("request-{round}-{number}"),
                "settings": settings,
                "audience": { "cid": [cids[number % cids.len()]] },
                "push_message": { "transmission": "x".repeat(3000) },
            })
        })
        .collect();
    call(
        "/push/single/batch/cid",
        json!({ "is_async": false, "msg_list": messages }),
    );
    let cid = &cids[round % cids.len()];
    let alias = format!("alias{}", round % 9);
    call(
        "/user/alias",
        json!({ "data_list": [{ "cid": cid, "alias": alias }] }),
    );
    let tags = json!({ "custom_tag": ["all", format!("tag{round}")] });
    call(&format!("/user/custom_tag/cid/{cid}"), tags);
    for (path, audience) in [
        (
            "/push/tag",
            json!({ "tag": [{ "key": "custom_tag", "values": ["all"], "opt_type": "or" }] }),
        ),
        ("/push/all", json!("all")),
    ] {
        let body = json!({
            "request_id": format!("many{}-{round}", path.replace('/', "-")),
            "group_name": format!("round-{round}"),
            "settings": settings,
            "audience": audience,
            "push_message": { "transmission": "y".repeat(2000) },
        });
        call(path, body);
    }
    let push = Push::new(PushBody::Transmission(witness(round))).expect("random");
    let witnessed = party.push_single_cid(&cids[cids.len() - 1], &push);
    witnessed.expect("answered");
}

/// Rounds that ended before this place of the journal, which has their witnesses in order.
fn rounds_before(bytes: &[u8], at: usize) -> usize {
    let (mut rounds, mut from) = (0, 0);
    loop {
        let text = witness(rounds);
        let mut places = bytes[from..at].windows(text.len());
        match places.position(|place| place == text.as_bytes()) {
            Some(found) => from += found + text.len(),
            None => return rounds,
        }
        rounds += 1;
    }
}

/// How many rounds the last device has the witness of, the first and those behind it.
fn witnessed(server: &Server, cid: ClientId) -> usize {
    let texts = waiting_texts(server, DEVICES, cid).into_iter();
    texts.fold(0, |rounds, text| {
        rounds + usize::from(text == witness(rounds))
    })
}

/// The folder, its journals, and the device that has the witnesses.
fn kill() -> (Place, Vec<PathBuf>, ClientId) {
    let place = Place::empty();
    let mut server = Server::start_in(place.dir(), 2, SETTINGS, Surroundings::default());
    let bootstrap = server.bootstrap();
    let devices: Vec<ClientId> = (1..=DEVICES)
        .map(|number| register(&bootstrap, number))
        .collect();
    let cids: Vec<String> = devices.iter().map(ClientId::to_string).collect();
    let party = server.third_party();
    let mut round = 0;
    while journals(&place.data()).len() < 2 {
        assert!(round < ROUNDS_MAX, "one journal after {round} rounds");
        change_everything(&party, &cids, round);
        round += 1;
    }
    for behind in 0..ROUNDS_BEHIND {
        change_everything(&party, &cids, round + behind);
    }
    server.kill_nine();
    let journals = journals(&place.data());
    (place, journals, devices[devices.len() - 1])
}

#[test]
fn given_a_damage_in_the_older_of_two_journals_when_repaired_should_leave_rows_that_fit_together() {
    let (victim, journals, last) = kill();
    assert!(journals.len() >= 2, "{journals:?}");
    let older = journals[0].strip_prefix(victim.data()).expect("in it");
    let end = written(&fs::read(&journals[0]).expect("a journal"));
    let mut mended = 0;
    for percent in PLACES {
        let place = Place::copy_of(&victim.data());
        let journal = place.data().join(older);
        let mut bytes = fs::read(&journal).expect("a journal");
        // The last batch before the damage may be the one that is damaged.
        let whole = rounds_before(&bytes, end * percent / 100).saturating_sub(1);
        flip(&mut bytes, end * percent / 100);
        fs::write(&journal, &bytes).expect("written");
        let Err((_, log)) = Server::try_start(place.dir(), 2) else {
            panic!("damaged at {percent} of 100, and served");
        };
        assert!(log.contains(journal.to_str().expect("text")), "{log}");

        let repaired = place.ringpost(&["repair", "--json"]);
        assert!(repaired.status.success(), "{}", super::stderr(&repaired));
        let told: Value = serde_json::from_slice(&repaired.stdout).expect("JSON");
        let lost = told["commits_lost"].as_u64().expect("a number");
        let cuts = told["cuts"].as_array().expect("cuts");
        assert_eq!(cuts.len(), journals.len());
        let batches = cuts.iter().filter_map(|cut| cut["batches"].as_u64());
        let batches: u64 = batches.sum();
        assert!(lost > 0 && lost <= batches, "{told}");
        mended += told["rows_mended"].as_u64().expect("a number");
        println!(
            "at {percent} of 100, behind {whole} rounds: {lost} commits lost, {} rows mended",
            told["rows_mended"]
        );
        let checked = place.ringpost(&["check"]);
        let found = String::from_utf8_lossy(&checked.stdout);
        assert!(checked.status.success(), "at {percent} of 100: {found}");

        let server = Server::start(place.dir(), 2, &[]);
        let left = witnessed(&server, last);
        assert!(
            left >= whole,
            "{left} of {whole} rounds before {percent} of 100"
        );
        let cid = register(&server.bootstrap(), DEVICES + 1);
        let push = Push::new(PushBody::Transmission("after".into())).expect("random");
        let accepted = server
            .third_party()
            .push_single_cid(&cid.to_string(), &push);
        accepted.expect("it serves");
    }
    assert!(mended > 0, "tables held nothing of what was cut");
}
