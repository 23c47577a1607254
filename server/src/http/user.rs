//! `GET /user/status/{cid,…}`: who is online, and since when not.
//!
//! Always: CIDs that do not exist, are of another app or are no CIDs are left out of the answer.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use protocol::ClientId;
use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command, DeviceStatus};
use server_core::ids::AppNo;

use super::envelope::Reply;
use super::fault::Fault;
use super::owners;
use super::parameter::ParameterError;
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
    let cids = listed(cids)?;
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

fn listed(cids: &str) -> Result<Vec<ClientId>, ParameterError> {
    let got = cids.split(',').count();
    if got > API_LIST_LEN_MAX {
        return Err(ParameterError::Size {
            field: "cid",
            limit: API_LIST_LEN_MAX,
            got,
        });
    }
    let cids: BTreeSet<ClientId> = cids
        .split(',')
        .filter_map(|cid| cid.trim().parse().ok())
        .collect();
    Ok(cids.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_cids_in_a_path_when_listed_should_skip_what_is_none_and_repeats() {
        let cid = "0123456789abcdef0123456789abcdef";
        assert_eq!(
            listed(&format!("{cid},x,,{cid}")),
            Ok(vec![cid.parse().expect("a cid")])
        );
        assert_eq!(listed(&"x,".repeat(999)), Ok(Vec::new()));
        assert_eq!(
            listed(&"x,".repeat(1000)),
            Err(ParameterError::Size {
                field: "cid",
                limit: 1000,
                got: 1001
            })
        );
    }
}
