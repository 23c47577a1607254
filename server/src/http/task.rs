//! `task/{taskid}` and `task/schedule/{taskid}`: stopping, looking up and deleting pushes to many.
//!
//! Always: the texts of the answers are those of the live service (`rest-v2.md` 1.5).

use std::collections::BTreeMap;

use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command};
use server_core::group::{GroupKind, GroupState, GroupView};
use server_core::ids::AppNo;

use super::envelope::Reply;
use super::fault::Fault;
use super::task_id;
use crate::ask::Asker;
use crate::limits::api_len;

/// What the query of a schedule answers: all text, since a client reads it as such.
#[derive(Debug, Serialize)]
struct Schedule {
    create_time: String,
    push_time: String,
    transmission_content: String,
    /// For clients of the older documents.
    status: &'static str,
    /// For those of the newer ones.
    send_result: &'static str,
}

impl From<&GroupView> for Schedule {
    fn from(view: &GroupView) -> Self {
        let (status, send_result) = match GroupState::from_number(view.group.state) {
            GroupState::Open | GroupState::Scheduled => ("success", "do_not_send"),
            GroupState::Running | GroupState::Done => ("success", "send_success"),
            GroupState::Stopped => ("failed", "send_failed"),
            GroupState::Deleted => ("failed", "has_delete"),
        };
        Schedule {
            create_time: view.group.accepted_ms.to_string(),
            push_time: view.group.start_ms.to_string(),
            transmission_content: server_core::report::text_of(&view.body),
            status,
            send_result,
        }
    }
}

/// `DELETE /task/{taskid}`.
///
/// # Errors
/// A task that cannot be stopped, or that is not there; a shard that is busy.
pub(super) async fn stop(asker: &Asker, app: &App, task_id: &str) -> Result<Reply, Fault> {
    if task_id::is_single(task_id) {
        return Err(Fault::TaskCannotStop);
    }
    let app = AppNo(app.number);
    done(asker, task_id, |task_id| Command::StopGroup {
        app,
        task_id,
    })
    .await
}

/// `DELETE /task/schedule/{taskid}`.
///
/// # Errors
/// A push that has begun, or that is not there; a shard that is busy.
pub(super) async fn unschedule(asker: &Asker, app: &App, task_id: &str) -> Result<Reply, Fault> {
    let app = AppNo(app.number);
    done(asker, task_id, |task_id| Command::Unschedule {
        app,
        task_id,
    })
    .await
}

/// `GET /task/schedule/{taskid}`.
///
/// # Errors
/// No push to an app has this name; a shard that is busy.
pub(super) async fn schedule(asker: &Asker, app: &App, task_id: &str) -> Result<Reply, Fault> {
    let app = AppNo(app.number);
    let ask = |task_id| Command::Groups {
        app,
        task_ids: vec![task_id],
    };
    match answer(asker, task_id, ask).await? {
        // A list has no time of its own.
        Answer::Groups(views) => match views.first() {
            Some(view) if GroupKind::from_number(view.group.kind) == GroupKind::App => Ok(
                Reply::data(&BTreeMap::from([(task_id, Schedule::from(view))])),
            ),
            _ => Err(Fault::TaskGone),
        },
        other => Err(Fault::of_answer(&other)),
    }
}

async fn done(
    asker: &Asker,
    task_id: &str,
    command: impl FnOnce(Box<str>) -> Command,
) -> Result<Reply, Fault> {
    match answer(asker, task_id, command).await? {
        Answer::Done => Ok(Reply::done()),
        other => Err(Fault::of_answer(&other)),
    }
}

async fn answer(
    asker: &Asker,
    task_id: &str,
    command: impl FnOnce(Box<str>) -> Command,
) -> Result<Answer, Fault> {
    // Longer than any of ours: no such task.
    if task_id.len() > api_len::TASK_ID_MAX {
        return Err(Fault::TaskGone);
    }
    // Any shard will do; the home spreads them.
    let home = asker.home(task_id.as_bytes());
    Ok(asker.ask(home, command(task_id.into())).await)
}
