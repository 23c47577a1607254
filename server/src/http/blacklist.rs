//! The black list of an app (rows 34 and 35 of `rest-v2.md`): who gets no pushes.
//!
//! Always: a list is taken as a whole or not at all; being on the list twice is no error.

use schema::record::App;
use server_core::command::{Answer, Command};
use server_core::ids::AppNo;

use super::cid_list::CidList;
use super::envelope::Reply;
use super::fault::Fault;
use crate::ask::Asker;
use crate::limits::API_PATH_CIDS_MAX;

/// `POST` and `DELETE /user/black/cid/{cid,…}`.
///
/// # Errors
/// Too many; an unknown CID; a shard that is busy.
pub(super) async fn set(
    asker: &Asker,
    app: &App,
    cids: &str,
    blocked: bool,
) -> Result<Reply, Fault> {
    let cids = CidList::of_path(cids, API_PATH_CIDS_MAX)?.all()?;
    let shard = asker.owner(cids[0]);
    let command = Command::Block {
        app: AppNo(app.number),
        cids,
        blocked,
    };
    match asker.ask(shard, command).await {
        Answer::Done => Ok(Reply::done()),
        other => Err(Fault::of_answer(&other)),
    }
}
