//! Devices that come from elsewhere, and the pages in which they leave.

use bytes::Bytes;
use protocol::{ClientId, MessageId};
use schema::record::{App, Cursor};
use server_core::apply::{Ids, apply};
use server_core::command::{Push, Reach, Storage};
use server_core::ids::{AppNo, ShardNo, Ticket};
use server_core::keys;
use server_core::op::{Committed, Op, Submitted};
use server_core::portable::PortableDevice;
use server_core::rows::{Keyspace, MemoryRows, Rows};

use crate::harness::check;

#[test]
fn given_an_import_when_pushed_to_by_tag_alias_and_cid_should_deliver_at_its_login() {
    check(
        "
        world shards=2
        import 3,200 secret=1 install=1 tags=vip   # one of each shard, the pair of one of them
        commit                     -> answered q ok InstallTaken
        import 200 secret=2 install=2 tags=news,vip aliases=mail:bob,bob
        commit                     -> answered q ok
        count or=vip at=0          -> answered q 1
        count or=vip at=1          -> answered q 1
        cids bob
        read                       -> answered q B
        group g1 or=news
        commit                     -> answered q taken g1
        commit
        push A,B as=r1
        commit                     -> answered r1 t A:offline B:offline
        open s2
        hello s2 login B secret=1  -> handoff s2 to=1
                                   -> close s2 BadCredential never
        open s2
        hello s2 login B secret=2  -> handoff s2 to=1
                                   -> welcome s2 B known hb=240
        read                       -> push s2 1..2 x
        ",
    );
}

#[test]
fn given_an_import_of_a_known_device_when_made_should_replace_what_is_said_of_it_only() {
    check(
        "
        open s1
        hello s1 register
        commit                     -> welcome s1 A registered hb=240
        tick 1s
        settags A a,b
        commit                     -> answered q done
        bind A=old type=x
        commit                     -> answered q done
        bind A=ann
        commit                     -> answered q done
        import A tags=b,c aliases=bob badge=3 token=t blocked
        commit                     -> answered q ok
        import A tags=b,c aliases=bob badge=3 token=t blocked   # twice is as once
        commit                     -> answered q ok
        export
        read                       -> answered q A:b,c;:bob+secret+install+blocked+login+badge3+fcm/t
        count or=a                 -> answered q 0
        count or=c                 -> answered q 1
        cids ann
        read                       -> answered q none
        push A as=r1
        commit                     -> answered r1 t A:ignore
        import A
        commit                     -> answered q ok
        export
        read                       -> answered q A:+secret+install+login
        push A as=r2
        commit                     -> push s1 1 x
                                   -> answered r2 t A:online
        gone s1
        open s2
        hello s2 login A           -> welcome s2 A known hb=240
        read                       -> push s2 1 x
        ",
    );
}

#[test]
fn given_a_device_without_a_secret_when_it_logs_in_should_be_refused_until_one_is_imported() {
    check(
        "
        import 3 tags=a login=1h
        commit                     -> answered q ok
        open s1
        hello s1 login A           -> close s1 BadCredential never
        push A
        commit                     -> answered r t A:offline
        import 3 secret=1 install=7
        commit                     -> answered q ok
        import 3 secret=2
        commit                     -> answered q OtherSecret
        import 3 tags=b            # a line without a secret takes none away
        commit                     -> answered q ok
        export
        read                       -> answered q A:b+secret+install+login
        crash
        open s1
        hello s1 login A           -> welcome s1 A known hb=240
        read                       -> push s1 1 x
        open s2
        hello s2 register install=7 secret=1
        commit                     -> close s1 Replaced
                                   -> welcome s2 A known hb=240
        read                       -> push s2 1 x
        ",
    );
}

#[test]
fn given_cids_of_other_apps_or_no_app_when_imported_should_be_left_alone() {
    check(
        "
        import 3 app=other tags=a
        commit                     -> answered q ok
        import 3,4 tags=b
        commit                     -> answered q OtherApp ok
        export app=other
        read                       -> answered q A:a
        export
        read                       -> answered q B:b
        delete other               # its rows go tick by tick
        import 5 app=other
        commit                     -> appgone other
                                   -> answered q done
                                   -> answered q target-invalid
        tick 1s
        commit
        export
        read                       -> answered q B:b
        import 3 tags=c
        commit                     -> answered q ok
        devices 2
        ",
    );
}

#[test]
fn given_many_devices_when_exported_by_pages_should_show_each_once_in_order() {
    check(
        "
        import 9,3,5,7
        commit                     -> answered q ok ok ok ok
        import 4,6 app=other
        commit                     -> answered q ok ok
        export limit=2
        read                       -> answered q B: C: next=C
        export limit=2 after=C
        read                       -> answered q D: A:
        export limit=2 after=A
        read                       -> answered q none
        export app=other after=C
        read                       -> answered q F:
        ",
    );
}

#[test]
fn given_a_store_that_refuses_when_imported_should_say_so_and_change_nothing() {
    check(
        "
        import 3 tags=a
        refuse                     -> answered q store-failed
        count or=a                 -> answered q 0
        export
        read                       -> answered q none
        ",
    );
}

fn imported(cid: ClientId) -> PortableDevice {
    PortableDevice {
        cid,
        platform: 1,
        created_ms: 5,
        sdk_version: "".into(),
        secret_hash: None,
        install: None,
        tags: Vec::new(),
        aliases: Vec::new(),
        blocked: false,
        push_off: false,
        badge: 0,
        token: None,
        last_login_ms: u64::MAX,
    }
}

#[test]
fn given_messages_of_a_deleted_device_when_its_cid_is_imported_should_stay_behind_its_cursor() {
    const NOW_MS: u64 = 20_000 * server_core::clock::DAY_MS;
    let cid = ClientId::from_bytes([3; 16]);
    let mut rows = MemoryRows::default();
    let mut ids = Ids::recover(&rows).expect("memory reads");
    let app = App {
        number: 0,
        app_id: "demo".to_owned(),
        app_key: "key".to_owned(),
        app_secret: "secret".to_owned(),
        master_secret: "master".to_owned(),
        name: "demo".to_owned(),
        created_ms: 1,
        disabled: false,
        sign_required: false,
        previous: None,
        settings: Box::default(),
    };
    let (ticket, number) = (Ticket(1), AppNo(1));
    let import = Op::Import {
        ticket,
        app: number,
        devices: vec![imported(cid)],
    };
    let push = Push {
        request_id: "r".into(),
        task_id: "t".into(),
        storage: Storage::Until(NOW_MS + 1000),
        vendor: None,
        skips_notify_off: false,
        body: Bytes::from_static(b"x"),
    };
    let mut given = MessageId::NONE;
    for op in [
        Op::CreateApp { ticket: None, app },
        import.clone(),
        Op::Accept {
            ticket,
            app: number,
            targets: vec![(cid, Reach::Offline)],
            push,
        },
        Op::ForgetDevices {
            ticket: Some(ticket),
            cids: vec![cid],
        },
        import,
    ] {
        let shard = ShardNo(0);
        let applied = apply(&[Submitted { shard, op }], NOW_MS, 1, &mut ids, &rows);
        let applied = applied.expect("memory reads");
        for (_, event) in &applied.events {
            if let Committed::Stored { message, .. } = event {
                given = message.id;
            }
        }
        rows.commit(applied.writes);
    }
    let row = rows.get(Keyspace::Cur, &keys::client(cid)).expect("reads");
    let cursor = Cursor::decode(&row.expect("a cursor")).expect("a row of ours");
    assert!(given > MessageId::NONE);
    assert!(cursor.acked >= given.0, "{} {given}", cursor.acked);
    // Times of a clock that is ahead are taken for now.
    assert_eq!(cursor.last_login_ms, NOW_MS);
}

#[test]
fn given_devices_without_an_install_id_when_imported_with_one_secret_should_all_be_taken() {
    check(
        "
        import 3,200 secret=1
        commit                     -> answered q ok ok
        devices 2
        ",
    );
}
