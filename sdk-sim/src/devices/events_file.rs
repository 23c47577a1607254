//! The events file: one JSON line for each thing a device heard.
//!
//! Owner: one process. Always: a line is written when it happens, by one write; repeats are written
//! too, nothing is hidden.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::{ClientId, CloseReason, MessageId};
use schema::push::PushMessage;
use serde::{Deserialize, Serialize};

use super::body::Body;
use super::line_file::LineFile;
use crate::client::{EndReason, Event};
use crate::fleet::{Notice, What};

#[derive(Debug)]
pub(super) struct EventsFile {
    file: LineFile,
    line: Vec<u8>,
}

#[derive(Debug, Default, Serialize)]
struct Line<'a> {
    ns: u64,
    cid: Option<String>,
    ev: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    taskid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    msgid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Body<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    click_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    click: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// What is read back at a start.
#[derive(Deserialize)]
struct PushLine<'a> {
    cid: &'a str,
    ev: &'a str,
    msgid: &'a str,
}

impl EventsFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: LineFile::open(path)?,
            line: Vec::new(),
        })
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    /// Appends the line of one event.
    ///
    /// # Errors
    /// The file's; nothing may be appended afterwards.
    pub(super) fn append(&mut self, cid: Option<ClientId>, event: &Event) -> io::Result<()> {
        let message = match event {
            Event::Push { sealed: true, .. } => None,
            Event::Push { body, .. } | Event::Repeat { body, .. } => {
                Some(PushMessage::decode(body))
            }
            _ => None,
        };
        let mut line = Line {
            ns: unix_ns(),
            cid: cid.map(|cid| cid.to_string()),
            ..Line::default()
        };
        describe(&mut line, event);
        match &message {
            Some(Ok(message)) => {
                line.taskid = Some(&message.task_id);
                line.body = Some(Body::of(message));
            }
            // A repeat's body was judged when it came first; it may be sealed.
            Some(Err(error)) if matches!(event, Event::Push { .. }) => {
                line.ev = "error";
                line.text = Some(format!("body: {error}"));
            }
            _ => {}
        }
        self.write(&line)
    }

    /// Appends the line of what a phone did with a notification.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub(super) fn append_notice(
        &mut self,
        cid: Option<ClientId>,
        notice: &Notice,
    ) -> io::Result<()> {
        let mut line = Line {
            ns: unix_ns(),
            cid: cid.map(|cid| cid.to_string()),
            ev: "notice",
            taskid: Some(&notice.task_id),
            msgid: Some(notice.message.to_string()),
            ..Line::default()
        };
        line.notice = Some(match &notice.what {
            What::Shown => "shown",
            What::Replaced => "replaced",
            What::Revoked => "revoked",
            What::Clicked {
                click_type,
                argument,
            } => {
                line.click_type = Some(click_type);
                line.click = argument.as_deref();
                "clicked"
            }
        });
        self.write(&line)
    }

    fn write(&mut self, line: &Line<'_>) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.file.append(&self.line)
    }
}

/// Calls `each` for every push written from a byte offset on.
///
/// # Errors
/// The file cannot be read. Lines of other programs are passed over; a file that is gone has none.
pub(super) fn for_each_push(
    path: &Path,
    from: u64,
    mut each: impl FnMut(ClientId, MessageId),
) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let file = LineFile::open(path)?;
    // A shorter file is another one: all of it is news.
    let from = if from > file.len()? { 0 } else { from };
    file.for_each_line(from, |line| {
        if let Ok(push) = serde_json::from_slice::<PushLine<'_>>(line)
            && push.ev == "push"
            && let (Ok(cid), Ok(id)) = (push.cid.parse(), push.msgid.parse())
        {
            each(cid, id);
        }
        Ok(())
    })
}

fn describe<'a>(line: &mut Line<'a>, event: &'a Event) {
    match event {
        Event::Online {
            registered,
            generation,
            ..
        } => {
            line.ev = "online";
            line.registered = Some(*registered);
            line.generation = Some(*generation);
        }
        Event::Push { id, sealed, .. } => {
            line.ev = "push";
            line.msgid = Some(id.to_string());
            line.sealed = sealed.then_some(true);
        }
        Event::Repeat { id, .. } => {
            line.ev = "repeat";
            line.msgid = Some(id.to_string());
        }
        Event::CommandResult { serial, code, .. } => {
            line.ev = "result";
            line.serial = Some(*serial);
            line.result = Some(format!("{code:?}"));
        }
        Event::CommandLost { serial } => {
            line.ev = "result";
            line.serial = Some(*serial);
            line.result = Some("Lost".to_owned());
        }
        Event::GoAway { reason, endpoint } => {
            line.ev = "goaway";
            line.endpoint = endpoint.as_deref();
            line.reason = Some(format!("{reason:?}"));
        }
        Event::Reported {
            message,
            action,
            verdict,
        } => {
            line.ev = "reported";
            line.msgid = Some(message.to_string());
            line.action = Some(*action);
            line.result = Some(match verdict {
                Ok(verdict) => format!("{verdict:?}"),
                Err(code) => format!("{code:?}"),
            });
        }
        Event::Upstream { id, status } => {
            line.ev = "upstream";
            line.msgid = Some(id.to_string());
            line.result = Some(format!("{status:?}"));
        }
        Event::Offline { reason } => end(line, "offline", reason),
        Event::Refused { reason } => end(line, "error", reason),
    }
}

fn end(line: &mut Line<'_>, ev: &'static str, why: &EndReason) {
    line.ev = ev;
    line.reason = why.close_reason().map(|reason| format!("{reason:?}"));
    line.text = Some(why.to_string());
}

impl EndReason {
    fn close_reason(&self) -> Option<CloseReason> {
        match self {
            Self::Closed { reason, .. } => Some(*reason),
            _ => None,
        }
    }
}

/// Unix time in nanoseconds; 64 bits last until the year 2554.
fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use schema::push::Content;
    use serde_json::{Value, json};

    use super::*;

    const CID: ClientId = ClientId::from_bytes([3; 16]);

    fn push(id: u64, sealed: bool, body: impl Into<Bytes>) -> Event {
        Event::Push {
            id: MessageId(id),
            sealed,
            body: body.into(),
        }
    }

    fn message() -> Vec<u8> {
        PushMessage {
            task_id: "RASS_1".to_owned(),
            content: Content::Transmission("hi".to_owned()),
            duration: None,
            network_type: 0,
        }
        .encode()
    }

    fn written(events: &[Event]) -> Vec<Value> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("events");
        let mut file = EventsFile::open(&path).expect("opens");
        for event in events {
            file.append(Some(CID), event).expect("appends");
        }
        let text = std::fs::read_to_string(path).expect("reads");
        text.lines()
            .map(|line| {
                let mut line: Value = serde_json::from_str(line).expect("JSON");
                let members = line.as_object_mut().expect("an object");
                let ns = members.remove("ns").and_then(|ns| ns.as_u64());
                assert!(ns.is_some_and(|ns| ns > 1_600_000_000_000_000_000));
                assert_eq!(members.remove("cid"), Some(json!(CID.to_string())));
                line
            })
            .collect()
    }

    #[test]
    fn given_pushes_when_written_should_show_body_repeat_seal_and_damage() {
        let lines = written(&[
            push(1, false, message()),
            Event::Repeat {
                id: MessageId(1),
                body: message().into(),
            },
            push(2, true, &b"secret"[..]),
            push(3, false, &b"no buffer"[..]),
        ]);
        let id = "0000000000000001";
        let body = json!({"transmission": "hi"});
        assert_eq!(
            lines[0],
            json!({"ev": "push", "taskid": "RASS_1", "msgid": id, "body": body})
        );
        assert_eq!(
            lines[1],
            json!({"ev": "repeat", "taskid": "RASS_1", "msgid": id, "body": body})
        );
        assert_eq!(
            lines[2],
            json!({"ev": "push", "msgid": "0000000000000002", "sealed": true})
        );
        assert_eq!(lines[3]["ev"], "error");
        assert_eq!(lines[3]["msgid"], "0000000000000003");
        assert!(lines[3]["text"].is_string());
    }

    #[test]
    fn given_other_events_when_written_should_have_the_words_of_the_contract() {
        let reason = EndReason::Silent;
        let lines = written(&[
            Event::Online {
                cid: CID,
                registered: true,
                generation: 4,
            },
            Event::CommandLost { serial: 1 },
            Event::GoAway {
                reason: protocol::GoAwayReason::Draining,
                endpoint: None,
            },
            Event::Offline {
                reason: reason.clone(),
            },
            Event::Refused { reason },
        ]);
        let words: Vec<&str> = lines
            .iter()
            .filter_map(|line| line["ev"].as_str())
            .collect();
        assert_eq!(words, ["online", "result", "goaway", "offline", "error"]);
        assert_eq!(
            lines[0],
            json!({"ev": "online", "registered": true, "generation": 4})
        );
    }

    #[test]
    fn given_a_file_with_a_torn_line_when_read_back_should_give_whole_pushes_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("events");
        let mut file = EventsFile::open(&path).expect("opens");
        file.append(Some(CID), &push(1, false, message()))
            .expect("appends");
        let mark = file.len().expect("has a length");
        let repeat = Event::Repeat {
            id: MessageId(9),
            body: Bytes::new(),
        };
        file.append(Some(CID), &repeat).expect("appends");
        file.append(Some(CID), &push(2, false, message()))
            .expect("appends");
        let mut text = std::fs::read(&path).expect("reads");
        text.extend_from_slice(br#"{"ns":1,"cid":"0303"#);
        std::fs::write(&path, text).expect("writes");
        let pushes = |from| {
            let mut pushes = Vec::new();
            for_each_push(&path, from, |cid, id| pushes.push((cid, id.0))).expect("reads");
            pushes
        };
        assert_eq!(pushes(0), [(CID, 1), (CID, 2)]);
        assert_eq!(pushes(mark), [(CID, 2)]);
        assert_eq!(pushes(1_000_000), [(CID, 1), (CID, 2)]);
    }
}
