//! The repository's Rust files as text, and their code without comments and strings.
//!
//! Owner: the tests that judge the sources (`arrows`, `tidy`). Always: paths are relative to the repository with `/`;
//! code keeps the line breaks of its text, so a finding's line number is right.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of the repository.
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file under `folder`, in order of path; build output and hidden folders are left out.
pub(crate) fn rust_files(folder: &str) -> Vec<SourceFile> {
    let mut files = Vec::new();
    let mut folders = vec![repository().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                files.push(read(path));
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!files.is_empty(), "no Rust file under {folder:?}");
    files
}

fn read(path: PathBuf) -> SourceFile {
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let relative = path.strip_prefix(repository()).unwrap();
    SourceFile {
        path: relative.to_string_lossy().replace('\\', "/"),
        text,
    }
}

/// `text` with comments and the contents of strings and characters blanked.
pub(crate) fn code_of(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match skipped(&chars, at) {
            Some(end) => end,
            None => {
                code.push(chars[at]);
                at += 1;
                continue;
            }
        };
        let blank = |c: &char| if *c == '\n' { '\n' } else { ' ' };
        code.extend(chars[at..end].iter().map(blank));
        at = end;
    }
    code
}

/// Where the comment or literal that starts at `at` ends, if one starts there.
fn skipped(chars: &[char], at: usize) -> Option<usize> {
    let next = chars.get(at + 1);
    match chars[at] {
        '/' if next == Some(&'/') => Some(line_end(chars, at)),
        '/' if next == Some(&'*') => Some(block_end(chars, at)),
        '"' => Some(quoted_end(chars, at)),
        'r' if !continues_word(chars, at) => raw_end(chars, at),
        '\'' => char_end(chars, at),
        _ => None,
    }
}

/// An `r` inside a word starts no raw string, except after the `b` or `c` of a byte or C string.
fn continues_word(chars: &[char], at: usize) -> bool {
    let is_word = |at: usize| chars[at].is_alphanumeric() || chars[at] == '_';
    let after_prefix = at > 0 && matches!(chars[at - 1], 'b' | 'c') && (at < 2 || !is_word(at - 2));
    at > 0 && is_word(at - 1) && !after_prefix
}

fn line_end(chars: &[char], at: usize) -> usize {
    let rest = chars[at..].iter().position(|c| *c == '\n');
    rest.map_or(chars.len(), |len| at + len)
}

fn block_end(chars: &[char], mut at: usize) -> usize {
    let mut depth = 0;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn quoted_end(chars: &[char], at: usize) -> usize {
    let mut at = at + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_end(chars: &[char], at: usize) -> Option<usize> {
    let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
    let open = at + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |end: &usize| {
        chars[*end] == '"'
            && chars.len() > end + hashes
            && chars[end + 1..=end + hashes].iter().all(|c| *c == '#')
    };
    let end = (open + 1..chars.len()).find(closes);
    Some(end.map_or(chars.len(), |end| end + 1 + hashes))
}

/// A quote starts a character, or a lifetime, which is code.
fn char_end(chars: &[char], at: usize) -> Option<usize> {
    if chars.get(at + 1) == Some(&'\\') {
        let close = chars.iter().skip(at + 3).position(|c| *c == '\'');
        return close.map(|len| at + 3 + len + 1);
    }
    (chars.get(at + 2) == Some(&'\'')).then_some(at + 3)
}

/// Every whole word `word` of `code`, as the byte where it starts.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| !code[..*at].ends_with(is_word))
        .filter(move |at| !code[at + word.len()..].starts_with(is_word))
}

/// The number of the line that holds byte `at`.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}
