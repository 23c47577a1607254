//! What waited for a device: pages, and what is stored while one is read.

use crate::A;
use crate::harness::check;

#[test]
fn given_a_backlog_of_several_pages_when_logging_in_should_come_in_order() {
    check(&format!(
        "{A}
        gone s1
        push A n=150
        commit             -> 150x answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1..64 x
        read               # 65..128 wait behind the window
        ack s2 2..64       -> push s2 65..127 x
        ack s2 1           -> push s2 128 x
        read
        ack s2 65..128     -> push s2 129..150 x
        ack s2 129..150
        waiting reads=0
        "
    ));
}

#[test]
fn given_a_backlog_over_several_expiry_days_when_read_should_still_come_in_order() {
    check(&format!(
        "{A}
        gone s1
        push A n=40 ttl=2h
        push A n=40 ttl=40h
        push A n=40 ttl=2h
        push A n=40 ttl=60h
        commit             -> 160x answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1..64 x
        read
        ack s2 1..64       -> push s2 65..128 x
        read
        ack s2 65..128     -> push s2 129..160 x
        ack s2 129..160
        tick 1s
        commit
        cursor A 160
        "
    ));
}

#[test]
fn given_bodies_around_the_length_of_a_piece_when_read_should_be_whole() {
    check(&format!(
        "{A}
        gone s1
        push A body=
        push A body=a*2047
        push A body=b*2048
        push A body=c*2049
        push A body=d*4096
        push A body=e*65536
        commit             -> 6x answered r t A:offline
        rows A 39
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1 -
                           -> push s2 2 a*2047
                           -> push s2 3 b*2048
                           -> push s2 4 c*2049
                           -> push s2 5 d*4096
                           -> push s2 6 e*65536
        "
    ));
}

#[test]
fn given_a_message_stored_before_the_read_when_the_page_comes_should_be_sent_once() {
    check(&format!(
        "{A}
        gone s1
        push A
        commit             -> answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        push A
        commit             -> answered r t A:online
        read               -> push s2 1..2 x
        read               # it looked again, since a message came while it read
        push A
        commit             -> push s2 3 x
                           -> answered r t A:online
        waiting reads=0
        "
    ));
}

#[test]
fn given_a_message_stored_after_the_read_when_the_page_comes_should_be_read_next() {
    check(&format!(
        "{A}
        gone s1
        push A
        commit             -> answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read hold
        push A
        commit             -> answered r t A:online
        deliver reads      -> push s2 1 x
        read               -> push s2 2 x
        ack s2 1 2
        "
    ));
}

#[test]
fn given_news_of_a_message_after_the_page_that_held_it_when_heard_should_be_sent_once() {
    check(&format!(
        "{A}
        gone s1
        push A n=2
        commit hold
        open s2
        crash
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1..2 x
        push A n=2
        commit hold
        gone s2
        open s3
        hello s3 login A   -> welcome s3 A known hb=240
        read               -> push s3 1..4 x
        deliver            -> 2x answered r t A:online
        ack s3 1..4
        waiting reads=0
        push A
        commit             -> push s3 5 x
                           -> answered r t A:online
        "
    ));
}

#[test]
fn given_old_news_of_a_message_after_a_page_when_the_session_ends_should_redeliver_what_is_left() {
    check(&format!(
        "{A}
        gone s1
        push A
        commit             -> answered r t A:offline
        push A n=3
        commit hold
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1..4 x
        ack s2 1..2
        deliver 1          # the second is stored: what the device has by now
        open s3
        hello s3 login A   -> close s2 Replaced
                           -> welcome s3 A known hb=240
        waiting reads=1
        read               -> push s3 3..4 x
        deliver            -> 3x answered r t A:offline
        ack s3 3..4
        waiting reads=0
        "
    ));
}

#[test]
fn given_a_page_older_than_a_message_when_the_session_ends_should_not_forget_the_message() {
    // The page says "complete", but a message was stored while it was on its way.
    check(&format!(
        "{A}
        gone s1
        push A
        commit             -> answered r t A:offline
        crash
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read hold
        push A
        commit             -> answered r t A:online
        deliver reads      -> push s2 1 x
        ack s2 1
        gone s2
        read
        open s3
        hello s3 login A   -> welcome s3 A known hb=240
        read               -> push s3 2 x
        push A
        commit             -> push s3 3 x
                           -> answered r t A:online
        ack s3 2 3
        "
    ));
}

#[test]
fn given_an_empty_page_behind_unacked_messages_when_the_session_ends_should_redeliver_them() {
    check(&format!(
        "{A}
        gone s1
        push A
        commit             -> answered r t A:offline
        crash
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        push A
        commit             -> answered r t A:online
        read               -> push s2 1..2 x
        read               # empty: all of it is in the window
        gone s2
        open s3
        hello s3 login A   -> welcome s3 A known hb=240
        read               -> push s3 1..2 x
        ack s3 1 2
        gone s3
        open s4
        hello s4 login A   -> welcome s4 A known hb=240
        waiting reads=0    # nothing above the cursor, and it is known
        "
    ));
}

#[test]
fn given_an_unstored_message_inside_a_backlog_when_read_should_keep_the_order() {
    check(&format!(
        "{A}
        gone s1
        push A n=70
        commit             -> 70x answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        push A ttl=-1 body=u
        push A body=k
        push A ttl=-1 body=v
        commit             -> 3x answered r t A:online
        read               -> push s2 1..64 x
        ack s2 1..64
        read               -> push s2 65..70 x
                           -> push s2 71 u
                           -> push s2 72 k
                           -> push s2 73 v
        ack s2 65..73
        tick 1s
        commit
        cursor A 73
        tally accepted=73 acked=73
        "
    ));
}

#[test]
fn given_more_unstored_messages_than_may_wait_when_reading_should_expire_the_newest() {
    check(&format!(
        "{A}
        gone s1
        push A
        commit             -> answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        push A n=20 ttl=-1 body=u
        commit             -> 20x answered r t A:online
        read               -> push s2 1 x
                           -> push s2 2..17 u
        gone s2
        tick 1s
        commit
        tally accepted=21 acked=0 expired=20
        "
    ));
}

#[test]
fn given_a_backlog_that_cannot_be_read_when_logging_in_should_close_with_a_wait() {
    check(&format!(
        "{A}
        gone s1
        push A
        commit             -> answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        refuse reads       -> close s2 InternalError retry=30000
        open s3
        hello s3 login A   -> welcome s3 A known hb=240
        read               -> push s3 1 x
        "
    ));
}

#[test]
fn given_a_day_cut_by_bytes_and_a_short_message_of_another_day_when_read_should_not_skip_ahead() {
    check(&format!(
        "{A}
        gone s1
        push A n=4 ttl=2h body=x*65536   # exactly the bytes of a page
        push A ttl=2h body=y
        push A ttl=40h body=
        commit             -> 6x answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1..4 x*65536
        read
        ack s2 1..4        -> push s2 5 y
                           -> push s2 6 -
        "
    ));
}

#[test]
fn given_days_that_fill_a_page_each_when_read_should_bring_one_page() {
    check(&format!(
        "{A}
        gone s1
        push A n=4 ttl=2h body=x*65536
        push A n=4 ttl=40h body=x*65536
        commit             -> 8x answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1..4 x*65536
        waiting reads=1
        read
        ack s2 1..4        -> push s2 5..8 x*65536
        "
    ));
}
