//! Drain and finish.

use crate::A;
use crate::harness::check;

#[test]
fn given_a_drain_when_it_begins_should_tell_the_living_and_refuse_the_new() {
    check(&format!(
        "{A}
        open s2
        open s3
        hello s3 register install=3
        open s4
        drain 5s
        hello s4 login A   -> close s4 Draining
        open s5            -> close s5 Draining
        tick 250ms         -> goaway s1 Draining jitter=5000
                           -> close s2 Draining
                           -> close s3 Draining
        commit
        push A
        commit             -> push s1 1 x
                           -> answered r t A:online
        ack s1 1
        tick 5s
        commit
        cursor A 1
        bye s1             -> close s1 Normal
        "
    ));
}

#[test]
fn given_a_drain_that_redirects_when_it_begins_should_tell_the_living_where_to_go() {
    check(&format!(
        "{A}
        drain 5s endpoint=push2.example.org:5224
        tick 250ms         -> goaway s1 Draining jitter=5000 endpoint=push2.example.org:5224
        bye s1             -> close s1 Normal
        "
    ));
}

#[test]
fn given_a_hand_off_to_a_shard_that_drains_when_it_comes_should_be_closed() {
    check(
        "
        world shards=2
        open s1 at=0
        open s2 at=1
        hello s1 register install=1 secret=1
        commit             -> welcome s1 A registered hb=240
        gone s1
        hello s2 register install=1 secret=1
        drain 1s
        commit             -> handoff s2 to=0
                           -> close s2 Draining
        ",
    );
}

#[test]
fn given_more_sessions_than_a_tick_tells_when_draining_should_spread_over_ticks() {
    let mut script = String::new();
    for n in 1000..1600 {
        script += &format!("open s{n}\n");
    }
    script += "drain 1s\n tick 250ms";
    for n in 1088..1600 {
        script += &format!(" -> close s{n} Draining\n");
    }
    script += "tick 250ms";
    for n in 1000..1088 {
        script += &format!(" -> close s{n} Draining\n");
    }
    check(&script);
}

#[test]
fn given_a_finish_when_it_comes_should_close_all_and_write_cursors_down() {
    check(&format!(
        "{A}
        open s2
        push A n=3
        push A ttl=-1 body=u
        commit             -> push s1 1..3 x
                           -> push s1 4 u
                           -> 4x answered r t A:online
        ack s1 1 2
        finish             -> close s1 Draining
                           -> close s2 Draining
        waiting commits=1
        open s3            -> close s3 Draining
        commit
        cursor A 2
        tally accepted=4 acked=2 expired=1
        "
    ));
}

#[test]
fn given_an_unstored_message_under_way_when_finished_should_still_be_counted() {
    check(&format!(
        "{A}
        tick 1s
        commit
        push A ttl=-1
        finish             -> close s1 Draining
        commit             -> answered r t A:online
        tick 1s
        commit
        tally accepted=1 expired=1
        "
    ));
}

#[test]
fn given_each_thing_that_can_be_under_way_when_asked_should_rest_only_without_it() {
    check(&format!(
        "{A}
        rest no            # a session
        gone s1
        rest no            # where it was last heard
        tick 1s
        rest no            # that on its way to the disk
        commit
        rest yes
        push A ttl=1h
        rest no            # a commit
        commit             -> answered r t A:offline
        rest yes
        cids alice
        rest no            # a read
        read               -> answered q none
        rest yes
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1 x
        ack s2 1
        gone s2
        tick 1s
        commit
        rest yes
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        push A ttl=-1
        commit hold
        gone s2
        tick 1s
        commit hold
        deliver            -> answered r t A:online
        rest no            # an end that is not counted
        unwritten 1
        tick 1s
        unwritten 0
        commit
        rest yes
        "
    ));
}
