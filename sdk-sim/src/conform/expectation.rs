//! What a check waits for.
//!
//! Owner: the check. Always: what comes instead is told with its bytes.

use protocol::{
    Ack, CloseReason, CommandResult, Frame, MessageId, Push, ResultCode, UpstreamId,
    UpstreamStatus, Welcome,
};

use super::came::Came;
use super::peer::Peer;
use super::problem::{Outcome, Problem};

/// Pushes one check takes in a row; far above any window it fills. More: the check goes on without.
const PUSHES_MAX: usize = 1024;

impl Peer {
    /// Takes the next frame if `pick` does.
    pub(super) fn expect<T>(
        &mut self,
        expected: &str,
        pick: impl FnOnce(&Frame) -> Option<T>,
    ) -> Result<T, Problem> {
        let came = self.next();
        let picked = match &came {
            Came::Frame { frame, .. } => pick(frame),
            _ => None,
        };
        picked.ok_or_else(|| Problem::wrong(expected, came))
    }

    /// A welcome.
    pub(super) fn expect_welcome(&mut self) -> Result<Welcome, Problem> {
        self.expect("Welcome", |frame| match frame {
            Frame::Welcome(welcome) => Some(welcome.clone()),
            _ => None,
        })
    }

    /// A pong.
    pub(super) fn expect_pong(&mut self) -> Outcome {
        self.expect("Pong", |frame| (*frame == Frame::Pong).then_some(()))
    }

    /// Sends a ping and expects nothing but its answer: what was sent before it was taken.
    pub(super) fn expect_alive(&mut self) -> Outcome {
        self.send_frames(&[Frame::Ping]);
        self.expect_pong()
    }

    /// A close with this reason.
    pub(super) fn expect_close(&mut self, reason: CloseReason) -> Outcome {
        self.expect_close_of(&[reason])
    }

    /// A close with one of these reasons.
    pub(super) fn expect_close_of(&mut self, reasons: &[CloseReason]) -> Outcome {
        let names: Vec<String> = reasons
            .iter()
            .map(|reason| format!("{reason} ({})", reason.number()))
            .collect();
        let expected = format!("Close {}", names.join(" or "));
        self.expect(&expected, |frame| match frame {
            Frame::Close(close) => reasons.contains(&close.reason).then_some(()),
            _ => None,
        })
    }

    /// The end of the connection, with or without a close whose reason is `Normal`.
    pub(super) fn expect_parting(&mut self) -> Outcome {
        match self.next() {
            came if came.is_close(CloseReason::Normal) => self.expect_no_frame(),
            came if came.is_end() => Ok(()),
            came => Err(Problem::wrong(
                "the end of the connection, or Close Normal (1)",
                came,
            )),
        }
    }

    /// No frame for a while; the connection may end.
    pub(super) fn expect_no_frame(&mut self) -> Outcome {
        match self.next_within(self.patience().quiet()) {
            Came::Silence(_) => Ok(()),
            came if came.is_end() => Ok(()),
            came => Err(Problem::wrong("no more frame", came)),
        }
    }

    /// Nothing for a while, and the connection stays.
    pub(super) fn expect_silence(&mut self) -> Outcome {
        match self.next_within(self.patience().quiet()) {
            Came::Silence(_) => Ok(()),
            came => Err(Problem::wrong("nothing", came)),
        }
    }

    /// The code of a result of this command.
    pub(super) fn expect_result(&mut self, serial: u32, op: u8) -> Result<ResultCode, Problem> {
        self.expect_whole_result(serial, op)
            .map(|result| result.code)
    }

    /// A result of this command.
    pub(super) fn expect_whole_result(
        &mut self,
        serial: u32,
        op: u8,
    ) -> Result<CommandResult, Problem> {
        let expected = format!("CommandResult with serial {serial} and op {op}");
        self.expect(&expected, |frame| match frame {
            Frame::CommandResult(result) => {
                (result.serial == serial && result.op == op).then(|| result.clone())
            }
            _ => None,
        })
    }

    /// Where a message to the third party stands.
    pub(super) fn expect_upstream_ack(
        &mut self,
        id: UpstreamId,
    ) -> Result<UpstreamStatus, Problem> {
        self.expect(&format!("UpstreamAck of {id}"), |frame| match frame {
            Frame::UpstreamAck(ack) => (ack.id == id).then_some(ack.status),
            _ => None,
        })
    }

    /// A push.
    pub(super) fn expect_push(&mut self) -> Result<Push, Problem> {
        self.expect("Push", |frame| match frame {
            Frame::Push(push) => Some(push.clone()),
            _ => None,
        })
    }

    /// So many pushes; their ids.
    pub(super) fn expect_pushes(&mut self, count: usize) -> Result<Vec<MessageId>, Problem> {
        let ids = (0..count).map(|_| self.expect_push().map(|push| push.id));
        ids.collect()
    }

    /// The ids of all pushes that come, until none comes for a while. The first may take as long
    /// as an answer.
    pub(super) fn pushes_until_quiet(&mut self) -> Result<Vec<MessageId>, Problem> {
        let mut wait = self.patience().answer();
        let mut ids = Vec::new();
        while ids.len() < PUSHES_MAX {
            let came = self.next_within(wait);
            wait = self.patience().quiet();
            match came {
                Came::Frame {
                    frame: Frame::Push(push),
                    ..
                } => ids.push(push.id),
                Came::Silence(_) => break,
                came => return Err(Problem::wrong("Push, or nothing", came)),
            }
        }
        Ok(ids)
    }

    /// Acks these ids in one frame.
    pub(super) fn ack_quietly(&mut self, ids: &[MessageId]) {
        self.send_frames(&[Frame::Ack(Ack { ids: ids.to_vec() })]);
    }

    /// Acks these ids in one frame and waits until the server has read it.
    pub(super) fn ack(&mut self, ids: &[MessageId]) -> Outcome {
        self.ack_quietly(ids);
        self.expect_alive()
    }
}
