//! How the tokio side asks shards: a ticket out, an answer back.
//!
//! Owner: the ingress thread. Questions to one shard go over one ring, answers of all shards come
//! back over one inbox; the waiting request holds a oneshot under its ticket.
//! Always: a ticket is answered at most once; a late answer to a ticket that gave up is dropped. All that is asked in
//! one turn of this thread wakes a shard once, so that it submits it as one batch.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use protocol::ClientId;
use schema::record::App;
use server_core::command::{Answer, Command};
use server_core::ids::{ShardNo, Ticket};
use server_core::placement::Slot;
use slab::Slab;
use tokio::sync::{Notify, oneshot};

use crate::mesh::{Inbox, Sender};

/// How long a question may stay unanswered before the third party is told "busy".
/// A commit takes milliseconds; ten seconds is a store that hangs, and less than the 30 s after
/// which the official clients give up and repeat.
const ANSWER_WAIT: Duration = Duration::from_secs(10);

/// What a shard sends to the ingress.
#[derive(Debug)]
pub enum ToIngress {
    /// The answer to a ticket.
    Answer(Ticket, Answer),
    /// An app was created or changed.
    App(App),
    /// An app was deleted.
    AppGone(App),
    /// A shard goes by the terms that it was sent last.
    TermsTaken,
    /// A draining shard has no session left. Once per shard.
    Drained,
}

/// A question on its way to a shard.
#[derive(Debug)]
pub struct Question {
    /// Comes back with the answer.
    pub ticket: Ticket,
    /// What is asked.
    pub command: Command,
}

/// The ingress's end of the channels to all shards.
#[derive(Debug)]
pub struct Asker {
    shards: RefCell<Vec<Sender<Question>>>,
    /// Which of them have questions that they were not woken for.
    unrung: Vec<Cell<bool>>,
    /// Said when there is one.
    asked: Notify,
    waiting: RefCell<Slab<(u32, oneshot::Sender<Answer>)>>,
    apps: RefCell<HashMap<String, Rc<App>>>,
    rounds: Cell<u32>,
    drained: tokio::sync::watch::Sender<u16>,
    terms_taken: tokio::sync::watch::Sender<u64>,
    apps_changed: tokio::sync::watch::Sender<u64>,
}

impl Asker {
    /// An asker over one ring per shard that knows the apps of the store.
    pub fn new(shards: Vec<Sender<Question>>, apps: Vec<App>) -> Rc<Self> {
        let apps = apps
            .into_iter()
            .map(|app| (app.app_id.clone(), Rc::new(app)))
            .collect();
        Rc::new(Asker {
            unrung: shards.iter().map(|_| Cell::new(false)).collect(),
            asked: Notify::new(),
            shards: RefCell::new(shards),
            waiting: RefCell::default(),
            apps: RefCell::new(apps),
            rounds: Cell::new(0),
            drained: tokio::sync::watch::Sender::new(0),
            terms_taken: tokio::sync::watch::Sender::new(0),
            apps_changed: tokio::sync::watch::Sender::new(0),
        })
    }

    /// The owner of a CID.
    pub fn owner(&self, cid: ClientId) -> ShardNo {
        Slot::of_cid(cid).shard(self.shard_count())
    }

    /// The home of any other name.
    pub fn home(&self, name: &[u8]) -> ShardNo {
        Slot::of_name(name).shard(self.shard_count())
    }

    /// How many shards there are.
    pub fn shard_count(&self) -> u16 {
        self.shards.borrow().len() as u16
    }

    /// An app by its public id.
    pub fn app(&self, app_id: &str) -> Option<Rc<App>> {
        self.apps.borrow().get(app_id).cloned()
    }

    /// All apps, in no order.
    pub fn apps(&self) -> Vec<Rc<App>> {
        self.apps.borrow().values().cloned().collect()
    }

    /// Asks a shard and waits; [`Asker::listen`] hands it over. A full ring or a silent shard answers [`Answer::Busy`].
    pub async fn ask(&self, shard: ShardNo, command: Command) -> Answer {
        let (sender, receiver) = oneshot::channel();
        let round = self.rounds.get().wrapping_add(1);
        self.rounds.set(round);
        let key = self.waiting.borrow_mut().insert((round, sender));
        // The round tells a late answer from the answer to the next user of the same key.
        let ticket = Ticket((u64::from(round) << 32) | key as u64);
        let at = usize::from(shard.0);
        let put = self.shards.borrow_mut()[at].put(Question { ticket, command });
        if put.is_err() {
            self.waiting.borrow_mut().remove(key);
            return Answer::Busy;
        }
        self.unrung[at].set(true);
        self.asked.notify_one();
        // However this future ends (answer, time-out, the client gone), the ticket is given back.
        let _release = Release {
            asker: self,
            ticket,
        };
        match tokio::time::timeout(ANSWER_WAIT, receiver).await {
            Ok(Ok(answer)) => answer,
            _ => Answer::Busy,
        }
    }

    /// Rises with every change of an app.
    pub fn watch_apps(&self) -> tokio::sync::watch::Receiver<u64> {
        self.apps_changed.subscribe()
    }

    /// Waits until every shard has said that its last session is gone.
    pub async fn all_drained(&self) {
        let all = self.shard_count();
        let _ = self
            .drained
            .subscribe()
            .wait_for(|drained| *drained >= all)
            .await;
    }

    /// How often a shard has said that it goes by new terms, over all shards; rises with each.
    pub fn watch_terms(&self) -> tokio::sync::watch::Receiver<u64> {
        self.terms_taken.subscribe()
    }

    fn take(&self, ticket: Ticket) -> Option<oneshot::Sender<Answer>> {
        let (round, key) = ((ticket.0 >> 32) as u32, (ticket.0 & 0xffff_ffff) as usize);
        let mut waiting = self.waiting.borrow_mut();
        match waiting.get(key) {
            Some((at, _)) if *at == round => Some(waiting.remove(key).1),
            _ => None,
        }
    }

    fn ring(&self) {
        let shards = self.shards.borrow();
        for (shard, unrung) in shards.iter().zip(&self.unrung) {
            if unrung.take() {
                shard.wake();
            }
        }
    }

    /// Hands questions to shards, and answers to those who wait; runs until every shard is gone.
    pub async fn listen(&self, mut inbox: Inbox<ToIngress>) {
        loop {
            tokio::select! {
                // Others that can run now ask first: it stands behind them in line.
                () = self.asked.notified() => {
                    self.ring();
                    continue;
                }
                () = inbox.news() => {}
            }
            while let Some(message) = inbox.take() {
                match message {
                    ToIngress::Answer(ticket, answer) => {
                        if let Some(waiting) = self.take(ticket) {
                            let _ = waiting.send(answer);
                        }
                    }
                    ToIngress::App(app) => {
                        let app_id = app.app_id.clone();
                        self.apps.borrow_mut().insert(app_id, Rc::new(app));
                        self.apps_changed.send_modify(|changes| *changes += 1);
                    }
                    ToIngress::AppGone(app) => {
                        self.apps.borrow_mut().remove(&app.app_id);
                        self.apps_changed.send_modify(|changes| *changes += 1);
                    }
                    ToIngress::TermsTaken => self.terms_taken.send_modify(|taken| *taken += 1),
                    ToIngress::Drained => self.drained.send_modify(|drained| *drained += 1),
                }
            }
            if inbox.is_closed() {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

struct Release<'a> {
    asker: &'a Asker,
    ticket: Ticket,
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        self.asker.take(self.ticket);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::{Context, Wake, Waker};

    use server_core::ids::AppNo;

    use super::*;
    use crate::mesh::Bell;

    #[derive(Default)]
    struct Wakes(AtomicU32);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn given_many_questions_in_one_turn_when_asked_should_wake_their_shard_once_all_are_there() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        let _entered = runtime.enter();
        let mut questions = Inbox::new(&Bell::default());
        let mut answers = Inbox::new(&Bell::default());
        let asker = Asker::new(vec![questions.open(8)], Vec::new());
        let _answer = answers.open(8);
        let wakes = Arc::new(Wakes::default());
        {
            let mut news = pin!(questions.news());
            let waker = Waker::from(Arc::clone(&wakes));
            assert!(
                news.as_mut()
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
        }
        let mut idle = Context::from_waker(Waker::noop());
        let probe = || {
            let (app, cids) = (AppNo(1), Vec::new());
            asker.ask(ShardNo(0), Command::Probe { app, cids })
        };
        let (mut first, mut second) = (pin!(probe()), pin!(probe()));
        assert!(first.as_mut().poll(&mut idle).is_pending());
        assert!(second.as_mut().poll(&mut idle).is_pending());
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0, "the turn is not over");
        assert!(pin!(asker.listen(answers)).poll(&mut idle).is_pending());
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert!(questions.take().is_some() && questions.take().is_some());
    }
}
