//! Which server is checked: where it is, whom to trust, which app to use.
//!
//! Owner: one run. Always: secrets are not shown by `Debug`; what only a push needs may be missing.

use std::fmt;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use serde::Deserialize;

use crate::bootstrap::{self, BootstrapError};
use crate::third_party::Credentials;
use crate::transport::{TlsError, roots_of};

/// What is read of the bootstrap file. Unknown members are ignored.
#[derive(Deserialize)]
struct File {
    device: Option<String>,
    ca_cert: String,
    #[serde(default)]
    http: String,
    app: App,
}

#[derive(Deserialize)]
struct App {
    appid: String,
    #[serde(default)]
    appsecret: String,
    #[serde(default)]
    appkey: String,
    #[serde(default)]
    mastersecret: String,
}

/// A server to check.
pub(super) struct Target {
    /// `HOST:PORT`.
    pub(super) address: String,
    /// The host of the address, as its certificate must name it.
    pub(super) name: ServerName<'static>,
    /// Whom to trust.
    pub(super) roots: RootCertStore,
    /// The app its devices belong to.
    pub(super) app_id: String,
    /// For an app that demands signs.
    pub(super) app_secret: String,
    /// The base URL and the keys of the HTTP API, if the file has them.
    pub(super) http: Option<(String, Credentials)>,
}

/// Why there is nothing to check.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    /// The file cannot be used.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// Its certificate cannot be used.
    #[error("member ca_cert: {0}")]
    Tls(#[from] TlsError),
    /// The AppID is none.
    #[error("member app.appid: {got} bytes, allowed are 1 to {max}")]
    AppId {
        /// Bytes that came.
        got: usize,
        /// Most bytes of one.
        max: usize,
    },
    /// No address at all.
    #[error("--device: missing, and the bootstrap file has no member device")]
    NoAddress,
    /// The address is none.
    #[error("--device: {address:?}, expected HOST:PORT")]
    BadAddress {
        /// What came.
        address: String,
    },
}

impl Target {
    /// The server at `device`, or else at the address of the file.
    ///
    /// # Errors
    /// [`TargetError`], naming the flag or the member.
    pub(super) fn load(path: &Path, device: Option<&str>) -> Result<Self, TargetError> {
        let file: File = bootstrap::read(path)?;
        let address = device
            .map(str::to_owned)
            .or(file.device)
            .ok_or(TargetError::NoAddress)?;
        let max = protocol::limits::APP_ID_LEN_MAX;
        let got = file.app.appid.len();
        if got == 0 || got > max {
            return Err(TargetError::AppId { got, max });
        }
        let keys = !file.app.appkey.is_empty() && !file.app.mastersecret.is_empty();
        let http = (keys && !file.http.is_empty()).then(|| {
            let credentials = Credentials {
                app_id: file.app.appid.clone(),
                app_key: file.app.appkey,
                master_secret: file.app.mastersecret,
            };
            (file.http, credentials)
        });
        Ok(Self {
            name: name_of(&address)?,
            roots: roots_of(&file.ca_cert)?,
            app_id: file.app.appid,
            app_secret: file.app.appsecret,
            address,
            http,
        })
    }
}

fn name_of(address: &str) -> Result<ServerName<'static>, TargetError> {
    let bad = || TargetError::BadAddress {
        address: address.to_owned(),
    };
    let (host, port) = address.rsplit_once(':').ok_or_else(bad)?;
    port.parse::<u16>().map_err(|_| bad())?;
    let host = host.trim_matches(['[', ']']).to_owned();
    ServerName::try_from(host).map_err(|_| bad())
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("address", &self.address)
            .field("app_id", &self.app_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str, device: Option<&str>) -> Result<Target, TargetError> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("bootstrap.json");
        std::fs::write(&path, text).expect("written");
        Target::load(&path, device)
    }

    fn file(app: &str) -> String {
        let key = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("one");
        let ca_cert = serde_json::Value::from(key.cert.pem());
        format!(r#"{{"device":"127.0.0.1:1","ca_cert":{ca_cert},"app":{app}}}"#)
    }

    #[test]
    fn given_a_file_of_a_foreign_server_when_loaded_should_do_without_an_http_api() {
        let text = file(r#"{"appid":"a","appsecret":"hidden"}"#);
        let target = load(&text, None).expect("loads");
        assert!(target.http.is_none());
        assert_eq!(target.address, "127.0.0.1:1");
        assert!(!format!("{target:?}").contains("hidden"));
        let other = load(&text, Some("[::1]:7")).expect("loads");
        assert_eq!(other.address, "[::1]:7");
    }

    #[test]
    fn given_what_cannot_be_checked_when_loaded_should_name_it() {
        let cases = [
            ("{}".to_owned(), None, "ca_cert"),
            (
                r#"{"ca_cert":"","app":{"appid":"a"}}"#.to_owned(),
                Some("h:1"),
                "ca_cert",
            ),
            (
                r#"{"ca_cert":"","app":{"appid":"a"}}"#.to_owned(),
                None,
                "--device",
            ),
            (file(r#"{"appid":""}"#), None, "app.appid"),
            (file(r#"{"appid":"a"}"#), Some("nowhere"), "--device"),
            (file(r#"{"appid":"a"}"#), Some("host:http"), "--device"),
        ];
        for (text, device, named) in cases {
            let error = load(&text, device).expect_err(named).to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
