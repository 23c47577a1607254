//! `mixed`: single pushes at a rate, while a tenth of their devices keeps leaving and returning.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::sleep;

use super::super::crew::Crew;
use super::super::fault::Fault;
use super::super::stage::Stage;
use super::{Outcome, add_bytes, add_logins, add_pushes, per_unit, report};

/// How long a traveller stays, and how long it is away.
const STAY: Duration = Duration::from_millis(500);

pub(super) async fn play(stage: &Stage) -> Result<Outcome, Fault> {
    let crew = stage.crew()?;
    let travellers = stage.meter.travellers();
    eprintln!("registering the devices");
    let _stayers = stage.log_in(&crew, 0..travellers.start).await?;
    let round = stage.log_in(&crew, travellers.clone()).await?;
    let mut pusher = stage.pusher().await?;
    stage.settle().await;
    round.end().await;
    eprintln!("pushing, {} devices travel", travellers.len());
    let before = stage.probe.take()?;
    stage.meter.begin_logins();
    let schedule = stage.schedule();
    stage.meter.expect(schedule);
    pusher.start(schedule);
    let done = Cell::new(false);
    let pushing = async {
        let pushed = pusher.finished().await;
        done.set(true);
        pushed
    };
    let (pushed, travelled) = tokio::join!(pushing, travel(stage, &crew, &done));
    let pushed = pushed?;
    travelled?;
    let _returned = stage.log_in(&crew, travellers).await?;
    stage.drained(&pushed.answers).await;
    let phase = stage.probe.since(&before)?;
    let mut report = report(stage, phase);
    add_logins(stage, &mut report);
    // They come one journey after the other: a wait since the first says nothing.
    report.latency.login_since_start = None;
    let messages = add_pushes(stage, &mut report, &pushed);
    let count = stage
        .meter
        .received(|received| received.receipts.received());
    report.per_message = per_unit(&report, count, None);
    let why = "the travellers' sockets come and go".to_owned();
    let bytes = add_bytes(stage, &mut report, Err(why));
    Ok(Outcome {
        report,
        fault: bytes.or(messages),
    })
}

/// Journeys until `done`; ends with all travellers away.
async fn travel(stage: &Stage, crew: &Crew, done: &Cell<bool>) -> Result<(), Fault> {
    while !done.get() {
        let round = stage.log_in(crew, stage.meter.travellers()).await?;
        sleep(STAY).await;
        round.end().await;
        sleep(STAY).await;
    }
    Ok(())
}
