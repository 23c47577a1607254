//! The way of one message to one client (row 17 of `rest-v2.md`).
//!
//! Always: times are those of UTC.

use protocol::ClientId;
use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command};
use server_core::ids::AppNo;

use super::calendar::time_text;
use super::envelope::Reply;
use super::fault::Fault;
use super::parameter::ParameterError;
use crate::ask::Asker;
use crate::limits::api_len;

/// Both spellings: the table of the documents has the right one, their example and a client the
/// other.
#[derive(Serialize)]
struct Way<'a> {
    detail: &'a [Step],
    deatil: &'a [Step],
}

#[derive(Serialize)]
struct Step {
    time: String,
    event: &'static str,
}

/// `GET /task/detail/{cid}/{taskid}`.
///
/// # Errors
/// An unknown CID; a task that it has no message of; a shard that is busy.
pub(super) async fn way(
    asker: &Asker,
    app: &App,
    cid: &str,
    task_id: &str,
) -> Result<Reply, Fault> {
    let cid: ClientId = cid.parse().map_err(|_| ParameterError::Target)?;
    if task_id.len() > api_len::TASK_ID_MAX {
        return Err(Fault::TaskGone);
    }
    let question = Command::MessageDetail {
        app: AppNo(app.number),
        cid,
        task_id: task_id.into(),
    };
    let stages = match asker.ask(asker.owner(cid), question).await {
        Answer::MessageDetail(stages) => stages.ok_or(Fault::TaskGone)?,
        other => return Err(Fault::of_answer(&other)),
    };
    let steps: Vec<Step> = stages
        .into_iter()
        .map(|(event, ms)| Step {
            time: time_text(ms),
            event,
        })
        .collect();
    Ok(Reply::data(&Way {
        detail: &steps,
        deatil: &steps,
    }))
}
