//! `bootstrap.json` of a running server: written at the start, and whenever something in it changes.
//!
//! Owner: the ingress thread. Always: the file is whole; where it cannot be written, what was in it stays.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;

use schema::record::App;

use super::BootError;
use crate::ask::Asker;
use crate::bootstrap::{Bootstrap, BootstrapApp, reachable};
use crate::config::Config;
use crate::secret;

/// Where the process listens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) device: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) admin: Option<SocketAddr>,
}

impl Bound {
    fn device_name(&self, public_host: Option<&str>) -> String {
        reachable(self.device, public_host)
    }

    fn http_url(&self, public_host: Option<&str>) -> String {
        format!("http://{}", reachable(self.http, public_host))
    }

    fn admin_url(&self, public_host: Option<&str>) -> Option<String> {
        let url = |bound| format!("http://{}", reachable(bound, public_host));
        self.admin.map(url)
    }
}

/// See the module page.
#[derive(Debug)]
pub(super) struct BootstrapFile {
    path: PathBuf,
    bound: Bound,
    content: RefCell<Bootstrap>,
}

impl BootstrapFile {
    /// Writes the file of this start. Admin token and app are those of the file before, if there is one.
    pub(super) fn write(
        config: &Config,
        bound: Bound,
        ca_pem: &str,
        apps: &[App],
    ) -> Result<BootstrapFile, BootError> {
        let path = Bootstrap::path_in(&config.data);
        let before = Bootstrap::read(&path).ok();
        let app = before
            .as_ref()
            .and_then(|before| apps.iter().find(|app| app.app_id == before.app.appid))
            .or_else(|| apps.iter().min_by_key(|app| app.number))
            .expect("the first start makes an app");
        let host = config.public_host.as_deref();
        let content = Bootstrap {
            device: bound.device_name(host),
            http: bound.http_url(host),
            admin: bound.admin_url(host),
            pid: std::process::id(),
            ca_cert: ca_pem.to_owned(),
            admin_token: before.as_ref().map_or_else(
                || secret::hex(&secret::random::<32>()),
                |before| before.admin_token.clone(),
            ),
            app: BootstrapApp::from(app),
        };
        if let Err(source) = content.write(&path) {
            let reason = source.to_string();
            return Err(BootError::Data { path, reason });
        }
        Ok(BootstrapFile {
            path,
            bound,
            content: RefCell::new(content),
        })
    }

    /// What stands in it.
    pub(super) fn content(&self) -> Bootstrap {
        self.content.borrow().clone()
    }

    /// The server is reached by another name, or devices must trust something else.
    ///
    /// # Errors
    /// Of the file; then its content stays.
    pub(super) fn renew(&self, public_host: Option<&str>, ca_pem: &str) -> io::Result<()> {
        let before = self.content();
        let now = Bootstrap {
            device: self.bound.device_name(public_host),
            http: self.bound.http_url(public_host),
            admin: self.bound.admin_url(public_host),
            ca_cert: ca_pem.to_owned(),
            ..before.clone()
        };
        let same = (&now.device, &now.http, &now.admin, &now.ca_cert)
            == (&before.device, &before.http, &before.admin, &before.ca_cert);
        if !same {
            now.write(&self.path)?;
            self.content.replace(now);
        }
        Ok(())
    }

    /// Writes the file again whenever the secrets of its app change; never ends.
    pub(super) async fn keep(self: Rc<Self>, asker: Rc<Asker>) {
        let mut changes = asker.watch_apps();
        while changes.changed().await.is_ok() {
            let mut content = self.content();
            let Some(app) = asker.app(&content.app.appid) else {
                continue;
            };
            let now = BootstrapApp::from(app.as_ref());
            if now == content.app {
                continue;
            }
            content.app = now;
            let path = self.path.display();
            match content.write(&self.path) {
                Ok(()) => tracing::info!(%path, "the bootstrap file has the new secrets"),
                Err(error) => {
                    tracing::error!(%error, %path, "the bootstrap file keeps old secrets");
                }
            }
            self.content.replace(content);
        }
    }
}
