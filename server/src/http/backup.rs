//! `/admin/v1/backup`: has a backup written on the disk of the server, and says how it stands.

use std::path::Path;
use std::time::Duration;

use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, object};
use crate::backup::BackupDesk;
use crate::limits::BACKUP_PATH_LEN_MAX;

/// How long a question waits for news: shorter than any caller does.
const NEWS_WAIT: Duration = Duration::from_secs(5);

object! {
    /// The body of an order.
    RawBackup { to }
}

/// `POST /admin/v1/backup`.
///
/// # Errors
/// A bad body.
pub(super) fn order(desk: Option<&BackupDesk>, bytes: &[u8]) -> Result<Reply, Fault> {
    let raw: RawBackup<'_> = member::body(bytes)?;
    let to = raw.to.required_text("to", BACKUP_PATH_LEN_MAX)?;
    let Some(desk) = desk else {
        return Ok(Reply::invalid("this server makes no backups"));
    };
    Ok(match desk.order(Path::new(&to)) {
        Ok(()) => Reply::done(),
        Err(why) => Reply::invalid(&why),
    })
}

/// `GET /admin/v1/backup`: at the latest after [`NEWS_WAIT`].
pub(super) async fn stand(desk: Option<&BackupDesk>) -> Reply {
    let Some(desk) = desk else {
        return Reply::invalid("this server makes no backups");
    };
    let now = desk.stand();
    let news = tokio::time::timeout(NEWS_WAIT, desk.change(&now)).await;
    Reply::data(&news.unwrap_or(now))
}
