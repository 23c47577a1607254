//! What benches put into a store: an app, and devices that registered with it.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::ClientId;
use schema::record::{App, Device as DeviceRow};
use server::lifecycle::Lifecycle;
use server::store::committer::Committer;
use server::store::{Store, StoreBounds};
use server::telemetry::Telemetry;
use server_core::ids::{AppNo, SessionId};
use server_core::op::Op;

pub(crate) const SHARDS: u16 = 2;
pub(crate) const APP: AppNo = AppNo(1);

/// Files that the store may hold open.
const STORE_FILES_MAX: usize = 512;

/// The store of this folder, which is made if there is none.
pub(crate) fn open(path: &Path) -> Store {
    std::fs::create_dir_all(path).expect("a folder for the store");
    Store::open(path, StoreBounds::of_files(STORE_FILES_MAX)).expect("a store")
}

pub(crate) fn committer(store: Store) -> Committer {
    let telemetry = Telemetry::new(SHARDS, 0);
    Committer::new(store, telemetry, Lifecycle::default()).expect("a committer")
}

/// Makes [`APP`], in a store that has none.
pub(crate) fn create_app() -> Op {
    Op::CreateApp {
        ticket: None,
        app: App {
            number: 0,
            app_id: "benchbenchbenchbenchbench".into(),
            app_key: "key".into(),
            app_secret: "secret".into(),
            master_secret: "master".into(),
            name: "bench".into(),
            created_ms: now_ms(),
            disabled: false,
            sign_required: false,
            previous: None,
            settings: Default::default(),
        },
    }
}

/// The row of the n-th device.
pub(crate) fn device(n: u64) -> DeviceRow {
    let mut install = [0; 16];
    install[..8].copy_from_slice(&n.to_be_bytes());
    DeviceRow {
        app: APP.0,
        install,
        secret_hash: [7; 32],
        created_ms: now_ms(),
        platform: 1 + (n % 2) as u8,
        sdk_version: "bench 1".into(),
        push_off: false,
        blocked: false,
        notify_off: false,
    }
}

/// Registers the n-th device.
pub(crate) fn register(n: u64, cid: ClientId) -> Op {
    Op::Register {
        session: SessionId(n),
        cid,
        device: device(n),
    }
}

/// Bytes of a folder.
pub(crate) fn size_of(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size_of(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("after 1970").as_millis() as u64
}
