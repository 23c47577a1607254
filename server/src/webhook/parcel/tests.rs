//! Deliveries byte by byte, against the examples of `docs/webhooks.md`.

use bytes::Bytes;

use super::*;

/// The app of the examples.
fn app(mode: &str) -> App {
    let mut app = App {
        number: 1,
        app_id: "appid0123456789".into(),
        app_key: "key".into(),
        app_secret: "secret".into(),
        master_secret: "master-secret".into(),
        name: "demo".into(),
        created_ms: 1,
        disabled: false,
        sign_required: false,
        previous: None,
        settings: Box::default(),
    };
    app.settings.callback.mode = Some(mode.into());
    app.settings.callback.secret = Some("callback-secret".into());
    app
}

fn event(number: u64, fate: u8, action: u32, custom_callback: Option<&str>) -> Event {
    Event {
        queued: QueuedReceipt {
            order: 0x0192_0000_0000_0000 + number,
            receipt: Receipt {
                cid: [0x1f; 16],
                task_id: "RASS_1125_00000000000000000000000000000001".into(),
                message: 0x0191_ffff_0000_0000 + number,
                fate,
                action,
                at_ms: 1_764_000_000_000 + number,
                upstream: 0,
                pieces: 0,
            },
            body: Bytes::new(),
        },
        custom_callback: custom_callback.map(str::to_owned),
    }
}

/// The fenced blocks of one language of the page for developers.
fn examples(language: &str) -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/webhooks.md");
    let page = std::fs::read_to_string(page).expect("the page");
    page.split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'))
        .map(str::to_owned)
        .collect()
}

/// As the page shows it: the headers that are ours, then the body.
fn shown(parcel: &Parcel) -> String {
    let mut text = format!("content-type: {}\n", parcel.content_type);
    for (name, value) in &parcel.headers {
        text.push_str(&format!("{name}: {value}\n"));
    }
    text + "\n" + std::str::from_utf8(&parcel.body).expect("UTF-8").trim_end() + "\n"
}

#[test]
fn given_the_examples_of_the_page_when_packed_again_should_be_the_same_bytes() {
    let events = [event(1, 1, 0, Some("order 17")), event(2, 2, 0, None)];
    let now_ms = 1_764_000_000_500;
    let signed = Parcel::pack(Mode::Signed, &app("signed"), &events, now_ms);
    let getui = Parcel::pack(Mode::Getui, &app("getui"), &events[..1], now_ms);
    assert_eq!(examples("http"), [shown(&signed), shown(&getui)]);
    assert!(getui.body.ends_with(b"}\n") && !signed.body.ends_with(b"\n"));
}

#[test]
fn given_the_same_receipts_when_packed_later_should_keep_the_id_and_be_signed_anew() {
    let events = [event(1, 1, 0, None), event(2, 1, 0, None)];
    let pack = |now_ms| Parcel::pack(Mode::Signed, &app("signed"), &events, now_ms);
    let header = |parcel: &Parcel, wanted: &str| {
        let found = parcel.headers.iter().find(|(name, _)| *name == wanted);
        found.map(|(_, value)| value.clone()).expect(wanted)
    };
    let (first, second) = (pack(1), pack(2));
    assert_eq!(header(&first, DELIVERY), header(&second, DELIVERY));
    assert_ne!(header(&first, SIGNATURE), header(&second, SIGNATURE));
    assert_eq!((first.count, first.upto), (2, events[1].queued.order));
}

#[test]
fn given_more_than_a_body_holds_when_packed_should_take_the_first_and_at_least_one() {
    let long = "x".repeat(WEBHOOK_BODY_LEN_MAX / 3);
    for mode in [Mode::Signed, Mode::Getui] {
        let events: Vec<Event> = (1..=4)
            .map(|number| event(number, 1, 0, Some(&long)))
            .collect();
        let parcel = Parcel::pack(mode, &app("signed"), &events, 1);
        assert_eq!((parcel.count, parcel.upto), (2, events[1].queued.order));
        let longer = [event(1, 1, 0, Some(&long.repeat(4)))];
        assert_eq!(Parcel::pack(mode, &app("signed"), &longer, 1).count, 1);
    }
}

#[test]
fn given_modes_and_secrets_when_read_should_be_our_form_only_if_set_or_with_a_secret() {
    let mode = |mode: Option<&str>, secret: Option<&str>| {
        let mut app = app("signed");
        app.settings.callback.mode = mode.map(str::to_owned);
        app.settings.callback.secret = secret.map(str::to_owned);
        Mode::of(&app)
    };
    assert_eq!(mode(None, None), Mode::Getui);
    assert_eq!(mode(None, Some("s")), Mode::Signed);
    assert_eq!(mode(Some("getui"), Some("s")), Mode::Getui);
    assert_eq!(mode(Some("signed"), None), Mode::Signed);
    // Without a secret of its own the MasterSecret signs.
    let mut bare = app("signed");
    bare.settings.callback.secret = None;
    let events = [event(1, 1, 0, None)];
    let parcel = Parcel::pack(Mode::Signed, &bare, &events, 7);
    let signature = sign::signed("master-secret", 7, &parcel.body);
    assert!(parcel.headers.contains(&(SIGNATURE, signature)));
}

#[test]
fn given_each_fate_when_asked_should_be_told_in_getuis_form_only_if_that_has_a_code_for_it() {
    for (fate, action, told) in [
        (1, 0, true),
        (2, 0, false),
        (3, 0, false),
        (0, 90_001, true),
    ] {
        let receipt = event(1, fate, action, None).queued.receipt;
        assert_eq!(Mode::Getui.tells(&receipt), told, "{fate}");
        assert!(Mode::Signed.tells(&receipt));
    }
}
