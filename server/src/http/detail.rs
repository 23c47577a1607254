//! What is known of clients (row 38 of `rest-v2.md`).
//!
//! Always: members that the documents and the live service spell differently stand there in both
//! spellings. What the device did not say is empty, and how often it logs in is not counted.

use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::Platform;
use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command};
use server_core::group::ClientDetail;
use server_core::ids::AppNo;

use super::calendar::time_text;
use super::cid_list::CidList;
use super::envelope::Reply;
use super::fault::Fault;
use super::owners;
use crate::ask::Asker;
use crate::limits::API_LIST_LEN_MAX;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    valid_cids: BTreeMap<String, Detail<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    invalid_cids: Vec<String>,
}

#[derive(Serialize)]
struct Detail<'a> {
    client_app_id: &'a str,
    package_name: String,
    device_token: String,
    phone_type: u8,
    phone_model: String,
    #[serde(rename = "phoneModel")]
    phone_model_again: String,
    notification_switch: bool,
    #[serde(rename = "notificationSwitch")]
    notification_switch_again: bool,
    create_time: String,
    #[serde(rename = "createTime")]
    create_time_again: String,
    login_freq: u32,
    #[serde(rename = "loginFreq")]
    login_freq_again: u32,
    brand: String,
}

impl<'a> Detail<'a> {
    fn of(app: &'a App, known: ClientDetail) -> Self {
        let ClientDetail {
            device, profile, ..
        } = known;
        let create_time = time_text(device.created_ms);
        let notification_switch = !device.push_off && !device.notify_off;
        Detail {
            client_app_id: &app.app_id,
            package_name: profile.package,
            device_token: profile.device_token,
            phone_type: phone_type(Platform::from_number(device.platform)),
            phone_model_again: profile.model.clone(),
            phone_model: profile.model,
            notification_switch,
            notification_switch_again: notification_switch,
            create_time_again: create_time.clone(),
            create_time,
            login_freq: 0,
            login_freq_again: 0,
            brand: profile.brand,
        }
    }
}

/// Getui's numbers; 0 for what it has none for.
fn phone_type(platform: Platform) -> u8 {
    match platform {
        Platform::Android => 1,
        Platform::Ios => 2,
        Platform::Harmony => 3,
        Platform::Unknown | Platform::Other => 0,
    }
}

/// `GET /user/detail/{cid,…}`.
///
/// # Errors
/// Too many; a shard that is busy.
pub(super) async fn details(asker: &Rc<Asker>, app: &App, cids: &str) -> Result<Reply, Fault> {
    let CidList { cids, others } = CidList::of_path(cids, API_LIST_LEN_MAX)?;
    let number = AppNo(app.number);
    let question = |cids| Command::Details { app: number, cids };
    let mut valid_cids = BTreeMap::new();
    for answer in owners::ask_each(asker, &cids, question).await? {
        match answer {
            Answer::Details(details) => valid_cids.extend(
                details
                    .into_iter()
                    .map(|(cid, known)| (cid.to_string(), Detail::of(app, known))),
            ),
            other => return Err(Fault::of_answer(&other)),
        }
    }
    let asked = cids.iter().map(|cid| cid.to_string()).chain(others);
    let invalid_cids = asked.filter(|cid| !valid_cids.contains_key(cid)).collect();
    Ok(Reply::data(&Found {
        valid_cids,
        invalid_cids,
    }))
}
