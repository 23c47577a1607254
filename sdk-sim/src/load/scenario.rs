//! The scenarios, and what they have in common: from a measured phase to a report.
//!
//! Owner: the run. Always: a scenario prepares, waits until the server is quiet, measures one
//! phase, and only then adds up; a sum that does not come out right is said beside the figures.

mod fanout;
mod idle;
mod logins;
mod mixed;
mod offline;
mod pushes;

use super::args::Scenario;
use super::fault::Fault;
use super::pusher::Pushed;
use super::report::{self, Bytes, Latencies, PerUnit, Report, Settings, thousandths};
use super::snapshot::{BOUND_SHARE, Phase};
use super::stage::Stage;

/// Above this many cores in other hands a figure is called disturbed.
const OTHERS_CORES: f64 = 0.1;

/// A report, and what in it must not be.
pub(super) struct Outcome {
    pub(super) report: Report,
    pub(super) fault: Option<Fault>,
}

/// Plays the scenario that was asked for.
pub(super) async fn play(stage: &Stage) -> Result<Outcome, Fault> {
    match stage.args.scenario {
        Scenario::Idle => idle::play(stage).await,
        Scenario::Storm => logins::play(stage, logins::Handshake::Full).await,
        Scenario::Resume => logins::play(stage, logins::Handshake::Resumed).await,
        Scenario::Unicast => pushes::play(stage).await,
        Scenario::Fanout => fanout::play(stage).await,
        Scenario::Offline => offline::play(stage).await,
        Scenario::Mixed => mixed::play(stage).await,
    }
}

/// A report of a phase, with everything that every scenario has.
fn report(stage: &Stage, phase: Phase) -> Report {
    let Phase {
        wall,
        server,
        generator,
        machine,
        kernel,
    } = phase;
    let mut notes = Vec::new();
    if let Some(why) = stage.probe.server_unknown() {
        notes.push(format!(
            "the server's CPU and memory are not measured: {why}"
        ));
    }
    if generator.bound {
        notes.push(format!(
            "generator-bound: a thread of ours used more than {BOUND_SHARE} of a core"
        ));
    }
    if machine.others_cores > OTHERS_CORES {
        notes.push(format!(
            "disturbed: other processes (and the kernel's own threads) used {} cores",
            machine.others_cores
        ));
    }
    Report {
        version: report::VERSION,
        scenario: stage.args.scenario,
        settings: settings(stage),
        generator_bound: generator.bound,
        notes,
        wall_s: thousandths(wall.as_secs_f64()),
        logins: None,
        pushes: None,
        latency: Latencies::default(),
        per_device: None,
        per_heartbeat: None,
        per_login: None,
        per_message: None,
        per_stored_message: None,
        bytes: None,
        server,
        generator,
        machine,
        kernel,
    }
}

fn settings(stage: &Stage) -> Settings {
    let args = &stage.args;
    let pushes = args.pushes() > 0;
    let singles = args.single_pushes() > 0;
    let timed = stage.rate().is_some() || args.scenario == Scenario::Idle;
    Settings {
        devices: args.devices,
        rate_per_s: stage.rate().map(std::num::NonZeroU32::get),
        duration_s: timed.then_some(args.duration),
        size_bytes: pushes.then_some(args.size),
        connections: singles.then_some(args.connections),
        batch: singles.then_some(args.batch),
        broadcasts: (args.scenario == Scenario::Fanout).then_some(args.broadcasts),
        heartbeat_s: (args.heartbeat > 0).then_some(args.heartbeat),
        messages_per_device: (args.scenario == Scenario::Offline).then_some(args.messages),
        ramp_s: (args.scenario == Scenario::Idle && args.ramp > 0).then_some(args.ramp),
    }
}

/// Adds the logins since the meter began to count them.
fn add_logins(stage: &Stage, report: &mut Report) {
    stage.meter.logins(|logins| {
        let took = logins.last_at.saturating_duration_since(logins.begun_at);
        report.logins = Some(report::Logins {
            count: logins.count,
            attempts_refused: stage.meter.attempts_refused(),
            per_s: per_second(logins.count, took.as_secs_f64()),
        });
        report.latency.login = logins.each.percentiles();
        report.latency.login_since_start = logins.since_begin.percentiles();
    });
}

/// Adds both sides of the pushes; the fault if they do not agree.
fn add_pushes(stage: &Stage, report: &mut Report, pushed: &Pushed) -> Option<Fault> {
    let answers = &pushed.answers;
    let meter = &stage.meter;
    let sums = meter.received(|received| {
        let took = received
            .last_at
            .saturating_duration_since(meter.schedule().start);
        report.latency.receipt = received.stayers.percentiles();
        report.latency.receipt_travellers = received.travellers.percentiles();
        report::Pushes {
            offered: stage.args.pushes(),
            accepted: answers.accepted(),
            refused: answers.refused().clone(),
            failed: answers.failures(),
            http_reconnects: answers.reconnects(),
            received: received.receipts.received(),
            acked: meter.acked(),
            lost: received.receipts.lost(answers),
            doubled: received.receipts.doubled(),
            repeats_dropped: meter.repeats(),
            foreign: received.receipts.foreign(),
            links_lost: meter.links_lost(),
            accepted_per_s: per_second(answers.accepted(), pushed.wall.as_secs_f64()),
            received_per_s: per_second(received.receipts.received(), took.as_secs_f64()),
        }
    });
    report.latency.http_answer = pushed.answered.percentiles();
    report.latency.send_lag = pushed.sent.percentiles();
    let reasons = answers.reasons().iter();
    report
        .notes
        .extend(reasons.map(|why| format!("a push failed: {why}")));
    let (lost, doubled) = (sums.lost, sums.doubled);
    report.pushes = Some(sums);
    (lost > 0 || doubled > 0).then(|| {
        Fault::Messages(format!(
            "{lost} accepted and never received, {doubled} doubled"
        ))
    })
}

/// Adds what the devices received, counted in three places; the fault if that cannot be.
/// `below_tls` is the kernel's count, or why there is none.
fn add_bytes(stage: &Stage, report: &mut Report, below_tls: Result<u64, String>) -> Option<Fault> {
    let (above_tls, payload, messages) = stage.meter.received(|received| {
        let receipts = &received.receipts;
        let ours = receipts.received() + receipts.doubled();
        (received.frame_len, received.payload_len, ours)
    });
    let expected = messages * u64::from(stage.args.size);
    if let Err(why) = &below_tls {
        report
            .notes
            .push(format!("bytes below TLS are not counted: {why}"));
    }
    let below_tls = below_tls.ok();
    report.bytes = Some(Bytes {
        below_tls,
        above_tls: Some(above_tls),
        payload: Some(payload),
        payload_expected: Some(expected),
    });
    contradiction(below_tls, above_tls, payload, expected).map(Fault::Bytes)
}

fn contradiction(
    below_tls: Option<u64>,
    above_tls: u64,
    payload: u64,
    expected: u64,
) -> Option<String> {
    if payload != expected {
        return Some(format!(
            "texts of {payload} bytes came, messages x size is {expected}"
        ));
    }
    if above_tls < payload {
        return Some(format!(
            "frames of {above_tls} bytes held texts of {payload}"
        ));
    }
    let below = below_tls.filter(|below| *below < above_tls)?;
    Some(format!(
        "{below} bytes below TLS held frames of {above_tls}"
    ))
}

/// What one of `count` things cost.
fn per_unit(report: &Report, count: u64, below_tls: Option<u64>) -> Option<PerUnit> {
    let each_us = |cpu_s: f64| thousandths(cpu_s * 1e6 / count as f64);
    (count > 0).then(|| PerUnit {
        server_cpu_us: report.server.as_ref().map(|server| each_us(server.cpu_s)),
        generator_cpu_us: each_us(report.generator.cpu_s),
        below_tls_bytes: below_tls.map(|bytes| thousandths(bytes as f64 / count as f64)),
    })
}

/// Nothing in no time is no rate.
fn per_second(count: u64, took_s: f64) -> f64 {
    if took_s > 0.0 {
        thousandths(count as f64 / took_s)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_counts_of_three_layers_when_compared_should_name_what_cannot_be() {
        let fault = |below, above, payload, expected| {
            contradiction(below, above, payload, expected).unwrap_or_default()
        };
        assert_eq!(fault(Some(300), 200, 100, 100), "");
        assert_eq!(fault(None, 200, 100, 100), "");
        assert!(fault(Some(300), 200, 99, 100).contains("99"));
        assert!(fault(Some(300), 99, 100, 100).contains("99"));
        assert!(fault(Some(199), 200, 100, 100).contains("199"));
        assert_eq!(per_second(5, 0.0), 0.0);
        assert_eq!(per_second(5, 2.0), 2.5);
    }
}
