//! The parts of one request, done at the same time, though never too many at once.
//!
//! Always: what they came to is in the order of the parts; if the request is given up, so are they.

use tokio::task::JoinSet;

use super::fault::Fault;
use crate::limits::API_ABREAST_MAX;

/// Does `each` with every part, at most [`API_ABREAST_MAX`] at a time.
///
/// # Errors
/// [`Fault::Busy`] if one did not end.
pub(super) async fn abreast<T, F>(
    parts: impl IntoIterator<Item = T>,
    each: impl Fn(T) -> F,
) -> Result<Vec<F::Output>, Fault>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let mut parts = parts.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut ended = Vec::new();
    loop {
        while running.len() < API_ABREAST_MAX
            && let Some((at, part)) = parts.next()
        {
            let part = each(part);
            running.spawn_local(async move { (at, part.await) });
        }
        match running.join_next().await {
            Some(Ok(one)) => ended.push(one),
            // A task of ours ends early only if it panicked, and the panic was reported there.
            Some(Err(_)) => return Err(Fault::Busy),
            None => break,
        }
    }
    ended.sort_by_key(|(at, _)| *at);
    Ok(ended.into_iter().map(|(_, it)| it).collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn given_many_parts_when_done_should_keep_their_order_and_the_bound() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let (now, most) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let each = |part: usize| {
            let (now, most) = (Rc::clone(&now), Rc::clone(&most));
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                // Odd parts take longer than even ones.
                for _ in 0..(part % 2) * 5 + 1 {
                    tokio::task::yield_now().await;
                }
                now.set(now.get() - 1);
                part
            }
        };
        let done = tokio::task::LocalSet::new().block_on(&runtime, abreast(0..200, each));
        assert_eq!(done, Ok((0..200).collect()));
        assert_eq!(most.get(), API_ABREAST_MAX);
    }
}
