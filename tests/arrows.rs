//! Who may know whom: the arrows between the crates, and between the rooms of `server`.
//!
//! Owner: the design; whoever needs an arrow that is not here changes the design first. Always: what is not drawn is
//! forbidden. Each rule is a function from text to findings with a bad input of its own.

mod source_text;

use std::process::Command;

use serde_json::Value;
use source_text::{code_of, line_of, repository, rust_files, words};

/// Crate, and the crates of ours it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("schema", &[]),
    ("protocol", &[]),
    ("server-core", &["protocol", "schema"]),
    ("server", &["protocol", "schema", "server-core"]),
    ("sdk-sim", &["protocol", "schema", "server-core"]),
    (
        "ringpost",
        &["protocol", "schema", "sdk-sim", "server", "server-core"],
    ),
];

/// Arrows that not even a test may draw: nothing knows the root package, the server never knows its own load.
const NEVER: &[(&str, &str)] = &[("*", "ringpost"), ("server", "sdk-sim")];

/// Runtimes, sockets, disks, clocks, entropy and serialisation of the outside: not in a pure crate, however deep.
const IMPURE: &[&str] = &[
    "chrono",
    "fjall",
    "getrandom",
    "glommio",
    "hyper",
    "mio",
    "quanta",
    "rand",
    "rustix",
    "rustls",
    "serde",
    "socket2",
    "time",
    "tokio",
    "tokio-uring",
];

/// The modules of std that are a runtime, a socket or a disk.
const IMPURE_STD: &[&str] = &["env", "fs", "net", "process", "thread"];

/// The clocks of std, under their own names: a pure crate has no other use for these words.
const CLOCKS: &[&str] = &["Instant", "SystemTime"];

/// Rooms of `server` that do not know each other.
const ROOMS: &[&str] = &["net", "http", "store", "cluster", "webhook"];

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(repository())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "cargo {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("cargo prints UTF-8")
}

/// Arrows of `metadata` that are not drawn. A dev-dependency is not an arrow, unless it is one of [`NEVER`].
fn undrawn_arrows(metadata: &Value) -> Vec<String> {
    let empty = Vec::new();
    let list = |value: &Value| value.as_array().unwrap_or(&empty).clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let packages = list(&metadata["packages"]);
    let ours: Vec<String> = packages.iter().map(|p| text(&p["name"])).collect();
    let mut findings = Vec::new();
    for package in &packages {
        let from = text(&package["name"]);
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
            findings.push(format!("{from} is not in ARROWS"));
            continue;
        };
        for dependency in list(&package["dependencies"]) {
            let to = text(&dependency["name"]);
            let never = NEVER
                .iter()
                .any(|(who, whom)| (*who == "*" || *who == from) && *whom == to);
            let counts = text(&dependency["kind"]) != "dev" && ours.contains(&to);
            if never || (counts && !allowed.contains(&to.as_str())) {
                findings.push(format!("{from} -> {to}"));
            }
        }
    }
    findings
}

/// Crates of a `cargo tree --prefix none` that a pure crate may not reach.
fn impure_crates(tree: &str) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let mut findings: Vec<String> = names
        .filter(|name| IMPURE.contains(name))
        .map(str::to_owned)
        .collect();
    findings.sort();
    findings.dedup();
    findings
}

/// Uses of std in a pure crate that are not pure.
fn impure_std(path: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let modules = words(&code, "std").flat_map(|at| {
        let tree = code[at + "std".len()..].trim_start().strip_prefix("::");
        tree.into_iter()
            .flat_map(first_names)
            .filter(|name| IMPURE_STD.contains(&name.as_str()))
            .map(move |name| (at, format!("std::{name}")))
    });
    let clocks = CLOCKS
        .iter()
        .flat_map(|clock| words(&code, clock).map(|at| (at, (*clock).to_owned())));
    modules
        .chain(clocks)
        .map(|(at, name)| format!("{path}:{}: {name}", line_of(&code, at)))
        .collect()
}

/// The modules at the crate's root that the code names, each with the byte where it does. `*` stands for all.
fn root_modules(module_depth: usize, code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for at in words(code, "crate") {
        let rest = &code[at + "crate".len()..];
        if let Some(tree) = rest.trim_start().strip_prefix("::") {
            found.extend(first_names(tree).map(|name| (at, name)));
        } else if words(rest, "as").next() == Some(1) {
            found.push((at, "*".to_owned()));
        }
    }
    for at in words(code, "super") {
        let mut rest = &code[at..];
        let mut depth = 0;
        while let Some(deeper) = rest.strip_prefix("super::") {
            depth += 1;
            rest = deeper;
        }
        if depth >= module_depth && depth > 0 {
            found.extend(first_names(rest).map(|name| (at, name)));
        }
    }
    found
}

/// The first names of a use tree: `a::b` gives a, `{a::b, c}` gives a and c, `*` gives `*`.
fn first_names(tree: &str) -> impl Iterator<Item = String> {
    let tree = tree.trim_start();
    let mut branches = Vec::new();
    match tree.strip_prefix('{') {
        None => branches.push(tree),
        Some(group) => {
            let (mut depth, mut start) = (0usize, 0);
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth > 0 => depth -= 1,
                    ',' if depth == 0 => {
                        branches.push(&group[start..at]);
                        start = at + 1;
                    }
                    '}' => {
                        branches.push(&group[start..at]);
                        break;
                    }
                    _ => {}
                }
            }
        }
    }
    let name_of = |branch: &str| {
        let branch = branch.trim_start();
        let end = branch.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*'));
        branch[..end.unwrap_or(branch.len())].to_owned()
    };
    let names: Vec<String> = branches.into_iter().map(name_of).collect();
    names.into_iter().filter(|name| !name.is_empty())
}

/// Where a file of `server` names a room that is not its own. `path` is relative to server/src.
fn rooms_named(path: &str, text: &str) -> Vec<String> {
    let module = path.trim_end_matches(".rs").trim_end_matches("/mod");
    let room = module.split('/').next().unwrap_or_default();
    if !ROOMS.contains(&room) {
        return Vec::new();
    }
    let code = code_of(text);
    let module_depth = module.split('/').count();
    root_modules(module_depth, &code)
        .into_iter()
        .filter(|(_, name)| name == "*" || (ROOMS.contains(&name.as_str()) && name != room))
        .map(|(at, name)| format!("{path}:{}: {room} names {name}", line_of(&code, at)))
        .collect()
}

/// Where a file of `sdk-sim` outside its simulation names server-core. `path` is relative to sdk-sim/src.
fn core_named_outside_simulation(path: &str, text: &str) -> Vec<String> {
    if path == "sim.rs" || path.starts_with("sim/") {
        return Vec::new();
    }
    let code = code_of(text);
    words(&code, "server_core")
        .map(|at| format!("{path}:{}: server_core", line_of(&code, at)))
        .collect()
}

fn findings_under(folder: &str, rule: fn(&str, &str) -> Vec<String>) -> Vec<String> {
    rust_files(folder)
        .iter()
        .flat_map(|file| {
            rule(
                file.path.trim_start_matches(folder).trim_start_matches('/'),
                &file.text,
            )
        })
        .collect()
}

const NONE: [String; 0] = [];

#[test]
fn given_the_workspace_when_its_dependencies_are_read_should_draw_only_the_arrows_of_the_design() {
    let text = cargo(&[
        "metadata",
        "--no-deps",
        "--format-version",
        "1",
        "--offline",
    ]);
    let metadata: Value = serde_json::from_str(&text).expect("cargo metadata is JSON");
    assert_eq!(
        metadata["packages"].as_array().map(Vec::len),
        Some(ARROWS.len())
    );
    assert_eq!(undrawn_arrows(&metadata), NONE);
}

#[test]
fn given_forbidden_dependencies_when_read_should_be_found() {
    let metadata = serde_json::json!({ "packages": [
        { "name": "protocol", "dependencies": [
            { "name": "schema", "kind": null },
            { "name": "bytes", "kind": null },
        ] },
        { "name": "schema", "dependencies": [
            { "name": "protocol", "kind": "dev" },
            { "name": "ringpost", "kind": "dev" },
        ] },
        { "name": "server", "dependencies": [
            { "name": "sdk-sim", "kind": "dev" },
            { "name": "server-core", "kind": "build" },
        ] },
        { "name": "newcomer", "dependencies": [] },
    ] });
    assert_eq!(
        undrawn_arrows(&metadata),
        [
            "protocol -> schema",
            "schema -> ringpost",
            "server -> sdk-sim",
            "newcomer is not in ARROWS",
        ]
    );
}

#[test]
fn given_the_pure_crates_when_their_trees_are_read_should_reach_no_runtime_socket_or_clock() {
    for name in ["schema", "protocol", "server-core"] {
        let tree = cargo(&[
            "tree",
            "-p",
            name,
            "-e",
            "normal",
            "--prefix",
            "none",
            "--offline",
        ]);
        assert!(tree.starts_with(name), "{tree}");
        assert_eq!(impure_crates(&tree), NONE, "{name}");
    }
}

#[test]
fn given_a_tree_with_a_runtime_when_read_should_name_it_once() {
    let tree = "server-core v0.1.0 (/repo)\nbytes v1.12.1\ntokio v1.54.0\nserde_json v1.0.0\ntokio v1.54.0 (*)\n";
    assert_eq!(impure_crates(tree), ["tokio"]);
}

#[test]
fn given_the_pure_crates_when_their_sources_are_read_should_use_no_impure_std() {
    for folder in ["protocol/src", "server/core/src", "schema/src"] {
        assert_eq!(findings_under(folder, impure_std), NONE, "{folder}");
    }
}

#[test]
fn given_clocks_and_sockets_in_code_when_read_should_be_found_and_those_in_comments_not() {
    let text = "// std::net, Instant\nuse std::time::{Duration, Instant};\nuse std::{fmt, net::TcpStream};\nstd::fs::read(p)\n";
    assert_eq!(
        impure_std("a.rs", text),
        ["a.rs:3: std::net", "a.rs:4: std::fs", "a.rs:2: Instant"]
    );
}

#[test]
fn given_the_server_when_its_sources_are_read_should_keep_its_rooms_apart() {
    assert_eq!(findings_under("server/src", rooms_named), NONE);
}

#[test]
fn given_rooms_that_name_each_other_when_read_should_be_found_however_they_do() {
    let cases = [
        ("net/tls.rs", "use crate::store::Writer;", "net names store"),
        ("net.rs", "use super::http;", "net names http"),
        (
            "net/tls.rs",
            "use super::super::http::Edge;",
            "net names http",
        ),
        (
            "http/edge.rs",
            "use crate::{ask::{Asker, net}, cluster};",
            "http names cluster",
        ),
        (
            "store/mod.rs",
            "fn f() { crate :: net::go() }",
            "store names net",
        ),
        ("store/mod.rs", "use crate::*;", "store names *"),
        ("store/mod.rs", "use crate as all;", "store names *"),
    ];
    for (path, text, what) in cases {
        assert_eq!(
            rooms_named(path, text),
            [format!("{path}:1: {what}")],
            "{text}"
        );
    }
}

#[test]
fn given_what_a_room_may_name_when_read_should_not_be_found() {
    let cases = [
        ("net/tls.rs", "use crate::net::Socket; use super::listener;"),
        (
            "net/tls.rs",
            "use super::http; // a module net::http of its own",
        ),
        (
            "net/tls.rs",
            "use std::net::TcpStream; pub(crate) fn store() {}",
        ),
        (
            "net/tls.rs",
            "// crate::store\nlet a = \"crate::store\"; let b = r#\"\"crate::http\"#;",
        ),
        ("http/edge.rs", "use crate::{ask::{store, net}, limits};"),
        ("shard.rs", "use crate::{net, store, http};"),
    ];
    for (path, text) in cases {
        assert_eq!(rooms_named(path, text), NONE, "{text}");
    }
}

#[test]
fn given_the_simulator_when_its_sources_are_read_should_name_the_core_only_in_its_simulation() {
    assert_eq!(
        findings_under("sdk-sim/src", core_named_outside_simulation),
        NONE
    );
}

#[test]
fn given_the_core_named_in_the_client_when_read_should_be_found() {
    let text = "//! No server_core here.\nuse server_core::Shard;\n";
    assert_eq!(
        core_named_outside_simulation("client/session.rs", text),
        ["client/session.rs:2: server_core"]
    );
    assert_eq!(core_named_outside_simulation("sim/world.rs", text), NONE);
}
