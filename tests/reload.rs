//! Settings and certificate read again by a running server: connections stay, what comes next goes by what is new.

mod harness;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use harness::device::{Device, client_config, hello, register};
use harness::receiver::Receiver;
use harness::{PATIENCE, Server, wait_for};
use protocol::{ClientId, Command, Frame, Hello, Identity, InstallId, Operation, ResultCode};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use sdk_sim::third_party::{Push, PushBody};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An authority of the operator's, and a folder with the pair that it signed last.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: std::path::PathBuf,
}

impl Authority {
    fn under(dir: &Path) -> Authority {
        let folder = dir.join("operator");
        fs::create_dir(&folder).expect("made");
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("signed");
        fs::write(folder.join("ca.pem"), certificate.pem()).expect("written");
        let issuer = Issuer::new(params, key);
        Authority { issuer, folder }
    }

    /// Puts another pair where the server looks for it; gives the certificate.
    fn renew(&self) -> Vec<u8> {
        let (certificate, key) = self.pair();
        fs::write(self.folder.join("cert.pem"), certificate.pem()).expect("written");
        fs::write(self.folder.join("key.pem"), key.serialize_pem()).expect("written");
        certificate.der().to_vec()
    }

    fn pair(&self) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        (certificate, key)
    }

    fn toml(&self) -> String {
        let path = |name| self.folder.join(name).display().to_string();
        let (cert, key, ca) = (path("cert.pem"), path("key.pem"), path("ca.pem"));
        format!("[tls]\ncert = '{cert}'\nkey = '{key}'\nca = '{ca}'\n")
    }
}

/// A device that logged in before the settings were read again, and what it has come to.
struct Live {
    device: Device,
    cid: ClientId,
    pushed: u64,
}

impl Live {
    fn start(server: &Server, number: u8) -> Live {
        let (mut device, hello) = new_device(server, number);
        let cid = device.greet(hello);
        let pushed = 0;
        Live {
            device,
            cid,
            pushed,
        }
    }

    /// The connection is the one of the login: it answers, and what is pushed now comes over it.
    fn goes_on(&mut self, server: &Server) {
        self.device.ping();
        self.pushed += 1;
        let text = format!("push {} of {}", self.pushed, self.cid);
        let push = Push::new(PushBody::Transmission(text.clone())).expect("random");
        let cid = self.cid.to_string();
        let answer = server.third_party().push_single_cid(&cid, &push);
        answer.expect("pushed");
        let (id, body) = self.device.receive_until("a push", |frame| match frame {
            Frame::Push(push) => Some((push.id, push.body.clone())),
            Frame::Close(close) => panic!("closed: {close:?}"),
            Frame::GoAway(go) => panic!("sent away: {go:?}"),
            _ => None,
        });
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(&text), "{text}: {body}");
        self.device
            .send(&[Frame::Ack(protocol::Ack { ids: vec![id] })]);
    }
}

fn new_device(server: &Server, number: u8) -> (Device, Hello) {
    let bootstrap = server.bootstrap();
    let install = InstallId::from_bytes([number; 16]);
    let hello = hello(&bootstrap, Identity::Register(install), [number; 32]);
    (Device::connect(&bootstrap), hello)
}

/// The certificate that a new connection is shown.
fn leaf(server: &Server, number: u8) -> Vec<u8> {
    let (mut device, hello) = new_device(server, number);
    device.greet(hello);
    device.leaf()
}

/// Whether a new connection is closed before TLS.
fn is_denied(server: &Server) -> bool {
    let mut socket = TcpStream::connect(server.device()).expect("connected");
    socket.set_read_timeout(Some(PATIENCE)).expect("set");
    // A peer that is let in is told to speak when its time is over; a denied one hears nothing.
    let mut bytes = Vec::new();
    let _ = socket.read_to_end(&mut bytes);
    bytes.is_empty()
}

fn refusal(server: &Server) -> String {
    let output = server.run(&["reload"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// Shards publish their counts every 250 ms.
fn assert_logins(server: &Server, wanted: u64) {
    let name = "ringpost_logins_total";
    wait_for("the logins to be told", || {
        (server.metric(name) >= wanted).then_some(())
    });
    assert_eq!(server.metric(name), wanted);
}

fn keys(list: &Value) -> Vec<&str> {
    let list = list.as_array().expect("a list");
    list.iter()
        .filter_map(|change| change["key"].as_str())
        .collect()
}

fn fingerprint(certificate: &[u8]) -> Value {
    let hash = Sha256::digest(certificate);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.into()
}

#[test]
fn given_a_new_certificate_when_reloaded_should_show_it_to_the_next_and_keep_who_is_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::under(dir.path());
    let first = authority.renew();
    let server = Server::start_configured(dir.path(), 2, &authority.toml());
    let bootstrap = server.bootstrap();
    let mut live: Vec<Live> = (1..=6).map(|number| Live::start(&server, number)).collect();
    live.iter_mut().for_each(|live| live.goes_on(&server));
    assert_eq!(live[0].device.leaf(), first);
    // One that comes back with its ticket.
    let tickets = client_config(&bootstrap, &[protocol::ALPN]);
    let mut returning = Device::connect_by(&bootstrap, &tickets);
    let install = Identity::Register(InstallId::from_bytes([50; 16]));
    let cid = returning.greet(hello(&bootstrap, install, [50; 32]));
    returning.ping();
    assert!(!returning.is_resumed());
    drop(returning);
    assert_logins(&server, 7);

    let second = authority.renew();
    let reloaded = server.reload();
    assert_eq!(
        reloaded,
        json!({
            "changed": [
                {"key": "certificate", "from": fingerprint(&first), "to": fingerprint(&second)}
            ],
            "needs_restart": [],
            "shards_behind": 0,
        })
    );
    live.iter_mut().for_each(|live| live.goes_on(&server));
    // Both shards accept connections, and the kernel chooses which: none shows the old one.
    for number in 60..76 {
        assert_eq!(leaf(&server, number), second);
    }
    let mut returning = Device::connect_by(&bootstrap, &tickets);
    returning.greet(hello(&bootstrap, Identity::Login(cid), [50; 32]));
    assert!(returning.is_resumed(), "its ticket is from before");
    drop(returning);

    let third = authority.renew();
    server.hang_up();
    let mut number = 76;
    wait_for("the third certificate", || {
        number += 1;
        (leaf(&server, number) == third).then_some(())
    });
    live.iter_mut().for_each(|live| live.goes_on(&server));
    wait_for("the word in the log", || {
        let log = server.log();
        log.lines()
            .any(|line| line.contains("are read again") && line.contains("SIGHUP"))
            .then_some(())
    });
    let came = u64::from(number - 76) + 16 + 1;
    assert_logins(&server, 7 + came);
}

#[test]
fn given_an_own_leaf_that_is_old_or_of_other_names_when_reloaded_should_be_made_anew() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 2, "");
    let mut live = Live::start(&server, 1);
    let first = live.device.leaf();
    assert_eq!(
        server.reload(),
        json!({"changed": [], "needs_restart": [], "shards_behind": 0})
    );
    assert_eq!(leaf(&server, 2), first);

    let made = server.data().join("tls/made");
    let names = fs::read_to_string(&made).expect("a note");
    let (_, names) = names.split_once('\n').expect("two parts");
    fs::write(&made, format!("1000000000\n{names}")).expect("written");
    assert_eq!(keys(&server.reload()["changed"]), ["certificate"]);
    let second = leaf(&server, 3);
    assert_ne!(second, first);
    live.goes_on(&server);

    server.configure("public_host = 'push.example.org'\n");
    assert_eq!(
        keys(&server.reload()["changed"]),
        ["public_host", "certificate"]
    );
    let bootstrap = server.bootstrap();
    let mut socket = TcpStream::connect(server.device()).expect("connected");
    let name = ServerName::try_from("push.example.org").expect("a name");
    let config = client_config(&bootstrap, &[protocol::ALPN]);
    let mut tls = ClientConnection::new(Arc::clone(&config), name).expect("TLS");
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)
            .expect("the name stands in the certificate");
    }

    // Without its authority nothing could be made that devices trust.
    fs::remove_file(server.data().join("tls/ca.key")).expect("removed");
    let why = refusal(&server);
    assert!(why.contains("tls/ca.key"), "{why}");
    live.goes_on(&server);
    assert_ne!(leaf(&server, 4), second);
}

/// Asks for the health of the server on a connection that stays; the status.
fn health_on(http: &mut TcpStream) -> u16 {
    http.set_read_timeout(Some(PATIENCE)).expect("set");
    let ask = b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n";
    http.write_all(ask).expect("the connection lives");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        http.read_exact(&mut byte).expect("the connection lives");
        answer.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    let len = head.split("content-length: ").nth(1);
    let len = len.and_then(|rest| rest.split('\r').next()?.parse().ok());
    let mut body = vec![0; len.expect("a length")];
    http.read_exact(&mut body).expect("the connection lives");
    let status = head.split(' ').nth(1).expect("a status");
    status.parse().expect("a number")
}

#[test]
fn given_other_settings_when_reloaded_should_hold_for_what_comes_next_and_leave_what_is_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut server = Server::start_configured(dir.path(), 2, "");
    let mut live = Live::start(&server, 1);
    let mut http = TcpStream::connect(server.http()).expect("connected");
    assert_eq!(health_on(&mut http), 200);

    server.configure("device_deny = ['127.0.0.0/8']\n");
    assert_eq!(
        server.reload()["changed"],
        json!([{"key": "device_deny", "from": [], "to": ["127.0.0.0/8"]}])
    );
    for _ in 0..8 {
        assert!(is_denied(&server));
    }
    assert_eq!(server.metric("ringpost_connections_denied_total"), 8);
    live.goes_on(&server);
    assert_eq!(health_on(&mut http), 200, "on the connection of before");

    server.configure(
        "http_deny = ['203.0.113.0/24']\ntrusted_proxies = ['127.0.0.1']\n\
        [heartbeat]\nmin_s = 20\nmax_s = 40\ndefault_s = 30\n[devices]\nmay_bind_aliases = false\n\
        [drain]\nendpoint = 'localhost:5225'\n[log]\nfilter = 'debug'\n",
    );
    let reloaded = server.reload();
    assert_eq!(
        keys(&reloaded["changed"]),
        [
            "device_deny",
            "heartbeat.default_s",
            "heartbeat.min_s",
            "heartbeat.max_s",
            "devices.may_bind_aliases",
            "http_deny",
            "trusted_proxies",
            "drain.endpoint",
            "log.filter",
        ]
    );
    let (mut device, hello) = new_device(&server, 2);
    let welcome = device.welcome(hello);
    assert_eq!(
        (
            welcome.heartbeat_s,
            welcome.heartbeat_min_s,
            welcome.heartbeat_max_s
        ),
        (30, 20, 40)
    );
    let bind = Operation::BindAlias {
        alias_type: String::new(),
        alias: "alice".into(),
    };
    live.device.send(&[Frame::Command(Command {
        serial: 1,
        operation: bind,
    })]);
    let code = live.device.receive_until("a result", |frame| match frame {
        Frame::CommandResult(result) => Some(result.code),
        _ => None,
    });
    assert_eq!(code, ResultCode::NotPermitted);
    live.goes_on(&server);
    let third_party = server.third_party();
    let call = |forwarded: &str| {
        let mut socket = TcpStream::connect(server.http()).expect("connected");
        let request = format!("GET /metrics HTTP/1.0\r\nX-Forwarded-For: {forwarded}\r\n\r\n");
        std::io::Write::write_all(&mut socket, request.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("text");
        answer.split(' ').nth(1).expect("a status").to_owned()
    };
    assert_eq!(
        (call("203.0.113.9").as_str(), call("192.0.2.1").as_str()),
        ("401", "200")
    );
    third_party.token().expect("from here as before");
    drop(device);
    wait_for("a line about its end", || {
        server.log().contains("DEBUG").then_some(())
    });

    let listening = std::thread::spawn(move || {
        live.device.receive_until("a go-away", |frame| match frame {
            Frame::GoAway(go) => Some(go.endpoint.clone()),
            _ => None,
        })
    });
    assert!(server.stop().success());
    assert_eq!(listening.join().expect("told"), "localhost:5225");
}

#[test]
fn given_settings_that_are_wrong_when_reloaded_should_say_why_and_change_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::under(dir.path());
    let first = authority.renew();
    let good = authority.toml();
    let server = Server::start_configured(dir.path(), 2, &good);
    let mut live = Live::start(&server, 1);
    assert_eq!(server.metric("ringpost_last_reload_succeeded"), 1);
    let started = server.metric("ringpost_last_reload_time_seconds");

    // Whatever is wrong, what is right beside it is not taken either.
    let deny = "device_deny = ['127.0.0.0/8']\n";
    let tls = |cert: &str, key: &str| {
        format!("{deny}[tls]\ncert = '{cert}'\nkey = '{key}'\nca = '{cert}'\n")
    };
    let path = |name: &str| authority.folder.join(name).display().to_string();
    let (_, other_key) = authority.pair();
    fs::write(path("other.key"), other_key.serialize_pem()).expect("written");
    fs::write(path("empty.pem"), "").expect("written");
    for (toml, named) in [
        (format!("{deny}devise = 'x'\n{good}"), "devise"),
        (format!("{deny}shards = 'two'\n{good}"), "shards"),
        (
            format!("{deny}{good}[heartbeat]\nmin_s = 60\nmax_s = 30\n"),
            "heartbeat.max_s = \"30\"",
        ),
        (
            format!("{deny}http_allow = ['10.0.0.1/8']\n{good}"),
            "10.0.0.1/8",
        ),
        (
            format!("{deny}{good}[log]\nfilter = 'server=loud'\n"),
            "log.filter = \"server=loud\"",
        ),
        (format!("{deny}{good}["), "ringpost.toml"),
        (tls(&path("gone.pem"), &path("key.pem")), "gone.pem"),
        (tls(&path("empty.pem"), &path("key.pem")), "empty.pem"),
        (tls(&path("cert.pem"), &path("gone.key")), "gone.key"),
        (tls(&path("cert.pem"), &path("cert.pem")), "cert.pem"),
        (
            tls(&path("cert.pem"), &path("other.key")),
            "other.key: it does not fit tls.cert",
        ),
    ] {
        server.configure(&toml);
        let why = refusal(&server);
        assert!(why.contains(named), "{named}:\n{why}");
        assert!(
            why.contains("HTTP 400") && why.contains("code 20001"),
            "{why}"
        );
        assert_eq!(server.metric("ringpost_last_reload_succeeded"), 0);
    }
    fs::remove_file(dir.path().join("ringpost.toml")).expect("removed");
    let why = refusal(&server);
    assert!(why.contains("ringpost.toml"), "{why}");

    live.goes_on(&server);
    for number in 2..10 {
        assert_eq!(leaf(&server, number), first);
    }
    assert_eq!(server.metric("ringpost_connections_denied_total"), 0);
    let log = server.log();
    let refused = log.lines().filter(|line| line.contains("are refused"));
    assert_eq!(refused.count(), 12, "{log}");

    server.configure(&good);
    assert_eq!(
        server.reload(),
        json!({"changed": [], "needs_restart": [], "shards_behind": 0})
    );
    assert_eq!(server.metric("ringpost_last_reload_succeeded"), 1);
    assert!(server.metric("ringpost_last_reload_time_seconds") >= started);
}

#[test]
fn given_settings_of_a_start_when_reloaded_should_be_named_each_time_and_kept_as_they_were() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start_configured(dir.path(), 1, "[log]\nformat = 'text'\n");
    let mut live = Live::start(&server, 1);
    // Flags go before the file: those of the start hold, so the file's are no change.
    server.configure(
        "data = '/elsewhere'\ndevice = '127.0.0.1:1'\nhttp = '127.0.0.1:2'\nshards = 4\n\
        admin = '127.0.0.1:3'\n[log]\nformat = 'json'\n[heartbeat]\nmax_s = 900\n",
    );
    let needs_restart = json!([
        {"key": "admin", "from": null, "to": "127.0.0.1:3"},
        {"key": "log.format", "from": "text", "to": "json"},
    ]);
    let reloaded = server.reload();
    assert_eq!(reloaded["needs_restart"], needs_restart);
    assert_eq!(
        reloaded["changed"],
        json!([{"key": "heartbeat.max_s", "from": 1800, "to": 900}])
    );
    let again = server.reload();
    assert_eq!(again["needs_restart"], needs_restart);
    assert_eq!(again["changed"], json!([]));
    let log = server.log();
    let told = |word: &str, key: &str| {
        log.lines()
            .any(|line| line.contains(word) && line.contains(key))
    };
    assert!(told("a setting needs a restart", "log.format"), "{log}");
    assert!(told("a setting is changed", "heartbeat.max_s"), "{log}");

    server.configure("admin = '127.0.0.1:3'\n");
    let output = server.run(&["reload"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "changed          heartbeat.max_s: 900 -> 1800\n\
         needs a restart  admin: null -> 127.0.0.1:3\n"
    );
    server.configure("");
    let output = server.run(&["reload"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nothing changed\n");
    live.goes_on(&server);
}

#[test]
fn given_settings_of_calls_when_reloaded_should_hold_for_the_next_of_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let receiver = Receiver::start(200);
    let server = Server::start_configured(dir.path(), 1, "[webhooks]\nretry_first_ms = 50\n");
    let cid = register(&server.bootstrap(), 1).to_string();
    server.set_app(&[&format!("callback_url={}", receiver.url())]);
    let mut device = Device::connect(&server.bootstrap());
    let login = Identity::Login(cid.parse().expect("a CID"));
    device.greet(hello(&server.bootstrap(), login, [1; 32]));
    let push = Push::new(PushBody::Transmission("x".into())).expect("random");
    server
        .third_party()
        .push_single_cid(&cid, &push)
        .expect("pushed");
    let id = device.receive_until("a push", |frame| match frame {
        Frame::Push(push) => Some(push.id),
        _ => None,
    });
    device.send(&[Frame::Ack(protocol::Ack { ids: vec![id] })]);
    wait_for("a call to loopback that is refused", || {
        (server.metric("ringpost_webhook_calls_failed_total") > 0).then_some(())
    });
    assert_eq!(receiver.deliveries().len(), 0);

    server.configure(
        "vendor_channel = 'log'\n[webhooks]\nallow_private = true\nretry_first_ms = 50\n\
        [ingress]\ntimestamp_skew_s = 600\n",
    );
    assert_eq!(
        keys(&server.reload()["changed"]),
        ["webhooks.allow_private", "vendor_channel"]
    );
    wait_for("the receipt", || {
        (!receiver.taken().is_empty()).then_some(())
    });
    drop(device);
    wait_for("the device to be offline", || {
        (server.metric("ringpost_sessions") == 0).then_some(())
    });
    let body = json!({"request_id": "a-vendor-request", "audience": {"cid": [cid]},
        "push_message": {"transmission": "x"}, "push_channel": {"android": {}}});
    let third_party = server.third_party();
    let answer = third_party.call(hyper::Method::POST, "/push/single/cid", Some(&body));
    answer.expect("pushed");
    wait_for("the vendor channel", || {
        server
            .log()
            .contains("handed to the vendor channel")
            .then_some(())
    });
}

#[test]
fn given_reloads_without_end_when_devices_come_and_go_should_drop_nobody() {
    let dir = tempfile::tempdir().expect("a folder");
    let authority = Authority::under(dir.path());
    authority.renew();
    let server = Server::start_configured(dir.path(), 2, &authority.toml());
    let mut live: Vec<Live> = (1..=4).map(|number| Live::start(&server, number)).collect();
    std::thread::scope(|scope| {
        let reloading = scope.spawn(|| {
            for turn in 0..20 {
                authority.renew();
                let max_s = 1000 + turn;
                let toml = format!("{}[heartbeat]\nmax_s = {max_s}\n", authority.toml());
                server.configure(&toml);
                assert_eq!(server.reload()["shards_behind"], 0);
            }
        });
        let mut number = 100;
        while !reloading.is_finished() && number < 250 {
            number += 1;
            let (mut device, hello) = new_device(&server, number);
            device.greet(hello);
            live.iter_mut().for_each(|live| live.goes_on(&server));
        }
        reloading.join().expect("reloaded");
    });
    live.iter_mut().for_each(|live| live.goes_on(&server));
    let (mut device, hello) = new_device(&server, 99);
    assert_eq!(device.welcome(hello).heartbeat_max_s, 1019);
    assert_eq!(server.metric("ringpost_sessions_replaced_total"), 0);
}
