//! What can be set about an app, as JSON: `PATCH /admin/v1/apps/{appid}` and what is shown of it.
//!
//! Always: a member that is not known, or not of its kind, is named and nothing is changed; `null` sets what a new app
//! has; every member that is shown can be set, but the secret of the callbacks, of which only is told that there is one.

use hyper::Uri;
use schema::limits::APP_ADDRESSES_MAX;
use schema::record::{App, AppSettings, DeviceQuotas, Quotas, Registration};
use serde::Serialize;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::member;
use crate::addresses::Network;
use crate::limits::{APP_NAME_LEN_MAX, CALLBACK_SECRET_LEN_MAX, CALLBACK_URL_LEN_MAX};

/// How receipts are sent: as Getui does, or in our own signed form.
const CALLBACK_MODES: [&str; 2] = ["getui", "signed"];

/// A member that is refused; the text is the `msg` of the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is invalid: {reason}")]
pub(super) struct SettingError {
    name: String,
    reason: String,
}

fn wants<T>(reason: impl Into<String>) -> Result<T, String> {
    Err(reason.into())
}

/// What is shown of the settings of an app.
#[derive(Debug, Serialize)]
pub(super) struct SettingsView<'a> {
    sign_required: bool,
    registration: &'static str,
    devices_may_bind: Option<bool>,
    callback_url: Option<&'a str>,
    callback_mode: Option<&'a str>,
    callback_secret_set: bool,
    http_allow: &'a [String],
    http_deny: &'a [String],
    device_allow: &'a [String],
    device_deny: &'a [String],
    auth_per_minute: u32,
    auth_per_day: u32,
    single_per_minute: u32,
    single_per_day: u32,
    list_per_minute: u32,
    list_per_day: u32,
    app_per_minute: u32,
    app_per_day: u32,
    tags_per_minute: u32,
    tags_per_day: u32,
    offline_len_max: u32,
    offline_bytes_max: u64,
    device_tags_per_day: u32,
    device_aliases_per_day: u32,
    device_alias_pause_s: u32,
}

impl<'a> From<&'a App> for SettingsView<'a> {
    fn from(app: &'a App) -> Self {
        let settings = &app.settings;
        let quotas = &settings.quotas;
        SettingsView {
            sign_required: app.sign_required,
            registration: word_of(settings.registration),
            devices_may_bind: settings.devices_may_bind,
            callback_url: settings.callback.url.as_deref(),
            callback_mode: settings.callback.mode.as_deref(),
            callback_secret_set: settings.callback.secret.is_some(),
            http_allow: &settings.http.allow,
            http_deny: &settings.http.deny,
            device_allow: &settings.device.allow,
            device_deny: &settings.device.deny,
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
            offline_len_max: settings.offline.len_max,
            offline_bytes_max: settings.offline.bytes_max,
            device_tags_per_day: settings.device_quotas.tags_per_day,
            device_aliases_per_day: settings.device_quotas.aliases_per_day,
            device_alias_pause_s: settings.device_quotas.alias_pause_s,
        }
    }
}

fn word_of(registration: Registration) -> &'static str {
    match registration {
        Registration::Open => "open",
        Registration::Signed => "signed",
        Registration::Closed => "closed",
    }
}

/// The members of a body.
///
/// # Errors
/// [`Fault::NotJson`].
pub(super) fn members(bytes: &[u8]) -> Result<Map<String, Value>, Fault> {
    member::body(bytes)
}

/// The app with these members changed, and the others as they are.
///
/// # Errors
/// The first member that cannot be set.
pub(super) fn changed(app: &App, members: &Map<String, Value>) -> Result<App, SettingError> {
    let mut app = app.clone();
    for (name, value) in members {
        set(&mut app, name, value).map_err(|reason| SettingError {
            // A name can be as long as a body.
            name: name.chars().take(APP_NAME_LEN_MAX).collect(),
            reason,
        })?;
    }
    Ok(app)
}

fn set(app: &mut App, name: &str, value: &Value) -> Result<(), String> {
    let value = (!value.is_null()).then_some(value);
    let AppSettings {
        registration,
        devices_may_bind,
        callback,
        http,
        device,
        quotas,
        offline,
        device_quotas,
    } = &mut *app.settings;
    match name {
        "sign_required" => app.sign_required = value.map(flag).transpose()?.unwrap_or_default(),
        "registration" => *registration = value.map(who).transpose()?.unwrap_or_default(),
        "devices_may_bind" => *devices_may_bind = value.map(flag).transpose()?,
        "callback_url" => callback.url = value.map(url).transpose()?,
        "callback_mode" => callback.mode = value.map(mode).transpose()?,
        "callback_secret" => callback.secret = value.map(secret).transpose()?,
        "offline_len_max" => offline.len_max = value.map(calls).transpose()?.unwrap_or_default(),
        "offline_bytes_max" => {
            offline.bytes_max = value.map(bytes).transpose()?.unwrap_or_default();
        }
        "http_allow" => http.allow = value.map(networks).transpose()?.unwrap_or_default(),
        "http_deny" => http.deny = value.map(networks).transpose()?.unwrap_or_default(),
        "device_allow" => device.allow = value.map(networks).transpose()?.unwrap_or_default(),
        "device_deny" => device.deny = value.map(networks).transpose()?.unwrap_or_default(),
        name => {
            let Some(limit) = limit_of(quotas, device_quotas, name) else {
                return wants("no such setting");
            };
            *limit = value.map(calls).transpose()?.unwrap_or_default();
        }
    }
    Ok(())
}

fn limit_of<'a>(
    quotas: &'a mut Quotas,
    of_devices: &'a mut DeviceQuotas,
    name: &str,
) -> Option<&'a mut u32> {
    Some(match name {
        "auth_per_minute" => &mut quotas.auth.per_minute,
        "auth_per_day" => &mut quotas.auth.per_day,
        "single_per_minute" => &mut quotas.single.per_minute,
        "single_per_day" => &mut quotas.single.per_day,
        "list_per_minute" => &mut quotas.list.per_minute,
        "list_per_day" => &mut quotas.list.per_day,
        "app_per_minute" => &mut quotas.app.per_minute,
        "app_per_day" => &mut quotas.app.per_day,
        "tags_per_minute" => &mut quotas.tags.per_minute,
        "tags_per_day" => &mut quotas.tags.per_day,
        "device_tags_per_day" => &mut of_devices.tags_per_day,
        "device_aliases_per_day" => &mut of_devices.aliases_per_day,
        "device_alias_pause_s" => &mut of_devices.alias_pause_s,
        _ => return None,
    })
}

fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or("want true or false".to_owned())
}

fn who(value: &Value) -> Result<Registration, String> {
    match value.as_str() {
        Some("open") => Ok(Registration::Open),
        Some("signed") => Ok(Registration::Signed),
        Some("closed") => Ok(Registration::Closed),
        _ => wants("want open, signed or closed"),
    }
}

fn calls(value: &Value) -> Result<u32, String> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.ok_or(format!(
        "want a number from 0, without a limit, to {}",
        u32::MAX
    ))
}

fn bytes(value: &Value) -> Result<u64, String> {
    let number = value.as_u64();
    number.ok_or("want a number of bytes, 0 for no limit".to_owned())
}

fn text(value: &Value, len_max: usize) -> Result<String, String> {
    let text = value.as_str().ok_or("want text")?;
    let len = text.chars().count();
    if len == 0 || len > len_max {
        return wants(format!("{len} characters, want 1 to {len_max}"));
    }
    Ok(text.to_owned())
}

fn url(value: &Value) -> Result<String, String> {
    let text = text(value, CALLBACK_URL_LEN_MAX)?;
    let is_web = |uri: &Uri| {
        let web = matches!(uri.scheme_str(), Some("http" | "https"));
        let plain = uri
            .authority()
            .is_some_and(|named| !named.as_str().contains('@'));
        web && plain && uri.host().is_some_and(|host| !host.is_empty())
    };
    match text.parse::<Uri>() {
        Ok(uri) if is_web(&uri) => Ok(text),
        _ => wants("want a URL such as https://example.org/receipts"),
    }
}

fn mode(value: &Value) -> Result<String, String> {
    let known = CALLBACK_MODES
        .iter()
        .find(|mode| Some(**mode) == value.as_str());
    match known {
        Some(mode) => Ok((*mode).to_owned()),
        None => wants(format!("want {}", CALLBACK_MODES.join(" or "))),
    }
}

fn secret(value: &Value) -> Result<String, String> {
    text(value, CALLBACK_SECRET_LEN_MAX)
}

fn networks(value: &Value) -> Result<Vec<String>, String> {
    let list = value.as_array().ok_or("want a list of networks")?;
    if list.len() > APP_ADDRESSES_MAX {
        return wants(format!(
            "{} networks, at most {APP_ADDRESSES_MAX}",
            list.len()
        ));
    }
    list.iter()
        .map(|entry| {
            let text = entry.as_str().ok_or("want a list of texts")?;
            let network: Result<Network, _> = text.parse();
            network.map_err(|error| error.to_string())?;
            Ok(text.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::fixture;

    fn change(app: &App, body: &Value) -> Result<App, SettingError> {
        changed(app, body.as_object().expect("an object"))
    }

    fn all() -> Value {
        json!({
            "sign_required": true,
            "registration": "signed",
            "devices_may_bind": false,
            "callback_url": "https://example.org:8443/receipts?a=b",
            "callback_mode": "getui",
            "callback_secret": "s3cret",
            "http_allow": ["10.0.0.0/8", "::1"],
            "http_deny": ["10.1.0.0/16"],
            "device_allow": ["0.0.0.0/0"],
            "device_deny": ["192.0.2.1"],
            "auth_per_minute": 1, "auth_per_day": 2,
            "single_per_minute": 3, "single_per_day": 4,
            "list_per_minute": 5, "list_per_day": 6,
            "app_per_minute": 7, "app_per_day": 8,
            "tags_per_minute": 9, "tags_per_day": u32::MAX, "offline_len_max": 10, "offline_bytes_max": 11,
            "device_tags_per_day": 12, "device_aliases_per_day": 13, "device_alias_pause_s": 14,
        })
    }

    #[test]
    fn given_every_setting_when_set_should_be_shown_stored_and_set_back_by_null() {
        let new = fixture::app();
        let app = change(&new, &all()).expect("good settings");
        assert_eq!(App::decode(&app.encode()).as_ref(), Ok(&app));
        let mut shown = serde_json::to_value(SettingsView::from(&app)).expect("JSON");
        assert_eq!(shown["callback_secret_set"], true);
        assert!(!shown.to_string().contains("s3cret"), "{shown}");
        let members = shown.as_object_mut().expect("an object");
        members.remove("callback_secret_set");
        members.insert("callback_secret".into(), json!("s3cret"));
        assert_eq!(shown, all(), "what is shown is what was set");
        for value in shown.as_object_mut().expect("an object").values_mut() {
            *value = Value::Null;
        }
        assert_eq!(change(&app, &shown), Ok(new));
    }

    #[test]
    fn given_one_setting_when_set_should_leave_the_others() {
        let app = change(&fixture::app(), &all()).expect("good settings");
        let one = change(&app, &json!({"app_per_day": 20})).expect("a good setting");
        let mut expected = app.clone();
        expected.settings.quotas.app.per_day = 20;
        assert_eq!(one, expected);
        assert_eq!(change(&app, &json!({})), Ok(app));
    }

    #[test]
    fn given_each_bad_setting_when_set_should_name_it_and_say_what_is_wanted() {
        let app = fixture::app();
        let many = vec!["10.0.0.1"; APP_ADDRESSES_MAX + 1];
        for (name, value, reason) in [
            ("colour", json!("red"), "no such setting"),
            ("callback_secret_set", json!(true), "no such setting"),
            ("master_secret", json!("x"), "no such setting"),
            ("number", json!(1), "no such setting"),
            ("sign_required", json!("yes"), "want true or false"),
            ("registration", json!("shut"), "want open, signed or closed"),
            ("registration", json!(1), "want open, signed or closed"),
            ("devices_may_bind", json!(0), "want true or false"),
            ("callback_url", json!("example.org/receipts"), "want a URL"),
            ("callback_url", json!("ftp://example.org/"), "want a URL"),
            (
                "callback_url",
                json!("http://user:pw@example.org/"),
                "want a URL",
            ),
            ("callback_url", json!("/receipts"), "want a URL"),
            ("callback_url", json!("h".repeat(1025)), "1025 characters"),
            ("callback_mode", json!("mail"), "want getui or signed"),
            ("callback_secret", json!(""), "0 characters"),
            ("callback_secret", json!("字".repeat(129)), "129 characters"),
            ("http_allow", json!("10.0.0.0/8"), "want a list"),
            ("http_deny", json!([10]), "want a list of texts"),
            ("device_allow", json!(["10.0.0.1/8"]), "has bits behind"),
            ("device_deny", json!(many), "65 networks, at most 64"),
            ("auth_per_day", json!(-1), "want a number from 0"),
            (
                "auth_per_day",
                json!(4_294_967_296_u64),
                "want a number from 0",
            ),
            ("auth_per_day", json!("5"), "want a number from 0"),
        ] {
            let error = change(&app, &json!({ name: value }))
                .expect_err(name)
                .to_string();
            assert!(
                error.starts_with(&format!("{name} is invalid: ")),
                "{error}"
            );
            assert!(error.contains(reason), "{error}");
        }
        let error = change(&app, &json!({ "x".repeat(1000): 1 })).expect_err("unknown");
        assert!(error.to_string().len() < 100, "{error}");
    }
}
