//! The machine's clock, as one process sees it: set forwards and back by Debian's libfaketime.
//!
//! Always: only the clock of the day is set; the clock that counts from the start of the machine
//! goes on as it does when an operator or NTP sets the time.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use hyper::Method;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::harness::{Server, Surroundings};
use super::office::until_answered;

/// Where Debian's `libfaketime` puts it, below the folder of the architecture.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// How long a token lives, in ms.
const TOKEN_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

/// Offsets that are told apart, in ms; each may be missed by less than a minute.
const OFFSETS: [(&str, i64); 4] = [
    ("-1d", -24 * 60 * 60 * 1000),
    ("-1h", -60 * 60 * 1000),
    ("+0", 0),
    ("+1d", 24 * 60 * 60 * 1000),
];

/// See the module page.
pub(crate) struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right; `None` where libfaketime is not installed.
    pub(crate) fn find(dir: &Path) -> Option<Clock> {
        let folders = std::fs::read_dir("/usr/lib").ok()?.filter_map(Result::ok);
        let mut places = folders.map(|folder| folder.path().join(LIBRARY));
        let clock = Clock {
            library: places.find(|place| place.exists())?,
            file: dir.join("clock"),
        };
        clock.set("+0");
        Some(clock)
    }

    /// Off by this much from now on: `+1d`, `-1h`, `+0`.
    pub(crate) fn set(&self, off: &str) {
        // A reader finds the old text or the new one, never half of one.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{off}\n")).expect("written");
        std::fs::rename(&new, &self.file).expect("set");
    }

    /// What a process needs to see this clock.
    pub(crate) fn surroundings(&self) -> Surroundings {
        let text = |path: &Path| path.to_str().expect("text").to_owned();
        Surroundings {
            variables: vec![
                ("LD_PRELOAD", text(&self.library)),
                ("FAKETIME_TIMESTAMP_FILE", text(&self.file)),
                ("FAKETIME_NO_CACHE", "1".to_owned()),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
                // Ages of files are none of the server's clocks.
                ("NO_FAKE_STAT", "1".to_owned()),
            ],
            ..Surroundings::default()
        }
    }
}

/// How far the clock of a server is off, by the end of a token that it gives.
pub(crate) fn seen(server: &Server) -> &'static str {
    let app = server.bootstrap().app;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = i64::try_from(now.expect("after 1970").as_millis()).expect("fits");
    let text = format!("{}{now_ms}{}", app.appkey, app.mastersecret);
    let digest = Sha256::digest(text.as_bytes());
    let sign: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let body = json!({ "sign": sign, "timestamp": now_ms.to_string(), "appkey": app.appkey });
    let path = format!("/v2/{}/auth", app.appid);
    let party = server.third_party();
    let data = until_answered("a token", || {
        party.send(Method::POST, &path, None, Some(&body))?.data()
    });
    let ends = data["expire_time"].as_str().expect("a time");
    let off_ms = ends.parse::<i64>().expect("ms") - TOKEN_LIFE_MS - now_ms;
    let near = OFFSETS.iter().find(|(_, ms)| (ms - off_ms).abs() < 60_000);
    near.map_or_else(
        || panic!("a clock that is off by {off_ms} ms"),
        |(off, _)| off,
    )
}
