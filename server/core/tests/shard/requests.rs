//! A request id has one owner: whoever repeats it gets the first answer and delivers nothing.
//! And what the clock does to it, and to the ids of messages.

use crate::A;
use crate::harness::check;

#[test]
fn given_a_repeated_request_when_the_first_is_durable_should_get_the_first_answer() {
    check(&format!(
        "{A}
        push A req=r1 task=t1 body=x
        commit                       -> push s1 1 x
                                     -> answered r1 t1 A:online
        gone s1
        push A req=r1 task=t2 body=y
        commit                       -> answered r1 t1 A:online
        rows A 1
        tick 1s
        commit
        tally accepted=1
        "
    ));
}

#[test]
fn given_a_repeated_request_when_it_is_in_the_same_batch_should_get_the_first_answer() {
    check(&format!(
        "{A}
        push A req=r1 task=t1
        push A req=r1 task=t2 as=again
        commit                       -> push s1 1 x
                                     -> answered r1 t1 A:online
                                     -> answered again t1 A:online
        rows A 1
        "
    ));
}

#[test]
fn given_a_repeated_request_when_the_first_is_in_flight_should_get_the_first_answer() {
    check(&format!(
        "{A}
        push A req=r1 task=t1
        commit hold
        push A req=r1 task=t2 as=again
        commit                       -> push s1 1 x
                                     -> answered r1 t1 A:online
                                     -> answered again t1 A:online
        push A req=r2
        push A req=r2 as=again
        commit 1                     -> push s1 2 x
                                     -> answered r2 t A:online
        commit                       -> answered again t A:online
        rows A 2
        "
    ));
}

#[test]
fn given_a_repeated_request_when_it_crashed_in_between_should_deliver_once() {
    check(&format!(
        "{A}
        push A req=r1 task=t1
        push A req=r2 task=t1
        commit 1                     -> push s1 1 x
                                     -> answered r1 t1 A:online
        crash unsynced
        push A req=r1 task=t2
        push A req=r2 task=t2
        commit                       -> answered r1 t1 A:online
                                     -> answered r2 t2 A:offline
        open s2
        hello s2 login A             -> welcome s2 A known hb=240
        read                         -> push s2 1..2 x
        "
    ));
}

#[test]
fn given_a_repeated_request_over_another_cid_when_accepted_should_name_the_first_cid() {
    check(
        "
        world shards=2
        open s1 at=0
        open s2 at=1
        hello s1 register install=1
        hello s2 register install=2
        commit                       -> welcome s1 A registered hb=240
                                     -> welcome s2 B registered hb=240
        push A req=r1 task=t1
        push B req=r1 task=t2 as=again
        commit                       -> push s1 1 x
                                     -> answered r1 t1 A:online
                                     -> answered again t1 A:online
        push A,B req=r1
        commit                       -> answered r1 t1 A:online
        push A,B req=r2 task=t2
        commit                       -> push s1 2 x
                                     -> push s2 1 x
                                     -> answered r2 t2 A:online B:online
        push B req=r2
        commit                       -> answered r2 t2 A:online B:online
        ",
    );
}

#[test]
fn given_the_same_request_id_of_another_app_when_accepted_should_be_another_request() {
    check(
        "
        open s1
        open s2
        hello s1 register
        hello s2 register app=other
        commit                       -> welcome s1 A registered hb=240
                                     -> welcome s2 B registered hb=240
        push A req=r1 task=t1
        push B req=r1 task=t2 app=other as=o
        commit                       -> push s1 1 x
                                     -> push s2 1 x
                                     -> answered r1 t1 A:online
                                     -> answered o t2 B:online
        ",
    );
}

#[test]
fn given_a_refused_request_when_repeated_should_be_accepted() {
    check(&format!(
        "{A}
        push A req=r1 task=t1
        refuse                       -> answered r1 store-failed
        push A req=r1 task=t2
        commit                       -> push s1 1 x
                                     -> answered r1 t2 A:online
        "
    ));
}

#[test]
fn given_midnight_and_24_hours_when_repeated_should_be_remembered_for_24_hours() {
    check(&format!(
        "{A}
        gone s1
        push A req=r1 task=t1 ttl=3d
        commit                       -> answered r1 t1 A:offline
        jump 13h
        commit
        push A req=r1
        commit                       -> answered r1 t1 A:offline
        jump 11h
        clock -1ms
        push A req=r1
        commit                       -> answered r1 t1 A:offline
        clock 1ms
        push A req=r1 task=t2 ttl=3d
        commit                       -> answered r1 t2 A:offline
        jump 13h                     # the first one's day is dropped
        commit
        push A req=r1
        commit                       -> answered r1 t2 A:offline
        rows A 2
        "
    ));
}

#[test]
fn given_a_clock_set_back_over_midnight_when_repeated_should_be_remembered() {
    check(&format!(
        "{A}
        clock 13h
        push A req=r1 task=t1
        commit                       -> push s1 1 x
                                     -> answered r1 t1 A:online
        clock -2h
        push A req=r1
        commit                       -> answered r1 t1 A:online
        "
    ));
}

#[test]
fn given_clock_steps_and_crashes_when_pushing_should_give_rising_ids() {
    // The world checks each id against all before it.
    check(&format!(
        "{A}
        gone s1
        push A n=2
        commit             -> 2x answered r t A:offline
        clock -1h
        push A n=2
        commit             -> 2x answered r t A:offline
        clock 3h
        push A n=2
        commit             -> 2x answered r t A:offline
        clock -3h
        crash
        push A n=2
        commit             -> 2x answered r t A:offline
        crash
        push A n=2
        commit             -> 2x answered r t A:offline
        clock 61s
        push A n=2
        commit             -> 2x answered r t A:offline
        crash
        push A n=2
        commit             -> 2x answered r t A:offline
        open s2
        hello s2 login A   -> welcome s2 A known hb=240
        read               -> push s2 1..14 x
        ack s2 1..14
        "
    ));
}

#[test]
fn given_a_lost_batch_when_the_next_is_committed_should_not_leave_a_trace() {
    check(&format!(
        "{A}
        push A
        refuse             -> answered r store-failed
        crash
        push A
        commit             -> answered r t A:offline
        tally accepted=1
        rows A 1
        "
    ));
}
