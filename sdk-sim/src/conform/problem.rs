//! Why a check did not pass.
//!
//! Owner: the check that met it. Always: a wrong answer says what was expected and what came; a
//! skipped check says what it lacked.

use std::fmt::Display;

use crate::third_party::CallError;

/// What a check came to.
pub(super) type Outcome = Result<(), Problem>;

/// Why it did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// The server did something else than the document says.
    Wrong {
        /// What the document says.
        expected: String,
        /// What the server did.
        came: String,
    },
    /// It could not be tried.
    Skipped {
        /// What was missing.
        why: String,
    },
}

impl Problem {
    /// The server is wrong.
    pub(super) fn wrong(expected: impl Display, came: impl Display) -> Self {
        Self::Wrong {
            expected: expected.to_string(),
            came: came.to_string(),
        }
    }

    /// It cannot be tried here.
    pub(super) fn skipped(why: impl Display) -> Self {
        let why = why.to_string();
        Self::Skipped { why }
    }

    /// The same, and what it was the answer to.
    fn during(self, what: impl Display) -> Self {
        match self {
            Self::Wrong { expected, came } => Self::Wrong {
                expected: format!("{what}: {expected}"),
                came,
            },
            skipped @ Self::Skipped { .. } => skipped,
        }
    }
}

/// Pushing is no part of the device protocol, so the server is not wrong.
impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        Self::skipped(format_args!("needs pushes: {error}"))
    }
}

impl From<getrandom::Error> for Problem {
    fn from(error: getrandom::Error) -> Self {
        Self::skipped(format_args!("needs random bytes: {error}"))
    }
}

/// Says what a step was about.
pub(super) trait During<T> {
    /// Puts `what` before what was expected.
    ///
    /// # Errors
    /// The problem, told more fully.
    fn during(self, what: impl Display) -> Result<T, Problem>;
}

impl<T> During<T> for Result<T, Problem> {
    fn during(self, what: impl Display) -> Result<T, Problem> {
        self.map_err(|problem| problem.during(what))
    }
}

/// Passes if `held`.
///
/// # Errors
/// [`Problem::Wrong`] with these texts.
pub(super) fn demand(held: bool, expected: impl Display, came: impl Display) -> Outcome {
    if held {
        Ok(())
    } else {
        Err(Problem::wrong(expected, came))
    }
}
