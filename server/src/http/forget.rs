//! `DELETE /admin/v1/apps/{appid}/devices/{cid}`: an operator deletes one device.
//!
//! Always: for good; its CID does not come back.

use protocol::ClientId;
use schema::record::App;
use server_core::command::{Answer, Command};
use server_core::ids::AppNo;

use super::envelope::Reply;
use super::fault::Fault;
use super::parameter::ParameterError;
use crate::ask::Asker;

/// Deletes a device with everything that names it; its session ends.
///
/// # Errors
/// No device of the app has this CID; a shard that is busy.
pub(super) async fn device(asker: &Asker, app: &App, cid: &str) -> Result<Reply, Fault> {
    let cid: ClientId = cid.parse().map_err(|_| ParameterError::Target)?;
    let command = Command::ForgetDevice {
        app: AppNo(app.number),
        cid,
    };
    match asker.ask(asker.owner(cid), command).await {
        Answer::Done => Ok(Reply::done()),
        other => Err(Fault::of_answer(&other)),
    }
}
