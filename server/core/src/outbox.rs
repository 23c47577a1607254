//! What one live session still has to get: the window of pushes under way and the feed behind it.
//!
//! Owner: one `Session`. Always: ids rise strictly from the cursor through the window to the
//! queue; the cursor moves only over the unbroken run of final messages; a message is counted
//! once, when the cursor passes it, so the counts and the cursor that is written beside them
//! agree after any crash.
//! Memory: at most a window and a queue of bodies (`limits`), nothing while idle.

use std::collections::VecDeque;

use protocol::MessageId;

use crate::clock::Day;
use crate::group::{GroupNo, StoppedGroups};
use crate::limits::{
    QUEUE_BYTES_MAX, QUEUE_LEN_MAX, UNSTORED_LEN_MAX, WINDOW_BYTES_MAX, WINDOW_LEN_MAX,
    WINDOW_SPAN_LEN_MAX,
};
use crate::op::StoredMessage;
use crate::read::Page;

/// Where the next message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feed {
    /// From commits as they happen: the queue holds everything after the window.
    Live,
    /// From the store: there are messages that the queue does not hold.
    Behind,
    /// A page is being read; `more` if something was stored since the read was asked for.
    Reading { more: bool },
}

/// How a message ended for its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The device acknowledged it.
    Acked = 1,
    /// Its time was over before that.
    Expired = 2,
    /// Its third party stopped its task before it was sent.
    Revoked = 3,
}

impl Fate {
    /// The fate of a stored number.
    pub fn from_number(number: u8) -> Option<Fate> {
        [Fate::Acked, Fate::Expired, Fate::Revoked]
            .into_iter()
            .find(|fate| *fate as u8 == number)
    }
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    id: MessageId,
    day: Day,
    len: u32,
    kept: bool,
    group: GroupNo,
    sent_ms: u64,
    /// `None` while it waits for its acknowledgement.
    fate: Option<Fate>,
}

/// The device acknowledged an id above everything that was sent, or left out on the way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadAck {
    /// What it acknowledged.
    pub id: MessageId,
    /// The highest id that was passed.
    pub passed: MessageId,
}

/// One message that became final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Final {
    /// Which.
    pub id: MessageId,
    /// The day on which it would have expired; its stage is counted there.
    pub day: Day,
    /// How it ended.
    pub fate: Fate,
    /// When it was last sent in this session, in ms of Unix time; 0 if it was not.
    pub sent_ms: u64,
    /// The group push that it belongs to.
    pub group: GroupNo,
}

/// What became final when the cursor moved.
pub type Finals = Vec<Final>;

/// See the module page.
#[derive(Debug)]
pub struct Outbox {
    cursor: MessageId,
    /// The device says that it has handled everything up to here.
    resume: MessageId,
    /// The highest id that ever entered window or queue.
    fed: MessageId,
    window: VecDeque<InFlight>,
    unacked_len: u16,
    unacked_bytes: usize,
    queue: VecDeque<StoredMessage>,
    queue_bytes: usize,
    /// Messages without a row that wait until the backlog before them is read.
    unstored: VecDeque<StoredMessage>,
    feed: Feed,
    /// When the last page was asked for, and the last id that it brought.
    page_asked_ms: u64,
    paged: MessageId,
}

impl Outbox {
    /// The outbox of a session that starts at `cursor`. `caught_up`: nothing is stored above it.
    pub fn new(cursor: MessageId, resume: MessageId, caught_up: bool) -> Self {
        Outbox {
            cursor,
            resume,
            fed: cursor,
            window: VecDeque::new(),
            unacked_len: 0,
            unacked_bytes: 0,
            queue: VecDeque::new(),
            queue_bytes: 0,
            unstored: VecDeque::new(),
            feed: if caught_up { Feed::Live } else { Feed::Behind },
            page_asked_ms: 0,
            paged: cursor,
        }
    }

    /// Everything up to here is final.
    pub fn cursor(&self) -> MessageId {
        self.cursor
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.window.is_empty() && self.queue.is_empty() && self.feed == Feed::Live
    }

    /// The highest id that came in, if nothing is stored above it.
    pub fn caught_up_to(&self) -> Option<MessageId> {
        (self.feed == Feed::Live).then_some(self.fed)
    }

    /// The pushes under way: id, and when each was sent in ms of Unix time.
    pub fn under_way(&self) -> impl Iterator<Item = (MessageId, u64)> {
        let waiting = self.window.iter().filter(|entry| entry.fate.is_none());
        waiting.map(|entry| (entry.id, entry.sent_ms))
    }

    /// The group push of a message in the window.
    pub fn group_under_way(&self, id: MessageId) -> Option<GroupNo> {
        let window = &self.window;
        let at = window.binary_search_by_key(&id, |entry| entry.id).ok()?;
        Some(window.get(at)?.group)
    }

    /// Whether this message may be one that the device still has to get: an earlier session can
    /// have sent it.
    pub fn may_come(&self, id: MessageId) -> bool {
        id > self.cursor
            && self.group_under_way(id).is_none()
            && (self.is_behind() || self.queue.iter().any(|queued| queued.id == id))
    }

    /// Messages in memory behind the window.
    pub fn queue_len(&self) -> usize {
        self.queue.len() + self.unstored.len()
    }

    /// Whether messages wait in the store that memory does not hold.
    pub fn is_behind(&self) -> bool {
        self.feed != Feed::Live
    }

    /// Pushes sent and not acknowledged.
    pub fn unacked_len(&self) -> u16 {
        self.unacked_len
    }

    /// A message of this device became durable. One without a row that finds no room is final
    /// at once and comes back in `finals`.
    pub fn stored(&mut self, message: StoredMessage, finals: &mut Finals) {
        // Whatever the device said at its login, it cannot have handled what was made since.
        self.resume = self.resume.min(MessageId(message.id.0.saturating_sub(1)));
        if message.id <= self.fed {
            // A page that was read after the commit brought it already; one without a row comes
            // too late to be in order.
            if !message.kept {
                finals.push(expired(&message));
            }
            return;
        }
        match self.feed {
            Feed::Live if self.has_queue_room(&message) => self.enqueue(message),
            Feed::Live if message.kept => self.feed = Feed::Behind,
            Feed::Live => finals.push(expired(&message)),
            Feed::Behind | Feed::Reading { .. } if !message.kept => {
                if self.unstored.len() < UNSTORED_LEN_MAX {
                    self.unstored.push_back(message);
                } else {
                    finals.push(expired(&message));
                }
            }
            Feed::Behind => {}
            Feed::Reading { .. } => self.feed = Feed::Reading { more: true },
        }
    }

    fn has_queue_room(&self, message: &StoredMessage) -> bool {
        self.queue.is_empty()
            || (self.queue.len() < QUEUE_LEN_MAX
                && self.queue_bytes + message.body.len() <= QUEUE_BYTES_MAX)
    }

    fn enqueue(&mut self, message: StoredMessage) {
        debug_assert!(
            message.id > self.fed,
            "ids rise: {} after {}",
            message.id,
            self.fed
        );
        self.fed = message.id;
        self.queue_bytes += message.body.len();
        self.queue.push_back(message);
    }

    /// The id after which a page should be read now, if one should.
    pub fn wants_page(&self) -> Option<MessageId> {
        (self.feed == Feed::Behind && self.queue.is_empty()).then_some(self.fed)
    }

    /// The page was asked for at this time, in ms of Unix time.
    pub fn page_asked(&mut self, now_ms: u64) {
        debug_assert_eq!(self.feed, Feed::Behind);
        self.page_asked_ms = now_ms;
        self.feed = Feed::Reading { more: false };
    }

    /// The page came.
    pub fn page(&mut self, page: Page) {
        let Feed::Reading { more } = self.feed else {
            return;
        };
        self.paged = page.messages.last().map_or(self.fed, |last| last.id);
        for message in page.messages {
            while self
                .unstored
                .front()
                .is_some_and(|unstored| unstored.id < message.id)
            {
                let unstored = self.unstored.pop_front().expect("just seen");
                self.enqueue(unstored);
            }
            self.enqueue(message);
        }
        if page.complete && !more {
            self.feed = Feed::Live;
            while let Some(unstored) = self.unstored.pop_front() {
                self.enqueue(unstored);
            }
        } else {
            self.feed = Feed::Behind;
        }
    }

    /// The time by which the expiry of a message is judged. A page brings no body for what had
    /// expired when it was asked for, and the clock may have been set back since.
    fn expiry_ms(&self, id: MessageId, wall_ms: u64) -> u64 {
        if id <= self.paged {
            wall_ms.max(self.page_asked_ms)
        } else {
            wall_ms
        }
    }

    /// The next push to send, if the window has room for one. Call until it gives none. Nothing of
    /// a group push in `stopped` is sent.
    pub fn next_push(
        &mut self,
        wall_ms: u64,
        stopped: &StoppedGroups,
        finals: &mut Finals,
    ) -> Option<StoredMessage> {
        loop {
            let next = self.queue.front()?;
            if self.window.len() >= WINDOW_SPAN_LEN_MAX {
                return None;
            }
            let day = Day::of_ms(next.expires_ms);
            let len = next.body.len();
            let fate = if next.id <= self.resume {
                Some(Fate::Acked)
            } else if stopped.contains_key(&next.group) {
                Some(Fate::Revoked)
            } else if next.kept && next.expires_ms <= self.expiry_ms(next.id, wall_ms) {
                Some(Fate::Expired)
            } else if self.unacked_len < WINDOW_LEN_MAX
                && (self.unacked_len == 0 || self.unacked_bytes + len <= WINDOW_BYTES_MAX)
            {
                None
            } else {
                return None;
            };
            let message = self.queue.pop_front().expect("just seen");
            self.queue_bytes -= len;
            self.window.push_back(InFlight {
                id: message.id,
                day,
                len: len as u32,
                kept: message.kept,
                group: message.group,
                sent_ms: if fate.is_none() { wall_ms } else { 0 },
                fate,
            });
            if fate.is_none() {
                self.unacked_len += 1;
                self.unacked_bytes += len;
                return Some(message);
            }
            self.advance(finals);
        }
    }

    /// The device acknowledged these ids (ascending). An id that was acknowledged before, or that
    /// an earlier session of the device was sent, is no error; nor is one that was left out because
    /// it had expired or was revoked, for the cursor, which covers such ids too, is all that a later
    /// session knows. None of these changes anything: a passed id is not sent any more.
    pub fn acked(&mut self, ids: &[MessageId], finals: &mut Finals) -> Result<(), BadAck> {
        let passed = self.window.back().map_or(self.cursor, |last| last.id);
        if let Some(id) = ids.iter().copied().find(|id| *id > passed) {
            return Err(BadAck { id, passed });
        }
        for id in ids {
            let Ok(at) = self.window.binary_search_by_key(id, |entry| entry.id) else {
                continue;
            };
            let entry = &mut self.window[at];
            if entry.fate.is_none() {
                entry.fate = Some(Fate::Acked);
                self.unacked_len -= 1;
                self.unacked_bytes -= entry.len as usize;
            }
        }
        self.advance(finals);
        Ok(())
    }

    fn advance(&mut self, finals: &mut Finals) {
        while let Some(first) = self.window.front() {
            let Some(fate) = first.fate else { break };
            finals.push(first.end(fate));
            self.cursor = first.id;
            self.window.pop_front();
        }
        if self.window.is_empty() && self.window.capacity() > 0 {
            self.window = VecDeque::new();
        }
        if self.queue.is_empty() && self.queue.capacity() > 0 {
            self.queue = VecDeque::new();
        }
    }

    /// The session is over. What has a row waits for the next one; what has none is final now.
    pub fn close(self, finals: &mut Finals) {
        for entry in self.window {
            if !entry.kept {
                finals.push(entry.end(entry.fate.unwrap_or(Fate::Expired)));
            }
        }
        for message in self.queue.into_iter().chain(self.unstored) {
            if !message.kept {
                finals.push(expired(&message));
            }
        }
    }
}

impl InFlight {
    fn end(&self, fate: Fate) -> Final {
        Final {
            id: self.id,
            day: self.day,
            fate,
            sent_ms: self.sent_ms,
            group: self.group,
        }
    }
}

/// The end of a message that was never sent in this session.
pub fn expired(message: &StoredMessage) -> Final {
    Final {
        id: message.id,
        day: Day::of_ms(message.expires_ms),
        fate: Fate::Expired,
        sent_ms: 0,
        group: message.group,
    }
}

#[cfg(test)]
mod tests;
