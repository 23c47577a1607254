//! A shard on its way to its thread.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Instant;

use glommio::{ExecutorJoinHandle, Placement};
use schema::record::App;
use server_core::clock::Now;
use server_core::devices::Devices;
use server_core::ids::ShardNo;
use server_core::recovery::GroupsAtStart;
use server_core::shard::{Identity, Shard};

use super::BootError;
use crate::net::{DeviceListener, Places};
use crate::shard_loop::{self, Inboxes, Outlets, Parts, Terms};
use crate::telemetry::Telemetry;
use crate::wall_clock::now_ms;

/// What a shard is made of, on its way to its thread.
pub(super) struct Seat {
    pub(super) identity: Identity,
    pub(super) apps: Vec<App>,
    pub(super) devices: Devices,
    pub(super) groups: GroupsAtStart,
    pub(super) terms: Arc<Terms>,
    pub(super) places: Places,
    pub(super) telemetry: Arc<Telemetry>,
}

impl Seat {
    pub(super) fn start(
        self,
        cpu: usize,
        inboxes: Inboxes,
        outlets: Outlets,
        listener: TcpListener,
    ) -> Result<ExecutorJoinHandle<()>, BootError> {
        let number = self.identity.me.0;
        shard_loop::executor(Placement::Fixed(cpu))
            .name(&format!("shard-{number}"))
            .spawn(move || async move {
                let listener = match DeviceListener::on_this_executor(listener) {
                    Ok(listener) => listener,
                    Err(error) => {
                        tracing::error!(%error, shard = number, "the device listener failed");
                        return;
                    }
                };
                let started = Instant::now();
                let now = Now {
                    wall_ms: now_ms(),
                    mono_ms: 0,
                };
                let shard = Shard::new(
                    self.identity,
                    self.terms.settings.clone(),
                    self.apps,
                    self.devices,
                    now,
                )
                .with_groups(self.groups);
                shard_loop::run(
                    Parts {
                        me: ShardNo(number),
                        shard,
                        outlets,
                        terms: self.terms,
                        places: self.places,
                        telemetry: self.telemetry,
                        started,
                    },
                    inboxes,
                    listener,
                )
                .await;
            })
            .map_err(|error| BootError::Executor {
                shard: number,
                reason: error.to_string(),
            })
    }
}
