//! The thread that writes backups: a copy of the store, with the files beside it, in a new folder.
//!
//! Always: the folder has its name only when all of it is on the disk; what was written of one that
//! failed is taken away. A `lock` is not copied, so the copy can be served at once.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::backup::{Backup, BackupOrders};
use crate::bootstrap::Bootstrap;
use crate::data_folder;
use crate::store::Store;
use crate::store::aside::{copy_file, copy_folder};
use crate::store::copy::{CopyError, copy};

/// How often it is told how far a backup has come: each word answers all who wait for one.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Starts the thread. It ends when nobody can ask any more, in the middle of a backup if need be.
pub(super) fn start(
    mut orders: BackupOrders,
    store: Store,
    data: PathBuf,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("backup".into())
        .spawn(move || {
            while let Some(to) = orders.wait() {
                run(&orders, &store, &data, to);
            }
        })
}

fn run(orders: &BackupOrders, store: &Store, data: &Path, to: PathBuf) {
    let started = Instant::now();
    let running = |rows| Backup::Running {
        to: to.clone(),
        rows,
    };
    tracing::info!(to = %to.display(), "a backup begins");
    let mut told = started;
    let written = write(store, data, &to, |rows| {
        if told.elapsed() >= PROGRESS_EVERY {
            told = Instant::now();
            orders.tell(running(rows));
            has_room(store, 0, &to)?;
        }
        match orders.is_abandoned() {
            true => Err("the server ends".to_owned()),
            false => Ok(()),
        }
    });
    let took_ms = started.elapsed().as_millis() as u64;
    let ended = match written {
        Ok(rows) => {
            tracing::info!(to = %to.display(), rows, took_ms, "the backup is written");
            Backup::Done { to, rows, took_ms }
        }
        Err(why) => {
            tracing::error!(to = %to.display(), error = why, "there is no backup");
            Backup::Failed { to, why }
        }
    };
    orders.tell(ended);
}

/// A backup on the disk of the store must not make it refuse what it would take without one.
fn has_room(store: &Store, more: u64, to: &Path) -> Result<(), String> {
    let parent = to.parent().unwrap_or(to);
    let told = store.has_room_for(more, parent);
    told.map_err(|error| format!("{}: {error}", parent.display()))
}

fn is_inside(to: &Path, data: &Path) -> io::Result<bool> {
    let parent = to.parent().unwrap_or(to).canonicalize()?;
    Ok(parent.starts_with(data.canonicalize()?))
}

fn write(
    store: &Store,
    data: &Path,
    to: &Path,
    go_on: impl FnMut(u64) -> Result<(), String>,
) -> Result<u64, String> {
    if is_inside(to, data).map_err(|error| format!("{}: {error}", to.display()))? {
        return Err(format!("{} is in the data folder", to.display()));
    }
    let len = store.len_on_disk().map_err(|error| error.to_string())?;
    has_room(store, len, to)?;
    let mut half = to.as_os_str().to_owned();
    half.push(".half");
    let half = PathBuf::from(half);
    let made = DirBuilder::new().mode(0o700).create(&half);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let half = half.display();
            format!("{half} is there, of a backup that was cut short: delete it")
        }
        _ => format!("{}: {error}", half.display()),
    })?;
    let written = fill(store, data, &half, go_on)
        .map_err(|error| error.to_string())
        .and_then(|rows| {
            finish(&half, to).map_err(|error| error.to_string())?;
            Ok(rows)
        });
    if written.is_err()
        && let Err(error) = fs::remove_dir_all(&half)
    {
        tracing::warn!(%error, path = %half.display(), "a part of a backup stays");
    }
    written
}

fn fill(
    store: &Store,
    data: &Path,
    half: &Path,
    go_on: impl FnMut(u64) -> Result<(), String>,
) -> Result<u64, CopyError> {
    let of_disk = |error: io::Error| CopyError::Store(error.to_string());
    let rows = copy(store, &data_folder::store(half), go_on)?;
    let bootstrap = Bootstrap::path_in(data);
    copy_file(&bootstrap, &Bootstrap::path_in(half)).map_err(of_disk)?;
    let tls = data.join("tls");
    if tls.is_dir() {
        copy_folder(&tls, &half.join("tls")).map_err(of_disk)?;
    }
    Ok(rows)
}

fn finish(half: &Path, to: &Path) -> io::Result<()> {
    File::open(half)?.sync_all()?;
    // A rename would go over an empty folder.
    if to.exists() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it is there by now",
        ));
    }
    fs::rename(half, to)?;
    File::open(to.parent().unwrap_or(to))?.sync_all()
}
