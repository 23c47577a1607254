//! How pushes would reach CIDs, by the word of the shards that own them.
//!
//! Always: CIDs that do not exist in the app are left out; one shard that is busy makes the whole
//! question busy.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use protocol::ClientId;
use server_core::command::{Answer, Command, Reach};
use server_core::group::TagTerm;
use server_core::ids::AppNo;

use super::alias_name::alias_name;
use super::audience::AliasTarget;
use super::fault::Fault;
use super::owners;
use super::parameter::ParameterError;
use crate::ask::Asker;

/// Targets of a push, each with what its owner says of it.
pub(super) type Targets = Vec<(ClientId, Reach)>;

/// The CIDs behind an alias, oldest binding first.
///
/// # Errors
/// A shard that is busy.
pub(super) async fn of_alias(
    asker: &Asker,
    app: AppNo,
    AliasTarget { alias_type, alias }: AliasTarget,
) -> Result<Vec<ClientId>, Fault> {
    let home = asker.home(&alias_name(app, &alias_type, &alias));
    let command = Command::CidsOfAlias {
        app,
        alias_type,
        alias,
    };
    match asker.ask(home, command).await {
        Answer::Cids(cids) => Ok(cids),
        other => Err(Fault::of_answer(&other)),
    }
}

/// The CIDs that exist, in the order given.
///
/// # Errors
/// None of them exists; a shard that is busy.
pub(super) async fn targets(
    asker: &Rc<Asker>,
    app: AppNo,
    cids: &[ClientId],
) -> Result<Targets, Fault> {
    let mut reaches: HashMap<ClientId, Reach> = HashMap::new();
    for answer in owners::ask_each(asker, cids, |cids| Command::Probe { app, cids }).await? {
        match answer {
            Answer::Reached(reached) => reaches.extend(reached),
            other => return Err(Fault::of_answer(&other)),
        }
    }
    let targets: Targets = cids
        .iter()
        .filter_map(|cid| Some((*cid, *reaches.get(cid)?)))
        .collect();
    if targets.is_empty() {
        return Err(ParameterError::Target.into());
    }
    Ok(targets)
}

/// The CIDs that exist, in the order given. Those whose tags are not as their term says take no
/// push of it.
///
/// # Errors
/// As [`targets`].
pub(super) async fn targets_by_tag(
    asker: &Rc<Asker>,
    app: AppNo,
    terms: Vec<(ClientId, TagTerm)>,
) -> Result<Targets, Fault> {
    let cids: Vec<ClientId> = terms.iter().map(|(cid, _)| *cid).collect();
    let mut targets = targets(asker, app, &cids).await?;
    let terms: HashMap<ClientId, TagTerm> = terms.into_iter().collect();
    let known: Vec<ClientId> = targets.iter().map(|(cid, _)| *cid).collect();
    let command = |cids: Vec<ClientId>| Command::MatchTags {
        app,
        terms: cids
            .into_iter()
            .map(|cid| (cid, terms[&cid].clone()))
            .collect(),
    };
    let mut matching: HashSet<ClientId> = HashSet::new();
    for answer in owners::ask_each(asker, &known, command).await? {
        match answer {
            Answer::Cids(cids) => matching.extend(cids),
            other => return Err(Fault::of_answer(&other)),
        }
    }
    for (cid, reach) in &mut targets {
        if !matching.contains(cid) {
            *reach = Reach::Filtered;
        }
    }
    Ok(targets)
}
