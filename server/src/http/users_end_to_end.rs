//! Users, badges and the black list over a real socket: what a third party sees, as
//! `rest-v2.md` 2.7 has it, and what the shards were asked.

use protocol::{ClientId, Platform};
use schema::record::{Device, Profile};
use serde_json::{Value, json};
use server_core::command::{Answer, Command};
use server_core::group::{Badge, ClientDetail, ConditionKey, ConditionOp};
use server_core::ids::{AppNo, ShardNo};
use server_core::placement::Slot;

use super::fixture::{Response, Site, with_site};
use super::{HttpSettings, alias_name};

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
fn given_the_black_list_when_changed_should_take_all_or_none() {
    let decide = |_, command: &Command| {
        let Command::Block {
            app: AppNo(7),
            cids,
            blocked,
        } = command
        else {
            panic!("{command:?}")
        };
        match (cids.len(), blocked) {
            (2, true) => {
                assert_eq!(cids, &[cid(HIGH), cid(LOW)]);
                Answer::Done
            }
            (200, false) => Answer::Done,
            _ => Answer::TargetInvalid,
        }
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        // PHP sends `null` where there is no body; both clients may encode the comma.
        let two = format!("/user/black/cid/{HIGH}%2c{LOW},{HIGH}");
        assert_eq!(party.done("POST", &two, "null").await, done());
        let path = |len| format!("/user/black/cid/{}", cids(len));
        assert_eq!(party.done("DELETE", &path(200), "").await, done());
        for verb in ["POST", "DELETE"] {
            assert_eq!(
                party.refusal(verb, &path(201), "").await,
                "cid size over limit"
            );
            let nonsense = format!("/user/black/cid/{LOW},x");
            assert_eq!(
                party.refusal(verb, &nonsense, "").await,
                "target user is invalid"
            );
        }
        assert_eq!(
            party.refusal("POST", &path(3), "").await,
            "target user is invalid"
        );
        assert_eq!(
            party.refusal("POST", "/user/black/cid/,", "").await,
            "cid can not be empty"
        );
    });
}

#[test]
fn given_badges_when_set_should_tell_changes_from_numbers() {
    let decide = |_, command: &Command| {
        let Command::SetBadge {
            app: AppNo(7),
            cids,
            badge,
        } = command
        else {
            panic!("{command:?}")
        };
        match (cids.len(), *badge) {
            (1, Badge::By(1)) | (2, Badge::By(-2)) | (200, Badge::To(10)) => Answer::Done,
            _ => Answer::TargetInvalid,
        }
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let path = |list: &str| format!("/user/badge/cid/{list}");
        let both = format!("{LOW},{HIGH}");
        assert_eq!(
            party.done("POST", &path(LOW), r#"{"badge":"+1"}"#).await,
            done()
        );
        assert_eq!(
            party.done("POST", &path(&both), r#"{"badge":"-2"}"#).await,
            done()
        );
        assert_eq!(
            party
                .done("POST", &path(&cids(200)), r#"{"badge":10}"#)
                .await,
            done()
        );
        for (list, body, msg) in [
            (cids(201).as_str(), r#"{"badge":1}"#, "cid size over limit"),
            (LOW, "{}", "badge cannot be null"),
            (LOW, r#"{"badge":"many"}"#, "badge is invalid"),
            (LOW, r#"{"badge":[1]}"#, "badge type error"),
            (LOW, r#"{"badge":9}"#, "target user is invalid"),
        ] {
            assert_eq!(
                party.refusal("POST", &path(list), body).await,
                msg,
                "{body}"
            );
        }
    });
}

#[test]
fn given_conditions_when_counted_should_ask_every_shard_and_sum() {
    let decide = |shard: ShardNo, command: &Command| {
        let Command::CountAudience {
            app: AppNo(7),
            audience,
        } = command
        else {
            panic!("{command:?}")
        };
        assert_eq!(audience.activity, None);
        let [condition] = &audience.conditions[..] else {
            panic!("{audience:?}")
        };
        match (condition.key, condition.op, &*condition.values[0]) {
            (ConditionKey::Platform, ConditionOp::Or, "ios") => {
                Answer::Count(10 + u64::from(shard.0))
            }
            (ConditionKey::Unknown, ConditionOp::Or, "") => Answer::Count(0),
            _ if shard == ShardNo(1) => Answer::Busy,
            _ => Answer::Count(1),
        }
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let body = |key: &str, value: &str| {
            format!(r#"{{"tag":[{{"key":"{key}","values":["{value}"],"opt_type":"or"}}]}}"#)
        };
        // The Java client adds the slash.
        let counted = party
            .done("POST", "/user/count/", &body("phone_type", "IOS"))
            .await;
        assert_eq!(counted["data"], json!({"user_count": 21}));
        let empty = party.done("POST", "/user/count", &body("region", "")).await;
        assert_eq!(empty["data"], json!({"user_count": 0}));
        let Response { status, json, .. } = party
            .call("POST", "/user/count", &body("custom_tag", "x"))
            .await;
        assert_eq!((status, &json["code"]), (403, &json!(30019)));
        for (body, msg) in [
            ("{}", "tag cannot be null"),
            (r#"{"tag":[]}"#, "tag can not be empty"),
            (&body("city", "x"), "key is invalid"),
        ] {
            assert_eq!(
                party.refusal("POST", "/user/count", body).await,
                msg,
                "{body}"
            );
        }
    });
}

#[test]
fn given_details_when_asked_should_show_both_spellings_and_who_does_not_exist() {
    let decide = |shard, command: &Command| {
        let Command::Details {
            app: AppNo(7),
            cids,
        } = command
        else {
            panic!("{command:?}")
        };
        let device = Device {
            app: 7,
            install: [1; 16],
            secret_hash: [2; 32],
            created_ms: 1_795_632_907_999,
            platform: Platform::Ios as u8,
            sdk_version: "1".to_owned(),
            push_off: true,
            blocked: false,
            notify_off: false,
        };
        let known = ClientDetail {
            device,
            profile: Profile {
                badge: 1,
                device_token: "token".to_owned(),
                token_kind: "wx".to_owned(),
                brand: "Acme".to_owned(),
                model: "Phone 7".to_owned(),
                package: "org.example.app".to_owned(),
                ..Profile::default()
            },
            last_login_ms: 5,
        };
        match shard {
            ShardNo(1) => Answer::Details(vec![(cids[0], known)]),
            _ => Answer::Details(Vec::new()),
        }
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let detail = json!({
            "client_app_id": "app",
            "package_name": "org.example.app",
            "device_token": "token",
            "phone_type": 2,
            "phone_model": "Phone 7",
            "phoneModel": "Phone 7",
            "notification_switch": false,
            "notificationSwitch": false,
            "create_time": "2026-11-25 18:55:07",
            "createTime": "2026-11-25 18:55:07",
            "login_freq": 0,
            "loginFreq": 0,
            "brand": "Acme",
        });
        let all = party.done("GET", &format!("/user/detail/{HIGH}"), "").await;
        assert_eq!(all["data"], json!({"validCids": {HIGH: detail}}));
        // As the Java client calls it.
        for part in ["base", "advanced"] {
            let path = format!("/user/info/{part}/{HIGH}/");
            assert_eq!(party.done("GET", &path, "").await["data"], all["data"]);
        }
        let some = party
            .done("GET", &format!("/user/detail/{LOW},x,{HIGH}"), "")
            .await;
        assert_eq!(
            some["data"],
            json!({"validCids": {HIGH: detail}, "invalidCids": [LOW, "x"]})
        );
        let many = party
            .refusal("GET", &format!("/user/detail/{}", cids(1001)), "")
            .await;
        assert_eq!(many, "cid size over limit");
    });
}

#[test]
fn given_vendor_tokens_when_bound_should_take_all_or_none() {
    let decide = |_, command: &Command| {
        let Command::BindTokens {
            app: AppNo(7),
            kind,
            tokens,
        } = command
        else {
            panic!("{command:?}")
        };
        match &**kind {
            "wx" => {
                assert_eq!(tokens, &[(cid(HIGH), "o1".into()), (cid(LOW), "".into())]);
                Answer::Done
            }
            _ => Answer::TargetInvalid,
        }
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let body = format!(
            r#"{{"dt_list":[{{"cid":"{HIGH}","device_token":"o1"}},{{"cid":"{LOW}","device_token":""}}]}}"#
        );
        assert_eq!(party.done("POST", "/user/bind_dt/wx", &body).await, done());
        assert_eq!(
            party.refusal("POST", "/user/bind_dt/tt", &body).await,
            "target user is invalid"
        );
        for (path, body, msg) in [
            ("/user/bind_dt/w%20x", body.as_str(), "type is invalid"),
            ("/user/bind_dt/wx", "{}", "dt_list cannot be null"),
            (
                "/user/bind_dt/wx",
                r#"{"dt_list":[]}"#,
                "dt_list can not be empty",
            ),
            (
                "/user/bind_dt/wx",
                r#"{"dt_list":[{}]}"#,
                "cid cannot be null",
            ),
        ] {
            assert_eq!(
                party.refusal("POST", path, body).await,
                msg,
                "{path} {body}"
            );
        }
    });
}

#[test]
fn given_an_alias_when_dropped_should_ask_its_home() {
    let decide = |_, command: &Command| {
        let Command::DropAlias {
            app: AppNo(7),
            alias_type,
            alias,
        } = command
        else {
            panic!("{command:?}")
        };
        assert_eq!((&**alias_type, &**alias), ("t", "中"));
        Answer::Done
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let dropped = party
            .done("DELETE", "/user/alias/%E4%B8%AD?alias_type=t", "null")
            .await;
        assert_eq!(dropped, done());
        let home = Slot::of_name(&alias_name(AppNo(7), "t", "中")).shard(2);
        assert_eq!(site.asked.borrow()[0].0, home);
        assert_eq!(
            party.refusal("DELETE", "/user/alias/a-b", "").await,
            "alias is invalid"
        );
        let long = format!("/user/alias/{}", "a".repeat(40));
        assert_eq!(
            party.refusal("DELETE", &long, "").await,
            "alias size over limit"
        );
        let bad = party
            .refusal("DELETE", "/user/alias/a?alias_type=a-b", "")
            .await;
        assert_eq!(bad, "alias_type is invalid");
    });
}

#[test]
fn given_what_is_not_offered_when_called_should_answer_as_the_live_service() {
    with_site(HttpSettings::default(), never, async |site: Site| {
        let mut party = site.third_party().await;
        let Response { status, json, .. } = party
            .call("GET", &format!("/user/deviceStatus/{LOW}"), "")
            .await;
        assert_eq!(
            (status, json),
            (
                403,
                json!({"code": 30020, "msg": "permission denied of querying device status"})
            )
        );
        for path in ["create", "/task/list", "model/list"] {
            let path = format!("/user/smart_crowd/{path}");
            let Response { status, json, .. } = party.call("POST", &path, "{}").await;
            assert_eq!((status, &json["code"]), (200, &json!(1)), "{path}");
        }
        assert_eq!(party.done("POST", "/log/upload", "no json").await, done());
    });
}

#[test]
fn given_a_device_when_an_operator_deletes_it_should_ask_its_owner() {
    let decide = |shard, command: &Command| {
        let Command::ForgetDevice {
            app: AppNo(7),
            cid: of,
        } = command
        else {
            panic!("{command:?}")
        };
        match shard {
            ShardNo(1) => {
                assert_eq!(*of, cid(HIGH));
                Answer::Done
            }
            _ => Answer::TargetInvalid,
        }
    };
    let settings = HttpSettings {
        admin_token: "t0ken".to_owned(),
        ..HttpSettings::default()
    };
    with_site(settings, decide, async |site: Site| {
        let mut client = site.connect().await;
        let path = |cid: &str| format!("/admin/v1/apps/app/devices/{cid}");
        let bearer = "Authorization: Bearer t0ken\r\n";
        let answer = client.call("DELETE", &path(HIGH), "", "").await;
        assert_eq!(answer.status, 401);
        let answer = client.call("DELETE", &path(HIGH), bearer, "").await;
        assert_eq!((answer.status, answer.json), (200, done()));
        for bad in [LOW, "x"] {
            let answer = client.call("DELETE", &path(bad), bearer, "").await;
            assert_eq!(
                (answer.status, answer.json),
                (400, json!({"code": 20001, "msg": "target user is invalid"})),
                "{bad}"
            );
        }
    });
}
