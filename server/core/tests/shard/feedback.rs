//! What users did with messages, and messages of devices to their third party.

use crate::harness::check;

/// A and B of the demo app, which has a callback; C of the other one, which has none.
const ABC: &str = "
    open s1
    open s2
    open s3
    hello s1 register install=1
    hello s2 register install=2
    hello s3 register install=3 app=other
    set demo callback=http://example.org/
    commit -> welcome s1 A registered hb=240
           -> welcome s2 B registered hb=240
           -> welcome s3 C registered hb=240
           -> app demo
           -> answered q done
";

#[test]
fn given_feedback_when_reported_should_be_counted_once_and_told() {
    check(&format!(
        "{ABC}
        push A task=one
        commit               -> push s1 1 x
                             -> answered r one A:online
        ack s1 1
        cmd s1 1 feedback 1:10000,1:10010:0s,1:90001,1:90001
        commit               -> result s1 1 op=10 Ok [0, 0, 0, 1]
        cmd s1 2 feedback 1:10000,1:60001
        commit               -> result s1 2 op=10 Ok [1, 0]
        detail A one
        read                 -> answered q Accepted Stored Sent Acked Shown Clicked
        receipts
        read                 -> answered q one:A:1 one:A:did10000 one:A:did10010 one:A:did90001 one:A:did60001
        crash unsynced
        open s4
        hello s4 login A     -> welcome s4 A known hb=240
        cmd s4 3 feedback 1:10010
        commit               -> result s4 3 op=10 Ok [1]
        "
    ));
}

#[test]
fn given_feedback_on_a_message_of_a_group_when_counted_should_be_in_its_sums_and_in_the_day() {
    check(&format!(
        "{ABC}
        group t1
        commit               -> answered q taken t1
        commit               -> push s2 1 x
                             -> push s1 1 x
        cmd s1 1 feedback 1:10000,1:60002
        cmd s2 2 feedback 1:10000,1:10010,1:90001
        commit               -> result s1 1 op=10 Ok [0, 0]
                             -> result s2 2 op=10 Ok [0, 0, 0]
        ack s1 1
        ack s2 1
        tick 1s
        commit
        cmd s1 3 feedback 1:60001,1:90001
        commit               -> result s1 3 op=10 Ok [0, 0]
        groups t1
        day
        read                 -> answered q t1:Done targets=2 acked=2 shown=2 clicked=2 did=60001x1,60002x1,90001x2
                             -> answered q day targets=2 acked=2 shown=2 clicked=2 did=60001x1,60002x1,90001x2 registered=2 active=2 peak=0 of=2
        "
    ));
}

#[test]
fn given_the_apps_own_words_for_shown_and_clicked_when_reported_first_should_be_counted_once() {
    check(&format!(
        "{ABC}
        settags A a
        group t1 or=a
        commit               -> answered q done
                             -> answered q taken t1
        commit               -> push s1 1 x
        cmd s1 1 feedback 1:60001,1:10000,1:60002,1:10010
        commit               -> result s1 1 op=10 Ok [0, 0, 0, 0]
        groups t1
        read                 -> answered q t1:Done targets=1 shown=1 clicked=1 did=60001x1,60002x1
        "
    ));
}

#[test]
fn given_what_a_developer_is_told_when_written_down_should_have_the_time_it_happened() {
    check(&format!(
        "{ABC}
        push A task=one
        commit               -> push s1 1 x
                             -> answered r one A:online
        tick 10s
        ack s1 1
        tick 1s
        commit
        tick 9s
        upstream s1 9 hello
        cmd s1 1 feedback 1:10000:5s,1:90001:1h
        commit               -> upstream s1 9 Stored
                             -> result s1 1 op=10 Ok [0, 0]
        told 10s,0s,5s,20s   # acked, the message, shown, done: not before the message
        tick 1s
        told 11s,1s,6s,21s
        "
    ));
}

#[test]
fn given_feedback_on_what_was_never_sent_when_reported_should_be_unknown() {
    check(&format!(
        "{ABC}
        push B task=other
        commit               -> push s2 1 x
                             -> answered r other B:online
        cmd s1 1 feedback ?7:10000,?0:10000
        commit               -> result s1 1 op=10 Ok [2, 2]
        cmd s1 2 feedback ?7:10001 -> result s1 2 op=10 BadParameter
        cmd s1 3 feedback ?7:90000 -> result s1 3 op=10 BadParameter
        cmd s1 4 feedback ?7:91000 -> result s1 4 op=10 BadParameter
        gone s1
        push A task=late ttl=5s
        commit               -> answered r late A:offline
        tick 6s
        commit
        open s4
        hello s4 login A     -> welcome s4 A known hb=240
        read
        tick 1s
        commit
        cmd s4 5 feedback 1:10000 # it expired, and may have been seen all the same
        commit               -> result s4 5 op=10 Ok [0]
        "
    ));
}

#[test]
fn given_a_message_to_the_third_party_when_told_should_say_so_to_its_device() {
    check(&format!(
        "{ABC}
        upstream s1 9 hello task=order
        commit               -> upstream s1 9 Stored
        upstream s1 9 other task=order
        commit               -> upstream s1 9 Stored
        set demo
        commit               -> app demo
                             -> answered q done
        upstream s1 9 again task=order
        upstream s1 10 new
        commit               -> upstream s1 9 Stored
                             -> upstream s1 10 NoReceiver
        receipts
        read                 -> answered q order:A:up9:hello
        settle
        commit               -> upstream s1 9 Delivered
                             -> answered q done
        crash unsynced
        open s4
        hello s4 login A     -> welcome s4 A known hb=240
        upstream s4 9 hello task=order
        commit               -> upstream s4 9 Delivered
        receipts
        read                 -> answered q none
        "
    ));
}

#[test]
fn given_messages_that_nobody_takes_when_given_up_should_say_so_and_be_replayed_whole() {
    check(&format!(
        "{ABC}
        upstream s1 1 x*5000
        upstream s1 2 -
        upstream s3 3 hello
        commit               -> upstream s1 1 Stored
                             -> upstream s1 2 Stored
                             -> upstream s3 3 NoReceiver
        settle dead
        commit               -> upstream s1 1 GivenUp
                             -> answered q done
        settle dropped
        commit               -> upstream s1 2 GivenUp
                             -> answered q done
        receipts dead
        receipts
        read                 -> answered q :A:up1:x*5000
                             -> answered q none
        replay
        commit               -> answered q 1
        receipts
        receipts dead
        read                 -> answered q :A:up1:x*5000
                             -> answered q none
        settle
        commit               -> answered q done
        upstream s1 1 -
        commit               -> upstream s1 1 GivenUp
        "
    ));
}

#[test]
fn given_a_device_whose_messages_are_not_taken_when_it_sends_more_should_be_busy() {
    let mut script = format!("{ABC}\n");
    for id in 1..=65 {
        script += &format!("upstream s1 {id} x\n");
    }
    script += "commit 64\n";
    for id in 1..=64 {
        script += &format!("-> upstream s1 {id} Stored\n");
    }
    script += "
        commit               -> upstream s1 65 Busy
        counts busy=1
        settle
        commit               -> upstream s1 1 Delivered
                             -> answered q done
        upstream s1 65 x
        commit               -> upstream s1 65 Stored
        upstream s1 66 x
        refuse               -> upstream s1 66 Busy
        forget A
        commit               -> close s1 Removed
                             -> answered q done
        settle
        commit               -> answered q done
    ";
    check(&script);
}

#[test]
fn given_a_message_that_is_said_to_be_stored_when_power_fails_should_be_told_all_the_same() {
    check(&format!(
        "{ABC}
        upstream s1 9 x*5000
        commit               -> upstream s1 9 Stored
        crash unsynced
        receipts
        read                 -> answered q :A:up9:x*5000
        "
    ));
}

#[test]
fn given_feedback_before_the_backlog_is_read_when_it_comes_should_wait_and_then_count() {
    check(&format!(
        "{ABC}
        push A task=one
        commit               -> push s1 1 x
                             -> answered r one A:online
        crash                # the device has handled it, its acknowledgement is lost
        open s4
        hello s4 login A resume=1 -> welcome s4 A known hb=240
        cmd s4 1 feedback 1:10000 -> result s4 1 op=10 Busy
        counts busy=1
        read
        cmd s4 2 feedback 1:10000
        commit               -> result s4 2 op=10 Ok [0]
        detail A one
        read                 -> answered q Accepted Stored Acked Shown
        "
    ));
}
