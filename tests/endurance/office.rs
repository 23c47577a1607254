//! The office of the third party: single pushes, lists, pushes to tags and to the app, tags and
//! aliases of devices.
//!
//! Always: a request without an answer is asked again with the same bytes until it has one, but for
//! the targets of a list, which have no `request_id` and go into the books as doubtful.

use std::io::{Read, Write};
use std::net::TcpStream;

use hyper::Method;
use sdk_sim::bootstrap::Bootstrap;
use sdk_sim::third_party::{
    BlockingThirdParty, CallError, Credentials, Push, PushBody, random_request_id,
};
use serde_json::{Value, json};

use super::books::{Answered, Books};
use super::harness::wait_for;
use super::shift::{Orders, idle};

/// Every how many pushes an old one is asked for again.
const REPEAT_EVERY: usize = 5;

/// Every how many pushes to many one goes to the whole app.
const ALL_EVERY: usize = 24;

/// The tag whose devices stay the same.
pub(crate) const CROWD: &str = "crowd";

/// A life that no clock of these tests ends, in ms: the longest that there is.
pub(crate) const LIFE_MS: i64 = 259_200_000;

/// Whom the third party knows, by CID.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) bootstrap: Bootstrap,
    /// Devices whose tags and aliases are changed by the third party.
    pub(crate) sims: Vec<String>,
    /// Devices with the tag [`CROWD`].
    pub(crate) crowd: Vec<String>,
    /// Every device whose pushes are looked at.
    pub(crate) everybody: Vec<String>,
}

impl Known {
    /// A client of its own.
    pub(crate) fn party(&self) -> BlockingThirdParty {
        BlockingThirdParty::new(&self.bootstrap.http, Credentials::from(&self.bootstrap))
            .expect("a client")
    }
}

/// Asks until there is an answer. A server that is down, starting, full or new to our token has
/// none; any other refusal is a fault.
pub(crate) fn until_answered<T>(what: &str, mut ask: impl FnMut() -> Result<T, CallError>) -> T {
    wait_for(what, || match ask() {
        Ok(answer) => Some(answer),
        Err(CallError::Connection(_)) => None,
        Err(CallError::Refused {
            code: 10001 | 30019,
            ..
        }) => None,
        Err(CallError::Refused { http: 503, .. }) => None,
        Err(error) => panic!("{what}: {error}"),
    })
}

/// Single pushes to devices, one after the other; some are asked for again.
pub(crate) fn push_singles(known: &Known, books: &Books, orders: &Orders, first: usize) {
    let party = known.party();
    let mut turn = first;
    while orders.next_turn(idle) {
        turn += 1;
        let cid = &known.everybody[(turn * 7919) % known.everybody.len()];
        let mut push = Push::new(single_body(turn)).expect("random");
        push.ttl_ms = Some(LIFE_MS);
        let accepted = until_answered("a single push", || party.push_single_cid(cid, &push));
        books.owe(&accepted.task_id, [cid]);
        books.count("single pushes");
        books.keep(Answered {
            cid: cid.clone(),
            push,
            accepted,
        });
        if turn.is_multiple_of(REPEAT_EVERY) {
            ask_again(&party, books, turn);
        }
    }
}

/// Asks for an old push again; the answer must be the first one.
pub(crate) fn ask_again(party: &BlockingThirdParty, books: &Books, number: usize) {
    let Some(old) = books.kept(number.wrapping_mul(31)) else {
        return;
    };
    let again = until_answered("a repeat", || party.push_single_cid(&old.cid, &old.push));
    assert_eq!(
        again, old.accepted,
        "the first answer to {}",
        old.push.request_id
    );
    books.count("repeats");
}

fn single_body(turn: usize) -> PushBody {
    if turn.is_multiple_of(4) {
        PushBody::Notification {
            title: format!("number {turn}"),
            body: "b".to_owned(),
        }
    } else {
        PushBody::Transmission(format!("number {turn}"))
    }
}

/// Lists, pushes to a tag and pushes to the app.
pub(crate) fn push_to_many(known: &Known, books: &Books, orders: &Orders) {
    let party = known.party();
    let mut turn = 0;
    while orders.next_turn(idle) {
        turn += 1;
        if turn % ALL_EVERY == 1 {
            let task = to_many(&party, "/push/all", Some(json!("all")));
            books.owe(&task, &known.everybody);
            books.count("pushes to the app");
        } else if turn % 2 == 0 {
            let tag = json!({ "key": "custom_tag", "values": [CROWD], "opt_type": "or" });
            let task = to_many(&party, "/push/tag", Some(json!({ "tag": [tag] })));
            books.owe(&task, &known.crowd);
            books.count("pushes to a tag");
        } else {
            push_list(&party, known, books, turn);
        }
    }
}

fn push_list(party: &BlockingThirdParty, known: &Known, books: &Books, turn: usize) {
    let task = to_many(party, "/push/list/message", None);
    let all = known.everybody.iter();
    let cids: Vec<String> = all.skip(turn % 3).step_by(3).cloned().collect();
    let body = json!({ "audience": { "cid": cids }, "taskid": task, "is_async": false });
    match ask_once(party, known, "/push/list/cid", &body) {
        Some(answer) => {
            let targets = answer[&task].as_object().map_or(0, serde_json::Map::len);
            assert_eq!(targets, cids.len(), "each has a word: {answer}");
            books.owe(&task, &cids);
            books.count("lists");
        }
        // No answer, or busy: the shards that have taken theirs do not take it back.
        None => books.doubt(&task, &cids),
    }
}

/// The `data` of an answer with code 0; nothing without an answer, or if there is no room. Asks on a
/// connection of its own and only once: the client sends again what it lost, and a list that is pushed
/// again comes again.
fn ask_once(party: &BlockingThirdParty, known: &Known, path: &str, body: &Value) -> Option<Value> {
    let token = party.token().ok()?;
    let host = known.bootstrap.http.strip_prefix("http://")?;
    let (app, body) = (&known.bootstrap.app.appid, body.to_string());
    let mut socket = TcpStream::connect(host).ok()?;
    let head = format!(
        "POST /v2/{app}{path} HTTP/1.1\r\nhost: {host}\r\ntoken: {token}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(head.as_bytes()).ok()?;
    socket.write_all(body.as_bytes()).ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let envelope: Value = serde_json::from_str(body).ok()?;
    match envelope["code"].as_u64() {
        Some(0) => Some(envelope["data"].clone()),
        // Full, or new to our token.
        Some(10001 | 30019) => None,
        _ if answer.starts_with("HTTP/1.1 503") => None,
        _ => panic!("a list was answered {answer}"),
    }
}

/// A push to many, or the message of a list; asked for twice, the task is the same.
fn to_many(party: &BlockingThirdParty, path: &str, audience: Option<Value>) -> String {
    let mut body = json!({
        "request_id": random_request_id().expect("random"),
        "settings": { "ttl": LIFE_MS },
        "push_message": { "notification": { "title": "to many", "body": "b", "click_type": "none" } },
    });
    if let Some(audience) = audience {
        body["audience"] = audience;
    }
    let ask = || {
        let answer = until_answered(path, || party.call(Method::POST, path, Some(&body)));
        answer["taskid"].as_str().expect("a task").to_owned()
    };
    let task = ask();
    assert_eq!(ask(), task, "the first answer to {path}");
    task
}

/// Tags and aliases of devices, and looks at those that were set before.
pub(crate) fn change_users(known: &Known, books: &Books, orders: &Orders) {
    let party = known.party();
    let mut turn: usize = 0;
    while orders.next_turn(idle) {
        turn += 1;
        let cid = &known.sims[turn % known.sims.len()];
        let (tag, alias) = (format!("tag{turn}"), format!("alias{turn}"));
        let tags = json!({ "custom_tag": [tag] });
        let path = format!("/user/custom_tag/cid/{cid}");
        until_answered("a tag", || party.call(Method::POST, &path, Some(&tags)));
        books.open().tags.insert(cid.clone(), tag);
        books.count("tags by the third party");
        let pairs = json!({ "data_list": [{ "cid": cid, "alias": alias }] });
        until_answered("an alias", || {
            party.call(Method::POST, "/user/alias", Some(&pairs))
        });
        books.open().aliases.insert(cid.clone(), alias);
        books.count("aliases by the third party");
        // Nothing of another device is under way: it is as it was answered.
        let other = &known.sims[(turn * 31 + 7) % known.sims.len()];
        assert_user(&party, books, other);
    }
}

/// Fails unless a device has the tag and the alias of the books.
pub(crate) fn assert_user(party: &BlockingThirdParty, books: &Books, cid: &str) {
    let get = |path: String| until_answered(&path, || party.call(Method::GET, &path, None));
    let (tag, alias) = {
        let pages = books.open();
        let (tag, alias) = (pages.tags.get(cid), pages.aliases.get(cid));
        (tag.cloned(), alias.cloned())
    };
    if let Some(tag) = tag {
        let data = get(format!("/user/custom_tag/cid/{cid}"));
        assert_eq!(data[cid], json!([tag]), "the tag of {cid}");
    }
    if let Some(alias) = alias {
        let data = get(format!("/user/alias/cid/{cid}"));
        assert_eq!(data["alias"], json!(alias), "the alias of {cid}");
        let data = get(format!("/user/cid/alias/{alias}"));
        assert_eq!(data["cid"], json!([cid]), "whose alias {alias} is");
    }
}
