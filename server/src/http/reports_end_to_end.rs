//! Reports over a real socket: what a third party sees, as `rest-v2.md` 2.5 and 2.6 have it, and what
//! the shards were asked.

use bytes::Bytes;
use schema::record::{Group, Sums};
use serde_json::{Value, json};
use server_core::clock::{DAY_MS, Day};
use server_core::command::{Answer, Command};
use server_core::group::{DayView, GroupNo, GroupView};
use server_core::ids::{AppNo, ShardNo};

use super::HttpSettings;
use super::calendar::day_text;
use super::fixture::{Response, Site, with_site};
use crate::wall_clock::now_ms;

const CID: &str = "ffffffffffffffffffffffffffffffff";

fn never(_: ShardNo, command: &Command) -> Answer {
    panic!("nobody should ask {command:?}")
}

fn sums() -> Sums {
    Sums {
        targets: 10,
        acked: 6,
        expired: 1,
        filtered: 2,
        revoked: 0,
        shown: 5,
        clicked: 4,
        actions: vec![(90001, 3)],
    }
}

fn group(task_id: &str) -> GroupView {
    GroupView {
        number: GroupNo(1),
        group: Group {
            app: 7,
            task_id: task_id.to_owned(),
            group_name: "g".to_owned(),
            kind: 1,
            state: 3,
            accepted_ms: 1,
            start_ms: 1,
            expires_ms: 2,
            kept: true,
            pieces: 1,
            ..Group::default()
        },
        sums: sums(),
        body: Bytes::new(),
    }
}

fn channel() -> Value {
    json!({"target_num": 7, "receive_num": 6, "display_num": 5, "click_num": 4})
}

fn report() -> Value {
    let mut total = channel();
    total["msg_num"] = json!(8);
    json!({"total": total, "gt": channel()})
}

fn days_ago(days: u64) -> (String, Day) {
    let day = Day::of_ms(now_ms() - days * DAY_MS);
    (day_text(day), day)
}

#[test]
fn given_tasks_when_reported_should_leave_unknown_ones_out() {
    let decide = |_, command: &Command| {
        let Command::Groups {
            app: AppNo(7),
            task_ids,
        } = command
        else {
            panic!("{command:?}")
        };
        let known = task_ids.iter().filter(|id| id.starts_with("RASL_"));
        Answer::Groups(known.map(|id| group(id)).collect())
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let both = party
            .done("GET", "/report/push/task/RASL_a,RASS_b%2CRASL_c/", "")
            .await;
        assert_eq!(
            both["data"],
            json!({"RASL_a": report(), "RASL_c": report()})
        );
        let none = party
            .done("GET", "/report/push/task/unknown", "stale")
            .await;
        assert_eq!(none, json!({"code": 0, "msg": "success", "data": {}}));
        let path = "/report/push/task/RASL_a?needGetuiByBrand=true&actionIdList=90001,90002";
        let mut counted = report();
        counted["actionCntMap"] = json!({"90001": 3, "90002": 0});
        assert_eq!(
            party.done("GET", path, "").await["data"],
            json!({"RASL_a": counted})
        );
        let bad = party
            .refusal("GET", "/report/push/task/RASL_a?actionIdList=x", "")
            .await;
        assert_eq!(bad, "actionIdList is invalid");
        let ids = |len: usize| vec!["RASS_x"; len].join(",");
        let path = format!("/report/push/task/{}", ids(200));
        assert_eq!(party.done("GET", &path, "").await["data"], json!({}));
        for detail in ["", "/detail"] {
            let path = format!("/report/push/task/{}{detail}", ids(201));
            assert_eq!(
                party.refusal("GET", &path, "").await,
                "taskid size over limit"
            );
        }
        assert_eq!(
            party.refusal("GET", "/report/push/task/,", "").await,
            "taskid can not be empty"
        );
    });
}

#[test]
fn given_a_task_when_its_failures_are_asked_should_stand_in_their_stages() {
    let decide = |_, command: &Command| match command {
        Command::Groups { .. } => Answer::Groups(vec![group("RASA_a")]),
        other => panic!("{other:?}"),
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let answer = party
            .done("GET", "/report/push/task/RASA_a/detail", "")
            .await;
        let mut expected = report();
        expected["failed_detail"] = json!({
            "ts": {"gt": {"13": {"total": 2}}},
            "rs": {"gt": {"12": {"total": 1}}},
            "sf": {"gt": {}},
            "fd": {"gt": {}},
        });
        assert_eq!(answer["data"], json!({"RASA_a": expected}));
    });
}

#[test]
fn given_a_group_name_when_reported_should_sum_its_tasks() {
    let (first, first_day) = days_ago(3);
    let decide = move |_, command: &Command| {
        let Command::GroupsByName {
            app: AppNo(7),
            group_name,
            from,
            to,
        } = command
        else {
            panic!("{command:?}")
        };
        let today = Day::of_ms(now_ms());
        // Midnight may pass between the two readings of the clock.
        assert!(today.0 - to.0 <= 1);
        match &**group_name {
            "g-1" => {
                assert_eq!(to.0 - from.0, 70);
                Answer::Groups(vec![group("RASL_a"), group("RASA_b")])
            }
            _ => {
                assert_eq!(*from, first_day);
                Answer::Groups(Vec::new())
            }
        }
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let twice = json!({"target_num": 14, "receive_num": 12, "display_num": 10, "click_num": 8});
        let mut total = twice.clone();
        total["msg_num"] = json!(16);
        let path = "/report/push/task_group/g-1";
        let answer = party.done("GET", path, "").await;
        assert_eq!(
            answer["data"],
            json!({"g-1": {"total": total, "gt": twice}})
        );
        let path = format!("/report/push/task_group/h?startDate={first}&endDate=");
        assert_eq!(party.done("GET", &path, "").await["data"], json!({}));
        let asked = site.asked.borrow().len();
        let path = "/report/push/task_group/g-1?endDate=2020-01-01";
        assert_eq!(party.done("GET", path, "").await["data"], json!({}));
        for (path, msg) in [
            ("g%201", "group_name is invalid"),
            (&"g".repeat(101), "group_name size over limit"),
            ("g?startDate=2026-1-1", "startDate is invalid"),
            ("g?endDate=2026-02-30", "endDate is invalid"),
        ] {
            let path = format!("/report/push/task_group/{path}");
            assert_eq!(party.refusal("GET", &path, "").await, msg, "{path}");
        }
        assert_eq!(site.asked.borrow().len(), asked);
    });
}

#[test]
fn given_days_when_reported_should_be_those_before_today() {
    let (yesterday, day) = days_ago(1);
    let decide = move |_, command: &Command| match command {
        Command::AppDay {
            app: AppNo(7),
            day: of,
        } => {
            assert_eq!(*of, day);
            Answer::AppDay(Box::new(DayView {
                sums: sums(),
                accumulated: 11,
                registered: 12,
                active: 13,
                online_peak: 14,
            }))
        }
        other => panic!("{other:?}"),
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let pushes = party
            .done("GET", &format!("/report/push/date/{yesterday}"), "")
            .await;
        assert_eq!(pushes["data"], json!({&*yesterday: report()}));
        let users = party
            .done("GET", &format!("/report/user/date/{yesterday}/"), "")
            .await;
        assert_eq!(
            users["data"],
            json!({&*yesterday: {
                "accumulative_num": 11, "register_num": 12, "active_num": 13, "online_num": 14
            }})
        );
        for of in ["push", "user"] {
            for bad in ["9999-12-31", "2026-02-30", "20260101", "x"] {
                let path = format!("/report/{of}/date/{bad}");
                assert_eq!(
                    party.refusal("GET", &path, "").await,
                    "date is invalid",
                    "{path}"
                );
            }
        }
    });
}

#[test]
fn given_who_was_online_when_asked_should_have_times_as_text() {
    let decide = |_, command: &Command| match command {
        Command::OnlineSamples { app: AppNo(7) } => {
            Answer::OnlineSamples(vec![(1_795_632_600_000, 5), (1_795_633_200_000, 0)])
        }
        other => panic!("{other:?}"),
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let online = party.done("GET", "/report/online_user", "null").await;
        assert_eq!(
            online["data"],
            json!({"online_statics": {"1795632600000": 5, "1795633200000": 0}})
        );
    });
}

#[test]
fn given_no_quotas_when_asked_should_be_without_limit_and_fit_an_int() {
    with_site(HttpSettings::default(), never, async |site: Site| {
        let mut party = site.third_party().await;
        let count = party.done("GET", "/report/push/count", "").await;
        let quota = json!({"total_num": i32::MAX, "remain_num": i32::MAX, "limit": false});
        assert_eq!(
            count["data"],
            json!({"gt": {"app": quota, "app_with_tag": quota, "list": quota}})
        );
    });
}

#[test]
fn given_a_message_when_its_way_is_asked_should_stand_there_in_both_spellings() {
    let decide = |shard, command: &Command| {
        let Command::MessageDetail {
            app: AppNo(7),
            cid,
            task_id,
        } = command
        else {
            panic!("{command:?}")
        };
        assert_eq!((shard, cid.to_string().as_str()), (ShardNo(1), CID));
        match &**task_id {
            "RASL_a" => Answer::MessageDetail(Some(vec![
                ("Accepted", 1_795_632_907_999),
                ("Sent", 1_795_632_908_000),
            ])),
            "RASL_b" => Answer::MessageDetail(None),
            _ => Answer::TargetInvalid,
        }
    };
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let path = |task: &str| format!("/task/detail/{CID}/{task}");
        let way = json!([
            {"time": "2026-11-25 18:55:07", "event": "Accepted"},
            {"time": "2026-11-25 18:55:08", "event": "Sent"},
        ]);
        assert_eq!(
            party.done("GET", &path("RASL_a"), "").await["data"],
            json!({"detail": way, "deatil": way})
        );
        let gone = "taskid is invalid or taskid is deleted";
        assert_eq!(party.refusal("GET", &path("RASL_b"), "").await, gone);
        assert_eq!(party.refusal("GET", &path(&"x".repeat(65)), "").await, gone);
        for bad in [path("RASL_c"), "/task/detail/x/RASL_a".to_owned()] {
            assert_eq!(
                party.refusal("GET", &bad, "").await,
                "target user is invalid"
            );
        }
    });
}

#[test]
fn given_shards_that_are_busy_when_reports_are_asked_should_say_so() {
    let decide = |_, _: &Command| Answer::Busy;
    with_site(HttpSettings::default(), decide, async |site: Site| {
        let mut party = site.third_party().await;
        let (yesterday, _) = days_ago(1);
        for path in [
            format!("/task/detail/{CID}/RASL_a"),
            "/report/push/task/RASL_a".to_owned(),
            "/report/push/task/RASL_a/detail".to_owned(),
            "/report/push/task_group/g".to_owned(),
            format!("/report/push/date/{yesterday}"),
            format!("/report/user/date/{yesterday}"),
            "/report/online_user".to_owned(),
        ] {
            let Response { status, json, .. } = party.call("GET", &path, "").await;
            assert_eq!(
                (status, json),
                (
                    403,
                    json!({"code": 30019, "msg": "system busy, retry later"})
                ),
                "{path}"
            );
        }
    });
}
