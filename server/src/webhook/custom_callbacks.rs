//! What pushes wanted echoed in their receipts: `settings.custom_callback`, looked up by the task.
//!
//! Owner: one sender. Always: what is remembered is bounded; a shard that is busy is not taken for a push that wanted
//! nothing.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use serde::Deserialize;
use serde_json::Value;
use server_core::command::{Answer, Command};
use server_core::ids::AppNo;
use tokio::task::JoinSet;

use crate::ask::Asker;
use crate::limits::{API_ABREAST_MAX, WEBHOOK_TASKS_KNOWN_MAX};

/// What is known of tasks.
#[derive(Debug, Default)]
pub(super) struct CustomCallbacks {
    known: HashMap<String, Option<String>>,
}

/// The part of what is stored with a push for others that is for receipts.
#[derive(Deserialize)]
struct Stored {
    custom_callback: Option<Value>,
}

fn wanted(stored: Option<&str>) -> Option<String> {
    let stored: Stored = serde_json::from_str(stored?).ok()?;
    stored.custom_callback.and_then(|value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

impl CustomCallbacks {
    /// What a task wanted, once it was looked up.
    pub(super) fn of(&self, task_id: &str) -> Option<String> {
        self.known.get(task_id).cloned().flatten()
    }

    /// After a delivery: tasks are not remembered for ever.
    pub(super) fn shrink(&mut self) {
        if self.known.len() > WEBHOOK_TASKS_KNOWN_MAX {
            self.known = HashMap::new();
        }
    }

    /// Looks up the tasks that are not known.
    ///
    /// # Errors
    /// A shard that is busy.
    pub(super) async fn look_up<'a>(
        &mut self,
        asker: &Rc<Asker>,
        app: AppNo,
        tasks: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(), Busy> {
        let new: BTreeSet<Box<str>> = tasks
            .filter(|task| !self.known.contains_key(*task))
            .map(Box::from)
            .collect();
        let Some(first) = new.first() else {
            return Ok(());
        };
        // Most tasks of a busy app are pushes to many; one question tells them all.
        let groups = Command::Groups {
            app,
            task_ids: new.iter().cloned().collect(),
        };
        let Answer::Groups(views) = asker.ask(asker.home(first.as_bytes()), groups).await else {
            return Err(Busy);
        };
        for view in views {
            let wants = wanted(view.group.vendor.as_deref());
            self.known.insert(view.group.task_id, wants);
        }
        let mut singles = new
            .into_iter()
            .filter(|task| !self.known.contains_key(&**task))
            .collect::<Vec<_>>()
            .into_iter();
        let mut asked = JoinSet::new();
        loop {
            while asked.len() < API_ABREAST_MAX
                && let Some(task_id) = singles.next()
            {
                let asker = Rc::clone(asker);
                asked.spawn_local(async move {
                    let home = asker.home(task_id.as_bytes());
                    let question = Command::TaskHistory {
                        app,
                        task_id: task_id.clone(),
                    };
                    (task_id, asker.ask(home, question).await)
                });
            }
            let Some(answered) = asked.join_next().await else {
                return Ok(());
            };
            let Ok((task_id, Answer::TaskHistory(history))) = answered else {
                return Err(Busy);
            };
            let wants = history.and_then(|history| wanted(history.task.vendor.as_deref()));
            self.known.insert(task_id.into(), wants);
        }
    }
}

/// A shard did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_what_is_stored_with_a_push_when_read_should_give_what_it_wanted_echoed() {
        for (stored, expected) in [
            (None, None),
            (Some(r#"{"strategy":{"default":1}}"#), None),
            (Some(r#"{"custom_callback":null}"#), None),
            (Some(r#"{"custom_callback":"a\"b","lst":1}"#), Some("a\"b")),
            (Some(r#"{"custom_callback":12}"#), Some("12")),
            (Some("no JSON"), None),
        ] {
            assert_eq!(wanted(stored).as_deref(), expected, "{stored:?}");
        }
    }
}
