//! Effects as the words of a script.

use protocol::{Close, Frame};
use server_core::apply::StoredStatus;
use server_core::command::{Answer, Reach};
use server_core::history::stage_of;
use server_core::outbox::Fate;

use super::groups;

/// One effect that the script has to name.
#[derive(Debug, PartialEq)]
pub(super) enum Shown {
    Push {
        session: String,
        ordinal: usize,
        body: String,
    },
    Other(String),
    /// Shown behind the others of its line.
    Answer(String),
}

/// The texts of a line's effects, answers last, runs folded.
pub(super) fn fold(shown: Vec<Shown>) -> Vec<String> {
    let (answers, others): (Vec<_>, Vec<_>) = shown
        .into_iter()
        .partition(|shown| matches!(shown, Shown::Answer(_)));
    let mut texts: Vec<(usize, String)> = Vec::new();
    let mut run: Option<(String, usize, usize, String)> = None;
    for shown in others.into_iter().chain(answers) {
        match shown {
            Shown::Push {
                session,
                ordinal,
                body,
            } => match &mut run {
                Some((of, _, last, same))
                    if *of == session && *same == body && *last + 1 == ordinal =>
                {
                    *last = ordinal;
                }
                _ => {
                    end(&mut run, &mut texts);
                    run = Some((session, ordinal, ordinal, body));
                }
            },
            Shown::Other(text) | Shown::Answer(text) => {
                end(&mut run, &mut texts);
                match texts.last_mut() {
                    Some((times, last)) if *last == text => *times += 1,
                    _ => texts.push((1, text)),
                }
            }
        }
    }
    end(&mut run, &mut texts);
    texts
        .into_iter()
        .map(|(times, text)| {
            if times == 1 {
                text
            } else {
                format!("{times}x {text}")
            }
        })
        .collect()
}

fn end(run: &mut Option<(String, usize, usize, String)>, texts: &mut Vec<(usize, String)>) {
    if let Some((session, first, last, body)) = run.take() {
        let ids = if first == last {
            first.to_string()
        } else {
            format!("{first}..{last}")
        };
        texts.push((1, format!("push {session} {ids} {body}")));
    }
}

/// A body, `-` for none; one byte many times over as `x*3000`.
pub(super) fn body(bytes: &[u8]) -> String {
    match bytes {
        [] => "-".to_owned(),
        [first, rest @ ..] if !rest.is_empty() && rest.iter().all(|byte| byte == first) => {
            format!("{}*{}", char::from(*first), bytes.len())
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

pub(super) fn close(session: &str, close: &Close) -> Shown {
    let wait = match close.retry_after_ms {
        0 => String::new(),
        u32::MAX => " never".to_owned(),
        ms => format!(" retry={ms}"),
    };
    Shown::Other(format!("close {session} {}{wait}", close.reason))
}

/// Any frame but a push, with the name of the CID in a welcome.
pub(super) fn frame(
    session: &str,
    frame: &Frame,
    name: impl Fn(protocol::ClientId) -> String,
) -> Shown {
    Shown::Other(match frame {
        Frame::Welcome(welcome) => {
            let known = if welcome.registered {
                "registered"
            } else {
                "known"
            };
            format!(
                "welcome {session} {} {known} hb={}",
                name(welcome.cid),
                welcome.heartbeat_s
            )
        }
        Frame::Pong => format!("pong {session}"),
        Frame::CommandResult(result) => {
            let detail = match result.op {
                _ if result.detail.is_empty() => String::new(),
                protocol::wire::OP_QUERY_TAGS => match result.tags().expect("tags") {
                    tags if tags.is_empty() => " none".to_owned(),
                    tags => format!(" {}", tags.join(",")),
                },
                _ => format!(" {:?}", result.detail.as_ref()),
            };
            format!(
                "result {session} {} op={} {}{detail}",
                result.serial, result.op, result.code
            )
        }
        Frame::UpstreamAck(ack) => format!("upstream {session} {} {}", ack.id.0, ack.status),
        Frame::GoAway(go) => {
            let to = match go.endpoint.as_str() {
                "" => String::new(),
                endpoint => format!(" endpoint={endpoint}"),
            };
            let (reason, jitter_ms) = (go.reason, go.jitter_ms);
            format!("goaway {session} {reason} jitter={jitter_ms}{to}")
        }
        other => format!("frame {session} {other:?}"),
    })
}

/// One letter a message, newest first.
fn fates(ended: &[(protocol::MessageId, schema::record::Outcome)]) -> String {
    let letter = |fate| match Fate::from_number(fate) {
        Some(Fate::Acked) => 'A',
        Some(Fate::Expired) => 'E',
        Some(Fate::Revoked) => 'R',
        None => '?',
    };
    ended
        .iter()
        .map(|(_, outcome)| letter(outcome.fate))
        .collect()
}

pub(super) fn answer(
    label: &str,
    answer: &Answer,
    now_ms: u64,
    name: impl Fn(protocol::ClientId) -> String,
) -> Shown {
    let words: Vec<String> = match answer {
        Answer::Pushed { task_id, targets } => {
            let words = targets.iter().map(|(cid, status)| {
                format!(
                    "{}:{}",
                    name(*cid),
                    status.word().trim_start_matches("successed_")
                )
            });
            std::iter::once(task_name(task_id)).chain(words).collect()
        }
        Answer::Reached(reached) => reached
            .iter()
            .map(|(cid, reach)| format!("{}:{}", name(*cid), reach_word(*reach)))
            .collect(),
        Answer::Statuses(statuses) => statuses
            .iter()
            .map(|(cid, status)| {
                format!(
                    "{}:{}",
                    name(*cid),
                    if status.online { "online" } else { "offline" }
                )
            })
            .collect(),
        Answer::Cids(cids) => cids.iter().map(|cid| name(*cid)).collect(),
        Answer::Alias(alias) => vec![alias.as_deref().unwrap_or("none").to_owned()],
        Answer::Done => vec!["done".to_owned()],
        Answer::LiveSession(live) => vec![live.as_ref().map_or("none".to_owned(), |live| {
            let behind = if live.is_behind { " behind" } else { "" };
            let under = live.under_way.len();
            format!("under={under} queue={}{behind}", live.queue_len)
        })],
        Answer::DeviceHistory(history) => vec![
            format!(
                "waiting={}{}",
                history.waiting.len(),
                if history.more_wait { "+" } else { "" }
            ),
            format!("ended={}", fates(&history.ended)),
        ],
        Answer::TaskHistory(None) => vec!["no-task".to_owned()],
        Answer::TaskHistory(Some(history)) => {
            let stages = history.task.targets.iter().zip(&history.outcomes);
            let words = stages.map(|(target, outcome)| {
                let stage = stage_of(
                    StoredStatus::from_number(target.status),
                    *outcome,
                    None,
                    history.task.expires_ms,
                    now_ms,
                );
                let cid = protocol::ClientId::from_bytes(target.cid);
                format!("{}:{}", name(cid), stage.name())
            });
            let unkept = (!history.task.kept).then(|| "unkept".to_owned());
            words.chain(unkept).collect()
        }
        Answer::AppCreated(app) => vec![format!("created {}", app.number)],
        Answer::TargetInvalid => vec!["target-invalid".to_owned()],
        Answer::Busy => vec!["busy".to_owned()],
        Answer::StoreFailed => vec!["store-failed".to_owned()],
        other => groups::answer(other, now_ms, name).expect("shown there"),
    };
    let words = if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(" ")
    };
    Shown::Answer(format!("answered {label} {words}"))
}

fn reach_word(reach: Reach) -> &'static str {
    match reach {
        Reach::Online => "online",
        Reach::Offline => "offline",
        Reach::Filtered => "filtered",
        Reach::OnlineNotifyOff => "online-notify-off",
        Reach::OfflineNotifyOff => "offline-notify-off",
    }
}

/// Tasks that a script does not name have ids of their own, all shown as `t`.
fn task_name(task_id: &str) -> String {
    let named = !task_id.starts_with("own ");
    if named { task_id } else { "t" }.to_owned()
}
