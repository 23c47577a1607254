//! Many CIDs in one request: in a path segment with commas between them, or in an array.
//!
//! Always: bounded; in the order asked; in a path each once, since what is asked of a CID twice is
//! answered once. In an array a CID that comes twice is a mistake of its sender, and is told so.

use std::collections::HashSet;

use protocol::ClientId;

use super::audience::CID_TEXT_LEN_MAX;
use super::member::Member;
use super::parameter::ParameterError;

const FIELD: &str = "cid";

/// What stands in a list: CIDs, and text that is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CidList {
    /// The CIDs.
    pub(super) cids: Vec<ClientId>,
    /// What is no CID: to a third party the same as one that does not exist.
    pub(super) others: Vec<String>,
}

impl CidList {
    /// Reads a path segment.
    ///
    /// # Errors
    /// More than `limit` elements.
    pub(super) fn of_path(text: &str, limit: usize) -> Result<CidList, ParameterError> {
        check(text.split(',').count(), limit)?;
        let mut list = CidList::default();
        let mut seen = HashSet::new();
        for text in text.split(',').map(str::trim) {
            if !text.is_empty() && seen.insert(text) {
                list.push(text.to_owned());
            }
        }
        Ok(list)
    }

    /// Reads the member `cid` of a body.
    ///
    /// # Errors
    /// Absent or empty; more than `limit` elements; one that is no text, empty, or repeated.
    pub(super) fn of_member(member: Member<'_>, limit: usize) -> Result<CidList, ParameterError> {
        let field = FIELD;
        let members: Vec<Member<'_>> = member.list(field)?.ok_or(ParameterError::Null { field })?;
        if members.is_empty() {
            return Err(ParameterError::Empty { field });
        }
        check(members.len(), limit)?;
        let mut list = CidList::default();
        let mut seen = HashSet::with_capacity(members.len());
        for member in members {
            let text = member.required_text(field, CID_TEXT_LEN_MAX)?;
            if !seen.insert(text.clone()) {
                return Err(ParameterError::Duplicate { field });
            }
            list.push(text);
        }
        Ok(list)
    }

    /// All of them, where one that does not exist spoils the whole.
    ///
    /// # Errors
    /// None; text that is no CID.
    pub(super) fn all(self) -> Result<Vec<ClientId>, ParameterError> {
        if !self.others.is_empty() {
            return Err(ParameterError::Target);
        }
        if self.cids.is_empty() {
            return Err(ParameterError::Empty { field: FIELD });
        }
        Ok(self.cids)
    }

    fn push(&mut self, text: String) {
        match text.parse() {
            Ok(cid) => self.cids.push(cid),
            Err(_) => self.others.push(text),
        }
    }
}

fn check(got: usize, limit: usize) -> Result<(), ParameterError> {
    if got > limit {
        return Err(ParameterError::Size {
            field: FIELD,
            limit,
            got,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::member::{self, object};

    object! { Request { cid } }

    const ONE: &str = "f123456789abcdef0123456789abcdef";
    const TWO: &str = "0123456789abcdef0123456789abcdef";

    fn cid(text: &str) -> ClientId {
        text.parse().expect("a cid")
    }

    fn array(json: &str) -> Result<CidList, ParameterError> {
        let body = format!(r#"{{"cid":{json}}}"#);
        let request = member::body::<Request<'_>>(body.as_bytes()).expect("json");
        CidList::of_member(request.cid, 3)
    }

    #[test]
    fn given_a_path_segment_when_read_should_take_each_once_in_order() {
        assert_eq!(
            CidList::of_path(&format!("{ONE}, x,,{TWO},{ONE},x,"), 7),
            Ok(CidList {
                cids: vec![cid(ONE), cid(TWO)],
                others: vec!["x".to_owned()]
            })
        );
        assert_eq!(CidList::of_path(",,,", 4), Ok(CidList::default()));
        assert_eq!(
            CidList::of_path(",,,,", 4),
            Err(ParameterError::Size {
                field: "cid",
                limit: 4,
                got: 5
            })
        );
    }

    #[test]
    fn given_an_array_when_read_should_refuse_repeats_and_what_is_no_text() {
        assert_eq!(
            array(&format!(r#"["{ONE}","x","{TWO}"]"#)),
            Ok(CidList {
                cids: vec![cid(ONE), cid(TWO)],
                others: vec!["x".to_owned()]
            })
        );
        assert_eq!(
            array("[12]").map(|list| list.others),
            Ok(vec!["12".to_owned()])
        );
        let field = "cid";
        assert_eq!(array("null"), Err(ParameterError::Null { field }));
        assert_eq!(array("[]"), Err(ParameterError::Empty { field }));
        assert_eq!(array("[null]"), Err(ParameterError::Null { field }));
        assert_eq!(array("[\"\"]"), Err(ParameterError::Empty { field }));
        assert_eq!(array("[{}]"), Err(ParameterError::Type { field }));
        assert_eq!(
            array(&format!("\"{ONE}\"")),
            Err(ParameterError::Type { field })
        );
        assert_eq!(
            array(&format!(r#"["{ONE}","{ONE}"]"#)),
            Err(ParameterError::Duplicate { field })
        );
        assert_eq!(
            array(r#"["a","b","c","d"]"#),
            Err(ParameterError::Size {
                field,
                limit: 3,
                got: 4
            })
        );
        assert_eq!(
            array(&format!("[\"{}\"]", "a".repeat(65))),
            Err(ParameterError::Size {
                field,
                limit: 64,
                got: 65
            })
        );
    }

    #[test]
    fn given_a_list_of_which_all_are_wanted_when_one_is_no_cid_should_be_no_target() {
        let all = |text: &str| CidList::of_path(text, 9).and_then(CidList::all);
        assert_eq!(all(&format!("{ONE},{TWO},")), Ok(vec![cid(ONE), cid(TWO)]));
        assert_eq!(all(&format!("{ONE},x")), Err(ParameterError::Target));
        assert_eq!(all(&ONE.to_uppercase()), Err(ParameterError::Target));
        assert_eq!(all(","), Err(ParameterError::Empty { field: "cid" }));
    }
}
