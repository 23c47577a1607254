//! Apps that change: disabled, with other secrets, deleted.

use crate::A;
use crate::harness::check;

#[test]
fn given_a_disabled_app_when_its_devices_are_live_or_come_should_close_them_until_it_is_enabled() {
    check(
        "
        open s1
        open s2
        hello s1 register install=1
        hello s2 register install=2 app=other
        commit            -> welcome s1 A registered hb=240
                          -> welcome s2 B registered hb=240
        tick 1s
        commit
        disable demo
        commit            -> app demo
                          -> close s1 AppDisabled never
                          -> answered q done
        open s3
        hello s3 login A  -> close s3 AppDisabled never
        ping s2           -> pong s2
        tick 1s
        commit
        crash
        open s4
        hello s4 login A  -> close s4 AppDisabled never
        enable demo
        commit            -> app demo
                          -> answered q done
        open s5
        hello s5 login A  -> welcome s5 A known hb=240
        read
        ",
    );
}

#[test]
fn given_a_rotated_secret_when_signed_with_the_old_one_should_be_honoured_for_the_grace_only() {
    check(
        "
        open s1
        hello s1 register install=1 app=signed sign=right
        commit            -> welcome s1 A registered hb=240
        rotate signed 60s
        commit            -> app signed
                          -> answered q done
        open s2
        hello s2 login A app=signed sign=right   -> close s1 Replaced
                                                 -> welcome s2 A known hb=240
        open s3
        hello s3 login A app=signed sign=rotated -> close s2 Replaced
                                                 -> welcome s3 A known hb=240
        tick 60s
        open s4
        hello s4 login A app=signed sign=right   -> close s4 SignRequired never
        open s5
        hello s5 login A app=signed sign=rotated -> close s3 Replaced
                                                 -> welcome s5 A known hb=240
        ",
    );
}

#[test]
fn given_a_deleted_app_when_looked_for_should_leave_no_device_alias_or_install_id() {
    check(
        "
        world shards=2
        open s1 at=0
        open s2 at=1
        hello s1 register install=1
        hello s2 register install=2 app=other
        commit            -> welcome s1 A registered hb=240
                          -> welcome s2 B registered hb=240
        bind A=alice
        commit            -> answered q done
        delete demo
        commit            -> close s1 Removed
                          -> appgone demo
                          -> answered q done
        probe A           -> answered q none
        open s3
        hello s3 login A  -> close s3 UnknownApp never
        cids alice
        read              -> answered q A
        tick 1s
        commit
        cids alice
        read              -> answered q none
        devices 1
        ping s2           -> pong s2
        ",
    );
}

#[test]
fn given_a_crash_between_an_app_and_its_devices_when_started_again_should_forget_them_then() {
    check(
        "
        open s1
        hello s1 register install=1
        commit            -> welcome s1 A registered hb=240
        tick 1s
        commit
        delete demo
        commit            -> close s1 Removed
                          -> appgone demo
                          -> answered q done
        devices 1
        crash
        devices 0
        ",
    );
}

#[test]
fn given_a_registration_under_way_when_its_app_is_deleted_should_refuse_it_and_keep_no_row() {
    check(
        "
        open s1
        delete demo
        hello s1 register install=1
        commit            -> appgone demo
                          -> close s1 UnknownApp never
                          -> answered q done
        tick 1s
        commit
        devices 0
        ",
    );
}

#[test]
fn given_a_push_without_a_row_when_its_device_goes_with_its_app_should_count_it_as_expired() {
    check(
        "
        open s1
        hello s1 register install=1
        commit            -> welcome s1 A registered hb=240
        tick 1s
        commit
        delete demo
        push A ttl=-1     # behind the deletion: the device is gone when it is heard of
        commit            -> close s1 Removed
                          -> appgone demo
                          -> answered q done
                          -> answered r t A:online
        counts accepted=1 expired=1
        tick 1s
        commit
        tally accepted=1 expired=1
        ",
    );
}

#[test]
fn given_a_device_with_a_backlog_when_its_app_is_deleted_should_keep_what_was_counted() {
    check(&format!(
        "{A}
        push A n=3
        commit             -> push s1 1..3 x
                           -> 3x answered r t A:online
        ack s1 1 2
        delete demo
        commit             -> close s1 Removed
                           -> appgone demo
                           -> answered q done
        tick 1s
        commit
        devices 0
        tally accepted=3 acked=2
        jump 172800s
        commit
        tally accepted=3 acked=2 expired=1
        "
    ));
}

#[test]
fn given_a_change_behind_a_deletion_when_committed_should_not_bring_the_app_back() {
    check(
        "
        open s1
        hello s1 register install=1
        commit            -> welcome s1 A registered hb=240
        tick 1s
        commit
        delete demo
        disable demo
        commit            -> close s1 Removed
                          -> appgone demo
                          -> answered q done
                          -> answered q target-invalid
        crash
        devices 0
        open s2
        hello s2 register install=2 -> close s2 UnknownApp never
        ",
    );
}

#[test]
fn given_an_app_that_registers_signed_devices_only_when_they_come_should_want_no_sign_at_login() {
    check(
        "
        set demo registration=signed
        commit            -> app demo
                          -> answered q done
        open s1
        hello s1 register install=1             -> close s1 SignRequired never
        open s2
        hello s2 register install=1 sign=wrong  -> close s2 SignRequired never
        open s3
        hello s3 register install=1 sign=right
        commit            -> welcome s3 A registered hb=240
        open s4
        hello s4 login A  -> close s3 Replaced
                          -> welcome s4 A known hb=240
        ",
    );
}

#[test]
fn given_an_app_closed_to_new_devices_when_they_come_should_refuse_them_and_serve_the_others() {
    check(
        "
        open s1
        hello s1 register install=1
        commit            -> welcome s1 A registered hb=240
        set demo registration=closed
        commit            -> app demo
                          -> answered q done
        ping s1           -> pong s1
        open s2
        hello s2 register install=2 sign=right -> close s2 AppDisabled never
        open s3
        hello s3 register install=1            -> close s3 AppDisabled never
        open s4
        hello s4 register install=2 app=other
        commit            -> welcome s4 B registered hb=240
        tick 1s
        commit
        crash
        open s5
        hello s5 register install=3            -> close s5 AppDisabled never
        open s6
        hello s6 login A  -> welcome s6 A known hb=240
        read
        set demo registration=open
        commit            -> app demo
                          -> answered q done
        open s7
        hello s7 register install=3
        commit            -> welcome s7 C registered hb=240
        ",
    );
}

#[test]
fn given_apps_that_say_whether_devices_bind_when_these_try_should_go_before_the_server() {
    for (server, set, bound) in [
        ("yes", "", true),
        ("yes", "devices_may_bind=no", false),
        ("no", "", false),
        ("no", "devices_may_bind=yes", true),
    ] {
        let end = if bound {
            "cmd s1 1 bind alice\n commit -> result s1 1 op=1 Ok"
        } else {
            "cmd s1 1 bind alice -> result s1 1 op=1 NotPermitted"
        };
        check(&format!(
            "
            world devices_may_bind={server}
            open s1
            hello s1 register install=1
            commit            -> welcome s1 A registered hb=240
            set demo {set}
            commit            -> app demo
                              -> answered q done
            {end}
            "
        ));
    }
}
