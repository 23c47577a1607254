//! What an operator asks when something did not arrive: `/admin/v1/apps/{appid}/tasks/{taskid}` and
//! `…/devices/{cid}`.
//!
//! Always: stages are derived from rows and from the live session, never kept apart; times are ms
//! of Unix time; no secret and no content of a message is shown.

use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::{ClientId, MessageId, Platform};
use schema::record::{App, Profile, SilentHours};
use serde::Serialize;
use server_core::apply::{StoredStatus, made_ms};
use server_core::command::{Answer, Command};
use server_core::history::{DeviceHistory, LiveSession, Stage, TaskHistory, stage_of, stages_of};
use server_core::ids::AppNo;
use server_core::outbox::Fate;

use super::envelope::Reply;
use super::fault::Fault;
use super::parameter::ParameterError;
use crate::ask::Asker;

#[derive(Serialize)]
struct TaskView {
    taskid: String,
    request_id: String,
    accepted_ms: u64,
    expires_ms: u64,
    targets: Vec<TargetView>,
}

#[derive(Serialize)]
struct TargetView {
    cid: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    msgid: Option<String>,
    stage: &'static str,
    stages: Vec<StageView>,
    why: String,
}

#[derive(Serialize)]
struct StageView {
    stage: &'static str,
    ms: u64,
}

/// One task: where the message of each target stands, since when, and why.
///
/// # Errors
/// No task of the last days has this name; a shard that is busy.
pub(super) async fn task(
    asker: &Rc<Asker>,
    app: &App,
    task_id: &str,
    now_ms: u64,
) -> Result<Reply, Fault> {
    let app = AppNo(app.number);
    let question = Command::TaskHistory {
        app,
        task_id: task_id.into(),
    };
    let TaskHistory { task, outcomes } =
        match asker.ask(asker.home(task_id.as_bytes()), question).await {
            Answer::TaskHistory(Some(history)) => *history,
            Answer::TaskHistory(None) => return Err(Fault::NoSuchTask),
            other => return Err(Fault::of_answer(&other)),
        };
    let mut targets = Vec::with_capacity(task.targets.len());
    for (target, outcome) in task.targets.iter().zip(outcomes) {
        let cid = ClientId::from_bytes(target.cid);
        let id = MessageId(target.message);
        // Whoever waits may be under way in a live session, which no row tells.
        let live = match outcome {
            None if id != MessageId::NONE => live_session(asker, app, cid).await?,
            _ => None,
        };
        let sent_ms = live.as_ref().and_then(|live| sent_at(live, id));
        let status = StoredStatus::from_number(target.status);
        let stage = stage_of(status, outcome, sent_ms, task.expires_ms, now_ms);
        targets.push(TargetView {
            cid: cid.to_string(),
            status: status.word().word(),
            msgid: (id != MessageId::NONE).then(|| id.to_string()),
            stage: stage.name(),
            stages: stages_of(
                task.accepted_ms,
                task.kept,
                status,
                outcome,
                sent_ms,
                task.expires_ms,
                now_ms,
            )
            .into_iter()
            .map(|(stage, ms)| StageView { stage, ms })
            .collect(),
            why: why(stage, status, live.as_deref(), id),
        });
    }
    Ok(Reply::data(&TaskView {
        taskid: task_id.to_owned(),
        request_id: task.request_id,
        accepted_ms: task.accepted_ms,
        expires_ms: task.expires_ms,
        targets,
    }))
}

async fn live_session(
    asker: &Rc<Asker>,
    app: AppNo,
    cid: ClientId,
) -> Result<Option<Box<LiveSession>>, Fault> {
    match asker
        .ask(asker.owner(cid), Command::LiveSession { app, cid })
        .await
    {
        Answer::LiveSession(live) => Ok(live),
        // The device was deleted since.
        Answer::TargetInvalid => Ok(None),
        other => Err(Fault::of_answer(&other)),
    }
}

fn sent_at(live: &LiveSession, id: MessageId) -> Option<u64> {
    let entry = live
        .under_way
        .iter()
        .find(|(under_way, _)| *under_way == id);
    entry.map(|(_, sent_ms)| *sent_ms)
}

fn why(stage: Stage, status: StoredStatus, live: Option<&LiveSession>, id: MessageId) -> String {
    match (stage, live) {
        (Stage::Acked, _) => "the device acknowledged it".into(),
        (Stage::Sent, _) => "sent, and the device has not acknowledged it yet".into(),
        (Stage::Revoked, _) => "its task was stopped before it was sent".into(),
        (Stage::Failed, _) => "as much waits for the device as its app allows".into(),
        (Stage::Filtered, _) => "the device takes no pushes: switched off or black-listed".into(),
        (Stage::Expired, _) if status == StoredStatus::Expired => {
            "the device was offline and the push may not wait (ttl -1)".into()
        }
        (Stage::Expired, _) => "its time was over before the device acknowledged it".into(),
        (Stage::Stored, None) => "the device is offline; it gets it at its next login".into(),
        (Stage::Stored, Some(live)) => match live.under_way.first() {
            Some((first, _)) => format!(
                "{} pushes before it are not acknowledged yet, the oldest is {first}",
                live.under_way
                    .iter()
                    .filter(|(under_way, _)| *under_way < id)
                    .count()
            ),
            None => "it is about to be sent".into(),
        },
    }
}

#[derive(Serialize)]
struct DeviceView {
    cid: String,
    online: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<SessionView>,
    registered_ms: u64,
    last_login_ms: u64,
    last_seen_ms: u64,
    platform: &'static str,
    sdk_version: String,
    takes_pushes: bool,
    push_off: bool,
    blocked: bool,
    notifications_off: bool,
    /// In which hours of its day it stays away.
    #[serde(skip_serializing_if = "Option::is_none")]
    silent_time: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    brand: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    model: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    os_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    package: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    app_version: String,
    badge: i32,
    /// The vendor channels of which it has a token, the last that was told first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    vendor_tokens: Vec<String>,
    aliases: BTreeMap<Box<str>, Box<str>>,
    queue_len: usize,
    queue_is_longer: bool,
    waiting: Vec<WaitingView>,
    recent: Vec<RecentView>,
    why: String,
}

#[derive(Serialize)]
struct SessionView {
    generation: u64,
    heartbeat_ms: u64,
    heard_ms_ago: u64,
    under_way: usize,
}

#[derive(Serialize)]
struct WaitingView {
    msgid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    taskid: Option<String>,
    accepted_ms: u64,
    expires_ms: u64,
    stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_ms: Option<u64>,
}

#[derive(Serialize)]
struct RecentView {
    msgid: String,
    accepted_ms: u64,
    stage: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_ms: Option<u64>,
    final_ms: u64,
}

/// One device: is it there, what waits for it and why, and how its last messages ended.
///
/// # Errors
/// No device of the app has this CID; a shard that is busy.
pub(super) async fn device(
    asker: &Rc<Asker>,
    app: &App,
    cid: &str,
    now_ms: u64,
) -> Result<Reply, Fault> {
    let app = AppNo(app.number);
    let cid: ClientId = cid.parse().map_err(|_| ParameterError::Target)?;
    let live = live_session(asker, app, cid).await?;
    let history = match asker
        .ask(asker.owner(cid), Command::DeviceHistory { app, cid })
        .await
    {
        Answer::DeviceHistory(history) => *history,
        other => return Err(Fault::of_answer(&other)),
    };
    Ok(Reply::data(&device_view(
        cid,
        live.as_deref(),
        history,
        now_ms,
    )))
}

fn device_view(
    cid: ClientId,
    live: Option<&LiveSession>,
    history: DeviceHistory,
    now_ms: u64,
) -> DeviceView {
    let DeviceHistory {
        device,
        profile,
        cursor,
        aliases,
        waiting,
        more_wait,
        ended,
    } = history;
    // An outcome is written down with the cursor: what has one does not wait any more.
    let is_over = |id: MessageId| ended.iter().any(|(other, _)| *other == id);
    let waiting: Vec<WaitingView> = waiting
        .into_iter()
        .filter(|message| message.expires_ms > now_ms && !is_over(message.id))
        .map(|message| {
            let sent_ms = live.and_then(|live| sent_at(live, message.id));
            let stage = if sent_ms.is_some() {
                Stage::Sent
            } else {
                Stage::Stored
            };
            WaitingView {
                msgid: message.id.to_string(),
                taskid: message.task_id,
                accepted_ms: made_ms(message.id),
                expires_ms: message.expires_ms,
                stage: stage.name(),
                sent_ms,
            }
        })
        .collect();
    let recent = ended.iter().map(|(id, outcome)| RecentView {
        msgid: id.to_string(),
        accepted_ms: made_ms(*id),
        stage: match Fate::from_number(outcome.fate) {
            Some(Fate::Acked) => Stage::Acked.name(),
            Some(Fate::Revoked) => Stage::Revoked.name(),
            Some(Fate::Expired) | None => Stage::Expired.name(),
        },
        sent_ms: Some(outcome.sent_ms).filter(|ms| *ms > 0),
        final_ms: outcome.final_ms,
    });
    let takes_pushes = !device.push_off && !device.blocked;
    DeviceView {
        cid: cid.to_string(),
        online: live.is_some(),
        session: live.map(|live| SessionView {
            generation: live.generation.0,
            heartbeat_ms: live.heartbeat_ms,
            heard_ms_ago: live.heard_ms_ago,
            under_way: live.under_way.len(),
        }),
        registered_ms: device.created_ms,
        last_login_ms: cursor.last_login_ms,
        last_seen_ms: cursor.last_seen_ms,
        platform: platform_name(device.platform),
        sdk_version: device.sdk_version,
        takes_pushes,
        push_off: device.push_off,
        blocked: device.blocked,
        notifications_off: device.notify_off,
        silent_time: silent_time(profile.silent),
        vendor_tokens: vendor_tokens(&profile),
        brand: profile.brand,
        model: profile.model,
        os_version: profile.os_version,
        package: profile.package,
        app_version: profile.app_version,
        badge: profile.badge,
        aliases: aliases.into_iter().collect(),
        queue_len: waiting.len(),
        queue_is_longer: more_wait,
        why: device_why(takes_pushes, live, waiting.len()),
        waiting,
        recent: recent.collect(),
    }
}

fn silent_time(silent: SilentHours) -> Option<String> {
    if silent.hours == 0 {
        return None;
    }
    let (begin, end) = (silent.begin_hour, (silent.begin_hour + silent.hours) % 24);
    let (sign, minutes) = match silent.zone_min {
        west if west < 0 => ('-', west.unsigned_abs()),
        east => ('+', east.unsigned_abs()),
    };
    let (hours, minutes) = (minutes / 60, minutes % 60);
    Some(format!(
        "{begin:02}:00 to {end:02}:00, UTC{sign}{hours:02}:{minutes:02}"
    ))
}

fn vendor_tokens(profile: &Profile) -> Vec<String> {
    let first = (!profile.device_token.is_empty()).then(|| profile.token_kind.clone());
    let others = profile.other_tokens.iter().rev();
    first
        .into_iter()
        .chain(others.map(|(kind, _)| kind.clone()))
        .collect()
}

fn device_why(takes_pushes: bool, live: Option<&LiveSession>, waiting_len: usize) -> String {
    match (takes_pushes, live, waiting_len) {
        (false, _, _) => "the device takes no pushes: switched off or black-listed".into(),
        (true, _, 0) => "nothing waits".into(),
        (true, None, _) => "the device is offline; what waits is sent at its next login".into(),
        (true, Some(live), _) if live.under_way.is_empty() => {
            "what waits is about to be sent".into()
        }
        (true, Some(live), _) => format!(
            "{} pushes are sent and not acknowledged; at most {} are sent ahead",
            live.under_way.len(),
            server_core::limits::WINDOW_LEN_MAX
        ),
    }
}

/// What a platform is called.
pub(super) fn platform_name(number: u8) -> &'static str {
    match Platform::from_number(number) {
        Platform::Unknown => "unknown",
        Platform::Android => "android",
        Platform::Ios => "ios",
        Platform::Harmony => "harmony",
        Platform::Other => "other",
    }
}
