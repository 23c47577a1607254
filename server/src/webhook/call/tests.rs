//! Calls over real sockets on loopback, plain and with TLS, against receivers that behave and that do not.

use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

fn caller(allow_private: bool, timeout: Duration) -> Caller {
    let settings = WebhookSettings {
        allow_private,
        timeout,
        ..WebhookSettings::default()
    };
    Caller::new(watch::channel(settings).1)
}

const WHOLE: Duration = Duration::from_secs(30);

fn parcel() -> Parcel {
    Parcel {
        upto: 1,
        count: 1,
        body: b"hello".to_vec(),
        content_type: "text/plain",
        headers: vec![("ringpost-delivery", "one".into())],
    }
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(test)
}

/// Reads a request to the end of its body.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"hello") {
        let mut some = [0; 1024];
        let len = stream.read(&mut some).await.expect("read");
        assert!(len > 0, "ended early");
        bytes.extend_from_slice(&some[..len]);
    }
    String::from_utf8(bytes).expect("text")
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    (listener, port)
}

/// Calls a receiver that answers so; what came of it and what the receiver read.
async fn call(caller: &Caller, answer: &str) -> (Result<StatusCode, CallError>, String) {
    let (listener, port) = listen().await;
    let target = Target::of(&format!("http://127.0.0.1:{port}/a?b=c")).expect("a URL");
    let parcel = parcel();
    let receiver = async {
        let (mut stream, _) = listener.accept().await.expect("accepted");
        let request = read_request(&mut stream).await;
        stream.write_all(answer.as_bytes()).await.expect("answered");
        request
    };
    tokio::join!(caller.post(&target, &parcel), receiver)
}

#[test]
fn given_a_receiver_when_called_should_get_headers_and_body_and_its_status_should_be_given() {
    block_on(async {
        let caller = caller(true, WHOLE);
        let answer = "HTTP/1.1 204 No Content\r\n\r\n";
        let (status, request) = call(&caller, answer).await;
        assert_eq!(status.expect("an answer"), StatusCode::NO_CONTENT);
        assert!(request.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{request}");
        for line in [
            "host: 127.0.0.1:",
            "content-type: text/plain\r\n",
            "content-length: 5\r\n",
            "ringpost-delivery: one\r\n",
        ] {
            assert!(request.contains(line), "{line}: {request}");
        }
    });
}

#[test]
fn given_a_redirect_when_called_should_not_be_followed() {
    block_on(async {
        let (elsewhere, port) = listen().await;
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:{port}/\r\n\
             content-length: 0\r\n\r\n"
        );
        let (status, _) = call(&caller(true, WHOLE), &answer).await;
        assert_eq!(status.expect("an answer"), StatusCode::TEMPORARY_REDIRECT);
        let nobody = timeout(Duration::ZERO, elsewhere.accept()).await;
        assert!(nobody.is_err(), "somebody came: {nobody:?}");
    });
}

#[test]
fn given_an_answer_without_end_when_called_should_take_its_status_and_leave() {
    block_on(async {
        let body = "x".repeat(WEBHOOK_ANSWER_LEN_MAX + 4096);
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n{body}");
        let (status, _) = call(&caller(true, WHOLE), &answer).await;
        assert_eq!(status.expect("an answer"), StatusCode::OK);
        let long = format!(
            "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
            "y".repeat(WEBHOOK_HEAD_LEN_MAX)
        );
        let (status, _) = call(&caller(true, WHOLE), &long).await;
        assert!(matches!(status, Err(CallError::Http(_))), "{status:?}");
    });
}

#[test]
fn given_a_receiver_that_says_nothing_when_called_should_be_left_when_its_time_is_over() {
    block_on(async {
        let (listener, port) = listen().await;
        let target = Target::of(&format!("http://127.0.0.1:{port}/")).expect("a URL");
        let brief = Duration::from_millis(50);
        let called = caller(true, brief).post(&target, &parcel()).await;
        assert!(
            matches!(called, Err(CallError::Late { limit, .. }) if limit == brief),
            "{called:?}"
        );
        drop(listener);
        let called = caller(true, WHOLE).post(&target, &parcel()).await;
        assert!(
            matches!(called, Err(CallError::Connect { .. })),
            "{called:?}"
        );
    });
}

#[test]
fn given_loopback_under_each_name_when_called_without_leave_should_be_refused_unconnected() {
    block_on(async {
        let (listener, port) = listen().await;
        let caller = caller(false, WHOLE);
        for host in [
            "127.0.0.1",
            "localhost",
            "2130706433",
            "0x7f000001",
            "127.1",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            let target = Target::of(&format!("http://{host}:{port}/")).expect(host);
            let called = caller.post(&target, &parcel()).await;
            assert!(
                matches!(called, Err(CallError::Denied { .. })),
                "{host}: {called:?}"
            );
        }
        let nobody = timeout(Duration::ZERO, listener.accept()).await;
        assert!(nobody.is_err(), "somebody came: {nobody:?}");
    });
}

#[test]
fn given_a_receiver_with_tls_when_called_should_be_believed_only_if_it_is_trusted() {
    block_on(async {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("made");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .expect("fits");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (listener, port) = listen().await;
        let target = Target::of(&format!("https://localhost:{port}/")).expect("a URL");
        let mut roots = RootCertStore::empty();
        let stranger = caller(true, WHOLE);
        assert!(stranger.tls.set(trusting(roots.clone())).is_ok());
        roots.add(certificate).expect("a certificate");
        let friend = caller(true, WHOLE);
        assert!(friend.tls.set(trusting(roots)).is_ok());
        let receiver = async {
            let (stream, _) = listener.accept().await.expect("accepted");
            assert!(acceptor.accept(stream).await.is_err(), "a stranger came in");
            let (stream, _) = listener.accept().await.expect("accepted");
            let mut stream = acceptor.accept(stream).await.expect("TLS");
            read_request(&mut stream).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(answer).await.expect("answered");
            stream.flush().await.expect("answered");
        };
        let calls = async {
            let refused = stranger.post(&target, &parcel()).await;
            assert!(matches!(refused, Err(CallError::Tls(_))), "{refused:?}");
            let answered = friend.post(&target, &parcel()).await;
            assert_eq!(answered.expect("an answer"), StatusCode::OK);
        };
        tokio::join!(receiver, calls);
    });
}
