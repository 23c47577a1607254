//! `DIR/bootstrap.json`: what a device, a third party and the command line need to find and trust
//! this server. Written at the first start, refreshed at every one, readable by its owner only.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use schema::record::App;
use serde::{Deserialize, Serialize};

/// The file.
#[derive(Clone, Serialize, Deserialize)]
pub struct Bootstrap {
    /// HOST:PORT of the device port.
    pub device: String,
    /// URL of the HTTP port.
    pub http: String,
    /// URL of the admin listener, if it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// The process that serves.
    pub pid: u32,
    /// PEM text of what devices must trust.
    pub ca_cert: String,
    /// Bearer token of `/admin`.
    pub admin_token: String,
    /// The app that the first start made.
    pub app: BootstrapApp,
}

/// An app with its secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapApp {
    /// Public, in URLs.
    pub appid: String,
    /// Named at auth.
    pub appkey: String,
    /// For devices of apps that demand a sign.
    pub appsecret: String,
    /// For the third party's server alone.
    pub mastersecret: String,
}

impl std::fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bootstrap")
            .field("device", &self.device)
            .field("http", &self.http)
            .field("appid", &self.app.appid)
            .finish_non_exhaustive()
    }
}

impl From<&App> for BootstrapApp {
    fn from(app: &App) -> Self {
        BootstrapApp {
            appid: app.app_id.clone(),
            appkey: app.app_key.clone(),
            appsecret: app.app_secret.clone(),
            mastersecret: app.master_secret.clone(),
        }
    }
}

/// The file could not be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", .path.display())]
pub struct BootstrapError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl Bootstrap {
    /// Where it lies in a data folder.
    pub fn path_in(data: &Path) -> PathBuf {
        data.join("bootstrap.json")
    }

    /// Reads it.
    pub fn read(path: &Path) -> Result<Bootstrap, BootstrapError> {
        let error = |reason: String| BootstrapError {
            path: path.to_owned(),
            reason,
        };
        let text = fs::read_to_string(path).map_err(|cause| error(cause.to_string()))?;
        serde_json::from_str(&text).map_err(|cause| error(cause.to_string()))
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let half = path.with_extension("half");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&half)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&half, path)
    }
}

/// The address as others reach it: a wildcard becomes the public host, or loopback without one.
pub fn reachable(bound: SocketAddr, public_host: Option<&str>) -> String {
    let host = match public_host {
        Some(host) if bound.ip().is_unspecified() => host.to_owned(),
        None if bound.ip().is_unspecified() && bound.is_ipv6() => "::1".to_owned(),
        None if bound.ip().is_unspecified() => "127.0.0.1".to_owned(),
        _ => bound.ip().to_string(),
    };
    if host.contains(':') {
        format!("[{host}]:{}", bound.port())
    } else {
        format!("{host}:{}", bound.port())
    }
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn given_bound_addresses_when_written_should_be_reachable() {
        let cases = [
            ("127.0.0.1:5", None, "127.0.0.1:5"),
            ("0.0.0.0:5", Some("push.example.org"), "push.example.org:5"),
            ("0.0.0.0:5", None, "127.0.0.1:5"),
            ("[::]:5", Some("2001:db8::1"), "[2001:db8::1]:5"),
            ("[::1]:5", Some("push.example.org"), "[::1]:5"),
        ];
        for (bound, host, want) in cases {
            assert_eq!(reachable(bound.parse().expect("an address"), host), want);
        }
    }
}
