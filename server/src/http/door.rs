//! The door of one HTTP listener: who comes in, and what the log says when it stands shut.
//!
//! Owner: the loop of the listener. Always: a connection is accepted only into a place, so that
//! HTTP never takes more files than its share; while there is none, or while `accept` fails,
//! nothing spins, and the log has one line when that begins and one when it goes on.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::limits::{HTTP_ACCEPT_PAUSE, OFFENCE_SPELL};

/// The right to hold one connection; given back when it is dropped.
pub(super) type Place = OwnedSemaphorePermit;

/// See the module page.
#[derive(Debug)]
pub(super) struct Door {
    listener: TcpListener,
    places: Arc<Semaphore>,
    pause: Pause,
}

impl Door {
    /// A door for a listener that the log calls `name`, with so many places behind it.
    pub(super) fn new(
        listener: std::net::TcpListener,
        name: &'static str,
        places: usize,
    ) -> io::Result<Door> {
        listener.set_nonblocking(true)?;
        Ok(Door {
            listener: TcpListener::from_std(listener)?,
            places: Arc::new(Semaphore::new(places)),
            pause: Pause {
                listener: name,
                told: false,
                silent_until: None,
            },
        })
    }

    /// The next connection, with the address of its peer and its place. Whoever drops this future loses no connection and may
    /// ask again.
    pub(super) async fn next(&mut self) -> (TcpStream, SocketAddr, Place) {
        loop {
            let place = self.place().await;
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    self.pause.ends();
                    return (stream, peer, place);
                }
                // Something else holds the files, or the connection ended before it was taken.
                Err(error) => {
                    self.pause.begins(&error);
                    tokio::time::sleep(HTTP_ACCEPT_PAUSE).await;
                }
            }
        }
    }

    async fn place(&mut self) -> Place {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return place;
        }
        loop {
            self.pause.begins(&"all places for connections are taken");
            let place = Arc::clone(&self.places).acquire_owned();
            // A pause that began in the silence after another one, and outlasts it, is told too.
            if let Ok(place) = tokio::time::timeout(OFFENCE_SPELL, place).await {
                self.pause.ends();
                return place.expect("never closed");
            }
        }
    }
}

/// Whether the log was told that accepting pauses.
#[derive(Debug)]
struct Pause {
    listener: &'static str,
    /// It was told, and has not gone on.
    told: bool,
    /// Coming and going at the limit does not fill the log.
    silent_until: Option<Instant>,
}

impl Pause {
    fn begins(&mut self, why: &dyn Display) {
        let now = Instant::now();
        let is_silent = self.silent_until.is_some_and(|until| now < until);
        if !self.told && !is_silent {
            tracing::warn!(listener = self.listener, %why, "accepting pauses");
            self.told = true;
            self.silent_until = Some(now + OFFENCE_SPELL);
        }
    }

    fn ends(&mut self) {
        if std::mem::take(&mut self.told) {
            tracing::info!(listener = self.listener, "accepting goes on");
        }
    }
}
