//! The turnstile of a shard: each step of a login that may cost a handshake waits here for its turn.
//!
//! Owner: the loop of one shard. Always: who asks first goes first in his lane; whoever has given up
//! meanwhile takes nobody's turn; when the shard ends nobody is kept waiting.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// A login that has begun.
    Login,
    /// One that is turned away.
    Away,
}

/// See the module page. Each connection has one ticket at most, so the lanes are as bounded as the
/// connections in their handshake are.
#[derive(Debug, Default)]
pub(super) struct Turnstile {
    logins: RefCell<VecDeque<Weak<Ticket>>>,
    away: RefCell<VecDeque<Weak<Ticket>>>,
    usher: RefCell<Option<Waker>>,
    is_open: Cell<bool>,
}

#[derive(Debug, Default)]
struct Ticket {
    called: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Turnstile {
    /// Waits for a turn.
    pub(super) async fn turn(&self, lane: Lane) {
        if self.is_open.get() {
            return;
        }
        let ticket = Rc::new(Ticket::default());
        self.lane(lane)
            .borrow_mut()
            .push_back(Rc::downgrade(&ticket));
        self.ring();
        poll_fn(|cx| {
            if ticket.called.get() {
                return Poll::Ready(());
            }
            ticket.waker.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Calls the next of a lane; false if nobody waits there.
    pub(super) fn call(&self, lane: Lane) -> bool {
        let mut lane = self.lane(lane).borrow_mut();
        while let Some(ticket) = lane.pop_front() {
            let Some(ticket) = ticket.upgrade() else {
                continue;
            };
            ticket.called.set(true);
            if let Some(waker) = ticket.waker.take() {
                waker.wake();
            }
            return true;
        }
        false
    }

    /// Lets everybody through from now on.
    pub(super) fn open(&self) {
        self.is_open.set(true);
        while self.call(Lane::Login) || self.call(Lane::Away) {}
    }

    /// Whether somebody waits.
    pub(super) fn is_asked(&self) -> bool {
        !self.logins.borrow().is_empty() || !self.away.borrow().is_empty()
    }

    /// Has whoever calls look again.
    pub(super) fn ring(&self) {
        if let Some(usher) = self.usher.take() {
            usher.wake();
        }
    }

    /// Waits until there is something to do, as `look` sees it after each [`Turnstile::ring`].
    pub(super) async fn until(&self, mut look: impl FnMut() -> bool) {
        poll_fn(|cx| {
            if look() {
                return Poll::Ready(());
            }
            self.usher.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn lane(&self, lane: Lane) -> &RefCell<VecDeque<Weak<Ticket>>> {
        match lane {
            Lane::Login => &self.logins,
            Lane::Away => &self.away,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    #[test]
    fn given_three_who_wait_when_one_gives_up_should_call_the_others_in_order() {
        let turnstile = Turnstile::default();
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = pin!(turnstile.turn(Lane::Login));
        let mut second = Box::pin(turnstile.turn(Lane::Login));
        let mut third = pin!(turnstile.turn(Lane::Login));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        assert!(third.as_mut().poll(&mut cx).is_pending());
        drop(second);
        assert!(!turnstile.call(Lane::Away), "nobody in that lane");
        assert!(turnstile.call(Lane::Login));
        assert!(first.as_mut().poll(&mut cx).is_ready());
        assert!(third.as_mut().poll(&mut cx).is_pending());
        assert!(turnstile.call(Lane::Login), "the third, not the second");
        assert!(third.as_mut().poll(&mut cx).is_ready());
        assert!(!turnstile.call(Lane::Login) && !turnstile.is_asked());
    }

    #[test]
    fn given_an_end_when_some_wait_and_others_come_should_let_all_through() {
        let turnstile = Turnstile::default();
        let mut cx = Context::from_waker(Waker::noop());
        for lane in [Lane::Login, Lane::Away] {
            let mut waits = pin!(turnstile.turn(lane));
            if lane == Lane::Login {
                assert!(waits.as_mut().poll(&mut cx).is_pending());
                turnstile.open();
            }
            assert!(waits.as_mut().poll(&mut cx).is_ready(), "{lane:?}");
        }
    }
}
