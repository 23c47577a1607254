//! Whether this program may read a store, and what shards must know of it before they start.

use std::path::Path;

use schema::record::Number;
use server_core::keys::{self, meta};
use server_core::rows::{Keyspace, Rows};

pub use server_core::recovery::{apps, devices, devices_of, groups, registered_by_ms, tally};

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

#[cfg(test)]
mod tests {
    use server_core::rows::WriteSet;

    use super::*;
    use crate::store::{Store, StoreBounds, repair};

    #[test]
    fn given_a_store_of_a_newer_format_when_looked_at_should_be_refused_with_both_numbers() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("store");
        let store = Store::open(&path, StoreBounds::of_files(64)).expect("made");
        let look = || {
            let mut known = Default::default();
            let view = store.view(&mut known).expect("a view");
            check_format(&view, &path)
        };
        assert!(look().is_ok(), "a new one has none yet");
        let mut days = store.days().expect("days");
        for (value, is_ours) in [(keys::FORMAT, true), (keys::FORMAT + 1, false)] {
            let mut writes = WriteSet::default();
            let row = Number { value }.encode();
            writes.put(Keyspace::Meta, meta::FORMAT.to_vec(), row);
            store.commit(&mut days, writes, true).expect("written");
            assert_eq!(look().is_ok(), is_ours);
        }
        let told = look().expect_err("refused").to_string();
        let numbers = format!(
            "format {}, this program reads {}",
            keys::FORMAT + 1,
            keys::FORMAT
        );
        assert!(told.contains(&numbers), "{told}");
        drop(store);
        let copy = dir.path().join("copy");
        let bounds = StoreBounds::of_files(64);
        let told = repair::repair(dir.path(), &path, &copy, bounds, 1).expect_err("refused");
        assert!(told.to_string().contains(&numbers), "{told}");
    }
}
