//! A connection over a real socket, on an executor set as a shard's is.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::task::Waker;
use std::time::Duration;

use glommio::Placement;

use super::*;
use crate::net::{Places, TicketKeys, certificate, server_config};

/// How long the end may take to get there over loopback.
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn given_a_read_in_the_kernel_when_a_connection_is_aborted_should_say_so_before_the_next_turn() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = certificate::own(folder.path(), &["localhost".to_owned()]).expect("made");
    let tickets = TicketKeys::kept_in(folder.path(), 1)
        .ticketer()
        .expect("good keys");
    let config = server_config(identity.chain, identity.key, tickets).expect("good");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    let said = crate::shard_loop::executor(Placement::Unbound)
        .spawn(move || async move {
            let mut peer = std::net::TcpStream::connect(address).expect("connected");
            peer.set_read_timeout(Some(PATIENCE)).expect("a limit");
            let (accepted, _) = listener.accept().expect("accepted");
            accepted.set_nonblocking(true).expect("non-blocking");
            // SAFETY: the descriptor is given up here.
            let stream = unsafe { TcpStream::from_raw_fd(accepted.into_raw_fd()) };
            let place = Places::new(1).take().expect("a place");
            let connection = Connection::accepted(stream, address.ip(), false, config, place)
                .expect("a connection");
            let mut scratch = Scratch::new();
            let mut cx = Context::from_waker(Waker::noop());
            assert!(connection.poll_input(&mut cx, &mut scratch).is_pending());
            // A turn of the executor, in which the poll of the socket gets to the kernel.
            glommio::timer::sleep(Duration::from_millis(1)).await;
            connection.abort();
            // It blocks: the executor has no turn until the end has come.
            peer.read_to_end(&mut Vec::new())
                .map_err(|error| error.kind())
        })
        .expect("an executor")
        .join()
        .expect("no panic");
    assert_eq!(said, Ok(0));
}
