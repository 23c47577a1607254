//! What the decoder promises beyond the frames themselves.

use bytes::BytesMut;
use protocol::{Decoder, Frame, FrameError, Kind, Peer, limits};

/// The header of an ack whose body is announced but not sent.
fn ack_header(body_len: usize) -> Vec<u8> {
    let byte = |shift: usize| u8::try_from(body_len >> shift & 0x7f).expect("seven bits");
    assert!((1 << 7..1 << 21).contains(&body_len));
    match body_len >> 14 {
        0 => vec![Kind::Ack.number(), byte(0) | 0x80, byte(7)],
        _ => vec![Kind::Ack.number(), byte(0) | 0x80, byte(7) | 0x80, byte(14)],
    }
}

fn fed(bytes: &[u8]) -> Decoder {
    let mut decoder = Decoder::new(Peer::Device);
    decoder.push(bytes);
    decoder
}

#[test]
fn given_a_first_frame_of_512_bytes_when_announced_should_wait_for_it() {
    assert_eq!(
        fed(&ack_header(limits::HELLO_LEN_MAX)).next_frame(),
        Ok(None)
    );
}

#[test]
fn given_a_first_frame_of_513_bytes_when_announced_should_be_refused_without_its_body() {
    let error = FrameError::BodyTooLong {
        kind: 0x06,
        limit: 512,
        got: 513,
    };
    assert_eq!(
        fed(&ack_header(limits::HELLO_LEN_MAX + 1)).next_frame(),
        Err(error)
    );
}

#[test]
fn given_a_frame_before_when_a_longer_one_is_announced_should_take_up_to_16_kib() {
    let mut decoder = fed(&[Kind::Ping.number(), 0]);
    assert_eq!(decoder.next_frame(), Ok(Some(Frame::Ping)));
    decoder.push(&ack_header(limits::BODY_LEN_MAX_TO_SERVER));
    assert_eq!(decoder.next_frame(), Ok(None));

    let mut decoder = fed(&[Kind::Ping.number(), 0]);
    assert_eq!(decoder.next_frame(), Ok(Some(Frame::Ping)));
    decoder.push(&ack_header(limits::BODY_LEN_MAX_TO_SERVER + 1));
    let error = FrameError::BodyTooLong {
        kind: 0x06,
        limit: 16 * 1024,
        got: 16 * 1024 + 1,
    };
    assert_eq!(decoder.next_frame(), Err(error));
}

#[test]
fn given_only_an_ignorable_frame_before_when_a_long_one_is_announced_should_still_be_greeting() {
    let mut decoder = fed(&[0x80, 0]);
    decoder.push(&ack_header(limits::HELLO_LEN_MAX + 1));
    assert!(matches!(
        decoder.next_frame(),
        Err(FrameError::BodyTooLong { limit: 512, .. })
    ));
}

#[test]
fn given_an_error_when_more_is_pushed_should_stay_failed_and_keep_nothing() {
    let mut decoder = fed(&[0x7f]);
    let error = decoder.next_frame();
    assert_eq!(error, Err(FrameError::UnknownKind { kind: 0x7f }));
    let mut ping = BytesMut::new();
    Frame::Ping.encode(&mut ping);
    decoder.push(&ping);
    assert_eq!(decoder.unread_len(), 0);
    assert_eq!(decoder.next_frame(), error);
}

#[test]
fn given_unread_bytes_when_moved_to_another_thread_should_go_on_there() {
    let mut decoder = fed(&[Kind::Ping.number()]);
    assert_eq!(decoder.next_frame(), Ok(None));
    let frame = std::thread::spawn(move || {
        decoder.push(&[0]);
        decoder.next_frame()
    });
    assert_eq!(frame.join().expect("no panic"), Ok(Some(Frame::Ping)));
}

#[test]
fn given_a_frame_and_a_half_when_asked_should_tell_what_is_unread() {
    let mut decoder = fed(&[Kind::Ping.number(), 0, Kind::Pong.number()]);
    assert_eq!(decoder.unread_len(), 3);
    assert_eq!(decoder.next_frame(), Ok(Some(Frame::Ping)));
    assert_eq!(decoder.next_frame(), Ok(None));
    assert!(decoder.has_partial());
    assert_eq!(decoder.unread_len(), 1);
}

#[test]
fn given_unread_bytes_when_a_decoder_is_shown_should_count_them_and_not_show_them() {
    assert_eq!(
        format!("{:?}", fed(&[Kind::Hello.number(), 0x7f, 0xab])),
        "Decoder { sender: Device, unread_len: 3, greeted: false, failed: None }"
    );
}

#[test]
fn given_three_length_bytes_that_promise_a_fourth_when_read_should_be_refused_without_it() {
    let error = FrameError::LengthTooWide {
        kind: 0x06,
        len_max: 3,
    };
    assert_eq!(
        fed(&[Kind::Ack.number(), 0x80, 0x80, 0x80]).next_frame(),
        Err(error)
    );
}
