//! The number on an app's icon (row 39 of `rest-v2.md`).
//!
//! Always: a sign in front makes it a change, without one it is the number itself. The server keeps
//! it; only iOS shows it.

use schema::record::App;
use server_core::command::{Answer, Command};
use server_core::group::Badge;
use server_core::ids::AppNo;

use super::cid_list::CidList;
use super::envelope::Reply;
use super::fault::Fault;
use super::member::{self, Member, object};
use super::parameter::ParameterError;
use crate::ask::Asker;
use crate::limits::{API_PATH_CIDS_MAX, api_len};

object! {
    /// The body.
    RawBadge { badge }
}

/// `POST /user/badge/cid/{cid,…}`.
///
/// # Errors
/// A bad body; too many CIDs or an unknown one; a shard that is busy.
pub(super) async fn set(
    asker: &Asker,
    app: &App,
    cids: &str,
    bytes: &[u8],
) -> Result<Reply, Fault> {
    let cids = CidList::of_path(cids, API_PATH_CIDS_MAX)?.all()?;
    let raw: RawBadge<'_> = member::body(bytes)?;
    let shard = asker.owner(cids[0]);
    let command = Command::SetBadge {
        app: AppNo(app.number),
        cids,
        badge: badge(raw.badge)?,
    };
    match asker.ask(shard, command).await {
        Answer::Done => Ok(Reply::done()),
        other => Err(Fault::of_answer(&other)),
    }
}

fn badge(member: Member<'_>) -> Result<Badge, ParameterError> {
    let field = "badge";
    let invalid = ParameterError::Invalid { field };
    let text = match member.required_text(field, api_len::NAME_MAX) {
        Err(ParameterError::Size { .. }) => return Err(invalid),
        text => text?,
    };
    let number: i32 = text.parse().map_err(|_| invalid)?;
    Ok(match text.as_bytes()[0] {
        b'+' | b'-' => Badge::By(number),
        _ => Badge::To(number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Badge, ParameterError> {
        let body = format!(r#"{{"badge":{json}}}"#);
        badge(
            member::body::<RawBadge<'_>>(body.as_bytes())
                .expect("json")
                .badge,
        )
    }

    #[test]
    fn given_badges_as_text_and_number_when_read_should_tell_changes_from_numbers() {
        for (json, expected) in [
            ("\"+1\"", Badge::By(1)),
            ("\"-12\"", Badge::By(-12)),
            ("\"7\"", Badge::To(7)),
            ("\"0\"", Badge::To(0)),
            // The PHP client's own test.
            ("10", Badge::To(10)),
            ("-3", Badge::By(-3)),
            ("\"2147483647\"", Badge::To(i32::MAX)),
        ] {
            assert_eq!(read(json), Ok(expected), "{json}");
        }
    }

    #[test]
    fn given_badges_that_are_none_when_read_should_say_so() {
        let field = "badge";
        assert_eq!(read("null"), Err(ParameterError::Null { field }));
        assert_eq!(read("\"\""), Err(ParameterError::Empty { field }));
        assert_eq!(read("[]"), Err(ParameterError::Type { field }));
        assert_eq!(read("true"), Err(ParameterError::Type { field }));
        let long = format!("\"{}\"", "1".repeat(300));
        for bad in [
            "\"+\"",
            "\"x\"",
            "\"+-1\"",
            "\" 1\"",
            "1.5",
            "1e2",
            "2147483648",
            &long,
        ] {
            assert_eq!(read(bad), Err(ParameterError::Invalid { field }), "{bad}");
        }
    }
}
