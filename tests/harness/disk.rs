//! A disk that is watched, held, slowed, broken or filled by a test: `tests/disk/shim.c`, which a server
//! loads before the library of C.
//!
//! Always: orders are files, so that both sides are in step without a clock.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::{Surroundings, preload};

/// A disk under a server that is not running yet.
pub struct Disk {
    folder: PathBuf,
    library: PathBuf,
}

impl Disk {
    /// One that does what it is told, and so far nothing out of the ordinary.
    pub fn new(dir: &Path) -> Disk {
        let folder = dir.join("disk");
        fs::create_dir(&folder).expect("made");
        let library = preload::library(dir, "disk/shim.c");
        Disk { folder, library }
    }

    /// What a server needs to write to it.
    pub fn surroundings(&self) -> Surroundings {
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        Surroundings {
            variables: vec![
                ("LD_PRELOAD", text(&self.library)),
                ("DISK_SHIM", text(&self.folder)),
            ],
            ..Surroundings::default()
        }
    }

    /// Gives an order that says no more than its name.
    pub fn order(&self, name: &str) {
        fs::write(self.folder.join(name), "").expect("ordered");
    }

    /// Each flush takes so much longer until `slow` is ended.
    pub fn delay(&self, ms: u32) {
        // A flush finds the order whole or not at all.
        let unnamed = self.folder.join("slow.new");
        fs::write(&unnamed, ms.to_string()).expect("written");
        fs::rename(&unnamed, self.folder.join("slow")).expect("ordered");
    }

    /// Ends an order.
    pub fn end(&self, order: &str) {
        fs::remove_file(self.folder.join(order)).expect("was ordered");
    }

    /// Holds each flush from now until the file is dropped.
    pub fn hold(&self) -> File {
        // Locked before it has its name: a flush finds the order whole or not at all.
        let unnamed = self.folder.join("hold.new");
        let held = File::create(&unnamed).expect("made");
        held.lock().expect("nobody else knows of it");
        fs::rename(&unnamed, self.folder.join("hold")).expect("ordered");
        held
    }

    /// Whether a flush was held.
    pub fn holds(&self) -> bool {
        self.folder.join("held").exists()
    }

    /// Whether half of a write came to a journal.
    pub fn was_half_written(&self) -> bool {
        self.folder.join("half").exists()
    }

    /// How many flushes came back well.
    pub fn flushed(&self) -> u64 {
        fs::metadata(self.folder.join("flushed")).map_or(0, |file| file.len())
    }
}
