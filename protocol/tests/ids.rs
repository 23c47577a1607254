//! The text forms of ids and secrets.

use protocol::{ClientId, DeviceSecret, HexError, InstallId, MessageId};

const ID: &str = "00a1b2c3d4e5f60718293a4b5c6d7e8f";

#[test]
fn given_an_id_when_shown_and_read_should_be_the_same() {
    let id: ClientId = ID.parse().expect("an id");
    assert_eq!(id.as_bytes()[..4], [0x00, 0xa1, 0xb2, 0xc3]);
    assert_eq!(id, ClientId::from_bytes(*id.as_bytes()));
    assert_eq!(
        (id.to_string(), format!("{id:?}")),
        (ID.to_owned(), ID.to_owned())
    );
    let install: InstallId = ID.parse().expect("an id");
    assert_eq!(install.to_string(), ID);
    let message: MessageId = "0000199a5b3c0008".parse().expect("an id");
    assert_eq!(
        (message.0, message.to_string().as_str()),
        (0x199a5b3c0008, "0000199a5b3c0008")
    );
    assert_eq!(format!("{message:?}"), message.to_string());
}

#[test]
fn given_other_text_when_read_as_id_should_be_refused() {
    let length = |got| {
        Err(HexError::Length {
            what: "client id",
            expected: 32,
            got,
        })
    };
    let digit = |offset| {
        Err(HexError::Digit {
            what: "client id",
            offset,
        })
    };
    assert_eq!("".parse::<ClientId>(), length(0));
    assert_eq!(ID[1..].parse::<ClientId>(), length(31));
    assert_eq!(format!("{ID}0").parse::<ClientId>(), length(33));
    assert_eq!(ID.replace('a', "A").parse::<ClientId>(), digit(2));
    assert_eq!(ID.replace("8f", "8g").parse::<ClientId>(), digit(31));
    assert_eq!(format!("é{}", &ID[2..]).parse::<ClientId>(), digit(0));
    assert!("1".parse::<MessageId>().is_err());
}

#[test]
fn given_a_secret_when_shown_should_be_hidden_and_when_written_as_hex_should_read_back() {
    let secret = DeviceSecret::from_bytes([0xc4; 32]);
    assert_eq!(
        format!("{secret} {secret:?}"),
        "(redacted) DeviceSecret(redacted)"
    );
    assert_eq!(secret.to_hex(), "c4".repeat(32));
    assert_eq!(
        DeviceSecret::from_hex(&secret.to_hex()).as_ref(),
        Ok(&secret)
    );
    assert!(DeviceSecret::from_hex(&"C4".repeat(32)).is_err());
}
