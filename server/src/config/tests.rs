//! Settings from every source, good and bad.

use super::*;

fn load(flags: ServeArgs, environment: &[(&str, &str)], file: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("ringpost.toml");
    std::fs::write(&path, file).expect("written");
    let environment = environment
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect();
    Config::load(
        &ServeArgs {
            config: Some(path),
            ..flags
        },
        &environment,
    )
}

#[test]
fn given_all_sources_when_loaded_should_prefer_flag_then_environment_then_file_then_default() {
    let flags = ServeArgs {
        device: Some("127.0.0.1:1".into()),
        ..ServeArgs::default()
    };
    let environment = [
        ("RINGPOST_DEVICE", "127.0.0.1:2"),
        ("RINGPOST_HTTP", "http://127.0.0.1:3/"),
    ];
    let file = "device = '127.0.0.1:4'\nhttp = '127.0.0.1:5'\nshards = 3\n";
    let config = load(flags, &environment, file).expect("good");
    assert_eq!(config.device.port(), 1);
    assert_eq!(config.http.port(), 3);
    assert_eq!(config.shards, Some(3));
    assert_eq!(config.data, PathBuf::from("./ringpost-data"));
}

#[test]
fn given_an_unknown_key_when_loaded_should_name_it() {
    for (file, key) in [
        ("devise = 'x'", "devise"),
        ("[heartbeat]\nmin = 3", "min"),
        ("shards = 'two'", "shards"),
        ("vendor_channel = 'apns'", "vendor_channel"),
    ] {
        let error = load(ServeArgs::default(), &[], file)
            .expect_err(file)
            .to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn given_memory_for_the_store_when_loaded_should_be_within_its_bounds() {
    let memory = |file| load(ServeArgs::default(), &[], file).map(|config| config.store_memory);
    assert_eq!(memory("").expect("good"), StoreMemory::DEFAULT);
    let given = memory("store.memory_mib = 1024").expect("good");
    assert_eq!(Some(given), StoreMemory::of_mib(1024));
    for (file, came) in [
        ("store.memory_mib = 31", "31"),
        ("store.memory_mib = 16777217", "16777217"),
    ] {
        let error = memory(file).expect_err(file).to_string();
        assert!(
            error.contains("store.memory_mib") && error.contains(came),
            "{error}"
        );
        assert!(error.contains("want 32 to 16777216"), "{error}");
    }
}

#[test]
fn given_a_vendor_channel_when_loaded_should_be_none_unless_it_is_named() {
    for (file, is_some) in [
        ("", false),
        ("vendor_channel = 'none'", false),
        ("vendor_channel = 'log'", true),
    ] {
        let config = load(ServeArgs::default(), &[], file).expect("good");
        assert_eq!(config.vendor_channel.channel().is_some(), is_some, "{file}");
    }
}

#[test]
fn given_a_bad_value_when_loaded_should_name_where_it_came_from() {
    let flags = ServeArgs::default;
    let bad_flag = ServeArgs {
        http: Some("8080".into()),
        ..flags()
    };
    let heartbeat = "[heartbeat]\nmin_s = 60\nmax_s = 30";
    let failures = [
        ("--http", load(bad_flag, &[], "")),
        (
            "RINGPOST_SHARDS",
            load(flags(), &[("RINGPOST_SHARDS", "0")], ""),
        ),
        ("device", load(flags(), &[], "device = 'nowhere'")),
        ("heartbeat.max_s", load(flags(), &[], heartbeat)),
        (
            "devices.send_timeout_s",
            load(flags(), &[], "[devices]\nsend_timeout_s = 0"),
        ),
        (
            "RINGPOST_PUBLIC_HOST",
            load(flags(), &[("RINGPOST_PUBLIC_HOST", "a:1")], ""),
        ),
    ];
    for (key, loaded) in failures {
        let error = loaded.expect_err(key).to_string();
        assert!(error.contains(key), "{error}");
    }
}

#[test]
fn given_an_endpoint_of_a_drain_when_loaded_should_be_a_host_and_a_port() {
    for good in [
        "",
        "push2.example.org:5224",
        "192.0.2.7:1",
        "[2001:db8::1]:5224",
    ] {
        let config = load(
            ServeArgs::default(),
            &[],
            &format!("[drain]\nendpoint = \"{good}\"\n"),
        )
        .expect("good");
        assert_eq!(config.drain_endpoint, good);
    }
    let long = format!("{}:5224", "a".repeat(251));
    for bad in [
        "push2",
        ":5224",
        "push2:0",
        "push2:70000",
        "2001:db8::1:5224",
        "a b:1",
        &long,
    ] {
        let error = load(
            ServeArgs::default(),
            &[],
            &format!("[drain]\nendpoint = \"{bad}\"\n"),
        )
        .expect_err(bad)
        .to_string();
        assert!(error.starts_with("drain.endpoint = "), "{error}");
        assert!(error.contains("HOST:PORT"), "{error}");
    }
}

#[test]
fn given_webhooks_in_the_file_when_loaded_should_be_set_within_their_bounds() {
    let load = |keys: &str| load(ServeArgs::default(), &[], &format!("[webhooks]\n{keys}"));
    let keys = "allow_private = true\ntimeout_s = 3\nretry_first_ms = 20\n\
        retry_most_s = 7\nkeep_s = 0\n";
    let webhooks = load(keys).expect("good").webhooks;
    assert!(webhooks.allow_private);
    assert_eq!(webhooks.timeout, Duration::from_secs(3));
    assert_eq!(webhooks.retry_first, Duration::from_millis(20));
    assert_eq!(webhooks.retry_most, Duration::from_secs(7));
    assert_eq!(webhooks.keep, Duration::ZERO);
    for (keys, name) in [
        ("timeout_s = 0", "webhooks.timeout_s"),
        ("retry_first_ms = 0", "webhooks.retry_first_ms"),
        (
            "retry_first_ms = 2000\nretry_most_s = 1",
            "webhooks.retry_most_s",
        ),
    ] {
        let error = load(keys).expect_err(keys).to_string();
        assert!(error.contains(name), "{error}");
    }
    assert!(!load("").expect("good").webhooks.allow_private);
}

#[test]
fn given_networks_in_the_file_when_loaded_should_stand_at_their_doors() {
    let file = "http_allow = ['10.0.0.0/8']\nhttp_deny = ['10.1.0.0/16', '::1']\n\
        device_deny = ['192.0.2.0/24']\ntrusted_proxies = ['127.0.0.1']\n";
    let config = load(ServeArgs::default(), &[], file).expect("good");
    let address = |text: &str| text.parse().expect("an address");
    let http = &config.ingress.list;
    assert!(http.admits(address("10.2.0.1")) && !http.admits(address("10.1.0.1")));
    assert!(!http.admits(address("192.0.2.1")) && !http.admits(address("::1")));
    assert_eq!(config.ingress.trusted_proxies.len(), 1);
    let door = &config.door;
    assert!(door.list.admits(address("10.1.0.1")) && !door.list.admits(address("192.0.2.1")));
    assert!(!door.wants_header(address("127.0.0.1")), "not asked for");
    let with_header = format!("{file}device_proxy_protocol = true");
    let config = load(ServeArgs::default(), &[], &with_header).expect("good");
    assert!(config.door.wants_header(address("127.0.0.1")));
    assert!(!config.door.wants_header(address("127.0.0.2")));
}

#[test]
fn given_networks_that_are_none_when_loaded_should_name_key_and_text() {
    for (file, words) in [
        ("http_allow = ['10.0.0.1/8']", ["http_allow", "10.0.0.1/8"]),
        ("device_deny = ['nowhere']", ["device_deny", "nowhere"]),
        (
            "device_proxy_protocol = true",
            ["device_proxy_protocol", "trusted_proxies"],
        ),
    ] {
        let error = load(ServeArgs::default(), &[], file)
            .expect_err(file)
            .to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}
