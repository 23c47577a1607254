//! What an operator is told of tasks and devices.

use crate::A;
use crate::harness::check;

#[test]
fn given_pushes_in_every_stage_when_asked_should_tell_each() {
    check(&format!(
        "{A}
        push A task=t1          # acknowledged
        commit                  -> push s1 1 x
                                -> answered r t1 A:online
        push A task=t2          # sent
        commit                  -> push s1 2 x
                                -> answered r t2 A:online
        ack s1 1
        live A                  -> answered q under=1 queue=0
        gone s1
        live A                  -> answered q none
        push A task=t3          # stored
        push A task=t4 ttl=2s   # expires
        push A task=t5 ttl=-1   # not stored
        commit                  -> answered r t3 A:offline
                                -> answered r t4 A:offline
                                -> answered r t5 A:ignore
        tick 3s
        commit
        task t1
        task t2
        task t3
        task t4
        task t5
        task t6
        device A
        read                    -> answered q A:Acked
                                -> 2x answered q A:Stored
                                -> answered q A:Expired
                                -> answered q A:Expired unkept
                                -> answered q no-task
                                -> answered q waiting=3 ended=A
        crash
        task t1
        device A
        read                    -> answered q A:Acked
                                -> answered q waiting=3 ended=A
        open s2
        hello s2 login A        -> welcome s2 A known hb=240
        read                    -> push s2 2..3 x
        ack s2 2..3
        tick 1s
        commit
        device A
        read                    -> answered q waiting=0 ended=EAAA
        "
    ));
}

#[test]
fn given_a_live_session_when_asked_should_tell_what_is_sent_queued_and_behind() {
    check(&format!(
        "{A}
        live A           -> answered q under=0 queue=0
        push A n=3
        commit           -> push s1 1..3 x
                         -> 3x answered r t A:online
        ack s1 1
        live A           -> answered q under=2 queue=0
        push A n=62
        commit           -> push s1 4..65 x
                         -> 62x answered r t A:online
        push A n=64
        commit           -> 64x answered r t A:online
        live A           -> answered q under=64 queue=64
        push A
        push A ttl=-1
        commit           -> 2x answered r t A:online
        live A           -> answered q under=64 queue=65 behind
        "
    ));
}

#[test]
fn given_a_muted_device_when_its_task_is_asked_for_should_say_filtered() {
    check(&format!(
        "{A}
        mute A
        crash
        push A task=t1
        commit                  -> answered r t1 A:ignore
        task t1
        read                    -> answered q A:Filtered
        "
    ));
}

#[test]
fn given_a_task_when_its_days_are_over_should_be_gone() {
    check(&format!(
        "{A}
        push A task=t1
        commit                  -> push s1 1 x
                                -> answered r t1 A:online
        ack s1 1
        gone s1
        tick 1s
        commit
        jump 604800s
        commit
        task t1
        read                    -> answered q A:Acked
        jump 172800s
        commit
        task t1
        device A
        read                    -> answered q no-task
                                -> answered q waiting=0 ended=
        "
    ));
}

#[test]
fn given_more_than_an_answer_holds_when_a_device_is_asked_after_should_tell_the_newest() {
    let ended = "A".repeat(49);
    check(&format!(
        "{A}
        push A n=49
        push A n=64
        commit                  -> push s1 1..64 x
                                -> 113x answered r t A:online
        ack s1 1..49            -> push s1 65..113 x
        gone s1
        tick 1s
        commit
        device A
        read                    -> answered q waiting=64 ended={ended}
        push A
        commit                  -> answered r t A:offline
        open s2
        hello s2 login A        -> welcome s2 A known hb=240
        read                    -> push s2 50..113 x
        device A
        read                    -> answered q waiting=64+ ended={ended}
        ack s2 50..51           -> push s2 114 x
        tick 1s
        commit
        device A
        read                    -> answered q waiting=63 ended=A{ended}
        "
    ));
}
