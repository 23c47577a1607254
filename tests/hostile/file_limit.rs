//! No descriptor left, for devices or for third parties: accepting pauses, says so once, costs nothing, and goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use protocol::{Frame, Identity};
use sdk_sim::third_party::{Push, PushBody};
use server::shares::Shares;

use super::harness::device::{Device, hello, register};
use super::harness::neighbour::Neighbours;
use super::harness::process::{cpu_percent_over, open_files};
use super::harness::{Server, Surroundings, wait_for};
use super::{CUT_WAIT_MAX, raw};

const FILES_MAX: u32 = 300;

/// Nobody is cut for being slow while the test fills the server.
const PATIENT: &str = "[devices]\nhello_timeout_s = 120\n\
    [ingress]\nhead_timeout_s = 120\nidle_timeout_s = 120\n";

fn lines_with(server: &Server, text: &str) -> usize {
    let log = server.log();
    log.lines().filter(|line| line.contains(text)).count()
}

fn is_idle(server: &Server) {
    let busy = cpu_percent_over(server.pid(), Duration::from_secs(1));
    println!("{busy} % of a core while accepting pauses");
    assert!(busy < 50, "{busy} % of a core while accepting pauses");
}

#[test]
fn given_the_file_limit_reached_by_devices_when_one_leaves_should_go_on_and_have_said_so_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_in(dir.path(), 1, PATIENT, Surroundings::of_files(FILES_MAX));
    let mut neighbours = Neighbours::move_in(&server, 1);
    let mut open = Vec::new();
    while lines_with(&server, "accepting pauses") == 0 {
        let before = open_files(server.pid());
        open.push(raw(&server));
        wait_for("a connection to be taken, or a pause", || {
            let taken = open_files(server.pid()) > before;
            (taken || lines_with(&server, "accepting pauses") > 0).then_some(())
        });
        assert!(open.len() < FILES_MAX as usize, "more than there can be");
    }
    println!(
        "{} silent connections, {} files open",
        open.len(),
        open_files(server.pid())
    );
    // What devices cannot take is left for the store and for third parties.
    neighbours.notice_nothing();

    // One more waits in the kernel while accepting pauses.
    let bootstrap = server.bootstrap();
    let waiting = std::thread::spawn(move || register(&bootstrap, 1));
    is_idle(&server);
    assert!(!waiting.is_finished(), "there was no room for it");
    // One that was taken for certain, and one more in case another came before it.
    drop(open.drain(..2));
    waiting.join().expect("taken when there was room");
    wait_for("the log to say that it goes on", || {
        (lines_with(&server, "accepting goes on") == 1).then_some(())
    });

    // Coming and going at the limit does not fill the log.
    for number in 2..12 {
        drop(open.remove(0));
        register(&server.bootstrap(), number);
        open.push(raw(&server));
    }
    assert_eq!(
        lines_with(&server, "accepting pauses"),
        1,
        "{}",
        server.log()
    );
    neighbours.notice_nothing();
    neighbours.move_out();
}

#[test]
fn given_third_parties_that_fill_their_share_when_one_leaves_should_go_on_and_have_said_so_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let surroundings = Surroundings::of_files(FILES_MAX);
    let server = Server::start_in(dir.path(), 1, PATIENT, surroundings);
    let shares = Shares::of_limit(u64::from(FILES_MAX), 1, false);
    let mut neighbours = Neighbours::move_in(&server, 1);
    let before = open_files(server.pid());
    // Their share is full when only one of them is missing: somebody has to push meanwhile.
    let mut open: Vec<TcpStream> = (1..shares.third_parties)
        .map(|_| third_party(&server))
        .collect();
    neighbours.notice_nothing();
    open.extend((0..100).map(|_| third_party(&server)));
    wait_for("the HTTP side to be full", || {
        (lines_with(&server, "accepting pauses") > 0).then_some(())
    });
    is_idle(&server);
    let taken = open_files(server.pid()) - before;
    println!("{taken} files for HTTP connections, {shares:?}");
    assert!(taken <= shares.third_parties, "more than their share");

    // Devices come in all the same, and the store makes tables and answers: the neighbours' client
    // holds one of the places.
    for number in 1..50 {
        register(&server.bootstrap(), number);
    }
    neighbours.notice_nothing();
    assert_eq!(lines_with(&server, "accept failed"), 0);

    // Those who wait come in as others leave.
    let told = |text| {
        let log = server.log();
        let lines = log.lines().filter(|line| line.contains(text));
        lines
            .filter(|line| line.contains("listener=\"http\""))
            .count()
    };
    assert_eq!(told("accepting goes on"), 0, "{}", server.log());
    // Each that leaves lets one of those in who wait: that does not fill the log.
    drop(open.drain(..10));
    wait_for("the log to say that it goes on", || {
        (told("accepting goes on") > 0).then_some(())
    });
    neighbours.notice_nothing();
    open.clear();
    for _ in 0..100 {
        assert_eq!(is_healthy(server.http()), "HTTP/1.1 200");
    }
    for text in ["accepting pauses", "accepting goes on"] {
        assert_eq!(told(text), 1, "{text}: {}", server.log());
    }
    neighbours.notice_nothing();
    neighbours.move_out();
}

#[test]
fn given_the_file_limit_reached_from_both_sides_when_a_push_comes_should_be_stored_and_delivered() {
    let dir = tempfile::tempdir().expect("a folder");
    let toml = format!("admin = '127.0.0.1:0'\n{PATIENT}");
    let server = Server::start_in(dir.path(), 1, &toml, Surroundings::of_files(FILES_MAX));
    let mut neighbours = Neighbours::move_in(&server, 1);
    let bootstrap = server.bootstrap();
    let away = register(&bootstrap, 1);
    let shares = Shares::of_limit(u64::from(FILES_MAX), 1, true);
    // The neighbours' own connection, one for the push, and the others for nothing.
    let pusher = server.third_party();
    pusher.get("/healthz").expect("a place");
    neighbours.notice_nothing();
    let callers: Vec<TcpStream> = (0..shares.third_parties)
        .map(|_| third_party(&server))
        .collect();
    let devices: Vec<TcpStream> = (0..shares.devices).map(|_| raw(&server)).collect();
    for why in ["the file limit", "all places for connections are taken"] {
        wait_for(why, || (lines_with(&server, why) > 0).then_some(()));
    }
    is_idle(&server);
    println!("{} files open of {FILES_MAX}", open_files(server.pid()));
    assert!(open_files(server.pid()) + shares.store / 2 <= FILES_MAX as usize);

    let push = Push::new(PushBody::Transmission("into a full house".into())).expect("random");
    let accepted = pusher.push_single_cid(&away.to_string(), &push);
    let targets = accepted.expect("accepted").targets;
    assert_eq!(targets[&away.to_string()], "successed_offline", "stored");
    neighbours.notice_nothing();
    // Operators have places of their own.
    let text = std::fs::read_to_string(server.bootstrap_path()).expect("there");
    let text: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let admin = text["admin"].as_str().expect("an address");
    assert_eq!(
        is_healthy(admin.trim_start_matches("http://")),
        "HTTP/1.1 200"
    );

    drop((callers, devices));
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(away), [1; 32]));
    device.receive_until("the stored push", |frame| {
        matches!(frame, Frame::Push(_)).then_some(())
    });
    neighbours.notice_nothing();
    neighbours.move_out();
}

/// The first word of the answer to a question at `address`.
fn is_healthy(address: &str) -> String {
    let mut asking = TcpStream::connect(address).expect("connected");
    asking.set_read_timeout(Some(CUT_WAIT_MAX)).expect("set");
    asking
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    asking.read_to_string(&mut answer).expect("an answer");
    answer.chars().take("HTTP/1.1 200".len()).collect()
}

fn third_party(server: &Server) -> TcpStream {
    TcpStream::connect(server.http()).expect("connected")
}
