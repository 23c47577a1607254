//! A developer's server that receives webhooks: a thread that answers as it is told and keeps what it read.
//!
//! Always: its port is picked by the system and kept when it comes back.

#![expect(
    clippy::disallowed_types,
    reason = "the thread that receives writes what the test reads; no shard is near"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::wait_for;

/// What stands for "no answer, ever".
pub const SILENCE: u16 = 0;

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    /// What it was answered.
    pub status: u16,
}

impl Delivery {
    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The events of a delivery in the form `signed`.
    pub fn events(&self) -> Vec<Value> {
        let body: Value = serde_json::from_str(&self.body).expect("JSON");
        body["events"].as_array().expect("events").clone()
    }
}

#[derive(Debug, Default)]
struct Shared {
    status: AtomicU16,
    ended: AtomicBool,
    deliveries: Mutex<Vec<Delivery>>,
    /// Connections that are left without an answer.
    held: Mutex<Vec<TcpStream>>,
}

/// See the module page.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// One that answers everything with this status.
    pub fn start(status: u16) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let shared = Arc::new(Shared::default());
        shared.status.store(status, Ordering::SeqCst);
        let mut receiver = Receiver {
            address: listener.local_addr().expect("bound"),
            shared,
            thread: None,
        };
        receiver.serve(listener);
        receiver
    }

    fn serve(&mut self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        self.thread = Some(std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.ended.load(Ordering::SeqCst) {
                    return;
                }
                // A caller that was killed in the middle has sent half a request.
                let _ = stream.and_then(|stream| receive(&shared, stream));
            }
        }));
    }

    /// What it answers from now on.
    pub fn answer(&self, status: u16) {
        self.shared.status.store(status, Ordering::SeqCst);
    }

    /// Nobody listens on its port any more.
    pub fn die(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread, which looks whether it is to end.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the receiver ended well");
        }
    }

    /// It listens again, on the port that it had.
    pub fn come_back(&mut self) {
        let address = self.address;
        let listener = wait_for("the receiver's port", || TcpListener::bind(address).ok());
        self.shared.ended.store(false, Ordering::SeqCst);
        self.serve(listener);
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://localhost:{}/receipts?of=app", self.address.port())
    }

    /// What came so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.shared.deliveries.lock().expect("no panic").clone()
    }

    /// What came and was answered with 2xx.
    pub fn taken(&self) -> Vec<Delivery> {
        let mut deliveries = self.deliveries();
        deliveries.retain(|delivery| (200..300).contains(&delivery.status));
        deliveries
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            self.die();
        }
    }
}

fn receive(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let headers: Vec<(String, String)> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let len = headers.iter().find(|(name, _)| name == "content-length");
    let len: usize = len.and_then(|(_, len)| len.parse().ok()).unwrap_or(0);
    let mut body = vec![0; len];
    reader.read_exact(&mut body)?;
    let status = shared.status.load(Ordering::SeqCst);
    let first = lines.first().cloned().unwrap_or_default();
    shared.deliveries.lock().expect("no panic").push(Delivery {
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        headers,
        body: String::from_utf8(body).expect("text"),
        status,
    });
    if status == SILENCE {
        shared.held.lock().expect("no panic").push(stream);
        return Ok(());
    }
    let mut stream = stream;
    stream.write_all(format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n").as_bytes())
}
