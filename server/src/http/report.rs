//! Reports of pushes (rows 18-21 of `rest-v2.md`): by task, by group name and by day.
//!
//! Always: only pushes to many have a report; what does not exist is left out of the answer. There
//! is one channel, so `total` and `gt` say the same.

use std::collections::BTreeMap;

use schema::record::{App, Sums};
use serde::Serialize;
use server_core::clock::Day;
use server_core::command::{Answer, Command};
use server_core::group::GroupView;
use server_core::ids::AppNo;

use super::calendar::day_text;
use super::envelope::Reply;
use super::fault::Fault;
use super::path::query_value;
use super::report_query::{
    checked_group_name, day_before_today, listed_actions, listed_tasks, span,
};
use crate::ask::Asker;

/// A report in the words of the API.
#[derive(Debug, Serialize)]
struct Report {
    total: Total,
    gt: Channel,
    #[serde(rename = "actionCntMap", skip_serializing_if = "Option::is_none")]
    action_counts: Option<BTreeMap<u32, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_detail: Option<Failures>,
}

#[derive(Debug, Serialize)]
struct Total {
    msg_num: u64,
    #[serde(flatten)]
    channel: Channel,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Channel {
    target_num: u64,
    receive_num: u64,
    display_num: u64,
    click_num: u64,
}

/// Stage, channel, class: how many were lost there.
type Failures = BTreeMap<&'static str, BTreeMap<&'static str, BTreeMap<&'static str, Lost>>>;

#[derive(Debug, Serialize)]
struct Lost {
    total: u64,
}

impl Report {
    /// What takes no pushes cannot be sent to; what expired or was withdrawn first could be, and
    /// was not. What waits for its device counts as sent: it will be, or it expires.
    fn of(sums: &Sums) -> Self {
        let msg_num = sums.targets.saturating_sub(sums.filtered);
        let channel = Channel {
            target_num: msg_num.saturating_sub(sums.expired + sums.revoked),
            receive_num: sums.acked,
            display_num: sums.shown,
            click_num: sums.clicked,
        };
        Report {
            total: Total { msg_num, channel },
            gt: channel,
            action_counts: None,
            failed_detail: None,
        }
    }

    fn with_actions(mut self, sums: &Sums, asked: &[u32]) -> Self {
        let count = |asked: &u32| {
            let found = sums.actions.iter().find(|(action, _)| action == asked);
            found.map_or(0, |(_, count)| *count)
        };
        self.action_counts =
            (!asked.is_empty()).then(|| asked.iter().map(|one| (*one, count(one))).collect());
        self
    }

    fn with_failures(mut self, sums: &Sums) -> Self {
        self.failed_detail = Some(failures(sums));
        self
    }
}

/// `ts`, from the request to what can be sent: 13, the client takes no pushes. `rs`, to what was
/// sent: 12, it was offline for as long as the message lived; 14, it was withdrawn. From there on
/// (`sf`, `fd`) nothing is lost: what is not acknowledged is sent again.
fn failures(sums: &Sums) -> Failures {
    let stage = |lost: &[(&'static str, u64)]| {
        let classes: BTreeMap<_, _> = lost
            .iter()
            .filter(|(_, total)| *total > 0)
            .map(|(class, total)| (*class, Lost { total: *total }))
            .collect();
        BTreeMap::from([("gt", classes)])
    };
    BTreeMap::from([
        ("ts", stage(&[("13", sums.filtered)])),
        ("rs", stage(&[("12", sums.expired), ("14", sums.revoked)])),
        ("sf", stage(&[])),
        ("fd", stage(&[])),
    ])
}

/// `GET /report/push/task/{taskid,…}?actionIdList=`, and the same with `/detail`, which says where
/// messages were lost.
///
/// # Errors
/// Too many tasks or actions; an action that is no number; a shard that is busy.
pub(super) async fn tasks(
    asker: &Asker,
    app: &App,
    task_ids: &str,
    query: Option<&str>,
    with_failures: bool,
) -> Result<Reply, Fault> {
    let task_ids = listed_tasks(task_ids)?;
    let actions = listed_actions(query_value(query, "actionIdList").as_deref())?;
    let question = Command::Groups {
        app: AppNo(app.number),
        task_ids,
    };
    let reports: BTreeMap<String, Report> = groups(asker, app, question)
        .await?
        .into_iter()
        .map(|GroupView { group, sums, .. }| {
            let report = Report::of(&sums).with_actions(&sums, &actions);
            let report = match with_failures {
                true => report.with_failures(&sums),
                false => report,
            };
            (group.task_id, report)
        })
        .collect();
    Ok(Reply::data(&reports))
}

/// `GET /report/push/task_group/{group_name}?startDate=&endDate=`: the sum over its tasks.
///
/// # Errors
/// A bad name or date; a shard that is busy.
pub(super) async fn group_name(
    asker: &Asker,
    app: &App,
    group_name: &str,
    query: Option<&str>,
    now_ms: u64,
) -> Result<Reply, Fault> {
    checked_group_name(group_name)?;
    let mut reports = BTreeMap::new();
    if let Some((from, to)) = span(query, Day::of_ms(now_ms))? {
        let question = Command::GroupsByName {
            app: AppNo(app.number),
            group_name: group_name.into(),
            from,
            to,
        };
        let groups = groups(asker, app, question).await?;
        if !groups.is_empty() {
            reports.insert(group_name, Report::of(&summed(&groups)));
        }
    }
    Ok(Reply::data(&reports))
}

/// `GET /report/push/date/{yyyy-MM-dd}`, of a day that is over. A day is one of UTC.
///
/// # Errors
/// No date, or not over; a shard that is busy.
pub(super) async fn day(asker: &Asker, app: &App, date: &str, now_ms: u64) -> Result<Reply, Fault> {
    let day = day_before_today(date, now_ms)?;
    let question = Command::AppDay {
        app: AppNo(app.number),
        day,
    };
    match asker.ask(asker.home(app.app_id.as_bytes()), question).await {
        Answer::AppDay(view) => Ok(Reply::data(&BTreeMap::from([(
            day_text(day),
            Report::of(&view.sums),
        )]))),
        other => Err(Fault::of_answer(&other)),
    }
}

async fn groups(asker: &Asker, app: &App, question: Command) -> Result<Vec<GroupView>, Fault> {
    match asker.ask(asker.home(app.app_id.as_bytes()), question).await {
        Answer::Groups(groups) => Ok(groups),
        other => Err(Fault::of_answer(&other)),
    }
}

/// Shown, clicked and so on over several tasks; actions are not asked for by group.
fn summed(groups: &[GroupView]) -> Sums {
    groups.iter().fold(Sums::default(), |sum, view| Sums {
        targets: sum.targets + view.sums.targets,
        acked: sum.acked + view.sums.acked,
        expired: sum.expired + view.sums.expired,
        filtered: sum.filtered + view.sums.filtered,
        revoked: sum.revoked + view.sums.revoked,
        shown: sum.shown + view.sums.shown,
        clicked: sum.clicked + view.sums.clicked,
        actions: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn given_sums_when_reported_should_tell_each_stage() {
        let sums = Sums {
            targets: 100,
            acked: 60,
            expired: 20,
            filtered: 5,
            revoked: 3,
            shown: 50,
            clicked: 7,
            actions: vec![(90001, 4)],
        };
        let report = Report::of(&sums)
            .with_actions(&sums, &[90001, 90002])
            .with_failures(&sums);
        assert_eq!(
            serde_json::to_value(report).expect("json"),
            json!({
                "total": {"msg_num": 95, "target_num": 72, "receive_num": 60, "display_num": 50, "click_num": 7},
                "gt": {"target_num": 72, "receive_num": 60, "display_num": 50, "click_num": 7},
                "actionCntMap": {"90001": 4, "90002": 0},
                "failed_detail": {
                    "ts": {"gt": {"13": {"total": 5}}},
                    "rs": {"gt": {"12": {"total": 20}, "14": {"total": 3}}},
                    "sf": {"gt": {}},
                    "fd": {"gt": {}},
                },
            })
        );
        let plain = serde_json::to_value(Report::of(&Sums::default())).expect("json");
        let keys: Vec<&String> = plain.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["gt", "total"]);
    }
}
