//! What a world starts from: its apps, and the devices that the rows hold.

use protocol::MessageId;
use schema::record::App;
use server_core::devices::{Device, Devices};
use server_core::keys;
use server_core::placement::Slot;
use server_core::rows::{Keyspace, MemoryRows, Rows};

/// An app whose texts can be told from its AppID.
pub(super) fn app(app_id: &str) -> App {
    App {
        number: 0,
        app_id: app_id.to_owned(),
        app_key: format!("key of {app_id}"),
        app_secret: format!("secret of {app_id}"),
        master_secret: format!("master of {app_id}"),
        name: app_id.to_owned(),
        created_ms: 0,
        disabled: false,
        sign_required: false,
    }
}

fn each(rows: &MemoryRows, keyspace: Keyspace, mut visit: impl FnMut(&[u8], &[u8])) {
    rows.range(keyspace, &[], &[], &mut |key, value| {
        visit(key, value);
        true
    })
    .expect("memory reads");
}

pub(super) fn apps(rows: &MemoryRows) -> Vec<App> {
    let mut apps = Vec::new();
    each(rows, Keyspace::App, |_, value| {
        apps.push(App::decode(value).expect("a row of ours"))
    });
    apps
}

pub(super) fn devices(rows: &MemoryRows, shards: u16) -> Vec<Devices> {
    let mut owners: Vec<Devices> = (0..shards).map(|_| Devices::default()).collect();
    let owner = |cid| usize::from(Slot::of_cid(cid).shard(shards).0);
    each(rows, Keyspace::Reg, |key, value| {
        let row = schema::record::Device::decode(value).expect("a row of ours");
        let cid = keys::client_of(key).expect("a key of ours");
        owners[owner(cid)].put(cid, Device::new(&row, None));
    });
    each(rows, Keyspace::Cur, |key, value| {
        let row = schema::record::Cursor::decode(value).expect("a row of ours");
        let cid = keys::client_of(key).expect("a key of ours");
        let device = owners[owner(cid)]
            .get_mut(cid)
            .expect("a cursor has a device");
        device.acked = MessageId(row.acked);
        device.last_login_ms = row.last_login_ms;
        device.last_seen_ms = row.last_seen_ms;
    });
    owners
}
