//! What devices say beside their acknowledgements: what users did with messages, and messages to the
//! third party.
//!
//! Owner: the ledger, which tells of batches that can no longer be lost, in commit order. Always: an
//! action of a message counts once; a message to the third party has one end.

use std::collections::{BTreeMap, BTreeSet};

use protocol::wire::{ACTION_CLICKED, ACTION_OWN_CLICKED, ACTION_OWN_SHOWN, ACTION_SHOWN};
use protocol::{
    ClientId, Feedback, FeedbackVerdict, MessageId, Upstream, UpstreamId, UpstreamStatus,
};
use schema::record::{Receipt, Sums};
use server_core::apply::{made_ms, made_on};
use server_core::clock::Day;
use server_core::limits::{HISTORY_DAYS, PIECE_LEN_MAX};

/// See the module page.
#[derive(Debug, Default)]
pub(super) struct Upward {
    acted: BTreeSet<(ClientId, MessageId, u32)>,
    upstreams: BTreeMap<(ClientId, UpstreamId), UpstreamStatus>,
}

impl Upward {
    /// An entry of a feedback was judged. What it adds to the sums, and when it was, if it counts.
    pub(super) fn judged(
        &mut self,
        cid: ClientId,
        entry: &Feedback,
        verdict: FeedbackVerdict,
        now_ms: u64,
        latest_ms: u64,
    ) -> Option<(Sums, u64)> {
        let key = (cid, entry.message, entry.action);
        match verdict {
            FeedbackVerdict::UnknownMessage => return None,
            FeedbackVerdict::Known => {
                assert!(self.acted.contains(&key), "{key:?} was never reported");
                return None;
            }
            _ => {}
        }
        // What is known of a message goes with its day.
        let is_over = Day::of_ms(latest_ms).0 > made_on(entry.message).0 + HISTORY_DAYS;
        let twin = match entry.action {
            ACTION_SHOWN => Some(ACTION_OWN_SHOWN),
            ACTION_OWN_SHOWN => Some(ACTION_SHOWN),
            ACTION_CLICKED => Some(ACTION_OWN_CLICKED),
            ACTION_OWN_CLICKED => Some(ACTION_CLICKED),
            _ => None,
        };
        if is_over {
            self.acted
                .retain(|(of, id, _)| (*of, *id) != (cid, entry.message));
        }
        let first = |twin: u32| u64::from(!self.acted.contains(&(cid, entry.message, twin)));
        let mut sums = Sums::default();
        match (entry.action, twin) {
            (ACTION_SHOWN | ACTION_OWN_SHOWN, Some(twin)) => sums.shown = first(twin),
            (_, Some(twin)) => sums.clicked = first(twin),
            _ => {}
        }
        if !matches!(entry.action, ACTION_SHOWN | ACTION_CLICKED) {
            sums.actions.push((entry.action, 1));
        }
        assert!(self.acted.insert(key), "{key:?} is counted twice");
        let ago_ms = u64::from(entry.ago_s) * 1000;
        let earliest_ms = made_ms(entry.message).min(now_ms);
        Some((sums, now_ms.saturating_sub(ago_ms).max(earliest_ms)))
    }

    /// A message to the third party was judged. Its receipt, if it is one that was not known.
    pub(super) fn taken(
        &mut self,
        cid: ClientId,
        message: &Upstream,
        status: UpstreamStatus,
        now_ms: u64,
    ) -> Option<Receipt> {
        let key = (cid, message.id);
        if let Some(known) = self.upstreams.get(&key) {
            assert_eq!(status, *known, "{key:?} was told");
            return None;
        }
        if status != UpstreamStatus::Stored {
            return None;
        }
        self.upstreams.insert(key, status);
        Some(Receipt {
            cid: *cid.as_bytes(),
            task_id: message.task_id.clone(),
            at_ms: now_ms,
            upstream: message.id.0,
            pieces: message.body.len().div_ceil(PIECE_LEN_MAX) as u16,
            ..Receipt::default()
        })
    }

    /// A receipt of such a message was settled.
    pub(super) fn settled(&mut self, receipt: &Receipt, status: UpstreamStatus) {
        let key = (
            ClientId::from_bytes(receipt.cid),
            UpstreamId(receipt.upstream),
        );
        // A deleted device has none.
        let Some(known) = self.upstreams.get_mut(&key) else {
            return;
        };
        if *known == UpstreamStatus::Stored {
            *known = status;
        }
    }

    /// Where a message stands.
    pub(super) fn status(&self, cid: ClientId, id: UpstreamId) -> Option<UpstreamStatus> {
        self.upstreams.get(&(cid, id)).copied()
    }

    /// A device was deleted, and what was known of its messages with it.
    pub(super) fn forgotten(&mut self, cid: ClientId) {
        self.upstreams.retain(|(of, _), _| *of != cid);
    }
}
