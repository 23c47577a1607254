//! Imports and exports in a script.

use protocol::{ClientId, Platform};
use server_core::command::{Answer, Command};
use server_core::event::ShardEvent;
use server_core::portable::{DevicePage, Imported, PortableDevice};

use super::asks::app_no;
use super::line::{Line, duration_ms, number};
use super::world::World;

impl World {
    pub(super) fn portable_line(&mut self, line: &Line) {
        let app = app_no(line);
        let at = line.number_or("at", 0) as usize;
        let command = if line.verb() == "import" {
            let words = line.word(1).split(',');
            let cids: Vec<ClientId> = words.map(|word| self.imported_cid(word)).collect();
            let devices = cids.into_iter().map(|cid| self.portable(line, cid));
            Command::ImportDevices {
                app,
                devices: devices.collect(),
            }
        } else {
            Command::Devices {
                app,
                after: line.named("after").map(|name| self.cid(name)),
                len_max: line.number_or("limit", 100) as usize,
            }
        };
        let ticket = self.ticket(line.named_or("as", "q"));
        self.feed(at, ShardEvent::Command(ticket, command));
    }

    /// The CID of a letter, or for a number the one whose bytes are all that number.
    fn imported_cid(&mut self, word: &str) -> ClientId {
        if word.starts_with(|first: char| first.is_ascii_uppercase()) {
            return self.cid(word);
        }
        let cid = ClientId::from_bytes([number(word) as u8; 16]);
        self.learn(cid);
        cid
    }

    fn portable(&self, line: &Line, cid: ClientId) -> PortableDevice {
        let ago = |name| {
            let ms = line.named(name).map(duration_ms)?;
            Some(self.now.wall_ms.saturating_add_signed(-ms))
        };
        let list = |name| line.named(name).into_iter().flat_map(|all| all.split(','));
        let secret = line
            .named("secret")
            .map(|secret| [number(secret) as u8; 32]);
        let hash =
            |secret| server_core::devices::hash_of(&protocol::DeviceSecret::from_bytes(secret));
        PortableDevice {
            cid,
            platform: match line.named("platform") {
                Some("ios") => Platform::Ios.number(),
                _ => Platform::Android.number(),
            },
            created_ms: ago("created").unwrap_or(self.now.wall_ms),
            sdk_version: "elsewhere 2".into(),
            secret_hash: secret.map(hash),
            install: line.named("install").map(|id| [number(id) as u8; 16]),
            tags: list("tags").map(Box::from).collect(),
            aliases: list("aliases")
                .map(|pair| match pair.split_once(':') {
                    Some((kind, name)) => (kind.into(), name.into()),
                    None => ("".into(), pair.into()),
                })
                .collect(),
            blocked: line.has_word("blocked"),
            push_off: line.has_word("off"),
            badge: line.number_or("badge", 0) as i32,
            token: line
                .named("token")
                .map(|token| ("fcm".into(), token.into())),
            last_login_ms: ago("login").unwrap_or(0),
        }
    }
}

/// An answer of this page, or nothing.
pub(super) fn answer(answer: &Answer, name: impl Fn(ClientId) -> String) -> Option<Vec<String>> {
    Some(match answer {
        Answer::Imported(outcomes) => {
            let word = |outcome: &Imported| match outcome {
                Imported::Done => "ok".to_owned(),
                other => format!("{other:?}"),
            };
            outcomes.iter().map(word).collect()
        }
        Answer::Devices(DevicePage { devices, next }) => {
            let mut words: Vec<String> = devices.iter().map(|one| shown(one, &name)).collect();
            words.extend(next.map(|cid| format!("next={}", name(cid))));
            words
        }
        _ => return None,
    })
}

fn shown(device: &PortableDevice, name: impl Fn(ClientId) -> String) -> String {
    let mut text = format!("{}:{}", name(device.cid), device.tags.join(","));
    for (kind, alias) in &device.aliases {
        text += &format!(";{kind}:{alias}");
    }
    let flags = [
        ("secret", device.secret_hash.is_some()),
        ("install", device.install.is_some()),
        ("blocked", device.blocked),
        ("off", device.push_off),
        ("login", device.last_login_ms > 0),
    ];
    for (flag, _) in flags.iter().filter(|(_, set)| *set) {
        text += &format!("+{flag}");
    }
    if device.badge != 0 {
        text += &format!("+badge{}", device.badge);
    }
    if let Some((kind, token)) = &device.token {
        text += &format!("+{kind}/{token}");
    }
    text
}
