//! `/admin/v1/apps`: what an operator does with apps.
//!
//! Always: nothing without the admin token; secrets leave the server once, when they are made.

use std::cell::RefCell;
use std::rc::Rc;

use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command};
use server_core::ids::{AppNo, ShardNo};

use super::app_settings::{self, SettingsView};
use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, object};
use super::tokens::Tokens;
use crate::ask::Asker;
use crate::limits::{APP_NAME_LEN_MAX, ROTATION_GRACE_S, ROTATION_GRACE_S_MAX};
use crate::new_app::{new_app, rotated};
use crate::secret;

object! {
    /// The body of a creation.
    RawApp { name }
}

object! {
    /// The body of a rotation.
    #[derive(Default)]
    RawRotation { grace_s }
}

#[derive(Serialize)]
struct AppView<'a> {
    appid: &'a str,
    appkey: &'a str,
    name: &'a str,
    created_ms: u64,
    disabled: bool,
}

#[derive(Serialize)]
struct AppWithSettings<'a> {
    #[serde(flatten)]
    app: AppView<'a>,
    #[serde(flatten)]
    settings: SettingsView<'a>,
}

#[derive(Serialize)]
struct AppWithSecrets<'a> {
    #[serde(flatten)]
    app: AppView<'a>,
    appsecret: &'a str,
    mastersecret: &'a str,
}

impl<'a> From<&'a App> for AppWithSecrets<'a> {
    fn from(app: &'a App) -> Self {
        AppWithSecrets {
            app: AppView::from(app),
            appsecret: &app.app_secret,
            mastersecret: &app.master_secret,
        }
    }
}

impl<'a> From<&'a App> for AppView<'a> {
    fn from(app: &'a App) -> Self {
        AppView {
            appid: &app.app_id,
            appkey: &app.app_key,
            name: &app.name,
            created_ms: app.created_ms,
            disabled: app.disabled,
        }
    }
}

/// Checks the `Authorization` header. Without a token in the settings nobody is let in.
///
/// # Errors
/// [`Fault::AdminToken`].
pub(super) fn authorize(header: Option<&str>, admin_token: &str) -> Result<(), Fault> {
    let (scheme, token) = header
        .and_then(|header| header.split_once(' '))
        .ok_or(Fault::AdminToken)?;
    let known = !admin_token.is_empty() && secret::same(token.trim(), admin_token);
    if scheme.eq_ignore_ascii_case("bearer") && known {
        Ok(())
    } else {
        Err(Fault::AdminToken)
    }
}

/// `GET /admin/v1/apps`: the oldest first.
pub(super) fn list(asker: &Asker) -> Reply {
    let mut apps = asker.apps();
    apps.sort_by(|one, other| {
        (one.created_ms, &one.app_id).cmp(&(other.created_ms, &other.app_id))
    });
    let views: Vec<AppView<'_>> = apps
        .iter()
        .map(|app| AppView::from(Rc::as_ref(app)))
        .collect();
    Reply::data(&views)
}

/// `GET /admin/v1/apps/{appid}`.
pub(super) fn show(app: &App) -> Reply {
    Reply::data(&AppWithSettings {
        app: AppView::from(app),
        settings: SettingsView::from(app),
    })
}

/// `POST /admin/v1/apps`.
///
/// # Errors
/// A bad body; a shard that is busy.
pub(super) async fn create(asker: &Asker, bytes: &[u8], now_ms: u64) -> Result<Reply, Fault> {
    let raw: RawApp<'_> = member::body(bytes)?;
    let app = new_app(raw.name.required_text("name", APP_NAME_LEN_MAX)?, now_ms);
    // Shard 0 tells this ingress of new apps: asked itself, it does so before it answers, and the
    // first auth of the app finds it.
    match asker.ask(ShardNo(0), Command::CreateApp(app)).await {
        Answer::AppCreated(app) => Ok(Reply::created(&AppWithSecrets::from(&app))),
        other => Err(Fault::of_answer(&other)),
    }
}

/// `PATCH /admin/v1/apps/{appid}`: sets what the body names.
///
/// # Errors
/// A body that is no object; a shard that is busy. A bad member is answered, not returned, for its name is the caller's.
pub(super) async fn set(asker: &Asker, app: &App, bytes: &[u8]) -> Result<Reply, Fault> {
    match app_settings::changed(app, &app_settings::members(bytes)?) {
        Ok(changed) => {
            change(asker, changed.clone()).await?;
            Ok(show(&changed))
        }
        Err(error) => Ok(Reply::invalid(&error.to_string())),
    }
}

/// `POST /admin/v1/apps/{appid}/rotate`: new secrets; the old ones are honoured for `grace_s`
/// seconds. Without grace the tokens that were had for the old ones end as well.
///
/// # Errors
/// A bad body; a shard that is busy.
pub(super) async fn rotate(
    asker: &Asker,
    app: &App,
    bytes: &[u8],
    now_ms: u64,
    tokens: &RefCell<Tokens>,
) -> Result<Reply, Fault> {
    let raw: RawRotation<'_> = match bytes {
        [] => RawRotation::default(),
        bytes => member::body(bytes)?,
    };
    let grace_s = raw.grace_s.whole("grace_s", 0..=ROTATION_GRACE_S_MAX)?;
    let grace_s: u64 = grace_s.unwrap_or(ROTATION_GRACE_S);
    let rotated = rotated(app, now_ms.saturating_add(grace_s * 1000));
    match change(asker, rotated.clone()).await? {
        () if grace_s == 0 => tokens.borrow_mut().end_all(AppNo(app.number)),
        () => {}
    }
    Ok(Reply::data(&AppWithSecrets::from(&rotated)))
}

/// `POST /admin/v1/apps/{appid}/disable` and `…/enable`.
///
/// # Errors
/// A shard that is busy.
pub(super) async fn set_disabled(asker: &Asker, app: &App, disabled: bool) -> Result<Reply, Fault> {
    let app = App {
        disabled,
        ..app.clone()
    };
    change(asker, app.clone()).await?;
    Ok(show(&app))
}

/// `DELETE /admin/v1/apps/{appid}`: the app and its devices are gone for good.
///
/// # Errors
/// A shard that is busy.
pub(super) async fn delete(asker: &Asker, app: &App) -> Result<Reply, Fault> {
    match asker.ask(ShardNo(0), Command::DeleteApp(app.clone())).await {
        Answer::Done => Ok(Reply::done()),
        other => Err(Fault::of_answer(&other)),
    }
}

async fn change(asker: &Asker, app: App) -> Result<(), Fault> {
    match asker.ask(ShardNo(0), Command::ChangeApp(app)).await {
        Answer::Done => Ok(()),
        // Somebody deleted it meanwhile.
        Answer::TargetInvalid => Err(Fault::NoSuchApp),
        other => Err(Fault::of_answer(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_authorization_headers_when_checked_should_take_the_right_bearer_only() {
        assert_eq!(authorize(Some("Bearer s3cret"), "s3cret"), Ok(()));
        assert_eq!(authorize(Some("bearer s3cret"), "s3cret"), Ok(()));
        for header in [
            None,
            Some("s3cret"),
            Some("Bearer s3cre"),
            Some("Basic s3cret"),
            Some("Bearer "),
        ] {
            assert_eq!(
                authorize(header, "s3cret"),
                Err(Fault::AdminToken),
                "{header:?}"
            );
        }
        assert_eq!(authorize(Some("Bearer "), ""), Err(Fault::AdminToken));
    }
}
