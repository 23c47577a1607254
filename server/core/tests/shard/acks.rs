//! The cursor: over the unbroken run, written down late, and what comes again after a crash.

use crate::A;
use crate::harness::check;

#[test]
fn given_several_acks_with_a_gap_when_flushed_should_write_the_unbroken_run() {
    check(&format!(
        "{A}
        push A n=5
        commit             -> push s1 1..5 x
                           -> 5x answered r t A:online
        ack s1 1 3
        tick 1s
        commit
        cursor A 1
        tally accepted=5 acked=1
        ack s1 3 3         # a repeat is no error
        ack s1 1
        ack s1 5 
        gone s1
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 2..5 x
        ack s2 2..5
        tick 1s
        commit
        cursor A 5
        tally accepted=5 acked=5
        ack s2 1..5
        "
    ));
}

#[test]
fn given_an_ack_of_an_id_not_sent_when_it_comes_should_close_and_change_nothing() {
    check(&format!(
        "{A}
        ack s1 top         -> close s1 BadAck
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        push A n=65
        commit             -> push s2 1..64 x
                           -> 65x answered r t A:online
        ack s2 1 65        -> close s2 BadAck
        tick 1s
        commit
        cursor A 0
        tally acked=0
        open s3
        hello s3 login A   -> welcome s3 A known hb=240
        read               -> push s3 1..64 x
        "
    ));
}

#[test]
fn given_an_id_that_expired_unsent_behind_a_gap_when_acked_should_change_nothing() {
    check(&format!(
        "{A}
        push A n=64
        push A ttl=30s body=y
        commit             -> push s1 1..64 x
                           -> 65x answered r t A:online
        tick 30s
        ack s1 65          -> close s1 BadAck
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1..64 x
        ack s2 1..62 64
        read
        ack s2 65          # passed, not sent
        tick 1s
        commit
        cursor A 62
        tally accepted=65 acked=62 expired=0
        ack s2 63
        tick 1s
        commit
        cursor A 65
        tally accepted=65 acked=64 expired=1
        ack s2 65          # below the cursor
        ack s2 top         -> close s2 BadAck
        "
    ));
}

#[test]
fn given_an_id_of_another_device_when_acked_should_count_for_nobody() {
    check(&format!(
        "{A}
        open s2
        hello s2 register install=2
        commit             -> welcome s2 B registered hb=240
        push A
        push B
        commit             -> push s1 1 x
                           -> push s2 1 x
                           -> answered r t A:online
                           -> answered r t B:online
        ack s2 1 of=A
        tick 1s
        commit
        tally acked=0
        cursor B 0
        "
    ));
}

#[test]
fn given_resume_in_the_hello_when_reading_the_backlog_should_count_as_acked() {
    check(&format!(
        "{A}
        push A n=5
        commit             -> push s1 1..5 x
                           -> 5x answered r t A:online
        gone s1
        open s2
        hello s2 login A resume=3 -> welcome s2 A known hb=240
        read               -> push s2 4..5 x
        tick 1s
        commit
        cursor A 3
        tally accepted=5 acked=3
        ack s2 4 5
        gone s2
        open s3
        hello s3 login A resume=2 -> welcome s3 A known hb=240
        push A
        commit             -> push s3 6 x
                           -> answered r t A:online
        "
    ));
}

#[test]
fn given_acks_that_were_not_flushed_when_it_crashes_should_redeliver_and_count_once() {
    check(&format!(
        "{A}
        push A n=4
        commit             -> push s1 1..4 x
                           -> 4x answered r t A:online
        ack s1 1 2
        tick 1s
        commit
        ack s1 3
        tick 1s            # the flush waits for its commit
        crash
        tally acked=2
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 3..4 x
        ack s2 3 4
        tick 1s
        commit
        tally accepted=4 acked=4
        "
    ));
}

#[test]
fn given_a_flush_that_was_not_synced_when_it_crashes_should_redeliver_and_count_once() {
    check(&format!(
        "{A}
        push A n=3
        commit             -> push s1 1..3 x
                           -> 3x answered r t A:online
        ack s1 1 2
        tick 1s
        commit
        cursor A 2
        crash unsynced
        cursor A 0
        open s2
        hello s2 login A resume=1 -> welcome s2 A known hb=240
        read               -> push s2 2..3 x
        ack s2 3
        ack s2 2
        tick 1s
        commit
        cursor A 3
        tally accepted=3 acked=3
        "
    ));
}

#[test]
fn given_an_unstored_message_acked_behind_a_gap_when_the_session_ends_should_count_as_acked() {
    check(&format!(
        "{A}
        push A
        push A ttl=-1 body=u
        push A ttl=-1 body=u
        commit             -> push s1 1 x
                           -> push s1 2..3 u
                           -> 3x answered r t A:online
        ack s1 2
        gone s1
        tick 1s
        commit
        tally accepted=3 acked=1 expired=1
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1 x
        ack s2 1
        tick 1s
        commit
        tally accepted=3 acked=2 expired=1
        "
    ));
}

#[test]
fn given_an_acked_window_when_nothing_more_comes_should_write_one_row_a_device() {
    check(&format!(
        "{A}
        push A n=64
        commit             -> push s1 1..64 x
                           -> 64x answered r t A:online
        ack s1 1..32
        ack s1 33..64
        tick 250ms
        tick 250ms
        waiting commits=1
        tick 5s
        waiting commits=1
        commit
        cursor A 64
        "
    ));
}

#[test]
fn given_a_device_that_never_acks_the_first_when_all_others_are_acked_should_be_held_back() {
    // Otherwise one gap would make the window grow for as long as the session lives.
    check(&format!(
        "{A}
        push A
        commit             -> push s1 1 x
                           -> answered r t A:online
        push A n=63
        commit             -> push s1 2..64 x
                           -> 63x answered r t A:online
        ack s1 2..64
        push A n=63
        commit             -> push s1 65..127 x
                           -> 63x answered r t A:online
        ack s1 65..127
        push A n=63
        commit             -> push s1 128..190 x
                           -> 63x answered r t A:online
        ack s1 128..190
        push A n=63
        commit             -> push s1 191..253 x
                           -> 63x answered r t A:online
        ack s1 191..253
        push A n=5
        commit             -> push s1 254..256 x
                           -> 5x answered r t A:online
        ack s1 254..256
        ack s1 1           -> push s1 257..258 x
        ack s1 257 258
        tick 1s
        commit
        cursor A 258
        tally accepted=258 acked=258
        "
    ));
}

#[test]
fn given_a_resume_beyond_every_id_when_pushed_to_afterwards_should_send_what_is_new() {
    check(&format!(
        "{A}
        gone s1
        push A body=before
        commit               -> answered r t A:offline
        open s2
        hello s2 login A resume=beyond -> welcome s2 A known hb=240
        read
        push A body=after
        commit               -> push s2 2 after
                             -> answered r t A:online
        tick 1s
        commit
        cursor A 1
        "
    ));
}
