//! What is counted for the operator: each counter moves by what happened, and by nothing else.

use crate::A;
use crate::harness::check;

#[test]
fn given_logins_when_they_succeed_fail_and_end_should_be_counted() {
    check(
        "
        world shards=3
        open s1 at=2
        hello s1 register
        commit                    -> welcome s1 A registered hb=240
        counts connections_opened=1 logins=1 registrations=1 sessions=1 devices=1
        open s2 at=0
        hello s2 login A          -> handoff s2 to=2
                                  -> close s1 Replaced
                                  -> welcome s2 A known hb=240
        counts connections_opened=2 handed_off=1 adopted=1 replaced=1 logins=2 sessions=1
        open s3 at=2
        hello s3 login A secret=2 -> close s3 BadCredential never
        open s4 at=0
        hello s4 login A app=none -> close s4 UnknownApp never
        counts connections_opened=4 logins_refused=2 logins=2 registrations=1 handed_off=1
        open s5 at=2
        hello s5 register         # the same install id and secret
        commit                    -> close s2 Replaced
                                  -> welcome s5 A known hb=240
        counts logins=3 registrations=1 devices=1 replaced=2 heartbeat_timeouts=0
        tick 361s                 -> close s5 HeartbeatTimeout
        counts heartbeat_timeouts=1 sessions=0 connections_opened=5
        ",
    );
}

#[test]
fn given_messages_when_they_go_through_their_stages_should_be_counted() {
    check(&format!(
        "{A}
        push A n=2
        commit             -> push s1 1..2 x
                           -> 2x answered r t A:online
        counts accepted=2 stored=2 sent=2 acked=0 expired=0
        ack s1 1 2
        counts acked=2
        push A ttl=-1
        commit             -> push s1 3 x
                           -> answered r t A:online
        counts accepted=3 stored=2 sent=3
        push A req=r1
        commit             -> push s1 4 x
                           -> answered r1 t A:online
        push A req=r1
        commit             -> answered r1 t A:online
        counts accepted=4 stored=3 requests_repeated=1
        gone s1
        counts expired=1   # the unstored one
        push A ttl=-1
        commit             -> answered r t A:ignore
        counts accepted=5 expired=2
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 4 x
        counts pages_read=1 sent=5
        tick 1s
        commit
        mute A
        crash
        push A n=2
        commit             -> 2x answered r t A:ignore
        counts accepted=2 filtered=2 stored=0
        "
    ));
}

#[test]
fn given_a_store_that_refuses_when_asked_should_be_counted() {
    check(&format!(
        "{A}
        push A
        refuse             -> answered r store-failed
        counts store_failures=1 accepted=0 busy=0
        cids alice
        alias A
        task t1
        device A
        refuse reads       -> 4x answered q store-failed
        counts store_failures=5
        push A n=4080
        push A             -> answered r busy
        cmd s1 1 bind alice -> result s1 1 op=1 Busy
        upstream s1 9 hello -> upstream s1 9 Busy
        counts busy=3
        refuse             -> 4080x answered r store-failed
        counts store_failures=4085
        "
    ));
}

#[test]
fn given_a_backlog_that_cannot_be_read_when_refused_should_be_counted() {
    check(&format!(
        "{A}
        gone s1
        push A
        commit             -> answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        counts pages_read=1 store_failures=0
        refuse reads       -> close s2 InternalError retry=30000
        counts store_failures=1 sessions=0
        "
    ));
}

#[test]
fn given_pushes_that_get_nothing_when_their_day_is_asked_for_should_be_in_its_sums() {
    check(&format!(
        "{A}
        open s2
        hello s2 register install=2
        commit             -> welcome s2 B registered hb=240
        block B
        commit             -> answered q done
        gone s1
        push A,B task=t1
        push A task=t2 ttl=-1
        commit             -> answered r t1 A:offline B:ignore
                           -> answered r t2 A:ignore
        tick 1s
        commit
        open s3
        hello s3 login A   -> welcome s3 A known hb=240
        read               -> push s3 1 x
        tick 1s
        commit
        day                # two logins of a device are one that is active
        read               -> answered q day targets=3 expired=1 filtered=1 registered=2 active=2 peak=0 of=2
        "
    ));
}
