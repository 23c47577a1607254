//! Aliases: one a CID and type, at most ten CIDs an alias.

use crate::A;
use crate::harness::check;

/// A and B of the demo app, C of the other one.
const ABC: &str = "
    open s1
    open s2
    open s3
    hello s1 register install=1
    hello s2 register install=2
    hello s3 register install=3 app=other
    commit -> welcome s1 A registered hb=240
           -> welcome s2 B registered hb=240
           -> welcome s3 C registered hb=240
";

#[test]
fn given_bindings_when_asked_should_be_found_both_ways_and_after_a_crash() {
    check(&format!(
        "{ABC}
        bind B=alice
        bind A=alice
        commit             -> 2x answered q done
        cids alice
        alias A
        read               -> answered q B A
                           -> answered q alice
        crash unsynced
        cids alice
        alias B
        cids bob
        cids alice type=phone
        cids alice app=other
        alias B type=phone
        read               -> answered q B A
                           -> answered q alice
                           -> 4x answered q none
        unbind A=alice
        unbind A=bob
        commit             -> 2x answered q done
        cids alice
        alias A
        alias B
        read               -> answered q B
                           -> answered q none
                           -> answered q alice
        "
    ));
}

#[test]
fn given_a_second_alias_when_bound_should_replace_the_first_of_its_type_only() {
    check(&format!(
        "{ABC}
        bind A=alice
        bind A=phone1 type=phone
        bind A=bob
        commit             -> 3x answered q done
        cids alice
        cids bob
        alias A type=phone
        read               -> answered q none
                           -> answered q A
                           -> answered q phone1
        bind A=bob B=bob
        commit             -> answered q done
        cids bob
        read               -> answered q A B
        "
    ));
}

#[test]
fn given_an_unknown_or_foreign_cid_when_bound_should_bind_nothing() {
    check(&format!(
        "{ABC}
        bind A=alice ?0=alice
        bind A=alice C=alice
        commit             -> 2x answered q target-invalid
        cids alice
        alias ?0           -> answered q target-invalid
        alias C            -> answered q target-invalid
        read               -> answered q none
        "
    ));
}

#[test]
fn given_a_cid_of_another_app_when_unbound_should_stay_bound() {
    check(&format!(
        "{ABC}
        bind A=alice
        commit             -> answered q done
        unbind A=alice app=other
        commit             -> answered q done
        alias A
        cids alice
        read               -> answered q alice
                           -> answered q A
        bind A=bob
        commit             -> answered q done
        cids alice
        cids bob
        read               -> answered q none
                           -> answered q A
        "
    ));
}

#[test]
fn given_ten_cids_when_an_eleventh_is_bound_should_drop_the_oldest() {
    let mut script = String::new();
    for n in 0..11 {
        script += &format!("open s{n}\n hello s{n} register install={n}\n");
    }
    script += "commit";
    for (n, cid) in ('A'..='K').enumerate() {
        script += &format!(" -> welcome s{n} {cid} registered hb=240\n");
    }
    script += "bind B=x\n bind A=x\n";
    for cid in 'C'..='J' {
        script += &format!("bind {cid}=x\n");
    }
    script += "
        commit             -> 10x answered q done
        bind B=x           # it was bound already, so it does not become the newest
        bind K=x
        commit             -> 2x answered q done
        cids x
        alias B
        read               -> answered q A C D E F G H I J K
                           -> answered q none
        bind B=x A=y
        commit             -> answered q done
        cids x
        read               -> answered q C D E F G H I J K B
    ";
    check(&script);
}

#[test]
fn given_a_devices_commands_when_done_should_get_results() {
    check(&format!(
        "{ABC}
        cmd s1 7 bind alice
        cmd s2 8 bind alice
        commit               -> result s1 7 op=1 Ok
                             -> result s2 8 op=1 Ok
        cids alice
        read                 -> answered q A B
        cmd s1 9 unbind alice
        cmd s1 10 unbind alice
        commit               -> result s1 9 op=2 Ok
                             -> result s1 10 op=2 Ok
        cids alice
        read                 -> answered q B
        cmd s1 11 bind alice
        cmd s3 12 drop alice
        commit               -> result s1 11 op=1 Ok
                             -> result s3 12 op=2 Ok
        cids alice           # the drop was one of another app
        read                 -> answered q B A
        cmd s1 13 drop alice
        commit               -> result s1 13 op=2 Ok
        cids alice
        alias A
        alias B
        read                 -> 3x answered q none
        cmd s1 14 bind a.b   -> result s1 14 op=1 AliasInvalid
        cmd s1 15 bind ok type=a.b -> result s1 15 op=1 AliasInvalid
        cmd s1 16 unknown 77 -> result s1 16 op=77 Unsupported
        cmd s1 17 bind bob
        refuse               -> result s1 17 op=1 Busy
        cmd s1 18 bind bob
        gone s1
        commit
        cids bob
        read                 -> answered q A
        "
    ));
}

#[test]
fn given_devices_that_may_not_bind_when_they_try_should_be_told() {
    check(&format!(
        "world devices_may_bind=no
        {A}
        cmd s1 1 bind alice   -> result s1 1 op=1 NotPermitted
        cmd s1 2 drop alice   -> result s1 2 op=2 NotPermitted
        cmd s1 3 unknown 77   -> result s1 3 op=77 Unsupported
        "
    ));
}

#[test]
fn given_a_store_that_refuses_when_asked_should_answer_each_that_waits() {
    check(&format!(
        "{A}
        bind A=alice
        unbind A=alice
        push A
        app new
        refuse             -> 2x answered q store-failed
                           -> answered r store-failed
                           -> answered q store-failed
        cids alice
        alias A
        refuse reads       -> 2x answered q store-failed
        "
    ));
}

#[test]
fn given_a_new_app_when_durable_should_be_known_to_every_shard() {
    check(
        "
        world shards=2
        open s1 at=1
        hello s1 register app=new -> close s1 UnknownApp never
        app new at=1
        commit             -> app new
                           -> answered q created 5
        open s2 at=1
        hello s2 register app=new
        commit             -> welcome s2 A registered hb=240
        crash
        app newer
        commit             -> app newer
                           -> answered q created 6
        open s3 at=0
        hello s3 login A app=new -> handoff s3 to=1
                                 -> welcome s3 A known hb=240
        ",
    );
}
