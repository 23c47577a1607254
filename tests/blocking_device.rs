//! An app with the SDK's blocking transport against a real server: it registers, receives, acks,
//! and comes back when the server does.

mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use harness::{PATIENCE, Server, wait_for};
use schema::push::{Content, PushMessage};
use sdk_sim::blocking_device::BlockingDevice;
use sdk_sim::client::{Client, ClientId, Config, DeviceSecret, Event, InstallId, MessageId};
use sdk_sim::third_party::{Push, PushBody};
use sdk_sim::transport::Tls;

/// An app on a thread of its own.
struct App {
    events: Receiver<Event>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Option<ClientId>, MessageId)>,
}

impl App {
    fn start(server: &Server, identity: Option<ClientId>, last_handled: MessageId) -> App {
        let bootstrap = server.bootstrap();
        let mut config = Config::new(
            &bootstrap.app.appid,
            InstallId::from_bytes([3; 16]),
            DeviceSecret::from_bytes([4; 32]),
            5,
        );
        config.identity = identity;
        config.last_handled = last_handled;
        let tls = Tls::trusting(&bootstrap.ca_cert).expect("the server's certificate");
        let mut device = BlockingDevice::connect(config, &bootstrap.device, tls.for_device());
        let stop = Arc::new(AtomicBool::new(false));
        let (sender, events) = sync_channel(1024);
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(event) = device.next_event(Duration::from_millis(50)) {
                    if let Event::Push { id, .. } = event {
                        device.client().handled(id);
                    }
                    sender.send(event).expect("the test listens");
                }
            }
            device.close();
            let client: &Client = device.client();
            (client.identity(), client.last_handled())
        });
        App {
            events,
            stop,
            thread,
        }
    }

    /// The next event that `pick` takes; others are passed over.
    fn until<T>(&self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let event = self.events.recv_timeout(PATIENCE);
            let event = event.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for {what}"));
            if let Some(found) = pick(event) {
                return found;
            }
        }
    }

    fn online(&self) -> (ClientId, bool) {
        self.until("the login", |event| match event {
            Event::Online {
                cid, registered, ..
            } => Some((cid, registered)),
            _ => None,
        })
    }

    fn text(&self) -> String {
        self.until("a push", |event| match event {
            Event::Push { body, .. } => Some(match PushMessage::decode(&body) {
                Ok(PushMessage {
                    content: Content::Transmission(text),
                    ..
                }) => text,
                other => panic!("expected a transmission, got {other:?}"),
            }),
            Event::Repeat { id, .. } => panic!("{id} came twice"),
            _ => None,
        })
    }

    fn end(self) -> (Option<ClientId>, MessageId) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the app's thread")
    }
}

fn push(server: &Server, cid: ClientId, text: &str) {
    let push = Push::new(PushBody::Transmission(text.to_owned())).expect("random");
    let accepted = server
        .third_party()
        .push_single_cid(&cid.to_string(), &push);
    assert_eq!(accepted.expect("pushed").targets.len(), 1);
}

fn wait_until_acked(server: &Server) {
    wait_for("the ack", || {
        (server.metric("ringpost_messages_held") == 0).then_some(())
    });
}

#[test]
fn given_an_app_on_a_blocking_socket_when_the_server_stops_and_returns_should_go_on() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start(dir.path(), 2, &[]);
    let app = App::start(&server, None, MessageId(0));
    let (cid, registered) = app.online();
    assert!(registered);
    push(&server, cid, "one");
    assert_eq!(app.text(), "one");
    wait_until_acked(&server);

    assert!(server.stop().success());
    server.restart();
    assert_eq!(app.online(), (cid, false));
    push(&server, cid, "two");
    assert_eq!(app.text(), "two");

    server.kill_nine();
    server.restart();
    assert_eq!(app.online(), (cid, false));
    push(&server, cid, "three");
    assert_eq!(app.text(), "three");
    wait_until_acked(&server);

    let (identity, last_handled) = app.end();
    assert_eq!(identity, Some(cid));
    // What was pushed meanwhile waits, and the next start of the app gets just that.
    wait_for("the server to see it offline", || {
        let status = server.third_party().status(&[&cid.to_string()]);
        (status.expect("status")[&cid.to_string()] == "offline").then_some(())
    });
    push(&server, cid, "four");
    let app = App::start(&server, identity, last_handled);
    assert_eq!(app.online(), (cid, false));
    assert_eq!(app.text(), "four");
    wait_until_acked(&server);
    app.end();
}
