//! Libraries that a process loads before that of C, made from a source of the tests.
//!
//! Always: by the C compiler that the build needs anyway.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds `source`, a path below the tests, into `dir`.
pub fn library(dir: &Path, source: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(source);
    let library = dir
        .join(source.file_name().expect("a file"))
        .with_extension("so");
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let built = Command::new(compiler)
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
        .args([&library, &source])
        .output()
        .expect("the C compiler that the build needs too");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    library
}
