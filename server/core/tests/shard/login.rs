//! A hello with a CID: who it is, who owns it, whether it may.

use crate::A;
use crate::harness::check;

#[test]
fn given_a_known_device_when_it_logs_in_should_be_welcomed_without_a_commit() {
    check(&format!(
        "{A}
        gone s1
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read
        hello s2 login A   -> close s2 UnexpectedFrame
        crash
        open s3
        hello s3 login A   -> welcome s3 A known hb=240
        "
    ));
}

#[test]
fn given_wrong_words_when_logging_in_should_refuse_with_the_reason() {
    check(&format!(
        "{A}
        open s2
        hello s2 login A secret=2  -> close s2 BadCredential never
        open s3
        hello s3 login ?0          -> close s3 UnknownClient
        open s4
        hello s4 login A app=other -> close s4 UnknownClient
        open s5
        hello s5 login A app=off   -> close s5 AppDisabled never
        open s6
        hello s6 login A app=none  -> close s6 UnknownApp never
        open s7
        hello s7 register app=off  -> close s7 AppDisabled never
        open s8
        hello s8 register app=none -> close s8 UnknownApp never
        ping s1                    -> pong s1  # none of them took its session
        "
    ));
}

#[test]
fn given_an_app_that_demands_a_sign_when_logging_in_should_check_it() {
    check(
        "
        open s1
        hello s1 register app=signed            -> close s1 SignRequired never
        open s2
        hello s2 register app=signed sign=wrong -> close s2 SignRequired never
        open s3
        hello s3 register app=signed sign=right
        commit                                  -> welcome s3 A registered hb=240
        open s4
        hello s4 login A app=signed sign=wrong  -> close s4 SignRequired never
        open s5
        hello s5 login A app=signed sign=right  -> close s3 Replaced
                                                -> welcome s5 A known hb=240
        ",
    );
}

#[test]
fn given_a_signed_registration_of_another_shards_cid_when_handed_off_should_be_welcomed() {
    check(
        "
        world shards=3
        open s1 at=2
        hello s1 register app=signed sign=right
        commit             -> welcome s1 A registered hb=240
        open s2 at=1
        hello s2 register app=signed sign=right
        commit             -> handoff s2 to=2
                           -> close s1 Replaced
                           -> welcome s2 A known hb=240
        ",
    );
}

#[test]
fn given_the_wrong_shard_when_logging_in_should_be_handed_to_the_owner() {
    check(
        "
        world shards=3
        open s1 at=2
        hello s1 register
        commit                    -> welcome s1 A registered hb=240
        open s2 at=0
        hello s2 login A          -> handoff s2 to=2
                                  -> close s1 Replaced
                                  -> welcome s2 A known hb=240
        ping s2                   -> pong s2
        open s3 at=1
        hello s3 login A secret=9 -> handoff s3 to=2
                                  -> close s3 BadCredential never
        open s4 at=0
        hello s4 login ?1         -> handoff s4 to=1
                                  -> close s4 UnknownClient
        ",
    );
}

#[test]
fn given_a_second_login_when_welcomed_should_close_the_first_and_redeliver_to_the_second() {
    check(&format!(
        "{A}
        push A n=2         
        commit             -> push s1 1..2 x
                           -> 2x answered r t A:online
        open s2
        hello s2 login A   -> close s1 Replaced
                           -> welcome s2 A known hb=240
        ack s1 1 2         # the old session is heard no more
        ping s1
        read               -> push s2 1..2 x
        gone s1
        push A
        commit             -> push s2 3 x
                           -> answered r t A:online
        ack s2 1 2 3
        tick 1s
        commit
        cursor A 3
        tally accepted=3 acked=3
        "
    ));
}

#[test]
fn given_no_hello_when_time_is_over_should_close() {
    check(
        "
        open s1
        tick 10s
        tick 250ms         -> close s1 HelloTimeout
        hello s1 register
        waiting commits=0
        ",
    );
}

#[test]
fn given_a_hello_awaited_for_longer_than_the_wheel_turns_when_time_passes_should_not_close_early() {
    check(
        "
        world hello=300s
        open s1
        tick 300s
        tick 250ms         -> close s1 HelloTimeout
        ",
    );
}

#[test]
fn given_any_other_frame_or_garbage_first_when_it_comes_should_close() {
    check(
        "
        open s1
        ping s1            -> close s1 UnexpectedFrame
        open s2
        garbage s2         -> close s2 UnsupportedFrame
        garbage s2
        open s3
        bye s3             -> close s3 Normal
        ",
    );
}

#[test]
fn given_a_frame_only_a_server_sends_when_live_should_close() {
    check(&format!(
        "{A}
        pong s1
        welcome s1         -> close s1 UnexpectedFrame
        "
    ));
}

#[test]
fn given_another_number_of_shards_after_a_restart_when_logging_in_should_find_the_owner() {
    check(
        "
        world shards=3
        open s1 at=2
        hello s1 register
        commit             -> welcome s1 A registered hb=240
        gone s1
        push A body=x
        commit             -> answered r t A:offline
        crash shards=1
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1 x
        ",
    );
}
