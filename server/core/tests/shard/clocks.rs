//! Pushes to many while the clock is set: who gets them, and what is left of those whose time a clock ended.

use super::groups::ABCD;
use crate::harness::check;

#[test]
fn given_a_clock_that_was_set_back_when_pushed_to_many_should_reach_those_who_registered_before() {
    check(&format!(
        "{ABCD}
        clock -1h
        group t1 or=x body=x
        commit             -> answered q taken t1
        commit             -> push s1 1 x
        group t2 body=all
        commit             -> answered q taken t2
        commit             -> push s2 1 all
                           -> push s1 2 all
        crash
        tick 1s
        rows A 2
        rows C 2
        rows D 1
        "
    ));
}

#[test]
fn given_a_clock_that_is_set_forwards_when_a_push_to_many_is_on_its_way_to_a_shard_should_reach_all()
 {
    check(&format!(
        "{ABCD}
        clock -10m
        group t1 body=x
        commit hold
        clock 10m
        deliver            -> answered q taken t1
        commit             -> push s2 1 x
                           -> push s1 1 x
        crash
        tick 1s
        rows A 1
        rows B 1
        rows C 1
        rows D 1
        "
    ));
}

#[test]
fn given_a_crash_and_a_clock_set_forwards_when_pushes_to_many_had_just_begun_should_reach_who_was_there()
 {
    check(&format!(
        "{ABCD}
        crash
        clock -10m
        group t1 in=1m body=x
        commit             -> answered q taken t1
        tick 61s
        group t2 body=y
        commit hold
        crash
        clock 15m
        open s7
        hello s7 register install=5
        commit             -> welcome s7 E registered hb=240
        tick 1s
        commit
        rows A 2
        rows B 2
        rows C 2
        rows D 2
        rows E 0
        "
    ));
}

#[test]
fn given_devices_that_come_just_before_a_clock_is_set_back_when_pushed_to_many_should_be_reached() {
    check(&format!(
        "{ABCD}
        clock 1h
        import 3
        commit             -> answered q ok
        clock -1h
        group t1 body=x
        commit             -> answered q taken t1
        commit             -> push s2 1 x
                           -> push s1 1 x
        groups t1
        read               -> answered q t1:Done targets=5
        clock 2h
        open s7
        hello s7 register install=5
        clock -1h
        group t2 body=y
        commit             -> welcome s7 F registered hb=240
                           -> answered q taken t2
        commit             -> push s2 2 y
                           -> push s7 1 y
                           -> push s1 2 y
        "
    ));
}

#[test]
fn given_a_clock_that_ran_ahead_when_a_body_went_with_its_day_should_push_nothing_empty() {
    check(&format!(
        "{ABCD}
        group t1 list ttl=1h
        group t2 in=10m ttl=1h
        group t3 speed=1 ttl=1h
        commit             -> answered q taken t1
                           -> answered q taken t2
                           -> answered q taken t3
        clock 48h
        tick 1s
        commit
        commit
        clock -48h
        list t1 A,B
        commit             -> answered r no-such-task
        crash
        tick 5s
        commit
        rows A 0
        rows B 0
        tick 1s
        commit
        commit
        groups t2,t3
        read               -> answered q t2:Done t3:Done
        "
    ));
}

#[test]
fn given_a_body_that_went_with_its_day_when_the_clock_is_set_back_should_reach_nobody_more() {
    check(&format!(
        "{ABCD}
        group t1 ttl=1h body=x speed=1
        commit             -> answered q taken t1
        commit             # how many it will reach
        tick 1s
        commit             -> push s2 1 x
        clock 48h
        tick 1s
        waiting commits=3  # the end of the day is the second, who is reached next the last
        commit 2
        clock -48h
        commit
        rows A 0
        rows B 0
        rows C 0
        rows D 0
        groups t1
        read               -> answered q t1:Done targets=1
        "
    ));
}
