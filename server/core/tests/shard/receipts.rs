//! Receipts: written with the event that they tell, kept until they are settled.

use crate::harness::check;

/// A and B of the demo app, which has a callback; C of the other one, which has none.
const ABC: &str = "
    open s1
    open s2
    open s3
    hello s1 register install=1
    hello s2 register install=2
    hello s3 register install=3 app=other
    commit -> welcome s1 A registered hb=240
           -> welcome s2 B registered hb=240
           -> welcome s3 C registered hb=240
    push A task=before
    commit -> push s1 1 x
           -> answered r before A:online
    set demo callback=http://example.org/
    commit -> app demo
           -> answered q done
";

#[test]
fn given_an_app_with_a_callback_when_messages_end_should_keep_a_receipt_until_it_is_settled() {
    check(&format!(
        "{ABC}
        push A task=one
        push C task=silent app=other
        group t1
        commit             -> push s1 2 x
                           -> push s3 1 x
                           -> answered r one A:online
                           -> answered r silent C:online
                           -> answered q taken t1
        commit             -> push s2 1 x
                           -> push s1 3 x
        receipts
        read               -> answered q none
        ack s1 1 2 3
        ack s3 1
        tick 1s
        commit
        crash
        receipts
        receipts app=other
        read               -> answered q one:A:1 t1:A:1
                           -> answered q none
        settle
        commit             -> answered q done
        receipts
        read               -> answered q t1:A:1
        "
    ));
}

#[test]
fn given_receipts_that_are_given_up_when_replayed_should_be_told_again() {
    check(&format!(
        "{ABC}
        push A task=one
        push B task=two
        commit             -> push s1 2 x
                           -> push s2 1 x
                           -> answered r one A:online
                           -> answered r two B:online
        ack s1 1 2
        ack s2 1
        tick 1s
        commit
        settle dead
        commit             -> answered q done
        receipts
        receipts dead
        read               -> answered q two:B:1
                           -> answered q one:A:1
        replay
        commit             -> answered q 1
        replay
        commit             -> answered q 0
        receipts
        receipts dead
        read               -> answered q two:B:1 one:A:1
                           -> answered q none
        "
    ));
}

#[test]
fn given_a_message_that_expires_or_is_stopped_when_its_device_comes_should_be_told_too() {
    check(&format!(
        "{ABC}
        gone s2
        push B task=short ttl=5s
        group t1 list
        commit             -> answered r short B:offline
                           -> answered q taken t1
        list t1 B
        commit             -> answered r t1 B:offline
        stop t1
        commit             -> answered q done
        tick 6s
        open s5
        hello s5 login B secret=1 -> welcome s5 B known hb=240
        read
        tick 1s
        commit
        receipts
        read               -> answered q short:B:2 t1:B:3
        "
    ));
}

#[test]
fn given_receipts_that_are_told_when_given_up_in_the_same_commit_should_stay_told() {
    check(&format!(
        "{ABC}
        push A task=one
        commit             -> push s1 2 x
                           -> answered r one A:online
        ack s1 1 2
        tick 1s
        commit
        settle
        settle dead
        commit             -> 2x answered q done
        receipts
        receipts dead
        read               -> 2x answered q none
        "
    ));
}

#[test]
fn given_an_app_that_is_deleted_when_messages_end_in_the_same_commit_should_keep_no_receipt() {
    check(&format!(
        "{ABC}
        push A task=one
        push A task=two
        commit             -> push s1 2..3 x
                           -> answered r one A:online
                           -> answered r two A:online
        ack s1 1 2
        tick 1s
        delete demo
        ack s1 3
        tick 1s
        commit             -> close s1 Removed
                           -> close s2 Removed
                           -> appgone demo
                           -> answered q done
        receipts
        read               -> answered q one:A:1
        "
    ));
}
