//! A result as text for people.
//!
//! Owner: nobody. Always: every value of `--out` is shown, under its name there (the last steps of
//! its path); only the latencies, which are read side by side, stand in a table of their own.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::latency::Percentiles;
use super::report::Report;

/// Width of a name, so that values stand below each other.
const NAME_WIDTH: usize = 34;

/// Width of a latency.
const LATENCY_WIDTH: usize = 10;

pub(super) fn table(report: &Report) -> String {
    let mut text = String::new();
    section(&mut text, "scenario", &report.scenario);
    section(&mut text, "settings", &report.settings);
    section(&mut text, "wall_s", &report.wall_s);
    section(&mut text, "logins", &report.logins);
    section(&mut text, "pushes", &report.pushes);
    section(&mut text, "per_device", &report.per_device);
    section(&mut text, "per_heartbeat", &report.per_heartbeat);
    section(&mut text, "per_login", &report.per_login);
    section(&mut text, "per_message", &report.per_message);
    section(&mut text, "per_stored_message", &report.per_stored_message);
    section(&mut text, "bytes", &report.bytes);
    section(&mut text, "server", &report.server);
    section(&mut text, "generator", &report.generator);
    section(&mut text, "generator_bound", &report.generator_bound);
    section(&mut text, "machine", &report.machine);
    section(&mut text, "kernel", &report.kernel);
    latencies(&mut text, report);
    for note in &report.notes {
        line(&mut text, "note", note);
    }
    text
}

fn section(text: &mut String, name: &str, part: &impl Serialize) {
    // What cannot be JSON is found when `--out` is made, which is always.
    leaves(text, name, &serde_json::to_value(part).unwrap_or_default());
}

fn leaves(text: &mut String, path: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(members) => {
            for (name, value) in members {
                leaves(text, &format!("{path}.{name}"), value);
            }
        }
        Value::Array(threads) => {
            for thread in threads {
                let name = thread.get("name").and_then(Value::as_str);
                let cores = thread.get("cores").unwrap_or(&Value::Null);
                leaves(text, &format!("{path}.{}", name.unwrap_or_default()), cores);
            }
        }
        Value::String(words) => line(text, path, words),
        leaf => line(text, path, &leaf.to_string()),
    }
}

fn latencies(text: &mut String, report: &Report) {
    let latency = &report.latency;
    let rows = [
        ("login", latency.login),
        ("login_since_start", latency.login_since_start),
        ("receipt", latency.receipt),
        ("receipt_travellers", latency.receipt_travellers),
        ("http_answer", latency.http_answer),
        ("send_lag", latency.send_lag),
    ];
    if rows.iter().all(|(_, row)| row.is_none()) {
        return;
    }
    let head = ["count", "p50", "p90", "p99", "p99.9", "max"];
    row(text, "latency, microseconds", head.map(str::to_owned));
    for (name, percentiles) in rows {
        if let Some(Percentiles {
            count,
            p50_us,
            p90_us,
            p99_us,
            p999_us,
            max_us,
        }) = percentiles
        {
            let cells = [count, p50_us, p90_us, p99_us, p999_us, max_us];
            row(text, name, cells.map(|cell| cell.to_string()));
        }
    }
}

fn row(text: &mut String, name: &str, cells: [String; 6]) {
    let cells = cells.map(|cell| format!("{cell:>LATENCY_WIDTH$}"));
    line(text, name, &cells.concat());
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{name:<NAME_WIDTH$} {value}");
}

#[cfg(test)]
mod tests {
    use super::super::latency::Latency;
    use super::*;

    fn words(text: &str) -> Vec<Vec<&str>> {
        let lines = text.lines();
        lines
            .map(|line| line.split_whitespace().collect())
            .collect()
    }

    #[test]
    fn given_a_result_when_shown_should_have_a_line_for_each_value() {
        let report = Report::sample();
        let text = table(&report);
        let lines = words(&text);
        for line in [
            &["scenario", "unicast"][..],
            &["settings.devices", "7"],
            &["generator.threads.load-pusher", "0.25"],
            &["generator_bound", "false"],
            &["note", "read", "this"],
        ] {
            assert!(lines.contains(&line.to_vec()), "{line:?} in\n{text}");
        }
        assert!(!text.contains("server"), "it was not measured:\n{text}");
        assert!(!text.contains("latency"), "nothing was timed:\n{text}");
    }

    #[test]
    fn given_latencies_when_shown_should_stand_side_by_side() {
        let mut report = Report::sample();
        let mut latency = Latency::new();
        latency.record(std::time::Duration::from_micros(250));
        report.latency.receipt = latency.percentiles();
        let text = table(&report);
        let row = ["receipt", "1", "250", "250", "250", "250", "250"];
        assert!(words(&text).contains(&row.to_vec()), "{text}");
    }
}
