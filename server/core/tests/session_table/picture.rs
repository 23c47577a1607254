//! The table as a picture for people who write an SDK: the changes of state, without what changes
//! nothing.
//!
//! Always: drawn from the rows alone. A drain that has begun is drawn as the state `Leaving`; those
//! that have no welcome then are closed at the next tick and need no state of their own.

use std::fmt::Write;

use super::Row;
use super::subject::{Place, State};

/// Where a session is before its first and after its last state.
const OUTSIDE: &str = "[*]";

/// The name of a place in the picture, if it stands there.
fn node(place: Place) -> Option<&'static str> {
    match (place.state, place.draining) {
        (State::New, false) => Some(OUTSIDE),
        (State::Greeting, false) => Some("Greeting"),
        (State::Registering, false) => Some("Registering"),
        (State::Live, false) => Some("Live"),
        (State::Live, true) => Some("Leaving"),
        _ => None,
    }
}

/// One arrow, with all that makes a session take it, each once.
struct Arrow {
    from: &'static str,
    to: &'static str,
    labels: Vec<String>,
}

fn arrows(rows: &[Row]) -> Vec<Arrow> {
    let mut arrows: Vec<Arrow> = Vec::new();
    for row in rows {
        let (from, to) = match (node(row.from), row.to.state) {
            // What was never a session needs no arrow.
            (None | Some(OUTSIDE), State::Closed) => continue,
            (Some(from), State::Closed) => (from, OUTSIDE),
            (Some(from), _) => match node(row.to) {
                Some(to) if to != from => (from, to),
                _ => continue,
            },
            (None, _) => continue,
        };
        let label = if to == OUTSIDE {
            end(row)
        } else {
            row.what.clone()
        };
        let at = arrows
            .iter()
            .position(|arrow| arrow.from == from && arrow.to == to)
            .unwrap_or_else(|| {
                arrows.push(Arrow {
                    from,
                    to,
                    labels: Vec::new(),
                });
                arrows.len() - 1
            });
        if !arrows[at].labels.contains(&label) {
            arrows[at].labels.push(label);
        }
    }
    arrows
}

/// How a session ends: the reason of its `Close`, or what happened instead of one.
fn end(row: &Row) -> String {
    let reason = row
        .seen
        .iter()
        .find_map(|seen| seen.strip_prefix("send Close "));
    match reason {
        Some(reason) => reason.split(' ').next().unwrap_or_default().to_owned(),
        None => row.seen.first().unwrap_or(&row.what).clone(),
    }
}

/// What stands between the two marks of the document.
pub(crate) fn draw(rows: &[Row]) -> String {
    let mut text = "\n```mermaid\nstateDiagram-v2\n".to_owned();
    for arrow in arrows(rows) {
        let labels = arrow.labels.join("<br/>");
        writeln!(text, "    {} --> {}: {labels}", arrow.from, arrow.to)
            .expect("a string takes all");
    }
    text.push_str("```\n");
    text
}
