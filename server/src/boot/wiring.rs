//! The rings between all threads, opened before any of them starts.

use crate::ask::{Question, ToIngress};
use crate::limits::{ANSWER_RING, PARCEL_RING, QUESTION_RING, READERS};
use crate::mesh::{Bell, Inbox, Sender};
use crate::shard_loop::{Control, Inboxes, Outlets};
use crate::store::Store;
use crate::store::committer::Committer;
use crate::store::reader::Reader;

/// All rings between threads, before they are given out.
pub(super) struct Wiring {
    pub(super) inboxes: Vec<Option<Inboxes>>,
    pub(super) outlets: Vec<Option<Outlets>>,
    pub(super) readers: Vec<Reader>,
    pub(super) control: Vec<Sender<Control>>,
    pub(super) questions: Vec<Sender<Question>>,
    pub(super) answers: Inbox<ToIngress>,
}

impl Wiring {
    pub(super) fn new(shards: u16, committer: &mut Committer, store: Store) -> Wiring {
        let mut answers = Inbox::new(&Bell::default());
        let mut readers: Vec<Reader> = (0..READERS).map(|_| Reader::new(store.clone())).collect();
        let mut inboxes: Vec<Inboxes> = (0..shards).map(|_| Inboxes::new()).collect();
        let (mut control, mut questions, mut outlets) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..usize::from(shards) {
            let own = &mut inboxes[number];
            control.push(own.control.open(4));
            questions.push(own.questions.open(QUESTION_RING));
            let commits = committer.join(&mut own.committed);
            let reads = readers
                .iter_mut()
                .map(|reader| reader.join(&mut own.reads))
                .collect();
            let others = (0..usize::from(shards))
                .map(|to| (to != number).then(|| inboxes[to].parcels.open(PARCEL_RING)))
                .collect();
            outlets.push(Some(Outlets {
                commits,
                reads,
                ingress: answers.open(ANSWER_RING),
                shards: others,
            }));
        }
        let inboxes = inboxes.into_iter().map(Some).collect();
        Wiring {
            inboxes,
            outlets,
            readers,
            control,
            questions,
            answers,
        }
    }

    pub(super) fn take(&mut self, shard: u16) -> (Inboxes, Outlets) {
        let at = usize::from(shard);
        let inboxes = self.inboxes[at].take().expect("taken once");
        (inboxes, self.outlets[at].take().expect("taken once"))
    }
}
