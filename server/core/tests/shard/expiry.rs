//! What is out of time: in the queue, in the backlog, with its day.

use crate::A;
use crate::harness::check;

#[test]
fn given_a_message_that_expires_in_the_queue_when_its_turn_comes_should_not_be_sent() {
    check(&format!(
        "{A}
        push A n=64
        push A ttl=30s body=y
        push A body=z
        commit             -> push s1 1..64 x
                           -> 66x answered r t A:online
        tick 30s
        ack s1 1..64       -> push s1 66 z
        ack s1 66
        tick 1s
        commit
        cursor A 66
        tally accepted=66 acked=65 expired=1
        "
    ));
}

#[test]
fn given_messages_that_expire_in_the_backlog_when_read_should_be_passed_over() {
    check(&format!(
        "{A}
        gone s1
        push A n=100 ttl=5s
        push A body=y*3000
        push A n=100 ttl=5s body=z*3000
        commit             -> 201x answered r t A:offline
        tick 5s
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read
        read               -> push s2 101 y*3000
        read
        read
        tick 1s
        commit
        cursor A 100
        ack s2 101
        tick 1s
        commit
        cursor A 201
        waiting reads=0
        tally accepted=201 acked=1 expired=200
        "
    ));
}

#[test]
fn given_one_unacked_message_before_many_expired_ones_when_read_should_hold_back_and_go_on() {
    check(&format!(
        "{A}
        gone s1
        push A
        push A n=600 ttl=5s
        push A body=y
        commit             -> 602x answered r t A:offline
        tick 5s
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1 x
        read
        read
        read
        read               # 257..320 stay in the queue
        read
        waiting reads=0
        ack s2 1
        read
        read
        read
        read
        read               -> push s2 602 y
        ack s2 602
        tick 1s
        commit
        cursor A 602
        tally accepted=602 acked=2 expired=600
        "
    ));
}

#[test]
fn given_a_sent_message_when_it_expires_unacked_should_still_be_acked() {
    check(&format!(
        "{A}
        push A ttl=5s
        commit             -> push s1 1 x
                           -> answered r t A:online
        tick 10s
        ack s1 1
        tick 1s
        commit
        tally accepted=1 acked=1 expired=0
        "
    ));
}

#[test]
fn given_a_day_that_is_over_when_dropped_should_count_what_is_left_as_expired() {
    check(&format!(
        "{A}
        gone s1
        push A n=3 ttl=1h
        push A ttl=30h body=y
        commit             -> 4x answered r t A:offline
        tick 1s
        commit
        jump 12h           # midnight
        waiting commits=0
        jump 9m
        waiting commits=0
        jump 1m
        waiting commits=1
        commit
        rows A 1
        tally accepted=4 expired=3
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 4 y
        ack s2 4
        tick 1s
        commit
        tally accepted=4 acked=1 expired=3
        "
    ));
}

#[test]
fn given_an_ack_after_its_day_was_dropped_when_written_down_should_take_the_expiry_back() {
    check(
        "
        open s1
        hello s1 register hb=1800
        commit             -> welcome s1 A registered hb=1800
        push A n=2 ttl=11h
        commit             -> push s1 1..2 x
                           -> 2x answered r t A:online
        clock 13h
        tick 1s
        commit
        tally accepted=2 expired=2
        ack s1 1
        tick 1s
        commit
        tally accepted=2 acked=1 expired=1
        ack s1 2
        gone s1
        tick 1s
        commit
        tally accepted=2 acked=2 expired=0
        ",
    );
}

#[test]
fn given_a_day_dropped_between_two_pages_when_the_session_ends_should_redeliver_what_is_left() {
    check(&format!(
        "{A}
        gone s1
        push A n=64 ttl=40h
        push A ttl=1h body=y
        commit             -> 65x answered r t A:offline
        crash
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1..64 x
        clock 13h
        tick 1s
        commit
        rows A 64
        read               # empty now
        gone s2
        open s3
        hello s3 login A   -> welcome s3 A known hb=240
        read               -> push s3 1..64 x
        ack s3 1..64
        tick 1s
        commit
        tally accepted=65 acked=64 expired=1
        "
    ));
}

#[test]
fn given_a_full_ring_when_a_day_is_over_should_drop_the_day_later() {
    check(&format!(
        "{A}
        push A ttl=1h
        commit             -> push s1 1 x
                           -> answered r t A:online
        push A n=4080
        ack s1 1
        tick 1s
        gone s1
        tick 1s
        open s1
        hello s1 login A   -> welcome s1 A known hb=240
        tick 1s
        gone s1
        tick 1s
        open s1
        hello s1 login A   -> welcome s1 A known hb=240
        tick 1s
        gone s1
        tick 1s
        open s1
        hello s1 login A   -> welcome s1 A known hb=240
        tick 1s
        gone s1
        tick 1s
        open s1
        hello s1 login A   -> welcome s1 A known hb=240
        tick 1s
        gone s1
        tick 1s
        open s1
        hello s1 login A   -> welcome s1 A known hb=240
        tick 1s
        gone s1
        tick 1s
        open s1
        hello s1 login A   -> welcome s1 A known hb=240
        tick 1s
        gone s1
        tick 1s
        open s1
        hello s1 login A   -> welcome s1 A known hb=240
        tick 1s
        gone s1
        tick 1s
        waiting commits=4096
        clock 13h
        tick 1s
        waiting commits=4096
        commit             -> 4080x answered r t A:online
        tick 1s
        commit
        rows A 0
        tally accepted=4081 acked=1 expired=4080
        "
    ));
}

#[test]
fn given_a_push_that_is_out_of_time_already_when_accepted_should_expire() {
    check(&format!(
        "{A}
        push A ttl=0s
        commit             -> answered r t A:online
        gone s1
        push A ttl=-2d
        commit             -> answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read
        tick 1s
        commit
        tally accepted=2 expired=2
        "
    ));
}

#[test]
fn given_a_clock_set_back_over_the_end_of_a_day_when_the_day_is_dropped_should_keep_what_came_since()
 {
    check(&format!(
        "{A}
        gone s1
        tick 1s
        commit
        jump 13h
        clock -2h
        push A ttl=1h
        commit             -> answered r t A:offline
        rows A 1
        "
    ));
}

#[test]
fn given_a_clock_that_ran_a_day_ahead_when_set_back_and_an_old_message_is_acked_should_count_it_once()
 {
    check(
        "
        open s1
        hello s1 register hb=1800
        commit             -> welcome s1 A registered hb=1800
        push A ttl=11h
        commit             -> push s1 1 x
                           -> answered r t A:online
        clock 13h
        tick 1s
        commit
        tally accepted=1 expired=1
        clock -13h
        push A ttl=11h body=y
        commit             -> push s1 2 y
                           -> answered r t A:online
        ack s1 1
        tick 1s
        commit
        tally accepted=2 acked=1 expired=0
        ack s1 2
        tick 1s
        commit
        tally accepted=2 acked=2 expired=0
        ",
    );
}

#[test]
fn given_a_day_that_ends_in_a_batch_before_a_push_for_it_when_committed_should_count_the_push() {
    check(&format!(
        "{A}
        gone s1
        tick 1s
        commit
        clock 13h
        tick 1s
        push A ttl=-2h
        commit             -> answered r t A:offline
        rows A 0
        tally accepted=1 expired=1
        "
    ));
}

#[test]
fn given_a_queued_message_of_a_dropped_day_when_it_expires_in_the_session_should_be_counted_once() {
    check(&format!(
        "{A}
        push A ttl=3d n=64
        push A
        commit             -> push s1 1..64 x
                           -> 65x answered r t A:online
        clock 13h
        tick 1s
        commit
        tally accepted=65 expired=1
        ack s1 1..64       # room for the last one, whose time is over
        tick 1s
        commit
        tally accepted=65 acked=64 expired=1
        "
    ));
}

#[test]
fn given_days_that_end_together_when_dropped_should_count_all_that_was_left_of_them() {
    check(&format!(
        "{A}
        gone s1
        push A n=2
        push A ttl=1d
        push A ttl=9d
        commit             -> 4x answered r t A:offline
        jump 3d
        commit
        counts expired=3
        tally accepted=4 expired=3
        "
    ));
}

#[test]
fn given_a_queued_message_of_a_dropped_day_when_its_push_was_stopped_should_be_counted_once() {
    check(&format!(
        "{A}
        group t1 list
        push A ttl=3d n=64
        commit             -> push s1 1..64 x
                           -> answered q taken t1
                           -> 64x answered r t A:online
        list t1 A
        commit             -> answered r t1 A:online
        stop t1
        commit             -> answered q done
        clock 13h
        tick 1s
        commit
        tally accepted=65 expired=1
        ack s1 1..64
        tick 1s
        commit
        tally accepted=65 acked=64 expired=1 revoked=0
        "
    ));
}
