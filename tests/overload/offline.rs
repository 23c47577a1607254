//! What may wait for one device that is offline: so many messages, or so many bytes.

use protocol::{Frame, Identity};
use sdk_sim::third_party::{BlockingThirdParty, Push, PushBody};

use super::harness::Server;
use super::harness::device::{Device, hello, register};

fn word(party: &BlockingThirdParty, cid: &str, text: &str) -> String {
    let push = Push::new(PushBody::Transmission(text.to_owned())).expect("random");
    let accepted = party.push_single_cid(cid, &push).expect("accepted");
    accepted.targets[cid].clone()
}

#[test]
fn given_limits_of_what_waits_when_a_device_is_offline_should_take_so_much_and_deliver_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = Server::start(dir.path(), 2, &[]);
    let (bootstrap, party) = (server.bootstrap(), server.third_party());
    let long = "中".repeat(3000);
    for (number, limit, text, fits) in [
        (1, "offline_len_max=3", "x", 3),
        // Two of 9 KB are below it and the third reaches it.
        (2, "offline_bytes_max=20000", long.as_str(), 3),
    ] {
        let cid = register(&bootstrap, number);
        let other = register(&bootstrap, 10 + number);
        server.set_app(&["offline_len_max=0", "offline_bytes_max=0"]);
        server.set_app(&[limit]);
        for at in 0..fits + 2 {
            let told = word(&party, &cid.to_string(), text);
            let wanted = if at < fits {
                "successed_offline"
            } else {
                "successed_ignore"
            };
            assert_eq!(told, wanted, "{limit}, push {at}");
        }
        assert_eq!(
            word(&party, &other.to_string(), text),
            "successed_offline",
            "each its own"
        );
        let mut device = Device::connect(&bootstrap);
        device.greet(hello(&bootstrap, Identity::Login(cid), [number; 32]));
        let mut came = 0;
        while came < fits {
            let frame = device.receive().expect("connected");
            came += usize::from(matches!(frame, Frame::Push(_)));
        }
    }
}
