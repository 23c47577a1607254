//! No descriptor left: accepting pauses, says so once, costs nothing, and goes on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::harness::device::register;
use super::harness::neighbour::Neighbours;
use super::harness::process::{cpu_percent_over, open_files};
use super::harness::{Server, wait_for};
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
    let server = Server::start_limited(dir.path(), 1, PATIENT, Some(FILES_MAX));
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
fn given_the_file_limit_reached_by_third_parties_when_they_leave_should_go_on_without_a_busy_loop()
{
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_limited(dir.path(), 1, PATIENT, Some(FILES_MAX));
    let mut neighbours = Neighbours::move_in(&server, 1);
    let mut open: Vec<TcpStream> = (0..FILES_MAX)
        .map(|_| TcpStream::connect(server.http()).expect("connected"))
        .collect();
    wait_for("the HTTP side to find no descriptor", || {
        (lines_with(&server, "accept") > 0).then_some(())
    });
    is_idle(&server);
    open.clear();
    let mut asking = TcpStream::connect(server.http()).expect("connected");
    asking.set_read_timeout(Some(CUT_WAIT_MAX)).expect("set");
    asking
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    asking.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    neighbours.notice_nothing();
    neighbours.move_out();
}
