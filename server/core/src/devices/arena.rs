//! Values under dense numbers, which stay where they are.
//!
//! Owner: `Devices`. Always: a number that was given back is given again before a new one.
//! Memory: chunks of [`CHUNK_LEN`] places, none of which moves when there are more: a table that doubles would
//! hold every device twice for that moment, and be half empty after it.

/// Places that are made at once.
const CHUNK_LEN: usize = 1024;

/// See the module page.
#[derive(Debug)]
pub(super) struct Arena<T> {
    chunks: Vec<Vec<Option<T>>>,
    /// Numbers that were given back.
    free: Vec<u32>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Arena {
            chunks: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T> Arena<T> {
    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.given() - self.free.len()
    }

    /// How many numbers were ever given.
    fn given(&self) -> usize {
        let last = self.chunks.last();
        last.map_or(0, |last| (self.chunks.len() - 1) * CHUNK_LEN + last.len())
    }

    /// Puts a value in; its number.
    pub(super) fn put(&mut self, value: T) -> u32 {
        if let Some(number) = self.free.pop() {
            *self.place(number).expect("it was given once") = Some(value);
            return number;
        }
        let number = self.given();
        if number.is_multiple_of(CHUNK_LEN) {
            self.chunks.push(Vec::with_capacity(CHUNK_LEN));
        }
        let last = self.chunks.last_mut().expect("there is room in it");
        last.push(Some(value));
        u32::try_from(number).expect("fewer than 2^32 devices a shard")
    }

    /// Takes a value out, and its number back.
    pub(super) fn take(&mut self, number: u32) -> Option<T> {
        let value = self.place(number)?.take()?;
        self.free.push(number);
        Some(value)
    }

    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (chunk, at) = (number as usize / CHUNK_LEN, number as usize % CHUNK_LEN);
        self.chunks.get(chunk)?.get(at)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.place(number)?.as_mut()
    }

    fn place(&mut self, number: u32) -> Option<&mut Option<T>> {
        let (chunk, at) = (number as usize / CHUNK_LEN, number as usize % CHUNK_LEN);
        self.chunks.get_mut(chunk)?.get_mut(at)
    }

    /// All values, by their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten().flatten()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn given_any_puts_and_takes_when_asked_should_answer_as_a_map_does(
            steps in proptest::collection::vec((any::<bool>(), 0..3000u32), 1..200)
        ) {
            let (mut arena, mut model) = (Arena::default(), BTreeMap::new());
            // More than a chunk.
            for value in 0..1500 {
                model.insert(arena.put(value), value);
            }
            let mut given_len = 1500;
            for (puts, number) in steps {
                if puts {
                    let is_full = model.len() == given_len;
                    let given = arena.put(number);
                    prop_assert!(model.insert(given, number).is_none());
                    prop_assert_eq!(given as usize == given_len, is_full, "numbers stay dense");
                    given_len += usize::from(is_full);
                } else {
                    prop_assert_eq!(arena.take(number), model.remove(&number));
                }
            }
            prop_assert_eq!(arena.len(), model.len());
            for number in 0..4000 {
                prop_assert_eq!(arena.get(number), model.get(&number));
                prop_assert_eq!(arena.get_mut(number), model.get_mut(&number));
            }
            prop_assert!(arena.iter().eq(model.values()));
        }
    }
}
