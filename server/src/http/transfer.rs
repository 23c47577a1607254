//! `/admin/v1/apps/{appid}/devices`: devices leave page by page and come in call by call.
//!
//! Always: hashes of secrets leave only if they were asked for; each device of an import is answered
//! by itself, and one that is wrong keeps no other out.

use std::rc::Rc;

use protocol::ClientId;
use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command};
use server_core::ids::AppNo;
use server_core::portable::Imported;

use super::device_line::{self, DeviceView};
use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, Member, object};
use super::parameter::ParameterError;
use super::path;
use crate::ask::Asker;
use crate::limits::{DEVICES_PER_CALL_MAX, DEVICES_PER_PAGE};

object! {
    /// The body of an import.
    RawImport { devices }
}

#[derive(Serialize)]
struct PageView {
    devices: Vec<DeviceView>,
    next: Option<String>,
}

#[derive(Serialize)]
struct ImportView {
    imported: usize,
    results: Vec<ResultView>,
}

#[derive(Serialize)]
struct ResultView {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// `GET …/devices?after=CID&limit=N&secrets=true`: the devices behind a CID, in order.
///
/// # Errors
/// A bad parameter; a shard that is busy.
pub(super) async fn export(
    asker: &Rc<Asker>,
    app: &App,
    query: Option<&str>,
) -> Result<Reply, Fault> {
    let invalid = |field| ParameterError::Invalid { field };
    let after = match path::query_value(query, "after") {
        Some(cid) => Some(cid.parse::<ClientId>().map_err(|_| invalid("after"))?),
        None => None,
    };
    let len_max = match path::query_value(query, "limit") {
        Some(limit) => limit
            .parse()
            .ok()
            .filter(|limit| (1..=DEVICES_PER_CALL_MAX).contains(limit))
            .ok_or(invalid("limit"))?,
        None => DEVICES_PER_PAGE,
    };
    let with_secrets = match path::query_value(query, "secrets").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(invalid("secrets").into()),
    };
    let question = Command::Devices {
        app: AppNo(app.number),
        after,
        len_max,
    };
    match asker.ask(asker.home(app.app_id.as_bytes()), question).await {
        Answer::Devices(page) => {
            let devices = page.devices.into_iter();
            Ok(Reply::data(&PageView {
                devices: devices
                    .map(|device| device_line::view(device, with_secrets))
                    .collect(),
                next: page.next.map(|cid| cid.to_string()),
            }))
        }
        other => Err(Fault::of_answer(&other)),
    }
}

/// `POST …/devices`: takes devices over, and says of each what became of it.
///
/// # Errors
/// A body without a list, or with too long a one; a shard that is busy: then nothing was imported.
pub(super) async fn import(
    asker: &Rc<Asker>,
    app: &App,
    bytes: &[u8],
    now_ms: u64,
) -> Result<Reply, Fault> {
    let raw: RawImport<'_> = member::body(bytes)?;
    let field = "devices";
    let members: Option<Vec<Member<'_>>> = raw.devices.list(field)?;
    let members = members.ok_or(ParameterError::Null { field })?;
    if members.len() > DEVICES_PER_CALL_MAX {
        let (limit, got) = (DEVICES_PER_CALL_MAX, members.len());
        return Err(ParameterError::Size { field, limit, got }.into());
    }
    let mut devices = Vec::with_capacity(members.len());
    let mut whys: Vec<Option<String>> = Vec::with_capacity(members.len());
    for member in members {
        match device_line::read(member, now_ms) {
            Ok(device) => {
                devices.push(device);
                whys.push(None);
            }
            Err(error) => whys.push(Some(device_line::why(error))),
        }
    }
    let app_no = AppNo(app.number);
    let outcomes = if devices.is_empty() {
        Vec::new()
    } else {
        let command = Command::ImportDevices {
            app: app_no,
            devices,
        };
        match asker.ask(asker.home(app.app_id.as_bytes()), command).await {
            Answer::Imported(outcomes) => outcomes,
            // Somebody deleted the app meanwhile.
            Answer::TargetInvalid => return Err(Fault::NoSuchApp),
            other => return Err(Fault::of_answer(&other)),
        }
    };
    let taken = whys.iter_mut().filter(|why| why.is_none());
    for (why, outcome) in taken.zip(outcomes) {
        *why = refusal(outcome).map(str::to_owned);
    }
    Ok(Reply::data(&ImportView {
        imported: whys.iter().filter(|why| why.is_none()).count(),
        results: whys
            .into_iter()
            .map(|why| ResultView {
                ok: why.is_none(),
                why,
            })
            .collect(),
    }))
}

fn refusal(outcome: Imported) -> Option<&'static str> {
    match outcome {
        Imported::Done => None,
        Imported::OtherApp => Some("cid is a device of another app"),
        Imported::OtherSecret => {
            Some("secret_sha256 is not that of the device, whose secret cannot be changed")
        }
        Imported::InstallTaken => {
            Some("install and secret_sha256 are those of another cid of this app")
        }
    }
}
