//! One golden vector, read from its two files.
//!
//! Owner: the list of vectors. Always: what it expects of a server is derived from its text alone,
//! never from a decoder of ours.

use protocol::CloseReason;

/// Bytes a device sends, and what a reader makes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vector {
    /// Its name in the folder.
    pub(super) name: &'static str,
    /// What the device sends.
    pub(super) bytes: Vec<u8>,
    /// Why a reader refuses it, if it does.
    pub(super) error: Option<Refusal>,
    /// The frames a reader takes, those before an error too.
    pub(super) frames: Vec<Section>,
}

/// The error of a bad vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Its word in section 6 of the document.
    pub(super) word: String,
    /// What a server closes with.
    pub(super) reason: CloseReason,
}

/// One frame of a vector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Section {
    /// A hello.
    Hello,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
    /// An ack.
    Ack,
    /// A command.
    Command {
        /// Its serial.
        serial: u32,
        /// Its op.
        op: u8,
    },
    /// A message to the third party.
    Upstream {
        /// Its id.
        id: u64,
    },
    /// A close.
    Close,
}

impl Vector {
    /// Reads one.
    ///
    /// # Errors
    /// What is not as the README of the folder says.
    pub(super) fn read(name: &'static str, hex: &str, text: &str) -> Result<Self, String> {
        let text: String = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(|line| [line, "\n"])
            .collect();
        let mut parts = text.split("\n\n");
        let facts = parts.next().unwrap_or_default();
        let error = match fact(facts, "error") {
            Ok(word) => Some(Refusal {
                word: word.to_owned(),
                reason: CloseReason::from_number(number(facts, "close")?),
            }),
            Err(_) => None,
        };
        Ok(Self {
            name,
            bytes: bytes_of(hex)?,
            error,
            frames: parts.map(section).collect::<Result<_, _>>()?,
        })
    }
}

fn section(text: &str) -> Result<Section, String> {
    match text.trim_start().lines().next().unwrap_or_default() {
        "[hello]" => Ok(Section::Hello),
        "[ping]" => Ok(Section::Ping),
        "[pong]" => Ok(Section::Pong),
        "[ack]" => Ok(Section::Ack),
        "[command]" => Ok(Section::Command {
            serial: number(text, "serial")?,
            op: number(text, "op")?,
        }),
        "[upstream]" => {
            let id = fact(text, "upstream_id")?;
            let id = u64::from_str_radix(id, 16).map_err(|_| format!("{id} is no upstream id"))?;
            Ok(Section::Upstream { id })
        }
        "[close]" => Ok(Section::Close),
        other => Err(format!("{other:?} is no frame of a device")),
    }
}

/// The value behind a key.
fn fact<'a>(text: &'a str, key: &str) -> Result<&'a str, String> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))
        .ok_or_else(|| format!("no {key}"))
}

fn number<N: std::str::FromStr>(text: &str, key: &str) -> Result<N, String> {
    let value = fact(text, key)?;
    value
        .parse()
        .map_err(|_| format!("{key} = {value}, expected a number"))
}

/// Hex digits in pairs; blanks and what follows a `#` on a line do not count.
fn bytes_of(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text
        .lines()
        .filter_map(|line| line.split('#').next())
        .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
        .collect();
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => {
                let value = high.to_digit(16).zip(low.to_digit(16));
                let (high, low) = value.ok_or_else(|| format!("{pair:?} is no hex"))?;
                Ok((high * 16 + low) as u8)
            }
            _ => Err("an odd number of hex digits".to_owned()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_the_files_of_a_vector_when_read_should_give_bytes_error_and_frames() {
        let text = "# About.\nsender = device\nend = error\nerror = UnknownKind\nfield = frame.kind\nclose = 3\n\
            encode = no\n\n[ping]\n\n[command]\nserial = 7\nop = 2\neverywhere = true\n\n\
            [upstream]\nupstream_id = 00000000000000ff\nbody = none\n";
        let vector = Vector::read("v", "03 00 # ping\n7f\n", text).expect("reads");
        assert_eq!(vector.bytes, [0x03, 0x00, 0x7f]);
        let error = vector.error.expect("an error");
        assert_eq!(
            (error.word.as_str(), error.reason),
            ("UnknownKind", CloseReason::UnsupportedFrame)
        );
        assert_eq!(
            vector.frames,
            [
                Section::Ping,
                Section::Command { serial: 7, op: 2 },
                Section::Upstream { id: 255 },
            ]
        );
    }

    #[test]
    fn given_files_that_are_no_vector_when_read_should_say_what_is_wrong() {
        for (hex, text) in [
            ("0", "sender = device\n"),
            ("zz", "sender = device\n"),
            ("", "error = X\nclose = x\n"),
            ("", "sender = device\n\n[push]\n"),
            ("", "sender = device\n\n[command]\nserial = 1\n"),
            ("", "sender = device\n\n[upstream]\nupstream_id = x\n"),
        ] {
            assert!(Vector::read("v", hex, text).is_err(), "{hex} {text}");
        }
    }
}
