//! What the rows must say of devices, aliases and tags, whatever happened.

use std::collections::BTreeMap;

use protocol::ClientId;
use schema::record::{AliasOfClient, Binding, ClientTags, Device};
use server_core::ids::AppNo;
use server_core::keys;
use server_core::limits::CIDS_PER_ALIAS_MAX;
use server_core::op::install_of;
use server_core::recovery;
use server_core::rows::{Keyspace, MemoryRows, Rows};

fn of(rows: &MemoryRows, keyspace: Keyspace) -> impl Iterator<Item = (&[u8], &[u8])> {
    rows.all()
        .filter(move |(at, ..)| *at == keyspace)
        .map(|(_, key, value)| (key, value))
}

fn devices(rows: &MemoryRows) -> BTreeMap<&[u8], Device> {
    of(rows, Keyspace::Reg)
        .map(|(key, value)| (key, Device::decode(value).expect("a row of ours")))
        .collect()
}

/// Whether devices of apps that are gone are still to be deleted.
pub(super) fn has_orphans(rows: &MemoryRows) -> bool {
    let apps = recovery::apps(rows).expect("memory reads");
    let mut devices = devices(rows).into_values();
    devices.any(|device| apps.iter().all(|app| app.number != device.app))
}

/// Every row that names a device stands with its registration; both directions of an alias agree.
pub(super) fn check(rows: &MemoryRows) {
    let devices = devices(rows);
    assert_eq!(of(rows, Keyspace::Install).count(), devices.len());
    for (key, device) in &devices {
        let (app, install, secret_hash) = install_of(device);
        let install = keys::install(app, install, &secret_hash);
        let cid = rows.get(Keyspace::Install, &install).expect("memory reads");
        assert_eq!(cid.as_deref(), Some(&key[2..]), "an install id has its CID");
    }
    for (key, _) in of(rows, Keyspace::Cur) {
        assert!(devices.contains_key(key), "a cursor of no device: {key:x?}");
    }
    for (key, value) in of(rows, Keyspace::ClientTags) {
        assert!(devices.contains_key(key), "tags of no device: {key:x?}");
        let tags = ClientTags::decode(value).expect("a row of ours").tags;
        assert!(!tags.is_empty() && tags.is_sorted_by(|a, b| a < b));
    }
    let mut bound: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for (key, value) in of(rows, Keyspace::ClientAlias) {
        let device = devices.get(&key[..18]).expect("an alias of a device");
        let cid = ClientId::from_bytes(key[2..18].try_into().expect("16 bytes"));
        let alias = AliasOfClient::decode(value).expect("a row of ours");
        let alias_type = str::from_utf8(&key[18..]).expect("a text of ours");
        let name = keys::alias(AppNo(device.app), alias_type, &alias.alias);
        let forward = keys::binding(AppNo(device.app), alias_type, &alias.alias, cid);
        let row = rows.get(Keyspace::Alias, &forward).expect("memory reads");
        let binding = Binding::decode(&row.expect("both ways")).expect("a row of ours");
        assert_eq!(binding.order, alias.order, "one binding");
        *bound.entry(name).or_default() += 1;
    }
    assert_eq!(
        of(rows, Keyspace::Alias).count(),
        bound.values().sum::<usize>(),
        "no binding without its way back"
    );
    assert!(bound.values().all(|count| *count <= CIDS_PER_ALIAS_MAX));
}
