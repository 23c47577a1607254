//! Peers that cost a server as much as they can: devices that read one byte a second, and third
//! parties that send 10 MB.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use protocol::{Identity, InstallId};
use sdk_sim::bootstrap::Bootstrap;
use sdk_sim::third_party::{BlockingThirdParty, CallError, Push, PushBody};

use super::harness::device::{Device, hello};
use super::harness::{PATIENCE, Server};

/// Bytes of a body that no request may have.
const BODY_LEN: usize = 10 * 1024 * 1024;

/// Pushes of 9 KB that each slow device gets before the load: a window has 256 KiB, and so has the
/// queue behind it.
const FILLING: usize = 56;

/// How fast a slow device reads.
const BYTE_EVERY: Duration = Duration::from_secs(1);

/// Between two long bodies of a third party: what they cost here is not what the server spends.
const SENT_EVERY: Duration = Duration::from_millis(100);

#[derive(Default)]
struct Told {
    stop: AtomicBool,
    refused: AtomicUsize,
}

/// All of them.
pub(crate) struct Nuisance {
    told: Arc<Told>,
    readers: JoinHandle<usize>,
    threads: Vec<JoinHandle<()>>,
}

impl Nuisance {
    /// So many devices that read slowly, and so many third parties with long bodies.
    pub(crate) fn begin(server: &Server, readers: usize, senders: usize) -> Nuisance {
        let told = Arc::new(Told::default());
        let bootstrap = server.bootstrap();
        let slow: Vec<(String, Device)> = (0..readers)
            .map(|number| log_in(&bootstrap, number))
            .collect();
        let cids: Vec<String> = slow.iter().map(|(cid, _)| cid.clone()).collect();
        let third_party = server.third_party();
        fill(&third_party, &cids);
        let stopped = Arc::clone(&told);
        let readers = std::thread::spawn(move || {
            let mut sockets: Vec<TcpStream> = slow
                .into_iter()
                .map(|(_, device)| device.take_apart().1)
                .collect();
            while !stopped.stop.load(Ordering::Relaxed) {
                // A server that gave one up has closed it: it reads no more.
                sockets.retain_mut(|socket| socket.read(&mut [0]).is_ok_and(|len| len > 0));
                std::thread::park_timeout(BYTE_EVERY);
            }
            sockets.len()
        });
        let mut threads: Vec<JoinHandle<()>> = Vec::new();
        let stopped = Arc::clone(&told);
        threads.push(std::thread::spawn(move || {
            push_to(&third_party, &cids, &stopped)
        }));
        // Whoever may push: nobody else is let in so far.
        let token = server.third_party().token().expect("a token");
        let head = format!(
            "POST /v2/{}/push/single/cid HTTP/1.1\r\nHost: h\r\ntoken: {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {BODY_LEN}\r\n\r\n",
            bootstrap.app.appid
        );
        for _ in 0..senders {
            let (address, stopped) = (server.http().to_owned(), Arc::clone(&told));
            let head = head.clone();
            threads.push(std::thread::spawn(move || {
                while !stopped.stop.load(Ordering::Relaxed) {
                    send_too_much(&address, &head);
                    stopped.refused.fetch_add(1, Ordering::Relaxed);
                    std::thread::park_timeout(SENT_EVERY);
                }
            }));
        }
        Nuisance {
            told,
            readers,
            threads,
        }
    }

    /// How many bodies were refused so far.
    pub(crate) fn bodies_refused(&self) -> usize {
        self.told.refused.load(Ordering::Relaxed)
    }

    /// Ends them; how many slow devices the server still bore.
    pub(crate) fn end(self) -> usize {
        self.told.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.thread().unpark();
            thread.join().expect("a nuisance");
        }
        self.readers.thread().unpark();
        self.readers.join().expect("slow devices")
    }
}

fn log_in(bootstrap: &Bootstrap, number: usize) -> (String, Device) {
    let mut install = [0xb0; 16];
    install[..8].copy_from_slice(&(number as u64).to_be_bytes());
    let install = InstallId::from_bytes(install);
    let mut hello = hello(bootstrap, Identity::Register(install), [7; 32]);
    // Its silence is not what this is about.
    hello.heartbeat_s = 1800;
    let mut device = Device::connect(bootstrap);
    let cid = device.greet(hello).to_string();
    // One byte of TLS at a time is read from here on, and a byte that never comes ends no test.
    device
        .socket()
        .set_read_timeout(Some(PATIENCE))
        .expect("set");
    (cid, device)
}

/// Pushes to each of them more than its window, so that their sockets are full and the rest waits in
/// the memory of the server from the start on.
fn fill(third_party: &BlockingThirdParty, cids: &[String]) {
    for cid in cids {
        for _ in 0..FILLING {
            let push = Push::new(PushBody::Transmission("中".repeat(3000))).expect("random");
            let ttl_ms = Some(-1);
            let accepted = third_party.push_single_cid(cid, &Push { ttl_ms, ..push });
            accepted.expect("the load has not begun");
        }
    }
}

/// Pushes to each of them in turn what does not wait on the disk, so that it waits in memory or not at all.
fn push_to(third_party: &BlockingThirdParty, cids: &[String], told: &Told) {
    for cid in cids.iter().cycle() {
        if told.stop.load(Ordering::Relaxed) {
            return;
        }
        let push = Push::new(PushBody::Transmission("中".repeat(3000))).expect("random");
        let ttl_ms = Some(-1);
        match third_party.push_single_cid(cid, &Push { ttl_ms, ..push }) {
            Ok(_) | Err(CallError::Refused { code: 30019, .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Announces a body that is too long and sends it as long as anybody reads; it must be refused.
fn send_too_much(address: &str, head: &str) {
    let mut socket = TcpStream::connect(address).expect("connected");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    socket.set_write_timeout(Some(PATIENCE)).expect("set");
    socket.write_all(head.as_bytes()).expect("sent");
    let chunk = [b'x'; 64 * 1024];
    let mut left = BODY_LEN;
    // The server throws some of it away, then ends: a write that fails is one it did not read.
    while left > 0 && socket.write_all(&chunk).is_ok() {
        left -= chunk.len();
    }
    let mut answer = Vec::new();
    // A reset behind the answer takes nothing away from it.
    let _ = socket.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer:?}");
    assert!(answer.contains("\"code\":20001"), "{answer}");
}
