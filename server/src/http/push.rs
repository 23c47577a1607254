//! `push/single/cid` and `push/single/alias`: a request becomes one task for its targets.
//!
//! Always: success is answered only when the owner of the decision said `Pushed`, which it says
//! when the record is durable. A repeated request id brings the first answer back.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use protocol::ClientId;
use schema::record::App;
use server_core::command::{Answer, Command, Reach};
use server_core::ids::AppNo;

use super::alias_name::alias_name;
use super::audience::{self, AliasTarget};
use super::envelope::Reply;
use super::fault::Fault;
use super::owners;
use super::parameter::ParameterError;
use super::push_request::PushRequest;
use crate::ask::Asker;

/// `POST /push/single/cid`.
///
/// # Errors
/// A bad body; an unknown CID; a shard that is busy.
pub(super) async fn single_cid(
    asker: &Asker,
    app: &App,
    bytes: &[u8],
    now_ms: u64,
) -> Result<Reply, Fault> {
    let request = PushRequest::read(bytes)?;
    let cid = audience::single_cid(request.audience)?;
    let push = request.into_push(now_ms);
    accepted(
        asker
            .ask(
                asker.owner(cid),
                Command::PushSingle {
                    app: AppNo(app.number),
                    cid,
                    push,
                },
            )
            .await,
    )
}

/// `POST /push/single/alias`.
///
/// # Errors
/// A bad body; an alias that nobody has; a shard that is busy.
pub(super) async fn single_alias(
    asker: &Rc<Asker>,
    app: &App,
    bytes: &[u8],
    now_ms: u64,
) -> Result<Reply, Fault> {
    let request = PushRequest::read(bytes)?;
    let target = audience::single_alias(request.audience)?;
    let push = request.into_push(now_ms);
    let targets = reach_alias(asker, AppNo(app.number), target).await?;
    // The home of the request id decides, so that two repeats on two connections meet.
    let home = asker.home(&[app.app_id.as_bytes(), push.request_id.as_bytes()].concat());
    accepted(
        asker
            .ask(
                home,
                Command::PushMany {
                    app: AppNo(app.number),
                    targets,
                    push,
                },
            )
            .await,
    )
}

/// The CIDs behind an alias, oldest binding first, each with what its owner says of it.
async fn reach_alias(
    asker: &Rc<Asker>,
    app: AppNo,
    AliasTarget { alias_type, alias }: AliasTarget,
) -> Result<Vec<(ClientId, Reach)>, Fault> {
    let home = asker.home(&alias_name(app, &alias_type, &alias));
    let cids = match asker
        .ask(
            home,
            Command::CidsOfAlias {
                app,
                alias_type,
                alias,
            },
        )
        .await
    {
        Answer::Cids(cids) => cids,
        other => return Err(Fault::of_answer(&other)),
    };
    let mut reaches: HashMap<ClientId, Reach> = HashMap::new();
    for answer in owners::ask_each(asker, &cids, |cids| Command::Probe { app, cids }).await? {
        match answer {
            Answer::Reached(reached) => reaches.extend(reached),
            other => return Err(Fault::of_answer(&other)),
        }
    }
    let targets: Vec<_> = cids
        .iter()
        .filter_map(|cid| Some((*cid, *reaches.get(cid)?)))
        .collect();
    if targets.is_empty() {
        return Err(ParameterError::Target.into());
    }
    Ok(targets)
}

/// `{taskid: {cid: word}}`.
fn accepted(answer: Answer) -> Result<Reply, Fault> {
    let Answer::Pushed { task_id, targets } = answer else {
        return Err(Fault::of_answer(&answer));
    };
    let words: BTreeMap<String, &str> = targets
        .iter()
        .map(|(cid, status)| (cid.to_string(), status.word()))
        .collect();
    Ok(Reply::data(&BTreeMap::from([(task_id, words)])))
}
