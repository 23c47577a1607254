//! `unicast`: single pushes to devices that are there.

use super::super::fault::Fault;
use super::super::pusher::Pushed;
use super::super::snapshot::Phase;
use super::super::stage::Stage;
use super::super::wire::WireSample;
use super::{Outcome, add_bytes, add_pushes, per_unit, report};

pub(super) async fn play(stage: &Stage) -> Result<Outcome, Fault> {
    let crew = stage.crew()?;
    eprintln!("registering the devices");
    let _devices = stage.log_in(&crew, crew.all()).await?;
    let mut pusher = stage.pusher().await?;
    stage.settle().await;
    eprintln!("pushing");
    let wire_before = stage.wire();
    let before = stage.probe.take()?;
    let schedule = stage.schedule();
    stage.meter.expect(schedule);
    pusher.start(schedule);
    let pushed = pusher.finished().await?;
    stage.drained(&pushed.answers).await;
    let phase = stage.probe.since(&before)?;
    let wire_after = stage.wire();
    Ok(measured(
        stage,
        phase,
        &pushed,
        received(stage, wire_before, wire_after),
    ))
}

/// What a phase of pushes to devices that are there came to.
pub(super) fn measured(
    stage: &Stage,
    phase: Phase,
    pushed: &Pushed,
    below_tls: Result<u64, String>,
) -> Outcome {
    let mut report = report(stage, phase);
    let messages = add_pushes(stage, &mut report, pushed);
    let count = stage
        .meter
        .received(|received| received.receipts.received());
    report.per_message = per_unit(&report, count, below_tls.as_ref().ok().copied());
    let bytes = add_bytes(stage, &mut report, below_tls);
    Outcome {
        report,
        fault: bytes.or(messages),
    }
}

/// What came between two samples, if the sockets are the same.
pub(super) fn received(
    stage: &Stage,
    before: Result<WireSample, String>,
    after: Result<WireSample, String>,
) -> Result<u64, String> {
    let (before, after) = (before?, after?);
    let links_lost = stage.meter.links_lost();
    if links_lost > 0 || before.sockets != after.sockets {
        return Err(format!(
            "{links_lost} links were lost, and their counts with them"
        ));
    }
    Ok(after.received.saturating_sub(before.received))
}
