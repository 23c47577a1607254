//! From a push to the frames of its device: words, order, window, backlog.

use crate::A;
use crate::harness::check;

#[test]
fn given_each_kind_of_reach_when_pushed_should_answer_with_its_word() {
    check(&format!(
        "{A}
        push A req=r1 task=t1 ttl=60s body=x
        commit             -> push s1 1 x
                           -> answered r1 t1 A:online
        push A ttl=-1 body=y
        commit             -> push s1 2 y
                           -> answered r t A:online
        ack s1 1 2
        gone s1
        push A ttl=60s
        commit             -> answered r t A:offline
        push A ttl=-1
        commit             -> answered r t A:ignore
        push A app=other   -> answered r target-invalid
        push ?0            -> answered r target-invalid
        tick 1s
        commit
        tally accepted=4 acked=2 expired=1
        mute A
        crash
        push A
        push A ttl=-1
        commit             -> 2x answered r t A:ignore
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        push A
        commit             -> answered r t A:ignore
        probe A            -> answered q A:filtered
        read               -> push s2 3 x
        ack s2 3
        tick 1s
        commit
        tally accepted=7 acked=3 expired=1 filtered=3
        "
    ));
}

#[test]
fn given_several_targets_on_several_shards_when_pushed_should_reach_each() {
    check(
        "
        world shards=3
        open s1 at=0
        open s2 at=1
        open s3 at=2
        hello s1 register install=1
        hello s2 register install=2
        hello s3 register install=3
        commit             -> welcome s1 A registered hb=240
                           -> welcome s2 B registered hb=240
                           -> welcome s3 C registered hb=240
        gone s2
        status A           -> answered q A:online
        status B           -> answered q B:offline
        push A,B,?1,C
        commit             -> push s1 1 x
                           -> push s3 1 x
                           -> answered r t A:online B:offline C:online
        push A,B,C ttl=-1
        commit             -> push s1 2 x
                           -> push s3 2 x
                           -> answered r t A:online B:ignore C:online
        tick 1s
        commit
        ack s1 1 2
        tick 1s
        commit
        tally accepted=6 acked=2 expired=1
        ",
    );
}

#[test]
fn given_a_push_when_it_is_not_durable_yet_should_neither_answer_nor_send() {
    check(&format!(
        "{A}
        push A
        tick 5s
        commit hold
        tick 5s
        deliver            -> push s1 1 x
                           -> answered r t A:online
        "
    ));
}

#[test]
fn given_a_full_window_and_queue_when_acked_should_go_on_from_memory_and_then_from_pages() {
    check(&format!(
        "{A}
        push A n=200
        commit             -> push s1 1..64 x
                           -> 200x answered r t A:online
        waiting reads=0    # the queue holds 65..128
        ack s1 1..64       -> push s1 65..128 x
        waiting reads=1
        push A body=y
        commit             -> answered r t A:online
        read
        ack s1 65..100     -> push s1 129..164 x
        ack s1 101..164    -> push s1 165..192 x
        read               -> push s1 193..200 x
                           -> push s1 201 y
        ack s1 165..201
        push A             # live again
        commit             -> push s1 202 x
                           -> answered r t A:online
        ack s1 202
        tick 1s
        commit
        waiting reads=0
        cursor A 202
        tally accepted=202 acked=202
        "
    ));
}

#[test]
fn given_a_window_full_of_bytes_when_acked_should_go_on() {
    check(&format!(
        "{A}
        push A n=9 body=x*65536
        commit             -> push s1 1..4 x*65536
                           -> 9x answered r t A:online
        ack s1 1           -> push s1 5 x*65536
        ack s1 2..5        -> push s1 6..8 x*65536
        waiting reads=1    # the ninth did not fit into the queue
        read               -> push s1 9 x*65536
        gone s1
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 6..9 x*65536
        "
    ));
}

#[test]
fn given_unstored_messages_behind_a_full_queue_when_full_should_expire_or_keep_their_place() {
    check(&format!(
        "{A}
        push A n=128
        push A ttl=-1 body=u
        push A body=k
        push A ttl=-1 body=v
        commit             -> push s1 1..64 x
                           -> 131x answered r t A:online
        ack s1 1..64       -> push s1 65..128 x
        read
        ack s1 65..128     -> push s1 130 k
                           -> push s1 131 v
        tick 1s
        commit
        tally accepted=131 acked=128 expired=1
        "
    ));
}

#[test]
fn given_a_session_that_went_between_answer_and_commit_when_unstored_should_expire() {
    check(&format!(
        "{A}
        push A ttl=-1
        push A
        gone s1
        commit             -> 2x answered r t A:online
        tick 1s
        commit
        tally accepted=2 expired=1
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 2 x
        "
    ));
}

#[test]
fn given_only_an_unstored_message_when_logging_in_again_should_read_no_backlog() {
    check(&format!(
        "{A}
        push A ttl=-1
        commit             -> push s1 1 x
                           -> answered r t A:online
        gone s1
        tick 1s
        commit
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        waiting reads=0
        "
    ));
}

#[test]
fn given_a_push_that_moves_no_cursor_when_time_passes_should_write_no_cursor() {
    check(&format!(
        "{A}
        push A
        commit             -> push s1 1 x
                           -> answered r t A:online
        tick 1s
        waiting commits=0
        ack s1 1
        tick 1s
        waiting commits=1
        commit
        "
    ));
}
