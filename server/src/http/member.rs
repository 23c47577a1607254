//! One member of a JSON object as it came, read the way the official clients write it.
//!
//! Owner: one request; borrows its body. Always: explicit `null` is absent; numbers are taken as
//! text and decimal text as numbers, since Java sends as text what PHP sends as numbers; unknown
//! members are ignored. PHP writes an object of which nothing was set as `[]`. Nothing nested is parsed before somebody asks for it, so depth costs no
//! stack.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::Fault;
use super::parameter::ParameterError;

/// Declares an object of the API: each member is read later, by the rule of its kind.
macro_rules! object {
    ($(#[$meta:meta])* $name:ident { $($field:ident),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, serde::Deserialize)]
        pub(super) struct $name<'a> {
            $(#[serde(borrow, default)] pub(super) $field: $crate::http::member::Member<'a>,)*
        }
    };
}
pub(super) use object;

/// A member that may be absent.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Member<'a>(#[serde(borrow)] Option<&'a RawValue>);

/// Reads the body of a request.
///
/// # Errors
/// [`Fault::NotJson`] if it is not JSON text of the expected shape.
pub(super) fn body<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Fault> {
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::NotJson)?;
    // A struct would also be read from an array of its members.
    if !text.trim_start().starts_with('{') {
        return Err(Fault::NotJson);
    }
    serde_json::from_str(text).map_err(|_| Fault::NotJson)
}

impl<'a> Member<'a> {
    /// Whether it is there and not null.
    pub(super) fn is_set(self) -> bool {
        self.0.is_some()
    }

    /// Absent also if it is an empty array: what the PHP client sends for an object that its user
    /// made and set nothing of.
    pub(super) fn unless_empty_array(self) -> Self {
        let inside = self.json().and_then(|json| json.strip_prefix('['));
        match inside.is_some_and(|rest| rest.trim_start() == "]") {
            true => Member(None),
            false => self,
        }
    }

    /// The JSON as it came; `None` if it is absent or null.
    pub(super) fn json(self) -> Option<&'a str> {
        self.0.map(RawValue::get)
    }

    /// Text of at most `len_max` Unicode scalar values.
    ///
    /// # Errors
    /// Another JSON type than text or number; over the limit.
    pub(super) fn text(
        self,
        field: &'static str,
        len_max: usize,
    ) -> Result<Option<String>, ParameterError> {
        let Some(raw) = self.0.map(RawValue::get) else {
            return Ok(None);
        };
        let text = match raw.as_bytes().first() {
            Some(b'"') => {
                serde_json::from_str(raw).map_err(|_| ParameterError::Invalid { field })?
            }
            Some(b'-' | b'0'..=b'9') => raw.to_owned(),
            _ => return Err(ParameterError::Type { field }),
        };
        let got = text.chars().count();
        if got > len_max {
            return Err(ParameterError::Size {
                field,
                limit: len_max,
                got,
            });
        }
        Ok(Some(text))
    }

    /// Text that must be there and not be empty.
    ///
    /// # Errors
    /// As [`Member::text`]; absent; empty.
    pub(super) fn required_text(
        self,
        field: &'static str,
        len_max: usize,
    ) -> Result<String, ParameterError> {
        let text = self
            .text(field, len_max)?
            .ok_or(ParameterError::Null { field })?;
        if text.is_empty() {
            return Err(ParameterError::Empty { field });
        }
        Ok(text)
    }

    /// A whole number, as a number or as text.
    ///
    /// # Errors
    /// Another JSON type; no whole number; outside of `range`.
    pub(super) fn whole<N: TryFrom<i64>>(
        self,
        field: &'static str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<N>, ParameterError> {
        // 20 characters hold any i64; what is longer is out of every range.
        let invalid = ParameterError::Invalid { field };
        let text = match self.text(field, 20) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
            Err(ParameterError::Size { .. }) => return Err(invalid),
            Err(error) => return Err(error),
        };
        let number: i64 = text.parse().map_err(|_| invalid)?;
        if !range.contains(&number) {
            return Err(invalid);
        }
        N::try_from(number).map(Some).map_err(|_| invalid)
    }

    /// `true` or `false`, also as text; absent is false.
    ///
    /// # Errors
    /// Anything else.
    pub(super) fn flag(self, field: &'static str) -> Result<bool, ParameterError> {
        match self.0.map(RawValue::get) {
            None | Some("false" | "\"false\"") => Ok(false),
            Some("true" | "\"true\"") => Ok(true),
            Some(_) => Err(ParameterError::Type { field }),
        }
    }

    /// An object, its members unread.
    ///
    /// # Errors
    /// Another JSON type; a member given twice.
    pub(super) fn object<T: Deserialize<'a>>(
        self,
        field: &'static str,
    ) -> Result<Option<T>, ParameterError> {
        self.nested(field, b'{')
    }

    /// An array of objects or members.
    ///
    /// # Errors
    /// Another JSON type; an element that cannot be read.
    pub(super) fn list<T: Deserialize<'a>>(
        self,
        field: &'static str,
    ) -> Result<Option<Vec<T>>, ParameterError> {
        self.nested(field, b'[')
    }

    fn nested<T: Deserialize<'a>>(
        self,
        field: &'static str,
        first: u8,
    ) -> Result<Option<T>, ParameterError> {
        let Some(raw) = self.0.map(RawValue::get) else {
            return Ok(None);
        };
        if raw.as_bytes().first() != Some(&first) {
            return Err(ParameterError::Type { field });
        }
        serde_json::from_str(raw)
            .map(Some)
            .map_err(|_| ParameterError::Invalid { field })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    object! { Probe { x } }

    fn probe<R>(json: &str, read: impl FnOnce(Member<'_>) -> R) -> R {
        let body = format!(r#"{{"unknown":[1,{{}}],"x":{json}}}"#);
        read(
            self::body::<Probe<'_>>(body.as_bytes())
                .expect("an object")
                .x,
        )
    }

    #[test]
    fn given_bodies_that_are_no_object_when_read_should_be_not_json() {
        for bytes in [
            &b""[..],
            b"null",
            b"[]",
            b"[\"a\"]",
            b"\"x\"",
            b"{",
            b"{} x",
            b"\xff{}",
            b"{\"x\":\"\xff\"}",
        ] {
            assert_eq!(
                body::<Probe<'_>>(bytes).err(),
                Some(Fault::NotJson),
                "{}",
                bytes.escape_ascii()
            );
        }
        assert!(
            !body::<Probe<'_>>(b" {\"x\" : null}")
                .expect("an object")
                .x
                .is_set()
        );
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(body::<Probe<'_>>(deep.as_bytes()).is_ok());
    }

    #[test]
    fn given_text_when_read_should_count_scalar_values() {
        let text = |json: &str| probe(json, |x| x.text("x", 3));
        assert_eq!(text(r#""中文😀""#), Ok(Some("中文😀".to_owned())));
        assert_eq!(text(r#""\ud83d\ude00ab""#), Ok(Some("😀ab".to_owned())));
        assert_eq!(
            text(r#""abcd""#),
            Err(ParameterError::Size {
                field: "x",
                limit: 3,
                got: 4
            })
        );
        assert_eq!(text("12"), Ok(Some("12".to_owned())));
        assert_eq!(text("null"), Ok(None));
        assert_eq!(text("{}"), Err(ParameterError::Type { field: "x" }));
        assert_eq!(text("true"), Err(ParameterError::Type { field: "x" }));
        assert_eq!(
            text(r#""\ud83d""#),
            Err(ParameterError::Invalid { field: "x" })
        );
        assert_eq!(
            probe("\"\"", |x| x.required_text("x", 3)),
            Err(ParameterError::Empty { field: "x" })
        );
        assert_eq!(
            probe("null", |x| x.required_text("x", 3)),
            Err(ParameterError::Null { field: "x" })
        );
    }

    #[test]
    fn given_an_object_as_php_writes_an_empty_one_when_read_should_be_absent() {
        let is_set = |json: &str| probe(json, |x| x.unless_empty_array().is_set());
        for nothing in ["[]", "[ \n ]", "null"] {
            assert!(!is_set(nothing), "{nothing}");
        }
        for something in ["{}", "[[]]", "[0]", "\"[]\"", "\"\"", "0"] {
            assert!(is_set(something), "{something}");
        }
    }

    #[test]
    fn given_numbers_in_both_kinds_when_read_should_be_the_same() {
        let whole = |json: &str| probe(json, |x| x.whole::<u8>("x", 0..=4));
        assert_eq!((whole("4"), whole("\"4\"")), (Ok(Some(4)), Ok(Some(4))));
        assert_eq!(whole("null"), Ok(None));
        for bad in [
            "5",
            "-1",
            "\"\"",
            "1.5",
            "1e0",
            "\"x\"",
            "123456789012345678901234567890",
        ] {
            assert_eq!(
                whole(bad),
                Err(ParameterError::Invalid { field: "x" }),
                "{bad}"
            );
        }
        assert_eq!(whole("[]"), Err(ParameterError::Type { field: "x" }));
        assert_eq!(
            (
                probe("\"true\"", |x| x.flag("x")),
                probe("null", |x| x.flag("x"))
            ),
            (Ok(true), Ok(false))
        );
        assert_eq!(
            probe("1", |x| x.flag("x")),
            Err(ParameterError::Type { field: "x" })
        );
    }
}
