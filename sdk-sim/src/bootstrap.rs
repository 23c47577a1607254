//! The server's `bootstrap.json`: where it listens, whom to trust, which app to use.
//!
//! Owner: whoever read it. Always: secrets are not shown by `Debug`.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Bytes of a bootstrap file. Ours has about 1.5 KB; a certificate chain may follow. Longer: refused.
pub const BOOTSTRAP_LEN_MAX: u64 = 256 * 1024;

/// The content of the file. Unknown members are ignored.
#[derive(Clone, Deserialize)]
pub struct Bootstrap {
    /// `HOST:PORT` of the device port.
    pub device: String,
    /// URL of the HTTP port, with scheme.
    pub http: String,
    /// The server's process.
    pub pid: u32,
    /// The certificate to trust, PEM.
    pub ca_cert: String,
    /// Bearer token of `/admin/v1`.
    pub admin_token: String,
    /// The first app.
    pub app: BootstrapApp,
}

/// The credentials of an app.
#[derive(Clone, Deserialize)]
pub struct BootstrapApp {
    /// Public, in URLs and hellos.
    pub appid: String,
    /// For the sign of `POST /auth`.
    pub appkey: String,
    /// For signed hellos.
    pub appsecret: String,
    /// For the sign of `POST /auth`.
    pub mastersecret: String,
}

/// Why a bootstrap file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// It could not be read.
    #[error("bootstrap file {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is too long to be one.
    #[error("bootstrap file {path}: longer than {limit} bytes")]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// It is not the expected JSON.
    #[error("bootstrap file {path}: {source}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Bootstrap {
    /// Reads the file.
    ///
    /// # Errors
    /// [`BootstrapError`], naming the file.
    pub fn load(path: &Path) -> Result<Self, BootstrapError> {
        read(path)
    }
}

/// Reads a bootstrap file as what the caller needs of it.
///
/// # Errors
/// [`BootstrapError`], naming the file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, BootstrapError> {
    let unread = |source| BootstrapError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BOOTSTRAP_LEN_MAX + 1).read_to_end(&mut text))
        .map_err(unread)?;
    if text.len() as u64 > BOOTSTRAP_LEN_MAX {
        return Err(BootstrapError::TooLong {
            path: path.to_owned(),
            limit: BOOTSTRAP_LEN_MAX,
        });
    }
    serde_json::from_slice(&text).map_err(|source| BootstrapError::Parse {
        path: path.to_owned(),
        source,
    })
}

impl fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bootstrap")
            .field("device", &self.device)
            .field("http", &self.http)
            .field("pid", &self.pid)
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BootstrapApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BootstrapApp")
            .field("appid", &self.appid)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"device":"127.0.0.1:1","http":"http://127.0.0.1:2","pid":3,"ca_cert":"pem",
        "admin_token":"hidden1","new":true,
        "app":{"appid":"id","appkey":"key","appsecret":"hidden2","mastersecret":"hidden3"}}"#;

    #[test]
    fn given_a_good_file_when_loaded_should_give_all_and_show_no_secret() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("bootstrap.json");
        std::fs::write(&path, GOOD).expect("a file");
        let bootstrap = Bootstrap::load(&path).expect("loads");
        assert_eq!(bootstrap.app.mastersecret, "hidden3");
        assert!(!format!("{bootstrap:?}").contains("hidden"));
    }

    #[test]
    fn given_a_bad_file_when_loaded_should_name_file_and_member() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("bootstrap.json");
        std::fs::write(&path, GOOD.replace("\"pid\":3", "\"pid\":\"x\"")).expect("a file");
        let error = Bootstrap::load(&path).expect_err("refused").to_string();
        assert!(error.contains("bootstrap.json"), "{error}");
        let missing = Bootstrap::load(&dir.path().join("none")).expect_err("refused");
        assert!(matches!(missing, BootstrapError::Read { .. }));
    }

    #[test]
    fn given_a_file_over_the_limit_when_loaded_should_refuse_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("bootstrap.json");
        std::fs::write(&path, vec![b' '; BOOTSTRAP_LEN_MAX as usize + 1]).expect("a file");
        let error = Bootstrap::load(&path).expect_err("refused");
        assert!(matches!(error, BootstrapError::TooLong { .. }));
    }
}
