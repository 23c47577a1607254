//! A task of a shard that is counted until it has returned.
//!
//! Always: it is as large as what it runs and one pointer. An `async` block around the task would hold it
//! twice, for every device that is connected.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::ShardLoop;

pin_project! {
    /// See the module page.
    pub(super) struct Counted<T> {
        #[pin]
        task: T,
        shard: Rc<ShardLoop>,
    }
}

impl<T: Future<Output = ()>> Counted<T> {
    /// Counts it from now on.
    pub(super) fn new(shard: &Rc<ShardLoop>, task: T) -> Counted<T> {
        shard.tasks.set(shard.tasks.get() + 1);
        Counted {
            task,
            shard: Rc::clone(shard),
        }
    }
}

impl<T: Future<Output = ()>> Future for Counted<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        ready!(this.task.poll(cx));
        this.shard.tasks.set(this.shard.tasks.get() - 1);
        Poll::Ready(())
    }
}
