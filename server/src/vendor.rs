//! What a vendor channel (APNs, FCM, Huawei …) is to this server, and the one that only logs.
//!
//! Owner: the ingress, which calls it after an answer is decided. Always: a message that is handed over
//! also rests in the outbox, so a channel that loses it costs time and not the message.

use std::sync::Arc;

use protocol::ClientId;

/// One message for one device that is not connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorMessage<'a> {
    /// The app that pushes.
    pub app_id: &'a str,
    /// The device.
    pub cid: ClientId,
    /// How the vendor knows the device, if it was ever told to us.
    pub token: Option<VendorToken<'a>>,
    /// The task the message belongs to.
    pub task_id: &'a str,
    /// The number of the strategy that holds for this device, as the third party set it.
    pub strategy: u8,
    /// The member `push_channel` of the request: a JSON object, not looked into.
    pub push_channel: &'a str,
}

/// The name of a device at its vendor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorToken<'a> {
    /// The channel, as a third party named it when it bound the token.
    pub kind: &'a str,
    /// The token.
    pub token: &'a str,
}

/// A way to devices that hold no connection.
///
/// It is called on the thread of the ingress: an implementation that talks to a network takes the
/// message into a queue with a bound and returns at once.
pub trait VendorChannel: Send + Sync {
    /// Takes one message.
    fn hand_over(&self, message: &VendorMessage<'_>);
}

/// A channel that writes a line for each message and sends nothing: shows what a vendor would get.
#[derive(Debug, Clone, Copy)]
pub struct LogOnly;

impl VendorChannel for LogOnly {
    fn hand_over(&self, message: &VendorMessage<'_>) {
        // Neither token nor content: the log holds no secrets and no payloads.
        tracing::info!(
            app = message.app_id,
            cid = %message.cid,
            task = message.task_id,
            kind = message.token.map_or("", |token| token.kind),
            strategy = message.strategy,
            push_channel_len = message.push_channel.len(),
            "handed to the vendor channel"
        );
    }
}

/// Which vendor channel the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VendorKind {
    /// None: all devices are reached by their own connection.
    #[default]
    None,
    /// [`LogOnly`].
    Log,
}

impl VendorKind {
    /// The channel.
    pub fn channel(self) -> Option<Arc<dyn VendorChannel>> {
        match self {
            VendorKind::None => None,
            VendorKind::Log => Some(Arc::new(LogOnly)),
        }
    }
}
