//! From install id and secret to a CID.

use crate::A;
use crate::harness::check;

#[test]
fn given_a_new_device_when_it_registers_should_be_welcomed_once_durable() {
    check(
        "
        open s1
        hello s1 register install=1 secret=1
        waiting commits=1
        tick 30s           # a registration waits for the disk, not for a clock
        commit             -> welcome s1 A registered hb=240
        ",
    );
}

#[test]
fn given_a_repeated_pair_when_it_registers_should_get_the_same_cid() {
    check(
        "
        open s1
        hello s1 register install=1 secret=1
        commit             -> welcome s1 A registered hb=240
        gone s1
        open s2
        hello s2 register install=1 secret=1
        commit             -> welcome s2 A known hb=240
        crash unsynced
        open s3
        hello s3 register install=1 secret=1
        commit             -> welcome s3 A known hb=240
        ",
    );
}

#[test]
fn given_the_same_install_with_another_secret_or_app_when_it_registers_should_get_another_cid() {
    check(
        "
        open s1
        hello s1 register install=1 secret=1
        commit             -> welcome s1 A registered hb=240
        open s2
        hello s2 register install=1 secret=2
        commit             -> welcome s2 B registered hb=240
        open s3
        hello s3 register install=1 secret=1 app=other
        commit             -> welcome s3 C registered hb=240
        ",
    );
}

#[test]
fn given_a_pair_known_to_another_shard_when_it_registers_should_be_handed_off() {
    check(
        "
        world shards=2
        open s1 at=0
        hello s1 register install=1 secret=1
        commit             -> welcome s1 A registered hb=240
        gone s1
        open s2 at=1
        hello s2 register install=1 secret=1
        commit             -> handoff s2 to=0
                           -> welcome s2 A known hb=240
        ",
    );
}

#[test]
fn given_a_repeated_pair_in_one_batch_when_committed_should_give_one_cid_to_the_later_session() {
    check(
        "
        open s1
        open s2
        hello s1 register install=1 secret=1
        hello s2 register install=1 secret=1
        commit             -> welcome s1 A registered hb=240
                           -> close s1 Replaced
                           -> welcome s2 A known hb=240
        ",
    );
}

#[test]
fn given_a_hand_off_that_overtakes_the_news_when_adopted_should_be_sent_back_to_register() {
    check(
        "
        world shards=2
        open s1 at=0
        open s2 at=1
        hello s1 register install=1 secret=1
        hello s2 register install=1 secret=1
        commit hold
        deliver at=1       -> handoff s2 to=0
                           -> close s2 UnknownClient
        deliver            -> welcome s1 A registered hb=240
        open s2 at=1
        hello s2 register install=1 secret=1
        commit             -> handoff s2 to=0
                           -> close s1 Replaced
                           -> welcome s2 A known hb=240
        ",
    );
}

#[test]
fn given_a_connection_gone_while_registering_when_committed_should_keep_the_device() {
    check(
        "
        open s1
        hello s1 register
        gone s1
        commit
        open s2
        hello s2 register
        commit             -> welcome s2 A known hb=240
        ",
    );
}

#[test]
fn given_frames_while_registering_when_they_come_should_answer_pings_and_refuse_the_rest() {
    check(
        "
        open s1
        hello s1 register install=1
        ping s1            -> pong s1
        hello s1 register install=1 -> close s1 UnexpectedFrame
        open s2
        hello s2 register install=2
        bye s2             -> close s2 Normal
        commit
        ",
    );
}

#[test]
fn given_a_store_that_refuses_when_registering_should_close_with_a_wait() {
    check(
        "
        open s1
        hello s1 register
        refuse             -> close s1 InternalError retry=30000
        open s2
        hello s2 register
        commit             -> welcome s2 A registered hb=240
        ",
    );
}

#[test]
fn given_a_device_that_acknowledges_when_its_deletion_is_under_way_should_leave_no_cursor() {
    check(&format!(
        "{A}
        push A n=2
        commit             -> push s1 1..2 x
                           -> 2x answered r t A:online
        forget A
        ack s1 1
        refuse             -> answered q store-failed
        tick 1s
        commit
        cursor A 1         # the deletion was refused, and nothing is lost
        forget A
        ack s1 2
        tick 1s
        commit             -> close s1 Removed
                           -> answered q done
        rest yes
        devices 0
        "
    ));
}
