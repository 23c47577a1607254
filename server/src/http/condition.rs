//! Conditions on the devices of an app, as `push/tag` and `user/count` take them (`rest-v2.md` 3.6).
//!
//! Always: what comes out fits a stored row. Conditions intersect, also two of one key. `region` and
//! `portrait` are known keys of which nothing is known here: they are taken and match nobody.

use schema::limits::{CONDITION_VALUES_MAX, CONDITIONS_MAX};
use server_core::group::{Condition, ConditionKey, ConditionOp};

use super::member::{Member, object};
use super::parameter::ParameterError;
use crate::limits::{CONDITION_ITEM_VALUES_MAX, api_len};

object! {
    /// An element of `tag`.
    RawCondition { key, values, opt_type }
}

/// The conditions in the member `tag` of a request.
///
/// # Errors
/// Absent or empty; too many conditions or values; a member of one is missing, unknown or too long.
pub(super) fn conditions(member: Member<'_>) -> Result<Vec<Condition>, ParameterError> {
    let field = "tag";
    let items: Vec<Member<'_>> = member.list(field)?.ok_or(ParameterError::Null { field })?;
    within(field, items.len(), CONDITIONS_MAX)?;
    let mut values_len = 0;
    let mut conditions = Vec::with_capacity(items.len());
    for item in items {
        let raw: RawCondition<'_> = item.object(field)?.ok_or(ParameterError::Null { field })?;
        let condition = condition(raw)?;
        values_len += condition.values.len();
        if values_len > CONDITION_VALUES_MAX {
            return Err(ParameterError::Size {
                field: "values",
                limit: CONDITION_VALUES_MAX,
                got: values_len,
            });
        }
        conditions.push(condition);
    }
    Ok(conditions)
}

fn condition(raw: RawCondition<'_>) -> Result<Condition, ParameterError> {
    let key = key(raw.key)?;
    let field = "values";
    let values: Vec<Member<'_>> = raw
        .values
        .list(field)?
        .ok_or(ParameterError::Null { field })?;
    within(field, values.len(), CONDITION_ITEM_VALUES_MAX)?;
    let values = values.into_iter().map(|value| {
        let text = value
            .text(field, api_len::TAG_MAX)?
            .ok_or(ParameterError::Null { field })?;
        Ok(match key {
            // The PHP client's own test asks for IOS.
            ConditionKey::Platform => text.to_ascii_lowercase().into(),
            ConditionKey::Tag | ConditionKey::Unknown => text.into(),
        })
    });
    Ok(Condition {
        key,
        values: values.collect::<Result<_, ParameterError>>()?,
        op: op(raw.opt_type)?,
    })
}

fn key(member: Member<'_>) -> Result<ConditionKey, ParameterError> {
    let field = "key";
    match known(member, field)?.as_str() {
        "phone_type" => Ok(ConditionKey::Platform),
        "custom_tag" => Ok(ConditionKey::Tag),
        "region" | "portrait" => Ok(ConditionKey::Unknown),
        _ => Err(ParameterError::Invalid { field }),
    }
}

fn op(member: Member<'_>) -> Result<ConditionOp, ParameterError> {
    let field = "opt_type";
    match known(member, field)?.as_str() {
        "or" => Ok(ConditionOp::Or),
        "and" => Ok(ConditionOp::And),
        "not" => Ok(ConditionOp::Not),
        _ => Err(ParameterError::Invalid { field }),
    }
}

/// A word of a fixed set: one that is longer than any of them is as unknown as another.
fn known(member: Member<'_>, field: &'static str) -> Result<String, ParameterError> {
    match member.required_text(field, api_len::NAME_MAX) {
        Err(ParameterError::Size { .. }) => Err(ParameterError::Invalid { field }),
        text => text,
    }
}

fn within(field: &'static str, got: usize, limit: usize) -> Result<(), ParameterError> {
    match got {
        0 => Err(ParameterError::Empty { field }),
        got if got > limit => Err(ParameterError::Size { field, limit, got }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::member;

    object! { Request { tag } }

    fn read(json: &str) -> Result<Vec<Condition>, ParameterError> {
        let body = format!(r#"{{"tag":{json}}}"#);
        conditions(
            member::body::<Request<'_>>(body.as_bytes())
                .expect("json")
                .tag,
        )
    }

    fn item(key: &str, values: &str, opt_type: &str) -> String {
        format!(r#"{{"key":"{key}","values":{values},"opt_type":"{opt_type}"}}"#)
    }

    fn is(key: ConditionKey, op: ConditionOp, values: &[&str]) -> Condition {
        Condition {
            key,
            op,
            values: values.iter().map(|value| (*value).into()).collect(),
        }
    }

    #[test]
    fn given_the_example_of_the_documents_when_read_should_be_three_conditions() {
        let json = format!(
            "[{},{},{}]",
            item("region", r#"["11000000","12000000"]"#, "or"),
            item("custom_tag", r#"["X y"]"#, "not"),
            item("phone_type", r#"["Android","IOS","miniProgram"]"#, "and"),
        );
        assert_eq!(
            read(&json),
            Ok(vec![
                is(
                    ConditionKey::Unknown,
                    ConditionOp::Or,
                    &["11000000", "12000000"]
                ),
                is(ConditionKey::Tag, ConditionOp::Not, &["X y"]),
                is(
                    ConditionKey::Platform,
                    ConditionOp::And,
                    &["android", "ios", "miniprogram"]
                ),
            ])
        );
    }

    #[test]
    fn given_odd_items_that_clients_send_when_read_should_be_taken() {
        let same_key_twice = format!(
            "[{},{}]",
            item("custom_tag", r#"["a"]"#, "and"),
            item("custom_tag", r#"["b"]"#, "and")
        );
        assert_eq!(read(&same_key_twice).map(|all| all.len()), Ok(2));
        // The Java client's own test: an empty region. PHP sends codes as numbers.
        let empty = is(ConditionKey::Unknown, ConditionOp::Or, &[""]);
        assert_eq!(
            read(&format!("[{}]", item("region", r#"[""]"#, "or"))),
            Ok(vec![empty])
        );
        let number = r#"[{"key":"portrait","values":[11000000],"opt_type":"not","more":{"x":[]}}]"#;
        assert_eq!(
            read(number),
            Ok(vec![is(
                ConditionKey::Unknown,
                ConditionOp::Not,
                &["11000000"]
            )])
        );
    }

    #[test]
    fn given_members_that_are_wrong_when_read_should_name_them() {
        let invalid = |field| Err(ParameterError::Invalid { field });
        let null = |field| Err(ParameterError::Null { field });
        let empty = |field| Err(ParameterError::Empty { field });
        let kind = |field| Err(ParameterError::Type { field });
        let with = |text: &str| read(&format!("[{text}]"));
        assert_eq!(read("null"), null("tag"));
        assert_eq!(read("[]"), empty("tag"));
        assert_eq!(read("{}"), kind("tag"));
        assert_eq!(read("\"all\""), kind("tag"));
        assert_eq!(with("null"), null("tag"));
        assert_eq!(with("1"), kind("tag"));
        // The members of an item in their order are no item.
        assert_eq!(with(r#"["custom_tag",["a"],"or"]"#), kind("tag"));
        assert_eq!(with("{}"), null("key"));
        assert_eq!(with(&item("", r#"["a"]"#, "or")), empty("key"));
        assert_eq!(with(&item("PHONE", r#"["a"]"#, "or")), invalid("key"));
        assert_eq!(
            with(&item(&"k".repeat(9999), r#"["a"]"#, "or")),
            invalid("key")
        );
        assert_eq!(with(r#"{"key":[]}"#), kind("key"));
        assert_eq!(with(r#"{"key":"region","opt_type":"or"}"#), null("values"));
        assert_eq!(with(&item("region", "[]", "or")), empty("values"));
        assert_eq!(with(&item("region", "\"a\"", "or")), kind("values"));
        assert_eq!(with(&item("region", "[null]", "or")), null("values"));
        assert_eq!(with(&item("region", "[[]]", "or")), kind("values"));
        assert_eq!(with(r#"{"key":"region","values":["a"]}"#), null("opt_type"));
        assert_eq!(with(&item("region", r#"["a"]"#, "")), empty("opt_type"));
        assert_eq!(
            with(&item("region", r#"["a"]"#, "xor")),
            invalid("opt_type")
        );
        let number = r#"{"key":"region","values":["a"],"opt_type":1}"#;
        assert_eq!(with(number), invalid("opt_type"));
    }

    #[test]
    fn given_conditions_at_their_limits_when_read_should_be_refused_one_above() {
        let over = |field, limit| {
            Err(ParameterError::Size {
                field,
                limit,
                got: limit + 1,
            })
        };
        let values = |len: usize| format!("[{}]", vec!["\"a\""; len].join(","));
        let items = |len: usize, each: usize| {
            let one = item("custom_tag", &values(each), "or");
            read(&format!("[{}]", vec![one; len].join(","))).map(|all| all.len())
        };
        assert_eq!(items(100, 10), Ok(100));
        assert_eq!(items(101, 1), over("tag", 100));
        assert_eq!(items(3, 255), Ok(3));
        assert_eq!(items(1, 256), over("values", 255));
        assert_eq!(items(91, 11), over("values", 1000));
        let long = |len: usize| {
            let value = format!("[\"{}\"]", "中".repeat(len));
            read(&format!("[{}]", item("custom_tag", &value, "or"))).map(|all| all.len())
        };
        assert_eq!(long(32), Ok(1));
        assert_eq!(long(33), over("values", 32));
    }
}
