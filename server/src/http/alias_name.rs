//! Aliases in requests: what is wrong with one, and the name that places it.
//!
//! Always: what an alias may be called is decided in `server_core::alias_name`, since devices bind
//! aliases too; an alias type follows the same rule, and is empty for the default type.

use server_core::alias_name::{ALIAS_NAME_LEN_MAX, is_alias_name};
use server_core::ids::AppNo;

use super::parameter::ParameterError;

/// Checks an alias.
///
/// # Errors
/// Empty; too long; a character that is not allowed.
pub(super) fn alias(text: &str) -> Result<Box<str>, ParameterError> {
    if text.is_empty() {
        return Err(ParameterError::Empty { field: "alias" });
    }
    checked("alias", text)
}

/// Checks an alias type; absent and empty are the default type.
///
/// # Errors
/// Too long; a character that is not allowed.
pub(super) fn alias_type(text: Option<&str>) -> Result<Box<str>, ParameterError> {
    match text {
        None | Some("") => Ok("".into()),
        Some(text) => checked("alias_type", text),
    }
}

fn checked(field: &'static str, text: &str) -> Result<Box<str>, ParameterError> {
    let got = text.chars().count();
    if got > ALIAS_NAME_LEN_MAX {
        return Err(ParameterError::Size {
            field,
            limit: ALIAS_NAME_LEN_MAX,
            got,
        });
    }
    if !is_alias_name(text) {
        return Err(ParameterError::Invalid { field });
    }
    Ok(text.into())
}

/// The name by which an alias finds its home shard. Type and alias hold no zero byte, so two
/// different aliases never share a name.
pub fn alias_name(app: AppNo, alias_type: &str, alias: &str) -> Vec<u8> {
    [
        &app.0.to_be_bytes(),
        alias_type.as_bytes(),
        &[0],
        alias.as_bytes(),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_aliases_at_their_limits_when_checked_should_count_characters() {
        assert!(alias("a_Z9中文").is_ok());
        assert!(alias(&"中".repeat(39)).is_ok());
        assert_eq!(
            alias(&"中".repeat(40)),
            Err(ParameterError::Size {
                field: "alias",
                limit: 39,
                got: 40
            })
        );
        assert_eq!(alias(""), Err(ParameterError::Empty { field: "alias" }));
        for bad in ["a b", "a-b", "a,b", "a+b", "a\0", "。"] {
            assert_eq!(
                alias(bad),
                Err(ParameterError::Invalid { field: "alias" }),
                "{bad:?}"
            );
        }
        assert_eq!(
            (alias_type(None), alias_type(Some(""))),
            (Ok("".into()), Ok("".into()))
        );
        assert!(alias_type(Some(&"x".repeat(39))).is_ok());
        assert_eq!(
            alias_type(Some(&"x".repeat(40))),
            Err(ParameterError::Size {
                field: "alias_type",
                limit: 39,
                got: 40
            })
        );
    }

    #[test]
    fn given_types_and_aliases_that_join_to_one_text_when_named_should_differ() {
        assert_ne!(
            alias_name(AppNo(1), "ab", "c"),
            alias_name(AppNo(1), "a", "bc")
        );
        assert_ne!(alias_name(AppNo(1), "", "a"), alias_name(AppNo(2), "", "a"));
    }
}
