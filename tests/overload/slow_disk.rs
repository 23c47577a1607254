//! A disk whose flushes take as long as a test says: the shim of `tests/disk.rs`, with one order.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::harness::Surroundings;

pub(crate) struct SlowDisk {
    folder: PathBuf,
    library: PathBuf,
}

impl SlowDisk {
    /// One that is as fast as the machine's, until it is told otherwise.
    pub(crate) fn new(dir: &Path) -> SlowDisk {
        let folder = dir.join("disk");
        fs::create_dir(&folder).expect("made");
        let library = dir.join("disk.so");
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(&compiler)
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/disk/shim.c"))
            .output()
            .expect("the C compiler that the build needs too");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "{said}");
        SlowDisk { folder, library }
    }

    /// What a server needs to write to it.
    pub(crate) fn surroundings(&self) -> Surroundings {
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        Surroundings {
            variables: vec![
                ("LD_PRELOAD", text(&self.library)),
                ("DISK_SHIM", text(&self.folder)),
            ],
            ..Surroundings::default()
        }
    }

    /// Each flush takes so much longer from now on.
    pub(crate) fn delay(&self, ms: u32) {
        // A flush finds the order whole or not at all.
        let unnamed = self.folder.join("slow.new");
        fs::write(&unnamed, ms.to_string()).expect("written");
        fs::rename(&unnamed, self.folder.join("slow")).expect("ordered");
    }

    /// It is itself again.
    pub(crate) fn recover(&self) {
        fs::remove_file(self.folder.join("slow")).expect("was ordered");
    }
}
