//! Messages of devices to their third party: taken, queued with the receipts, ended.
//!
//! Always: a message is queued in the batch that writes down that it was taken, so a repeat is
//! known and told to nobody again.

use bytes::{Bytes, BytesMut};
use protocol::{ClientId, Upstream, UpstreamId, UpstreamStatus};
use schema::record::{Receipt, UpstreamEntry, Upstreams};

use super::Step;
use crate::ids::AppNo;
use crate::keys;
use crate::limits::{PIECE_LEN_MAX, UPSTREAMS_LEN_MAX};
use crate::op::Committed;
use crate::rows::{Keyspace, Rows, RowsError};

const STORED: u8 = UpstreamStatus::Stored.number();

impl<R: Rows> Step<'_, R> {
    pub(super) fn take_upstream(
        &mut self,
        app: AppNo,
        cid: ClientId,
        message: &Upstream,
    ) -> Result<UpstreamStatus, RowsError> {
        if self.device(app, cid)?.is_none() {
            return Ok(UpstreamStatus::NoReceiver);
        }
        let mut log = self.upstreams(cid)?.unwrap_or_default();
        // Known before the app is asked: its callback may have been taken away since.
        if let Some(known) = log.entries.iter().find(|entry| entry.id == message.id.0) {
            return Ok(UpstreamStatus::from_number(known.status));
        }
        if !self.facts(app)?.wants_receipts {
            return Ok(UpstreamStatus::NoReceiver);
        }
        if log.entries.len() >= UPSTREAMS_LEN_MAX {
            let ended = log.entries.iter().position(|entry| entry.status != STORED);
            let Some(ended) = ended else {
                return Ok(UpstreamStatus::Busy);
            };
            log.entries.remove(ended);
        }
        log.entries.push(UpstreamEntry {
            id: message.id.0,
            at_ms: self.now_ms,
            status: STORED,
        });
        self.write_upstreams(cid, &log);
        let pieces = message.body.len().div_ceil(PIECE_LEN_MAX);
        let receipt = Receipt {
            cid: *cid.as_bytes(),
            task_id: message.task_id.clone(),
            at_ms: self.now_ms,
            upstream: message.id.0,
            pieces: u16::try_from(pieces).expect("a frame has few pieces"),
            ..Receipt::default()
        };
        self.queue_receipt(app, &receipt, &message.body);
        Ok(UpstreamStatus::Stored)
    }

    fn upstreams(&self, cid: ClientId) -> Result<Option<Upstreams>, RowsError> {
        let key = keys::client(cid);
        self.rows.row(Keyspace::Upstreams, &key, Upstreams::decode)
    }

    fn write_upstreams(&mut self, cid: ClientId, log: &Upstreams) {
        let key = keys::client(cid);
        self.rows.writes.put(Keyspace::Upstreams, key, log.encode());
    }

    /// The third party's server took a message, or it was given up: its device may forget it.
    pub(super) fn end_upstream(
        &mut self,
        receipt: &Receipt,
        status: UpstreamStatus,
    ) -> Result<(), RowsError> {
        let cid = ClientId::from_bytes(receipt.cid);
        // A deleted device has none; one that was given up and is replayed has ended before.
        let Some(mut log) = self.upstreams(cid)? else {
            return Ok(());
        };
        let waiting = log
            .entries
            .iter_mut()
            .find(|entry| entry.id == receipt.upstream && entry.status == STORED);
        let Some(entry) = waiting else {
            return Ok(());
        };
        entry.status = status.number();
        self.write_upstreams(cid, &log);
        let id = UpstreamId(receipt.upstream);
        self.tell_owner(cid, Committed::UpstreamEnded { cid, id, status });
        Ok(())
    }

    /// What a message says, under the key of its receipt.
    pub(super) fn upstream_body(&self, key: &[u8], receipt: &Receipt) -> Result<Bytes, RowsError> {
        let mut body = BytesMut::new();
        if receipt.pieces > 0 {
            for (_, piece) in self.rows.under(Keyspace::UpstreamBody, key)? {
                body.extend_from_slice(&piece);
            }
        }
        Ok(body.freeze())
    }

    pub(super) fn write_upstream_body(&mut self, app: AppNo, order: u64, body: &Bytes) {
        for (piece, bytes) in (0_u8..).zip(body.chunks(PIECE_LEN_MAX)) {
            let key = keys::upstream_body(app, order, piece);
            self.rows
                .writes
                .put(Keyspace::UpstreamBody, key, bytes.to_vec());
        }
    }

    /// Deletes what a message says, under the key of its receipt.
    pub(super) fn delete_upstream_body(&mut self, key: &[u8], receipt: &Receipt) {
        for piece in (0..=u8::MAX).take(usize::from(receipt.pieces)) {
            let key = keys::piece_of_upstream(key, piece);
            self.rows.writes.delete(Keyspace::UpstreamBody, key);
        }
    }
}
