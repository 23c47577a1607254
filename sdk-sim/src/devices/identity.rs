//! What a device has to keep over restarts, and its line in the state file.
//!
//! Owner: the state file. Always: one JSON line; hex everywhere; secrets are not shown by `Debug`.

use std::io;

use protocol::{ClientId, DeviceSecret, InstallId, MessageId};
use serde::{Deserialize, Serialize};

/// One device.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) cid: Option<ClientId>,
    pub(super) install: InstallId,
    pub(super) secret: DeviceSecret,
    pub(super) last: MessageId,
}

#[derive(Serialize, Deserialize)]
struct Line {
    cid: Option<String>,
    install: String,
    secret: String,
    last: String,
}

impl Identity {
    /// A device at its first start.
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut install = [0; 16];
        getrandom::fill(&mut install)?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        Ok(Self {
            cid: None,
            install: InstallId::from_bytes(install),
            secret: DeviceSecret::from_bytes(secret),
            last: MessageId(0),
        })
    }

    /// Its line, with the newline.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let line = Line {
            cid: self.cid.map(|cid| cid.to_string()),
            install: self.install.to_string(),
            secret: self.secret.to_hex(),
            last: self.last.to_string(),
        };
        serde_json::to_writer(&mut *out, &line).expect("four texts are always JSON");
        out.push(b'\n');
    }

    /// Reads a line, without its newline.
    ///
    /// # Errors
    /// `InvalidData`, naming the member.
    pub(super) fn read(line: &[u8]) -> io::Result<Self> {
        let line: Line = serde_json::from_slice(line)?;
        let bad = |member: &'static str, problem: String| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{member}: {problem}"))
        };
        let cid = match line.cid {
            Some(cid) => Some(
                cid.parse()
                    .map_err(|error| bad("cid", format!("{error}")))?,
            ),
            None => None,
        };
        Ok(Self {
            cid,
            install: line
                .install
                .parse()
                .map_err(|error| bad("install", format!("{error}")))?,
            secret: DeviceSecret::from_hex(&line.secret)
                .map_err(|error| bad("secret", error.to_string()))?,
            last: line
                .last
                .parse()
                .map_err(|error| bad("last", format!("{error}")))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_device_when_written_and_read_should_be_the_same() {
        let mut device = Identity::random().expect("random bytes");
        device.cid = Some(ClientId::from_bytes([9; 16]));
        device.last = MessageId(77);
        let mut line = Vec::new();
        device.write(&mut line);
        assert!(line.starts_with(b"{\"cid\":\"0909"), "cid comes first");
        let read = Identity::read(line.strip_suffix(b"\n").expect("a newline")).expect("reads");
        assert_eq!(read.cid, device.cid);
        assert_eq!(read.install, device.install);
        assert_eq!(read.secret.as_bytes(), device.secret.as_bytes());
        assert_eq!(read.last, device.last);
    }

    #[test]
    fn given_a_bad_line_when_read_should_name_the_member() {
        let line = br#"{"cid":null,"install":"00","secret":"","last":""}"#;
        let error = Identity::read(line).expect_err("refused").to_string();
        assert!(error.contains("install"), "{error}");
    }
}
