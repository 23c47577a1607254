//! `/admin/v1/reload`: has the settings read again, and says what came of it.

use super::envelope::Reply;
use crate::reload::ReloadDesk;

/// `POST /admin/v1/reload`. The answer comes when it is done.
pub(super) async fn reload(desk: Option<&ReloadDesk>) -> Reply {
    let Some(desk) = desk else {
        return Reply::invalid("this server keeps its settings");
    };
    match desk.reload().await {
        Ok(reloaded) => Reply::data(&reloaded),
        Err(why) => Reply::invalid(&why),
    }
}
