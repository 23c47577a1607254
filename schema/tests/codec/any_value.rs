//! A proptest strategy for every struct.
//!
//! Owner: the tests of this crate. Always: every field varies.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use schema::push::{Content, DisplayWindow, Notification, PushMessage};
use schema::record::{
    AddressTexts, App, AppSettings, Callback, Device, DeviceQuotas, FirstAnswer, Group, Message,
    OfflineLimits, PreviousSecrets, Quotas, Rate, Registration, Task, TaskTarget,
};

fn text() -> impl Strategy<Value = String> {
    ".{0,40}"
}

fn maybe_text() -> impl Strategy<Value = Option<String>> {
    of(text())
}

prop_compose! {
    fn notifications()(
        needed in (text(), text(), text()),
        looks in (maybe_text(), maybe_text(), maybe_text(), maybe_text(), maybe_text(), maybe_text()),
        clicks in (maybe_text(), maybe_text(), maybe_text(), maybe_text()),
        rest in (maybe_text(), maybe_text(), maybe_text(), maybe_text()),
        bytes in (of(any::<u8>()), of(any::<u8>()), of(any::<u8>())),
        words in (of(any::<u32>()), of(any::<u32>())),
    ) -> Notification {
        let (title, body, click_type) = needed;
        let (big_text, big_image, logo, logo_url, channel_id, channel_name) = looks;
        let (intent, want, url, payload) = clicks;
        let (ring_name, thread_id, category, slot_type) = rest;
        let (channel_level, redisplay_freq, redisplay_duration) = bytes;
        let (notify_id, badge_add_num) = words;
        Notification {
            title, body, click_type, big_text, big_image, logo, logo_url, channel_id, channel_name,
            channel_level, intent, want, url, payload, notify_id, ring_name, badge_add_num,
            thread_id, category, slot_type, redisplay_freq, redisplay_duration,
        }
    }
}

fn contents() -> impl Strategy<Value = Content> {
    prop_oneof![
        text().prop_map(Content::Transmission),
        notifications().prop_map(|n| Content::Notification(Box::new(n))),
        (text(), any::<bool>())
            .prop_map(|(old_task_id, force)| Content::Revoke { old_task_id, force }),
    ]
}

prop_compose! {
    pub(crate) fn pushes()(
        task_id in text(),
        content in contents(),
        duration in of((any::<u64>(), any::<u64>())),
        network_type in any::<u8>(),
    ) -> PushMessage {
        let duration = duration.map(|(start_ms, end_ms)| DisplayWindow { start_ms, end_ms });
        PushMessage { task_id, content, duration, network_type }
    }
}

prop_compose! {
    fn rates()(per_minute in any::<u32>(), per_day in any::<u32>()) -> Rate {
        Rate { per_minute, per_day }
    }
}

prop_compose! {
    fn app_settings()(
        registration in 0..3usize,
        devices_may_bind in of(any::<bool>()),
        callback in (of(text()), of(text()), of(text())),
        lists in proptest::array::uniform4(vec(text(), 0..4)),
        rates in proptest::array::uniform5(rates()),
    ) -> AppSettings {
        let (url, mode, secret) = callback;
        let [http_allow, http_deny, device_allow, device_deny] = lists;
        let [auth, single, list, app, tags] = rates;
        AppSettings {
            registration: [Registration::Open, Registration::Signed, Registration::Closed][registration],
            devices_may_bind,
            callback: Callback { url, mode, secret },
            http: AddressTexts { allow: http_allow, deny: http_deny },
            device: AddressTexts { allow: device_allow, deny: device_deny },
            quotas: Quotas { auth, single, list, app, tags },
            offline: OfflineLimits { len_max: auth.per_day, bytes_max: list.per_day.into() },
            device_quotas: DeviceQuotas {
                tags_per_day: tags.per_day,
                aliases_per_day: app.per_day,
                alias_pause_s: app.per_minute,
            },
        }
    }
}

prop_compose! {
    pub(crate) fn apps()(
        number in any::<u32>(),
        texts in (text(), text(), text(), text(), text()),
        created_ms in any::<u64>(),
        disabled in any::<bool>(),
        sign_required in any::<bool>(),
        previous in of((text(), text(), any::<u64>())),
        settings in app_settings(),
    ) -> App {
        let previous = previous.map(|(app_secret, master_secret, until_ms)| PreviousSecrets {
            app_secret, master_secret, until_ms,
        });
        let (app_id, app_key, app_secret, master_secret, name) = texts;
        App {
            number, app_id, app_key, app_secret, master_secret, name, created_ms, disabled,
            sign_required, previous, settings: Box::new(settings),
        }
    }
}

prop_compose! {
    pub(crate) fn devices()(
        app in any::<u32>(),
        install in any::<[u8; 16]>(),
        secret_hash in any::<[u8; 32]>(),
        created_ms in any::<u64>(),
        platform in any::<u8>(),
        sdk_version in text(),
        push_off in any::<bool>(),
        blocked in any::<bool>(),
        notify_off in any::<bool>(),
    ) -> Device {
        Device { app, install, secret_hash, created_ms, platform, sdk_version, push_off, blocked, notify_off }
    }
}

prop_compose! {
    pub(crate) fn messages()(
        expires_ms in any::<u64>(),
        accepted_ms in any::<u64>(),
        pieces in any::<u16>(),
        sealed in any::<bool>(),
        body in vec(any::<u8>(), 0..=2048),
        group in any::<u64>(),
    ) -> Message {
        Message { expires_ms, accepted_ms, pieces, sealed, body, group }
    }
}

prop_compose! {
    pub(crate) fn first_answers()(
        task_id in text(),
        accepted_ms in any::<u64>(),
    ) -> FirstAnswer {
        FirstAnswer { task_id, accepted_ms }
    }
}

prop_compose! {
    pub(crate) fn tasks()(
        request_id in text(),
        accepted_ms in any::<u64>(),
        expires_ms in any::<u64>(),
        kept in any::<bool>(),
        targets in vec((any::<[u8; 16]>(), any::<u64>(), any::<u8>()), 0..50),
        vendor in maybe_text(),
    ) -> Task {
        let target = |(cid, message, status)| TaskTarget { cid, message, status };
        let targets = targets.into_iter().map(target).collect();
        Task { request_id, accepted_ms, expires_ms, kept, targets, vendor }
    }
}

prop_compose! {
    pub(crate) fn groups()(
        texts in (text(), text(), maybe_text()),
        numbers in any::<[u8; 4]>(),
        times in any::<[u64; 4]>(),
        flags in any::<[bool; 3]>(),
        speed in any::<u32>(),
        pieces in any::<u16>(),
        condition_heads in vec(any::<[u8; 3]>(), 0..5),
        condition_values in vec(text(), 0..5),
    ) -> Group {
        let (task_id, group_name, vendor) = texts;
        let [kind, state, app, active_days] = numbers;
        let [accepted_ms, start_ms, expires_ms, registered_by_ms] = times;
        let [kept, active, skips_notify_off] = flags;
        Group {
            app: app.into(), task_id, group_name, kind, state, accepted_ms, start_ms, expires_ms, kept, speed,
            condition_heads, condition_values, active_days, active, pieces, vendor, skips_notify_off,
            registered_by_ms,
        }
    }
}
