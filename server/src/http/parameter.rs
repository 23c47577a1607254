//! What is wrong with one parameter of a request, in the words of the REST API.
//!
//! Always: the text is one of the templates of `rest-v2.md` 1.5, because clients may match on it;
//! limits and what came are kept as fields for the log.

/// One bad parameter; `Display` is the `msg` of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ParameterError {
    #[error("{field} is invalid")]
    Invalid { field: &'static str },
    #[error("{field} can not be empty")]
    Empty { field: &'static str },
    #[error("{field} cannot be null")]
    Null { field: &'static str },
    #[error("{field} type error")]
    Type { field: &'static str },
    #[error("{field} size over limit")]
    Size {
        field: &'static str,
        limit: usize,
        got: usize,
    },
    #[error("contains duplicate {field}")]
    Duplicate { field: &'static str },
    #[error("{one} and {other} cannot be null at sametime")]
    BothNull {
        one: &'static str,
        other: &'static str,
    },
    #[error("{one} and {other} cannot setting at same time")]
    BothSet {
        one: &'static str,
        other: &'static str,
    },
    #[error("please choose one of notification and transmission and revoke")]
    OneContent,
    #[error("target user is invalid")]
    Target,
}
