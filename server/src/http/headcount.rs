//! How many devices meet conditions (row 40 of `rest-v2.md`).
//!
//! Always: every shard counts its own devices; the sum is of one moment only as far as the shards'
//! answers are.

use std::rc::Rc;

use schema::record::App;
use serde::Serialize;
use server_core::command::{Answer, Command};
use server_core::group::Audience;
use server_core::ids::AppNo;

use super::condition::conditions;
use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, object};
use super::owners;
use crate::ask::Asker;

object! {
    /// The body.
    RawCount { tag }
}

#[derive(Serialize)]
struct Counted {
    user_count: u64,
}

/// `POST /user/count`.
///
/// # Errors
/// A bad body; a shard that is busy.
pub(super) async fn count(asker: &Rc<Asker>, app: &App, bytes: &[u8]) -> Result<Reply, Fault> {
    let raw: RawCount<'_> = member::body(bytes)?;
    let audience = Audience {
        conditions: conditions(raw.tag)?,
        activity: None,
    };
    let question = || Command::CountAudience {
        app: AppNo(app.number),
        audience: audience.clone(),
    };
    let mut user_count = 0;
    for answer in owners::ask_every(asker, question).await? {
        match answer {
            Answer::Count(count) => user_count += count,
            other => return Err(Fault::of_answer(&other)),
        }
    }
    Ok(Reply::data(&Counted { user_count }))
}
