//! The desk of a developer: calls of the HTTP API, in the words of its description.
//!
//! Always: a call here must succeed, and a failure names the call.

use std::collections::{BTreeMap, BTreeSet};

use hyper::Method;
use sdk_sim::third_party::{BlockingThirdParty, random_request_id};
use serde_json::{Value, json};

use super::harness::{Server, wait_for};

/// Targets of one request: what a batch takes (`rest-v2`: 200 messages), well below what lists take.
const TARGETS_PER_CALL: usize = 200;

/// Every push to many has this group name.
pub(crate) const GROUP: &str = "day-in-the-life";

/// A time to live that outlasts the day, in ms.
pub(crate) const LONG_MS: i64 = 7_200_000;

/// See the module page.
pub(crate) struct Desk(BlockingThirdParty);

impl Desk {
    /// With the credentials of the first app.
    pub(crate) fn of(server: &Server) -> Desk {
        Desk(server.third_party())
    }

    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let shown = format!("{method} {path:.120}");
        self.0
            .call(method, path, body)
            .unwrap_or_else(|error| panic!("{shown}: {error}"))
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        self.call(Method::POST, path, Some(body))
    }

    /// A push to an app; its task.
    pub(crate) fn push_app(&self, path: &str, audience: &Value, settings: &Value) -> String {
        let mut body = request(settings);
        body["audience"] = audience.clone();
        task(&self.post(path, &body))
    }

    /// A list to push to.
    pub(crate) fn open_list(&self, ttl_ms: i64) -> String {
        let body = request(&json!({ "ttl": ttl_ms }));
        task(&self.post("/push/list/message", &body))
    }

    /// Pushes a list to these devices; the word of each.
    pub(crate) fn push_list(&self, task: &str, cids: &[String]) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for cids in cids.chunks(TARGETS_PER_CALL) {
            let body = json!({ "audience": { "cid": cids }, "taskid": task, "is_async": false });
            all.append(&mut words(&self.post("/push/list/cid", &body)[task]));
        }
        assert_eq!(all.len(), cids.len(), "a word for each");
        all
    }

    /// Pushes a list to aliases; the CIDs that it went to.
    pub(crate) fn push_list_alias(&self, task: &str, aliases: &[String]) -> BTreeSet<String> {
        let body = json!({
            "audience": { "alias": aliases }, "taskid": task, "is_async": false,
            "need_alias_detail": true,
        });
        let data = self.post("/push/list/alias", &body);
        let by_alias = data[task].as_object().expect("aliases");
        assert_eq!(by_alias.len(), aliases.len(), "each has a device");
        by_alias
            .values()
            .flat_map(|one| words(one).into_keys())
            .collect()
    }

    /// One message for each of these, in batches; `named` is `cid` or `alias`. The task of each
    /// CID with its word.
    pub(crate) fn batch(
        &self,
        named: &str,
        names: &[String],
        text: &str,
    ) -> BTreeMap<String, (String, String)> {
        let mut all = BTreeMap::new();
        for names in names.chunks(TARGETS_PER_CALL) {
            let messages: Vec<Value> = names
                .iter()
                .map(|name| {
                    let mut body = request(&json!({ "ttl": LONG_MS }));
                    body["audience"] = json!({ named: [name] });
                    body["push_message"] = json!({ "transmission": text });
                    body
                })
                .collect();
            let body = json!({ "is_async": false, "msg_list": messages });
            let data = self.post(&format!("/push/single/batch/{named}"), &body);
            for (task, targets) in data.as_object().expect("tasks") {
                for (cid, word) in words(targets) {
                    let twice = all.insert(cid.clone(), (task.clone(), word));
                    assert_eq!(twice, None, "{cid} in one batch");
                }
            }
        }
        assert_eq!(all.len(), names.len(), "a task for each");
        all
    }

    /// A message to one device; its task and its word.
    pub(crate) fn single(&self, cid: &str, message: &Value) -> (String, String) {
        let mut body = request(&json!({ "ttl": LONG_MS }));
        body["audience"] = json!({ "cid": [cid] });
        body["push_message"] = message.clone();
        let data = self.post("/push/single/cid", &body);
        let (task, targets) = data
            .as_object()
            .and_then(|data| data.iter().next())
            .expect("a task");
        (task.clone(), words(targets).remove(cid).expect("its word"))
    }

    /// Stops a push to many.
    pub(crate) fn stop(&self, task: &str) {
        self.call(Method::DELETE, &format!("/task/{task}"), None);
    }

    /// Gives these devices one more tag.
    pub(crate) fn tag(&self, tag: &str, cids: &[String]) {
        for cids in cids.chunks(TARGETS_PER_CALL) {
            let body = json!({ "cid": cids });
            self.call(
                Method::PUT,
                &format!("/user/custom_tag/batch/{tag}"),
                Some(&body),
            );
        }
    }

    /// Takes a tag from these devices.
    pub(crate) fn untag(&self, tag: &str, cids: &[String]) {
        for cids in cids.chunks(TARGETS_PER_CALL) {
            let body = json!({ "cid": cids });
            self.call(
                Method::DELETE,
                &format!("/user/custom_tag/batch/{tag}"),
                Some(&body),
            );
        }
    }

    /// Puts these devices on the black list, or takes them off.
    pub(crate) fn black(&self, on: bool, cids: &[String]) {
        let method = if on { Method::POST } else { Method::DELETE };
        for cids in cids.chunks(TARGETS_PER_CALL) {
            let path = format!("/user/black/cid/{}", cids.join(","));
            self.call(method.clone(), &path, None);
        }
    }

    /// How many devices meet the conditions.
    pub(crate) fn count(&self, conditions: &Value) -> usize {
        let data = self.post("/user/count", &json!({ "tag": conditions }));
        let count = data["user_count"].as_u64().expect("a number");
        usize::try_from(count).expect("fits")
    }

    /// Those of these devices that are online.
    pub(crate) fn online(&self, cids: &[String]) -> BTreeSet<String> {
        let mut online = BTreeSet::new();
        for cids in cids.chunks(TARGETS_PER_CALL) {
            let these: Vec<&str> = cids.iter().map(String::as_str).collect();
            let statuses = self.0.status(&these).expect("statuses");
            assert_eq!(statuses.len(), cids.len(), "a status for each");
            let up = statuses.into_iter().filter(|(_, word)| word == "online");
            online.extend(up.map(|(cid, _)| cid));
        }
        online
    }

    /// Waits until of `all` exactly these are online.
    pub(crate) fn wait_until_online(&self, all: &[String], these: &BTreeSet<String>) {
        wait_for("the sessions", || {
            (self.online(all) == *these).then_some(())
        });
    }
}

/// A condition on tags.
pub(crate) fn tags(op: &str, values: &[&str]) -> Value {
    json!({ "key": "custom_tag", "values": values, "opt_type": op })
}

fn request(settings: &Value) -> Value {
    json!({
        "request_id": random_request_id().expect("random"),
        "group_name": GROUP,
        "settings": settings,
        "push_message": { "notification": { "title": "to many", "body": "b", "click_type": "none" } },
    })
}

fn task(data: &Value) -> String {
    data["taskid"].as_str().expect("a task").to_owned()
}

fn words(targets: &Value) -> BTreeMap<String, String> {
    let targets = targets.as_object().expect("targets");
    let word = |word: &Value| word.as_str().expect("a word").to_owned();
    targets
        .iter()
        .map(|(cid, it)| (cid.clone(), word(it)))
        .collect()
}
