//! What devices ask for by commands: tags, switches, facts about themselves.

use crate::harness::check;

/// A and B of the demo app, live.
const AB: &str = "
    open s1
    open s2
    hello s1 register install=1
    hello s2 register install=2
    commit -> welcome s1 A registered hb=240
           -> welcome s2 B registered hb=240
";

#[test]
fn given_tags_set_by_a_device_when_the_third_party_looks_should_be_its_whole_set() {
    check(&format!(
        "{AB}
        cmd s1 1 settags b,a
        commit               -> result s1 1 op=3 Ok
        count or=a           -> answered q 1
        tags A
        cmd s1 2 querytags
        read                 -> result s1 2 op=4 Ok a,b
                             -> answered q a b
        settags A c
        commit               -> answered q done
        cmd s1 3 querytags
        read                 -> result s1 3 op=4 Ok c
        cmd s1 4 settags none
        commit               -> result s1 4 op=3 Ok
        crash unsynced
        tags A
        count or=c           -> answered q 0
        read                 -> answered q none
        "
    ));
}

#[test]
fn given_bad_tags_when_set_by_a_device_should_say_why_and_change_nothing() {
    let long = "x".repeat(33);
    check(&format!(
        "{AB}
        cmd s1 1 settags a
        commit               -> result s1 1 op=3 Ok
        cmd s1 2 settags a,a   -> result s1 2 op=3 DuplicateTag
        cmd s1 3 settags b,    -> result s1 3 op=3 EmptyTag
        cmd s1 4 settags {long} -> result s1 4 op=3 TagMalformed
        block A
        commit               -> answered q done
        cmd s1 5 settags b   -> result s1 5 op=3 Blocked
        cmd s1 6 querytags
        read                 -> result s1 6 op=4 Ok a
        cmd s1 7 settags b
                             -> result s1 7 op=3 Blocked
        unblock A
        commit               -> answered q done
        cmd s1 8 settags b
        refuse               -> result s1 8 op=3 Busy
        cmd s1 9 querytags
        refuse reads         -> result s1 9 op=4 Busy
        cmd s1 10 querytags
        read                 -> result s1 10 op=4 Ok a
        "
    ));
}

#[test]
fn given_devices_that_may_not_bind_when_they_set_tags_should_be_told() {
    check(&format!(
        "world devices_may_bind=no
        {AB}
        cmd s1 1 settags a   -> result s1 1 op=3 NotPermitted
        cmd s1 2 querytags
        read                 -> result s1 2 op=4 Ok none
        "
    ));
}

#[test]
fn given_limits_of_an_app_when_a_device_is_too_quick_should_be_told_which() {
    check(&format!(
        "{AB}
        set demo device_tags=1 device_aliases=2 alias_pause=5
        commit               -> app demo
                             -> answered q done
        cmd s1 1 settags a
        cmd s1 2 settags b   -> result s1 2 op=3 TagsTooFrequent
        cmd s2 3 settags a
        cmd s1 4 bind alice
        cmd s1 5 bind bob    -> result s1 5 op=1 TooFrequent
        commit               -> result s1 1 op=3 Ok
                             -> result s2 3 op=3 Ok
                             -> result s1 4 op=1 Ok
        tick 5s
        cmd s1 6 bind a.b    -> result s1 6 op=1 AliasInvalid
        cmd s1 7 unbind alice
        commit               -> result s1 7 op=2 Ok
        tick 5s
        cmd s1 8 bind alice  -> result s1 8 op=1 Filtered
        "
    ));
}

#[test]
fn given_push_switched_off_when_pushed_to_should_filter_and_hold_what_was_accepted_before() {
    check(&format!(
        "{AB}
        gone s1
        tick 1s
        commit
        push A body=before
        commit               -> answered r t A:offline
        open s3
        hello s3 login A     -> welcome s3 A known hb=240
        cmd s3 1 switch off
        read hold
        commit               -> result s3 1 op=5 Ok
        deliver reads
        probe A              -> answered q A:filtered
        push A body=meanwhile
        commit               -> answered r t A:ignore
        waiting commits=0 reads=0
        crash unsynced
        open s4
        hello s4 login A     -> welcome s4 A known hb=240
        waiting commits=0 reads=0
        probe A              -> answered q A:filtered
        cmd s4 2 switch on
        commit               -> result s4 2 op=5 Ok
        read                 -> push s4 1 before
        probe A              -> answered q A:online
        counts filtered=0 sent=1
        tally accepted=2 filtered=1
        "
    ));
}

#[test]
fn given_acks_while_push_is_off_when_they_come_should_move_the_cursor() {
    check(&format!(
        "{AB}
        push A body=one
        push A body=two
        commit               -> push s1 1 one
                             -> push s1 2 two
                             -> 2x answered r t A:online
        cmd s1 1 switch off
        commit               -> result s1 1 op=5 Ok
        ack s1 1 2
        tick 1s
        commit
        cursor A 2
        "
    ));
}

#[test]
fn given_a_user_without_notifications_when_pushed_to_should_be_passed_by_where_that_is_asked_for() {
    check(&format!(
        "{AB}
        cmd s1 1 info notify=off brand=Acme model=P7
        cmd s2 2 info notify=on
        commit               -> result s1 1 op=7 Ok
                             -> result s2 2 op=7 Ok
        probe A,B            -> answered q A:online-notify-off B:online
        push A body=all
        push A,B body=some skip
        group t1 body=group skip
        group t2 body=every
        commit               -> push s1 1 all
                             -> push s2 1 some
                             -> answered r t A:online
                             -> answered r t A:ignore B:online
                             -> answered q taken t1
                             -> answered q taken t2
        commit               -> push s2 2 group
                             -> push s2 3 every
                             -> push s1 2 every
        details A
        read                 -> answered q A:badge=0 token=/ blocked=false phone=Acme/P7
        crash unsynced
        probe A,B            -> answered q A:offline-notify-off B:offline
        "
    ));
}

#[test]
fn given_facts_that_a_device_tells_when_asked_for_should_be_known_and_last() {
    check(&format!(
        "{AB}
        cmd s1 1 silent 22 10 480
        cmd s1 2 badge 7
        cmd s1 3 token apns one
        cmd s1 4 token voip two
        commit               -> result s1 1 op=6 Ok
                             -> result s1 2 op=8 Ok
                             -> result s1 3 op=9 Ok
                             -> result s1 4 op=9 Ok
        badge A +1
        commit               -> answered q done
        crash unsynced
        details A
        read                 -> answered q A:badge=8 token=voip/two blocked=false silent=22+10@480
        open s3
        hello s3 login A     -> welcome s3 A known hb=240
        cmd s3 5 token voip -
        cmd s3 6 silent 0 0 0
        commit               -> result s3 5 op=9 Ok
                             -> result s3 6 op=6 Ok
        details A
        read                 -> answered q A:badge=8 token=apns/one blocked=false
        "
    ));
}

#[test]
fn given_a_device_that_is_deleted_meanwhile_when_its_command_is_done_should_change_nothing() {
    check(&format!(
        "{AB}
        forget A
        cmd s1 1 switch off
        cmd s1 2 info notify=off
        cmd s1 3 badge 1
        commit               -> close s1 Removed
                             -> answered q done
        devices 1
        "
    ));
}

#[test]
fn given_what_a_device_was_told_is_done_when_power_fails_should_last() {
    check(&format!(
        "{AB}
        cmd s1 1 settags a
        commit               -> result s1 1 op=3 Ok
        crash unsynced
        count or=a           -> answered q 1
        open s3
        hello s3 login A     -> welcome s3 A known hb=240
        cmd s3 2 switch off
        commit               -> result s3 2 op=5 Ok
        crash unsynced
        probe A              -> answered q A:filtered
        open s4
        hello s4 login A     -> welcome s4 A known hb=240
        cmd s4 3 silent 1 2 3
        commit               -> result s4 3 op=6 Ok
        crash unsynced
        details A
        read                 -> answered q A:badge=0 token=/ blocked=false silent=1+2@3
        "
    ));
}
