//! Pushes to many on their way: their pace, refusals of the store, their end, the time they begin.

use crate::harness::check;

/// A, B, C and D of the demo app, none of them online, all of them written down.
const ABCD: &str = concat!(
    four_register!(),
    "
    gone s1
    gone s2
    gone s3
    gone s4
    tick 1s
    commit
"
);

#[test]
fn given_a_walk_with_a_pace_when_time_passes_should_reach_as_many_as_its_speed_says() {
    check(&format!(
        "{ABCD}
        group t1 speed=2
        commit             -> answered q taken t1
        waiting commits=1  # how many it will reach
        commit
        waiting commits=0  # nobody yet
        tick 250ms
        waiting commits=0
        tick 250ms
        waiting commits=1
        commit
        counts accepted=1
        tick 250ms
        commit
        counts accepted=1
        tick 250ms
        commit
        counts accepted=2
        tick 500ms
        commit
        tick 500ms
        commit
        counts accepted=4
        waiting commits=0
        groups t1
        read               -> answered q t1:Done targets=4
        "
    ));
}

#[test]
fn given_a_walk_when_it_has_reached_everybody_or_nobody_should_be_over() {
    check(&format!(
        "{ABCD}
        group t1
        group t2 or=nobody
        commit             -> answered q taken t1
                           -> answered q taken t2
        waiting commits=2
        commit
        waiting commits=0
        groups t1
        groups t2
        read               -> answered q t1:Done targets=4
                           -> answered q t2:Done
        group t3 speed=1 ttl=2s
        commit             -> answered q taken t3
        commit
        tick 1s
        commit
        tick 1s
        commit
        waiting commits=0
        tick 1s
        waiting commits=0
        groups t3
        read               -> answered q t3:Done targets=1 expired=1
        "
    ));
}

#[test]
fn given_a_store_that_refuses_when_a_push_is_on_its_way_should_go_on_where_it_was() {
    check(&format!(
        "{ABCD}
        group t1
        commit             -> answered q taken t1
        refuse
        tick 250ms
        commit
        waiting commits=0
        rows A 1
        rows B 1
        rows C 1
        rows D 1
        group t2 speed=1000
        commit             -> answered q taken t2
        refuse             # how many it will reach
        tick 250ms
        commit
        tick 250ms
        refuse             # its messages
        tick 250ms
        commit
        rows A 2
        rows D 2
        group t3 in=1m
        group t4 in=1m
        commit             -> answered q taken t3
                           -> answered q taken t4
        tick 1m
        refuse             # both begin
        tick 250ms
        waiting commits=2
        commit 1           # t3 begins
        refuse             # its messages, and t4
        tick 250ms
        commit
        commit
        rows A 4
        groups t3,t4
        read               -> answered q t3:Done targets=4 t4:Done targets=4
        "
    ));
}

#[test]
fn given_a_device_that_comes_before_a_push_lists_its_targets_when_it_began_earlier_should_miss_it()
{
    check(&format!(
        "{ABCD}
        group t1 speed=1000
        commit             -> answered q taken t1
        tick 2s
        refuse             # its targets are listed anew at the next tick
        open s5
        hello s5 register install=5
        commit             -> welcome s5 E registered hb=240
        tick 1s
        commit
        tick 1s
        commit
        rows A 1
        rows E 0
        groups t1
        read               -> answered q t1:Done targets=4
        "
    ));
}

#[test]
fn given_two_walks_when_one_is_stopped_should_go_on_with_the_other() {
    check(&format!(
        "{ABCD}
        group t1 speed=1
        group t2 speed=1
        commit             -> answered q taken t1
                           -> answered q taken t2
        commit
        stop t1
        commit             -> answered q done
        tick 1s
        waiting commits=1
        commit
        tick 1s
        commit
        tick 1s
        commit
        tick 1s
        commit
        groups t1,t2
        read               -> answered q t1:Stopped t2:Done targets=4
        "
    ));
}

#[test]
fn given_stopped_pushes_when_another_is_stopped_should_all_stay_stopped() {
    check(&format!(
        "{ABCD}
        group t1 list body=l
        group t2 list
        commit             -> answered q taken t1
                           -> answered q taken t2
        list t1 A
        commit             -> answered r t1 A:offline
        stop t1
        stop t2
        commit             -> 2x answered q done
        open s5
        hello s5 login A   -> welcome s5 A known hb=240
        read
        gone s5
        tick 1s
        commit
        groups t1
        read               -> answered q t1:Stopped targets=1 revoked=1
        "
    ));
}

#[test]
fn given_a_push_that_waits_for_its_time_when_it_comes_should_begin_once_and_at_once() {
    check(&format!(
        "{ABCD}
        group t1 in=1m
        commit             -> answered q taken t1
        tick 59750ms
        waiting commits=0
        tick 250ms
        waiting commits=1
        tick 250ms
        waiting commits=1
        commit
        commit
        rows A 1
        "
    ));
}

#[test]
fn given_pushes_to_many_when_the_shard_finishes_should_begin_and_sample_nothing_more() {
    check(&format!(
        "{ABCD}
        group t1 speed=1
        group t2 in=1m
        open s5
        hello s5 login A   -> welcome s5 A known hb=240
        commit             -> answered q taken t1
                           -> answered q taken t2
        commit
        read
        finish             -> close s5 Draining
        commit
        tick 11m
        commit
        waiting commits=0
        rows B 0
        groups t1,t2
        read               -> answered q t1:Running t2:Scheduled
        "
    ));
}

#[test]
fn given_a_full_commit_ring_when_pushes_begin_should_wait_for_room() {
    let scheduled: String = (0..17)
        .map(|n| format!("group g{n} in=1m or=nobody\n"))
        .collect();
    let taken: String = (0..17)
        .map(|n| format!("-> answered q taken g{n}\n"))
        .collect();
    check(&format!(
        "{ABCD}
        {scheduled}
        commit
        {taken}
        tick 59750ms
        group t1 speed=1000
        push A n=4079
        waiting commits=4080
        tick 250ms
        waiting commits=4096
        commit 1           -> answered q taken t1
        waiting commits=4095
        tick 250ms
        waiting commits=4096
        commit             -> 4079x answered r t A:offline
        commit
        commit
        tick 250ms
        commit
        rows B 1
        "
    ));
}

#[test]
fn given_targets_that_get_nothing_when_pushed_to_should_be_counted_by_their_reason() {
    check(&format!(
        "{ABCD}
        open s5
        hello s5 login A   -> welcome s5 A known hb=240
        read
        block B
        set demo offline_len=1
        push C task=fills
        commit             -> app demo
                           -> 2x answered q done
                           -> answered r fills C:offline
        counts accepted=1
        group t1
        commit             -> answered q taken t1
        commit             -> push s5 1 x
        counts accepted=5 filtered=1 failed=1 expired=0
        group t2 ttl=-1
        commit             -> answered q taken t2
        commit             -> push s5 2 x
        counts accepted=9 filtered=2 failed=1 expired=2
        rows A 1
        rows B 0
        rows C 1
        rows D 1
        group t3 list
        commit             -> answered q taken t3
        list t3 A,B,D
        commit             -> push s5 3 x
                           -> answered r t3 A:online B:ignore D:ignore
        counts accepted=12 filtered=3 failed=2 expired=2
        tally accepted=12 filtered=3 failed=2
        "
    ));
}

#[test]
fn given_a_list_when_its_time_is_over_should_take_nobody_and_stop_only_if_it_was() {
    check(&format!(
        "{ABCD}
        group t1 list ttl=10s
        group t2 list ttl=10s
        group t3 in=5m
        commit             -> answered q taken t1
                           -> answered q taken t2
                           -> answered q taken t3
        unschedule t3
        stop t2
        commit             -> 2x answered q done
        tick 10s
        list t1 A
        stop t1
        stop t2
        stop t3
        commit             -> answered r no-such-task
                           -> answered q cannot-stop
                           -> answered q done
                           -> answered q no-such-task
        rows A 0
        "
    ));
}

#[test]
fn given_a_list_that_stores_nothing_when_two_hours_are_over_should_take_nobody() {
    check(&format!(
        "{ABCD}
        group t1 list ttl=-1
        commit             -> answered q taken t1
        jump 7199s
        commit
        list t1 A
        commit             -> answered r t1 A:ignore
        jump 1s
        list t1 A
        commit             -> answered r no-such-task
        "
    ));
}

#[test]
fn given_pushes_to_many_when_ninety_days_are_over_should_be_forgotten_with_their_names() {
    check(&format!(
        "{ABCD}
        group t1 list name=spring
        group t2 list
        commit             -> answered q taken t1
                           -> answered q taken t2
        jump 90d
        commit
        groups t1,t2
        read               -> answered q t1:Open t2:Open
        jump 24h
        commit
        groups t1,t2
        read               -> answered q none
        "
    ));
}

#[test]
fn given_third_parties_who_fill_all_room_when_a_walk_is_due_should_go_on() {
    for full in [
        "push A n=4080\n push A -> answered r busy\n waiting commits=4080",
        "push A n=511 body=x*65536\n push A body=x*65536 -> answered r busy\n waiting commits=511",
    ] {
        let (_, filled) = full.rsplit_once('=').expect("a number");
        let walked = filled.parse::<usize>().expect("a number") + 1;
        let len = walked - 1;
        check(&format!(
            "{ABCD}
            group t1 speed=2
            commit             -> answered q taken t1
            commit
            {full}
            tick 500ms
            waiting commits={walked}
            commit             -> {len}x answered r t A:offline
            "
        ));
    }
}
