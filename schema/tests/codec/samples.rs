//! One full value of every struct, a proptest strategy for each, and one trait over all of them.
//!
//! Owner: the tests of this crate. Always: a sample sets every field to something a default is not, so that a field
//! lost on the way shows.

use std::fmt::Debug;

use schema::SchemaError;
use schema::push::{Content, DisplayWindow, Notification, PushMessage};
use schema::record::{
    AddressTexts, AliasOfClient, App, AppSettings, Binding, Callback, ClientTags, Cursor, Device,
    DeviceQuotas, FirstAnswer, Group, Message, Number, OfflineLimits, Outcome, Presence,
    PreviousSecrets, Profile, Quotas, Rate, Receipt, Registration, SilentHours, Sums, Tally, Task,
    TaskTarget, UpstreamEntry, Upstreams, Walk,
};

/// What `encode` and `decode` look like on every struct.
pub(crate) trait Codec: Sized + Clone + Debug + PartialEq {
    fn to_bytes(&self) -> Vec<u8>;
    fn from_bytes(bytes: &[u8]) -> Result<Self, SchemaError>;
}

macro_rules! codec {
    ($($name:ty),*) => {$(
        impl Codec for $name {
            fn to_bytes(&self) -> Vec<u8> {
                self.encode()
            }
            fn from_bytes(bytes: &[u8]) -> Result<Self, SchemaError> {
                Self::decode(bytes)
            }
        }
    )*};
}

codec!(
    PushMessage,
    App,
    Device,
    Cursor,
    AliasOfClient,
    Binding,
    Message,
    FirstAnswer,
    Task,
    Outcome,
    Tally,
    Number,
    Group,
    Sums,
    Walk,
    ClientTags,
    Profile,
    Presence,
    Receipt,
    Upstreams
);

/// Calls a generic function with the name and the sample of every struct; the names are the golden files'.
macro_rules! for_every_sample {
    ($check:path $(, $more:expr)?) => {
        $check("push_transmission", $crate::samples::transmission() $(, $more)?);
        $check("push_notification", $crate::samples::notification() $(, $more)?);
        $check("push_revoke", $crate::samples::revoke() $(, $more)?);
        $check("app", $crate::samples::app() $(, $more)?);
        $check("app_with_settings", $crate::samples::app_with_settings() $(, $more)?);
        $check("app_with_offline_limits", $crate::samples::app_with_offline_limits() $(, $more)?);
        $check("device", $crate::samples::device() $(, $more)?);
        $check("cursor", $crate::samples::cursor() $(, $more)?);
        $check("alias_of_client", $crate::samples::alias_of_client() $(, $more)?);
        $check("binding", $crate::samples::binding() $(, $more)?);
        $check("message", $crate::samples::message() $(, $more)?);
        $check("first_answer", $crate::samples::first_answer() $(, $more)?);
        $check("task", $crate::samples::task() $(, $more)?);
        $check("outcome", $crate::samples::outcome() $(, $more)?);
        $check("tally", $crate::samples::tally() $(, $more)?);
        $check("number", $crate::samples::number() $(, $more)?);
        $check("message_of_group", $crate::samples::message_of_group() $(, $more)?);
        $check("task_with_vendor", $crate::samples::task_with_vendor() $(, $more)?);
        $check("outcome_of_group", $crate::samples::outcome_of_group() $(, $more)?);
        $check("group", $crate::samples::group() $(, $more)?);
        $check("sums", $crate::samples::sums() $(, $more)?);
        $check("walk", $crate::samples::walk() $(, $more)?);
        $check("client_tags", $crate::samples::client_tags() $(, $more)?);
        $check("profile", $crate::samples::profile() $(, $more)?);
        $check("receipt", $crate::samples::receipt() $(, $more)?);
        $check("app_with_device_quotas", $crate::samples::app_with_device_quotas() $(, $more)?);
        $check("device_without_notifications", $crate::samples::device_without_notifications() $(, $more)?);
        $check("group_that_skips", $crate::samples::group_that_skips() $(, $more)?);
        $check("group_that_began", $crate::samples::group_that_began() $(, $more)?);
        $check("profile_of_phone", $crate::samples::profile_of_phone() $(, $more)?);
        $check("receipt_of_upstream", $crate::samples::receipt_of_upstream() $(, $more)?);
        $check("upstreams", $crate::samples::upstreams() $(, $more)?);
        $check("presence", $crate::samples::presence() $(, $more)?);
    };
}
pub(crate) use for_every_sample;

pub(crate) fn transmission() -> PushMessage {
    PushMessage {
        task_id: "RASL_1124_b3f1".into(),
        content: Content::Transmission("{\"hello\":\"世界\"}".into()),
        duration: None,
        network_type: 0,
    }
}

pub(crate) fn notification() -> PushMessage {
    let text = |text: &str| Some(text.to_owned());
    let notification = Notification {
        title: "title 标题".into(),
        body: "body".into(),
        click_type: "intent".into(),
        big_text: text("big text"),
        big_image: text("https://example.org/big.png"),
        logo: text("logo.png"),
        logo_url: text("https://example.org/logo.png"),
        channel_id: text("news"),
        channel_name: text("News"),
        channel_level: Some(4),
        intent: text("intent:#Intent;component=org.example/.Main;end"),
        want: text("{\"bundleName\":\"org.example\"}"),
        url: text("https//:example.org"),
        payload: text("payload"),
        notify_id: Some(2_147_483_647),
        ring_name: text("bell"),
        badge_add_num: Some(1),
        thread_id: text("thread"),
        category: text("CATEGORY_MESSAGE"),
        slot_type: text("SOCIAL_COMMUNICATION"),
        redisplay_freq: Some(3),
        redisplay_duration: Some(24),
    };
    PushMessage {
        task_id: "RASL_1124_b3f2".into(),
        content: Content::Notification(Box::new(notification)),
        duration: Some(DisplayWindow {
            start_ms: 1_795_500_000_000,
            end_ms: 1_795_500_660_000,
        }),
        network_type: 1,
    }
}

pub(crate) fn revoke() -> PushMessage {
    PushMessage {
        task_id: "RASL_1124_b3f3".into(),
        content: Content::Revoke {
            old_task_id: "RASL_1124_b3f2".into(),
            force: true,
        },
        duration: None,
        network_type: 0,
    }
}

pub(crate) fn app() -> App {
    App {
        number: 7,
        app_id: "appid-public-000000000001".into(),
        app_key: "appkey-hidden-00000000001".into(),
        app_secret: "appsecret-hidden-00000001".into(),
        master_secret: "mastersecret-hidden-00001".into(),
        name: "demo".into(),
        created_ms: 1_795_500_000_000,
        disabled: true,
        sign_required: true,
        previous: Some(PreviousSecrets {
            app_secret: "appsecret-before-00000001".into(),
            master_secret: "mastersecret-before-00001".into(),
            until_ms: 1_795_500_086_400,
        }),
        settings: Box::default(),
    }
}

pub(crate) fn app_with_settings() -> App {
    let rate = |per_minute, per_day| Rate {
        per_minute,
        per_day,
    };
    App {
        settings: Box::new(AppSettings {
            registration: Registration::Signed,
            devices_may_bind: Some(false),
            callback: Callback {
                url: Some("https://example.org/receipts".into()),
                mode: Some("getui".into()),
                secret: Some("callback-hidden-000000001".into()),
            },
            http: AddressTexts {
                allow: vec!["10.0.0.0/8".into(), "2001:db8::/32".into()],
                deny: vec!["10.1.2.3".into()],
            },
            device: AddressTexts {
                allow: vec!["0.0.0.0/0".into()],
                deny: vec!["192.0.2.0/24".into(), "::1".into()],
            },
            quotas: Quotas {
                auth: rate(1, 2),
                single: rate(3, 4),
                list: rate(5, 6),
                app: rate(7, 8),
                tags: rate(9, 10),
            },
            device_quotas: DeviceQuotas::default(),
            offline: OfflineLimits::default(),
        }),
        ..app()
    }
}

pub(crate) fn app_with_offline_limits() -> App {
    App {
        settings: Box::new(AppSettings {
            offline: OfflineLimits {
                len_max: 100,
                bytes_max: 1 << 33,
            },
            ..AppSettings::default()
        }),
        ..app()
    }
}

pub(crate) fn app_with_device_quotas() -> App {
    App {
        settings: Box::new(AppSettings {
            device_quotas: DeviceQuotas {
                tags_per_day: 1,
                aliases_per_day: 100,
                alias_pause_s: 5,
            },
            ..AppSettings::default()
        }),
        ..app()
    }
}

pub(crate) fn device_without_notifications() -> Device {
    Device {
        notify_off: true,
        ..device()
    }
}

pub(crate) fn group_that_skips() -> Group {
    Group {
        skips_notify_off: true,
        ..group()
    }
}

pub(crate) fn group_that_began() -> Group {
    Group {
        registered_by_ms: 1_795_500_600_001,
        ..group()
    }
}

pub(crate) fn profile_of_phone() -> Profile {
    Profile {
        brand: "Acme".into(),
        model: "Phone 7".into(),
        os_version: "14.1".into(),
        package: "org.example.app".into(),
        app_version: "2.3.0".into(),
        silent: SilentHours {
            begin_hour: 22,
            hours: 10,
            zone_min: -480,
        },
        other_tokens: vec![
            ("voip".into(), "token-hidden-0002".into()),
            ("live".into(), "token-hidden-0003".into()),
        ],
        ..profile()
    }
}

pub(crate) fn receipt_of_upstream() -> Receipt {
    Receipt {
        message: 0,
        fate: 0,
        action: 0,
        upstream: 0xfeed_0000_0000_0001,
        pieces: 3,
        ..receipt()
    }
}

pub(crate) fn upstreams() -> Upstreams {
    let entry = |id, status| UpstreamEntry {
        id,
        at_ms: 1_795_500_000_007,
        status,
    };
    Upstreams {
        entries: vec![entry(0xfeed_0000_0000_0001, 2), entry(1, 1)],
    }
}

pub(crate) fn device() -> Device {
    Device {
        app: 7,
        install: [0x11; 16],
        secret_hash: [0xa5; 32],
        created_ms: 1_795_500_000_001,
        platform: 3,
        sdk_version: "ringpost-sim 0.1.0".into(),
        push_off: true,
        blocked: true,
        notify_off: false,
    }
}

pub(crate) fn cursor() -> Cursor {
    Cursor {
        acked: 0x0123_4567_89ab_cdef,
        last_login_ms: 1_795_500_000_002,
        last_seen_ms: 1_795_500_000_003,
    }
}

pub(crate) fn alias_of_client() -> AliasOfClient {
    AliasOfClient {
        alias: "user_用户_1".into(),
        order: 99,
    }
}

pub(crate) fn binding() -> Binding {
    Binding { order: 99 }
}

pub(crate) fn message() -> Message {
    Message {
        expires_ms: 1_795_507_200_000,
        accepted_ms: 1_795_500_000_000,
        pieces: 2,
        sealed: true,
        body: (0..=255).collect(),
        group: 0,
    }
}

pub(crate) fn message_of_group() -> Message {
    Message {
        pieces: 0,
        sealed: false,
        body: Vec::new(),
        group: 0x0123_4567_89ab_cdef,
        ..message()
    }
}

pub(crate) fn first_answer() -> FirstAnswer {
    FirstAnswer {
        task_id: "RASL_1124_b3f1".into(),
        accepted_ms: 1_795_500_000_000,
    }
}

pub(crate) fn task() -> Task {
    let target = |n: u8| TaskTarget {
        cid: [n; 16],
        message: u64::from(n) << 40,
        status: n,
    };
    Task {
        request_id: "0123456789abcdef".into(),
        accepted_ms: 1_795_500_000_000,
        expires_ms: 1_795_507_200_000,
        kept: true,
        targets: (1..=3).map(target).collect(),
        vendor: None,
    }
}

pub(crate) fn task_with_vendor() -> Task {
    Task {
        vendor: Some("{\"push_channel\":{\"ios\":{\"type\":\"notify\"}}}".into()),
        ..task()
    }
}

pub(crate) fn outcome() -> Outcome {
    Outcome {
        fate: 1,
        sent_ms: 1_795_500_000_004,
        final_ms: 1_795_500_000_005,
        group: 0,
    }
}

pub(crate) fn outcome_of_group() -> Outcome {
    Outcome {
        group: 0x0123_4567_89ab_cdef,
        ..outcome()
    }
}

pub(crate) fn group() -> Group {
    Group {
        app: 7,
        task_id: "RASA_1124_b3f1".into(),
        group_name: "spring-2026".into(),
        kind: 1,
        state: 2,
        accepted_ms: 1_795_500_000_000,
        start_ms: 1_795_500_600_000,
        expires_ms: 1_795_507_800_000,
        kept: true,
        speed: 100,
        condition_heads: vec![[1, 2, 2], [2, 1, 1]],
        condition_values: vec!["北京".into(), "上海".into(), "android".into()],
        active_days: 30,
        active: true,
        pieces: 2,
        vendor: Some("{\"strategy\":{\"default\":1}}".into()),
        skips_notify_off: false,
        registered_by_ms: 0,
    }
}

pub(crate) fn sums() -> Sums {
    Sums {
        targets: 28,
        acked: 7,
        expired: 6,
        filtered: 5,
        revoked: 4,
        shown: 3,
        clicked: 2,
        actions: vec![(90001, 1), (90999, 8)],
    }
}

pub(crate) fn walk() -> Walk {
    Walk {
        upto: [0x3c; 16],
        done: true,
        len: 1_000_000,
    }
}

pub(crate) fn client_tags() -> ClientTags {
    ClientTags {
        tags: vec!["sports".into(), "体育".into()],
    }
}

pub(crate) fn profile() -> Profile {
    Profile {
        badge: -3,
        device_token: "token-hidden-0001".into(),
        token_kind: "apns".into(),
        ..Profile::default()
    }
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        cid: [0x4d; 16],
        task_id: "RASS_1124_b3f1".into(),
        message: 0x0123_4567_89ab_cdef,
        fate: 1,
        action: 90001,
        at_ms: 1_795_500_000_006,
        upstream: 0,
        pieces: 0,
    }
}

pub(crate) fn presence() -> Presence {
    Presence {
        registered: 1,
        active: 2,
        online_peak: 3,
    }
}

pub(crate) fn tally() -> Tally {
    Tally {
        accepted: 21,
        acked: 1,
        expired: 2,
        revoked: 3,
        filtered: 4,
        failed: 5,
    }
}

pub(crate) fn number() -> Number {
    Number { value: 4096 }
}
