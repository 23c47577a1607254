//! Every requirement of the document, and what checks it here.
//!
//! Owner: docs/protocol.md. Always: each R-n of the document stands here once, by number, with its
//! checks or with the reason why it has none; a test compares. A new requirement is one entry.

use super::requirement::{Requirement, check, checked, slow, unchecked};
use super::{
    absence, admission, commands, delivery, extension, feedback, framing, golden, greeting,
    heartbeat, identity, parting, self_description, tags, to_third_party, transport,
};

/// Why most have none.
const BINDS_THE_DEVICE: &str = "binds the device";

/// The table.
// One line for each check, so that it reads as a table.
#[rustfmt::skip]
pub(super) const REQUIREMENTS: &[Requirement] = &[
    checked(1, "TLS 1.3, and nothing outside it", &[
        check("TLS 1.3 is spoken", transport::speaks_tls_13),
        check("TLS 1.2 is refused", transport::refuses_tls_12),
        check("a hello outside TLS", transport::says_nothing_outside_tls),
    ]),
    checked(2, "the ALPN name", &[
        check("ringpost/1, alone and among others", transport::takes_its_own_alpn),
        check("no ALPN", transport::takes_no_alpn_as_version_1),
        check("only other names", transport::refuses_other_alpn),
    ]),
    unchecked(3, "the certificate is verified", BINDS_THE_DEVICE),
    unchecked(4, "TLS sessions are resumed", BINDS_THE_DEVICE),
    checked(5, "lengths in their shortest form", &[
        check("a longer form", framing::refuses_a_longer_form),
        check("a fourth byte", framing::refuses_a_fourth_length_byte),
        check("lengths of one, two and three bytes", framing::reads_lengths_of_all_sizes),
    ]),
    checked(6, "the order of checks, and long bodies refused at the header", &[
        check("long bodies by their head alone", framing::refuses_by_the_head_alone),
        check("a hello as long as allowed", framing::takes_a_hello_of_the_longest),
        check("kind, direction, length", framing::looks_at_kind_direction_and_length_in_turn),
    ]),
    checked(7, "cuts mean nothing", &[
        check("one byte a write", framing::reads_bytes_one_by_one),
        check("all in one write", framing::reads_frames_in_one_write),
        check("records cut below TLS", framing::reads_records_cut_anywhere),
    ]),
    checked(8, "malformed bodies", &[
        check("the golden vectors of bad bodies", golden::refuses_bad_bodies),
    ]),
    checked(9, "bytes behind the last field", &[
        check("behind a hello", extension::ignores_fields_behind_a_hello),
        check("behind other frames", extension::ignores_fields_behind_others),
    ]),
    checked(10, "unknown kinds", &[
        check("from 0x80 in a session", extension::skips_unknown_kinds_from_0x80),
        check("from 0x80 before a hello", extension::skips_unknown_kinds_before_a_hello),
        check("from 0x80, too long", extension::bounds_unknown_kinds),
        check("below 0x80", extension::refuses_unknown_kinds_below_0x80),
        check("reserved ones", extension::refuses_reserved_kinds),
    ]),
    checked(11, "unknown flags and numbers", &[
        check("flags of a hello", extension::refuses_unknown_hello_flags),
        check("credential types", extension::refuses_unknown_credentials),
        check("platforms", extension::takes_unknown_platforms),
    ]),
    unchecked(12, "a writer keeps to the other's minor version", "there is no later minor version to be seen"),
    checked(13, "kinds that only a server sends", &[
        check("each of them, first and in a session", extension::refuses_kinds_of_servers),
    ]),
    checked(14, "the first frame is a hello, within 10 s", &[
        check("another frame first", greeting::refuses_other_first_frames),
        check("a close first", greeting::lets_a_device_leave_first),
        check("a second hello", greeting::refuses_a_second_hello),
        slow("no hello", greeting::waits_ten_seconds_for_a_hello),
        slow("half a hello", greeting::waits_no_longer_for_a_slow_hello),
        slow("a late handshake", greeting::counts_the_handshake),
        slow("a hello after 8 s", greeting::takes_a_hello_after_eight_seconds),
    ]),
    checked(15, "between hello and welcome", &[
        check("a ping", greeting::answers_a_hasty_ping_or_refuses_it),
        check("a close", greeting::lets_a_device_leave_before_its_welcome),
    ]),
    unchecked(16, "a device does not wait for ever", BINDS_THE_DEVICE),
    unchecked(17, "install id and secret", BINDS_THE_DEVICE),
    checked(18, "registration", &[
        check("the same pair again", identity::gives_one_cid_to_one_installation),
        check("another secret", identity::gives_another_secret_another_cid),
    ]),
    checked(19, "login", &[
        check("CID and secret", identity::logs_in_by_cid_and_secret),
        check("a wrong secret", identity::refuses_a_wrong_secret),
        check("an unknown CID", identity::refuses_an_unknown_cid),
    ]),
    unchecked(20, "what a server keeps of a secret, and when it is durable", "cannot be seen from outside"),
    checked(21, "one session for each CID", &[
        check("a newer login", identity::lets_the_newer_login_win),
        check("a newer registration", identity::lets_the_newer_registration_win),
    ]),
    checked(22, "ids rise", &[
        check("live and after a wait", delivery::pushes_in_rising_order),
        check("to one and to many", delivery::orders_one_and_many_alike),
    ]),
    checked(23, "at least once", &[
        check("no ack, and back again", delivery::repeats_what_was_not_acked),
    ]),
    unchecked(24, "when a device acks", BINDS_THE_DEVICE),
    checked(25, "an ack of several", &[
        check("three of four in one frame", delivery::takes_acks_of_several),
    ]),
    checked(26, "acks of ids that were not sent", &[
        check("in a session without pushes", delivery::refuses_acks_of_unsent_ids),
        check("twice, and one beyond", delivery::takes_acks_twice_but_not_beyond),
    ]),
    checked(27, "the cursor", &[
        check("a gap in the acks", delivery::moves_the_cursor_over_unbroken_runs),
    ]),
    checked(28, "the window", &[
        check("at least 1", delivery::grants_a_window),
        check("more pushes than it holds", delivery::keeps_to_its_window),
    ]),
    checked(29, "resume", &[
        check("the second of three", delivery::resumes_where_the_device_says),
    ]),
    checked(30, "expiry", &[
        slow("one that expires, one that stays", delivery::drops_what_expired),
    ]),
    checked(31, "the granted interval", &[
        check("wishes within the bounds and beyond", heartbeat::grants_wishes_within_its_bounds),
    ]),
    checked(32, "signs of life", &[
        check("pings", heartbeat::answers_pings),
        check("pongs that nobody asked for", heartbeat::ignores_pongs),
        slow("any frame counts", heartbeat::takes_any_frame_as_a_sign_of_life),
    ]),
    checked(33, "silence of one and a half intervals", &[
        slow("a device that says nothing", heartbeat::gives_up_after_one_and_a_half_intervals),
    ]),
    checked(34, "a result for each command", &[
        check("unknown ops", commands::answers_unknown_ops_with_code_1),
        check("16 at a time", commands::answers_each_command_once),
    ]),
    checked(35, "commands can be repeated", &[
        check("the same bind and unbind again", commands::takes_the_same_command_again),
    ]),
    checked(36, "aliases", &[
        check("their characters and lengths", commands::takes_the_names_of_the_document),
        check("one for each client", commands::keeps_one_alias_a_client),
        check("ten clients for each", commands::keeps_ten_clients_an_alias),
    ]),
    unchecked(37, "what a device does after a go-away", BINDS_THE_DEVICE),
    unchecked(38, "the endpoint of a go-away", BINDS_THE_DEVICE),
    unchecked(39, "draining", "wants a server that is being stopped"),
    checked(40, "close is the last frame", &[
        check("of a device", parting::lets_a_device_leave),
        check("of a device, whatever the reason", parting::answers_no_close),
        check("of a server", parting::says_nothing_after_its_close),
    ]),
    unchecked(41, "the pause before a new connection", BINDS_THE_DEVICE),
    unchecked(42, "the least pause", BINDS_THE_DEVICE),
    unchecked(43, "unknown reasons", BINDS_THE_DEVICE),
    checked(44, "message bodies verify", &[
        check("a text and its task", delivery::sends_bodies_that_verify),
    ]),
    checked(45, "minor versions", &[
        check("later ones", extension::takes_every_minor),
    ]),
    checked(46, "the golden vectors", &[
        check("in one write", golden::reads_all),
        check("byte by byte", golden::reads_all_byte_by_byte),
        check("behind a hello", golden::reads_all_in_a_session),
    ]),
    checked(47, "tags of a device", &[
        check("sets that replace each other", tags::sets_replace_each_other),
        check("sets at their limits", tags::takes_sets_up_to_the_limits),
        check("each code, and nothing changed", tags::refuses_bad_sets_and_changes_nothing),
        check("tags of the third party", tags::shares_them_with_the_third_party),
    ]),
    checked(48, "the push switch", &[
        check("off and on, twice each", absence::answers_the_switch),
        check("before, meanwhile and after", absence::holds_and_filters_while_switched_off),
    ]),
    checked(49, "silent time", &[
        check("its bounds", absence::takes_every_silent_time),
        check("a device that comes all the same", absence::refuses_nothing_in_silent_hours),
    ]),
    checked(50, "what a device says of itself", &[
        check("device info", self_description::takes_device_infos),
        check("badge", self_description::takes_badges),
        check("vendor token", self_description::takes_vendor_tokens),
    ]),
    checked(51, "feedback", &[
        check("each action once", feedback::counts_each_action_once),
        check("a bad action", feedback::counts_nothing_with_a_bad_action),
        check("messages that nobody was sent", feedback::knows_whose_a_message_is),
        check("messages of another", feedback::keeps_messages_of_others_apart),
    ]),
    checked(52, "messages to the third party", &[
        check("one, and its repeats", to_third_party::answers_messages_and_repeats),
        check("the shortest and the longest", to_third_party::takes_messages_of_every_length),
        check("malformed ones", to_third_party::refuses_malformed_messages),
    ]),
    checked(53, "a stored message in a later session", &[
        check("asked for by sending it again", to_third_party::says_later_where_a_message_stands),
    ]),
    checked(54, "the app that a hello names", &[
        check("unknown apps", admission::refuses_unknown_apps),
    ]),
    checked(55, "the sign of a hello", &[
        check("not demanded", admission::ignores_a_sign_that_nobody_demands),
        check("of a registration", admission::demands_the_sign_of_a_registration),
        check("of a login", admission::demands_the_sign_of_a_login),
    ]),
    checked(56, "bytes are judged before the state", &[
        check("malformed frames in the wrong state", greeting::judges_bytes_before_the_state),
    ]),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::conform::requirement::Cover;

    /// The numbers that a document gives out, sorted.
    fn numbers(document: &str) -> Vec<u16> {
        let mut numbers: Vec<u16> = document
            .split("**R-")
            .skip(1)
            .filter_map(|rest| rest.split("**").next()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn given_the_document_when_compared_with_the_table_should_have_each_requirement_once() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
        let document = fs::read_to_string(path).expect("docs/protocol.md");
        let here: Vec<u16> = REQUIREMENTS.iter().map(|entry| entry.number).collect();
        assert_eq!(here, numbers(&document), "the table, and the document");
    }

    #[test]
    fn given_a_document_with_one_more_requirement_when_numbered_should_show_it() {
        assert_eq!(numbers("**R-1** a **R-3** see R-1. **R-2**"), [1, 2, 3]);
    }

    #[test]
    fn given_the_table_when_read_should_have_checks_with_names_of_their_own_or_a_reason() {
        for entry in REQUIREMENTS {
            match entry.cover {
                Cover::Checks(checks) => {
                    let names: BTreeSet<&str> = checks.iter().map(|check| check.name).collect();
                    assert!(!checks.is_empty(), "R-{}", entry.number);
                    assert_eq!(names.len(), checks.len(), "R-{}", entry.number);
                }
                Cover::NoCheck(why) => assert!(!why.is_empty(), "R-{}", entry.number),
            }
        }
    }
}
