//! How answers are printed for people.

use serde_json::Value;

/// The members of an object, one a line; nested ones as JSON.
pub(super) fn members(object: &Value) {
    for (name, value) in object.as_object().into_iter().flatten() {
        println!("{name:<20} {}", plain(value));
    }
}

/// A value as text, without the quotes of JSON.
pub(super) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// A text member, or a dash.
pub(super) fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or("-")
}
