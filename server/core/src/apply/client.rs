//! What third parties say of clients: tags, the black list, badges, tokens of vendor channels.

use protocol::ClientId;
use schema::record::{ClientTags, Device, Profile};

use super::Step;
use crate::command::Answer;
use crate::group::Badge;
use crate::ids::AppNo;
use crate::keys;
use crate::limits::{TAGS_LEN_MAX, TAGS_TEXT_LEN_MAX};
use crate::op::Committed;
use crate::rows::{Keyspace, Rows, RowsError};

impl<R: Rows> Step<'_, R> {
    /// The registration of a client, if it is of this app.
    pub(super) fn device(&self, app: AppNo, cid: ClientId) -> Result<Option<Device>, RowsError> {
        let key = keys::client(cid);
        let device = self.rows.row(Keyspace::Reg, &key, Device::decode)?;
        Ok(device.filter(|device| device.app == app.0))
    }

    pub(super) fn tags(&self, cid: ClientId) -> Result<Vec<String>, RowsError> {
        let key = keys::client(cid);
        let row = self
            .rows
            .row(Keyspace::ClientTags, &key, ClientTags::decode)?;
        Ok(row.unwrap_or_default().tags)
    }

    pub(super) fn write_tags(&mut self, cid: ClientId, tags: Vec<String>) {
        let key = keys::client(cid);
        let writes = &mut self.rows.writes;
        if tags.is_empty() {
            writes.delete(Keyspace::ClientTags, key);
        } else {
            writes.put(Keyspace::ClientTags, key, ClientTags { tags }.encode());
        }
    }

    pub(super) fn set_tags(
        &mut self,
        app: AppNo,
        cid: ClientId,
        tags: &[Box<str>],
    ) -> Result<Answer, RowsError> {
        if self.device(app, cid)?.is_none() {
            return Ok(Answer::TargetInvalid);
        }
        let mut new: Vec<String> = tags.iter().map(|tag| tag.to_string()).collect();
        new.sort_unstable();
        new.dedup();
        let old = self.tags(cid)?;
        let told = |tag: &String, has| Committed::Tagged {
            cid,
            tag: tag.as_str().into(),
            has,
        };
        for tag in old.iter().filter(|tag| !new.contains(tag)) {
            self.tell_owner(cid, told(tag, false));
        }
        for tag in new.iter().filter(|tag| !old.contains(tag)) {
            self.tell_owner(cid, told(tag, true));
        }
        self.write_tags(cid, new);
        Ok(Answer::Done)
    }

    pub(super) fn change_tag(
        &mut self,
        app: AppNo,
        tag: &str,
        cids: &[ClientId],
        add: bool,
    ) -> Result<Answer, RowsError> {
        let mut changed = Vec::with_capacity(cids.len());
        for cid in cids {
            changed.push((*cid, self.change_one_tag(app, tag, *cid, add)?));
        }
        Ok(Answer::Changed(changed))
    }

    fn change_one_tag(
        &mut self,
        app: AppNo,
        tag: &str,
        cid: ClientId,
        add: bool,
    ) -> Result<bool, RowsError> {
        if self.device(app, cid)?.is_none() {
            return Ok(false);
        }
        let mut tags = self.tags(cid)?;
        match (tags.iter().position(|old| old == tag), add) {
            (Some(_), true) => return Ok(true),
            (None, false) => return Ok(false),
            (Some(at), false) => {
                tags.remove(at);
            }
            (None, true) => {
                let chars: usize = tags.iter().map(|tag| tag.chars().count()).sum();
                let full =
                    tags.len() >= TAGS_LEN_MAX || chars + tag.chars().count() > TAGS_TEXT_LEN_MAX;
                if full {
                    return Ok(false);
                }
                tags.push(tag.to_owned());
                tags.sort_unstable();
            }
        }
        let tagged = Committed::Tagged {
            cid,
            tag: tag.into(),
            has: add,
        };
        self.tell_owner(cid, tagged);
        self.write_tags(cid, tags);
        Ok(true)
    }

    pub(super) fn block(
        &mut self,
        app: AppNo,
        cids: &[ClientId],
        blocked: bool,
    ) -> Result<Answer, RowsError> {
        let mut devices = Vec::with_capacity(cids.len());
        for cid in cids {
            match self.device(app, *cid)? {
                Some(device) => devices.push((*cid, device)),
                None => return Ok(Answer::TargetInvalid),
            }
        }
        for (cid, mut device) in devices {
            device.blocked = blocked;
            let muted = device.push_off || device.blocked;
            self.rows
                .writes
                .put(Keyspace::Reg, keys::client(cid), device.encode());
            self.tell_owner(cid, Committed::Muted { cid, muted });
        }
        Ok(Answer::Done)
    }

    /// Whether all of these clients are of this app.
    pub(super) fn all_of(
        &self,
        app: AppNo,
        cids: impl Iterator<Item = ClientId>,
    ) -> Result<bool, RowsError> {
        for cid in cids {
            if self.device(app, cid)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn change_profile(
        &mut self,
        cid: ClientId,
        change: impl FnOnce(&mut Profile),
    ) -> Result<(), RowsError> {
        let key = keys::client(cid);
        let row = self.rows.row(Keyspace::Profile, &key, Profile::decode)?;
        let mut profile = row.unwrap_or_default();
        change(&mut profile);
        self.rows
            .writes
            .put(Keyspace::Profile, key, profile.encode());
        Ok(())
    }

    pub(super) fn set_badge(
        &mut self,
        app: AppNo,
        cids: &[ClientId],
        badge: Badge,
    ) -> Result<Answer, RowsError> {
        if !self.all_of(app, cids.iter().copied())? {
            return Ok(Answer::TargetInvalid);
        }
        for cid in cids {
            self.change_profile(*cid, |profile| {
                profile.badge = match badge {
                    Badge::To(number) => number.max(0),
                    Badge::By(change) => profile.badge.saturating_add(change).max(0),
                };
            })?;
        }
        Ok(Answer::Done)
    }

    pub(super) fn bind_tokens(
        &mut self,
        app: AppNo,
        kind: &str,
        tokens: &[(ClientId, Box<str>)],
    ) -> Result<Answer, RowsError> {
        if !self.all_of(app, tokens.iter().map(|(cid, _)| *cid))? {
            return Ok(Answer::TargetInvalid);
        }
        for (cid, token) in tokens {
            self.change_profile(*cid, |profile| {
                profile.device_token = token.to_string();
                profile.token_kind = if token.is_empty() {
                    String::new()
                } else {
                    kind.to_owned()
                };
            })?;
        }
        Ok(Answer::Done)
    }
}
