//! A push request and its answer.
//!
//! Owner: the caller. Always: one `Push` keeps its request id, so pushing it again is a repeat, not
//! a second message.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{CallError, hex};

/// What to push.
#[derive(Debug, Clone)]
pub struct Push {
    /// 10 to 32 characters; the server answers a repeat with the first answer.
    pub request_id: String,
    /// The content.
    pub body: PushBody,
    /// How long it may wait for an offline device, in milliseconds: -1 = not at all, at most
    /// 259 200 000; `None` = the server's default (two hours).
    pub ttl_ms: Option<i64>,
}

/// The content of a push.
#[derive(Debug, Clone)]
pub enum PushBody {
    /// Text for the app, at most 3072 characters.
    Transmission(String),
    /// A notification that starts the app on a click.
    Notification {
        /// At most 50 characters.
        title: String,
        /// At most 256 characters.
        body: String,
    },
    /// A whole `push_message` as JSON.
    Json(Value),
}

impl Push {
    /// A push with a fresh request id.
    ///
    /// # Errors
    /// The system gave no random bytes.
    pub fn new(body: PushBody) -> Result<Self, CallError> {
        Ok(Self {
            request_id: random_request_id()?,
            body,
            ttl_ms: None,
        })
    }

    pub(super) fn request(&self, audience: &Value) -> Value {
        let message = match &self.body {
            PushBody::Transmission(text) => json!({ "transmission": text }),
            PushBody::Notification { title, body } => json!({
                "notification": { "title": title, "body": body, "click_type": "startapp" }
            }),
            PushBody::Json(message) => message.clone(),
        };
        let mut request = json!({
            "request_id": self.request_id,
            "audience": audience,
            "push_message": message,
        });
        if let Some(ttl_ms) = self.ttl_ms {
            request["settings"] = json!({ "ttl": ttl_ms });
        }
        request
    }
}

/// 32 random hex digits.
///
/// # Errors
/// The system gave no random bytes.
pub fn random_request_id() -> Result<String, CallError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// The task of a push to many.
pub(super) fn task_id(data: &Value) -> Result<String, CallError> {
    let task_id = data.get("taskid").and_then(Value::as_str);
    task_id
        .map(str::to_owned)
        .ok_or_else(|| CallError::BadAnswer {
            http: 200,
            problem: format!("expected {{\"taskid\":…}}, got {data}"),
        })
}

/// What the server accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The task's id.
    pub task_id: String,
    /// The status word of each client id, such as `successed_online`.
    pub targets: BTreeMap<String, String>,
}

impl Accepted {
    pub(super) fn read(data: &Value) -> Result<Self, CallError> {
        let bad = || CallError::BadAnswer {
            http: 200,
            problem: format!("expected {{taskid:{{cid:status}}}}, got {data}"),
        };
        let mut tasks = data.as_object().ok_or_else(bad)?.iter();
        let (Some((task_id, targets)), None) = (tasks.next(), tasks.next()) else {
            return Err(bad());
        };
        let mut words = BTreeMap::new();
        for (cid, word) in targets.as_object().ok_or_else(bad)? {
            words.insert(cid.clone(), word.as_str().ok_or_else(bad)?.to_owned());
        }
        Ok(Self {
            task_id: task_id.clone(),
            targets: words,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_push_when_written_should_be_the_documented_request() {
        let mut push = Push::new(PushBody::Transmission("hi".to_owned())).expect("random bytes");
        push.request_id = "0123456789".to_owned();
        let audience = json!({"cid": ["c"]});
        assert_eq!(
            push.request(&audience),
            json!({"request_id": "0123456789", "audience": {"cid": ["c"]}, "push_message": {"transmission": "hi"}})
        );
        push.ttl_ms = Some(-1);
        assert_eq!(push.request(&audience)["settings"], json!({"ttl": -1}));
        assert_eq!(random_request_id().expect("random bytes").len(), 32);
    }

    #[test]
    fn given_the_answer_to_a_push_to_many_when_read_should_be_its_task() {
        assert_eq!(task_id(&json!({"taskid": "T"})).expect("reads"), "T");
        for bad in [json!(null), json!({"T": {}}), json!({"taskid": 1})] {
            assert!(task_id(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn given_answers_when_read_should_take_one_task_only() {
        let accepted = Accepted::read(&json!({"T": {"c": "successed_online"}})).expect("reads");
        assert_eq!(accepted.task_id, "T");
        assert_eq!(accepted.targets["c"], "successed_online");
        for bad in [
            json!(null),
            json!({}),
            json!({"T": 1}),
            json!({"T": {"c": 1}}),
            json!({"T": {}, "U": {}}),
        ] {
            assert!(Accepted::read(&bad).is_err(), "{bad}");
        }
    }
}
