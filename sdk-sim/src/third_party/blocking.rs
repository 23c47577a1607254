//! The same client for callers without a runtime, such as tests.
//!
//! Owner: one thread. Always: each call runs to its end before it returns.

use std::collections::BTreeMap;
use std::io;

use hyper::Method;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use super::{Accepted, Answer, CallError, Credentials, Push, ThirdParty};

/// See [`ThirdParty`].
pub struct BlockingThirdParty {
    runtime: Runtime,
    client: ThirdParty,
}

impl BlockingThirdParty {
    /// A client for `http://HOST:PORT` with one connection.
    ///
    /// # Errors
    /// [`CallError::BadUrl`]; [`CallError::Connection`] if the system gives no runtime.
    pub fn new(base_url: &str, credentials: Credentials) -> Result<Self, CallError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        Ok(Self {
            runtime: runtime
                .map_err(|error: io::Error| CallError::Connection(format!("runtime: {error}")))?,
            client: ThirdParty::new(base_url, credentials, 1)?,
        })
    }

    /// See [`ThirdParty::token`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn token(&self) -> Result<String, CallError> {
        self.runtime.block_on(self.client.token())
    }

    /// See [`ThirdParty::authenticate`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn authenticate(&self) -> Result<String, CallError> {
        self.runtime.block_on(self.client.authenticate())
    }

    /// See [`ThirdParty::call`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, CallError> {
        self.runtime.block_on(self.client.call(method, path, body))
    }

    /// See [`ThirdParty::push_single_cid`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn push_single_cid(&self, cid: &str, push: &Push) -> Result<Accepted, CallError> {
        self.runtime
            .block_on(self.client.push_single_cid(cid, push))
    }

    /// See [`ThirdParty::push_single_alias`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn push_single_alias(&self, alias: &str, push: &Push) -> Result<Accepted, CallError> {
        self.runtime
            .block_on(self.client.push_single_alias(alias, push))
    }

    /// See [`ThirdParty::push_tag`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn push_tag(&self, tag: &str, push: &Push) -> Result<String, CallError> {
        self.runtime.block_on(self.client.push_tag(tag, push))
    }

    /// See [`ThirdParty::tag`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn tag(&self, tag: &str, cids: &[String]) -> Result<(), CallError> {
        self.runtime.block_on(self.client.tag(tag, cids))
    }

    /// See [`ThirdParty::status`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn status(&self, cids: &[&str]) -> Result<BTreeMap<String, String>, CallError> {
        self.runtime.block_on(self.client.status(cids))
    }

    /// See [`ThirdParty::get`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn get(&self, path: &str) -> Result<Answer, CallError> {
        self.runtime.block_on(self.client.get(path))
    }

    /// See [`ThirdParty::send`].
    ///
    /// # Errors
    /// [`CallError`].
    pub fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, CallError> {
        self.runtime
            .block_on(self.client.send(method, path, token, body))
    }
}
