//! Whether this program may read a store, and what shards must know of it before they start.

use std::path::Path;

use schema::record::Number;
use server_core::keys::{self, meta};
use server_core::rows::{Keyspace, Rows};

pub use server_core::recovery::{apps, devices, groups, tally};

use super::OpenError;
use super::view::View;

/// Refuses a store that another version of the layout wrote. A new store has none yet.
pub fn check_format(view: &View<'_>, path: &Path) -> Result<(), OpenError> {
    let refused = |reason: String| OpenError::Refused {
        path: path.to_owned(),
        reason,
    };
    let Some(row) = view
        .get(Keyspace::Meta, meta::FORMAT)
        .map_err(|error| refused(error.to_string()))?
    else {
        return Ok(());
    };
    let found = Number::decode(&row)
        .map_err(|error| refused(error.to_string()))?
        .value;
    if found == keys::FORMAT {
        return Ok(());
    }
    Err(OpenError::Format {
        path: path.to_owned(),
        found,
        expected: keys::FORMAT,
    })
}
