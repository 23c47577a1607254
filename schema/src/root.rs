//! The one door into a buffer and the one door out.
//!
//! Owner: `push` and `record`. Always: no root is given out before its buffer passed the length check and the verifier
//! with the limits of `limits`.

use flatbuffers::{FlatBufferBuilder, Follow, Verifiable, VerifierOptions, WIPOffset};

use crate::limits::{DEPTH_MAX, TABLES_MAX, apparent_len_max};
use crate::{Problem, SchemaError};

/// Room a builder starts with, bytes: most pushes and records are built without growing.
const BUILDER_LEN_START: usize = 512;

/// The name of a table and its bound, said once for both directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) what: &'static str,
    pub(crate) len_max: usize,
}

impl Shape {
    /// Verifies `bytes` and gives the root table; copies nothing.
    pub(crate) fn open<'a, T>(self, bytes: &'a [u8]) -> Result<T::Inner, SchemaError>
    where
        T: Follow<'a> + Verifiable + 'a,
    {
        if bytes.len() > self.len_max {
            return Err(self.refuse(Problem::TooLong {
                len: bytes.len(),
                len_max: self.len_max,
            }));
        }
        let options = VerifierOptions {
            max_depth: DEPTH_MAX,
            max_tables: TABLES_MAX,
            max_apparent_size: apparent_len_max(bytes.len()),
            ignore_missing_null_terminator: false,
        };
        flatbuffers::root_with_opts::<T>(&options, bytes)
            .map_err(|invalid| self.refuse(Problem::Layout(invalid)))
    }

    /// Lets `write` build a root table and gives the finished bytes.
    pub(crate) fn build<'b, T>(
        self,
        write: impl FnOnce(&mut FlatBufferBuilder<'b>) -> WIPOffset<T>,
    ) -> Vec<u8> {
        let mut builder = FlatBufferBuilder::with_capacity(BUILDER_LEN_START);
        let root = write(&mut builder);
        builder.finish_minimal(root);
        let bytes = builder.finished_data().to_vec();
        debug_assert!(
            bytes.len() <= self.len_max,
            "{}: built {} bytes, readers take at most {}",
            self.what,
            bytes.len(),
            self.len_max
        );
        bytes
    }

    pub(crate) fn refuse(self, problem: Problem) -> SchemaError {
        SchemaError {
            what: self.what,
            problem,
        }
    }
}
