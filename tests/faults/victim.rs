//! A data folder whose server was killed, and what that server had answered.

use std::fs;
use std::path::PathBuf;

use protocol::ClientId;
use sdk_sim::third_party::{Push, PushBody};

use super::place::{Place, journal, written};
use crate::harness::device::{register, waiting_texts};
use crate::harness::{Server, wait_for};

/// Pushes that are answered; fewer than a window, so that a device gets them without acks.
const PUSHES: usize = 40;

/// See the module page.
pub struct Victim {
    place: Place,
    cid: ClientId,
    texts: Vec<String>,
}

impl Victim {
    /// A server that has answered pushes to a device that is away, killed.
    pub fn kill() -> Victim {
        let place = Place::empty();
        let mut server = Server::start(place.dir(), 1, &[]);
        let cid = register(&server.bootstrap(), 1);
        let third_party = server.third_party();
        wait_for("the device to be away", || {
            let status = third_party.status(&[&cid.to_string()]).expect("a status");
            (status[&cid.to_string()] == "offline").then_some(())
        });
        let texts: Vec<String> = (0..PUSHES).map(text).collect();
        for text in &texts {
            push(&server, cid, text);
        }
        server.kill_nine();
        Victim { place, cid, texts }
    }

    pub fn data(&self) -> PathBuf {
        self.place.data()
    }

    /// How many pushes were answered.
    pub fn answered(&self) -> usize {
        self.texts.len()
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(journal(&self.place.data())).expect("a journal")
    }

    /// Bytes that were written to the journal.
    pub fn written(&self) -> usize {
        written(&self.bytes())
    }

    /// The first batch of the journal.
    pub fn first_batch(&self) -> Vec<u8> {
        let bytes = self.bytes();
        let end = bytes.windows(4).position(|window| window == b"FJL\x03");
        bytes[..end.expect("a batch") + 4].to_vec()
    }

    /// Where the body of a push stands in the journal.
    pub fn body(&self, number: usize) -> usize {
        let begin = format!("push {number:04}:");
        let bytes = self.bytes();
        let found = bytes
            .windows(begin.len())
            .position(|at| at == begin.as_bytes());
        found.expect("the body of the push") + begin.len() + 8
    }

    /// How many of the pushes a server has: what comes before a lost one is there, nothing behind.
    pub fn there(&self, server: &Server) -> usize {
        if !is_known(server, self.cid) {
            return 0;
        }
        let found = waiting_texts(server, 1, self.cid);
        assert_eq!(found, self.texts[..found.len()], "in order, without a gap");
        found.len()
    }
}

fn is_known(server: &Server, cid: ClientId) -> bool {
    let status = server.third_party().status(&[&cid.to_string()]);
    status.is_ok_and(|status| status.contains_key(&cid.to_string()))
}

/// Short ones, ones of two rows, ones of several.
fn text(number: usize) -> String {
    let filling = match number % 4 {
        3 => "漢".repeat(3000),
        2 => "x".repeat(2500),
        _ => "x".repeat(100),
    };
    format!("push {number:04}:{filling}")
}

fn push(server: &Server, cid: ClientId, text: &str) {
    let push = Push::new(PushBody::Transmission(text.to_owned())).expect("random");
    let accepted = server
        .third_party()
        .push_single_cid(&cid.to_string(), &push);
    accepted.expect("answered");
}
