//! Accepts connections and lets hyper talk on them, behind the guard.
//!
//! Owner: the ingress thread, inside its `LocalSet`; one local task a connection. Always: when the
//! future returned by [`serve`] ends, every request that was taken has been answered or its
//! connection is gone.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{IpAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::door::Door;
use super::envelope::Reply;
use super::fault::Fault;
use super::ingress::Ingress;
use super::route::Surfaces;
use super::service;
use super::wire::Wire;

/// A listener, and what is behind it.
#[derive(Debug)]
pub struct Entrance {
    /// What the log calls it.
    pub name: &'static str,
    /// Where connections come.
    pub listener: TcpListener,
    /// What is served there; other paths are unknown.
    pub surfaces: Surfaces,
    /// How many connections are open at one time; more wait in the kernel.
    pub connections_max: usize,
}

/// Serves one entrance until `stop` is true (or its sender is gone), then
/// finishes the requests in flight. Must run inside a `LocalSet` of
/// a tokio runtime.
///
/// # Errors
/// The listener cannot be driven by the runtime.
pub async fn serve(
    entrance: Entrance,
    ingress: Rc<Ingress>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let surfaces = entrance.surfaces;
    let mut door = Door::new(entrance.listener, entrance.name, entrance.connections_max)?;
    let mut connections = JoinSet::new();
    let mut stopped = stop.clone();
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            Some(ended) = connections.join_next() => report(ended),
            (stream, peer, place) = door.next() => {
                let talk = converse(stream, peer.ip(), surfaces, Rc::clone(&ingress), stop.clone());
                connections.spawn_local(async move {
                    talk.await;
                    drop(place);
                });
            }
        }
    }
    drop(door);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
    Ok(())
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection task failed");
    }
}

/// One connection from its first byte to its last.
async fn converse(
    stream: TcpStream,
    peer: IpAddr,
    surfaces: Surfaces,
    ingress: Rc<Ingress>,
    mut stop: watch::Receiver<bool>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no delay cannot be set");
    }
    let refused = Rc::new(Cell::new(None));
    let wire = Wire::new(stream, ingress.wire_times(), Rc::clone(&refused));
    let answering = Rc::clone(&ingress);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = service::answer(
            Rc::clone(&answering),
            surfaces,
            peer,
            Rc::clone(&refused),
            request,
        );
        Box::pin(async move { Ok::<Response<_>, Infallible>(answer.await) })
    });
    // The guard ends the stream under hyper's feet; the answers that are owed must still go out.
    // The wire has the time limits, since hyper knows none for bodies and writes.
    let mut connection = http1::Builder::new()
        .half_close(true)
        .header_read_timeout(None::<Duration>)
        .serve_connection(wire, service);
    let mut stopping = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                stopping = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
        return;
    }
    let wire = connection.into_parts().io;
    let last = wire.unanswered().map(|refusal| {
        let reply = Reply::from(Fault::Refused(refusal));
        ingress
            .telemetry
            .http_answered("refused", reply.status(), reply.code(), Duration::ZERO);
        reply.into_last_bytes()
    });
    wire.finish(last).await;
}
