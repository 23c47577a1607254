//! The main path with real processes: two shards, hand-off, order, offline storage, expiry.
//!
//! Few devices here; more with
//! `RINGPOST_DEVICES=2000 RINGPOST_PUSHES=20000 cargo test --release --test deliver two_shards`.

mod harness;

use std::collections::BTreeMap;

use harness::device::{Device, hello, register};
use harness::{Devices, Server, wait_for};
use protocol::{Ack, Frame, Identity, MessageId};
use sdk_sim::third_party::{BlockingThirdParty, Credentials, Push, PushBody};

fn text(text: impl Into<String>) -> Push {
    Push::new(PushBody::Transmission(text.into())).expect("random")
}

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn given_two_shards_when_pushing_to_all_devices_should_deliver_each_once_over_handed_off_connections()
 {
    let devices_len = setting("RINGPOST_DEVICES", 200);
    let pushes_len = setting("RINGPOST_PUSHES", 2_000);
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let mut devices = Devices::start(dir.path(), &server, devices_len, &[]);
    // Registration makes a CID where it landed; a second login lands anywhere.
    assert!(devices.stop().success());
    devices.restart();
    let cids = devices.events().cids();
    assert_eq!(cids.len(), devices_len);
    wait_for("all logins to be counted", || {
        (server.metric("ringpost_logins_total") == 2 * devices_len as u64).then_some(())
    });
    let handed_off = server.metric("ringpost_connections_handed_off_total");
    assert_eq!(
        server.metric("ringpost_connections_adopted_total"),
        handed_off
    );
    // 200 fair coins: fewer than 30 % or more than 70 % heads is one chance in a hundred million.
    let share = handed_off as f64 / devices_len as f64;
    assert!(
        (0.3..=0.7).contains(&share),
        "{handed_off} of {devices_len} were handed off"
    );
    println!("{handed_off} of {devices_len} devices were handed off");

    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let bootstrap = server.bootstrap();
            let cids = cids.clone();
            std::thread::spawn(move || {
                let client =
                    BlockingThirdParty::new(&bootstrap.http, Credentials::from(&bootstrap))
                        .expect("client");
                (0..pushes_len / 4)
                    .map(|number| {
                        let cid = &cids[(number * 4 + thread) % cids.len()];
                        let accepted = client
                            .push_single_cid(cid, &text(format!("{thread} {number}")))
                            .expect("pushed");
                        assert_eq!(accepted.targets[cid], "successed_online");
                        (cid.clone(), accepted.task_id)
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut accepted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (cid, task) in threads
        .into_iter()
        .flat_map(|thread| thread.join().expect("a pusher"))
    {
        accepted.entry(cid).or_default().push(task);
    }
    wait_for("all pushes", || {
        (devices.events().count("push") >= pushes_len).then_some(())
    });
    devices.events().assert_exactly_once(&accepted);
    assert_eq!(devices.events().count("repeat"), 0);
    wait_for("all acks", || {
        (server.metric("ringpost_messages_acked_total") == pushes_len as u64).then_some(())
    });
    assert_eq!(server.metric("ringpost_messages_held"), 0);
}

#[test]
fn given_an_offline_device_when_pushed_to_should_get_exactly_these_in_order_at_its_next_login() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let mut devices = Devices::start(dir.path(), &server, 1, &[]);
    let cid = devices.events().cids().remove(0);
    assert!(devices.stop().success());
    let client = server.third_party();
    wait_for("the server to see it offline", || {
        (client.status(&[&cid]).expect("status")[&cid] == "offline").then_some(())
    });
    let tasks: Vec<String> = (0..100)
        .map(|number| {
            // Every tenth is longer than a row of the store.
            let body = if number % 10 == 0 {
                "长".repeat(3_000)
            } else {
                format!("push {number}")
            };
            let accepted = client.push_single_cid(&cid, &text(body)).expect("pushed");
            assert_eq!(accepted.targets[&cid], "successed_offline");
            accepted.task_id
        })
        .collect();
    devices.restart();
    wait_for("all pushes", || {
        (devices.events().count("push") >= tasks.len()).then_some(())
    });
    let received = devices.events().pushes().remove(&cid).expect("its pushes");
    assert_eq!(
        received
            .iter()
            .map(|push| &push.task_id)
            .collect::<Vec<_>>(),
        tasks.iter().collect::<Vec<_>>()
    );
    assert_eq!(received[10].body["transmission"], "长".repeat(3_000));
    assert_eq!(received[11].body["transmission"], "push 11");
}

#[test]
fn given_pushes_that_expired_or_may_not_wait_when_the_device_comes_back_should_get_none_of_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 1, &[]);
    let mut devices = Devices::start(dir.path(), &server, 1, &[]);
    let cid = devices.events().cids().remove(0);
    assert!(devices.stop().success());
    let client = server.third_party();
    wait_for("the server to see it offline", || {
        (client.status(&[&cid]).expect("status")[&cid] == "offline").then_some(())
    });
    let now_or_never = Push {
        ttl_ms: Some(-1),
        ..text("now or never")
    };
    assert_eq!(
        client
            .push_single_cid(&cid, &now_or_never)
            .expect("pushed")
            .targets[&cid],
        "successed_ignore"
    );
    let short = Push {
        ttl_ms: Some(1_000),
        ..text("for a second")
    };
    let pushed = std::time::Instant::now();
    assert_eq!(
        client
            .push_single_cid(&cid, &short)
            .expect("pushed")
            .targets[&cid],
        "successed_offline"
    );
    let long = client
        .push_single_cid(&cid, &text("for two hours"))
        .expect("pushed");
    wait_for("the second to be over", || {
        (pushed.elapsed().as_millis() > 1_100).then_some(())
    });
    devices.restart();
    wait_for("the one that waits", || {
        (devices.events().count("push") >= 1).then_some(())
    });
    let received = devices.events().pushes().remove(&cid).expect("its pushes");
    assert_eq!(
        received
            .iter()
            .map(|push| push.task_id.as_str())
            .collect::<Vec<_>>(),
        [long.task_id.as_str()]
    );
    wait_for("the sums", || {
        (server.metric("ringpost_messages_held") == 0).then_some(())
    });
    assert_eq!(server.metric("ringpost_messages_expired_total"), 2);
    // With a session the same push is delivered, and not stored.
    let stored = server.metric("ringpost_messages_stored_total");
    let now_or_never = Push {
        ttl_ms: Some(-1),
        ..text("now")
    };
    assert_eq!(
        client
            .push_single_cid(&cid, &now_or_never)
            .expect("pushed")
            .targets[&cid],
        "successed_online"
    );
    wait_for("the live one", || {
        (devices.events().count("push") >= 2).then_some(())
    });
    assert_eq!(server.metric("ringpost_messages_stored_total"), stored);
}

#[test]
fn given_a_hello_and_a_hundred_frames_in_one_write_when_handed_off_should_lose_none() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    // Each connection lands on one of two cores; one in a million runs would see no hand-off.
    for _ in 0..20 {
        let mut frames = vec![Frame::Hello(hello(
            &bootstrap,
            Identity::Login(cid),
            [1; 32],
        ))];
        frames.extend((0..100).map(|_| Frame::Ping));
        let mut device = Device::connect(&bootstrap);
        device.send(&frames);
        let mut pongs = 0;
        while pongs < 100 {
            match device.receive().expect("open") {
                Frame::Welcome(_) => assert_eq!(pongs, 0, "the welcome comes first"),
                Frame::Pong => pongs += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    wait_for("a hand-off", || {
        (server.metric("ringpost_connections_handed_off_total") > 0).then_some(())
    });
}

#[test]
fn given_a_device_that_acks_nothing_when_it_comes_back_should_get_the_same_ids_again_in_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    let client = server.third_party();
    // More than a window.
    for number in 0..150 {
        client
            .push_single_cid(&cid.to_string(), &text(format!("{number}")))
            .expect("pushed");
    }
    let receive = |device: &mut Device, count: usize| -> Vec<MessageId> {
        (0..count)
            .map(|_| {
                device.receive_until("a push", |frame| match frame {
                    Frame::Push(push) => Some(push.id),
                    _ => None,
                })
            })
            .collect()
    };
    let mut silent = Device::connect(&bootstrap);
    silent.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    let first = receive(&mut silent, 64);
    drop(silent);
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    let again = receive(&mut device, 64);
    assert_eq!(again, first);
    // Out of order, with a gap that is closed later.
    device.send(&[Frame::Ack(Ack {
        ids: again[1..].to_vec(),
    })]);
    let more = receive(&mut device, 63);
    assert!(more[0] > again[63]);
    device.send(&[
        Frame::Ack(Ack {
            ids: vec![again[0]],
        }),
        Frame::Ack(Ack { ids: more.clone() }),
    ]);
    let last = receive(&mut device, 150 - 127);
    device.send(&[Frame::Ack(Ack { ids: last.clone() })]);
    let all: Vec<MessageId> = again.into_iter().chain(more).chain(last).collect();
    assert_eq!(all.len(), 150);
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
    wait_for("nothing to be held", || {
        (server.metric("ringpost_messages_held") == 0).then_some(())
    });
}

#[test]
fn given_a_second_login_of_a_cid_when_both_are_open_should_close_the_older_and_deliver_to_the_newer()
 {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    let mut older = Device::connect(&bootstrap);
    older.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    let mut newer = Device::connect(&bootstrap);
    newer.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    match older.receive() {
        Some(Frame::Close(close)) => assert_eq!(close.reason, protocol::CloseReason::Replaced),
        other => panic!("{other:?}"),
    }
    assert_eq!(older.receive(), None);
    let accepted = server
        .third_party()
        .push_single_cid(&cid.to_string(), &text("hello"))
        .expect("pushed");
    assert_eq!(accepted.targets[&cid.to_string()], "successed_online");
    newer.receive_until("the push", |frame| {
        matches!(frame, Frame::Push(_)).then_some(())
    });
}
