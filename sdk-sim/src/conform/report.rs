//! The verdicts of one run, and how they are printed.
//!
//! Owner: one run. Always: every requirement of the table has a line, by number; a requirement is
//! failed by one failed check, and passed by one passed check if none failed.

use std::fmt::{self, Write};

use serde::Serialize;

use super::problem::{Outcome, Problem};
use super::requirement::{Check, Cover, Requirement};

/// What became of a requirement, or of one check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Verdict {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// It could not be tried on this server.
    Skipped,
    /// The kit has no check of it.
    NoCheck,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skipped => "skipped",
            Self::NoCheck => "no check",
        }
    }
}

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct CheckLine {
    name: &'static str,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    came: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl CheckLine {
    fn of(check: &Check, outcome: Outcome) -> Self {
        let (verdict, expected, came, why) = match outcome {
            Ok(()) => (Verdict::Pass, None, None, None),
            Err(Problem::Wrong { expected, came }) => {
                (Verdict::Fail, Some(expected), Some(came), None)
            }
            Err(Problem::Skipped { why }) => (Verdict::Skipped, None, None, Some(why)),
        };
        Self {
            name: check.name,
            verdict,
            expected,
            came,
            why,
        }
    }
}

/// One requirement.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    number: u16,
    about: &'static str,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    checks: Vec<CheckLine>,
}

impl Line {
    fn of(requirement: &Requirement, outcomes: Vec<Outcome>) -> Self {
        let (checks, why) = match &requirement.cover {
            Cover::Checks(checks) => {
                let lines = checks.iter().zip(outcomes);
                let lines = lines.map(|(check, outcome)| CheckLine::of(check, outcome));
                (lines.collect(), None)
            }
            Cover::NoCheck(why) => (Vec::new(), Some(*why)),
        };
        Self {
            number: requirement.number,
            about: requirement.about,
            verdict: verdict_of(&checks),
            why,
            checks,
        }
    }
}

fn verdict_of(checks: &[CheckLine]) -> Verdict {
    let has = |verdict| checks.iter().any(|check| check.verdict == verdict);
    [Verdict::Fail, Verdict::Pass, Verdict::Skipped]
        .into_iter()
        .find(|verdict| has(*verdict))
        .unwrap_or(Verdict::NoCheck)
}

/// All of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The server that was checked.
    device: String,
    passed: usize,
    failed: usize,
    skipped: usize,
    requirements: Vec<Line>,
    /// Numbers of the requirements that have no check.
    without_check: Vec<u16>,
}

impl Report {
    /// The report on the server at `device`: a requirement and what its checks came to, in order.
    pub(super) fn of(device: &str, outcomes: Vec<(&Requirement, Vec<Outcome>)>) -> Self {
        let requirements: Vec<Line> = outcomes
            .into_iter()
            .map(|(requirement, outcomes)| Line::of(requirement, outcomes))
            .collect();
        let of = |verdict| {
            requirements
                .iter()
                .filter(move |line| line.verdict == verdict)
        };
        Self {
            device: device.to_owned(),
            passed: of(Verdict::Pass).count(),
            failed: of(Verdict::Fail).count(),
            skipped: of(Verdict::Skipped).count(),
            without_check: of(Verdict::NoCheck).map(|line| line.number).collect(),
            requirements,
        }
    }

    /// Whether the server keeps to everything that was tried.
    pub(super) fn is_good(&self) -> bool {
        self.failed == 0
    }

    /// The same as one JSON object.
    pub(super) fn json(&self) -> String {
        // Texts and numbers are always JSON.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// The numbers with this verdict.
    #[cfg(test)]
    pub(super) fn numbers(&self, verdict: Verdict) -> Vec<u16> {
        let lines = self.requirements.iter();
        lines
            .filter(|line| line.verdict == verdict)
            .map(|line| line.number)
            .collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.requirements {
            let name = format!("R-{}", line.number);
            let verdict = line.verdict.word();
            let why = line.why.map_or_else(String::new, |why| format!(": {why}"));
            writeln!(f, "{name:<5} {verdict:<8}  {}{why}", line.about)?;
            for check in &line.checks {
                write_check(f, check)?;
            }
        }
        writeln!(f)?;
        let mut list = String::new();
        for number in &self.without_check {
            let gap = if list.is_empty() { "" } else { ", " };
            write!(list, "{gap}R-{number}")?;
        }
        writeln!(f, "without a check: {list}")?;
        writeln!(
            f,
            "{} passed, {} failed, {} skipped, {} without a check",
            self.passed,
            self.failed,
            self.skipped,
            self.without_check.len()
        )
    }
}

/// Only what is not as it should be.
fn write_check(f: &mut fmt::Formatter<'_>, check: &CheckLine) -> fmt::Result {
    let indent = "                ";
    match (&check.expected, &check.came, &check.why) {
        (Some(expected), Some(came), _) => {
            writeln!(f, "{indent}{} failed", check.name)?;
            writeln!(f, "{indent}  expected: {expected}")?;
            writeln!(f, "{indent}  came:     {came}")
        }
        (_, _, Some(why)) => writeln!(f, "{indent}{} skipped: {why}", check.name),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conform::requirement::{check, checked, unchecked};

    const TWO: &[Check] = &[check("one", |_| Ok(())), check("two", |_| Ok(()))];

    fn report(one: Outcome, two: Outcome) -> Report {
        let requirement = checked(1, "about", TWO);
        let other = unchecked(2, "other", "because");
        let outcomes = vec![(&requirement, vec![one, two]), (&other, Vec::new())];
        Report::of("h:1", outcomes)
    }

    #[test]
    fn given_outcomes_when_reported_should_let_one_failure_fail_and_one_pass_pass() {
        let wrong = || Err(Problem::wrong("this", "that"));
        let skipped = || Err(Problem::skipped("no pushes"));
        for (one, two, verdict) in [
            (Ok(()), Ok(()), Verdict::Pass),
            (Ok(()), skipped(), Verdict::Pass),
            (Ok(()), wrong(), Verdict::Fail),
            (skipped(), wrong(), Verdict::Fail),
            (skipped(), skipped(), Verdict::Skipped),
        ] {
            let report = report(one, two);
            assert_eq!(report.requirements[0].verdict, verdict);
            assert_eq!(report.is_good(), verdict != Verdict::Fail);
            assert_eq!(report.without_check, [2]);
        }
    }

    #[test]
    fn given_a_report_when_printed_should_say_what_was_expected_and_what_came() {
        let report = report(
            Err(Problem::wrong("this", "that")),
            Err(Problem::skipped("no pushes")),
        );
        let text = report.to_string();
        for part in [
            "R-1   fail      about",
            "one failed",
            "expected: this",
            "came:     that",
            "two skipped: no pushes",
            "R-2   no check  other: because",
            "without a check: R-2",
            "0 passed, 1 failed, 0 skipped, 1 without a check",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let json: serde_json::Value = serde_json::from_str(&report.json()).expect("JSON");
        assert_eq!(json["requirements"][0]["checks"][0]["came"], "that");
        assert_eq!(json["requirements"][1]["verdict"], "no-check");
    }
}
