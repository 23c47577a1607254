//! What a device or its third party told of it beyond its registration.
//!
//! Owner: the commit; the key holds the CID. Always: a token never reaches a log through `Debug`.

use std::fmt;

use crate::SchemaError;
use crate::generated::record as fb;
use crate::limits::SMALL_RECORD_LEN_MAX;
use crate::root::Shape;

const PROFILE: Shape = Shape {
    what: "Profile",
    len_max: SMALL_RECORD_LEN_MAX,
};

/// See the module page. Texts are empty where nothing is known.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The number on the app's icon.
    pub badge: i32,
    /// The token of a vendor channel that was told last; empty for none.
    pub device_token: String,
    /// Which channel that is.
    pub token_kind: String,
    /// Who made the phone.
    pub brand: String,
    /// What its maker calls it.
    pub model: String,
    /// The version of its system.
    pub os_version: String,
    /// What the system calls the app.
    pub package: String,
    /// The version of the app.
    pub app_version: String,
    /// When the device stays away.
    pub silent: SilentHours,
    /// Channels with their tokens that were told before, the oldest first.
    pub other_tokens: Vec<(String, String)>,
}

/// Hours of a device's day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SilentHours {
    /// The first, 0 to 23.
    pub begin_hour: u8,
    /// How many, 0 to 23; 0 for none.
    pub hours: u8,
    /// Where the day is: minutes east of UTC.
    pub zone_min: i16,
}

impl Profile {
    /// The value to store.
    pub fn encode(&self) -> Vec<u8> {
        PROFILE.build(|builder| {
            let device_token = builder.create_string(&self.device_token);
            let token_kind = builder.create_string(&self.token_kind);
            let mut text = |text: &String| (!text.is_empty()).then(|| builder.create_string(text));
            let brand = text(&self.brand);
            let model = text(&self.model);
            let os_version = text(&self.os_version);
            let package = text(&self.package);
            let app_version = text(&self.app_version);
            let mut texts = |of: fn(&(String, String)) -> &String| {
                let list = &self.other_tokens;
                (!list.is_empty()).then(|| {
                    let offsets: Vec<_> = list
                        .iter()
                        .map(|token| builder.create_string(of(token)))
                        .collect();
                    builder.create_vector(&offsets)
                })
            };
            let other_kinds = texts(|(kind, _)| kind);
            let other_tokens = texts(|(_, token)| token);
            fb::Profile::create(
                builder,
                &fb::ProfileArgs {
                    badge: self.badge,
                    device_token: Some(device_token),
                    token_kind: Some(token_kind),
                    brand,
                    model,
                    os_version,
                    package,
                    app_version,
                    silent_begin_hour: self.silent.begin_hour,
                    silent_hours: self.silent.hours,
                    silent_zone_min: self.silent.zone_min,
                    other_kinds,
                    other_tokens,
                },
            )
        })
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// Longer than [`SMALL_RECORD_LEN_MAX`], or not a verified `Profile`.
    pub fn decode(bytes: &[u8]) -> Result<Profile, SchemaError> {
        let row = PROFILE.open::<fb::Profile>(bytes)?;
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let kinds = row.other_kinds().into_iter().flatten();
        let tokens = row.other_tokens().into_iter().flatten();
        Ok(Profile {
            badge: row.badge(),
            device_token: row.device_token().to_owned(),
            token_kind: row.token_kind().to_owned(),
            brand: text(row.brand()),
            model: text(row.model()),
            os_version: text(row.os_version()),
            package: text(row.package()),
            app_version: text(row.app_version()),
            silent: SilentHours {
                begin_hour: row.silent_begin_hour(),
                hours: row.silent_hours(),
                zone_min: row.silent_zone_min(),
            },
            other_tokens: kinds
                .zip(tokens)
                .map(|(kind, token)| (kind.to_owned(), token.to_owned()))
                .collect(),
        })
    }
}

impl fmt::Debug for Profile {
    /// A token lets its holder push: only its length is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("badge", &self.badge)
            .field("device_token_len", &self.device_token.len())
            .field("token_kind", &self.token_kind)
            .field("other_tokens", &self.other_tokens.len())
            .field("brand", &self.brand)
            .field("model", &self.model)
            .field("os_version", &self.os_version)
            .field("package", &self.package)
            .field("app_version", &self.app_version)
            .field("silent", &self.silent)
            .finish()
    }
}
