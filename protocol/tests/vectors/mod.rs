//! The golden vectors, and the text a decoded stream has in them.
//!
//! Owner: `golden.rs` and `split.rs`. The format is described in `golden/README.md`.

mod text;

use std::fs;
use std::path::Path;

use protocol::{Decoder, Frame, FrameError, Peer};

/// One vector: what a peer sent, and what a reader makes of it.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) sender: Peer,
    pub(crate) bytes: Vec<u8>,
    /// Encoding the frames gives the same bytes.
    pub(crate) encodes: bool,
    /// The text without comments, `sender` and `encode`.
    pub(crate) expected: String,
}

impl Vector {
    /// All vectors, by name.
    pub(crate) fn all() -> Vec<Vector> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("the folder of golden vectors")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("a UTF-8 name")
            })
            .filter_map(|name| name.strip_suffix(".hex").map(str::to_owned))
            .collect();
        names.sort();
        names.into_iter().map(Vector::load).collect()
    }

    fn load(name: String) -> Vector {
        let bytes = parse_hex(&read(&name, "hex"));
        let mut sender = None;
        let mut encodes = None;
        let mut expected = String::new();
        for line in read(&name, "txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
        {
            match line {
                "sender = device" => sender = Some(Peer::Device),
                "sender = server" => sender = Some(Peer::Server),
                "encode = same" => encodes = Some(true),
                "encode = no" => encodes = Some(false),
                other => {
                    expected.push_str(other);
                    expected.push('\n');
                }
            }
        }
        Vector {
            sender: sender.unwrap_or_else(|| panic!("{name}.txt names no sender")),
            encodes: encodes.unwrap_or_else(|| panic!("{name}.txt says nothing of encode")),
            name,
            bytes,
            expected,
        }
    }
}

fn read(name: &str, suffix: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.{suffix}"));
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}.{suffix}: {error}"))
}

/// Hex digits in pairs; blanks and what follows a `#` on a line do not count.
pub(crate) fn parse_hex(text: &str) -> Vec<u8> {
    let digits: String = text
        .lines()
        .flat_map(|line| line.split('#').next())
        .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
        .collect();
    assert!(
        digits.len().is_multiple_of(2),
        "an odd number of hex digits"
    );
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("two hex digits"))
        .collect()
}

/// What a reader made of a stream.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) frames: Vec<Frame>,
    pub(crate) error: Option<FrameError>,
    pub(crate) unread_len: usize,
}

impl Outcome {
    /// Feeds the pieces one after the other and takes all frames after each.
    pub(crate) fn of<'a>(sender: Peer, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        let mut decoder = Decoder::new(sender);
        let mut frames = Vec::new();
        let mut error = None;
        for piece in pieces {
            decoder.push(piece);
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(problem) => {
                        error = Some(problem);
                        break;
                    }
                }
            }
            assert_eq!(decoder.has_partial(), decoder.unread_len() > 0);
        }
        Outcome {
            frames,
            error,
            unread_len: decoder.unread_len(),
        }
    }

    /// The text of this outcome, as in a vector.
    pub(crate) fn text(&self) -> String {
        let mut text = match &self.error {
            Some(error) => {
                // The message begins with the field; `Debug` begins with the variant.
                let debug = format!("{error:?}");
                let variant = debug.split(' ').next().expect("a variant");
                let message = error.to_string();
                let field = message.split(':').next().expect("a field");
                let close = error.close_reason().number();
                format!("end = error\nerror = {variant}\nfield = {field}\nclose = {close}\n")
            }
            None if self.unread_len > 0 => {
                format!("end = partial\nunread_len = {}\n", self.unread_len)
            }
            None => "end = clean\n".to_owned(),
        };
        for frame in &self.frames {
            text.push('\n');
            text::frame(frame, &mut text);
        }
        text
    }
}
