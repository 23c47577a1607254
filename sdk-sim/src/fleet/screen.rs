//! What a simulated phone does with notifications: it shows, replaces, takes back, and its user clicks.
//!
//! Owner: one device's task. Always: nothing is shown outside its display window, nor for Wi-Fi only
//! without Wi-Fi; a notification is shown once; what was clicked or replaced is gone.

use std::collections::VecDeque;

use protocol::MessageId;
use schema::push::{Content, Notification, PushMessage};

use crate::client::{Client, CommandError};

/// Notifications that a phone shows, and as many that wait for their window. Full: the oldest goes
/// without a word, as on a phone.
const NOTIFICATIONS_MAX: usize = 64;

/// How a phone is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Whether it is in a Wi-Fi.
    pub wifi: bool,
    /// Whether its user clicks on whatever is shown.
    pub clicks: bool,
}

/// What became of one notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What the phone did.
    pub what: What,
    /// The task of the notification.
    pub task_id: String,
    /// Its message.
    pub message: MessageId,
}

/// What the phone did with a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It is shown.
    Shown,
    /// Another one with the same `notify_id` took its place.
    Replaced,
    /// The third party took it back.
    Revoked,
    /// The user clicked it.
    Clicked {
        /// `intent`, `url`, `payload`, `payload_custom`, `startapp` or `none`.
        click_type: String,
        /// What the click opens or hands over, if anything.
        argument: Option<String>,
    },
}

#[derive(Debug, Clone)]
struct Card {
    message: MessageId,
    task_id: String,
    notify_id: Option<u32>,
    click_type: String,
    argument: Option<String>,
    start_ms: u64,
    end_ms: u64,
}

/// See the module page.
#[derive(Debug)]
pub(super) struct Cards {
    screen: Screen,
    shown: VecDeque<Card>,
    waiting: VecDeque<Card>,
}

impl Cards {
    pub(super) fn new(screen: Screen) -> Self {
        Self {
            screen,
            shown: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    /// When the window of one that waits begins, in ms of Unix time.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        self.waiting.iter().map(|card| card.start_ms).min()
    }

    /// A message came; its body verified.
    pub(super) fn take(
        &mut self,
        unix_ms: u64,
        id: MessageId,
        message: &PushMessage,
    ) -> Vec<Notice> {
        match &message.content {
            Content::Transmission(_) => Vec::new(),
            Content::Notification(notification) => {
                if message.network_type == 1 && !self.screen.wifi {
                    return Vec::new();
                }
                let card = Card::of(id, message, notification);
                if unix_ms < card.start_ms {
                    push_bounded(&mut self.waiting, card);
                    return Vec::new();
                }
                self.show(unix_ms, card)
            }
            Content::Revoke { old_task_id, force } => self.revoke(old_task_id, *force),
        }
    }

    /// Time has passed: what waited for it is shown.
    pub(super) fn timer(&mut self, unix_ms: u64) -> Vec<Notice> {
        let mut notices = Vec::new();
        while let Some(at) = self
            .waiting
            .iter()
            .position(|card| card.start_ms <= unix_ms)
        {
            if let Some(card) = self.waiting.remove(at) {
                notices.extend(self.show(unix_ms, card));
            }
        }
        notices
    }

    fn show(&mut self, unix_ms: u64, card: Card) -> Vec<Notice> {
        if unix_ms > card.end_ms {
            return Vec::new();
        }
        let mut notices = Vec::new();
        if card.notify_id.is_some() {
            let same = |old: &Card| old.notify_id == card.notify_id;
            notices.extend(take_out(&mut self.shown, same).map(|old| old.notice(What::Replaced)));
        }
        notices.push(card.notice(What::Shown));
        if self.screen.clicks {
            notices.push(card.notice(What::Clicked {
                click_type: card.click_type.clone(),
                argument: card.argument.clone(),
            }));
        } else {
            push_bounded(&mut self.shown, card);
        }
        notices
    }

    fn revoke(&mut self, old_task_id: &str, force: bool) -> Vec<Notice> {
        let of_task = |card: &Card| card.task_id == old_task_id;
        let waited = take_out(&mut self.waiting, of_task).count();
        let mut gone: Vec<Card> = take_out(&mut self.shown, of_task).collect();
        if waited == 0 && gone.is_empty() && force {
            self.waiting.clear();
            gone = self.shown.drain(..).collect();
        }
        gone.iter().map(|card| card.notice(What::Revoked)).collect()
    }
}

/// Says to the server what the user saw and did.
///
/// # Errors
/// More reports wait than a client keeps.
pub(super) fn report(
    client: &mut Client,
    now_ms: u64,
    notice: &Notice,
) -> Result<(), CommandError> {
    let action = match notice.what {
        What::Shown => protocol::wire::ACTION_SHOWN,
        What::Clicked { .. } => protocol::wire::ACTION_CLICKED,
        What::Replaced | What::Revoked => return Ok(()),
    };
    client.report(now_ms, notice.message, action)
}

fn push_bounded(cards: &mut VecDeque<Card>, card: Card) {
    if cards.len() >= NOTIFICATIONS_MAX {
        cards.pop_front();
    }
    cards.push_back(card);
}

fn take_out(
    cards: &mut VecDeque<Card>,
    wanted: impl Fn(&Card) -> bool,
) -> impl Iterator<Item = Card> {
    let (out, left) = std::mem::take(cards).into_iter().partition(wanted);
    *cards = left;
    let out: VecDeque<Card> = out;
    out.into_iter()
}

impl Card {
    fn of(id: MessageId, message: &PushMessage, notification: &Notification) -> Self {
        let argument = match notification.click_type.as_str() {
            "intent" => notification.intent.as_ref().or(notification.want.as_ref()),
            "url" => notification.url.as_ref(),
            "payload" | "payload_custom" => notification.payload.as_ref(),
            _ => None,
        };
        let window = message.duration;
        Card {
            message: id,
            task_id: message.task_id.clone(),
            notify_id: notification.notify_id,
            click_type: notification.click_type.clone(),
            argument: argument.cloned(),
            start_ms: window.map_or(0, |window| window.start_ms),
            end_ms: window.map_or(u64::MAX, |window| window.end_ms),
        }
    }

    fn notice(&self, what: What) -> Notice {
        Notice {
            what,
            task_id: self.task_id.clone(),
            message: self.message,
        }
    }
}

#[cfg(test)]
mod tests {
    use schema::push::DisplayWindow;

    use super::*;

    fn message(task: &str, notify_id: Option<u32>) -> PushMessage {
        let notification = Notification {
            click_type: "url".to_owned(),
            url: Some("u".to_owned()),
            notify_id,
            ..Notification::default()
        };
        PushMessage {
            task_id: task.to_owned(),
            content: Content::Notification(Box::new(notification)),
            duration: None,
            network_type: 0,
        }
    }

    fn revoke(old: &str, force: bool) -> PushMessage {
        PushMessage {
            content: Content::Revoke {
                old_task_id: old.to_owned(),
                force,
            },
            ..message("r", None)
        }
    }

    fn cards(wifi: bool, clicks: bool) -> Cards {
        Cards::new(Screen { wifi, clicks })
    }

    fn words(notices: &[Notice]) -> Vec<String> {
        let word = |notice: &Notice| match &notice.what {
            What::Clicked {
                click_type,
                argument,
            } => format!("{} clicked {click_type} {argument:?}", notice.task_id),
            what => format!("{} {what:?}", notice.task_id),
        };
        notices.iter().map(word).collect()
    }

    #[test]
    fn given_notifications_when_they_come_should_be_shown_replaced_and_revoked() {
        let mut cards = cards(true, false);
        let mut take =
            |id: u64, message: &PushMessage| words(&cards.take(10, MessageId(id), message));
        assert_eq!(take(1, &message("a", Some(7))), ["a Shown"]);
        assert_eq!(take(2, &message("b", None)), ["b Shown"]);
        assert_eq!(take(3, &message("c", Some(7))), ["a Replaced", "c Shown"]);
        assert_eq!(take(4, &revoke("a", false)), [""; 0], "it is gone");
        assert_eq!(take(5, &revoke("b", false)), ["b Revoked"]);
        assert_eq!(take(6, &message("d", None)), ["d Shown"]);
        assert_eq!(take(7, &revoke("none", true)), ["c Revoked", "d Revoked"]);
        let text = Content::Transmission("t".to_owned());
        let transmission = PushMessage {
            content: text,
            ..message("t", None)
        };
        assert_eq!(take(8, &transmission), [""; 0]);
    }

    #[test]
    fn given_a_user_who_clicks_when_shown_should_open_what_the_click_opens() {
        let notices = cards(true, true).take(10, MessageId(1), &message("a", None));
        assert_eq!(words(&notices), ["a Shown", "a clicked url Some(\"u\")"]);
    }

    #[test]
    fn given_a_window_when_it_begins_should_be_shown_then_and_never_behind_it() {
        let mut cards = cards(true, false);
        let windowed = |task: &str, start_ms, end_ms| PushMessage {
            duration: Some(DisplayWindow { start_ms, end_ms }),
            ..message(task, None)
        };
        assert!(
            cards
                .take(10, MessageId(1), &windowed("early", 20, 30))
                .is_empty()
        );
        assert!(
            cards
                .take(10, MessageId(2), &windowed("late", 5, 9))
                .is_empty()
        );
        assert!(
            cards
                .take(10, MessageId(3), &windowed("revoked", 15, 30))
                .is_empty()
        );
        assert_eq!(
            words(&cards.take(10, MessageId(4), &windowed("now", 10, 10))),
            ["now Shown"]
        );
        assert!(
            cards
                .take(11, MessageId(5), &revoke("revoked", true))
                .is_empty()
        );
        assert_eq!(cards.deadline_ms(), Some(20));
        assert!(cards.timer(19).is_empty());
        assert_eq!(words(&cards.timer(20)), ["early Shown"]);
        assert_eq!(cards.deadline_ms(), None);
        assert!(
            cards
                .take(20, MessageId(6), &windowed("slept", 40, 50))
                .is_empty()
        );
        assert!(cards.timer(51).is_empty(), "the phone slept through it");
    }

    #[test]
    fn given_a_notification_for_wifi_when_there_is_none_should_not_be_shown() {
        let only_wifi = PushMessage {
            network_type: 1,
            ..message("a", None)
        };
        assert!(
            cards(false, false)
                .take(1, MessageId(1), &only_wifi)
                .is_empty()
        );
        assert_eq!(
            words(&cards(true, false).take(1, MessageId(1), &only_wifi)),
            ["a Shown"]
        );
    }

    #[test]
    fn given_more_notifications_than_a_phone_shows_when_they_come_should_drop_the_oldest() {
        let mut cards = cards(true, false);
        for id in 0..NOTIFICATIONS_MAX as u64 + 1 {
            cards.take(1, MessageId(id), &message(&id.to_string(), None));
        }
        assert!(cards.take(1, MessageId(99), &revoke("0", false)).is_empty());
        assert_eq!(
            words(&cards.take(1, MessageId(99), &revoke("1", false))),
            ["1 Revoked"]
        );
    }
}
