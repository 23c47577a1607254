//! What people read agrees with what the program does.
//!
//! Owner: whoever changes a setting, a metric, an endpoint or a page. Always: lists are compared in
//! both directions, with the program where it can be asked and with its source where it cannot.

#[path = "documents/coverage.rs"]
mod coverage;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use server::config::{Config, ServeArgs};
use server::telemetry::Telemetry;

const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];
const OPERATIONS: &str = "docs/operations.md";
const TESTING: &str = "docs/testing.md";
const GUARANTEES: &str = "docs/guarantees.md";
const CONFIG: &str = "server/src/config.rs";
const CONFIG_FILE: &str = "server/src/config/file.rs";
const ADMIN_CLIENT: &str = "server/src/cli/admin_client.rs";
const ROUTE: &str = "server/src/http/route.rs";

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(repository().join(path));
    text.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A source without the tests at its end.
fn program(path: &str) -> String {
    let text = read(path);
    text.split("#[cfg(test)]").next().unwrap_or("").to_owned()
}

/// The files of a folder that end so, relative to the repository.
fn files(folder: &str, ending: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(repository().join(folder)).expect(folder);
    entries
        .map(|entry| entry.expect(folder).file_name().into_string())
        .map(|name| name.expect("UTF-8"))
        .filter(|name| name.ends_with(ending))
        .map(|name| format!("{folder}/{name}").replace("./", ""))
        .collect()
}

/// Every page that people read.
fn pages() -> BTreeSet<String> {
    let mut pages = files("docs", ".md");
    pages.extend(files("docs/decisions", ".md"));
    pages.extend(files(".", ".md"));
    pages
}

fn between(text: &str, mark: char) -> impl Iterator<Item = &str> {
    text.split(mark).skip(1).step_by(2)
}

fn set<'a>(words: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// A table of a page: its head, then its rows.
#[derive(Debug, PartialEq, Eq)]
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// The words in backticks of one column.
    fn words(&self, column: usize) -> BTreeSet<String> {
        set(self.rows.iter().flat_map(|row| between(&row[column], '`')))
    }
}

fn tables(page: &str) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        let Some(line) = line.strip_prefix('|') else {
            inside = false;
            continue;
        };
        let cells: Vec<String> = line
            .trim_end_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect();
        match tables.last_mut().filter(|_| inside) {
            None => tables.push(Table {
                head: cells,
                rows: Vec::new(),
            }),
            Some(_) if cells.iter().all(|cell| cell == "---") => {}
            Some(table) => table.rows.push(cells),
        }
        inside = true;
    }
    tables
}

/// The tables of a page whose first column is called so.
fn tables_of(page: &str, first: &str) -> Vec<Table> {
    let found: Vec<Table> = tables(page)
        .into_iter()
        .filter(|table| table.head[0] == first)
        .collect();
    assert!(!found.is_empty(), "no table of {first:?}");
    found
}

/// The fenced blocks of one language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut open: Option<(bool, String)> = None;
    let mut found = Vec::new();
    for line in page.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(begun)) => open = Some((begun == language, String::new())),
            (Some(_), Some(_)) => found.extend(open.take().filter(|(ours, _)| *ours)),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found.into_iter().map(|(_, text)| text).collect()
}

/// Targets of relative links, without their anchors.
fn link_targets(page: &str) -> Vec<&str> {
    page.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty())
        .collect()
}

/// Tests that a page names as `path.rs::given_…`.
fn named_tests(page: &str) -> Vec<(&str, &str)> {
    between(page, '`')
        .filter_map(|word| word.split_once("::"))
        .filter(|(path, name)| path.ends_with(".rs") && name.starts_with("given_"))
        .collect()
}

/// What is wrong with a row of promise, tests, and whether one was seen red.
fn promise_fault(row: &[String]) -> Option<&'static str> {
    let [promise, tests, seen] = row else {
        return Some("not three cells");
    };
    let has_test = !named_tests(tests).is_empty();
    match (seen.strip_prefix("yes: "), seen.strip_prefix("no: ")) {
        _ if promise.is_empty() => Some("no promise"),
        _ if !has_test && tests != "no test" => Some("neither a test nor \"no test\""),
        (Some(""), _) | (_, Some("")) => Some("no reason"),
        (Some(_), _) if !tests.contains("` *") => Some("seen red, and no test is marked"),
        (_, Some(_)) if tests.contains("` *") => Some("a test is marked, and none was seen red"),
        (Some(_), _) | (_, Some(_)) => None,
        (None, None) => Some("neither \"yes: …\" nor \"no: …\""),
    }
}

fn without_visibility(line: &str) -> &str {
    let prefixes = ["pub(super) ", "pub "];
    let bare = prefixes.iter().find_map(|prefix| line.strip_prefix(prefix));
    bare.unwrap_or(line)
}

/// Fields of each struct of a source with their types, by the struct's name.
fn structs(source: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut all = BTreeMap::new();
    let mut current: Option<(String, Vec<(String, String)>)> = None;
    for line in source.lines() {
        let named = without_visibility(line);
        if let Some(name) = named
            .strip_prefix("struct ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            current = Some((name.to_owned(), Vec::new()));
        } else if line == "}" {
            all.extend(current.take());
        } else if let Some((_, fields)) = &mut current {
            let line = without_visibility(line.trim_start());
            let field = line
                .strip_suffix(',')
                .and_then(|line| line.split_once(": "));
            if let Some((name, kind)) = field.filter(|_| !line.starts_with(['/', '#'])) {
                fields.push((name.to_owned(), kind.to_owned()));
            }
        }
    }
    all
}

/// Keys of a settings file: fields of `root`, those of inner structs behind a dot.
fn keys(structs: &BTreeMap<String, Vec<(String, String)>>, root: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, kind) in &structs[root] {
        let inner = kind.trim_start_matches("Option<").trim_end_matches('>');
        if structs.contains_key(inner) {
            found.extend(
                keys(structs, inner)
                    .iter()
                    .map(|key| format!("{name}.{key}")),
            );
        } else {
            found.insert(name.clone());
        }
    }
    found
}

/// Our environment variables that a source names as text.
fn variables(source: &str) -> BTreeSet<String> {
    set(between(source, '"').filter(|text| {
        text.strip_prefix("RINGPOST_").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
        })
    }))
}

/// `VERB path` of each row of the router, by the function that makes the row.
fn routes(source: &str) -> BTreeMap<&str, BTreeSet<String>> {
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let table = source
        .split("const TABLE")
        .nth(1)
        .expect("the router's table");
    for line in table.lines().take_while(|line| *line != "];") {
        let Some((kind, rest)) = line.trim().split_once('(') else {
            continue;
        };
        let words: Vec<&str> = between(rest, '"').take(2).collect();
        found.entry(kind).or_default().insert(words.join(" "));
    }
    found
}

/// Every kind of metric has something to show: families without a member are not rendered.
fn metrics() -> (BTreeMap<String, String>, Vec<(String, String)>) {
    let telemetry = Telemetry::new(1, 0);
    telemetry.http_answered("/healthz", 200, 0, Duration::ZERO);
    telemetry.receipt_lag("app", 0);
    let text = telemetry.render();
    let kinds = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    (kinds, telemetry.names())
}

#[test]
fn given_the_metrics_of_the_server_when_compared_with_the_operations_page_should_be_the_same() {
    let (kinds, names) = metrics();
    let mut of_server: Vec<[String; 3]> = names
        .into_iter()
        .map(|(name, help)| {
            let kind = kinds[&name].clone();
            let total = if kind == "counter" { "_total" } else { "" };
            let help = help.trim_end_matches('.').to_owned();
            [format!("`{name}{total}`"), kind, help]
        })
        .collect();
    let mut of_page: Vec<[String; 3]> = tables_of(&read(OPERATIONS), "metric")
        .into_iter()
        .flat_map(|table| table.rows)
        .map(|row| [row[0].clone(), row[1].clone(), row[3].clone()])
        .collect();
    of_server.sort();
    of_page.sort();
    assert_eq!(of_page, of_server);
}

#[test]
fn given_the_settings_of_the_server_when_compared_with_the_operations_page_should_be_the_same() {
    let (source, page) = (program(CONFIG), read(OPERATIONS));
    let table = &tables_of(&page, "key in the file")[0];
    assert_eq!(
        table.words(0),
        keys(&self::structs(&program(CONFIG_FILE)), "File")
    );
    let structs = structs(&source);
    let flags = structs["ServeArgs"]
        .iter()
        .map(|(name, _)| format!("--{}", name.replace('_', "-")));
    assert_eq!(table.words(1), flags.collect());
    assert_eq!(table.words(2), variables(&source));
}

#[test]
fn given_the_keys_of_a_start_when_compared_with_the_operations_page_should_be_the_same() {
    let config = Config::load(&ServeArgs::default(), &HashMap::new()).expect("the defaults");
    let keys: BTreeMap<&str, bool> = config.keys().collect();
    let of_a_start = keys.iter().filter(|(_, at_once)| !**at_once);
    let page = read(OPERATIONS);
    let table = &tables_of(&page, "key that needs a restart")[0];
    assert_eq!(table.words(0), set(of_a_start.map(|(key, _)| *key)));
    assert_eq!(
        set(keys.into_keys()),
        self::keys(&structs(&program(CONFIG_FILE)), "File")
    );
}

#[test]
fn given_the_variables_of_the_command_line_when_the_operations_page_is_read_should_be_all_it_names()
{
    let page = read(OPERATIONS).replace("`RINGPOST_`", "");
    let known = &variables(&program(CONFIG)) | &variables(&program(ADMIN_CLIENT));
    let named = set(between(&page, '`').filter(|word| word.starts_with("RINGPOST_")));
    assert_eq!(named, known);
}

#[test]
fn given_a_file_of_the_documented_defaults_when_loaded_should_change_nothing() {
    let mut file = String::new();
    for row in &tables_of(&read(OPERATIONS), "key in the file")[0].rows {
        let (key, default) = (row[0].trim_matches('`'), &row[3]);
        let quoted = default
            .strip_prefix('`')
            .and_then(|rest| rest.strip_suffix('`'));
        match (default.parse::<u32>(), quoted) {
            (Ok(number), _) => file.push_str(&format!("{key} = {number}\n")),
            (_, Some("true" | "false")) => {
                file.push_str(&format!("{key} = {}\n", default.trim_matches('`')));
            }
            (_, Some(text)) => file.push_str(&format!("{key} = '{text}'\n")),
            // Words, not a value: what happens without the key.
            _ => {}
        }
    }
    assert!(file.lines().count() > 10, "{file}");
    let dir = tempfile::tempdir().expect("a folder");
    let path: PathBuf = dir.path().join("defaults.toml");
    fs::write(&path, &file).expect("written");
    let load = |config| {
        let args = ServeArgs {
            config,
            ..ServeArgs::default()
        };
        format!("{:#?}", Config::load(&args, &HashMap::new()).expect(&file))
    };
    assert_eq!(load(Some(path)), load(None));
}

#[test]
fn given_the_router_when_compared_with_the_pages_should_serve_what_they_say() {
    let source = program(ROUTE);
    let routes = routes(&source);
    for (readme, endpoint) in READMES.into_iter().zip(["endpoint", "接口"]) {
        let page = read(readme);
        let [works, known] = &tables_of(&page, endpoint)[..] else {
            panic!("{readme}: want one table of what works and one of what does not");
        };
        assert_eq!(works.words(0), routes["rest"], "{readme}: works");
        assert_eq!(known.words(0), routes["known"], "{readme}: not built");
    }
    let mut own = BTreeSet::new();
    for table in tables_of(&read(OPERATIONS), "endpoint") {
        own.extend(table.words(0));
    }
    assert_eq!(own, routes["row"], "{OPERATIONS}");
}

#[test]
fn given_both_readmes_when_their_commands_are_compared_should_be_the_same() {
    let [english, chinese] = READMES.map(|path| blocks(&read(path), "sh"));
    assert!(english.len() > 2);
    assert_eq!(english, chinese);
}

#[test]
fn given_every_page_when_its_relative_links_are_followed_should_find_files() {
    let mut lost = Vec::new();
    let mut followed = 0;
    for page in &pages() {
        let folder = repository().join(page);
        let folder = folder.parent().expect("a folder");
        let text = read(page);
        for target in link_targets(&text) {
            followed += 1;
            if !folder.join(target).exists() {
                lost.push(format!("{page}: {target}"));
            }
        }
    }
    assert!(followed > 0);
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn given_every_page_when_the_tests_it_names_are_looked_for_should_find_them() {
    let mut lost = Vec::new();
    for page in &pages() {
        for (path, name) in named_tests(&read(page)) {
            let source = fs::read_to_string(repository().join(path)).unwrap_or_default();
            if !source.contains(&format!("fn {name}(")) {
                lost.push(format!("{page}: {path}::{name}"));
            }
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

#[test]
fn given_the_promises_when_read_should_each_name_a_test_and_say_whether_it_was_seen_red() {
    let tables = tables_of(&read(GUARANTEES), "promise");
    let rows: Vec<&Vec<String>> = tables.iter().flat_map(|table| &table.rows).collect();
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| Some(format!("{}: {}", row[0], promise_fault(row)?)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let seen_red = rows.iter().filter(|row| row[2].starts_with("yes: "));
    assert!(seen_red.count() * 2 > rows.len(), "most were seen red");
}

#[test]
fn given_a_row_of_promises_when_it_is_silent_should_be_found() {
    let row = |cells: [&str; 3]| promise_fault(&cells.map(str::to_owned));
    let test = "`tests/a.rs::given_a` *";
    assert_eq!(row(["p", test, "yes: broken"]), None);
    assert_eq!(row(["p", "no test", "no: not tried"]), None);
    for cells in [
        ["", test, "yes: broken"],
        ["p", "`tests/a.rs`", "yes: broken"],
        ["p", test, "yes: "],
        ["p", test, "perhaps"],
        ["p", test, "no: not tried"],
        ["p", "`tests/a.rs::given_a`", "yes: broken"],
    ] {
        assert!(row(cells).is_some(), "{cells:?}");
    }
}

#[test]
fn given_the_page_of_the_tests_when_compared_with_the_folder_should_name_what_exists() {
    let page = read(TESTING);
    let named = set(between(&page, '`').filter(|word| word.ends_with(".rs")));
    let lost: Vec<&String> = named
        .iter()
        .filter(|path| !repository().join(path).exists())
        .collect();
    assert!(lost.is_empty(), "{lost:?}");
    let unnamed = &files("tests", ".rs") - &named;
    assert!(
        unnamed.is_empty(),
        "{unnamed:?} are not listed in {TESTING}"
    );
    let mut sizes = BTreeSet::new();
    for path in &files("tests", ".rs") | &files("sdk-sim/tests", ".rs") {
        sizes.extend(variables(&read(&path)));
    }
    let of_server = &variables(&program(CONFIG)) | &variables(&program(ADMIN_CLIENT));
    assert_eq!(
        tables_of(&page, "variable")[0].words(0),
        &sizes - &of_server
    );
}

#[test]
fn given_a_page_when_read_should_give_its_tables_blocks_and_links() {
    let page = "| a | b |\n| --- | --- |\n| `x`, `y` | 1 |\n\n| c |\n| --- |\n```sh\nrun\n```\n```text\nout\n```\n\
        [one](one.md#part) [two](https://two.example) [three](#three) [four](../four)\n";
    let found = tables(page);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].words(0), set(["x", "y"]));
    assert!(found[1].rows.is_empty());
    assert_eq!(blocks(page, "sh"), ["run\n"]);
    assert_eq!(link_targets(page), ["one.md", "../four"]);
}

#[test]
fn given_sources_when_read_should_give_keys_variables_and_routes() {
    let source = "struct File {\n    /// Doc: of it,\n    #[arg(long)]\n    data: Option<PathBuf>,\n    log: Option<Log>,\n}\n\
        pub struct Log {\n    pub filter: Vec<String>,\n}\nget(\"RINGPOST_DATA\", \"RINGPOST_\");\n";
    assert_eq!(keys(&structs(source), "File"), set(["data", "log.filter"]));
    assert_eq!(variables(source), set(["RINGPOST_DATA"]));
    let table = "const TABLE: &[Row] = &[\n    rest(\"GET\", \"/a\", E::A),\n    known(\"PUT\", \"/b\"),\n];\nrow(\"x\", \"y\")\n";
    let routes = routes(table);
    assert_eq!(routes["rest"], set(["GET /a"]));
    assert_eq!(routes["known"], set(["PUT /b"]));
    assert_eq!(routes.len(), 2);
}
