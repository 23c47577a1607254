//! One request: where it leads, who may ask, what is answered.
//!
//! Always: path and verb are judged first, then the stage of the process, then the token, and only
//! then is a body kept. Every answer is counted under its route.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, EXPECT};
use hyper::http::request::Parts;
use hyper::{Request, Response};
use schema::record::App;
use server_core::ids::AppNo;

use super::body::{BodyReader, HeldBody};
use super::envelope::Reply;
use super::fault::Fault;
use super::ingress::{HttpSettings, Ingress};
use super::parameter::ParameterError;
use super::push::{self, Naming, Pusher};
use super::quota::Quota;
use super::refusal::Refusal;
use super::route::{self, Endpoint, Found, Surfaces};
use super::{
    admin, alias, app_push, auth, backup, badge, blacklist, caller, detail, forget, gzip,
    headcount, inquiry, list_push, message_detail, path, receipts, reload, report, statistics, tag,
    task, transfer, user, vendor_token,
};
use crate::addresses;
use crate::backup::BackupDesk;
use crate::lifecycle::Stage;
use crate::limits::HTTP_AUTH_BODY_LEN_MAX;
use crate::wall_clock::now_ms;

/// Answers one request of a connection whose guard writes to `refused`.
pub(super) async fn answer(
    ingress: Rc<Ingress>,
    surfaces: Surfaces,
    peer: IpAddr,
    refused: Rc<Cell<Option<Refusal>>>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let started = Instant::now();
    let (parts, incoming) = request.into_parts();
    let mut body = BodyReader::new(incoming, refused);
    let found = path::segments(parts.uri.path()).map_or(Found::Unknown, |segments| {
        route::find(&parts.method, &segments, surfaces)
    });
    let settings = ingress.settings();
    let address = caller::address(peer, &parts.headers, &settings.trusted_proxies);
    let door = match settings.list.admits(address) {
        true => Ok(()),
        false => Err(Fault::Denied),
    };
    let mut allow = None;
    let (route, answered) = match found {
        Found::Unknown => ("unknown", door.and(Err(Fault::NoSuchPath))),
        Found::WrongVerb(verbs) => {
            allow = Some(verbs);
            ("wrong verb", door.and(Err(Fault::WrongVerb)))
        }
        Found::Row(row, values) => {
            let call = Call {
                ingress: &ingress,
                settings: &settings,
                parts: &parts,
                values: &values,
                address,
                quota: Quota::of(row.verb, row.path),
            };
            let answered = match door {
                Err(denied) if !row.endpoint.is_health() => Err(denied),
                _ => call.answer(row.endpoint, &mut body).await,
            };
            (row.path, answered)
        }
    };
    let spent = spend(&mut body, &parts).await;
    let mut reply = match (answered, spent) {
        (Ok(_), Err(fault @ Fault::Refused(_))) | (Err(fault), _) => Reply::from(fault),
        (Ok(reply), _) => reply,
    };
    if gzip::is_taken(&parts.headers) {
        reply.pack();
    }
    let close = spent.is_err() || ingress.lifecycle.stage() == Stage::Draining;
    ingress
        .telemetry
        .http_answered(route, reply.status(), reply.code(), started.elapsed());
    reply.into_response(close, allow)
}

/// Reads what nobody wanted of the body.
///
/// # Errors
/// The connection cannot carry another request.
async fn spend(body: &mut BodyReader, parts: &Parts) -> Result<(), Fault> {
    if body.is_done() {
        return Ok(());
    }
    // A client that waits for leave to send its body is answered first and sends none.
    if parts.headers.contains_key(EXPECT) {
        return Err(Fault::BodyBroken);
    }
    body.discard().await
}

struct Call<'a> {
    ingress: &'a Rc<Ingress>,
    /// By which it is judged, whatever is set meanwhile.
    settings: &'a HttpSettings,
    parts: &'a Parts,
    /// What stands in the `{}` of the route.
    values: &'a [String],
    /// Whose request it is.
    address: IpAddr,
    /// What it counts as.
    quota: Option<Quota>,
}

impl Call<'_> {
    async fn answer(&self, endpoint: Endpoint, body: &mut BodyReader) -> Result<Reply, Fault> {
        match endpoint {
            Endpoint::Health => Ok(Reply::done()),
            Endpoint::Ready => Ok(self.readiness()),
            Endpoint::Check => Ok(Reply::done()),
            Endpoint::Metrics => Ok(Reply::prometheus(self.ingress.telemetry.render())),
            _ if endpoint.is_admin() => self.admin(endpoint, body).await,
            Endpoint::Auth => self.auth(body).await,
            _ => self.rest(endpoint, body).await,
        }
    }

    fn readiness(&self) -> Reply {
        match self.ingress.lifecycle.stage() {
            Stage::Ready if self.ingress.lifecycle.store_is_broken() => {
                Reply::unavailable("the store refuses to write until the server is started again")
            }
            Stage::Ready if self.ingress.lifecycle.store_refuses() => {
                Reply::unavailable("the store refuses to write")
            }
            Stage::Ready => Reply::done(),
            Stage::Starting => Reply::unavailable("starting"),
            Stage::Draining => Reply::unavailable("draining"),
        }
    }

    fn check_started(&self) -> Result<(), Fault> {
        match self.ingress.lifecycle.stage() {
            Stage::Starting => Err(Fault::Starting),
            Stage::Ready | Stage::Draining => Ok(()),
        }
    }

    fn backups(&self) -> Option<&BackupDesk> {
        self.settings.backups.as_ref()
    }

    /// Drains as a signal does; this request is one of those that are answered first.
    fn drain(&self) -> Reply {
        tracing::info!("an operator asks for a drain");
        self.ingress.lifecycle.ask_to_drain();
        Reply::done()
    }

    async fn admin(&self, endpoint: Endpoint, body: &mut BodyReader) -> Result<Reply, Fault> {
        admin::authorize(
            self.header(AUTHORIZATION.as_str()),
            &self.settings.admin_token,
        )?;
        self.check_started()?;
        let held = match endpoint.takes_body() {
            true => Some(self.hold(body, self.settings.body_len_max).await?),
            false => None,
        };
        let bytes = held.as_ref().map_or(&[][..], HeldBody::bytes);
        let asker = &self.ingress.asker;
        match endpoint {
            Endpoint::Apps => return Ok(admin::list(asker)),
            Endpoint::CreateApp => return admin::create(asker, bytes, now_ms()).await,
            Endpoint::OrderBackup => return backup::order(self.backups(), bytes),
            Endpoint::Backup => return Ok(backup::stand(self.backups()).await),
            Endpoint::Reload => return Ok(reload::reload(self.settings.reloads.as_ref()).await),
            Endpoint::Drain => return Ok(self.drain()),
            _ => {}
        }
        let turn = match endpoint.changes_app() {
            true => self.ingress.app_changes.acquire().await.ok(),
            false => None,
        };
        let app = asker.app(self.value(0)).ok_or(Fault::NoSuchApp)?;
        if endpoint.is_admin_push() && app.disabled {
            return Err(Fault::AppDisabled);
        }
        let answered = match endpoint {
            Endpoint::App => Ok(admin::show(&app)),
            Endpoint::ChangeApp => admin::set(asker, &app, bytes).await,
            Endpoint::RotateApp => {
                let tokens = &self.ingress.tokens;
                admin::rotate(asker, &app, bytes, now_ms(), tokens).await
            }
            Endpoint::DisableApp => admin::set_disabled(asker, &app, true).await,
            Endpoint::EnableApp => admin::set_disabled(asker, &app, false).await,
            Endpoint::DeleteApp => admin::delete(asker, &app).await,
            Endpoint::AdminSingleCid => push::single(&self.pusher(app), Naming::Cid, bytes).await,
            Endpoint::AdminSingleAlias => {
                push::single(&self.pusher(app), Naming::Alias, bytes).await
            }
            Endpoint::AdminTag => app_push::tag(&self.pusher(app), bytes).await,
            Endpoint::AdminAll => app_push::all(&self.pusher(app), bytes).await,
            Endpoint::AdminTask => inquiry::task(asker, &app, self.value(1), now_ms()).await,
            Endpoint::AdminDevice => inquiry::device(asker, &app, self.value(1), now_ms()).await,
            Endpoint::AdminForget => forget::device(asker, &app, self.value(1)).await,
            Endpoint::AdminReceipts => receipts::list(asker, &app, self.parts.uri.query()).await,
            Endpoint::ReplayReceipts => receipts::replay(asker, &app).await,
            Endpoint::ExportDevices => transfer::export(asker, &app, self.parts.uri.query()).await,
            Endpoint::ImportDevices => transfer::import(asker, &app, bytes, now_ms()).await,
            _ => Err(Fault::NotEnabled),
        };
        drop(turn);
        answered
    }

    async fn auth(&self, body: &mut BodyReader) -> Result<Reply, Fault> {
        self.check_started()?;
        let app = self
            .ingress
            .asker
            .app(self.value(0))
            .ok_or(ParameterError::Invalid { field: "appid" })?;
        if app.disabled {
            return Err(Fault::AppDisabled);
        }
        self.check_address(&app)?;
        let held = self.hold(body, HTTP_AUTH_BODY_LEN_MAX).await?;
        let (now_ms, skew) = (now_ms(), self.settings.timestamp_skew);
        auth::check(&app, held.bytes(), now_ms, skew)?;
        // Counted only now: whoever knows the AppID could else use up what its third party has.
        self.take_quota(&app)?;
        Ok(auth::grant(
            &app,
            now_ms,
            &mut self.ingress.tokens.borrow_mut(),
        ))
    }

    /// Whether the lists of an app let the caller in.
    fn check_address(&self, app: &App) -> Result<(), Fault> {
        match addresses::admits(&app.settings.http, self.address) {
            true => Ok(()),
            false => Err(Fault::Denied),
        }
    }

    fn take_quota(&self, app: &App) -> Result<(), Fault> {
        let mut quotas = self.ingress.quotas.borrow_mut();
        self.quota
            .map_or(Ok(()), |quota| quotas.take(app, quota, now_ms()))
    }

    async fn rest(&self, endpoint: Endpoint, body: &mut BodyReader) -> Result<Reply, Fault> {
        self.check_started()?;
        if endpoint == Endpoint::CloseAuth {
            return self.close_auth();
        }
        let app = self.authorized()?;
        if endpoint != Endpoint::NotEnabled {
            self.take_quota(&app)?;
        }
        let held = match endpoint.takes_body() {
            true => Some(self.hold(body, self.settings.body_len_max).await?),
            false => None,
        };
        let bytes = held.as_ref().map_or(&[][..], HeldBody::bytes);
        let asker = &self.ingress.asker;
        match endpoint {
            Endpoint::StopTask => task::stop(asker, &app, self.value(1)).await,
            Endpoint::Schedule => task::schedule(asker, &app, self.value(1)).await,
            Endpoint::Unschedule => task::unschedule(asker, &app, self.value(1)).await,
            Endpoint::DiscardLog => Ok(Reply::done()),
            _ if endpoint.is_push() => self.push(endpoint, self.pusher(app), bytes).await,
            _ if endpoint.is_report() => self.report(endpoint, &app).await,
            _ => self.user(endpoint, &app, bytes).await,
        }
    }

    async fn push(&self, endpoint: Endpoint, pusher: Pusher, bytes: &[u8]) -> Result<Reply, Fault> {
        match endpoint {
            Endpoint::SingleCid => push::single(&pusher, Naming::Cid, bytes).await,
            Endpoint::SingleAlias => push::single(&pusher, Naming::Alias, bytes).await,
            Endpoint::SingleByTag => push::single(&pusher, Naming::ByTag, bytes).await,
            Endpoint::BatchCid => push::batch(&pusher, Naming::Cid, bytes).await,
            Endpoint::BatchAlias => push::batch(&pusher, Naming::Alias, bytes).await,
            Endpoint::ListMessage => list_push::message(&pusher, bytes).await,
            Endpoint::ListCid => list_push::targets(&pusher, Naming::Cid, bytes).await,
            Endpoint::ListAlias => list_push::targets(&pusher, Naming::Alias, bytes).await,
            Endpoint::ListByTag => list_push::targets(&pusher, Naming::ByTag, bytes).await,
            Endpoint::PushAll => app_push::all(&pusher, bytes).await,
            Endpoint::PushTag => app_push::tag(&pusher, bytes).await,
            Endpoint::PushFastTag => app_push::fast_custom_tag(&pusher, bytes).await,
            _ => Err(Fault::NotEnabled),
        }
    }

    /// What is asked and said about users.
    async fn user(&self, endpoint: Endpoint, app: &App, bytes: &[u8]) -> Result<Reply, Fault> {
        let (asker, value) = (&self.ingress.asker, self.value(1));
        let alias_type = path::query_value(self.parts.uri.query(), "alias_type");
        let alias_type = alias_type.as_deref();
        match endpoint {
            Endpoint::BindAliases => alias::bind(asker, app, bytes).await,
            Endpoint::UnbindAliases => alias::unbind(asker, app, bytes).await,
            Endpoint::AliasOfCid => alias::of_cid(asker, app, value, alias_type).await,
            Endpoint::CidsOfAlias => alias::cids(asker, app, value, alias_type).await,
            Endpoint::DropAlias => alias::drop_alias(asker, app, value, alias_type).await,
            Endpoint::SetTags => tag::replace(asker, app, value, bytes).await,
            Endpoint::TagsOfCid => tag::of_cid(asker, app, value).await,
            Endpoint::AddTag => tag::change(asker, app, value, true, bytes).await,
            Endpoint::RemoveTag => tag::change(asker, app, value, false, bytes).await,
            Endpoint::Block => blacklist::set(asker, app, value, true).await,
            Endpoint::Unblock => blacklist::set(asker, app, value, false).await,
            Endpoint::Status => user::status(asker, app, value).await,
            Endpoint::DeviceStatus => Err(Fault::DeviceStatus),
            Endpoint::Details => detail::details(asker, app, value).await,
            Endpoint::SetBadge => badge::set(asker, app, value, bytes).await,
            Endpoint::CountUsers => headcount::count(asker, app, bytes).await,
            Endpoint::BindTokens => vendor_token::bind(asker, app, value, bytes).await,
            _ => Err(Fault::NotEnabled),
        }
    }

    /// What became of pushes, and the numbers of an app.
    async fn report(&self, endpoint: Endpoint, app: &App) -> Result<Reply, Fault> {
        let (asker, value) = (&self.ingress.asker, self.value(1));
        let query = self.parts.uri.query();
        match endpoint {
            Endpoint::MessageDetail => message_detail::way(asker, app, value, self.value(2)).await,
            Endpoint::TaskReport => report::tasks(asker, app, value, query, false).await,
            Endpoint::TaskFailures => report::tasks(asker, app, value, query, true).await,
            Endpoint::GroupReport => report::group_name(asker, app, value, query, now_ms()).await,
            Endpoint::PushDay => report::day(asker, app, value, now_ms()).await,
            Endpoint::PushCount => {
                let quotas = self.ingress.quotas.borrow();
                Ok(statistics::push_count(&quotas, app, now_ms()))
            }
            Endpoint::UserDay => statistics::users(asker, app, value, now_ms()).await,
            Endpoint::OnlineUsers => statistics::online(asker, app).await,
            _ => Err(Fault::NotEnabled),
        }
    }

    fn pusher(&self, app: Rc<App>) -> Pusher {
        Pusher {
            asker: Rc::clone(&self.ingress.asker),
            vendors: Rc::clone(&self.ingress.vendors),
            app,
            now_ms: now_ms(),
        }
    }

    /// Who knows a token may end it, whatever token is in the header; asking twice is no error.
    fn close_auth(&self) -> Result<Reply, Fault> {
        if let Some(app) = self.ingress.asker.app(self.value(0)) {
            self.check_address(&app)?;
            self.ingress
                .tokens
                .borrow_mut()
                .end(AppNo(app.number), self.value(1));
        }
        Ok(Reply::done())
    }

    /// The app of the path, if the token of the header is one of its.
    fn authorized(&self) -> Result<Rc<App>, Fault> {
        let app = self.ingress.asker.app(self.value(0)).ok_or(Fault::Token)?;
        if app.disabled {
            return Err(Fault::AppDisabled);
        }
        self.check_address(&app)?;
        let token = self.header("token").ok_or(Fault::Token)?;
        if !self
            .ingress
            .tokens
            .borrow()
            .is_valid(AppNo(app.number), token, now_ms())
        {
            return Err(Fault::Token);
        }
        Ok(app)
    }

    async fn hold(&self, body: &mut BodyReader, len_max: usize) -> Result<HeldBody, Fault> {
        let encoding = self.header(CONTENT_ENCODING.as_str()).unwrap_or("identity");
        if gzip::is_gzip(encoding) {
            let packed = body.hold(len_max, &self.ingress.bodies).await?;
            return gzip::unpack(&packed, len_max);
        }
        if !encoding.eq_ignore_ascii_case("identity") {
            return Err(ParameterError::Invalid {
                field: "content-encoding",
            }
            .into());
        }
        body.hold(len_max, &self.ingress.bodies).await
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    }

    fn value(&self, at: usize) -> &str {
        self.values.get(at).map_or("", String::as_str)
    }
}
