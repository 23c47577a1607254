//! `storm` and `resume`: registered devices come back all at once.

use super::super::fault::Fault;
use super::super::report::Bytes;
use super::super::stage::Stage;
use super::{Outcome, add_logins, per_unit, report};

/// How the devices come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    /// Without a ticket.
    Full,
    /// With the ticket of the registration.
    Resumed,
}

/// Bytes that a resumed handshake saves at least: the server's certificate and its signature. Less
/// means that the tickets were not taken.
const RESUMED_SAVES_LEN_MIN: u64 = 200;

pub(super) async fn play(stage: &Stage, handshake: Handshake) -> Result<Outcome, Fault> {
    let devices = u64::from(stage.args.devices);
    let mut crew = stage.crew()?;
    eprintln!("registering the devices");
    let round = stage.log_in(&crew, crew.all()).await?;
    // The tickets follow the welcome.
    stage.settle().await;
    let registered = stage.wire();
    round.end().await;
    if handshake == Handshake::Full {
        crew.forget_tickets(&stage.tls);
    }
    stage.settle().await;
    eprintln!("logging in all at once");
    let before = stage.probe.take()?;
    stage.meter.begin_logins();
    let _devices = stage.log_in(&crew, crew.all()).await?;
    let phase = stage.probe.since(&before)?;
    stage.settle().await;
    let wire = stage.wire();
    let mut report = report(stage, phase);
    add_logins(stage, &mut report);
    let below_tls = wire.as_ref().ok().map(|wire| wire.received);
    report.per_login = per_unit(&report, devices, below_tls);
    report.bytes = below_tls.map(|below_tls| Bytes {
        below_tls: Some(below_tls),
        above_tls: None,
        payload: None,
        payload_expected: None,
    });
    match (registered, wire) {
        (Ok(first), Ok(again)) if handshake == Handshake::Resumed => {
            let saved = first.received.saturating_sub(again.received) / devices;
            if saved < RESUMED_SAVES_LEN_MIN {
                report.notes.push(format!(
                    "not resumed: a login received only {saved} bytes less than a registration"
                ));
            }
        }
        (Err(why), _) | (_, Err(why)) => {
            report
                .notes
                .push(format!("bytes below TLS are not counted: {why}"));
        }
        _ => {}
    }
    Ok(Outcome {
        report,
        fault: None,
    })
}
