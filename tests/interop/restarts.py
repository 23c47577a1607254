"""Steps in which the server ends and starts again; somebody else does that (section 4.7 to 4.9)."""

from __future__ import annotations

import sys

from desk import Desk, Failed, expect
from raw_device import RawDevice
from ringpost_client.client import tags_of
from ringpost_client.commands import Code
from ringpost_client.faults import CloseReason
from ringpost_client.frames import GoAway, UpstreamStatus
from ringpost_client.push_body import Transmission
from sessions import fresh_hello

DRAINING = 1


def kill_nine(desk: Desk) -> None:
    """The server is killed while pushes are acked, unacked and waiting; each comes once."""
    _over_a_restart(desk, "kill")


def stop(desk: Desk) -> None:
    """The server stops in order; the device is told to go away, and comes back.

    One that stays is closed when the drain is over, one that has not said hello at once.
    """
    ends = len(desk.app.ends)
    with RawDevice(desk.config()) as stays, RawDevice(desk.config()) as silent:
        stays.greet(fresh_hello(desk))
        _over_a_restart(desk, "stop")
        told = stays.receive()
        expect("the go-away", True, isinstance(told, GoAway) and told.reason == DRAINING)
        expect("who stays", CloseReason.DRAINING, stays.close_reason())
        # On a slow machine its time to say hello may be over before.
        reasons = (CloseReason.DRAINING, CloseReason.HELLO_TIMEOUT)
        expect("who said no hello", True, silent.close_reason() in reasons)
    # The device that was connected; the one that was stopped before ended by itself.
    came = [end.go_away is not None for end in desk.app.ends[ends:]]
    expect("one end was a go-away", 1, sum(came))


def _over_a_restart(desk: Desk, how: str) -> None:
    cid, before = desk.cid, len(desk.app.texts())
    wanted = []

    def push(text: str) -> None:
        wanted.append(f"{how}: {text}")
        answer = desk.third_party.push_to(cid, {"transmission": wanted[-1]})
        expect("the answer", True, answer.words.get(cid, "").startswith("successed_o"))

    for number in range(10):
        push(f"acked {number}")
    _came(desk, before, wanted)
    desk.disconnect()
    for number in range(10):
        push(f"waiting {number}")
    desk.connect(ack_delay_s=3600)
    _came(desk, before, wanted)
    for number in range(10):
        push(f"handled and not acked {number}")
    _came(desk, before, wanted)
    desk.receiver.refuses = True
    upstream_id = desk.client.send_message(f"over a {how}".encode())
    desk.app.wait(
        "the message to be stored",
        lambda: (upstream_id, UpstreamStatus.STORED) in desk.app.upstreams or None,
    )
    welcomes = len(desk.app.welcomes)

    print(f"want {how}", flush=True)
    if not sys.stdin.readline():
        raise Failed("nobody said that the server has been restarted")

    welcome = desk.next_welcome(welcomes)
    expect("the CID", cid, welcome.cid.hex())
    expect("the CID is new", False, welcome.registered)
    for number in range(10):
        push(f"afterwards {number}")
    _came(desk, before, wanted)
    expect("what came", wanted, desk.app.texts()[before:])

    result = desk.expect_code("query", Code.OK, desk.client.query_tags())
    expect("the tags", ("vip",), tags_of(result))
    pushed = desk.third_party.push_to_alias("alice", {"transmission": "to alice"})
    expect("the content", Transmission("to alice"), desk.app.message_of(pushed.task_id).content)
    desk.receiver.refuses = False
    desk.app.wait(
        "the message to be delivered",
        lambda: (upstream_id, UpstreamStatus.DELIVERED) in desk.app.upstreams or None,
    )
    name = f"{upstream_id:016x}"
    told = [event for event in desk.receiver.events("upstream") if event["msgid"] == name]
    expect("how often it was told", 1, len(told))


def _came(desk: Desk, before: int, wanted: list[str]) -> None:
    desk.app.wait(
        f"{len(wanted)} messages",
        lambda: len(desk.app.texts()) >= before + len(wanted) or None,
    )


STEPS = [kill_nine, stop]
