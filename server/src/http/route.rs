//! Every path the server knows, and which verb it takes there.
//!
//! Always: all endpoints of `rest-v2.md` section 2 and all that the official clients call stand in
//! the table, also those that are not enabled, so that a client of Getui never meets 404 for a
//! documented call.

use std::ops::BitOr;

use hyper::Method;

/// Groups of paths that a listener may offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Surfaces(u8);

impl Surfaces {
    /// `/v2`: for third parties.
    pub const REST: Surfaces = Surfaces(1);
    /// `/admin`: for operators.
    pub const ADMIN: Surfaces = Surfaces(2);
    /// `/metrics`: for Prometheus.
    pub const METRICS: Surfaces = Surfaces(4);
    /// Everything on one listener. `/healthz` and `/readyz` are on every listener.
    pub const ALL: Surfaces = Surfaces(7);

    fn offers(self, one: Surfaces) -> bool {
        self.0 & one.0 == one.0
    }
}

impl BitOr for Surfaces {
    type Output = Surfaces;

    fn bitor(self, other: Surfaces) -> Surfaces {
        Surfaces(self.0 | other.0)
    }
}

const HEALTH: Surfaces = Surfaces(0);

/// What a path is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Auth,
    CloseAuth,
    SingleCid,
    SingleAlias,
    BatchCid,
    BatchAlias,
    ListMessage,
    ListCid,
    ListAlias,
    PushAll,
    PushTag,
    PushFastTag,
    SingleByTag,
    ListByTag,
    StopTask,
    Schedule,
    Unschedule,
    BindAliases,
    AliasOfCid,
    CidsOfAlias,
    UnbindAliases,
    DropAlias,
    SetTags,
    TagsOfCid,
    AddTag,
    RemoveTag,
    Block,
    Unblock,
    Status,
    DeviceStatus,
    Details,
    SetBadge,
    CountUsers,
    BindTokens,
    MessageDetail,
    TaskReport,
    TaskFailures,
    GroupReport,
    PushDay,
    PushCount,
    UserDay,
    OnlineUsers,
    DiscardLog,
    Check,
    NotEnabled,
    Apps,
    CreateApp,
    App,
    ChangeApp,
    RotateApp,
    DisableApp,
    EnableApp,
    DeleteApp,
    AdminSingleCid,
    AdminSingleAlias,
    AdminTag,
    AdminAll,
    AdminTask,
    AdminDevice,
    AdminForget,
    AdminReceipts,
    ReplayReceipts,
    OrderBackup,
    Backup,
    Reload,
    Drain,
    ExportDevices,
    ImportDevices,
    Health,
    Ready,
    Metrics,
}

impl Endpoint {
    /// Whether it takes the admin token instead of a third party's.
    pub(super) fn is_admin(self) -> bool {
        matches!(
            self,
            Endpoint::Apps
                | Endpoint::CreateApp
                | Endpoint::App
                | Endpoint::ChangeApp
                | Endpoint::RotateApp
                | Endpoint::DisableApp
                | Endpoint::EnableApp
                | Endpoint::DeleteApp
                | Endpoint::AdminSingleCid
                | Endpoint::AdminSingleAlias
                | Endpoint::AdminTag
                | Endpoint::AdminAll
                | Endpoint::AdminTask
                | Endpoint::AdminDevice
                | Endpoint::AdminForget
                | Endpoint::AdminReceipts
                | Endpoint::ReplayReceipts
                | Endpoint::OrderBackup
                | Endpoint::Backup
                | Endpoint::Reload
                | Endpoint::Drain
                | Endpoint::ExportDevices
                | Endpoint::ImportDevices
        )
    }

    /// Whether it reads an app and writes it back changed; two such calls take turns.
    pub(super) fn changes_app(self) -> bool {
        matches!(
            self,
            Endpoint::ChangeApp
                | Endpoint::RotateApp
                | Endpoint::DisableApp
                | Endpoint::EnableApp
                | Endpoint::DeleteApp
        )
    }

    /// Whether it is for load balancers, which call from anywhere.
    pub(super) fn is_health(self) -> bool {
        matches!(self, Endpoint::Health | Endpoint::Ready)
    }

    /// Whether it tells of pushes or of numbers.
    pub(super) fn is_report(self) -> bool {
        matches!(
            self,
            Endpoint::MessageDetail
                | Endpoint::TaskReport
                | Endpoint::TaskFailures
                | Endpoint::GroupReport
                | Endpoint::PushDay
                | Endpoint::PushCount
                | Endpoint::UserDay
                | Endpoint::OnlineUsers
        )
    }

    /// Whether the body is read as JSON; elsewhere it is thrown away unread, because the PHP client
    /// sends `null` or the body of an earlier call.
    pub(super) fn takes_body(self) -> bool {
        matches!(
            self,
            Endpoint::Auth
                | Endpoint::BindAliases
                | Endpoint::UnbindAliases
                | Endpoint::SetTags
                | Endpoint::AddTag
                | Endpoint::RemoveTag
                | Endpoint::SetBadge
                | Endpoint::CountUsers
                | Endpoint::BindTokens
                | Endpoint::CreateApp
                | Endpoint::ChangeApp
                | Endpoint::RotateApp
                | Endpoint::OrderBackup
                | Endpoint::ImportDevices
        ) || self.is_push()
            || self.is_admin_push()
    }

    /// Whether a third party pushes, or hands in what is to be pushed.
    pub(super) fn is_push(self) -> bool {
        matches!(
            self,
            Endpoint::SingleCid
                | Endpoint::SingleAlias
                | Endpoint::BatchCid
                | Endpoint::BatchAlias
                | Endpoint::ListMessage
                | Endpoint::ListCid
                | Endpoint::ListAlias
                | Endpoint::PushAll
                | Endpoint::PushTag
                | Endpoint::PushFastTag
                | Endpoint::SingleByTag
                | Endpoint::ListByTag
        )
    }

    /// Whether an operator pushes in the name of an app.
    pub(super) fn is_admin_push(self) -> bool {
        matches!(
            self,
            Endpoint::AdminSingleCid
                | Endpoint::AdminSingleAlias
                | Endpoint::AdminTag
                | Endpoint::AdminAll
        )
    }
}

/// One row of the table: `verb path`, where `{}` stands for any one segment.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) verb: &'static str,
    /// The name of the route in metrics.
    pub(super) path: &'static str,
    surface: Surfaces,
    /// What it is for.
    pub(super) endpoint: Endpoint,
}

const fn rest(verb: &'static str, path: &'static str, endpoint: Endpoint) -> Row {
    Row {
        verb,
        path,
        surface: Surfaces::REST,
        endpoint,
    }
}

const fn known(verb: &'static str, path: &'static str) -> Row {
    rest(verb, path, Endpoint::NotEnabled)
}

const fn row(verb: &'static str, path: &'static str, surface: Surfaces, endpoint: Endpoint) -> Row {
    Row {
        verb,
        path,
        surface,
        endpoint,
    }
}

/// Rows 1-44 of `rest-v2.md` in their order, which also puts the busiest first; then our own.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    rest("POST", "/v2/{}/auth", Endpoint::Auth),
    rest("DELETE", "/v2/{}/auth/{}", Endpoint::CloseAuth),
    rest("POST", "/v2/{}/push/single/cid", Endpoint::SingleCid),
    rest("POST", "/v2/{}/push/single/alias", Endpoint::SingleAlias),
    rest("POST", "/v2/{}/push/single/batch/cid", Endpoint::BatchCid),
    rest("POST", "/v2/{}/push/single/batch/alias", Endpoint::BatchAlias),
    rest("POST", "/v2/{}/push/list/message", Endpoint::ListMessage),
    rest("POST", "/v2/{}/push/list/cid", Endpoint::ListCid),
    rest("POST", "/v2/{}/push/list/alias", Endpoint::ListAlias),
    rest("POST", "/v2/{}/push/all", Endpoint::PushAll),
    rest("POST", "/v2/{}/push/tag", Endpoint::PushTag),
    rest("POST", "/v2/{}/push/fast_custom_tag", Endpoint::PushFastTag),
    rest("POST", "/v2/{}/push/single/cid_by_tag", Endpoint::SingleByTag),
    rest("POST", "/v2/{}/push/list/cid_by_tag", Endpoint::ListByTag),
    rest("DELETE", "/v2/{}/task/{}", Endpoint::StopTask),
    rest("GET", "/v2/{}/task/schedule/{}", Endpoint::Schedule),
    rest("DELETE", "/v2/{}/task/schedule/{}", Endpoint::Unschedule),
    rest("GET", "/v2/{}/task/detail/{}/{}", Endpoint::MessageDetail),
    rest("GET", "/v2/{}/report/push/task/{}", Endpoint::TaskReport),
    rest("GET", "/v2/{}/report/push/task_group/{}", Endpoint::GroupReport),
    rest("GET", "/v2/{}/report/push/task/{}/detail", Endpoint::TaskFailures),
    rest("GET", "/v2/{}/report/push/date/{}", Endpoint::PushDay),
    rest("GET", "/v2/{}/report/push/count", Endpoint::PushCount),
    rest("GET", "/v2/{}/report/user/date/{}", Endpoint::UserDay),
    rest("GET", "/v2/{}/report/online_user", Endpoint::OnlineUsers),
    rest("POST", "/v2/{}/user/alias", Endpoint::BindAliases),
    rest("GET", "/v2/{}/user/alias/cid/{}", Endpoint::AliasOfCid),
    rest("GET", "/v2/{}/user/cid/alias/{}", Endpoint::CidsOfAlias),
    rest("DELETE", "/v2/{}/user/alias", Endpoint::UnbindAliases),
    rest("DELETE", "/v2/{}/user/alias/{}", Endpoint::DropAlias),
    rest("POST", "/v2/{}/user/custom_tag/cid/{}", Endpoint::SetTags),
    rest("GET", "/v2/{}/user/custom_tag/cid/{}", Endpoint::TagsOfCid),
    rest("PUT", "/v2/{}/user/custom_tag/batch/{}", Endpoint::AddTag),
    rest("DELETE", "/v2/{}/user/custom_tag/batch/{}", Endpoint::RemoveTag),
    rest("POST", "/v2/{}/user/black/cid/{}", Endpoint::Block),
    rest("DELETE", "/v2/{}/user/black/cid/{}", Endpoint::Unblock),
    rest("GET", "/v2/{}/user/status/{}", Endpoint::Status),
    rest("GET", "/v2/{}/user/deviceStatus/{}", Endpoint::DeviceStatus),
    rest("GET", "/v2/{}/user/detail/{}", Endpoint::Details),
    rest("POST", "/v2/{}/user/badge/cid/{}", Endpoint::SetBadge),
    rest("POST", "/v2/{}/user/count", Endpoint::CountUsers),
    rest("POST", "/v2/{}/user/bind_dt/{}", Endpoint::BindTokens),
    known("POST", "/v2/{}/user/smart_crowd/create"),
    known("POST", "/v2/{}/user/smart_crowd/task/list"),
    known("POST", "/v2/{}/user/smart_crowd/model/list"),
    // What the Java client has beyond the documents. It reads both kinds of details into one type,
    // which has the members of row 38.
    rest("GET", "/v2/{}/user/info/base/{}", Endpoint::Details),
    rest("GET", "/v2/{}/user/info/advanced/{}", Endpoint::Details),
    known("POST", "/v2/{}/user/test/cid/add"),
    known("POST", "/v2/{}/user/test/cid/update"),
    known("POST", "/v2/{}/user/test/cid/delete"),
    known("GET", "/v2/{}/user/test/cid/list"),
    rest("HEAD", "/v2/check", Endpoint::Check),
    rest("POST", "/v2/{}/log/upload", Endpoint::DiscardLog),
    row("GET", "/healthz", HEALTH, Endpoint::Health),
    row("HEAD", "/healthz", HEALTH, Endpoint::Health),
    row("GET", "/readyz", HEALTH, Endpoint::Ready),
    row("HEAD", "/readyz", HEALTH, Endpoint::Ready),
    row("GET", "/metrics", Surfaces::METRICS, Endpoint::Metrics),
    row("GET", "/admin/v1/apps", Surfaces::ADMIN, Endpoint::Apps),
    row("POST", "/admin/v1/apps", Surfaces::ADMIN, Endpoint::CreateApp),
    row("GET", "/admin/v1/apps/{}", Surfaces::ADMIN, Endpoint::App),
    row("PATCH", "/admin/v1/apps/{}", Surfaces::ADMIN, Endpoint::ChangeApp),
    row("DELETE", "/admin/v1/apps/{}", Surfaces::ADMIN, Endpoint::DeleteApp),
    row("POST", "/admin/v1/apps/{}/rotate", Surfaces::ADMIN, Endpoint::RotateApp),
    row("POST", "/admin/v1/apps/{}/disable", Surfaces::ADMIN, Endpoint::DisableApp),
    row("POST", "/admin/v1/apps/{}/enable", Surfaces::ADMIN, Endpoint::EnableApp),
    row("POST", "/admin/v1/apps/{}/push/single/cid", Surfaces::ADMIN, Endpoint::AdminSingleCid),
    row("POST", "/admin/v1/apps/{}/push/single/alias", Surfaces::ADMIN, Endpoint::AdminSingleAlias),
    row("POST", "/admin/v1/apps/{}/push/tag", Surfaces::ADMIN, Endpoint::AdminTag),
    row("POST", "/admin/v1/apps/{}/push/all", Surfaces::ADMIN, Endpoint::AdminAll),
    row("GET", "/admin/v1/apps/{}/tasks/{}", Surfaces::ADMIN, Endpoint::AdminTask),
    row("GET", "/admin/v1/apps/{}/devices/{}", Surfaces::ADMIN, Endpoint::AdminDevice),
    row("DELETE", "/admin/v1/apps/{}/devices/{}", Surfaces::ADMIN, Endpoint::AdminForget),
    row("GET", "/admin/v1/apps/{}/receipts", Surfaces::ADMIN, Endpoint::AdminReceipts),
    row("POST", "/admin/v1/apps/{}/receipts/replay", Surfaces::ADMIN, Endpoint::ReplayReceipts),
    row("POST", "/admin/v1/backup", Surfaces::ADMIN, Endpoint::OrderBackup),
    row("GET", "/admin/v1/backup", Surfaces::ADMIN, Endpoint::Backup),
    row("POST", "/admin/v1/reload", Surfaces::ADMIN, Endpoint::Reload),
    row("POST", "/admin/v1/drain", Surfaces::ADMIN, Endpoint::Drain),
    row("GET", "/admin/v1/apps/{}/devices", Surfaces::ADMIN, Endpoint::ExportDevices),
    row("POST", "/admin/v1/apps/{}/devices", Surfaces::ADMIN, Endpoint::ImportDevices),
];

/// What a verb and a path lead to.
#[derive(Debug)]
pub(super) enum Found {
    /// A row, and what stands in its `{}` from left to right.
    Row(&'static Row, Vec<String>),
    /// Other verbs would do: these, with commas between them.
    WrongVerb(String),
    /// Nothing known.
    Unknown,
}

/// Looks up the decoded segments of a path.
pub(super) fn find(verb: &Method, segments: &[String], surfaces: Surfaces) -> Found {
    let mut others = Vec::new();
    for row in TABLE.iter().filter(|row| surfaces.offers(row.surface)) {
        if let Some(values) = matched(row.path, segments) {
            if row.verb == verb.as_str() {
                return Found::Row(row, values);
            }
            others.push(row.verb);
        }
    }
    if others.is_empty() {
        Found::Unknown
    } else {
        Found::WrongVerb(others.join(", "))
    }
}

fn matched(path: &str, segments: &[String]) -> Option<Vec<String>> {
    let mut segments = segments.iter();
    let mut values = Vec::new();
    for word in path.split('/').skip(1) {
        let segment = segments.next()?;
        if word == "{}" {
            values.push(segment);
        } else if word != segment {
            return None;
        }
    }
    segments
        .next()
        .is_none()
        .then(|| values.into_iter().cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::path;

    fn look(verb: &str, path: &str, surfaces: Surfaces) -> Found {
        let verb = Method::from_bytes(verb.as_bytes()).expect("a verb");
        find(&verb, &path::segments(path).expect("utf-8"), surfaces)
    }

    fn row(verb: &str, path: &str) -> (&'static str, Vec<String>) {
        match look(verb, path, Surfaces::ALL) {
            Found::Row(row, values) => (row.path, values),
            other => panic!("{verb} {path}: {other:?}"),
        }
    }

    #[test]
    fn given_every_row_when_looked_up_by_its_own_path_should_be_found_first() {
        for expected in TABLE {
            let path = expected.path.replace("{}", "x,y");
            let (found, values) = row(expected.verb, &format!("/{path}/"));
            assert_eq!(found, expected.path);
            assert_eq!(values.len(), expected.path.matches("{}").count());
            assert!(
                matches!(look("TRACE", &path, Surfaces::ALL), Found::WrongVerb(_)),
                "{path}"
            );
            assert!(matches!(
                look(expected.verb, &format!("{path}/x/y/z/w"), Surfaces::ALL),
                Found::Unknown
            ));
        }
    }

    #[test]
    fn given_paths_that_look_alike_when_looked_up_should_be_told_apart() {
        assert_eq!(
            row("GET", "/v2/a/report/push/task/b,c").0,
            "/v2/{}/report/push/task/{}"
        );
        assert_eq!(
            row("GET", "/v2/a/report/push/task/b,c/detail").0,
            "/v2/{}/report/push/task/{}/detail"
        );
        assert_eq!(
            row("GET", "/v2/a/report/push/task_group/x").0,
            "/v2/{}/report/push/task_group/{}"
        );
        assert_eq!(row("DELETE", "/v2/a/task/b").0, "/v2/{}/task/{}");
        assert_eq!(
            row("DELETE", "/v2/a/task/schedule/b").0,
            "/v2/{}/task/schedule/{}"
        );
        assert_eq!(row("GET", "//v2/a/user/cid/alias/%E4%b8%ad").1, ["a", "中"]);
        assert!(matches!(
            look("GET", "/v2/a", Surfaces::ALL),
            Found::Unknown
        ));
        assert!(matches!(look("GET", "/", Surfaces::ALL), Found::Unknown));
        assert!(matches!(
            look("POST", "/v2/check", Surfaces::ALL),
            Found::WrongVerb(_)
        ));
    }

    #[test]
    fn given_a_listener_without_a_surface_when_its_paths_are_asked_should_not_know_them() {
        let inner = Surfaces::ADMIN | Surfaces::METRICS;
        assert!(matches!(look("POST", "/v2/a/auth", inner), Found::Unknown));
        assert!(matches!(look("GET", "/metrics", inner), Found::Row(..)));
        assert!(matches!(
            look("GET", "/admin/v1/apps", Surfaces::REST),
            Found::Unknown
        ));
        assert!(matches!(
            look("GET", "/metrics", Surfaces::REST),
            Found::Unknown
        ));
        assert!(matches!(
            look("HEAD", "/healthz", Surfaces::REST),
            Found::Row(..)
        ));
    }
}
