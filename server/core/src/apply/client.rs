//! What devices and third parties say of clients: tags, switches, badges, tokens of vendor channels, facts.

use protocol::{ClientId, NotificationSwitch};
use schema::record::{ClientTags, Device, Profile, SilentHours};

use super::Step;
use crate::command::Answer;
use crate::devices::Switches;
use crate::group::Badge;
use crate::ids::AppNo;
use crate::keys;
use crate::limits::{OTHER_TOKENS_BYTES_MAX, TAGS_LEN_MAX, TAGS_TEXT_LEN_MAX};
use crate::op::{Committed, Facts};
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
            self.write_device(cid, &device);
        }
        Ok(Answer::Done)
    }

    /// Writes a device that is switched otherwise than before.
    fn write_device(&mut self, cid: ClientId, device: &Device) {
        let key = keys::client(cid);
        self.rows.writes.put(Keyspace::Reg, key, device.encode());
        let switches = Switches::of(device);
        self.tell_owner(cid, Committed::Switched { cid, switches });
    }

    pub(super) fn switch_push(
        &mut self,
        app: AppNo,
        cid: ClientId,
        on: bool,
    ) -> Result<Answer, RowsError> {
        let Some(mut device) = self.device(app, cid)? else {
            return Ok(Answer::TargetInvalid);
        };
        device.push_off = !on;
        self.write_device(cid, &device);
        Ok(Answer::Done)
    }

    pub(super) fn describe(
        &mut self,
        app: AppNo,
        cid: ClientId,
        facts: &Facts,
    ) -> Result<Answer, RowsError> {
        let Some(mut device) = self.device(app, cid)? else {
            return Ok(Answer::TargetInvalid);
        };
        match facts {
            Facts::Info(info) => {
                let notify_off = info.notifications == NotificationSwitch::Off;
                if device.notify_off != notify_off {
                    device.notify_off = notify_off;
                    self.write_device(cid, &device);
                }
                self.change_profile(cid, |profile| {
                    profile.brand.clone_from(&info.brand);
                    profile.model.clone_from(&info.model);
                    profile.os_version.clone_from(&info.os_version);
                    profile.package.clone_from(&info.package);
                    profile.app_version.clone_from(&info.app_version);
                })?;
            }
            Facts::Silent(silent) => self.change_profile(cid, |profile| {
                profile.silent = SilentHours {
                    begin_hour: silent.begin_hour,
                    hours: silent.hours,
                    zone_min: silent.zone_min,
                };
            })?,
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
            self.change_profile(*cid, |profile| set_token(profile, kind, token))?;
        }
        Ok(Answer::Done)
    }
}

/// The token that is told last is the one that stands first. An empty one is forgotten, and the
/// one that was told before it takes its place.
fn set_token(profile: &mut Profile, kind: &str, token: &str) {
    let mut tokens = std::mem::take(&mut profile.other_tokens);
    if !profile.device_token.is_empty() {
        let kind = std::mem::take(&mut profile.token_kind);
        tokens.push((kind, std::mem::take(&mut profile.device_token)));
    }
    tokens.retain(|(other, _)| other != kind);
    if !token.is_empty() {
        tokens.push((kind.to_owned(), token.to_owned()));
    }
    (profile.token_kind, profile.device_token) = tokens.pop().unwrap_or_default();
    let len = |(kind, token): &(String, String)| kind.len() + token.len();
    let mut kept: usize = tokens.iter().map(len).sum();
    while kept > OTHER_TOKENS_BYTES_MAX {
        kept -= len(&tokens.remove(0));
    }
    profile.other_tokens = tokens;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(profile: &Profile) -> Vec<(&str, &str)> {
        let others = profile.other_tokens.iter();
        let others = others.map(|(kind, token)| (kind.as_str(), token.as_str()));
        let first = (profile.token_kind.as_str(), profile.device_token.as_str());
        others.chain([first]).collect()
    }

    #[test]
    fn given_tokens_of_several_channels_when_told_should_keep_each_once_and_the_last_first() {
        let mut profile = Profile::default();
        for (kind, token) in [("apns", "a"), ("voip", "v"), ("apns", "b"), ("live", "l")] {
            set_token(&mut profile, kind, token);
        }
        assert_eq!(
            told(&profile),
            [("voip", "v"), ("apns", "b"), ("live", "l")]
        );
        set_token(&mut profile, "live", "");
        assert_eq!(told(&profile), [("voip", "v"), ("apns", "b")]);
        set_token(&mut profile, "voip", "");
        set_token(&mut profile, "apns", "");
        assert_eq!(profile, Profile::default());
    }

    #[test]
    fn given_more_tokens_than_are_kept_when_told_should_drop_the_oldest() {
        let mut profile = Profile::default();
        let token = "t".repeat(OTHER_TOKENS_BYTES_MAX / 2 - 1);
        for kind in ["1", "2", "3", "4"] {
            set_token(&mut profile, kind, &token);
        }
        let kinds: Vec<&str> = told(&profile).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["2", "3", "4"]);
    }

    #[test]
    fn given_a_token_that_needs_the_room_of_two_when_told_should_drop_both() {
        let mut profile = Profile::default();
        for (kind, len) in [("a", 100), ("b", 100), ("c", 450), ("d", 1)] {
            set_token(&mut profile, kind, &"t".repeat(len));
        }
        let kinds: Vec<&str> = told(&profile).into_iter().map(|(kind, _)| kind).collect();
        assert_eq!(kinds, ["c", "d"]);
    }

    #[test]
    fn given_tokens_with_long_kinds_when_told_should_count_kind_and_token() {
        let kinds = ["channel1", "channel2", "channel3"];
        for (room, kept) in [(0, 3), (1, 2)] {
            let mut profile = Profile::default();
            for kind in kinds {
                let token = "t".repeat(OTHER_TOKENS_BYTES_MAX / 2 - kind.len() + room);
                set_token(&mut profile, kind, &token);
            }
            assert_eq!(told(&profile).len(), kept, "{room} bytes too many");
        }
    }
}
