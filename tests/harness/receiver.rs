//! A developer's server that receives webhooks: a thread that answers as it is told and keeps what it read.
//!
//! Always: its port is picked by the system and kept when it comes back.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::mpsc::{self, SyncSender, sync_channel};
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

/// Deliveries that the test has not looked at. Full: the receiver waits, as a slow one does.
const UNSEEN_MAX: usize = 10_000;

/// What the thread is told.
#[derive(Debug, Default)]
struct Orders {
    status: AtomicU16,
    ended: AtomicBool,
}

/// See the module page.
pub struct Receiver {
    address: SocketAddr,
    orders: Arc<Orders>,
    came: (SyncSender<Delivery>, mpsc::Receiver<Delivery>),
    seen: RefCell<Vec<Delivery>>,
    thread: Option<JoinHandle<()>>,
}

impl Receiver {
    /// One that answers everything with this status.
    pub fn start(status: u16) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let orders = Arc::new(Orders::default());
        orders.status.store(status, Ordering::SeqCst);
        let mut receiver = Receiver {
            address: listener.local_addr().expect("bound"),
            orders,
            came: sync_channel(UNSEEN_MAX),
            seen: RefCell::default(),
            thread: None,
        };
        receiver.serve(listener);
        receiver
    }

    fn serve(&mut self, listener: TcpListener) {
        let (orders, came) = (Arc::clone(&self.orders), self.came.0.clone());
        self.thread = Some(std::thread::spawn(move || {
            // Connections that are left without an answer.
            let mut held = Vec::new();
            for stream in listener.incoming() {
                if orders.ended.load(Ordering::SeqCst) {
                    return;
                }
                // A caller that was killed in the middle has sent half a request.
                let left = stream.and_then(|stream| receive(&orders, &came, stream));
                held.extend(left.ok().flatten());
            }
        }));
    }

    /// What it answers from now on.
    pub fn answer(&self, status: u16) {
        self.orders.status.store(status, Ordering::SeqCst);
    }

    /// Nobody listens on its port any more.
    pub fn die(&mut self) {
        self.orders.ended.store(true, Ordering::SeqCst);
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
        self.orders.ended.store(false, Ordering::SeqCst);
        self.serve(listener);
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://localhost:{}/receipts?of=app", self.address.port())
    }

    /// What came so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        let mut seen = self.seen.borrow_mut();
        seen.extend(self.came.1.try_iter());
        seen.clone()
    }

    /// What came since the last call of this. It is handed over: `deliveries` does not have it.
    pub fn take_new(&self) -> Vec<Delivery> {
        self.came.1.try_iter().collect()
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

/// Takes one request; the connection, if it is not to be answered.
fn receive(
    orders: &Orders,
    came: &SyncSender<Delivery>,
    mut stream: TcpStream,
) -> std::io::Result<Option<TcpStream>> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        // A caller that went away in the middle of the head has asked for nothing.
        if reader.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
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
    let status = orders.status.load(Ordering::SeqCst);
    let first = lines.first().cloned().unwrap_or_default();
    let delivery = Delivery {
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        headers,
        body: String::from_utf8(body).expect("text"),
        status,
    };
    came.send(delivery).expect("the test keeps the other end");
    if status == SILENCE {
        return Ok(Some(stream));
    }
    stream.write_all(format!("HTTP/1.1 {status} -\r\ncontent-length: 0\r\n\r\n").as_bytes())?;
    Ok(None)
}
