//! One app's way to its developer's server: read, send, settle, or wait and try again.
//!
//! Always: what is under way is settled before what is behind it is read; a delivery that failed is sent again with the
//! same receipts; a receipt is given up only after a try that failed.

use std::rc::Rc;
use std::time::Duration;

use hyper::StatusCode;
use protocol::MessageId;
use schema::record::App;
use server_core::apply::made_ms;
use server_core::command::{Answer, Command, Settling};
use server_core::ids::AppNo;
use server_core::report::{QueuedReceipt, ReceiptPage};
use tokio::sync::watch;

use super::call::CallError;
use super::custom_callbacks::{Busy, CustomCallbacks};
use super::parcel::{Event, Mode, Parcel};
use super::target::Target;
use super::{Office, back_off};
use crate::limits::{
    WEBHOOK_GETUI_PAUSE_MAX, WEBHOOK_GETUI_TRIES_MAX, WEBHOOK_LOOK_MAX, WEBHOOK_LOOK_MIN,
};
use crate::secret;
use crate::wall_clock::now_ms;

/// See the module page.
#[derive(Debug)]
pub(super) struct Sender {
    office: Rc<Office>,
    app_id: String,
    shows_lag: bool,
    /// The place of the last receipt that is settled.
    after: u64,
    /// The place of the last receipt of a delivery that failed.
    cut: Option<u64>,
    /// What was told or given up and is not settled yet.
    owed: Option<Settlement>,
    /// Tries in a row that failed.
    failures: u32,
    /// Those of this delivery.
    tries: u32,
    /// How long to wait when there is nothing.
    idle: Duration,
    custom_callbacks: CustomCallbacks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Settlement {
    upto: u64,
    settling: Settling,
}

/// What a try came to.
#[derive(Debug)]
enum Outcome {
    /// The receiver has it.
    Told,
    /// It has not, or does not say so.
    Failed(Failure),
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the answer was {0}")]
    Status(StatusCode),
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Outcome {
    /// In Getui's form any answer will do.
    fn of(mode: Mode, answered: Result<StatusCode, CallError>) -> Outcome {
        match answered {
            Ok(status) if status.is_success() || mode == Mode::Getui => Outcome::Told,
            Ok(status) => Outcome::Failed(Failure::Status(status)),
            Err(error) => Outcome::Failed(error.into()),
        }
    }
}

/// The place of the last of the first receipts that are too old to be tried again.
fn given_up(receipts: &[QueuedReceipt], now_ms: u64, keep: Duration) -> Option<u64> {
    let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
    receipts
        .iter()
        .map(|queued| queued.order)
        .take_while(|order| queued_ms(*order).saturating_add(keep_ms) <= now_ms)
        .last()
}

/// When a receipt was put where it waits. A replay puts it there anew.
fn queued_ms(order: u64) -> u64 {
    made_ms(MessageId(order))
}

/// The task of a push; that of a message of a device is the app's own name for something.
fn task_of_push(queued: &QueuedReceipt) -> Option<&str> {
    (queued.receipt.upstream == 0).then_some(queued.receipt.task_id.as_str())
}

impl Sender {
    pub(super) fn new(office: Rc<Office>, app_id: String, shows_lag: bool) -> Self {
        Sender {
            office,
            app_id,
            shows_lag,
            after: 0,
            cut: None,
            owed: None,
            failures: 0,
            tries: 0,
            idle: WEBHOOK_LOOK_MIN,
            custom_callbacks: CustomCallbacks::default(),
        }
    }

    /// Sends until the app is gone or has no callback any more.
    pub(super) async fn run(mut self) {
        let office = Rc::clone(&self.office);
        let mut changes = office.asker.watch_apps();
        while let Some((app, target)) = self.target() {
            changes.borrow_and_update();
            let pause = self.round(&app, &target).await;
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.is_changed(&mut changes, &app) => {
                    // Whoever set another receiver, or the same again, wants it tried now.
                    (self.failures, self.tries) = (0, 0);
                }
            }
        }
        office.telemetry.receipt_lag_gone(&self.app_id);
    }

    fn target(&self) -> Option<(Rc<App>, Target)> {
        let app = self.office.asker.app(&self.app_id)?;
        let target = Target::of(app.settings.callback.url.as_deref()?)?;
        Some((app, target))
    }

    async fn is_changed(&self, changes: &mut watch::Receiver<u64>, app: &App) {
        while changes.changed().await.is_ok() {
            let now = self.office.asker.app(&self.app_id);
            let same = now.is_some_and(|now| {
                now.settings.callback == app.settings.callback
                    && now.master_secret == app.master_secret
            });
            if !same {
                return;
            }
        }
        std::future::pending().await
    }

    /// One delivery, or a look that finds nothing; how long to wait after it.
    async fn round(&mut self, app: &App, target: &Target) -> Duration {
        let office = Rc::clone(&self.office);
        let _turn = office.calls.acquire().await;
        if !self.settle(app).await {
            return WEBHOOK_LOOK_MAX;
        }
        let Some(page) = self.waiting(app).await else {
            return WEBHOOK_LOOK_MAX;
        };
        let mut receipts = page.receipts;
        self.show_lag(receipts.first().map(|queued| queued.order));
        let Some(last) = receipts.last().map(|queued| queued.order) else {
            self.idle = (self.idle * 2).min(WEBHOOK_LOOK_MAX);
            return self.idle;
        };
        self.idle = WEBHOOK_LOOK_MIN;
        let cut = self.cut.unwrap_or(last);
        if receipts[0].order <= cut {
            receipts.retain(|queued| queued.order <= cut);
        }
        let Ok(packed) = self.pack(app, &receipts).await else {
            return WEBHOOK_LOOK_MAX;
        };
        let mode = Mode::of(app);
        let Some(parcel) = packed else {
            self.owe(receipts[receipts.len() - 1].order, Settling::Dropped);
            self.settle(app).await;
            return Duration::ZERO;
        };
        self.cut = Some(parcel.upto);
        match Outcome::of(mode, office.caller.post(target, &parcel).await) {
            Outcome::Told => {
                let more = last > parcel.upto || page.more;
                self.told(app, target, &parcel, more).await
            }
            Outcome::Failed(failure) => {
                self.failed(app, target, &failure);
                match mode {
                    Mode::Getui => self.drop_after_tries(app, &parcel).await,
                    Mode::Signed => self.give_up_the_old(app, receipts).await,
                }
                self.pause(mode)
            }
        }
    }

    /// What waits, oldest first; `None` if the shard is busy.
    async fn waiting(&self, app: &App) -> Option<ReceiptPage> {
        let question = Command::Receipts {
            app: AppNo(app.number),
            after: self.after,
            dead: false,
        };
        match self.office.ask(&self.app_id, question).await {
            Answer::Receipts(page) => Some(page),
            _ => None,
        }
    }

    /// `None` if the form tells nothing of these receipts.
    async fn pack(
        &mut self,
        app: &App,
        receipts: &[QueuedReceipt],
    ) -> Result<Option<Parcel>, Busy> {
        let mode = Mode::of(app);
        let told = receipts.iter().filter(|queued| mode.tells(&queued.receipt));
        let tasks = told.clone().filter_map(task_of_push);
        let number = AppNo(app.number);
        self.custom_callbacks
            .look_up(&self.office.asker, number, tasks)
            .await?;
        let events: Vec<Event> = told
            .map(|queued| Event {
                queued: queued.clone(),
                custom_callback: task_of_push(queued)
                    .and_then(|task| self.custom_callbacks.of(task)),
            })
            .collect();
        self.custom_callbacks.shrink();
        Ok((!events.is_empty()).then(|| Parcel::pack(mode, app, &events, now_ms())))
    }

    async fn told(&mut self, app: &App, target: &Target, parcel: &Parcel, more: bool) -> Duration {
        self.office.telemetry.receipts_told(parcel.count);
        if self.failures > 0 {
            tracing::info!(
                app = self.app_id,
                host = target.host,
                failures = self.failures,
                "a receiver answers again"
            );
        }
        self.failures = 0;
        self.owe(parcel.upto, Settling::Told);
        self.settle(app).await;
        match more {
            true => Duration::ZERO,
            false => WEBHOOK_LOOK_MIN,
        }
    }

    fn failed(&mut self, app: &App, target: &Target, failure: &Failure) {
        self.office.telemetry.webhook_call_failed();
        if self.failures == 0 {
            // The path of the URL may hold a secret.
            tracing::warn!(
                app = app.app_id,
                host = target.host,
                error = %failure,
                "a receiver fails; its receipts wait"
            );
        }
        self.failures = self.failures.saturating_add(1);
        self.tries += 1;
    }

    async fn drop_after_tries(&mut self, app: &App, parcel: &Parcel) {
        if self.tries >= WEBHOOK_GETUI_TRIES_MAX {
            self.office.telemetry.receipts_dropped(parcel.count);
            self.owe(parcel.upto, Settling::Dropped);
            self.settle(app).await;
        }
    }

    /// Those that failed too long go to the dead letters, page by page.
    async fn give_up_the_old(&mut self, app: &App, mut receipts: Vec<QueuedReceipt>) {
        let keep = self.office.settings.borrow().keep;
        while let Some(upto) = given_up(&receipts, now_ms(), keep) {
            let count = receipts
                .iter()
                .filter(|queued| queued.order <= upto)
                .count();
            self.office.telemetry.receipts_dead(count);
            self.owe(upto, Settling::Dead);
            if !self.settle(app).await {
                return;
            }
            receipts = self.waiting(app).await.unwrap_or_default().receipts;
        }
    }

    fn pause(&self, mode: Mode) -> Duration {
        let settings = self.office.settings.borrow();
        let most = match mode {
            Mode::Getui => settings.retry_most.min(WEBHOOK_GETUI_PAUSE_MAX),
            Mode::Signed => settings.retry_most,
        };
        let random = u32::from_be_bytes(secret::random());
        back_off::pause(self.failures, settings.retry_first, most, random)
    }

    fn owe(&mut self, upto: u64, settling: Settling) {
        self.owed = Some(Settlement { upto, settling });
    }

    /// Settles what is owed; whether nothing is any more.
    async fn settle(&mut self, app: &App) -> bool {
        let Some(Settlement { upto, settling }) = self.owed else {
            return true;
        };
        let command = Command::SettleReceipts {
            app: AppNo(app.number),
            upto,
            settling,
        };
        let settled = matches!(self.office.ask(&self.app_id, command).await, Answer::Done);
        if settled {
            (self.owed, self.cut, self.after) = (None, None, upto);
            self.tries = 0;
        }
        settled
    }

    fn show_lag(&self, oldest: Option<u64>) {
        if self.shows_lag {
            let ms = oldest.map_or(0, |order| now_ms().saturating_sub(queued_ms(order)));
            self.office.telemetry.receipt_lag(&self.app_id, ms / 1000);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use schema::record::Receipt;

    use super::*;

    /// An order that was given at this time.
    fn order_at(ms: u64) -> u64 {
        let one = (1..64).find(|bits| made_ms(MessageId(1 << bits)) == 1);
        ms << one.expect("ids hold milliseconds")
    }

    fn receipts(times: &[u64]) -> Vec<QueuedReceipt> {
        let queued = |ms: &u64| QueuedReceipt {
            order: order_at(*ms),
            receipt: Receipt {
                cid: [1; 16],
                task_id: "RASS_1".into(),
                message: 1,
                fate: 1,
                action: 0,
                at_ms: 0,
                upstream: 0,
                pieces: 0,
            },
            body: Bytes::new(),
        };
        times.iter().map(queued).collect()
    }

    #[test]
    fn given_receipts_older_than_a_day_when_a_try_failed_should_give_up_these_and_no_others() {
        let day = Duration::from_secs(24 * 3600);
        let now_ms = 2 * 24 * 3600 * 1000;
        let yesterday = now_ms - 24 * 3600 * 1000;
        let up_to = |times: &[u64]| given_up(&receipts(times), now_ms, day);
        assert_eq!(up_to(&[]), None);
        assert_eq!(up_to(&[yesterday + 1]), None);
        assert_eq!(up_to(&[yesterday]), Some(order_at(yesterday)));
        let some = [yesterday - 9, yesterday - 1, yesterday + 1, now_ms];
        assert_eq!(up_to(&some), Some(order_at(yesterday - 1)));
    }

    #[test]
    fn given_each_answer_when_judged_should_take_2xx_only_in_our_form_and_any_in_getuis() {
        let is_told = |mode, status: u16| {
            let status = StatusCode::from_u16(status).expect("a status");
            matches!(Outcome::of(mode, Ok(status)), Outcome::Told)
        };
        for (status, ours) in [
            (200, true),
            (204, true),
            (301, false),
            (307, false),
            (400, false),
            (429, false),
            (500, false),
        ] {
            assert_eq!(is_told(Mode::Signed, status), ours, "{status}");
            assert!(is_told(Mode::Getui, status), "{status}");
        }
        for mode in [Mode::Signed, Mode::Getui] {
            let failed = Outcome::of(mode, Err(CallError::NoAddress));
            assert!(matches!(failed, Outcome::Failed(_)));
        }
    }
}
