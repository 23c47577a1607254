//! The page that says what is served of the REST API: endpoints, members of requests and codes.
//!
//! Owner: whoever adds one of them. Always: the router, the readers of requests and the table of
//! faults are read from their sources, and compared in both directions.

use std::collections::{BTreeMap, BTreeSet};

use super::{ROUTE, Table, between, files, program, read, routes, set, tables_of};

const COVERAGE: &str = "docs/rest-v2-coverage.md";
const INGRESS: &str = "server/src/http";

/// Readers of what operators send and of what is stored: no requests of the REST API.
const ELSEWHERE: [&str; 6] = [
    "admin.rs",
    "backup.rs",
    "device_line.rs",
    "receipts.rs",
    "transfer.rs",
    "vendor_desk.rs",
];

/// Objects of the REST API by the name that the coverage page gives them.
const OBJECTS: [(&str, &str); 19] = [
    ("Audience", "audience"),
    ("AuthBody", "auth"),
    ("RawBadge", "badge"),
    ("RawBatch", "batch"),
    ("RawCids", "tag batch"),
    ("RawCondition", "audience.tag"),
    ("RawCount", "count"),
    ("RawList", "alias"),
    ("RawListPush", "list"),
    ("RawMessage", "push_message"),
    ("RawNotification", "push_message.notification"),
    ("RawPair", "alias.data_list"),
    ("RawRequest", "push"),
    ("RawRevoke", "push_message.revoke"),
    ("RawSettings", "settings"),
    ("RawTagTerm", "audience.cid_by_tag"),
    ("RawTags", "tags"),
    ("RawToken", "tokens.dt_list"),
    ("RawTokens", "tokens"),
];

/// `object.member` of what a source reads of requests, the objects as the coverage page names them.
fn members(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for declared in source.split("object! {").skip(1) {
        let (head, rest) = declared.split_once(" {").expect("the members of an object");
        let name = head
            .split_whitespace()
            .last()
            .expect("the name of an object");
        let known = OBJECTS.iter().find(|(object, _)| *object == name);
        let (_, of) = known.unwrap_or_else(|| panic!("{name} has no name on {COVERAGE}"));
        let (members, _) = rest.split_once('}').expect("the end of an object");
        let members = members
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        found.extend(members.map(|name| format!("{of} {name}")));
    }
    for function in ["query_value(", "date_of_query("] {
        let calls = source.split(function).skip(1);
        let arguments = calls.filter_map(|rest| rest.lines().next());
        let names = arguments.filter_map(|arguments| between(arguments, '"').next());
        found.extend(names.map(|name| format!("query {name}")));
    }
    found
}

/// Numbers behind the arrows of the functions `code` of a source.
fn codes(source: &str) -> BTreeSet<String> {
    let functions = source.split("fn code(self) -> i32 {").skip(1);
    let arms = functions.flat_map(|rest| rest.split("\n    }\n").next().unwrap_or("").split("=> "));
    set(arms
        .filter_map(|arm| arm.split(',').next())
        .filter(|arm| arm.parse::<u32>().is_ok()))
}

/// The cells of a table of the coverage page, by what stands in its column of states.
fn states(tables: &[Table], column: usize, known: &[&str]) -> BTreeMap<String, Vec<Vec<String>>> {
    let mut states: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        let state = &row[column];
        assert!(
            known.contains(&state.as_str()),
            "{row:?}: a state of {known:?}"
        );
        states.entry(state.clone()).or_default().push(row.clone());
    }
    states
}

#[test]
fn given_the_router_when_compared_with_the_coverage_page_should_have_a_row_for_each_endpoint() {
    let source = program(ROUTE);
    let routes = routes(&source);
    let tables = tables_of(&read(COVERAGE), "endpoint");
    let all = ["works", "refused", "accepted, no effect yet", "not enabled"];
    let mut states = states(&tables, 1, &all);
    let mut words = |state: &str| -> BTreeSet<String> {
        let rows = states.remove(state).unwrap_or_default();
        set(rows.iter().flat_map(|row| between(&row[0], '`')))
    };
    assert_eq!(words("not enabled"), routes["known"]);
    let served = [
        words("works"),
        words("refused"),
        words("accepted, no effect yet"),
    ];
    assert_eq!(
        served.into_iter().flatten().collect::<BTreeSet<_>>(),
        routes["rest"]
    );
}

#[test]
fn given_what_is_read_of_requests_when_compared_with_the_coverage_page_should_have_a_row_for_each_member()
 {
    let mut read_here = BTreeSet::new();
    for path in files(INGRESS, ".rs") {
        let name = path.rsplit('/').next().unwrap_or_default();
        // The macro itself declares no object of the API.
        if name != "member.rs" && !ELSEWHERE.contains(&name) {
            read_here.extend(members(&program(&path)));
        }
    }
    let tables = tables_of(&read(COVERAGE), "of");
    let states = states(
        &tables,
        2,
        &["works", "accepted, no effect yet", "not read"],
    );
    let (mut of_page, mut unread) = (BTreeSet::new(), BTreeSet::new());
    for (state, rows) in &states {
        for row in rows {
            let of = row[0].trim_matches('`');
            let names = between(&row[1], '`').map(|name| format!("{of} {name}"));
            match state.as_str() {
                "not read" => unread.extend(names),
                _ => of_page.extend(names),
            }
        }
    }
    assert_eq!(of_page, read_here);
    assert!(unread.is_disjoint(&read_here), "{unread:?}");
}

#[test]
fn given_the_codes_of_the_ingress_when_compared_with_the_coverage_page_should_have_a_row_each() {
    let source = program(&format!("{INGRESS}/fault.rs"));
    let mut codes = &codes(&source) | &codes(&program(&format!("{INGRESS}/quota.rs")));
    let parameter = source
        .split("PARAMETER_CODE: i32 = ")
        .nth(1)
        .and_then(|rest| rest.split(';').next());
    codes.extend(["0".to_owned(), parameter.expect("its code").to_owned()]);
    let tables = tables_of(&read(COVERAGE), "code");
    let states = states(&tables, 2, &["sent", "never"]);
    let of_page = |state: &str| set(states[state].iter().map(|row| row[0].as_str()));
    assert_eq!(of_page("sent"), codes);
    assert!(of_page("never").is_disjoint(&codes));
}

#[test]
fn given_sources_of_the_ingress_when_read_should_give_members_and_codes() {
    let source = "object! {\n    /// The body.\n    #[derive(Default)]\n    RawBadge {\n        a, b,\n    }\n}\n\
        object! { RawTags { c } }\nquery_value(query, \"d\").x\nquery_value(query, field)\n";
    assert_eq!(
        members(source),
        set(["badge a", "badge b", "tags c", "query d"])
    );
    let source = "    fn code(self) -> i32 {\n        match self {\n            A => 1,\n            B => b.code(),\n            \
        C | D => 22001,\n        }\n    }\n    fn msg(self) { E => 7, }\n";
    assert_eq!(codes(source), set(["1", "22001"]));
}
