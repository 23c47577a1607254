//! What an operator sets about one app.
//!
//! Owner: the [`App`](super::App) it stands in. Always: [`AppSettings::default`] is what an app has whose row says
//! nothing; the secret of the callbacks never reaches a log through `Debug`.

use std::fmt;

use flatbuffers::{FlatBufferBuilder, ForwardsUOffset, Vector, WIPOffset};

use crate::generated::record as fb;

/// See the module page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppSettings {
    /// Who may register.
    pub registration: Registration,
    /// Whether devices bind aliases and tags themselves; `None`: as the server is set.
    pub devices_may_bind: Option<bool>,
    /// Where receipts go.
    pub callback: Callback,
    /// From where third parties may call.
    pub http: AddressTexts,
    /// From where devices may connect.
    pub device: AddressTexts,
    /// How often it may call.
    pub quotas: Quotas,
    /// What may wait for one of its devices that is offline.
    pub offline: OfflineLimits,
    /// How often one of its devices may change things.
    pub device_quotas: DeviceQuotas,
}

/// Who may register a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    /// Whoever knows the AppID.
    #[default]
    Open,
    /// Whoever proves that it knows the AppSecret.
    Signed,
    /// Nobody; devices that are registered go on.
    Closed,
}

/// Where receipts go; all of it may be absent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Callback {
    /// The URL of the third party.
    pub url: Option<String>,
    /// The name of the way in which they are sent.
    pub mode: Option<String>,
    /// What they are signed with.
    pub secret: Option<String>,
}

/// Addresses and networks as the operator wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressTexts {
    /// If there are any, no others.
    pub allow: Vec<String>,
    /// Never these.
    pub deny: Vec<String>,
}

/// What may wait for one device that is offline; 0 is without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfflineLimits {
    /// Messages.
    pub len_max: u32,
    /// Bytes of their rows.
    pub bytes_max: u64,
}

/// How often one device may change things; 0 is as often as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceQuotas {
    /// Sets of tags in a day.
    pub tags_per_day: u32,
    /// Aliases bound or unbound in a day.
    pub aliases_per_day: u32,
    /// Seconds between two changes of aliases.
    pub alias_pause_s: u32,
}

/// How often an app may call, by the kind of call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Tokens given.
    pub auth: Rate,
    /// Pushes to one.
    pub single: Rate,
    /// Pushes to lists.
    pub list: Rate,
    /// Pushes to the whole app or a part of it.
    pub app: Rate,
    /// Changes of tags.
    pub tags: Rate,
}

/// Calls in a time; 0 is without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// In a minute.
    pub per_minute: u32,
    /// In a day.
    pub per_day: u32,
}

impl Registration {
    fn number(self) -> u8 {
        match self {
            Registration::Open => 0,
            Registration::Signed => 1,
            Registration::Closed => 2,
        }
    }

    /// A number that a later version wrote is more than we know, so nobody is let in by it.
    fn of_number(number: u8) -> Self {
        match number {
            0 => Registration::Open,
            1 => Registration::Signed,
            _ => Registration::Closed,
        }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("url", &self.url)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

type TextsOffset<'b> = WIPOffset<Vector<'b, ForwardsUOffset<&'b str>>>;

/// Empty lists take no room.
fn texts<'b>(builder: &mut FlatBufferBuilder<'b>, list: &[String]) -> Option<TextsOffset<'b>> {
    if list.is_empty() {
        return None;
    }
    let offsets: Vec<_> = list
        .iter()
        .map(|text| builder.create_string(text))
        .collect();
    Some(builder.create_vector(&offsets))
}

fn read_texts(vector: Option<Vector<'_, ForwardsUOffset<&str>>>) -> Vec<String> {
    vector.map_or_else(Vec::new, |texts| texts.iter().map(str::to_owned).collect())
}

impl AppSettings {
    /// Fills in its part of the table.
    pub(super) fn write<'b>(
        &self,
        builder: &mut FlatBufferBuilder<'b>,
        app: fb::AppArgs<'b>,
    ) -> fb::AppArgs<'b> {
        let mut text =
            |text: &Option<String>| text.as_ref().map(|text| builder.create_string(text));
        let callback_url = text(&self.callback.url);
        let callback_mode = text(&self.callback.mode);
        let callback_secret = text(&self.callback.secret);
        let quotas = &self.quotas;
        fb::AppArgs {
            registration: self.registration.number(),
            devices_may_bind: self.devices_may_bind,
            callback_url,
            callback_mode,
            callback_secret,
            http_allow: texts(builder, &self.http.allow),
            http_deny: texts(builder, &self.http.deny),
            device_allow: texts(builder, &self.device.allow),
            device_deny: texts(builder, &self.device.deny),
            auth_per_minute: quotas.auth.per_minute,
            auth_per_day: quotas.auth.per_day,
            single_per_minute: quotas.single.per_minute,
            single_per_day: quotas.single.per_day,
            list_per_minute: quotas.list.per_minute,
            list_per_day: quotas.list.per_day,
            app_per_minute: quotas.app.per_minute,
            app_per_day: quotas.app.per_day,
            tags_per_minute: quotas.tags.per_minute,
            tags_per_day: quotas.tags.per_day,
            offline_len_max: self.offline.len_max,
            offline_bytes_max: self.offline.bytes_max,
            device_tags_per_day: self.device_quotas.tags_per_day,
            device_aliases_per_day: self.device_quotas.aliases_per_day,
            device_alias_pause_s: self.device_quotas.alias_pause_s,
            ..app
        }
    }

    /// Reads its part of a verified table.
    pub(super) fn read(app: &fb::App<'_>) -> AppSettings {
        let rate = |per_minute, per_day| Rate {
            per_minute,
            per_day,
        };
        AppSettings {
            registration: Registration::of_number(app.registration()),
            devices_may_bind: app.devices_may_bind(),
            callback: Callback {
                url: app.callback_url().map(str::to_owned),
                mode: app.callback_mode().map(str::to_owned),
                secret: app.callback_secret().map(str::to_owned),
            },
            http: AddressTexts {
                allow: read_texts(app.http_allow()),
                deny: read_texts(app.http_deny()),
            },
            device: AddressTexts {
                allow: read_texts(app.device_allow()),
                deny: read_texts(app.device_deny()),
            },
            quotas: Quotas {
                auth: rate(app.auth_per_minute(), app.auth_per_day()),
                single: rate(app.single_per_minute(), app.single_per_day()),
                list: rate(app.list_per_minute(), app.list_per_day()),
                app: rate(app.app_per_minute(), app.app_per_day()),
                tags: rate(app.tags_per_minute(), app.tags_per_day()),
            },
            offline: OfflineLimits {
                len_max: app.offline_len_max(),
                bytes_max: app.offline_bytes_max(),
            },
            device_quotas: DeviceQuotas {
                tags_per_day: app.device_tags_per_day(),
                aliases_per_day: app.device_aliases_per_day(),
                alias_pause_s: app.device_alias_pause_s(),
            },
        }
    }
}
