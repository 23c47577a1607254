//! What was learnt of networks, by their names: the caller keeps it over restarts.
//!
//! Owner: one `Client`, which learns; between two runs, the caller. Always: at most
//! [`NETWORKS_MAX`] networks, the one used longest ago leaves first; what was read back is within
//! the bounds of the type, whatever was written.

use serde::{Deserialize, Serialize};

use super::learnt_heartbeat::{Bounds, LearntHeartbeat, Wall};

/// Networks remembered. A phone meets a handful of Wi-Fi networks and carriers; full: the one used
/// longest ago is forgotten, and learnt again if it comes back.
pub const NETWORKS_MAX: usize = 32;

/// Longest name of a network, in bytes of UTF-8. A Wi-Fi name has 32, a carrier's far fewer.
/// Longer: refused with [`NetworkNameError`].
pub const NETWORK_NAME_LEN_MAX: usize = 64;

/// The form of [`LearntHeartbeats::to_json`].
const FORMAT: u8 = 1;

/// A name of a network that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("network name: {got} bytes, allowed are 0..={limit}")]
pub struct NetworkNameError {
    /// Greatest length, bytes.
    pub limit: usize,
    /// What came, bytes.
    pub got: usize,
}

/// Why kept heartbeats could not be read back. Going on with nothing learnt is always safe.
#[derive(Debug, thiserror::Error)]
pub enum LearntError {
    /// Not the JSON that was written.
    #[error("learnt heartbeats: {0}")]
    Parse(#[from] serde_json::Error),
    /// Written by another version.
    #[error("learnt heartbeats: format {got}, known is {known}")]
    Format {
        /// What this version reads.
        known: u8,
        /// What came.
        got: u8,
    },
    /// A name is too long.
    #[error("learnt heartbeats: {0}")]
    Name(#[from] NetworkNameError),
    /// A number is out of its bounds.
    #[error("learnt heartbeats: {field} is {got}")]
    OutOfRange {
        /// Which number.
        field: &'static str,
        /// What came.
        got: u16,
    },
    /// More networks than are kept.
    #[error("learnt heartbeats: {got} networks, allowed are {limit}")]
    TooMany {
        /// The limit.
        limit: usize,
        /// What came.
        got: usize,
    },
}

/// What was learnt of each network, and the server's bounds. Empty at first.
///
/// ```
/// use sdk_sim::client::LearntHeartbeats;
///
/// let nothing = LearntHeartbeats::default();
/// let kept = nothing.to_json(5_000);
/// // After a restart, by a clock that begins anew:
/// let learnt = LearntHeartbeats::from_json(&kept, 0)?;
/// assert_eq!(learnt, nothing);
/// assert!(LearntHeartbeats::from_json("{}", 0).is_err());
/// # Ok::<(), sdk_sim::client::LearntError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LearntHeartbeats {
    /// Of the server that was reached last.
    pub(super) bounds: Option<Bounds>,
    /// The one used last stands last.
    networks: Vec<(String, LearntHeartbeat)>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    format: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<KeptBounds>,
    networks: Vec<KeptNetwork>,
}

#[derive(Serialize, Deserialize)]
struct KeptBounds {
    min_s: u16,
    max_s: u16,
    choice_s: u16,
}

#[derive(Serialize, Deserialize)]
struct KeptNetwork {
    name: String,
    base_s: u16,
    proven: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    wall: Option<KeptWall>,
}

/// A wall as it is kept: the clock of the next run is another, so what counts is the time left.
#[derive(Serialize, Deserialize)]
struct KeptWall {
    at_s: u16,
    left_ms: u64,
    again: u8,
}

/// # Errors
/// [`NetworkNameError`]: too long.
pub(super) fn check_name(name: &str) -> Result<(), NetworkNameError> {
    let (limit, got) = (NETWORK_NAME_LEN_MAX, name.len());
    if got > limit {
        return Err(NetworkNameError { limit, got });
    }
    Ok(())
}

impl LearntHeartbeats {
    /// The text to keep, below 8 KiB. `now_ms` is the clock of the client that learnt it.
    pub fn to_json(&self, now_ms: u64) -> String {
        let kept = Kept {
            format: FORMAT,
            server: self.bounds.map(|bounds| KeptBounds {
                min_s: bounds.min_s,
                max_s: bounds.max_s,
                choice_s: bounds.choice_s,
            }),
            networks: self
                .networks
                .iter()
                .map(|(name, learnt)| KeptNetwork {
                    name: name.clone(),
                    base_s: learnt.base_s,
                    proven: learnt.proven,
                    wall: learnt.wall.map(|wall| KeptWall {
                        at_s: wall.at_s,
                        left_ms: wall.until_ms.saturating_sub(now_ms),
                        again: wall.again,
                    }),
                })
                .collect(),
        };
        serde_json::to_string(&kept).expect("texts and numbers are always JSON")
    }

    /// What [`Self::to_json`] gave, perhaps in an earlier run. `now_ms` is the clock of the client
    /// that will go on with it; the time in between does not count.
    ///
    /// # Errors
    /// [`LearntError`]: not that JSON, or beyond its bounds.
    pub fn from_json(text: &str, now_ms: u64) -> Result<Self, LearntError> {
        let kept: Kept = serde_json::from_str(text)?;
        let (known, got) = (FORMAT, kept.format);
        if known != got {
            return Err(LearntError::Format { known, got });
        }
        let (limit, got) = (NETWORKS_MAX, kept.networks.len());
        if got > limit {
            return Err(LearntError::TooMany { limit, got });
        }
        let mut learnt = Self {
            bounds: kept.server.map(read_bounds).transpose()?,
            networks: Vec::new(),
        };
        for network in kept.networks {
            check_name(&network.name)?;
            let wall = network.wall.map(|wall| Wall {
                at_s: wall.at_s,
                until_ms: now_ms.saturating_add(wall.left_ms),
                again: wall.again,
            });
            let known = LearntHeartbeat::kept(network.base_s, network.proven, wall);
            *learnt.network(&network.name) = known;
        }
        Ok(learnt)
    }

    /// The longest interval known to be good on this network, in seconds.
    pub fn good_s(&self, network: &str) -> Option<u16> {
        let (_, learnt) = self.networks.iter().find(|(name, _)| name == network)?;
        learnt.proven.then_some(learnt.base_s)
    }

    /// What is known of a network, which is used now; a new one is made room for.
    pub(super) fn network(&mut self, name: &str) -> &mut LearntHeartbeat {
        let known = match self.networks.iter().position(|(known, _)| known == name) {
            Some(at) => self.networks.remove(at),
            None => {
                if self.networks.len() == NETWORKS_MAX {
                    self.networks.remove(0);
                }
                (name.to_owned(), LearntHeartbeat::default())
            }
        };
        let at = self.networks.len();
        self.networks.push(known);
        &mut self.networks[at].1
    }
}

fn read_bounds(kept: KeptBounds) -> Result<Bounds, LearntError> {
    let bounds = Bounds {
        min_s: kept.min_s,
        max_s: kept.max_s,
        choice_s: kept.choice_s,
    };
    let out = |field, got| LearntError::OutOfRange { field, got };
    if bounds.min_s == 0 {
        return Err(out("min_s", bounds.min_s));
    }
    if bounds.max_s < bounds.min_s {
        return Err(out("max_s", bounds.max_s));
    }
    if bounds.clamp(bounds.choice_s) != bounds.choice_s {
        return Err(out("choice_s", bounds.choice_s));
    }
    Ok(bounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proven(base_s: u16) -> LearntHeartbeat {
        LearntHeartbeat::kept(base_s, true, None)
    }

    #[test]
    fn given_more_networks_than_fit_when_used_should_forget_the_one_used_longest_ago() {
        let mut learnt = LearntHeartbeats::default();
        for at in 0..NETWORKS_MAX {
            *learnt.network(&format!("n{at}")) = proven(60);
        }
        learnt.network("n0");
        learnt.network("one more");
        assert_eq!(learnt.networks.len(), NETWORKS_MAX);
        assert_eq!(learnt.good_s("n0"), Some(60), "used again");
        assert_eq!(learnt.good_s("n1"), None);
        assert_eq!(learnt.good_s("n2"), Some(60));
    }

    #[test]
    fn given_all_that_is_known_when_kept_over_a_restart_should_come_back_by_the_new_clock() {
        let mut learnt = LearntHeartbeats {
            bounds: Some(Bounds {
                min_s: 10,
                max_s: 1_800,
                choice_s: 240,
            }),
            networks: Vec::new(),
        };
        let wall = |until_ms| {
            Some(Wall {
                at_s: 330,
                until_ms,
                again: 2,
            })
        };
        *learnt.network("Café \"5\"") = LearntHeartbeat::kept(300, true, wall(90_000));
        *learnt.network("") = LearntHeartbeat::kept(120, false, None);
        let back = LearntHeartbeats::from_json(&learnt.to_json(50_000), 1_000).expect("reads");
        *learnt.network("Café \"5\"") = LearntHeartbeat::kept(300, true, wall(41_000));
        learnt.network("");
        assert_eq!(back, learnt);
        assert_eq!(back.good_s("Café \"5\""), Some(300));
        assert_eq!(back.good_s(""), None, "not proven");
    }

    #[test]
    fn given_texts_that_nobody_wrote_when_read_should_name_what_is_wrong() {
        let read = |text: &str| {
            LearntHeartbeats::from_json(text, 0)
                .expect_err("refused")
                .to_string()
        };
        let network = |name: &str| format!("{{\"name\":\"{name}\",\"base_s\":1,\"proven\":true}}");
        let with = |networks: &str| format!("{{\"format\":1,\"networks\":[{networks}]}}");
        assert!(read("").contains("EOF"));
        assert!(read("{\"format\":2,\"networks\":[]}").contains("format 2"));
        assert!(read(&with(&network(&"x".repeat(65)))).contains("65 bytes"));
        assert!(read(&with(&vec![network("x"); 33].join(","))).contains("33 networks"));
        let server = |min: u16, max: u16, choice: u16| {
            format!(
                "{{\"format\":1,\"networks\":[],\"server\":{{\"min_s\":{min},\"max_s\":{max},\"choice_s\":{choice}}}}}"
            )
        };
        assert!(read(&server(0, 5, 5)).contains("min_s is 0"));
        assert!(read(&server(6, 5, 5)).contains("max_s is 5"));
        assert!(read(&server(6, 9, 5)).contains("choice_s is 5"));
    }

    #[test]
    fn given_the_most_that_can_be_known_when_kept_should_stay_below_eight_kib() {
        let mut learnt = LearntHeartbeats::default();
        for at in 0..NETWORKS_MAX {
            let wall = Wall {
                at_s: u16::MAX,
                until_ms: u64::MAX,
                again: u8::MAX,
            };
            let name = format!("{at:064}");
            *learnt.network(&name) = LearntHeartbeat::kept(u16::MAX, true, Some(wall));
        }
        assert!(learnt.to_json(0).len() < 8 * 1024);
    }
}
