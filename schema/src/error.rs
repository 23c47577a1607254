//! Why bytes are not the table they were taken for.
//!
//! Owner: whoever decoded. Always: names the table, what was wrong with it and, for a bound, the bound and what came;
//! never holds a byte of the content, so it can be logged.

use flatbuffers::InvalidFlatbuffer;

/// Bytes refused by a `decode` of this crate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub struct SchemaError {
    /// The table that was to be read, as named in the .fbs file.
    pub what: &'static str,
    /// What was wrong with the bytes.
    pub problem: Problem,
}

/// What was wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Longer than any honest buffer of its kind.
    #[error("{len} bytes, at most {len_max}")]
    TooLong {
        /// Bytes that came.
        len: usize,
        /// Bytes allowed.
        len_max: usize,
    },
    /// Not the layout of this table, or beyond a limit of the verifier.
    #[error("{}", one_line(.0))]
    Layout(InvalidFlatbuffer),
    /// The content of a push is of a kind this version does not know.
    #[error("content kind {kind}, known are 1 to {kind_max}")]
    UnknownContent {
        /// The kind that came.
        kind: u8,
        /// The highest kind this version knows.
        kind_max: u8,
    },
    /// The value spans several rows, and they do not make a whole.
    #[error("incomplete: {0}")]
    Incomplete(&'static str),
}

impl SchemaError {
    /// For whoever reads a value that spans several rows: `what` was to be read, and `missing` says which row is not
    /// there or does not belong.
    pub const fn missing(what: &'static str, missing: &'static str) -> Self {
        Self {
            what,
            problem: Problem::Incomplete(missing),
        }
    }
}

/// The verifier's message spreads over several lines; a log line has one.
fn one_line(invalid: &InvalidFlatbuffer) -> String {
    invalid
        .to_string()
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_missing_field_when_shown_should_name_table_and_field_in_one_line() {
        let invalid = InvalidFlatbuffer::new_missing_required::<()>("task_id").unwrap_err();
        let error = SchemaError {
            what: "PushMessage",
            problem: Problem::Layout(invalid),
        };
        assert_eq!(
            error.to_string(),
            "PushMessage: Missing required field `task_id`."
        );
    }

    #[test]
    fn given_a_bound_when_shown_should_give_the_bound_and_what_came() {
        let error = SchemaError {
            what: "Tally",
            problem: Problem::TooLong {
                len: 300,
                len_max: 256,
            },
        };
        assert_eq!(error.to_string(), "Tally: 300 bytes, at most 256");
    }

    #[test]
    fn given_a_lost_row_when_shown_should_name_the_table_and_the_row() {
        let error = SchemaError::missing("Message", "piece 3");
        assert_eq!(error.to_string(), "Message: incomplete: piece 3");
    }
}
