//! Takes the bytes of a request body from hyper.
//!
//! Always: never more than the limit of the endpoint, and never more than all bodies together may
//! hold; what is given up is returned by dropping the body.

use std::cell::Cell;
use std::rc::Rc;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::fault::Fault;
use super::parameter::ParameterError;
use super::refusal::Refusal;
use crate::limits::{HTTP_BODIES_HELD_LEN_MAX, HTTP_BODY_LEN_MAX};

/// Counts the bytes that all bodies of one ingress hold.
#[derive(Debug, Clone, Default)]
pub(super) struct BodyBudget(Rc<Cell<usize>>);

impl BodyBudget {
    /// Bytes held now.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.0.get()
    }
}

/// A whole body.
#[derive(Debug)]
pub(super) struct HeldBody {
    bytes: Vec<u8>,
    budget: BodyBudget,
}

impl HeldBody {
    /// Nothing yet.
    pub(super) fn new(budget: &BodyBudget) -> Self {
        HeldBody {
            bytes: Vec::new(),
            budget: budget.clone(),
        }
    }

    /// Another one, without bytes, beside this one.
    pub(super) fn empty(&self) -> Self {
        HeldBody::new(&self.budget)
    }

    /// The bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes more bytes.
    ///
    /// # Errors
    /// [`Fault::Busy`]: all bodies together hold too much.
    pub(super) fn extend(&mut self, more: &[u8]) -> Result<(), Fault> {
        let held = self.budget.0.get() + more.len();
        if held > HTTP_BODIES_HELD_LEN_MAX {
            return Err(Fault::Busy);
        }
        self.budget.0.set(held);
        self.bytes.extend_from_slice(more);
        Ok(())
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.budget.0.set(self.budget.0.get() - self.bytes.len());
    }
}

/// The body of one request on its way in.
#[derive(Debug)]
pub(super) struct BodyReader {
    incoming: Incoming,
    refused: Rc<Cell<Option<Refusal>>>,
    read_len: usize,
    broken: Option<Fault>,
}

impl BodyReader {
    /// A reader that tells what the guard of its connection found wrong.
    pub(super) fn new(incoming: Incoming, refused: Rc<Cell<Option<Refusal>>>) -> Self {
        BodyReader {
            incoming,
            refused,
            read_len: 0,
            broken: None,
        }
    }

    /// Whether nothing is left to read.
    pub(super) fn is_done(&self) -> bool {
        self.broken.is_none() && self.incoming.is_end_stream()
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// Longer than `len_max` bytes; no room among the bodies held; cut off or badly framed.
    pub(super) async fn hold(
        &mut self,
        len_max: usize,
        budget: &BodyBudget,
    ) -> Result<HeldBody, Fault> {
        let mut held = HeldBody::new(budget);
        loop {
            check_len(self.total_len_min(), len_max)?;
            match self.next().await? {
                Some(bytes) => held.extend(&bytes)?,
                None => return Ok(held),
            }
        }
    }

    /// Reads the rest without keeping it, so that the connection can carry the next request.
    ///
    /// # Errors
    /// As [`BodyReader::hold`].
    pub(super) async fn discard(&mut self) -> Result<(), Fault> {
        loop {
            // Before each wait: a body that is already too long must not be waited for.
            check_len(self.total_len_min(), HTTP_BODY_LEN_MAX)?;
            if self.next().await?.is_none() {
                return Ok(());
            }
        }
    }

    async fn next(&mut self) -> Result<Option<bytes::Bytes>, Fault> {
        if let Some(fault) = self.broken {
            return Err(fault);
        }
        let Some(frame) = self.incoming.frame().await else {
            return Ok(None);
        };
        let Ok(frame) = frame else {
            let fault = self.refused.get().map_or(Fault::BodyBroken, Fault::Refused);
            self.broken = Some(fault);
            return Err(fault);
        };
        let bytes = frame.into_data().unwrap_or_default();
        self.read_len = self.read_len.saturating_add(bytes.len());
        Ok(Some(bytes))
    }

    /// What has come and what is announced.
    fn total_len_min(&self) -> usize {
        let announced = usize::try_from(self.incoming.size_hint().lower()).unwrap_or(usize::MAX);
        self.read_len.saturating_add(announced)
    }
}

/// Whether a body may be so long.
///
/// # Errors
/// It may not.
pub(super) fn check_len(got: usize, limit: usize) -> Result<(), Fault> {
    if got > limit {
        return Err(ParameterError::Size {
            field: "body",
            limit,
            got,
        }
        .into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_bodies_held_to_the_limit_when_one_more_byte_comes_should_be_busy_until_one_goes() {
        let budget = BodyBudget::default();
        let mut first = HeldBody::new(&budget);
        let mut second = HeldBody::new(&budget);
        assert_eq!(first.extend(&vec![0; HTTP_BODIES_HELD_LEN_MAX]), Ok(()));
        assert_eq!(second.extend(b"x"), Err(Fault::Busy));
        drop(first);
        assert_eq!(second.extend(b"x"), Ok(()));
        drop(second);
        assert_eq!(budget.held(), 0);
    }
}
