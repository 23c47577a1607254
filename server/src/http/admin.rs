//! `/admin/v1/apps`: what an operator does with apps.
//!
//! Always: nothing without the admin token; secrets leave the server once, when they are made.

use std::rc::Rc;

use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command};
use server_core::ids::ShardNo;

use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, object};
use crate::ask::Asker;
use crate::limits::APP_NAME_LEN_MAX;
use crate::new_app::new_app;
use crate::secret;

object! {
    /// The body of a creation.
    RawApp { name }
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
struct AppWithSecrets<'a> {
    #[serde(flatten)]
    app: AppView<'a>,
    appsecret: &'a str,
    mastersecret: &'a str,
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
///
/// # Errors
/// No such app.
pub(super) fn show(asker: &Asker, app_id: &str) -> Result<Reply, Fault> {
    let app = asker.app(app_id).ok_or(Fault::NoSuchApp)?;
    Ok(Reply::data(&AppView::from(Rc::as_ref(&app))))
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
        Answer::AppCreated(app) => Ok(Reply::created(&AppWithSecrets {
            app: AppView::from(&app),
            appsecret: &app.app_secret,
            mastersecret: &app.master_secret,
        })),
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
