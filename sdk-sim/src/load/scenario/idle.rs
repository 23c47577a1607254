//! `idle`: what a device costs that is only there.

use std::time::Duration;

use super::super::fault::Fault;
use super::super::report::{Bytes, PerDevice, Report, thousandths};
use super::super::snapshot::Phase;
use super::super::stage::Stage;
use super::pushes::received;
use super::{Outcome, add_logins, per_unit, report};

/// Bytes below TLS of the answer to a heartbeat: a frame of two bytes in a record of its own.
const PONG_LEN: u64 = 24;

pub(super) async fn play(stage: &Stage) -> Result<Outcome, Fault> {
    let crew = stage.crew()?;
    let before = stage.probe.take()?;
    eprintln!("logging in");
    let ramp = Duration::from_secs(u64::from(stage.args.ramp));
    let _devices = stage.log_in_over(ramp, &crew, crew.all()).await?;
    stage.settle().await;
    eprintln!("idle for {} s", stage.args.duration);
    let links_lost = stage.meter.links_lost();
    let wire_before = stage.wire();
    let logged_in = stage.probe.take()?;
    tokio::time::sleep(Duration::from_secs(u64::from(stage.args.duration))).await;
    let idle = stage.probe.since(&logged_in)?;
    let below_tls = received(stage, wire_before, stage.wire());
    let whole = stage.probe.since(&before)?;
    let lost = stage.meter.links_lost() - links_lost;
    let mut report = report(stage, idle);
    add_logins(stage, &mut report);
    add_memory(stage, &mut report, whole);
    match below_tls {
        Ok(below_tls) => {
            let pongs = below_tls / PONG_LEN;
            report.per_heartbeat = per_unit(&report, pongs, Some(below_tls));
            report.bytes = Some(Bytes {
                below_tls: Some(below_tls),
                above_tls: None,
                payload: None,
                payload_expected: None,
            });
        }
        Err(why) => report
            .notes
            .push(format!("heartbeats are not counted: {why}")),
    }
    if lost > 0 {
        report
            .notes
            .push(format!("{lost} links ended while the devices were idle"));
    }
    Ok(Outcome {
        report,
        fault: None,
    })
}

/// CPU is that of the idle time; memory is what grew since before the first login.
fn add_memory(stage: &Stage, report: &mut Report, whole: Phase) {
    let devices = f64::from(stage.args.devices);
    let each = |bytes: i64| thousandths(bytes as f64 / devices);
    let ends = if stage.is_local() { 2.0 } else { 1.0 };
    let kernel = whole.kernel.slab_growth_bytes + whole.kernel.tcp_buffers_growth_bytes;
    let kernel = thousandths(kernel as f64 / devices / ends);
    let server = whole
        .server
        .as_ref()
        .map(|server| each(server.rss_growth_bytes));
    report.per_device = Some(PerDevice {
        server_bytes: server,
        kernel_bytes_estimate: kernel,
        all_bytes_estimate: server.map(|server| thousandths(server + kernel)),
        generator_bytes: each(whole.generator.rss_growth_bytes),
    });
    if let (Some(now), Some(whole)) = (&mut report.server, whole.server) {
        now.rss_before_bytes = whole.rss_before_bytes;
        now.rss_growth_bytes = whole.rss_growth_bytes;
    }
    report.generator.rss_before_bytes = whole.generator.rss_before_bytes;
    report.generator.rss_growth_bytes = whole.generator.rss_growth_bytes;
    report.kernel = whole.kernel;
}
