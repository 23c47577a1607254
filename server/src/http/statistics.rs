//! Numbers of an app beyond its pushes (rows 22-24 of `rest-v2.md`): quotas, users, who was online.
//!
//! Always: days are those of UTC.

use std::collections::BTreeMap;

use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command};
use server_core::ids::AppNo;

use super::calendar::day_text;
use super::envelope::Reply;
use super::fault::Fault;
use super::quota::{Quota, Quotas};
use super::report_query::day_before_today;
use crate::ask::Asker;

/// What is left of a quota that does not exist: clients read it as an `int`, and some compare it
/// with what they are about to push.
const UNLIMITED: i32 = i32::MAX;

#[derive(Serialize)]
struct Remaining {
    total_num: i32,
    remain_num: i32,
    limit: bool,
}

#[derive(Serialize)]
struct Users {
    accumulative_num: u64,
    register_num: u64,
    active_num: u64,
    online_num: u64,
}

#[derive(Serialize)]
struct Online {
    online_statics: BTreeMap<String, u64>,
}

/// `GET /report/push/count`: what the app may push today, and what is left of it. What is not
/// limited has the largest number; refusing (30023) would tell callers that they may not push.
pub(super) fn push_count(quotas: &Quotas, app: &App, now_ms: u64) -> Reply {
    let remaining = |quota| match quotas.of_day(app, quota, now_ms) {
        Some((total, remain)) => Remaining {
            total_num: i32::try_from(total).unwrap_or(UNLIMITED),
            remain_num: i32::try_from(remain).unwrap_or(UNLIMITED),
            limit: true,
        },
        None => Remaining {
            total_num: UNLIMITED,
            remain_num: UNLIMITED,
            limit: false,
        },
    };
    let kinds = [
        ("app", Quota::All),
        ("app_with_tag", Quota::Tag),
        ("list", Quota::List),
    ];
    let kinds = kinds.map(|(kind, quota)| (kind, remaining(quota)));
    Reply::data(&BTreeMap::from([("gt", BTreeMap::from(kinds))]))
}

/// `GET /report/user/date/{yyyy-MM-dd}`, of a day that is over.
///
/// # Errors
/// No date, or not over; a shard that is busy.
pub(super) async fn users(
    asker: &Asker,
    app: &App,
    date: &str,
    now_ms: u64,
) -> Result<Reply, Fault> {
    let day = day_before_today(date, now_ms)?;
    let question = Command::AppDay {
        app: AppNo(app.number),
        day,
    };
    match asker.ask(asker.home(app.app_id.as_bytes()), question).await {
        Answer::AppDay(view) => {
            let users = Users {
                accumulative_num: view.accumulated,
                register_num: view.registered,
                active_num: view.active,
                online_num: view.online_peak,
            };
            Ok(Reply::data(&BTreeMap::from([(day_text(day), users)])))
        }
        other => Err(Fault::of_answer(&other)),
    }
}

/// `GET /report/online_user`: the last 24 hours, a number every ten minutes under its time in ms.
///
/// # Errors
/// A shard that is busy.
pub(super) async fn online(asker: &Asker, app: &App) -> Result<Reply, Fault> {
    let question = Command::OnlineSamples {
        app: AppNo(app.number),
    };
    match asker.ask(asker.home(app.app_id.as_bytes()), question).await {
        Answer::OnlineSamples(samples) => {
            let online_statics = samples
                .into_iter()
                .map(|(ms, online)| (ms.to_string(), online))
                .collect();
            Ok(Reply::data(&Online { online_statics }))
        }
        other => Err(Fault::of_answer(&other)),
    }
}
