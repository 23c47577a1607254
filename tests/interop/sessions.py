"""Steps about who a device is and how a session begins and ends (sections 1, 2 and 4.1 to 4.4)."""

from __future__ import annotations

import json
import secrets
import ssl

from desk import Desk, Failed, Recorder, expect, poll
from golden import Vector, vectors
from raw_device import RawDevice
from ringpost_client.commands import PushSwitch
from ringpost_client.faults import CloseReason
from ringpost_client.frames import Ack, Close, Command, CommandResult, Hello, Ping, Pong, Side
from ringpost_client.stream import encode
from ringpost_client.transport import trust

#: Of a vector: the reason that a server must close with.
_CLOSE = "close = "


def registration(desk: Desk) -> None:
    """A first start gives a CID, which is online."""
    welcome = desk.connect()
    expect("the CID is new", True, welcome.registered)
    expect("the stored CID", welcome.cid.hex(), desk.cid)
    expect("the minor version", 0, welcome.minor)
    poll("the device to be online", desk.online, lambda status: status == "online")


def device_info(desk: Desk) -> None:
    """What the device says of itself after a registration can be read over HTTP."""
    poll(
        "the brand of the device",
        lambda: json.dumps(desk.third_party.call("GET", f"/user/detail/{desk.cid}")),
        lambda text: "Acme" in text and "Phone 7" in text,
    )


def login(desk: Desk) -> None:
    """A device with a CID logs in with it; the generation rises, and TLS is resumed."""
    cid, first = desk.cid, desk.app.welcomes[-1]
    desk.disconnect()
    poll("the device to be offline", desk.online, lambda status: status == "offline")
    second = desk.connect()
    expect("the CID after a restart of the app", cid, second.cid.hex())
    expect("the CID is new", False, second.registered)
    if second.generation <= first.generation:
        raise Failed(f"generation {second.generation} after {first.generation}")
    before = len(desk.app.welcomes)
    desk.client.drop_connection()
    third = desk.next_welcome(before)
    expect("the CID after a lost connection", cid, third.cid.hex())
    expect("the TLS session is resumed", True, desk.client.tls_resumed)


def same_install_same_cid(desk: Desk) -> None:
    """A registration that is repeated gives the same CID; with another secret it gives another."""
    kept = json.loads(desk.state_path.read_text("utf-8"))
    install, secret = bytes.fromhex(kept["install_id"]), bytes.fromhex(kept["secret"])
    desk.disconnect()
    app_id = desk.third_party.app["appid"]
    with RawDevice(desk.config()) as device:
        welcome = device.greet(Hello(app_id, install, login=False, secret=secret))
        expect("the CID of the same install id", kept["cid"], welcome.cid.hex())
        expect("the CID is new", False, welcome.registered)
    with RawDevice(desk.config()) as device:
        other = secrets.token_bytes(32)
        welcome = device.greet(Hello(app_id, install, login=False, secret=other))
        expect("another secret gives a new CID", True, welcome.registered)
        expect("it is another CID", False, welcome.cid.hex() == kept["cid"])
    desk.connect()


def _with_state(desk: Desk, name: str, **changes: str) -> Recorder:
    """A client of its own with the state of the device, changed."""
    kept = json.loads(desk.state_path.read_text("utf-8"))
    path = desk.folder / f"{name}.json"
    path.write_text(json.dumps({**kept, **changes}), "utf-8")
    app = Recorder()
    desk.start(path, app)
    return app


def unknown_client(desk: Desk) -> None:
    """A CID that the server does not know is forgotten; the same install id gets its old one."""
    cid = desk.cid
    desk.disconnect()
    app = _with_state(desk, "unknown_client", cid="00" * 16)
    welcome = app.first_welcome()
    expect("how the first login ended", CloseReason.UNKNOWN_CLIENT, app.ends[0].reason)
    expect("the CID of the same install id", cid, welcome.cid.hex())
    desk.last_client().stop()
    desk.connect()


def bad_credential(desk: Desk) -> None:
    """A wrong secret stops the client; it makes no new identity."""
    app = _with_state(desk, "bad_credential", secret="00" * 32)
    end = app.first_stop()
    expect("the reason", CloseReason.BAD_CREDENTIAL, end.reason)
    expect("the session of the device", "online", desk.online())


def unknown_app(desk: Desk) -> None:
    """An AppID that nobody has stops the client."""
    app = Recorder()
    desk.start(desk.folder / "unknown_app.json", app, app_id="nobodyHasThisAppId")
    end = app.first_stop()
    expect("the reason", CloseReason.UNKNOWN_APP, end.reason)


def sign(desk: Desk) -> None:
    """An app that demands signs takes a signed registration and login, and no others."""
    set_it = desk.third_party.admin("PATCH", body={"sign_required": True})
    expect("the setting", 0, set_it["code"])
    unsigned = Recorder()
    desk.start(desk.folder / "unsigned.json", unsigned)
    end = unsigned.first_stop()
    expect("the reason", CloseReason.SIGN_REQUIRED, end.reason)
    app_secret = desk.third_party.app["appsecret"]
    cids = []
    for _ in ("registration", "login"):
        signed = Recorder()
        client = desk.start(desk.folder / "signed.json", signed, app_secret=app_secret)
        cids.append(signed.first_welcome().cid)
        client.stop()
    expect("the CID of the login", cids[0], cids[1])
    desk.third_party.admin("PATCH", body={"sign_required": False})


def tls(desk: Desk) -> None:
    """TLS 1.3 alone; a client without ALPN is served, one with other names is not."""
    config = desk.config()
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    plain.load_verify_locations(cadata=config.ca_pem)
    with RawDevice(config, plain) as device:
        device.greet(fresh_hello(desk))
    other = trust(config.ca_pem)
    other.set_alpn_protocols(["ringpost/9"])
    expect_tls_error("other names", "no application protocol", desk, other)
    old = trust(config.ca_pem)
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    expect_tls_error("TLS 1.2", "protocol version", desk, old)


def expect_tls_error(what: str, wanted: str, desk: Desk, context: ssl.SSLContext) -> None:
    """Fails unless the handshake ends with this alert."""
    try:
        with RawDevice(desk.config(), context) as device:
            device.send(Ping())
            came = str(device.receive())
    except ssl.SSLError as error:
        # How OpenSSL writes it depends on its version.
        came = str(error).lower().replace("_", " ")
    if wanted not in came:
        raise Failed(f"{what}: expected {wanted}, came {came}")


def fresh_hello(desk: Desk, heartbeat_s: int = 0) -> Hello:
    """A registration of nobody in particular."""
    identity, secret = secrets.token_bytes(16), secrets.token_bytes(32)
    app_id = desk.third_party.app["appid"]
    return Hello(app_id, identity, login=False, secret=secret, heartbeat_s=heartbeat_s)


def broken_bytes(desk: Desk) -> None:
    """Every vector that a device may not send is closed with the reason of section 6."""
    for vector in vectors():
        # Behind good frames of its own a vector would first be in the wrong state.
        if vector.sender is not Side.DEVICE or _has_frames(vector):
            continue
        for line in vector.lines:
            if line.startswith(_CLOSE):
                with RawDevice(desk.config()) as device:
                    device.send(vector.stream)
                    wanted = int(line[len(_CLOSE) :])
                    expect(f"the reason for {vector.name}", wanted, device.close_reason())


def _has_frames(vector: Vector) -> bool:
    return any(line.startswith("[") for line in vector.lines)


def wrong_moments(desk: Desk) -> None:
    """Good frames in the wrong state, and an ack of what was never sent."""
    with RawDevice(desk.config()) as device:
        device.send(Ping())
        expect("a ping before the hello", CloseReason.UNEXPECTED_FRAME, device.close_reason())
    with RawDevice(desk.config()) as device:
        device.greet(fresh_hello(desk))
        device.send(fresh_hello(desk))
        expect("a second hello", CloseReason.UNEXPECTED_FRAME, device.close_reason())
    with RawDevice(desk.config()) as device:
        device.greet(fresh_hello(desk))
        device.send(Ack((1 << 63,)))
        expect("an ack of nothing", CloseReason.BAD_ACK, device.close_reason())
    with RawDevice(desk.config()) as device:
        device.send(Close())
        # a server may answer with a close.
        expect("a close instead of a hello", True, device.close_reason() in (None, 1))


def extensions(desk: Desk) -> None:
    """Ignorable frames and later fields do no harm; any cut of the stream will do (R-7 to R-10)."""
    ignorable = bytes([0x90, 3]) + b"abc"
    hello = bytearray(encode(fresh_hello(desk)))
    hello[1] += 2
    hello += b"\xff\xff"
    with RawDevice(desk.config()) as device:
        for byte in ignorable + bytes(hello):
            device.send(bytes([byte]))
        frame = device.receive()
        expect("the first frame", "welcome", getattr(frame, "NAME", None))
        device.send(ignorable + bytes([0x03, 1, 0]) + encode(Command(7, PushSwitch(True))))
        came = [device.receive(), device.receive()]
        expect("the pong", True, Pong() in came)
        expect("the result", True, CommandResult(7, 5, 0) in came)


def replaced(desk: Desk) -> None:
    """Of two logins of one CID the newer wins."""
    hello = fresh_hello(desk)
    with RawDevice(desk.config()) as older, RawDevice(desk.config()) as newer:
        first = older.greet(hello)
        second = newer.greet(Hello(hello.app_id, first.cid, True, hello.secret))
        expect("the older one is closed", CloseReason.REPLACED, older.close_reason())
        expect("the newer generation is greater", True, second.generation > first.generation)
        newer.send(Ping())
        expect("the newer one lives", Pong(), newer.receive())


def heartbeat(desk: Desk) -> None:
    """A wish is granted within bounds; who is silent is closed, who pings is not."""
    wish_s = 2
    app = Recorder()
    client = desk.start(desk.folder / "heartbeat.json", app, heartbeat_s=wish_s)
    app.first_welcome()
    with RawDevice(desk.config()) as device:
        welcome = device.greet(fresh_hello(desk, heartbeat_s=wish_s))
        expect("the interval", max(wish_s, welcome.heartbeat_min_s), welcome.heartbeat_s)
        expect("who is silent", CloseReason.HEARTBEAT_TIMEOUT, device.close_reason())
    # It was there before the silent one, and would have been closed before it.
    expect("ends of the client that pings", [], app.ends)
    client.stop()


STEPS = [
    registration,
    device_info,
    login,
    same_install_same_cid,
    unknown_client,
    bad_credential,
    unknown_app,
    sign,
    tls,
    broken_bytes,
    wrong_moments,
    extensions,
    replaced,
    heartbeat,
]
