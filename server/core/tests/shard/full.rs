//! Rings that are full: who waits and who is told to come again.

use crate::A;
use crate::harness::check;

#[test]
fn given_a_full_commit_ring_when_asked_should_answer_busy_and_keep_room_for_cursors() {
    check(&format!(
        "{A}
        push A
        commit               -> push s1 1 x
                             -> answered r t A:online
        push A n=4080
        push A               -> answered r busy
        bind A=alice         -> answered q busy
        unbind A=alice       -> answered q busy
        app new              -> answered q busy
        cmd s1 1 bind alice  -> result s1 1 op=1 Busy
        open s2
        hello s2 register install=2 -> close s2 Overloaded retry=37082
        open s3
        hello s3 login A     -> close s1 Replaced
                             -> welcome s3 A known hb=240
        ack s3
        tick 1s
        waiting commits=4081 reads=1
        commit               -> 4080x answered r t A:online
        push A
        commit               -> answered r t A:online
        read                 -> push s3 1..64 x
        "
    ));
}

#[test]
fn given_a_busy_request_when_repeated_later_should_be_accepted() {
    check(&format!(
        "{A}
        gone s1
        push A n=4080
        push A req=r1        -> answered r1 busy
        commit               -> 4080x answered r t A:offline
        push A req=r1
        commit               -> answered r1 t A:offline
        rows A 4081
        "
    ));
}

#[test]
fn given_bodies_that_fill_their_bound_when_one_is_durable_should_take_one_more() {
    check(&format!(
        "{A}
        gone s1
        push A n=511 body=x*65536
        commit 1             -> answered r t A:offline
        push A body=x*65536
        push A body=x*65536  -> answered r busy
        commit               -> 511x answered r t A:offline
        "
    ));
}

#[test]
fn given_bodies_that_fill_their_bound_when_pushed_should_answer_busy() {
    check(&format!(
        "{A}
        gone s1
        push A n=511 body=x*65536
        push A body=x*65536  -> answered r busy
        push A body=y
        commit               -> 512x answered r t A:offline
        push A body=x*65536
        commit               -> answered r t A:offline
        "
    ));
}

#[test]
fn given_a_full_read_ring_when_asked_should_answer_busy_and_line_sessions_up() {
    check(&format!(
        "{A}
        open s2
        hello s2 register install=2
        commit               -> welcome s2 B registered hb=240
        gone s1
        push A n=2
        push B n=200
        commit               -> push s2 1..64 x
                             -> 2x answered r t A:offline
                             -> 200x answered r t B:online
        ack s2 1..64         -> push s2 65..128 x
        waiting reads=1
        cids alice n=255
        cids alice           -> answered q busy
        alias A              -> answered q busy
        open s3
        hello s3 login A     -> welcome s3 A known hb=240
        ack s3               # asks again each time, stands in the line once
        ack s3
        ack s2 65..128
        waiting reads=256
        read 1               -> push s2 129..192 x
        waiting reads=256    # s3 took the place, s2 stands behind it
        read                 -> push s3 1..2 x
                             -> 255x answered q none
        read
        ack s2 129..192      -> push s2 193..200 x
        waiting reads=0
        "
    ));
}

#[test]
fn given_a_session_in_the_line_when_it_goes_should_give_its_place_to_the_next() {
    check(&format!(
        "{A}
        open s2
        hello s2 register install=2
        commit               -> welcome s2 B registered hb=240
        gone s1
        gone s2
        push A
        push B
        commit               -> answered r t A:offline
                             -> answered r t B:offline
        cids alice n=256
        open s3
        hello s3 login A     -> welcome s3 A known hb=240
        open s4
        hello s4 login B     -> welcome s4 B known hb=240
        line 2..2
        gone s3
        read 1               -> answered q none
        waiting reads=256
        read                 -> push s4 1 x
                             -> 255x answered q none
        "
    ));
}

#[test]
fn given_a_reader_that_hangs_when_a_device_comes_and_goes_should_not_lengthen_the_line() {
    let mut script = format!(
        "{A}
        gone s1
        push A
        commit               -> answered r t A:offline
        cids alice n=256
        "
    );
    for n in 0..100 {
        script += &format!(
            "open t{n}
            hello t{n} login A -> welcome t{n} A known hb=240
            line 1..3
            gone t{n}
            "
        );
    }
    script += "read -> 256x answered q none";
    check(&script);
}

#[test]
fn given_many_cursors_that_moved_when_the_bound_is_reached_should_flush_before_the_tick() {
    let mut script = String::new();
    for n in 0..512 {
        script += &format!(
            "open s{n}\n hello s{n} register install={} secret={}\n",
            n % 256,
            n / 256
        );
    }
    script += "commit";
    for n in 0..512 {
        let cid = if n < 26 {
            char::from(b'A' + n as u8).to_string()
        } else {
            format!("no{n}")
        };
        script += &format!(" -> welcome s{n} {cid} registered hb=240\n");
    }
    script += "waiting commits=1\n commit\n waiting commits=0";
    check(&script);
}

#[test]
fn given_an_app_that_limits_what_waits_when_a_device_is_full_should_fail_what_comes_on_top() {
    check(
        "
        open s1
        open s2
        hello s1 register install=1
        hello s2 register install=2
        commit             -> welcome s1 A registered hb=240
                           -> welcome s2 B registered hb=240
        set demo offline_len=2
        commit             -> app demo
                           -> answered q done
        gone s1
        push A task=t1
        push A task=t2
        push A,B task=t3
        commit             -> push s2 1 x
                           -> answered r t1 A:offline
                           -> answered r t2 A:offline
                           -> answered r t3 A:ignore B:online
        rows A 2
        task t3
        read               -> answered q A:Failed B:Stored
        counts accepted=4 failed=1
        tally accepted=4 failed=1
        group t4 list
        commit             -> answered q taken t4
        list t4 A
        commit             -> answered r t4 A:ignore
        crash
        push A task=t5
        commit             -> answered r t5 A:ignore
        open s3
        hello s3 login A   -> welcome s3 A known hb=240
        read               -> push s3 1..2 x
        push A task=t6
        commit             -> push s3 3 x
                           -> answered r t6 A:online
        ack s3 1 2 3
        tick 1s
        commit
        gone s3
        push A task=t7
        commit             -> answered r t7 A:offline
        set demo offline_bytes=5000
        commit             -> app demo
                           -> answered q done
        push A task=t8 body=x*6000
        push A task=t9
        commit             -> answered r t8 A:offline
                           -> answered r t9 A:ignore
        ",
    );
}

/// A of the demo app, which limits what waits for a device.
fn limited(limit: &str) -> String {
    format!(
        "{A}
        set demo {limit}
        commit             -> app demo
                           -> answered q done
        "
    )
}

#[test]
fn given_messages_of_the_same_commit_when_a_device_goes_offline_should_fill_its_queue() {
    let by_count = limited("offline_len=2");
    check(&format!(
        "{by_count}
        push A task=t1
        push A task=t2
        gone s1
        push A task=t3
        commit             -> answered r t1 A:online
                           -> answered r t2 A:online
                           -> answered r t3 A:ignore
        "
    ));
    check(&format!(
        "{by_count}
        push A task=t1 body=x*6000
        gone s1
        push A task=t2
        push A task=t3
        commit             -> answered r t1 A:online
                           -> answered r t2 A:offline
                           -> answered r t3 A:ignore
        "
    ));
    let by_bytes = limited("offline_bytes=5000");
    check(&format!(
        "{by_bytes}
        push A task=t1 body=x*6000
        gone s1
        push A task=t2
        commit             -> answered r t1 A:online
                           -> answered r t2 A:ignore
        "
    ));
    check(&format!(
        "{by_bytes}
        gone s1
        push A task=t1
        push A task=t2 body=x*6000
        push A task=t3
        commit             -> answered r t1 A:offline
                           -> answered r t2 A:offline
                           -> answered r t3 A:ignore
        "
    ));
}

#[test]
fn given_messages_of_earlier_commits_when_pushed_should_fill_the_queue_until_they_expire() {
    let (by_count, by_bytes) = (limited("offline_len=1"), limited("offline_bytes=5000"));
    check(&format!(
        "{by_count}
        gone s1
        push A task=t1 ttl=10s
        commit             -> answered r t1 A:offline
        tick 9s
        push A task=t2
        commit             -> answered r t2 A:ignore
        tick 1s
        push A task=t3
        commit             -> answered r t3 A:offline
        "
    ));
    check(&format!(
        "{by_bytes}
        gone s1
        push A task=t1 body=x*4000
        commit             -> answered r t1 A:offline
        push A task=t2 body=x*2000
        commit             -> answered r t2 A:offline
        push A task=t3
        commit             -> answered r t3 A:ignore
        "
    ));
}

#[test]
fn given_sessions_that_left_the_line_when_others_line_up_should_go_once_they_are_the_most() {
    let mut script = String::new();
    for (n, name) in (1..).zip(["A", "B", "C", "D", "E"]) {
        script += &format!(
            "open r{n}
            hello r{n} register install={n}
            commit             -> welcome r{n} {name} registered hb=240
            gone r{n}
            push {name}
            commit             -> answered r t {name}:offline
            "
        );
    }
    script += "cids alice n=256\n";
    for (n, name) in (1..).zip(["A", "B", "C", "D"]) {
        script += &format!(
            "open s{n}
            hello s{n} login {name} secret=1 -> welcome s{n} {name} known hb=240
            "
        );
    }
    script += "
        line 4..4
        gone s1
        gone s2
        gone s3
        open t1
        hello t1 login E secret=1 -> welcome t1 E known hb=240
        line 5..5          # of which two live
        gone t1
        open t2
        hello t2 login E secret=1 -> welcome t2 E known hb=240
        line 2..2
        read               -> 256x answered q none
        read               -> push s4 1 x
                           -> push t2 1 x
    ";
    check(&script);
}
