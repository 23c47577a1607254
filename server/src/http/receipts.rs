//! `/admin/v1/apps/{appid}/receipts`: what waits for the developer's server, what was given up, and giving it another try.
//!
//! Always: the oldest first, a page at a time; what is shown is what the developer's server reads.

use protocol::MessageId;
use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command};
use server_core::ids::AppNo;

use super::envelope::Reply;
use super::fault::Fault;
use super::parameter::ParameterError;
use super::path;
use crate::ask::Asker;
use crate::receipt::ReceiptView;

#[derive(Serialize)]
struct Page<'a> {
    receipts: Vec<ReceiptView<'a>>,
    /// Whether a page behind this one has any.
    more: bool,
}

#[derive(Serialize)]
struct Replayed {
    replayed: u64,
}

/// `GET …/receipts?dead=true&after=ID`.
///
/// # Errors
/// A bad query; a shard that is busy.
pub(super) async fn list(asker: &Asker, app: &App, query: Option<&str>) -> Result<Reply, Fault> {
    let invalid = |field| ParameterError::Invalid { field };
    let dead = match path::query_value(query, "dead").as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(invalid("dead").into()),
    };
    let after = match path::query_value(query, "after") {
        None => MessageId::NONE,
        Some(text) => text.parse().map_err(|_| invalid("after"))?,
    };
    let command = Command::Receipts {
        app: AppNo(app.number),
        after: after.0,
        dead,
    };
    match ask(asker, app, command).await {
        Answer::Receipts(page) => Ok(Reply::data(&Page {
            more: page.more,
            receipts: page
                .receipts
                .iter()
                .map(|queued| ReceiptView::new(queued, None))
                .collect(),
        })),
        other => Err(Fault::of_answer(&other)),
    }
}

/// `POST …/receipts/replay`: a page of what was given up is told again.
///
/// # Errors
/// A shard that is busy.
pub(super) async fn replay(asker: &Asker, app: &App) -> Result<Reply, Fault> {
    let app_no = AppNo(app.number);
    match ask(asker, app, Command::ReplayReceipts { app: app_no }).await {
        Answer::Count(replayed) => Ok(Reply::data(&Replayed { replayed })),
        other => Err(Fault::of_answer(&other)),
    }
}

async fn ask(asker: &Asker, app: &App, command: Command) -> Answer {
    asker.ask(asker.home(app.app_id.as_bytes()), command).await
}
