//! The one place where what went wrong becomes an HTTP status, a code and a text.
//!
//! Always: only 200, 400, 401, 403, 404 and 405 on the REST paths. The official Java client drops
//! the body of any other status and repeats the request (`rest-v2.md` 1.6).

use std::borrow::Cow;

use hyper::StatusCode;
use server_core::command::Answer;

use super::parameter::ParameterError;
use super::quota::Overrun;
use super::refusal::Refusal;

/// Why a request was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A parameter is wrong: the caller's fault.
    Parameter(ParameterError),
    /// The bytes of the request are wrong: the caller's fault, and the connection ends.
    Refused(Refusal),
    /// The body stopped before its end, or came too slowly; the connection ends.
    BodyBroken,
    /// The body is not the JSON object that is expected.
    NotJson,
    /// The endpoint is known, and not served by this installation.
    NotEnabled,
    /// The process is still recovering.
    Starting,
    /// No such path.
    NoSuchPath,
    /// The path is known, the app in it is not; for operators.
    NoSuchApp,
    /// The app is known, the task is not; for operators.
    NoSuchTask,
    /// The task is unknown, of another app, over or deleted; for third parties.
    TaskGone,
    /// A task of this kind or state cannot be stopped.
    TaskCannotStop,
    /// The scheduled push has begun, or is about to.
    TaskBegun,
    /// The time of a scheduled push is past or too far away.
    ScheduleTime,
    /// The path exists with other verbs.
    WrongVerb,
    /// No token, or not a valid one of this app.
    Token,
    /// The app is disabled.
    AppDisabled,
    /// The address of the caller may not call.
    Denied,
    /// The app has called often enough.
    OverQuota(Overrun),
    /// No admin token, or not the right one.
    AdminToken,
    /// Nobody may ask what other apps on a phone do: we cannot see them.
    DeviceStatus,
    /// A queue was full, the store is behind or refuses: nothing was promised, and the call may be
    /// repeated with its request id.
    Busy,
}

impl Fault {
    /// The `code` of every wrong parameter.
    pub(super) const PARAMETER_CODE: i32 = 20001;

    /// Why a shard did not do what it was asked.
    pub(super) fn of_answer(answer: &Answer) -> Self {
        match answer {
            Answer::TargetInvalid => Fault::Parameter(ParameterError::Target),
            Answer::NoSuchTask => Fault::TaskGone,
            Answer::TaskCannotStop => Fault::TaskCannotStop,
            Answer::TaskBegun => Fault::TaskBegun,
            Answer::Busy | Answer::StoreFailed => Fault::Busy,
            other => {
                debug_assert!(false, "{other:?} answers another question");
                Fault::Busy
            }
        }
    }

    /// The HTTP status.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Fault::NotJson | Fault::NotEnabled | Fault::Starting => StatusCode::OK,
            Fault::Parameter(_)
            | Fault::Refused(_)
            | Fault::BodyBroken
            | Fault::TaskGone
            | Fault::TaskCannotStop
            | Fault::TaskBegun
            | Fault::ScheduleTime => StatusCode::BAD_REQUEST,
            Fault::Token | Fault::AppDisabled | Fault::AdminToken | Fault::Denied => {
                StatusCode::UNAUTHORIZED
            }
            Fault::OverQuota(overrun) if overrun.is_permission() => StatusCode::UNAUTHORIZED,
            Fault::DeviceStatus | Fault::Busy | Fault::OverQuota(_) => StatusCode::FORBIDDEN,
            Fault::NoSuchPath | Fault::NoSuchApp | Fault::NoSuchTask => StatusCode::NOT_FOUND,
            Fault::WrongVerb => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// The `code` of the envelope.
    pub(super) fn code(self) -> i32 {
        match self {
            Fault::NotJson | Fault::NotEnabled => 1,
            Fault::Starting => 2,
            Fault::NoSuchPath | Fault::NoSuchApp | Fault::NoSuchTask => 404,
            Fault::WrongVerb => 405,
            Fault::Token | Fault::AdminToken => 10001,
            Fault::AppDisabled | Fault::Denied => 10002,
            Fault::OverQuota(overrun) => overrun.code(),
            Fault::Parameter(_)
            | Fault::Refused(_)
            | Fault::BodyBroken
            | Fault::TaskGone
            | Fault::TaskCannotStop => Self::PARAMETER_CODE,
            Fault::TaskBegun => 22001,
            Fault::ScheduleTime => 22002,
            Fault::Busy => 30019,
            Fault::DeviceStatus => 30020,
        }
    }

    /// The `msg` of the envelope.
    pub(super) fn msg(self) -> Cow<'static, str> {
        match self {
            Fault::Parameter(error) => error.to_string().into(),
            Fault::Refused(refusal) => refusal.to_string().into(),
            Fault::BodyBroken => "body is invalid".into(),
            Fault::NotJson => "body is not json".into(),
            Fault::NotEnabled => "not enabled".into(),
            Fault::Starting => "service is starting, please wait".into(),
            Fault::NoSuchPath => "bad url".into(),
            Fault::NoSuchApp => "no such app".into(),
            Fault::NoSuchTask => "no task of the last 7 days has this name".into(),
            Fault::TaskGone => "taskid is invalid or taskid is deleted".into(),
            Fault::TaskCannotStop => "task cannot stop".into(),
            Fault::TaskBegun => "scheduled task already executed, cannot delete".into(),
            Fault::ScheduleTime => "schedule_time is invalid".into(),
            Fault::WrongVerb => "method not supported".into(),
            Fault::Token => "token is invalid".into(),
            Fault::AppDisabled => "app is disabled".into(),
            Fault::Denied => "ip is not allowed".into(),
            Fault::OverQuota(overrun) => overrun.to_string().into(),
            Fault::AdminToken => "admin token is invalid".into(),
            Fault::DeviceStatus => "permission denied of querying device status".into(),
            Fault::Busy => "system busy, retry later".into(),
        }
    }
}

impl From<ParameterError> for Fault {
    fn from(error: ParameterError) -> Self {
        Fault::Parameter(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_every_fault_when_answered_should_use_a_status_the_official_clients_read() {
        let table = [
            (
                Fault::Parameter(ParameterError::Target),
                400,
                20001,
                "target user is invalid",
            ),
            (
                Fault::Refused(Refusal::HostMissing),
                400,
                20001,
                "host cannot be null",
            ),
            (Fault::BodyBroken, 400, 20001, "body is invalid"),
            (Fault::NotJson, 200, 1, "body is not json"),
            (Fault::NotEnabled, 200, 1, "not enabled"),
            (Fault::Starting, 200, 2, "service is starting, please wait"),
            (Fault::NoSuchPath, 404, 404, "bad url"),
            (Fault::NoSuchApp, 404, 404, "no such app"),
            (
                Fault::NoSuchTask,
                404,
                404,
                "no task of the last 7 days has this name",
            ),
            (
                Fault::TaskGone,
                400,
                20001,
                "taskid is invalid or taskid is deleted",
            ),
            (Fault::TaskCannotStop, 400, 20001, "task cannot stop"),
            (
                Fault::TaskBegun,
                400,
                22001,
                "scheduled task already executed, cannot delete",
            ),
            (Fault::ScheduleTime, 400, 22002, "schedule_time is invalid"),
            (Fault::WrongVerb, 405, 405, "method not supported"),
            (Fault::Token, 401, 10001, "token is invalid"),
            (Fault::AppDisabled, 401, 10002, "app is disabled"),
            (Fault::Denied, 401, 10002, "ip is not allowed"),
            (Fault::AdminToken, 401, 10001, "admin token is invalid"),
            (
                Fault::DeviceStatus,
                403,
                30020,
                "permission denied of querying device status",
            ),
            (Fault::Busy, 403, 30019, "system busy, retry later"),
        ];
        for (fault, status, code, msg) in table {
            assert_eq!(
                (fault.status().as_u16(), fault.code(), &*fault.msg()),
                (status, code, msg)
            );
        }
    }
}
