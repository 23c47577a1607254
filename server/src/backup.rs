//! Backups of a running server: who asks for one, and how far the one under way has come.
//!
//! `http` asks and `boot` runs the thread that copies; neither knows the other. Always: one backup
//! at a time.

use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::sync::{mpsc, watch};

/// How the last backup stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Backup {
    /// None was asked for since the server started.
    None,
    /// It is being written.
    Running {
        /// Where.
        to: PathBuf,
        /// Rows so far.
        rows: u64,
    },
    /// It is whole and on the disk.
    Done {
        /// Where.
        to: PathBuf,
        /// Its rows.
        rows: u64,
        /// How long it took, in ms.
        took_ms: u64,
    },
    /// There is none; what was written of it is gone.
    Failed {
        /// Where it was to be.
        to: PathBuf,
        /// Why not.
        why: String,
    },
}

/// Where backups are asked for.
#[derive(Debug, Clone)]
pub struct BackupDesk {
    orders: mpsc::Sender<PathBuf>,
    told: watch::Sender<Backup>,
    stand: watch::Receiver<Backup>,
}

/// Where the orders arrive.
#[derive(Debug)]
pub struct BackupOrders {
    orders: mpsc::Receiver<PathBuf>,
    stand: watch::Sender<Backup>,
}

/// A desk, and the other end of it.
pub fn desk() -> (BackupDesk, BackupOrders) {
    let (order, orders) = mpsc::channel(1);
    let (told, stand) = watch::channel(Backup::None);
    let desk = BackupDesk {
        orders: order,
        told: told.clone(),
        stand,
    };
    let orders = BackupOrders {
        orders,
        stand: told,
    };
    (desk, orders)
}

impl BackupDesk {
    /// Asks for a backup in a new folder.
    ///
    /// # Errors
    /// The path is relative, or something is there; another backup is under way; in words.
    pub fn order(&self, to: &Path) -> Result<(), String> {
        let to: &Path = &to.components().collect::<PathBuf>();
        if !to.is_absolute() {
            return Err(format!("to: {} is not absolute", to.display()));
        }
        if to.exists() {
            return Err(format!("to: {} exists already", to.display()));
        }
        let before = self.stand();
        if matches!(before, Backup::Running { .. }) {
            return Err("a backup is under way".to_owned());
        }
        // Told first: who asks next is not told of the one before.
        let to = to.to_owned();
        let rows = 0;
        self.told.send_replace(Backup::Running {
            to: to.clone(),
            rows,
        });
        self.orders.try_send(to).map_err(|_| {
            self.told.send_replace(before);
            "backups are not written any more".to_owned()
        })
    }

    /// How the last one stands.
    pub fn stand(&self) -> Backup {
        self.stand.borrow().clone()
    }

    /// How the last one stands once it was told that it is not as `before`.
    pub async fn change(&self, before: &Backup) -> Backup {
        let mut stand = self.stand.clone();
        let changed = stand.wait_for(|now| now != before).await;
        changed.map_or_else(|_| self.stand(), |now| now.clone())
    }
}

impl BackupOrders {
    /// The next order; `None` once nobody can ask any more.
    pub fn wait(&mut self) -> Option<PathBuf> {
        self.orders.blocking_recv()
    }

    /// Says how it stands.
    pub fn tell(&self, backup: Backup) {
        self.stand.send_replace(backup);
    }

    /// Whether nobody waits for it: the server ends.
    pub fn is_abandoned(&self) -> bool {
        self.stand.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_backup_under_way_when_another_is_asked_for_should_refuse_it_until_it_is_done() {
        let (desk, mut orders) = desk();
        let to = Path::new("/nowhere/new");
        assert!(desk.order(Path::new("new")).is_err(), "relative");
        assert!(desk.order(Path::new("/")).is_err(), "there");
        desk.order(to).expect("taken");
        assert!(desk.order(to).is_err(), "one waits");
        let waits = Backup::Running {
            to: to.to_owned(),
            rows: 0,
        };
        assert_eq!(desk.stand(), waits);
        assert_eq!(orders.wait().as_deref(), Some(to));
        let to = to.to_owned();
        orders.tell(Backup::Running {
            to: to.clone(),
            rows: 1,
        });
        assert!(desk.order(&to).is_err(), "one runs");
        orders.tell(Backup::Done {
            to: to.clone(),
            rows: 2,
            took_ms: 3,
        });
        desk.order(&to).expect("taken");
        assert!(!orders.is_abandoned());
        drop(desk);
        assert!(orders.is_abandoned());
    }
}
