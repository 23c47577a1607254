"""Steps about what a device may not do, or not so much of (sections 3.7, 4.3, 4.5 and 5)."""

from __future__ import annotations

from typing import Any

from desk import Desk, Failed, expect
from raw_device import RawDevice
from ringpost_client.commands import BindAlias, Code, Operation, PushSwitch, SetTags, UnbindAlias
from ringpost_client.faults import CloseReason
from ringpost_client.frames import Ack, Command, CommandResult, Frame, Hello, Ping, Pong, Push
from sessions import fresh_hello


class _Session(RawDevice):
    """A new device with a session."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.config())
        self.hello = fresh_hello(desk)
        self.welcome = self.greet(self.hello)
        self.cid = self.welcome.cid.hex()

    def code(self, operation: Operation) -> int:
        """The code of an operation."""
        self.send(Command(1, operation))
        frame = self.receive()
        if not isinstance(frame, CommandResult):
            raise Failed(f"expected a result, came {frame!r}")
        return frame.code


def _set(desk: Desk, **settings: Any) -> None:
    expect(f"{settings}", 0, desk.third_party.admin("PATCH", body=settings)["code"])


def not_permitted(desk: Desk) -> None:
    """An app may keep its devices from binding aliases."""
    _set(desk, devices_may_bind=False)
    with _Session(desk) as device:
        expect("bind", Code.NOT_PERMITTED, device.code(BindAlias("", "bob")))
        expect("unbind", Code.NOT_PERMITTED, device.code(UnbindAlias(False, "", "bob")))
    _set(desk, devices_may_bind=None)


def too_often(desk: Desk) -> None:
    """An app may limit how often a device sets tags and binds aliases."""
    _set(desk, device_tags_per_day=1, device_aliases_per_day=1)
    with _Session(desk) as device:
        codes = [device.code(SetTags((tag,))) for tag in ("one", "two")]
        expect("tags", [Code.OK, Code.TAGS_TOO_FREQUENT], codes)
        codes = [device.code(BindAlias("", alias)) for alias in ("one", "two")]
        expect("aliases", [Code.OK, Code.FILTERED], codes)
    _set(desk, device_tags_per_day=None, device_aliases_per_day=None, device_alias_pause_s=60)
    with _Session(desk) as device:
        codes = [device.code(BindAlias("", alias)) for alias in ("one", "two")]
        expect("aliases with a pause", [Code.OK, Code.TOO_FREQUENT], codes)
    _set(desk, device_alias_pause_s=None)


def black_list(desk: Desk) -> None:
    """A device on the black list sets no tags."""
    with _Session(desk) as device:
        desk.third_party.call("POST", f"/user/black/cid/{device.cid}")
        expect("tags", Code.BLOCKED, device.code(SetTags(("vip",))))


def alias_of_ten(desk: Desk) -> None:
    """An alias names ten CIDs; the eleventh drops the oldest. One device may unbind all."""
    devices = [_Session(desk) for _ in range(11)]
    for device in devices:
        expect("bind", Code.OK, device.code(BindAlias("", "of_many")))
    answer = desk.third_party.call("GET", "/user/cid/alias/of_many")
    wanted = sorted(device.cid for device in devices[1:])
    expect("the CIDs of the alias", wanted, sorted(answer["data"]["cid"]))
    expect("unbind", Code.OK, devices[5].code(UnbindAlias(True, "", "of_many")))
    answer = desk.third_party.call("GET", "/user/cid/alias/of_many")
    expect("the CIDs of the alias", [], answer["data"]["cid"])
    for device in devices:
        device.__exit__()


def commands_in_a_row(desk: Desk) -> None:
    """Commands without a pause between them are all answered, and done in their order."""
    with _Session(desk) as device:
        for serial in range(16):
            device.send(Command(serial, SetTags((f"tag{serial}",))))
        came = {(frame.serial, frame.code) for frame in _results(device, 16)}
        expect("the results", {(serial, 0) for serial in range(16)}, came)
        answer = desk.third_party.call("GET", f"/user/custom_tag/cid/{device.cid}")
        expect("the last one holds", ["tag15"], answer["data"][device.cid])


def _results(device: RawDevice, count: int) -> list[CommandResult]:
    frames = [device.receive() for _ in range(count)]
    return [frame for frame in frames if isinstance(frame, CommandResult)]


def window(desk: Desk) -> None:
    """No more than a window comes without an ack, and nothing while the switch is off."""
    with _Session(desk) as device:
        more = 6
        for number in range(device.welcome.window + more):
            desk.third_party.push_to(device.cid, {"transmission": f"number {number}"})
        pushes = _pushes([device.receive() for _ in range(device.welcome.window)])
        expect("pushes of the window", device.welcome.window, len(pushes))
        device.send(Ping())
        expect("behind the window", Pong(), device.receive())
        expect("off", Code.OK, device.code(PushSwitch(False)))
        device.send(Ack(tuple(push.message_id for push in pushes)))
        ignored = desk.third_party.push_to(device.cid, {"transmission": "never sent"})
        expect("the answer", {device.cid: "successed_ignore"}, ignored.words)
        device.send(Ping())
        expect("while it is off", Pong(), device.receive())
        device.send(Command(2, PushSwitch(True)))
        # The document leaves open whether the result stands before the first of them.
        frames = [device.receive() for _ in range(more + 1)]
        expect("on", True, CommandResult(2, 5, 0) in frames)
        ids = [push.message_id for push in [*pushes, *_pushes(frames)]]
        expect("all of them", device.welcome.window + more, len(ids))
        expect("they rise", sorted(set(ids)), ids)


def _pushes(frames: list[Any]) -> list[Push]:
    return [frame for frame in frames if isinstance(frame, Push)]


def removed(desk: Desk) -> None:
    """A device that is deleted is told so, and its CID is unknown from then on."""
    with _Session(desk) as device:
        desk.third_party.admin("DELETE", f"/devices/{device.cid}")
        expect("the live session", CloseReason.REMOVED, device.close_reason())
    hello = device.hello
    login: Frame = Hello(hello.app_id, device.welcome.cid, True, hello.secret)
    with RawDevice(desk.config()) as again:
        again.send(login)
        expect("a login", CloseReason.UNKNOWN_CLIENT, again.close_reason())


def disabled(desk: Desk) -> None:
    """An app that takes no new devices, and one that is switched off."""
    _set(desk, registration="closed")
    with RawDevice(desk.config()) as device:
        device.send(fresh_hello(desk))
        expect("a registration", CloseReason.APP_DISABLED, device.close_reason())
    _set(desk, registration=None)


STEPS = [
    not_permitted,
    too_often,
    black_list,
    alias_of_ten,
    commands_in_a_row,
    window,
    removed,
    disabled,
]
