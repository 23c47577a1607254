//! The way from the process to its shards.

use std::cell::RefCell;
use std::rc::Rc;

use crate::mesh::Sender;
use crate::shard_loop::Control;

/// Clones lead to the same shards. They must all be gone for the shards to end.
#[derive(Debug, Clone)]
pub(super) struct Line(Rc<RefCell<Vec<Sender<Control>>>>);

impl Line {
    pub(super) fn new(shards: Vec<Sender<Control>>) -> Line {
        Line(Rc::new(RefCell::new(shards)))
    }

    /// Tells all shards.
    pub(super) fn tell(&self, control: &Control) {
        for sender in self.0.borrow_mut().iter_mut() {
            // A shard that ended already needs no telling.
            let _ = sender.send(control.clone());
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.0.borrow().len() as u64
    }
}
