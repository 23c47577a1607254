//! `push/list/…`: one message, then the targets it goes to in as many requests as it takes.
//!
//! Always: targets that do not exist are left out of the answer. `is_async` leaves the words out of
//! it and changes nothing else: it too is answered when everything is durable.

use std::collections::{BTreeMap, HashMap, HashSet};

use protocol::ClientId;
use serde::Serialize;
use server_core::command::{Answer, Command, TargetStatus};

use super::abreast::abreast;
use super::audience;
use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, Member, object};
use super::parameter::ParameterError;
use super::push::{Naming, Pusher, Words};
use super::push_request::PushRequest;
use super::reach::{self, Targets};
use crate::limits::api_len;

object! {
    /// The body of a push to targets of a list.
    RawListPush { audience, taskid, is_async, need_alias_detail }
}

/// The name of a new task.
#[derive(Serialize)]
struct Made<'a> {
    taskid: &'a str,
}

/// Aliases with the CIDs behind each.
type Found = Vec<(Box<str>, Vec<ClientId>)>;

/// `POST /push/list/message`.
///
/// # Errors
/// A bad body; a shard that is busy.
pub(super) async fn message(pusher: &Pusher, bytes: &[u8]) -> Result<Reply, Fault> {
    let request = PushRequest::read_list(bytes)?;
    pusher.vendors.note(&request.settings.strategy);
    pusher.take(request.into_list(pusher.now_ms)).await
}

/// `POST /push/list/cid`, `…/alias` and `…/cid_by_tag`.
///
/// # Errors
/// A bad body; no target exists; the task does not, or not any more; a shard that is busy.
pub(super) async fn targets(pusher: &Pusher, naming: Naming, bytes: &[u8]) -> Result<Reply, Fault> {
    let raw: RawListPush<'_> = member::body(bytes)?;
    let task_id = task_id(raw.taskid)?;
    let is_async = raw.is_async.flag("is_async")?;
    let wants_aliases = raw.need_alias_detail.flag("need_alias_detail")?;
    let (asker, app) = (&pusher.asker, pusher.app_no());
    let mut found = Found::new();
    let targets = match naming {
        Naming::Cid => reach::targets(asker, app, &audience::cids(raw.audience)?).await?,
        Naming::ByTag => reach::targets_by_tag(asker, app, audience::by_tag(raw.audience)?).await?,
        Naming::Alias => {
            found = pusher.found(audience::aliases(raw.audience)?).await?;
            let mut seen = HashSet::new();
            let mut cids: Vec<ClientId> =
                found.iter().flat_map(|(_, cids)| cids).copied().collect();
            // A CID may have moved from one alias to another between two questions.
            cids.retain(|cid| seen.insert(*cid));
            reach::targets(asker, app, &cids).await?
        }
    };
    let (task_id, words) = pusher.push_list(task_id, targets).await?;
    if is_async {
        return Ok(Reply::done());
    }
    if wants_aliases && naming == Naming::Alias {
        return Ok(by_alias(&task_id, &words, &found));
    }
    let mut all = Words::default();
    all.add(task_id, &words);
    Ok(Reply::data(&all))
}

fn task_id(member: Member<'_>) -> Result<Box<str>, Fault> {
    match member.required_text("taskid", api_len::TASK_ID_MAX) {
        // Longer than any of ours: no such task.
        Err(ParameterError::Size { .. }) => Err(Fault::TaskGone),
        text => Ok(text?.into()),
    }
}

/// `{taskid: {alias: {cid: word}}}`; aliases that reached nobody are left out.
fn by_alias(task_id: &str, words: &[(ClientId, TargetStatus)], found: &Found) -> Reply {
    let words: HashMap<ClientId, TargetStatus> = words.iter().copied().collect();
    let mut aliases: BTreeMap<&str, BTreeMap<String, &str>> = BTreeMap::new();
    for (alias, cids) in found {
        for cid in cids {
            if let Some(status) = words.get(cid) {
                let of_alias = aliases.entry(alias).or_default();
                of_alias.insert(cid.to_string(), status.word());
            }
        }
    }
    Reply::data(&BTreeMap::from([(task_id, aliases)]))
}

impl Pusher {
    /// Takes a list or a push to an app, and answers its task.
    ///
    /// # Errors
    /// A shard that is busy.
    pub(super) async fn take(&self, push: server_core::group::GroupPush) -> Result<Reply, Fault> {
        let shard = match &push.request_id {
            Some(request_id) => self.home(request_id),
            None => self.asker.home(push.task_id.as_bytes()),
        };
        let app = self.app_no();
        match self
            .asker
            .ask(shard, Command::PushGroup { app, push })
            .await
        {
            Answer::GroupTaken { task_id } => Ok(Reply::data(&Made { taskid: &task_id })),
            other => Err(Fault::of_answer(&other)),
        }
    }

    async fn found(&self, aliases: Vec<audience::AliasTarget>) -> Result<Found, Fault> {
        let app = self.app_no();
        let found = abreast(aliases, |target| {
            let asker = std::rc::Rc::clone(&self.asker);
            async move {
                let alias = target.alias.clone();
                let cids = reach::of_alias(&asker, app, target).await?;
                Ok((alias, cids))
            }
        });
        found.await?.into_iter().collect()
    }

    async fn push_list(
        &self,
        task_id: Box<str>,
        targets: Targets,
    ) -> Result<(Box<str>, Vec<(ClientId, TargetStatus)>), Fault> {
        let home = self.asker.home(task_id.as_bytes());
        let command = Command::PushList {
            app: self.app_no(),
            task_id,
            targets,
        };
        match self.asker.ask(home, command).await {
            Answer::Pushed { task_id, targets } => {
                self.vendors
                    .hand_over_list(&self.asker, &self.app, &task_id, &targets);
                Ok((task_id, targets))
            }
            other => Err(Fault::of_answer(&other)),
        }
    }
}
