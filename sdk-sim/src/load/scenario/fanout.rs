//! `fanout`: pushes to the whole app, one after the other.

use std::time::Instant;

use super::super::books::Answers;
use super::super::fault::Fault;
use super::super::latency::Latency;
use super::super::pusher::Pushed;
use super::super::stage::Stage;
use super::Outcome;
use super::pushes::{measured, received};
use crate::third_party::{CallError, Push, PushBody};

pub(super) async fn play(stage: &Stage) -> Result<Outcome, Fault> {
    let crew = stage.crew()?;
    eprintln!("registering the devices");
    let _devices = stage.log_in(&crew, crew.all()).await?;
    let third_party = stage.third_party().await?;
    stage.settle().await;
    eprintln!("pushing to the whole app");
    let schedule = stage.schedule();
    stage.meter.expect(schedule);
    let wire_before = stage.wire();
    let before = stage.probe.take()?;
    let began = Instant::now();
    let mut pushed = Pushed {
        answers: Answers::new(schedule.total),
        answered: Latency::new(),
        sent: Latency::new(),
        wall: began.elapsed(),
    };
    for number in 0..u64::from(stage.args.broadcasts) {
        let push = Push::new(PushBody::Transmission(stage.text(number)))?;
        let due = Instant::now();
        stage.meter.expect_broadcast(number, due);
        pushed.sent.record(due.elapsed());
        let answer = third_party.push_all(&push).await;
        pushed.answered.record(due.elapsed());
        pushed.wall = began.elapsed();
        for device in crew.all() {
            let receipt = stage.meter.receipt(number, device);
            match &answer {
                Ok(_) => pushed.answers.answered(receipt, 0),
                Err(CallError::Refused { code, .. }) => pushed.answers.answered(receipt, *code),
                Err(error) => pushed.answers.failed(&error.to_string()),
            }
        }
        stage.drained(&pushed.answers).await;
    }
    let phase = stage.probe.since(&before)?;
    let wire_after = stage.wire();
    Ok(measured(
        stage,
        phase,
        &pushed,
        received(stage, wire_before, wire_after),
    ))
}
