//! The rules of the house that no compiler knows.
//!
//! Owner: everybody; a rule changes by changing its function here. Always: each rule is a function from text to
//! findings, is run over the whole repository, and is tried on a bad input of its own.

mod source_text;

use std::collections::BTreeMap;
use std::fs;

use source_text::{SourceFile, code_of, line_of, repository, rust_files, words};

/// Names that say nothing about what a file owns.
const BANNED_FILE_NAMES: &[&str] = &[
    "common", "helper", "helpers", "manager", "misc", "types", "util", "utils",
];

/// Macros that mark unfinished work; written apart so that this file passes its own rule.
const LEFTOVER_MACROS: &[&str] = &["todo", "unimplemented", "dbg"];

/// Words that mark unfinished work, in comments too.
const LEFTOVER_WORDS: &[&str] = &[
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X"),
];

/// Longest file, lines. Aim at 400; from here on a file has two ideas.
const FILE_LINES_MAX: usize = 600;

/// Files longer than [`FILE_LINES_MAX`] and how long they are. An entry may only shrink, and goes when it can.
const LONG_FILES: &[(&str, usize)] = &[];

/// Test folders where waiting is never a way to know something: nothing there has a clock of its own.
const SLEEPLESS: &[&str] = &["schema/tests/", "protocol/tests/", "server/core/tests/"];

/// Endings that make a word of ARCHITECTURE.md a path even without a slash.
const PATH_ENDINGS: &[&str] = &[".fbs", ".md", ".rs", ".sh", ".toml"];

fn is_generated(path: &str) -> bool {
    path.contains("/generated/")
}

fn missing_header(path: &str, text: &str) -> Vec<String> {
    if text.starts_with("//! ") {
        return Vec::new();
    }
    vec![format!("{path}:1: no //! header that says who owns it")]
}

fn banned_file_name(path: &str, _text: &str) -> Vec<String> {
    let banned = |part: &&str| BANNED_FILE_NAMES.contains(&part.trim_end_matches(".rs"));
    path.split('/')
        .filter(banned)
        .map(|part| format!("{path}: {part} names no owner"))
        .collect()
}

fn leftovers(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let macros = LEFTOVER_MACROS.iter().flat_map(|name| {
        words(&code, name)
            .filter(|at| code[at + name.len()..].starts_with('!'))
            .map(|at| (at, format!("{name}!"), &code))
            .collect::<Vec<_>>()
    });
    let text = text.to_owned();
    let marks = LEFTOVER_WORDS.iter().flat_map(|word| {
        words(&text, word)
            .map(|at| (at, (*word).to_owned(), &text))
            .collect::<Vec<_>>()
    });
    macros
        .chain(marks)
        .map(|(at, what, text)| format!("{path}:{}: {what}", line_of(text, at)))
        .collect()
}

fn endless_in_code(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text).to_lowercase();
    let word = "unbounded";
    code.match_indices(word)
        .map(|(at, _)| format!("{path}:{}: {word}; give it a bound", line_of(&code, at)))
        .collect()
}

fn sleep_in_pure_tests(path: &str, text: &str) -> Vec<String> {
    if !SLEEPLESS.iter().any(|folder| path.starts_with(folder)) {
        return Vec::new();
    }
    let code = code_of(text);
    words(&code, "sleep")
        .filter(|at| code[at + "sleep".len()..].starts_with('('))
        .map(|at| {
            format!(
                "{path}:{}: sleep in a test without a clock",
                line_of(&code, at)
            )
        })
        .collect()
}

/// Files longer than they may be, and entries of `long` that are higher than their file.
fn too_long(lines: &BTreeMap<String, usize>, long: &[(&str, usize)]) -> Vec<String> {
    let listed = |path: &str| long.iter().find(|(name, _)| *name == path);
    let grown = lines.iter().filter_map(|(path, count)| {
        let allowed = listed(path).map_or(FILE_LINES_MAX, |(_, allowed)| *allowed);
        (*count > allowed).then(|| format!("{path}: {count} lines, at most {allowed}"))
    });
    let stale = long.iter().filter_map(|(path, allowed)| {
        let count = lines.get(*path).copied().unwrap_or(0);
        let wanted = if count > FILE_LINES_MAX {
            format!("lower it to {count}")
        } else {
            "take it out".to_owned()
        };
        (count < *allowed).then(|| format!("LONG_FILES, {path}: {count} lines now, {wanted}"))
    });
    grown.chain(stale).collect()
}

/// The paths a clippy.toml bans.
fn bans(clippy_toml: &str) -> Vec<&str> {
    clippy_toml
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once("path = \"")?.1.split('"').next())
        .collect()
}

/// Bans of the root that a crate's own clippy.toml, which replaces it, has lost.
fn lost_bans(root: &str, path: &str, own: &str) -> Vec<String> {
    let own = bans(own);
    bans(root)
        .into_iter()
        .filter(|ban| !own.contains(ban))
        .map(|ban| format!("{path} does not repeat the ban of {ban}"))
        .collect()
}

/// Words in single backticks, outside fenced blocks.
fn backticked(document: &str) -> Vec<&str> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

/// A path of the repository, with the test it names if any. An absolute one is a URL's, a `*` or a space no path's.
fn as_path(word: &str) -> Option<(&str, Option<&str>)> {
    let (path, test) = match word.split_once("::") {
        Some((path, test)) => (path, Some(test.rsplit("::").next().unwrap_or(test))),
        None => (word, None),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    let looks = path.contains('/') || PATH_ENDINGS.iter().any(|ending| path.ends_with(ending));
    (looks && path.chars().all(plain) && !path.starts_with('/')).then_some((path, test))
}

/// Paths and tests that `document` names and that are not there. `read` gives a file's text, or "" for a folder.
fn lost_references(document: &str, read: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, test) in backticked(document).into_iter().filter_map(as_path) {
        match (read(path), test) {
            (None, _) => findings.push(format!("{path} does not exist")),
            (Some(text), Some(test)) if !text.contains(&format!("fn {test}(")) => {
                findings.push(format!("{path} has no test {test}"));
            }
            _ => {}
        }
    }
    findings
}

fn sources() -> Vec<SourceFile> {
    rust_files("")
        .into_iter()
        .filter(|file| !is_generated(&file.path))
        .collect()
}

fn everywhere(rule: fn(&str, &str) -> Vec<String>) {
    let findings: Vec<String> = sources()
        .iter()
        .flat_map(|file| rule(&file.path, &file.text))
        .collect();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn given_every_source_when_read_should_begin_with_a_header() {
    everywhere(missing_header);
}

#[test]
fn given_a_source_without_header_when_read_should_be_found() {
    assert_eq!(missing_header("a.rs", "//! Owner: a.\nuse b;\n"), [""; 0]);
    for text in [
        "use b;\n",
        "// A comment.\n",
        "\n//! Too late.\n",
        "",
        "//!\n",
    ] {
        assert_eq!(missing_header("a.rs", text).len(), 1, "{text:?}");
    }
}

#[test]
fn given_every_source_when_named_should_say_what_it_owns() {
    everywhere(banned_file_name);
}

#[test]
fn given_a_banned_name_of_file_or_folder_when_read_should_be_found() {
    for path in [
        "server/src/util.rs",
        "server/src/helpers/mod.rs",
        "types.rs",
    ] {
        assert_eq!(banned_file_name(path, "").len(), 1, "{path}");
    }
    assert_eq!(banned_file_name("server/src/utility_rate.rs", ""), [""; 0]);
}

#[test]
fn given_every_source_when_read_should_hold_no_unfinished_work() {
    everywhere(leftovers);
}

#[test]
fn given_unfinished_work_when_read_should_be_found_with_its_line() {
    let text = format!(
        "// dbg! in a comment\nfn a() {{ {}!() }}\n// {}: later\nfn todo() {{}}\n",
        LEFTOVER_MACROS[0], LEFTOVER_WORDS[0]
    );
    assert_eq!(
        leftovers("a.rs", &text),
        [
            "a.rs:2: todo!".to_owned(),
            format!("a.rs:3: {}", LEFTOVER_WORDS[0])
        ]
    );
}

#[test]
fn given_every_source_when_read_should_hold_no_queue_without_a_bound() {
    everywhere(endless_in_code);
}

#[test]
fn given_an_endless_queue_in_code_when_read_should_be_found_and_in_a_comment_not() {
    let text = "// unbounded is banned\nlet (a, b) = mpsc::unbounded_channel();\ntype A = UnboundedSender;\n";
    assert_eq!(endless_in_code("a.rs", text).len(), 2);
}

#[test]
fn given_the_tests_of_pure_crates_when_read_should_never_sleep() {
    everywhere(sleep_in_pure_tests);
}

#[test]
fn given_a_sleep_in_a_pure_test_when_read_should_be_found() {
    let text = "// sleep( here\nstd::thread::sleep(second);\n";
    assert_eq!(
        sleep_in_pure_tests("protocol/tests/golden.rs", text),
        ["protocol/tests/golden.rs:2: sleep in a test without a clock"]
    );
    assert_eq!(sleep_in_pure_tests("tests/device.rs", text), [""; 0]);
}

#[test]
fn given_every_source_when_measured_should_be_no_longer_than_allowed() {
    let lines = sources()
        .into_iter()
        .map(|file| (file.path, file.text.lines().count()))
        .collect();
    let findings = too_long(&lines, LONG_FILES);
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn given_grown_and_shrunk_files_when_measured_should_turn_the_ratchet_one_way() {
    let lines = BTreeMap::from([
        ("fits.rs".to_owned(), FILE_LINES_MAX),
        ("grew.rs".to_owned(), FILE_LINES_MAX + 1),
        ("listed_and_grew.rs".to_owned(), 801),
        ("listed_and_same.rs".to_owned(), 800),
        ("listed_and_shrank.rs".to_owned(), 700),
        ("listed_and_fits.rs".to_owned(), 400),
    ]);
    let long = [
        ("listed_and_grew.rs", 800),
        ("listed_and_same.rs", 800),
        ("listed_and_shrank.rs", 800),
        ("listed_and_fits.rs", 800),
        ("listed_and_gone.rs", 800),
    ];
    assert_eq!(
        too_long(&lines, &long),
        [
            "grew.rs: 601 lines, at most 600",
            "listed_and_grew.rs: 801 lines, at most 800",
            "LONG_FILES, listed_and_shrank.rs: 700 lines now, lower it to 700",
            "LONG_FILES, listed_and_fits.rs: 400 lines now, take it out",
            "LONG_FILES, listed_and_gone.rs: 0 lines now, take it out",
        ]
    );
}

#[test]
fn given_a_crate_with_its_own_clippy_toml_when_read_should_repeat_the_bans_of_the_root() {
    let read = |path: &str| fs::read_to_string(repository().join(path)).ok();
    let root = read("clippy.toml").expect("clippy.toml at the root");
    assert!(!bans(&root).is_empty());
    let own = ["protocol", "schema", "sdk-sim", "server", "server/core"]
        .map(|folder| format!("{folder}/clippy.toml"));
    let findings: Vec<String> = own
        .iter()
        .filter_map(|path| Some(lost_bans(&root, path, &read(path)?)))
        .flatten()
        .collect();
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn given_a_clippy_toml_that_lost_a_ban_when_read_should_name_it() {
    let root = "a = [\n  { path = \"std::A\", reason = \"r\" },\n  { path = \"std::B\" },\n]\n";
    let own = "a = [\n  # { path = \"std::B\" },\n  { path = \"std::A\" },\n]\n";
    assert_eq!(
        lost_bans(root, "x/clippy.toml", own),
        ["x/clippy.toml does not repeat the ban of std::B"]
    );
}

#[test]
fn given_the_architecture_page_when_read_should_name_only_what_exists() {
    let page = fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let read = |path: &str| {
        let path = repository().join(path);
        let folder = path.is_dir().then(String::new);
        folder.or_else(|| fs::read_to_string(path).ok())
    };
    let named = backticked(&page).into_iter().filter_map(as_path).count();
    assert!(named > 0, "ARCHITECTURE.md names no path at all");
    let findings = lost_references(&page, read);
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn given_a_page_with_lost_paths_and_tests_when_read_should_name_each() {
    let page = "See `server/core`, `tests/tidy.rs::given_a`, `tests/tidy.rs::given_gone`, `tests/gone.rs::given_a`,\n\
        `gone.md` and `tests/tidy.rs::deep::given_a`; `GET /healthz`, `/metrics`, `src/*.rs` and `Effect::Send` are\n\
        no paths.\n```\n`fenced/path`\n```\n";
    let read = |path: &str| match path {
        "server/core" => Some(String::new()),
        "tests/tidy.rs" => Some("fn given_a() {}".to_owned()),
        _ => None,
    };
    assert_eq!(
        lost_references(page, read),
        [
            "tests/tidy.rs has no test given_gone",
            "tests/gone.rs does not exist",
            "gone.md does not exist",
        ]
    );
}

#[test]
fn given_comments_strings_and_characters_when_blanked_should_leave_code_and_lines() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("f(\"x\\\"y\", z)", "f(      , z)"),
        ("let r = r#\"x\"y\"#;", "let r =         ;"),
        ("br\"x\" var\"y\"", "b     var   "),
        (
            "'a' 'b: &'static str '\\'' '\"' x",
            "    'b: &'static str          x",
        ),
        ("\"a\nb\" c", "  \n   c"),
        ("\"open", "     "),
    ];
    for (text, code) in cases {
        assert_eq!(code_of(text), code, "{text:?}");
    }
}
