//! The data folder: what lies where in it, and whose it is.
//!
//! Always: the lock goes with the process; whoever reads or writes the store holds it.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The database in a data folder.
pub(crate) fn store(data: &Path) -> PathBuf {
    data.join("store")
}

/// Makes the folder, if need be, and takes it for this process alone.
///
/// # Errors
/// Another process has it, or it cannot be made; in words.
pub(crate) fn take(data: &Path) -> Result<fs::File, String> {
    if data.exists() && !data.is_dir() {
        return Err("it is not a folder".into());
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .map_err(|error| error.to_string())?;
    take_existing(data)
}

/// Takes a folder that is there for this process alone.
///
/// # Errors
/// Another process has it, or it is not there; in words.
pub(crate) fn take_existing(data: &Path) -> Result<fs::File, String> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(data.join("lock"))
        .map_err(|error| error.to_string())?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| "another process serves from it".to_owned())?;
    Ok(file)
}
