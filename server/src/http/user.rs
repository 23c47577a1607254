//! `GET /user/status/{cid,…}`: who is online, and since when not.
//!
//! Always: CIDs that do not exist, are of another app or are no CIDs are left out of the answer.

use std::collections::BTreeMap;
use std::rc::Rc;

use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command, DeviceStatus};
use server_core::ids::AppNo;

use super::cid_list::CidList;
use super::envelope::Reply;
use super::fault::Fault;
use super::owners;
use crate::ask::Asker;
use crate::limits::API_LIST_LEN_MAX;

#[derive(Serialize)]
struct Presence {
    status: &'static str,
    // Text, and absent while online: what the live service answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_login_time: Option<String>,
}

impl From<DeviceStatus> for Presence {
    fn from(status: DeviceStatus) -> Self {
        let known = !status.online && status.last_login_ms > 0;
        Presence {
            status: if status.online { "online" } else { "offline" },
            last_login_time: known.then(|| status.last_login_ms.to_string()),
        }
    }
}

/// Answers for a list of CIDs with commas between them.
///
/// # Errors
/// Too many; a shard that is busy.
pub(super) async fn status(asker: &Rc<Asker>, app: &App, cids: &str) -> Result<Reply, Fault> {
    let app = AppNo(app.number);
    let cids = CidList::of_path(cids, API_LIST_LEN_MAX)?.cids;
    let mut presences: BTreeMap<String, Presence> = BTreeMap::new();
    for answer in owners::ask_each(asker, &cids, |cids| Command::Status { app, cids }).await? {
        match answer {
            Answer::Statuses(statuses) => {
                presences.extend(
                    statuses
                        .into_iter()
                        .map(|(cid, status)| (cid.to_string(), status.into())),
                );
            }
            other => return Err(Fault::of_answer(&other)),
        }
    }
    Ok(Reply::data(&presences))
}
