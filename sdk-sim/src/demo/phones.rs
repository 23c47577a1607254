//! The demo's devices: a fleet on a thread of its own.
//!
//! Owner: that thread. Always: what a device received is news before its ack can be.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::mpsc::SyncSender;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use protocol::{ClientId, DeviceSecret, InstallId, Platform};
use schema::push::PushMessage;
use tokio::sync::watch;

use super::fault::Fault;
use super::news::{Message, News};
use crate::bootstrap::Bootstrap;
use crate::client::{Config, Event};
use crate::fleet::{Device, Errand, Fleet, Witness};
use crate::transport::{self, Tls};

#[derive(Debug)]
pub(super) struct Phones {
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// The alias of the n-th device.
pub(super) fn alias(index: usize) -> String {
    format!("demo_{index}")
}

impl Phones {
    pub(super) fn start(
        bootstrap: &Bootstrap,
        count: usize,
        news: SyncSender<News>,
    ) -> Result<Self, Fault> {
        let tls = Tls::trusting(&bootstrap.ca_cert)?;
        let address = bootstrap.device.clone();
        let app_id = bootstrap.app.appid.clone();
        let (stop, stopped) = watch::channel(false);
        let thread = thread::Builder::new()
            .name("demo-devices".to_owned())
            .spawn(move || {
                let play = play(&address, &app_id, tls, count, stopped, news.clone());
                let outcome = transport::run(play).and_then(|outcome| outcome);
                if let Err(error) = outcome {
                    // The main thread may have stopped listening.
                    let _ = news.send(News::Failed(format!("devices: {error}")));
                }
            })
            .map_err(Fault::io("device thread"))?;
        Ok(Self { stop, thread })
    }

    /// Ends all devices in order.
    pub(super) fn end(self) {
        self.stop.send_replace(true);
        // A thread that panicked has said so on stderr.
        let _ = self.thread.join();
    }
}

async fn play(
    address: &str,
    app_id: &str,
    tls: Tls,
    count: usize,
    mut stopped: watch::Receiver<bool>,
    news: SyncSender<News>,
) -> io::Result<()> {
    let hearing = Rc::new(Hearing {
        news: news.clone(),
        cids: RefCell::new(vec![None; count]),
        unacked: RefCell::new(HashMap::new()),
    });
    let fleet = Fleet::new(address, hearing.clone());
    let mut tasks = Vec::with_capacity(count);
    for index in 0..count {
        tasks.push(fleet.start(Device {
            index,
            config: new_phone(app_id)?,
            tls: tls.for_device(),
            errands: vec![Errand::BindAlias(alias(index))],
            screen: None,
        }));
    }
    let be_ready = async {
        if fleet.ready(count).await {
            let cids = hearing
                .cids
                .borrow()
                .iter()
                .flatten()
                .map(ClientId::to_string)
                .collect();
            send(&news, News::Ready(cids))?;
        }
        fleet.stopped().await;
        io::Result::Ok(())
    };
    let outcome = tokio::select! {
        outcome = be_ready => outcome,
        // The other end goes only with the main thread.
        _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
    };
    fleet.stop();
    for task in tasks {
        // A task that panicked has said so on stderr.
        let _ = task.await;
    }
    outcome?;
    fleet
        .failure()
        .map_or(Ok(()), |why| Err(io::Error::other(why)))
}

fn new_phone(app_id: &str) -> io::Result<Config> {
    let mut install = [0; 16];
    let mut secret = [0; 32];
    getrandom::fill(&mut install).map_err(io::Error::other)?;
    getrandom::fill(&mut secret).map_err(io::Error::other)?;
    let mut config = Config::new(
        app_id,
        InstallId::from_bytes(install),
        DeviceSecret::from_bytes(secret),
        getrandom::u64().map_err(io::Error::other)?,
    );
    config.platform = Platform::Android;
    Ok(config)
}

/// The fleet's witness: turns what devices hear into news.
struct Hearing {
    news: SyncSender<News>,
    cids: RefCell<Vec<Option<ClientId>>>,
    /// Messages received by a device whose acks have not left yet.
    unacked: RefCell<HashMap<usize, Vec<Message>>>,
}

impl Witness for Hearing {
    fn event(&self, device: usize, cid: Option<ClientId>, event: &Event) -> io::Result<()> {
        let at = Instant::now();
        match event {
            Event::Online { cid, .. } => {
                let first = self
                    .cids
                    .borrow_mut()
                    .get_mut(device)
                    .and_then(|known| known.replace(*cid))
                    .is_none();
                if first {
                    send(&self.news, News::Online)?;
                }
                Ok(())
            }
            Event::Push { body, .. } => {
                let pushed = PushMessage::decode(body).map_err(io::Error::other)?;
                let message = Message {
                    task_id: pushed.task_id,
                    cid: cid.map_or_else(String::new, |cid| cid.to_string()),
                };
                let mut unacked = self.unacked.borrow_mut();
                unacked.entry(device).or_default().push(message.clone());
                send(&self.news, News::Received { message, at })
            }
            Event::Repeat { .. } => send(&self.news, News::Repeated),
            _ => Ok(()),
        }
    }

    fn acked(&self, device: usize) {
        if let Some(messages) = self.unacked.borrow_mut().remove(&device) {
            // The main thread may have stopped listening.
            let _ = self.news.send(News::Acked(messages));
        }
    }
}

fn send(news: &SyncSender<News>, item: News) -> io::Result<()> {
    news.send(item)
        .map_err(|_| io::Error::other("the demo has ended"))
}
