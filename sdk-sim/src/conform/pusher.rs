//! Who pushes, for the checks that need a message on its way.
//!
//! Owner: one check. Always: it is the HTTP API of Ringpost; a server without it is not wrong, the
//! check is skipped.

use protocol::ClientId;

use super::problem::Problem;
use super::target::Target;
use crate::third_party::{BlockingThirdParty, Credentials, Push, PushBody};

/// A third party of the app.
pub(super) struct Pusher {
    client: BlockingThirdParty,
}

impl Pusher {
    /// A third party that has a token.
    pub(super) fn of(target: &Target) -> Result<Self, Problem> {
        let Some((url, credentials)) = &target.http else {
            let why = "needs pushes: the bootstrap file has no http, app.appkey and mastersecret";
            return Err(Problem::skipped(why));
        };
        let credentials: Credentials = credentials.clone();
        let client = BlockingThirdParty::new(url, credentials)?;
        client.authenticate()?;
        Ok(Self { client })
    }

    /// Pushes a text to one device; returns the task.
    pub(super) fn push(&self, cid: ClientId, text: &str) -> Result<String, Problem> {
        let push = Push::new(PushBody::Transmission(text.to_owned()))?;
        let accepted = self.client.push_single_cid(&cid.to_string(), &push)?;
        Ok(accepted.task_id)
    }

    /// Pushes so many texts to one device, one after the other.
    pub(super) fn push_many(&self, cid: ClientId, count: usize) -> Result<(), Problem> {
        (0..count).try_for_each(|number| self.push(cid, &format!("text {number}")).map(drop))
    }

    /// Pushes a text that may wait for so long; returns the task.
    pub(super) fn push_for(&self, cid: ClientId, ttl_ms: i64) -> Result<String, Problem> {
        let push = Push {
            ttl_ms: Some(ttl_ms),
            ..Push::new(PushBody::Transmission("for a while".to_owned()))?
        };
        let accepted = self.client.push_single_cid(&cid.to_string(), &push)?;
        Ok(accepted.task_id)
    }

    /// Gives one device a tag.
    pub(super) fn tag(&self, cid: ClientId, tag: &str) -> Result<(), Problem> {
        Ok(self.client.tag(tag, &[cid.to_string()])?)
    }

    /// Pushes a text to all devices with a tag.
    pub(super) fn push_to_tag(&self, tag: &str) -> Result<(), Problem> {
        let push = Push::new(PushBody::Transmission("to many".to_owned()))?;
        self.client.push_tag(tag, &push)?;
        Ok(())
    }

    /// Pushes a text to an alias; returns the client ids it names, sorted.
    pub(super) fn clients_of_alias(&self, alias: &str) -> Result<Vec<String>, Problem> {
        let push = Push::new(PushBody::Transmission("to an alias".to_owned()))?;
        let accepted = self.client.push_single_alias(alias, &push)?;
        Ok(accepted.targets.into_keys().collect())
    }
}
