//! An app that prints what it receives: `print_pushes BOOTSTRAP.JSON`.
//!
//! Owner: whoever writes an app. Always: a push is printed, then acked.
//!
//! ```sh
//! cargo run -p sdk-sim --example print_pushes -- ringpost-data/bootstrap.json
//! ringpost push single CID --text hello
//! ```

use std::error::Error;
use std::path::PathBuf;

use schema::push::{Content, PushMessage};
use sdk_sim::blocking_device::{BlockingDevice, Wish};
use sdk_sim::bootstrap::Bootstrap;
use sdk_sim::client::{Config, DeviceSecret, Event, InstallId, LearntHeartbeats};
use sdk_sim::transport::Tls;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("which bootstrap.json?")?;
    let bootstrap = Bootstrap::load(&PathBuf::from(path))?;

    // An app makes these two at its first start and keeps them; this one is a new device each time.
    let (mut install, mut secret) = ([0; 16], [0; 32]);
    getrandom::fill(&mut install)?;
    getrandom::fill(&mut secret)?;
    let mut config = Config::new(
        &bootstrap.app.appid,
        InstallId::from_bytes(install),
        DeviceSecret::from_bytes(secret),
        getrandom::u64()?,
    );
    config.learnt = Some(LearntHeartbeats::default());

    let tls = Tls::trusting(&bootstrap.ca_cert)?.for_device();
    let mut device = BlockingDevice::connect(config, &bootstrap.device, tls);
    device.run(|_client, event| {
        match event {
            Event::Online { cid, .. } => println!("online as {cid}"),
            Event::Push { id, body, .. } => match PushMessage::decode(body) {
                Ok(message) => show(&message),
                Err(error) => println!("{id}: {error}"),
            },
            Event::Offline { reason } | Event::Refused { reason } => println!("offline: {reason}"),
            other => println!("{other:?}"),
        }
        Ok(Wish::GoOn)
    })
}

fn show(message: &PushMessage) {
    match &message.content {
        Content::Transmission(text) => println!("{}: {text}", message.task_id),
        Content::Notification(shown) => {
            println!("{}: {} - {}", message.task_id, shown.title, shown.body);
        }
        Content::Revoke { old_task_id, .. } => println!("{old_task_id} is taken back"),
    }
}
