//! Which interval is granted, and when silence is death.

use crate::A;
use crate::harness::check;

#[test]
fn given_a_wish_when_welcomed_should_grant_it_inside_the_bounds() {
    check(
        "
        open s1
        hello s1 register install=1 hb=9
        open s2
        hello s2 register install=2 hb=10
        open s3
        hello s3 register install=3 hb=1800
        open s4
        hello s4 register install=4 hb=65535
        open s5
        hello s5 register install=5 hb=0
        commit -> welcome s1 A registered hb=10
               -> welcome s2 B registered hb=10
               -> welcome s3 C registered hb=1800
               -> welcome s4 D registered hb=1800
               -> welcome s5 E registered hb=240
        ",
    );
}

#[test]
fn given_other_settings_when_they_come_should_hold_for_new_logins_and_leave_what_was_granted() {
    check(
        "
        open s1
        hello s1 register install=1 hb=20
        commit             -> welcome s1 A registered hb=20
        settings hb=60 min=30 max=90 devices_may_bind=no
        open s2
        hello s2 register install=2 hb=20
        open s3
        hello s3 register install=3 hb=0
        commit             -> welcome s2 B registered hb=30
                           -> welcome s3 C registered hb=60
        cmd s1 7 bind alice -> result s1 7 op=1 NotPermitted
        tick 30s
        tick 250ms         -> close s1 HeartbeatTimeout
        ",
    );
}

#[test]
fn given_silence_when_one_and_a_half_intervals_are_over_should_close() {
    check(
        "
        open s1
        hello s1 register hb=20
        commit             -> welcome s1 A registered hb=20
        tick 30s
        tick 250ms         -> close s1 HeartbeatTimeout
        ",
    );
}

#[test]
fn given_any_frame_when_it_comes_should_count_as_a_sign_of_life() {
    check(
        "
        open s1
        hello s1 register hb=20
        commit             -> welcome s1 A registered hb=20
        tick 29s
        ping s1            -> pong s1
        tick 29s
        pong s1
        tick 29s
        ack s1
        tick 29s
        cmd s1 1 unknown 99 -> result s1 1 op=99 Unsupported
        tick 30s
        tick 250ms         -> close s1 HeartbeatTimeout
        ",
    );
}

#[test]
fn given_pushes_to_a_silent_device_when_sent_should_not_keep_it_alive() {
    check(
        "
        open s1
        hello s1 register hb=20
        commit             -> welcome s1 A registered hb=20
        tick 29s
        push A
        commit             -> push s1 1 x
                           -> answered r t A:online
        tick 1250ms        -> close s1 HeartbeatTimeout
        ",
    );
}

#[test]
fn given_an_interval_beyond_a_turn_of_the_wheel_when_silent_should_close_on_time() {
    check(
        "
        open s1
        hello s1 register hb=1800
        commit             -> welcome s1 A registered hb=1800
        tick 2699s
        ping s1            -> pong s1
        tick 2700s
        tick 250ms         -> close s1 HeartbeatTimeout
        ",
    );
}

#[test]
fn given_a_clock_step_when_it_comes_should_not_end_sessions() {
    check(&format!(
        "{A}
        clock 5d
        tick 1s
        clock -9d
        tick 1s
        ping s1            -> pong s1
        "
    ));
}

#[test]
fn given_a_pause_longer_than_a_turn_when_ticking_again_should_close_what_is_due_once() {
    check(&format!(
        "{A}
        open s2
        jump 20m           -> close s1 HeartbeatTimeout
                           -> close s2 HelloTimeout
        tick 10m
        "
    ));
}

#[test]
fn given_frames_after_the_login_when_the_session_ends_should_write_down_when_it_was_last_heard() {
    check(&format!(
        "{A}
        tick 200s
        ping s1            -> pong s1
        tick 3s
        gone s1
        tick 1s
        commit
        seen A 4s
        "
    ));
}

#[test]
fn given_a_long_pause_that_ends_with_a_deadline_when_it_is_over_should_close_at_once() {
    check(
        "
        world hello=300s
        open s1
        open s2
        hello s2 register hb=240
        commit             -> welcome s2 A registered hb=240
        jump 300s          -> close s1 HelloTimeout
        ping s2            -> pong s2
        jump 360s          -> close s2 HeartbeatTimeout
        ",
    );
}
