//! Pushes to many: lists, walks over an app, their pace, their end.

use crate::harness::check;

/// A, B, C and D of the demo app; A and B are online.
pub(super) const ABCD: &str = concat!(
    four_register!(),
    "
    gone s3
    gone s4
    settags A x,y
    settags B y
    settags C x
    commit -> 3x answered q done
    read
"
);

#[test]
fn given_a_push_to_the_app_when_walked_should_reach_all_with_one_body() {
    check(&format!(
        "{ABCD}
        group t1 body=h*3000
        commit             -> answered q taken t1
        commit             -> push s2 1 h*3000
                           -> push s1 1 h*3000
        rows A 1
        rows C 1
        ack s1 1
        tick 1s
        commit
        groups t1
        read               -> answered q t1:Done targets=4 acked=1
        open s5
        hello s5 login C   -> welcome s5 C known hb=240
        read               -> push s5 1 h*3000
        ack s5 1
        "
    ));
}

#[test]
fn given_conditions_when_pushed_should_reach_those_that_meet_all() {
    check(&format!(
        "{ABCD}
        count or=x         -> answered q 2
        count or=x,y       -> answered q 3
        count and=x,y      -> answered q 1
        count not=x        -> answered q 2
        count or=x not=y   -> answered q 1
        count platform=android -> answered q 4
        count platform=ios -> answered q 0
        count region=11000000  -> answered q 0
        count active=1     -> answered q 4
        count idle=1       -> answered q 0
        match A,B,C and x  -> answered q A C
        match A,B,C not x  -> answered q B
        group t1 or=x not=y
        commit             -> answered q taken t1
        commit
        rows C 1
        rows A 0
        deltag y A,C
        commit             -> answered q A:true C:false
        count or=x not=y   -> answered q 2
        crash
        count or=x not=y   -> answered q 2
        count or=y         -> answered q 1
        "
    ));
}

#[test]
fn given_a_list_when_pushed_many_times_should_make_a_message_each_time() {
    check(&format!(
        "{ABCD}
        list t9 A
        commit             -> answered r no-such-task
        group t1 list req=one body=l ttl=1h
        commit             -> answered q taken t1
        group t2 list req=one
        commit             -> answered q taken t1
        list t1 A,C
        commit             -> push s1 1 l
                           -> answered r t1 A:online C:offline
        list t1 A,B
        commit             -> push s1 2 l
                           -> push s2 1 l
                           -> answered r t1 A:online B:online
        groups t1,t2
        read               -> answered q t1:Open targets=4
        ack s1 1 2
        tick 1s
        commit
        groups t1
        read               -> answered q t1:Open targets=4 acked=2
        jump 1h            -> close s1 HeartbeatTimeout
                           -> close s2 HeartbeatTimeout
        list t1 B
        commit             -> answered r no-such-task
        "
    ));
}

#[test]
fn given_a_stopped_list_when_its_devices_come_back_should_send_nothing() {
    check(&format!(
        "{ABCD}
        group t1 list
        push C task=other
        commit             -> answered q taken t1
                           -> answered r other C:offline
        list t1 C
        commit             -> answered r t1 C:offline
        stop t1
        commit             -> answered q done
        list t1 C
        commit             -> answered r no-such-task
        groups t1
        read               -> answered q t1:Stopped targets=1 revoked=1
        crash
        open s5
        hello s5 login C   -> welcome s5 C known hb=240
        read               -> push s5 1 x
        ack s5 1
        tick 1s
        commit
        detail C t1
        read               -> answered q Accepted Stored Revoked
        counts revoked=1
        tally accepted=2 acked=1 revoked=1
        stop t1
        stop nothing
        commit             -> answered q done
                           -> answered q no-such-task
        "
    ));
}

#[test]
fn given_a_walk_that_is_cut_by_a_crash_when_started_again_should_reach_everybody_once() {
    check(&format!(
        "{ABCD}
        group t1 body=w
        commit             -> answered q taken t1
        crash
        commit
        rows A 1
        rows B 1
        rows C 1
        rows D 1
        groups t1
        read               -> answered q t1:Done targets=4
        crash
        waiting commits=0
        "
    ));
}

#[test]
fn given_a_walk_with_a_pace_when_it_crashes_and_shards_change_should_go_on_behind_it() {
    check(&format!(
        "{ABCD}
        group t1 speed=1 body=w
        commit             -> answered q taken t1
        commit
        tick 1100ms
        commit hold
        crash shards=2
        tick 5s
        commit
        tick 5s
        commit
        tick 5s
        commit
        tick 5s
        commit
        tick 5s
        commit
        tick 5s
        commit
        tick 5s
        commit
        rows A 1
        rows B 1
        rows C 1
        rows D 1
        groups t1
        read               -> answered q t1:Done targets=4
        "
    ));
}

#[test]
fn given_devices_that_come_later_when_a_push_waits_for_its_time_should_get_it_only_before_it() {
    check(&format!(
        "{ABCD}
        group t1 in=5m body=s
        group t2 in=5m body=gone
        commit             -> answered q taken t1
                           -> answered q taken t2
        unschedule t2
        commit             -> answered q done
        groups t1
        groups t2
        read               -> answered q t1:Scheduled
                           -> answered q t2:Deleted
        tick 3m
        unschedule t1
        unschedule t2
        unschedule t3
        commit             -> answered q done
                           -> 2x answered q no-such-task
        group t4 in=1m
        commit             -> answered q taken t4
        tick 10s
        unschedule t4
        commit             -> answered q begun
        crash
        tick 51s
        commit
        commit
        rows A 1
        tick 1s
        unschedule t4
        commit             -> answered q begun
        groups t4
        read               -> answered q t4:Done targets=4
        "
    ));
}

#[test]
fn given_targets_that_get_nothing_when_pushed_should_be_in_the_sums() {
    check(&format!(
        "{ABCD}
        block B,C
        block B,?0
        commit             -> answered q done
                           -> answered q target-invalid
        group t1 ttl=-1 body=u
        commit             -> answered q taken t1
        commit             -> push s1 1 u
        ack s1 1
        tick 1s
        commit
        groups t1
        read               -> answered q t1:Done targets=4 acked=1 expired=1 filtered=2
        day
        read               -> answered q day targets=4 acked=1 expired=1 filtered=2 registered=4 active=4 peak=0 of=4
        unblock B
        commit             -> answered q done
        push B
        commit             -> push s2 1 x
                           -> answered r t B:online
        crash
        push C
        commit             -> answered r t C:ignore
        "
    ));
}

#[test]
fn given_group_names_when_asked_should_bring_their_tasks() {
    check(&format!(
        "{ABCD}
        group t1 name=spring
        group t2 name=spring list
        group t3 name=autumn list
        commit             -> answered q taken t1
                           -> answered q taken t2
                           -> answered q taken t3
        commit             -> push s2 1 x
                           -> push s1 1 x
        named spring
        named winter
        read               -> answered q t1:Done targets=4 t2:Open
                           -> answered q none
        named spring app=other
        read               -> answered q none
        "
    ));
}

#[test]
fn given_devices_online_when_ten_minutes_pass_should_be_sampled() {
    check(
        "open s1
        hello s1 register install=1 hb=1800
        commit -> welcome s1 A registered hb=1800
        jump 599s
        commit
        online
        read               -> answered q none
        jump 1s
        commit
        online
        day
        read               -> answered q -0m:1
                           -> answered q day registered=1 active=1 peak=1 of=1
        jump 10m
        commit
        online
        read               -> answered q -10m:1 -0m:1
        jump 1h            -> close s1 HeartbeatTimeout
        commit
        jump 24h
        commit
        online
        read               -> answered q none
        ",
    );
}

#[test]
fn given_a_crash_when_a_message_of_a_group_is_asked_after_should_tell_times_that_rise() {
    // Ids run ahead of the clock after a crash.
    check(&format!(
        "{ABCD}
        push A task=before
        commit             -> push s1 1 x
                           -> answered r before A:online
        ack s1 1
        tick 1s
        commit
        crash
        open s5
        hello s5 login A   -> welcome s5 A known hb=240
        read
        group t1 or=x
        group t2 or=x ttl=-1
        commit             -> answered q taken t1
                           -> answered q taken t2
        commit             -> push s5 2..3 x
        ack s5 2 3
        tick 1s
        commit
        detail A t1
        detail A t2
        read               -> answered q Accepted Stored Sent Acked
                           -> answered q Accepted Sent Acked
        "
    ));
}

#[test]
fn given_a_message_of_a_group_when_asked_after_should_tell_its_stages() {
    check(&format!(
        "{ABCD}
        group t1 or=x
        commit             -> answered q taken t1
        commit             -> push s1 1 x
        detail A t1
        detail B t1
        detail C t1
        read               -> answered q Accepted Stored Sent
                           -> answered q no-message
                           -> answered q Accepted Stored
        ack s1 1
        tick 1s
        commit
        detail A t1
        detail A t2
        read               -> answered q Accepted Stored Sent Acked
                           -> answered q no-message
        push A task=single
        commit             -> push s1 2 x
                           -> answered r single A:online
        detail A single
        read               -> answered q Accepted Stored Sent
        "
    ));
}

#[test]
fn given_a_device_that_is_deleted_when_pushed_should_be_unknown_and_in_no_audience() {
    check(&format!(
        "{ABCD}
        badge A +3
        badge A,C -1
        token A tok
        commit             -> 3x answered q done
        details A,C,?0
        read               -> answered q A:badge=2 token=fcm/tok blocked=false C:badge=0 token=/ blocked=false
        bind A=alice
        commit             -> answered q done
        forget A
        commit             -> close s1 Removed
                           -> answered q done
        count or=x         -> answered q 1
        push A             -> answered r target-invalid
        forget A           -> answered q target-invalid
        cids alice
        read               -> answered q none
        crash
        devices 3
        count or=x         -> answered q 1
        "
    ));
}

#[test]
fn given_too_many_tags_when_added_should_be_refused_one_by_one() {
    let mut long: Vec<String> = (0..15).map(|n| format!("{n:032}")).collect();
    long.push("z".repeat(31));
    let ninety_nine: Vec<String> = (0..99).map(|n| format!("t{n:02}")).collect();
    check(&format!(
        "{ABCD}
        settags A {}
        addtag more A,B
        addtag most A,B
        addtag more A
        commit             -> answered q done
                           -> answered q A:true B:true
                           -> answered q A:false B:true
                           -> answered q A:true
        settags A b,a,b
        commit             -> answered q done
        tags A
        read               -> answered q a b
        settags A b,c
        commit             -> answered q done
        count or=a         -> answered q 0
        count or=b         -> answered q 1
        count or=c         -> answered q 1
        settags A {}
        addtag x A
        addtag y A         # 512 characters are all that fit
        commit             -> answered q done
                           -> answered q A:true
                           -> answered q A:false
        settags A
        commit             -> answered q done
        tags A
        read               -> answered q none
        settags ?0 a
        commit             -> answered q target-invalid
        ",
        ninety_nine.join(","),
        long.join(",")
    ));
}

#[test]
fn given_a_deletion_that_the_store_refuses_when_its_device_goes_on_should_have_lost_nothing() {
    check(&format!(
        "{ABCD}
        forget A
        push A body=meanwhile
        refuse             -> answered q store-failed
                           -> answered r store-failed
        ping s1            -> pong s1
        push A
        commit             -> push s1 1 x
                           -> answered r t A:online
        forget A
        push A             # behind the deletion, and nobody hears of it
        ping s1            -> pong s1
        commit             -> close s1 Removed
                           -> answered q done
                           -> answered r t A:online
        devices 3
        crash
        open s9
        hello s9 login A   -> close s9 UnknownClient
        "
    ));
}
