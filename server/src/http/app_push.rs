//! `push/all`, `push/tag` and `push/fast_custom_tag`: to the devices of an app, or to some of them.
//!
//! Always: the answer is the task; which devices it reaches is found out while it runs.

use super::audience;
use super::envelope::Reply;
use super::fault::Fault;
use super::push::Pusher;
use super::push_request::PushRequest;

/// `POST /push/all`.
///
/// # Errors
/// A bad body; a shard that is busy.
pub(super) async fn all(pusher: &Pusher, bytes: &[u8]) -> Result<Reply, Fault> {
    let request = PushRequest::read(bytes)?;
    audience::everybody(request.audience)?;
    let start_ms = request.settings.start_ms(pusher.now_ms)?;
    pusher.push_app(request, Vec::new(), start_ms).await
}

/// `POST /push/tag`.
///
/// # Errors
/// A bad body; a shard that is busy.
pub(super) async fn tag(pusher: &Pusher, bytes: &[u8]) -> Result<Reply, Fault> {
    let request = PushRequest::read(bytes)?;
    let conditions = audience::conditions(request.audience)?;
    let start_ms = request.settings.start_ms(pusher.now_ms)?;
    pusher.push_app(request, conditions, start_ms).await
}

/// `POST /push/fast_custom_tag`: to one tag, at once. Getui documents no `schedule_time` for it.
///
/// # Errors
/// A bad body; a shard that is busy.
pub(super) async fn fast_custom_tag(pusher: &Pusher, bytes: &[u8]) -> Result<Reply, Fault> {
    let request = PushRequest::read(bytes)?;
    let conditions = audience::fast_tag(request.audience)?;
    pusher.push_app(request, conditions, None).await
}

impl Pusher {
    async fn push_app(
        &self,
        request: PushRequest<'_>,
        conditions: Vec<server_core::group::Condition>,
        start_ms: Option<u64>,
    ) -> Result<Reply, Fault> {
        self.vendors.note(&request.settings.strategy);
        let push = request.into_app_push(conditions, start_ms, self.now_ms)?;
        self.take(push).await
    }
}
