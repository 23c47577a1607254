//! The only place where an `Effect` becomes something that happens.

use std::rc::Rc;

use protocol::{Close, Frame, Hello};
use server_core::effect::Effect;
use server_core::ids::{SessionId, ShardNo};
use server_core::op::Submitted;

use super::{ShardLoop, offences};
use crate::ask::ToIngress;

impl ShardLoop {
    pub(super) fn perform(self: &Rc<Self>, effect: Effect) {
        match effect {
            Effect::Send(session, frame) => self.send(session, &frame),
            Effect::Close(session, close) => self.close(session, close),
            Effect::HandOff { session, to, hello } => self.hand_off(session, to, hello),
            Effect::Commit(op) => {
                let sent = self
                    .outlets
                    .borrow_mut()
                    .commits
                    .send(Submitted { shard: self.me, op });
                assert!(sent.is_ok(), "the core keeps its commits within the ring");
            }
            Effect::Read(read) => {
                let mut outlets = self.outlets.borrow_mut();
                let at = self.next_reader.get() % outlets.reads.len();
                self.next_reader.set(at + 1);
                let sent = outlets.reads[at].send((self.me, read));
                assert!(sent.is_ok(), "the core keeps its reads within the ring");
            }
            Effect::Answer(ticket, answer) => self.tell_ingress(ToIngress::Answer(ticket, answer)),
            Effect::App(app) => self.tell_ingress(ToIngress::App(app)),
            Effect::AppGone(app) => self.tell_ingress(ToIngress::AppGone(app)),
        }
    }

    fn send(&self, session: SessionId, frame: &Frame) {
        let connections = self.connections.borrow();
        let Some(connection) = connections.get(&session) else {
            return;
        };
        if matches!(frame, Frame::Welcome(_)) {
            self.greeted(connection);
        }
        if connection.put(frame) {
            self.unflushed.borrow_mut().push(Rc::clone(connection));
        }
    }

    fn close(&self, session: SessionId, close: Close) {
        let Some(connection) = self.connections.borrow_mut().remove(&session) else {
            return;
        };
        tracing::debug!(shard = self.me.0, session = session.0, reason = ?close.reason, text = close.text, "session closed");
        if let Some(offence) = offences::kind_of(close.reason) {
            self.note(offence, session, &close.text);
        }
        connection.put(&Frame::Close(close));
        connection.close(&mut self.scratch.borrow_mut());
    }

    fn hand_off(self: &Rc<Self>, session: SessionId, to: ShardNo, hello: Box<Hello>) {
        let Some(connection) = self.connections.borrow_mut().remove(&session) else {
            return;
        };
        let parcel = match connection.hand_over(hello) {
            Ok(parcel) => parcel,
            Err(error) => {
                // Out of descriptors: the device finds its connection closed and tries again.
                return self.note(offences::NOT_HANDED_OVER, session, &error);
            }
        };
        let sent = self.outlets.borrow_mut().shards[usize::from(to.0)]
            .as_mut()
            .expect("a shard hands off to others")
            .send(parcel);
        // Full: the owner is thousands of logins behind.
        if let Err(parcel) = sent {
            let details = format_args!("the ring to shard {} is full", to.0);
            self.note(offences::NOT_HANDED_OVER, session, &details);
            self.put_off(parcel);
        }
    }

    /// The ingress asks no more than it waits for, so this queue is as bounded as its questions.
    pub(super) fn tell_ingress(&self, message: ToIngress) {
        self.unanswered.borrow_mut().push_back(message);
    }
}
