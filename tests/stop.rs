//! SIGTERM and SIGINT: nothing accepted is lost, devices are told, the exit code is 0.

mod harness;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use harness::device::{Device, client_config, hello, register};
use harness::{Devices, Server, wait_for};
use protocol::{Frame, GoAwayReason, Identity};
use sdk_sim::third_party::{BlockingThirdParty, Credentials, Push, PushBody};

#[test]
fn given_live_devices_when_stopped_should_tell_them_where_to_go_and_exit_zero() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("ringpost.toml");
    std::fs::write(&config, "[drain]\nendpoint = \"localhost:5225\"\n").expect("written");
    let mut server = Server::start(dir.path(), 2, &["--config", config.to_str().expect("text")]);
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    let listening = std::thread::spawn(move || {
        let jitter_ms = device.receive_until("a go-away", |frame| match frame {
            Frame::GoAway(go) => {
                assert_eq!(go.reason, GoAwayReason::Draining);
                assert_eq!(go.endpoint, "localhost:5225");
                Some(go.jitter_ms)
            }
            _ => None,
        });
        // Dropping it ends the connection, as a device that goes away does.
        drop(device);
        jitter_ms
    });
    assert!(server.stop().success());
    assert!(listening.join().expect("told") > 0);
}

#[test]
fn given_a_drain_that_an_operator_asks_for_when_it_begins_should_be_answered_and_be_as_a_signal() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    let push = Push::new(PushBody::Transmission("held".into())).expect("random");
    let answer = server
        .third_party()
        .push_single_cid(&cid.to_string(), &push);
    answer.expect("pushed");
    let listening = std::thread::spawn(move || {
        device.receive_until("a go-away", |frame| match frame {
            Frame::GoAway(go) => Some(go.reason),
            _ => None,
        })
    });
    // The answer is data, though there is none.
    assert_eq!(server.say(&["drain"]), serde_json::Value::Null);
    assert!(server.ended().success());
    assert_eq!(listening.join().expect("told"), GoAwayReason::Draining);
    server.check();
    server.restart();
    let mut device = Device::connect(&bootstrap);
    device.send(&[Frame::Hello(hello(
        &bootstrap,
        Identity::Login(cid),
        [1; 32],
    ))]);
    let again = device.receive_until("the push that was not acknowledged", |frame| match frame {
        Frame::Push(push) => Some(push.body.clone()),
        _ => None,
    });
    assert!(String::from_utf8_lossy(&again).contains("held"));
}

#[test]
fn given_a_ticket_of_before_when_started_again_should_resume_unless_its_keys_are_taken_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let tickets = client_config(&bootstrap, &[protocol::ALPN]);
    let mut device = Device::connect_by(&bootstrap, &tickets);
    let install = Identity::Register(protocol::InstallId::from_bytes([1; 16]));
    let cid = device.greet(hello(&bootstrap, install, [1; 32]));
    assert!(!device.is_resumed());
    drop(device);
    let come_back = |server: &Server| {
        let bootstrap = server.bootstrap();
        let mut device = Device::connect_by(&bootstrap, &tickets);
        device.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
        device.is_resumed()
    };
    assert!(server.stop().success());
    server.restart();
    assert!(come_back(&server), "after a stop");
    server.kill_nine();
    server.restart();
    assert!(come_back(&server), "after a kill");
    server.kill_nine();
    std::fs::remove_file(server.data().join("tls/tickets")).expect("there");
    server.restart();
    assert!(!come_back(&server), "the keys are others");
}

/// How long a fleet has to come back in the test of its pace.
const JITTER: Duration = Duration::from_secs(4);

#[test]
fn given_many_devices_when_told_to_go_should_come_to_the_next_address_spread_over_the_jitter() {
    let dir = tempfile::tempdir().expect("a folder");
    // Whoever listens there sees each device come once, and how the fleet is spread.
    let next = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = next.local_addr().expect("bound");
    let jitter_s = JITTER.as_secs();
    let toml = format!("[drain]\nendpoint = '{endpoint}'\njitter_s = {jitter_s}\n");
    let mut server = Server::start_configured(dir.path(), 2, &toml);
    let count = 128;
    let devices = Devices::start(dir.path(), &server, count, &[]);
    let begun = Instant::now();
    let arrivals = std::thread::spawn(move || {
        let mut all = Vec::new();
        while all.len() < count {
            let (socket, _) = next.accept().expect("a device");
            all.push((begun.elapsed(), socket));
        }
        all.into_iter().map(|(since, _)| since).collect::<Vec<_>>()
    });
    assert!(server.stop().success());
    let arrivals = arrivals.join().expect("all of them");
    assert_eq!(devices.events().count("goaway"), count);
    let (first, last) = (arrivals[0], arrivals[count - 1]);
    assert!(last - first > JITTER / 2, "all within {:?}", last - first);
    // A quarter of the window would hold a quarter of them; twice that is six deviations away.
    let quarter = JITTER / 4;
    for (number, from) in arrivals.iter().enumerate() {
        let within = arrivals[number..]
            .iter()
            .take_while(|at| **at - *from < quarter);
        let within = within.count();
        assert!(within <= count / 2, "{within} devices within {quarter:?}");
    }
}

#[test]
fn given_a_device_that_stays_when_the_drain_is_over_should_be_closed_and_the_exit_code_be_zero() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("ringpost.toml");
    std::fs::write(&config, "[drain]\ntimeout_s = 1\n").expect("written");
    let mut server = Server::start(dir.path(), 2, &["--config", config.to_str().expect("text")]);
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    assert!(server.stop().success());
    let reason = device.receive_until("a close", |frame| match frame {
        Frame::Close(close) => Some(close.reason),
        _ => None,
    });
    assert_eq!(reason, protocol::CloseReason::Draining);
}

#[test]
fn given_a_stop_under_load_when_started_again_should_have_lost_and_repeated_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let devices = Devices::start(dir.path(), &server, 20, &[]);
    let cids = devices.events().cids();
    let answered = Arc::new(AtomicUsize::new(0));
    let pusher = {
        let (bootstrap, cids, answered) = (server.bootstrap(), cids.clone(), Arc::clone(&answered));
        std::thread::spawn(move || {
            let client = BlockingThirdParty::new(&bootstrap.http, Credentials::from(&bootstrap))
                .expect("a client");
            let mut accepted: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for number in 0..600 {
                let cid = &cids[number % cids.len()];
                let push =
                    Push::new(PushBody::Transmission(format!("push {number}"))).expect("random");
                let answer = wait_for("an answer", || client.push_single_cid(cid, &push).ok());
                accepted
                    .entry(cid.clone())
                    .or_default()
                    .push(answer.task_id);
                answered.fetch_add(1, Ordering::Relaxed);
            }
            accepted
        })
    };
    for stop_after in [100, 300] {
        wait_for("answers", || {
            (answered.load(Ordering::Relaxed) >= stop_after).then_some(())
        });
        assert!(server.stop().success());
        server.restart();
    }
    let accepted = pusher.join().expect("the pusher");
    wait_for("all pushes", || {
        (devices.events().count("push") >= 600).then_some(())
    });
    devices.events().assert_exactly_once(&accepted);
    // Acks were written down at the stop, so there was nothing to send again.
    assert_eq!(devices.events().count("repeat"), 0);
}
