//! `push/single/…`: a request becomes one task for its targets, alone or in a batch.
//!
//! Always: success is answered only when the owner of the decision said `Pushed`, which it says
//! when the record is durable. A repeated request id brings the first answer back.

use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::ClientId;
use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command, Push, TargetStatus};
use server_core::group::TagTerm;
use server_core::ids::{AppNo, ShardNo};

use super::abreast::abreast;
use super::audience::{self, AliasTarget};
use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, Member, object};
use super::parameter::ParameterError;
use super::push_request::{PushRequest, RawRequest};
use super::reach;
use super::vendor_desk::{Offer, VendorDesk};
use crate::ask::Asker;
use crate::limits::API_BATCH_LEN_MAX;

/// Who pushes, and what a push needs.
#[derive(Debug, Clone)]
pub(super) struct Pusher {
    pub(super) asker: Rc<Asker>,
    pub(super) vendors: Rc<VendorDesk>,
    pub(super) app: Rc<App>,
    /// The time of the request.
    pub(super) now_ms: u64,
}

/// What kind of target a single push names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// `audience.cid`.
    Cid,
    /// `audience.alias`.
    Alias,
    /// `audience.cid_by_tag`.
    ByTag,
}

enum Target {
    Cid(ClientId),
    Alias(AliasTarget),
    ByTag(ClientId, TagTerm),
}

/// A single push whose form is right.
struct Single {
    target: Target,
    push: Push,
    offer: Option<Offer>,
}

object! {
    /// The body of a batch.
    RawBatch { is_async, msg_list }
}

/// `{taskid: {cid: word}}`.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Words(BTreeMap<Box<str>, BTreeMap<String, &'static str>>);

impl Words {
    /// Adds the words of a task.
    pub(super) fn add(&mut self, task_id: Box<str>, targets: &[(ClientId, TargetStatus)]) {
        let words = targets
            .iter()
            .map(|(cid, status)| (cid.to_string(), status.word()));
        self.0.entry(task_id).or_default().extend(words);
    }
}

/// `POST /push/single/cid`, `…/alias` and `…/cid_by_tag`.
///
/// # Errors
/// A bad body; an unknown CID, or an alias that nobody has; a shard that is busy.
pub(super) async fn single(pusher: &Pusher, naming: Naming, bytes: &[u8]) -> Result<Reply, Fault> {
    let single = pusher.read(naming, PushRequest::read(bytes)?)?;
    let mut words = Words::default();
    let (task_id, targets) = pusher.push(single).await?;
    words.add(task_id, &targets);
    Ok(Reply::data(&words))
}

/// `POST /push/single/batch/cid` and `…/alias`: each element is a push of its own, and one that is
/// wrong does not hinder the others.
///
/// # Errors
/// A bad body; no element was right, then the fault of the first; a shard that is busy. After the
/// last some may have been accepted: a repeat gets their first answers.
pub(super) async fn batch(pusher: &Pusher, naming: Naming, bytes: &[u8]) -> Result<Reply, Fault> {
    let raw: RawBatch<'_> = member::body(bytes)?;
    let is_async = raw.is_async.flag("is_async")?;
    let elements = elements(raw.msg_list)?;
    let singles = elements
        .into_iter()
        .map(|element| -> Result<Single, Fault> {
            let field = "msg_list";
            let raw: RawRequest<'_> = element
                .object(field)?
                .ok_or(ParameterError::Null { field })?;
            pusher.read(naming, PushRequest::of(raw)?)
        });
    let results = abreast(singles, |single| {
        let pusher = pusher.clone();
        async move { pusher.push(single?).await }
    })
    .await?;
    let mut words = Words::default();
    let mut first_fault = None;
    for result in results {
        match result {
            Ok((task_id, targets)) => words.add(task_id, &targets),
            // Left out of the answer it would look like an unknown target.
            Err(Fault::Busy) => return Err(Fault::Busy),
            Err(fault) => {
                first_fault.get_or_insert(fault);
            }
        }
    }
    match first_fault {
        Some(fault) if words.0.is_empty() => Err(fault),
        _ if is_async => Ok(Reply::done()),
        _ => Ok(Reply::data(&words)),
    }
}

fn elements(list: Member<'_>) -> Result<Vec<Member<'_>>, ParameterError> {
    let field = "msg_list";
    let elements: Vec<Member<'_>> = list.list(field)?.ok_or(ParameterError::Null { field })?;
    match elements.len() {
        0 => Err(ParameterError::Empty { field }),
        got if got > API_BATCH_LEN_MAX => Err(ParameterError::Size {
            field,
            limit: API_BATCH_LEN_MAX,
            got,
        }),
        _ => Ok(elements),
    }
}

impl Pusher {
    pub(super) fn app_no(&self) -> AppNo {
        AppNo(self.app.number)
    }

    /// The shard that decides about a request id, so that two repeats on two connections meet.
    pub(super) fn home(&self, request_id: &str) -> ShardNo {
        let name = [self.app.app_id.as_bytes(), request_id.as_bytes()].concat();
        self.asker.home(&name)
    }

    fn read(&self, naming: Naming, request: PushRequest<'_>) -> Result<Single, Fault> {
        let target = match naming {
            Naming::Cid => Target::Cid(audience::single_cid(request.audience)?),
            Naming::Alias => Target::Alias(audience::single_alias(request.audience)?),
            Naming::ByTag => {
                let (cid, term) = audience::single_by_tag(request.audience)?;
                Target::ByTag(cid, term)
            }
        };
        Ok(Single {
            target,
            offer: self.vendors.offer(&request),
            push: request.into_push(self.now_ms),
        })
    }

    async fn push(
        &self,
        Single {
            target,
            push,
            offer,
        }: Single,
    ) -> Result<(Box<str>, Vec<(ClientId, TargetStatus)>), Fault> {
        let (asker, app) = (&self.asker, self.app_no());
        let ours = push.task_id.clone();
        let home = self.home(&push.request_id);
        let (shard, command) = match target {
            Target::Cid(cid) => (asker.owner(cid), Command::PushSingle { app, cid, push }),
            Target::Alias(alias) => {
                let cids = reach::of_alias(asker, app, alias).await?;
                let targets = reach::targets(asker, app, &cids).await?;
                (home, Command::PushMany { app, targets, push })
            }
            Target::ByTag(cid, term) => {
                let targets = reach::targets_by_tag(asker, app, vec![(cid, term)]).await?;
                (home, Command::PushMany { app, targets, push })
            }
        };
        match asker.ask(shard, command).await {
            Answer::Pushed { task_id, targets } => {
                // A repeated request id brings an older task back, whose messages were handed over
                // when it was new.
                if let Some(offer) = offer.filter(|_| task_id == ours) {
                    self.vendors
                        .hand_over(&self.asker, &self.app, &task_id, offer, &targets);
                }
                Ok((task_id, targets))
            }
            other => Err(Fault::of_answer(&other)),
        }
    }
}
