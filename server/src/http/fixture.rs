//! What several tests of this folder start from: an app, and a whole ingress on a real socket with
//! shards that answer by a function.
//!
//! Always: port 0, one thread, and a limit of time on every test instead of sleeps.

use std::cell::RefCell;
use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use schema::record::App;
use serde_json::Value;
use server_core::command::{Answer, Command};
use server_core::ids::ShardNo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Entrance, HttpSettings, Ingress, serve};
use crate::ask::{Asker, Question, ToIngress};
use crate::http::Surfaces;
use crate::lifecycle::{Lifecycle, Stage};
use crate::mesh::{Bell, Inbox};
use crate::telemetry::Telemetry;

const SHARDS: u16 = 2;
/// Questions to a shard that may wait: more than one request asks at once.
const RING: usize = 2 * crate::limits::API_ABREAST_MAX;
/// Connections that a site lets in at one time.
const CONNECTIONS_MAX: usize = 64;
const TEST_TIME_MAX: Duration = Duration::from_secs(60);

/// An app with short keys, number 7.
pub(super) fn app() -> App {
    App {
        number: 7,
        app_id: "app".to_owned(),
        app_key: "key".to_owned(),
        app_secret: "secret".to_owned(),
        master_secret: "master".to_owned(),
        name: "demo".to_owned(),
        created_ms: 1,
        disabled: false,
        sign_required: false,
        previous: None,
        settings: Box::default(),
    }
}

/// Another app that works as well, number 8.
pub(super) fn other_app() -> App {
    App {
        number: 8,
        app_id: "other".to_owned(),
        app_key: "other key".to_owned(),
        master_secret: "other master".to_owned(),
        ..app()
    }
}

/// A running ingress.
pub(super) struct Site {
    address: std::net::SocketAddr,
    /// The stage it reports.
    pub(super) lifecycle: Lifecycle,
    /// What the shards were asked, in order.
    pub(super) asked: Rc<RefCell<Vec<(ShardNo, Command)>>>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
}

/// Runs `test` against an ingress whose shards answer by `decide`.
pub(super) fn with_site(
    settings: HttpSettings,
    decide: impl Fn(ShardNo, &Command) -> Answer + 'static,
    test: impl AsyncFnOnce(Site),
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(tokio::task::LocalSet::new().run_until(async {
        let site = Site::open(settings, decide);
        tokio::time::timeout(TEST_TIME_MAX, test(site))
            .await
            .expect("the test ends in time");
    }));
}

impl Site {
    fn open(
        settings: HttpSettings,
        decide: impl Fn(ShardNo, &Command) -> Answer + 'static,
    ) -> Self {
        let decide = Rc::new(decide);
        let asked = Rc::new(RefCell::new(Vec::new()));
        let mut answers = Inbox::new(&Bell::default());
        let mut questions = Vec::new();
        for shard in (0..SHARDS).map(ShardNo) {
            let mut inbox = Inbox::<Question>::new(&Bell::default());
            questions.push(inbox.open(RING));
            let mut answer = answers.open(RING);
            let (decide, asked) = (Rc::clone(&decide), Rc::clone(&asked));
            tokio::task::spawn_local(async move {
                while !inbox.is_closed() {
                    inbox.news().await;
                    while let Some(question) = inbox.take() {
                        let decided = decide(shard, &question.command);
                        if let (Command::ChangeApp(app), Answer::Done) =
                            (&question.command, &decided)
                        {
                            let told = answer.send(ToIngress::App(app.clone()));
                            assert!(told.is_ok(), "room");
                        }
                        asked.borrow_mut().push((shard, question.command));
                        answer
                            .send(ToIngress::Answer(question.ticket, decided))
                            .expect("room");
                    }
                }
            });
        }
        let mut disabled = app();
        disabled.app_id = "off".to_owned();
        disabled.disabled = true;
        let asker = Asker::new(questions, vec![app(), other_app(), disabled]);
        let listening = Rc::clone(&asker);
        tokio::task::spawn_local(async move { listening.listen(answers).await });
        let lifecycle = Lifecycle::default();
        lifecycle.enter(Stage::Ready);
        let ingress = Ingress::new(
            asker,
            Telemetry::new(SHARDS, 0),
            lifecycle.clone(),
            settings,
        );
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = watch::channel(false);
        let entrance = Entrance {
            name: "http",
            listener,
            surfaces: Surfaces::ALL,
            connections_max: CONNECTIONS_MAX,
        };
        let serving = tokio::task::spawn_local(serve(entrance, Rc::new(ingress), stopped));
        Site {
            address,
            lifecycle,
            asked,
            stop,
            serving,
        }
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Client {
        Client {
            stream: TcpStream::connect(self.address).await.expect("accepted"),
            held: Vec::new(),
        }
    }

    /// A connection that holds a token of the app.
    pub(super) async fn log_in(&self) -> (Client, String) {
        self.log_in_as(&app()).await
    }

    /// A connection that holds a token of this app.
    pub(super) async fn log_in_as(&self, app: &App) -> (Client, String) {
        let mut client = self.connect().await;
        let now = crate::wall_clock::now_ms().to_string();
        let (key, master) = (&app.app_key, &app.master_secret);
        let sign = crate::secret::hex(&crate::secret::sha256(&[key, &now, master]));
        let body = format!(r#"{{"sign":"{sign}","timestamp":"{now}","appkey":"{key}"}}"#);
        let path = format!("/v2/{}/auth", app.app_id);
        // The stale token of the PHP client must not matter.
        let answer = client.call("POST", &path, "token: stale\r\n", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert!(answer.json["data"]["expire_time"].is_string());
        (
            client,
            answer.json["data"]["token"]
                .as_str()
                .expect("a token")
                .to_owned(),
        )
    }

    /// A third party of the app: a connection, and the token that each of its calls carries.
    pub(super) async fn third_party(&self) -> ThirdParty {
        let (client, token) = self.log_in().await;
        ThirdParty { client, token }
    }

    /// Asks the ingress to stop.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the ingress has stopped.
    pub(super) async fn stopped(self) {
        self.serving.await.expect("no panic").expect("no error");
    }
}

/// A third party of the app with a connection and a token.
pub(super) struct ThirdParty {
    client: Client,
    token: String,
}

impl ThirdParty {
    /// Calls a path below `/v2/app`. The body is JSON or any other text; the empty one is none.
    pub(super) async fn call(&mut self, verb: &str, path: &str, body: impl Display) -> Response {
        let headers = format!("token: {}\r\n", self.token);
        let path = format!("/v2/app{path}");
        self.client
            .call(verb, &path, &headers, &body.to_string())
            .await
    }

    /// A call that must succeed: the whole envelope of its answer.
    pub(super) async fn done(&mut self, verb: &str, path: &str, body: impl Display) -> Value {
        let answer = self.call(verb, path, &body).await;
        assert_eq!(
            (answer.status, answer.json["code"].as_i64()),
            (200, Some(0)),
            "{verb} {path} {body}: {}",
            answer.json
        );
        answer.json
    }

    /// A call that must be refused as 20001: the text of its answer.
    pub(super) async fn refusal(&mut self, verb: &str, path: &str, body: impl Display) -> String {
        let answer = self.call(verb, path, &body).await;
        assert_eq!(
            (answer.status, answer.json["code"].as_i64()),
            (400, Some(20001)),
            "{verb} {path} {body}: {}",
            answer.json
        );
        assert!(answer.json.get("data").is_none(), "{}", answer.json);
        answer.json["msg"].as_str().expect("text").to_owned()
    }
}

/// One connection, which shows every byte that comes.
pub(super) struct Client {
    /// The socket.
    pub(super) stream: TcpStream,
    held: Vec<u8>,
}

/// One response.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) json: Value,
}

impl Client {
    /// Sends bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("taken");
    }

    /// Sends a request with a length and reads its response.
    pub(super) async fn call(
        &mut self,
        verb: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Response {
        let request = format!(
            "{verb} {path} HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.send(request.as_bytes()).await;
        self.response(verb != "HEAD").await
    }

    /// Reads a response, with its body if there is one.
    pub(super) async fn response(&mut self, body: bool) -> Response {
        let head_len = loop {
            match self
                .held
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                Some(at) => break at + 4,
                None => self.more().await,
            }
        };
        let head: Vec<u8> = self.held.drain(..head_len).collect();
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        let status = head[9..12].parse().expect("a status");
        let length = head.split("content-length: ").nth(1).map_or(0, |rest| {
            rest.split("\r\n")
                .next()
                .unwrap_or_default()
                .parse()
                .expect("a length")
        });
        let length: usize = if body { length } else { 0 };
        while self.held.len() < length {
            self.more().await;
        }
        let text: Vec<u8> = self.held.drain(..length).collect();
        Response {
            status,
            head,
            json: serde_json::from_slice(&text).unwrap_or(Value::Null),
        }
    }

    async fn more(&mut self) {
        let mut bytes = [0; 4096];
        let got = self.stream.read(&mut bytes).await.expect("readable");
        assert_ne!(
            got,
            0,
            "closed in the middle of {:?}",
            String::from_utf8_lossy(&self.held)
        );
        self.held.extend_from_slice(&bytes[..got]);
    }

    /// Reads to the end of the stream; nothing more may come.
    pub(super) async fn closed(mut self) {
        let mut rest = self.held;
        self.stream
            .read_to_end(&mut rest)
            .await
            .expect("closed in order");
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}
