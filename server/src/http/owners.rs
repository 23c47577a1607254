//! One question to several shards, all at the same time: to those that own some CIDs, or to all.
//!
//! Always: each shard gets one command with only its own CIDs; one shard that is busy makes the
//! whole question busy, since half an answer would look like unknown CIDs.

use std::collections::BTreeMap;
use std::rc::Rc;

use protocol::ClientId;
use server_core::command::{Answer, Command};
use server_core::ids::ShardNo;
use tokio::task::JoinSet;

use super::fault::Fault;
use crate::ask::Asker;

/// The answers of all owners, in no order.
///
/// # Errors
/// [`Fault::Busy`] if an owner did not answer.
pub(super) async fn ask_each(
    asker: &Rc<Asker>,
    cids: &[ClientId],
    command: impl Fn(Vec<ClientId>) -> Command,
) -> Result<Vec<Answer>, Fault> {
    let mut groups: BTreeMap<ShardNo, Vec<ClientId>> = BTreeMap::new();
    for cid in cids {
        groups.entry(asker.owner(*cid)).or_default().push(*cid);
    }
    let commands = groups.into_iter();
    ask_all(asker, commands.map(|(shard, cids)| (shard, command(cids)))).await
}

/// The answers of all shards there are, in no order.
///
/// # Errors
/// [`Fault::Busy`] if one did not answer.
pub(super) async fn ask_every(
    asker: &Rc<Asker>,
    command: impl Fn() -> Command,
) -> Result<Vec<Answer>, Fault> {
    let shards = (0..asker.shard_count()).map(ShardNo);
    ask_all(asker, shards.map(|shard| (shard, command()))).await
}

async fn ask_all(
    asker: &Rc<Asker>,
    commands: impl Iterator<Item = (ShardNo, Command)>,
) -> Result<Vec<Answer>, Fault> {
    let mut asked = JoinSet::new();
    for (shard, command) in commands {
        let asker = Rc::clone(asker);
        asked.spawn_local(async move { asker.ask(shard, command).await });
    }
    let mut answers = Vec::with_capacity(asked.len());
    while let Some(answer) = asked.join_next().await {
        // A task of ours ends early only if it panicked, and the panic was reported there.
        answers.push(answer.map_err(|_| Fault::Busy)?);
    }
    Ok(answers)
}
