//! The server on a disk that really fills: a small tmpfs in namespaces of a process of the test.

mod harness;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use harness::device::{Device, hello, register};
use harness::{Server, Surroundings, wait_for};
use hyper::Method;
use protocol::{ClientId, Close, CloseReason, Frame, Identity, MessageId};
use sdk_sim::third_party::{BlockingThirdParty, Push, PushBody};
use serde_json::json;

const MIB: u64 = 1024 * 1024;

/// Size of the disk. What is kept of it is 16 MiB: twice what gathers in 32 MiB of memory.
const DISK_MIB: u64 = 160;
const SETTINGS: &str = "store.memory_mib = 32\n";

/// The disk under the store of a server that is not running yet; it lasts over restarts.
struct SmallDisk {
    holder: Child,
    /// Where the server sees it.
    root: PathBuf,
}

impl SmallDisk {
    /// `None` where nobody may make a namespace: then the tests of this file say that they are skipped.
    fn under(dir: &Path) -> Option<SmallDisk> {
        let (root, store) = (dir.join("disk"), dir.join("data/store"));
        fs::create_dir_all(&root).expect("made");
        fs::create_dir_all(&store).expect("made");
        let mount = format!(
            "mount -t tmpfs -o size={DISK_MIB}m,mode=700 none \"$0\" && mkdir \"$0/store\" && \
             mount --bind \"$0/store\" \"$1\" && echo mounted && exec cat"
        );
        let mut holder = Command::new("unshare")
            .args(["--map-root-user", "--mount", "sh", "-c", &mount])
            .args([&root, &store])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare, of util-linux");
        let mut said = String::new();
        BufReader::new(holder.stdout.take().expect("piped"))
            .read_line(&mut said)
            .expect("a line");
        let disk = SmallDisk { holder, root };
        if said != "mounted\n" {
            eprintln!("skipped: this machine makes no namespace with a tmpfs");
            return None;
        }
        Some(disk)
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            inside: Some(self.holder.id()),
            ..Surroundings::default()
        }
    }

    /// The disk as the test sees it.
    fn path(&self) -> PathBuf {
        let root = self.root.strip_prefix("/").expect("absolute");
        Path::new("/proc")
            .join(self.holder.id().to_string())
            .join("root")
            .join(root)
    }

    fn free(&self) -> u64 {
        let output = Command::new("stat")
            .args(["--file-system", "--format=%a %S"])
            .arg(self.path())
            .output()
            .expect("stat");
        let said = String::from_utf8(output.stdout).expect("text");
        let (blocks, size) = said.trim().split_once(' ').expect("two numbers");
        blocks.parse::<u64>().expect("blocks") * size.parse::<u64>().expect("bytes")
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Somebody else writes until so many bytes are left, in place of what they wrote before.
    fn fill_up_to(&self, left: u64) {
        let _ = fs::remove_file(self.filler());
        let len = self.free().saturating_sub(left);
        let len = usize::try_from(len).expect("a small disk");
        fs::write(self.filler(), vec![7; len]).expect("there is room for it");
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn push(third_party: &BlockingThirdParty, cid: ClientId) -> Result<(), String> {
    let body = PushBody::Transmission("to be kept".into());
    let push = Push::new(body).expect("random");
    let pushed = third_party.push_single_cid(&cid.to_string(), &push);
    pushed.map(|_| ()).map_err(|error| error.to_string())
}

fn readiness(third_party: &BlockingThirdParty) -> u16 {
    third_party.get("/readyz").expect("an answer").http.as_u16()
}

fn push_until_busy(third_party: &BlockingThirdParty, cid: ClientId) -> usize {
    let mut taken = 0;
    wait_for("a push to be refused", || {
        match push(third_party, cid) {
            Ok(()) => taken += 1,
            Err(why) => {
                assert!(why.contains("30019"), "{why}");
                return Some(());
            }
        }
        None
    });
    taken
}

fn push_until_taken(third_party: &BlockingThirdParty, cid: ClientId) {
    wait_for("a push to be taken", || push(third_party, cid).ok());
}

/// Logs in, takes so many pushes and acknowledges them.
fn take_all(server: &Server, cid: ClientId, count: usize) -> Vec<MessageId> {
    let bootstrap = server.bootstrap();
    let mut device = Device::connect(&bootstrap);
    device.greet(hello(&bootstrap, Identity::Login(cid), [1; 32]));
    let ids: Vec<MessageId> = (0..count)
        .map(|at| {
            device.receive_until(&format!("push {at} of {count}"), |frame| match frame {
                Frame::Push(push) => Some(push.id),
                _ => None,
            })
        })
        .collect();
    device.send(&[Frame::Ack(protocol::Ack { ids: ids.clone() })]);
    ids
}

#[test]
fn given_a_disk_that_is_nearly_full_when_served_should_refuse_what_grows_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::under(dir.path()) else {
        return;
    };
    let mut server = Server::start_in(dir.path(), 1, SETTINGS, disk.surroundings());
    let bootstrap = server.bootstrap();
    let cid = register(&bootstrap, 1);
    let other = register(&bootstrap, 2);
    let third_party = server.third_party();
    push(&third_party, cid).expect("there is room");
    disk.fill_up_to(12 * MIB);
    let taken = 1 + push_until_busy(&third_party, cid);
    assert_eq!(readiness(&third_party), 503);

    // Nobody can register, whoever is registered gets what waits, and devices can be deleted.
    let mut newcomer = Device::connect(&bootstrap);
    newcomer.send(&[Frame::Hello(hello(
        &bootstrap,
        Identity::Register(protocol::InstallId::from_bytes([9; 16])),
        [9; 32],
    ))]);
    let refused = newcomer.receive().expect("a word");
    let Frame::Close(Close {
        reason,
        retry_after_ms,
        ..
    }) = refused
    else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (reason, retry_after_ms),
        (CloseReason::InternalError, 30_000)
    );
    take_all(&server, cid, taken);
    wait_for("the acks to be counted", || {
        (server.metric("ringpost_messages_acked_total") == taken as u64).then_some(())
    });
    let app = &bootstrap.app.appid;
    server.say(&["device", app, &other.to_string(), "--delete"]);
    let unknown = push(&third_party, other).expect_err("it is gone");
    assert!(!unknown.contains("30019"), "{unknown}");

    disk.make_room();
    push_until_taken(&third_party, cid);
    wait_for("the server to be ready", || {
        (readiness(&third_party) == 200).then_some(())
    });
    let log = server.log();
    for told in [
        "the disk is nearly full; nothing is accepted",
        "the disk has room again",
    ] {
        assert_eq!(log.matches(told).count(), 1, "{log}");
    }
    // What was acknowledged while the disk was nearly full is not sent again.
    assert!(server.stop().success());
    server.restart();
    take_all(&server, cid, 1);
}

#[test]
fn given_a_disk_without_a_byte_left_when_there_is_room_again_should_have_all_that_was_answered() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::under(dir.path()) else {
        return;
    };
    let mut server = Server::start_in(dir.path(), 1, SETTINGS, disk.surroundings());
    let cid = register(&server.bootstrap(), 1);
    let third_party = server.third_party();
    push(&third_party, cid).expect("there is room");
    disk.fill_up_to(0);
    let taken = 1 + push_until_busy(&third_party, cid);
    server.kill_nine();
    disk.make_room();
    server.restart();
    let third_party = server.third_party();
    push(&third_party, cid).expect("there is room");
    take_all(&server, cid, taken + 1);
}

/// Pushes of 9 KB in one request.
const BATCH: usize = 100;

/// Requests of that size that fill the disk several times over.
const BATCHES_MAX: usize = 600;

/// So many single pushes in one request; an error if they are refused.
fn push_many(
    third_party: &BlockingThirdParty,
    cids: &[ClientId],
    round: usize,
) -> Result<(), String> {
    let messages: Vec<_> = (0..BATCH)
        .map(|number| {
            json!({
                "request_id": format!("request-{round}-{number}"),
                "audience": { "cid": [cids[number % cids.len()].to_string()] },
                "settings": { "ttl": 86_400_000 },
                "push_message": { "transmission": "\u{6f22}".repeat(3000) },
            })
        })
        .collect();
    let body = json!({ "is_async": false, "msg_list": messages });
    let pushed = third_party.call(Method::POST, "/push/single/batch/cid", Some(&body));
    pushed.map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn given_pushes_that_fill_the_disk_when_refused_should_leave_room_for_what_the_store_does_by_itself()
 {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::under(dir.path()) else {
        return;
    };
    let mut server = Server::start_in(dir.path(), 2, SETTINGS, disk.surroundings());
    let bootstrap = server.bootstrap();
    let cids: Vec<ClientId> = (1..=20)
        .map(|number| register(&bootstrap, number))
        .collect();
    let third_party = server.third_party();
    let refused = (0..BATCHES_MAX).find_map(|round| push_many(&third_party, &cids, round).err());
    let refused = refused.expect("the disk is smaller");
    assert!(refused.contains("30019"), "{refused}");
    // What is in memory is written and merged meanwhile; the journal takes each of these.
    let app = &bootstrap.app.appid;
    for cid in &cids[1..] {
        server.say(&["device", app, &cid.to_string(), "--delete"]);
    }
    let log = server.log();
    assert!(
        log.contains("the disk is nearly full; nothing is accepted"),
        "{log}"
    );
    assert!(!log.contains("the store refuses"), "{log}");
    assert!(server.stop().success());
    server.restart();
    assert!(server.stop().success());
    let log = server.log();
    assert!(!log.contains("the store refuses"), "{log}");
}

/// Requests of that size before a backup.
const BATCHES_BEFORE: usize = 25;

/// Less than a backup takes, so that one of some disks has room for what the store keeps and not for a backup.
const STEP: u64 = 8 * MIB;

#[test]
fn given_a_backup_without_room_when_asked_for_should_be_refused_while_pushes_are_taken() {
    let dir = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::under(dir.path()) else {
        return;
    };
    let server = Server::start_in(dir.path(), 2, SETTINGS, disk.surroundings());
    let bootstrap = server.bootstrap();
    let cids: Vec<ClientId> = (1..=20)
        .map(|number| register(&bootstrap, number))
        .collect();
    let third_party = server.third_party();
    for round in 0..BATCHES_BEFORE {
        push_many(&third_party, &cids, round).expect("there is room");
    }
    let back_up = || {
        let to = disk.root.join("copy");
        server.run(&["backup", "--to", to.to_str().expect("text")])
    };
    let copy = disk.path().join("copy");
    let mut left = disk.free();
    let refused = loop {
        disk.fill_up_to(left);
        let output = back_up();
        if !output.status.success() {
            break output;
        }
        fs::remove_dir_all(&copy).expect("it was written");
        left = left
            .checked_sub(STEP)
            .expect("a backup takes more than nothing");
    };
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        said.contains("bytes of the disk") && said.contains("are free"),
        "{said}"
    );
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(!copy.exists(), "what was written of it is gone");
    push(&third_party, cids[0]).expect("the store has the room that it keeps");
    assert_eq!(readiness(&third_party), 200);
    disk.make_room();
    let output = back_up();
    assert!(output.status.success(), "{output:?}");
}
