//! Tags over a real socket: what a third party sees, as `rest-v2.md` 2.7 has it, and what the shards
//! were asked.

use protocol::ClientId;
use serde_json::{Value, json};
use server_core::command::{Answer, Command};
use server_core::ids::{AppNo, ShardNo};

use super::HttpSettings;
use super::fixture::{Response, Site, with_site};

/// A CID of shard 0 and one of shard 1.
const LOW: &str = "00000000000000000000000000000001";
const HIGH: &str = "ffffffffffffffffffffffffffffffff";

fn cid(text: &str) -> ClientId {
    text.parse().expect("a cid")
}

fn never(_: ShardNo, command: &Command) -> Answer {
    panic!("nobody should ask {command:?}")
}

fn done() -> Value {
    json!({"code": 0, "msg": "success"})
}

fn cids(len: usize) -> String {
    let cids: Vec<String> = (0..len).map(|number| format!("{number:032x}")).collect();
    cids.join(",")
}

#[test]
fn given_tags_when_set_and_read_should_replace_the_set_and_answer_one_text() {
    let decide = |shard, command: &Command| match command {
        Command::SetTags {
            app: AppNo(7),
            cid: of,
            tags,
        } => {
            assert_eq!((shard, *of), (ShardNo(1), cid(HIGH)));
            match tags.len() {
                0 => Answer::Done,
                2 => {
                    assert_eq!(**tags, ["a".into(), "中文".into()]);
                    Answer::Done
                }
                _ => Answer::TargetInvalid,
            }
        }
        Command::TagsOfCid { cid: of, .. } if *of == cid(HIGH) => {
            Answer::Tags(vec!["a".into(), "中文".into()])
        }
        Command::TagsOfCid { .. } => Answer::Tags(Vec::new()),
        other => panic!("{other:?}"),
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let path = format!("/user/custom_tag/cid/{HIGH}");
        let two = r#"{"custom_tag":["中文","a"],"x":null}"#;
        assert_eq!(party.done("POST", &path, two).await, done());
        assert_eq!(
            party
                .done("POST", &format!("{path}/"), r#"{"custom_tag":[]}"#)
                .await,
            done()
        );
        let three = r#"{"custom_tag":["a","b","c"]}"#;
        assert_eq!(
            party.refusal("POST", &path, three).await,
            "target user is invalid"
        );
        // The PHP client sends the body of an earlier call with a GET.
        assert_eq!(
            party.done("GET", &path, two).await["data"],
            json!({HIGH: ["a 中文"]})
        );
        let none = format!("/user/custom_tag/cid/{LOW}");
        assert_eq!(party.done("GET", &none, "").await["data"], json!({LOW: []}));
    });
}

#[test]
fn given_bad_tags_when_set_should_name_the_member() {
    with_site(HttpSettings::default(), never, async |site: Site| {
        let mut party = site.third_party().await;
        let path = format!("/user/custom_tag/cid/{HIGH}");
        for (body, msg) in [
            ("{}", "custom_tag cannot be null"),
            (r#"{"custom_tag":"a"}"#, "custom_tag type error"),
            (r#"{"custom_tag":["a b"]}"#, "custom_tag is invalid"),
            (r#"{"custom_tag":[""]}"#, "custom_tag can not be empty"),
        ] {
            assert_eq!(party.refusal("POST", &path, body).await, msg, "{body}");
        }
        let long = format!(r#"{{"custom_tag":["{}"]}}"#, "t".repeat(33));
        assert_eq!(
            party.refusal("POST", &path, &long).await,
            "custom_tag size over limit"
        );
        for none in ["null", "[]", ""] {
            let Response { status, json, .. } = party.call("POST", &path, none).await;
            assert_eq!((status, &json["code"]), (200, &json!(1)), "{none:?}");
        }
        for verb in ["GET", "POST"] {
            let msg = party
                .refusal(verb, "/user/custom_tag/cid/x", r#"{"custom_tag":[]}"#)
                .await;
            assert_eq!(msg, "target user is invalid");
        }
    });
}

#[test]
fn given_a_tag_when_added_and_removed_should_answer_a_word_for_each_cid() {
    let decide = |_, command: &Command| {
        let Command::ChangeTag {
            app: AppNo(7),
            tag,
            cids,
            add,
        } = command
        else {
            panic!("{command:?}")
        };
        assert_eq!(&**tag, if *add { "北京+1" } else { "a/b" });
        let changed = cids.iter().map(|one| (*one, *one == cid(HIGH)));
        Answer::Changed(changed.collect())
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let body = format!(r#"{{"cid":["{LOW}","{HIGH}","nonsense"]}}"#);
        let words = json!({LOW: "false", HIGH: "true", "nonsense": "false"});
        let add = "/user/custom_tag/batch/%e5%8C%97%e4%BA%AC+1";
        assert_eq!(party.done("PUT", add, &body).await["data"], words);
        let remove = "/user/custom_tag/batch/a%2Fb/";
        assert_eq!(party.done("DELETE", remove, &body).await["data"], words);
        // Nobody to ask.
        let none = party.done("PUT", add, r#"{"cid":["nonsense"]}"#).await;
        assert_eq!(none["data"], json!({"nonsense": "false"}));
        assert_eq!(site.asked.borrow().len(), 2);
    });
}

#[test]
fn given_bad_batches_when_sent_should_name_the_member() {
    with_site(HttpSettings::default(), never, async |site: Site| {
        let mut party = site.third_party().await;
        let good = format!(r#"{{"cid":["{LOW}"]}}"#);
        for (tag, body, msg) in [
            ("a", "{}", "cid cannot be null"),
            ("a", r#"{"cid":[]}"#, "cid can not be empty"),
            ("a", r#"{"cid":"x"}"#, "cid type error"),
            ("a", r#"{"cid":["x","x"]}"#, "contains duplicate cid"),
            ("a%20b", good.as_str(), "tag is invalid"),
            (&"t".repeat(33), good.as_str(), "tag size over limit"),
        ] {
            let path = format!("/user/custom_tag/batch/{tag}");
            for verb in ["PUT", "DELETE"] {
                assert_eq!(party.refusal(verb, &path, body).await, msg, "{tag} {body}");
            }
        }
        let many = format!(r#"{{"cid":["{}"]}}"#, cids(1001).replace(',', "\",\""));
        let path = "/user/custom_tag/batch/a";
        assert_eq!(
            party.refusal("PUT", path, &many).await,
            "cid size over limit"
        );
    });
}
