//! What the user did with messages, until the server has counted it.
//!
//! Owner: one `Client`. Always: a report stays until its result came, over any number of links; one
//! feedback is under way at most; each is told by one `Event::Reported`.

use std::collections::VecDeque;

use protocol::limits::FEEDBACK_LEN_MAX;
use protocol::{CommandResult, Feedback, FeedbackVerdict, MessageId, Operation, ResultCode};

use super::Client;
use super::backoff::{Backoff, BackoffBounds};
use super::event::{CommandError, Event};
use super::jitter::Jitter;

/// Reports that may wait for the server. A day without a network of a user who clicks on
/// everything; full: the newest is refused with [`CommandError::TooMany`].
pub const REPORTS_WAITING_MAX: usize = 1024;

/// Wait for a place among the commands under way, in milliseconds.
const NO_ROOM_MS: u64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Report {
    message: MessageId,
    action: u32,
    at_ms: u64,
}

/// See the module page.
#[derive(Debug)]
pub(super) struct Reports {
    waiting: VecDeque<Report>,
    /// The serial of the feedback under way, and how many of the first it has.
    asked: Option<(u32, usize)>,
    again_at_ms: u64,
    /// Of feedback that the server puts off: at a login it has the backlog to read first.
    backoff: Backoff,
}

impl Default for Reports {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            asked: None,
            again_at_ms: 0,
            backoff: Backoff::new(BackoffBounds::default()),
        }
    }
}

impl Reports {
    pub(super) fn is_asked(&self, serial: u32) -> bool {
        self.asked.is_some_and(|(asked, _)| asked == serial)
    }

    /// The link ended: what was under way may or may not have been counted, and is told again, in
    /// the next session at once.
    pub(super) fn link_ended(&mut self) {
        self.asked = None;
        self.again_at_ms = 0;
    }

    /// The ids of another client name other messages.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// When something is to be sent, if anything is.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        let waits = self.asked.is_none() && !self.waiting.is_empty();
        waits.then_some(self.again_at_ms)
    }

    fn next(&self, now_ms: u64) -> Option<Vec<Feedback>> {
        if self.deadline_ms().is_none_or(|at_ms| now_ms < at_ms) {
            return None;
        }
        let first = self.waiting.iter().take(FEEDBACK_LEN_MAX);
        let entry = |report: &Report| {
            let ago_s = now_ms.saturating_sub(report.at_ms) / 1000;
            Feedback {
                message: report.message,
                action: report.action,
                ago_s: u32::try_from(ago_s).unwrap_or(u32::MAX),
            }
        };
        Some(first.map(entry).collect())
    }

    pub(super) fn answered(
        &mut self,
        now_ms: u64,
        result: &CommandResult,
        jitter: &mut Jitter,
    ) -> Vec<Event> {
        let Some((_, len)) = self.asked.take() else {
            return Vec::new();
        };
        if matches!(result.code, ResultCode::Busy | ResultCode::TooFrequent) {
            self.again_at_ms = now_ms.saturating_add(self.backoff.delay_ms(jitter));
            return Vec::new();
        }
        self.backoff.reset();
        let verdict = |at: usize| match (result.code, result.detail.get(at)) {
            (ResultCode::Ok, Some(number)) => Ok(FeedbackVerdict::from_number(*number)),
            (code, _) => Err(code),
        };
        let told = self.waiting.drain(..len).enumerate();
        told.map(|(at, report)| Event::Reported {
            message: report.message,
            action: report.action,
            verdict: verdict(at),
        })
        .collect()
    }
}

impl Client {
    /// Says that the user did something with a message: `action` is a number of
    /// [`protocol::wire`] (`ACTION_SHOWN`, `ACTION_CLICKED`, ...) or one of the app's own. It is
    /// sent as soon as there is a session, and told by an [`Event::Reported`]. A report that must
    /// survive a restart of the app is the caller's to keep until then, and to give again.
    ///
    /// # Errors
    /// [`CommandError::TooMany`].
    pub fn report(
        &mut self,
        now_ms: u64,
        message: MessageId,
        action: u32,
    ) -> Result<(), CommandError> {
        let reports = &mut self.reports;
        let is_same = |known: &Report| known.message == message && known.action == action;
        if reports.waiting.iter().any(is_same) {
            return Ok(());
        }
        if reports.waiting.len() >= REPORTS_WAITING_MAX {
            return Err(CommandError::TooMany {
                limit: REPORTS_WAITING_MAX,
            });
        }
        reports.waiting.push_back(Report {
            message,
            action,
            at_ms: now_ms,
        });
        Ok(())
    }

    /// Sends what is due.
    pub(super) fn send_reports(&mut self, now_ms: u64) {
        if let Some(entries) = self.reports.next(now_ms) {
            let len = entries.len();
            match self.command(Operation::Feedback(entries)) {
                Ok(serial) => self.reports.asked = Some((serial, len)),
                // Too many commands wait: soon there is room.
                Err(_) => self.reports.again_at_ms = now_ms.saturating_add(NO_ROOM_MS),
            }
        }
    }
}
