//! `offline`: messages wait for devices that are away, then all devices return.

use std::time::Instant;

use super::super::fault::Fault;
use super::super::schedule::{Pace, Schedule};
use super::super::stage::Stage;
use super::{Outcome, add_bytes, add_logins, add_pushes, per_unit, report};

pub(super) async fn play(stage: &Stage) -> Result<Outcome, Fault> {
    let crew = stage.crew()?;
    eprintln!("registering the devices");
    let round = stage.log_in(&crew, crew.all()).await?;
    stage.settle().await;
    round.end().await;
    stage.settle().await;
    eprintln!("storing {} messages", stage.args.pushes());
    let mut pusher = stage.pusher().await?;
    let before_store = stage.probe.take()?;
    pusher.start(stage.schedule());
    let pushed = pusher.finished().await?;
    let stored = report(stage, stage.probe.since(&before_store)?);
    drop(pusher);
    stage.settle().await;
    eprintln!("all devices return");
    let before = stage.probe.take()?;
    stage.meter.begin_logins();
    // A message counts from the moment its devices begin to return.
    stage.meter.expect(Schedule {
        start: Instant::now(),
        pace: Pace::AtOnce,
        total: stage.args.pushes(),
    });
    let _devices = stage.log_in(&crew, crew.all()).await?;
    stage.drained(&pushed.answers).await;
    let phase = stage.probe.since(&before)?;
    // The sockets are new: all that they received belongs to the return, handshakes included.
    let below_tls = stage.wire().map(|wire| wire.received);
    let mut report = report(stage, phase);
    add_logins(stage, &mut report);
    let messages = add_pushes(stage, &mut report, &pushed);
    let count = stage
        .meter
        .received(|received| received.receipts.received());
    report.per_message = per_unit(&report, count, below_tls.as_ref().ok().copied());
    report.per_stored_message = per_unit(&stored, pushed.answers.accepted(), None);
    if stored.generator_bound {
        report
            .notes
            .push("generator-bound while the messages were stored".to_owned());
    }
    let bytes = add_bytes(stage, &mut report, below_tls);
    Ok(Outcome {
        report,
        fault: bytes.or(messages),
    })
}
