//! What becomes of the receipts of an app that is deleted, against a shard that keeps them in memory.

use std::cell::RefCell;

use bytes::Bytes;
use schema::record::Receipt;
use server_core::report::{QueuedReceipt, ReceiptPage};

use super::*;
use crate::ask::{Question, ToIngress};
use crate::mesh::{Bell, Inbox};

/// Receipts that wait and that were given up, by their places.
#[derive(Debug, Default)]
struct Shelf {
    waiting: Vec<u64>,
    dead: Vec<u64>,
}

impl Shelf {
    /// At most this many at a time, so that there are several pages.
    const PAGE: usize = 2;

    fn answer(&mut self, command: &Command) -> Answer {
        match command {
            Command::Receipts { .. } => {
                let queued = |order: &u64| QueuedReceipt {
                    order: *order,
                    receipt: Receipt {
                        cid: [1; 16],
                        task_id: "RASS_1".into(),
                        message: 1,
                        fate: 1,
                        action: 0,
                        at_ms: 1,
                        upstream: 0,
                        pieces: 0,
                    },
                    body: Bytes::new(),
                };
                let receipts = self.waiting.iter().take(Self::PAGE).map(queued);
                Answer::Receipts(ReceiptPage {
                    receipts: receipts.collect(),
                    more: self.waiting.len() > Self::PAGE,
                })
            }
            Command::SettleReceipts { upto, .. } => {
                self.waiting.retain(|order| order > upto);
                Answer::Done
            }
            Command::ReplayReceipts { .. } => {
                let page: Vec<u64> = self.dead.drain(..Self::PAGE.min(self.dead.len())).collect();
                self.waiting.extend(&page);
                Answer::Count(page.len() as u64)
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn given_receipts_that_wait_or_were_given_up_when_their_app_is_gone_should_all_be_cleared() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let shelf = Rc::new(RefCell::new(Shelf {
        waiting: (1..=5).collect(),
        dead: (6..=10).collect(),
    }));
    let kept = Rc::clone(&shelf);
    tokio::task::LocalSet::new().block_on(&runtime, async move {
        let bell = Bell::default();
        let mut inbox = Inbox::<Question>::new(&bell);
        let mut answers = Inbox::new(&Bell::default());
        let asker = Asker::new(vec![inbox.open(8)], Vec::new());
        let mut answer = answers.open(8);
        tokio::task::spawn_local(async move {
            loop {
                bell.until(|| !inbox.is_empty()).await;
                while let Some(question) = inbox.take() {
                    let decided = kept.borrow_mut().answer(&question.command);
                    let answered = ToIngress::Answer(question.ticket, decided);
                    assert!(answer.send(answered).is_ok(), "room");
                }
            }
        });
        let listening = Rc::clone(&asker);
        tokio::task::spawn_local(async move { listening.listen(answers).await });
        let (_set, settings) = watch::channel(WebhookSettings::default());
        let office = Office {
            caller: Caller::new(settings.clone()),
            asker,
            telemetry: Telemetry::new(1, 0),
            settings,
            calls: Semaphore::new(1),
        };
        office.clear("app", AppNo(7)).await;
    });
    let shelf = shelf.borrow();
    assert_eq!((shelf.waiting.len(), shelf.dead.len()), (0, 0));
}
