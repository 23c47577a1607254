//! Aliases by name: with their type, and what either may be called.

/// Alias type, empty for the default type, and alias.
pub type TypedAlias = (Box<str>, Box<str>);

/// Characters of an alias or alias type: fewer than 40 (Getui's rule).
pub const ALIAS_NAME_LEN_MAX: usize = 39;

/// Whether a text may be an alias or the name of an alias type: letters and digits of ASCII,
/// underscore and Chinese characters, 1 to [`ALIAS_NAME_LEN_MAX`] of them.
pub fn is_alias_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().count() <= ALIAS_NAME_LEN_MAX
        && text
            .chars()
            .all(|c| c == '_' || c.is_ascii_alphanumeric() || is_chinese(c))
}

fn is_chinese(c: char) -> bool {
    // CJK unified ideographs with extension A, the compatibility block, and extensions B to H.
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}')
}

#[cfg(test)]
mod tests {
    use super::is_alias_name;

    #[test]
    fn given_names_at_and_over_the_rules_when_checked_should_tell() {
        for good in [
            "a",
            "User_42",
            "用户张三",
            &"x".repeat(39),
            &"字".repeat(39),
        ] {
            assert!(is_alias_name(good), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a,b",
            "a+b",
            "é",
            &"x".repeat(40),
            &"字".repeat(40),
            "a\u{0}",
        ] {
            assert!(!is_alias_name(bad), "{bad}");
        }
    }
}
