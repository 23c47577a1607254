//! The path and query of a request, taken apart.
//!
//! Always: empty segments do not exist (the PHP client doubles the first slash, the Java client
//! adds a last one); percent-encoded text is UTF-8; a plus is a plus.

use percent_encoding::percent_decode_str;

/// The segments of a path, decoded. `None` if one of them is no UTF-8.
pub(super) fn segments(path: &str) -> Option<Vec<String>> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(decoded)
        .collect()
}

/// The value of a query parameter, decoded: the first one if it is repeated. `None` if it is
/// absent or no UTF-8.
pub(super) fn query_value(query: Option<&str>, name: &str) -> Option<String> {
    query?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key).as_deref() == Some(name)).then(|| decoded(value))?
    })
}

fn decoded(text: &str) -> Option<String> {
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_odd_slashes_and_both_hex_cases_when_split_should_be_the_same_path() {
        let expected = Some(vec!["v2".to_owned(), "a+b".to_owned(), "中,文".to_owned()]);
        for path in [
            "/v2/a+b/中,文",
            "//v2//a%2Bb/%E4%B8%AD,%e6%96%87/",
            "/v2/a%2bb/%e4%b8%ad%2C文",
        ] {
            assert_eq!(segments(path), expected, "{path}");
        }
        assert_eq!(segments("/v2/%ff"), None);
        assert_eq!(segments("/a%2Fb"), Some(vec!["a/b".to_owned()]));
    }

    #[test]
    fn given_queries_when_asked_should_decode_the_named_value() {
        let query = Some("x=1&alias_type=a%2bb+c&alias_type=z&y");
        assert_eq!(query_value(query, "alias_type"), Some("a+b+c".to_owned()));
        assert_eq!(query_value(query, "y"), Some(String::new()));
        assert_eq!(
            (query_value(query, "z"), query_value(None, "x")),
            (None, None)
        );
    }
}
