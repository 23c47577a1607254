//! What the owner of a CID hears when its device is imported.

use protocol::MessageId;

use super::Shard;
use crate::devices::{Device, Switches};
use crate::op::ImportedDevice;

impl Shard {
    pub(super) fn on_imported(&mut self, imported: ImportedDevice) {
        let ImportedDevice {
            cid,
            device: row,
            cursor,
            tags_gone,
            tags_new,
        } = imported;
        match (self.devices.get_mut(cid), cursor) {
            (Some(device), _) => {
                device.set_secret_hash(&row.secret_hash);
                device.switches = Switches::of(&row);
            }
            (None, Some(cursor)) => {
                let acked = MessageId(cursor.acked);
                // Nothing above it can have been given out before the import.
                let mut device = Device::new(&row, Some(acked));
                device.acked = acked;
                device.last_login_ms = cursor.last_login_ms;
                device.last_seen_ms = cursor.last_seen_ms;
                self.devices.put(cid, device);
            }
            // It is being deleted, and its rows go with an op that is under way.
            (None, None) => return,
        }
        for tag in tags_gone {
            self.devices.set_tag(cid, &tag, false);
        }
        for tag in tags_new {
            self.devices.set_tag(cid, &tag, true);
        }
    }
}
