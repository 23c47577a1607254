//! A folder as one packed file: tar (ustar) in gzip, as far as a data folder needs it.
//!
//! Always: names are relative and stay in the folder; zeroes at the end of a journal cost next to
//! nothing.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Component, Path};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

const BLOCK: usize = 512;

/// Packs the files of a folder.
pub fn pack(folder: &Path, to: &Path) {
    let file = File::create(to).expect("made");
    let mut out = GzEncoder::new(file, Compression::best());
    add(folder, folder, &mut out);
    out.write_all(&[0; 2 * BLOCK]).expect("written");
    out.finish().expect("written");
}

fn add(root: &Path, folder: &Path, out: &mut impl Write) {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .expect("there")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root).expect("in it");
        let name = name.to_str().expect("text");
        if path.is_dir() {
            out.write_all(&header(&format!("{name}/"), 0, b'5'))
                .expect("written");
            add(root, &path, out);
        } else {
            let content = fs::read(&path).expect("read");
            out.write_all(&header(name, content.len(), b'0'))
                .expect("written");
            out.write_all(&content).expect("written");
            let rest = content.len().next_multiple_of(BLOCK) - content.len();
            out.write_all(&vec![0; rest]).expect("written");
        }
    }
}

fn header(name: &str, len: usize, kind: u8) -> [u8; BLOCK] {
    assert!(name.len() < 100, "{name}");
    let mut header = [0; BLOCK];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, if kind == b'5' { "0000700" } else { "0000600" });
    put(108, "0000000");
    put(116, "0000000");
    put(124, &format!("{len:011o}"));
    put(136, "00000000000");
    put(148, "        ");
    put(257, "ustar");
    put(263, "00");
    header[156] = kind;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

/// Unpacks to a new folder.
pub fn unpack(from: &Path, folder: &Path) {
    let mut bytes = Vec::new();
    let file = File::open(from).expect("there");
    GzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
    fs::create_dir(folder).expect("made");
    let mut rest = &bytes[..];
    while let Some((header, behind)) = rest.split_at_checked(BLOCK) {
        if header[0] == 0 {
            return;
        }
        let text = |range: std::ops::Range<usize>| {
            let field = &header[range];
            let end = field
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(field.len());
            std::str::from_utf8(&field[..end]).expect("text").to_owned()
        };
        let name = text(0..100);
        let inside = Path::new(&name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        assert!(inside, "{name}");
        let len = usize::from_str_radix(&text(124..135), 8).expect("a length");
        let path = folder.join(&name);
        if header[156] == b'5' {
            fs::create_dir(path).expect("made");
        } else {
            fs::write(path, &behind[..len]).expect("written");
        }
        rest = &behind[len.next_multiple_of(BLOCK)..];
    }
    panic!("{} has no end", from.display());
}
