"""Steps about what the device tells: feedback and upstream messages (section 4.6)."""

from __future__ import annotations

from typing import Any

from deliveries import NOTIFICATION
from desk import PATIENCE_S, SECRET, Desk, Failed, expect, poll
from ringpost_client.commands import Code, Feedback, Report
from ringpost_client.frames import UpstreamStatus

SHOWN, CLICKED = 10000, 10010


def no_receiver(desk: Desk) -> None:
    """An app without a server for messages takes none."""
    upstream_id = desk.client.send_message(b"to nobody")
    _status(desk, upstream_id, UpstreamStatus.NO_RECEIVER)


def receiver(desk: Desk) -> None:
    """From here on the app has a server that hears receipts."""
    settings = {"callback_url": desk.receiver.url, "callback_secret": SECRET}
    answer = desk.third_party.admin("PATCH", body=settings)
    expect("the setting", 0, answer["code"])
    pushed = desk.third_party.push_to(desk.cid, {"transmission": "leaves a receipt"})
    desk.app.message_of(pushed.task_id)
    _event(desk, "acked", lambda event: event["taskid"] == pushed.task_id)


def feedback(desk: Desk) -> None:
    """Shown and clicked are counted once, and told to the third party's server."""
    task = desk.third_party.push_to_tag("vip", {"notification": NOTIFICATION})
    message = desk.app.message_of(task)
    desk.client.report(message.message_id, SHOWN)
    desk.client.report(message.message_id, CLICKED)
    for action in (SHOWN, CLICKED):
        event = _event(
            desk,
            "action",
            lambda event: event["taskid"] == task and event["action"] == action,
        )
        expect("the message", f"{message.message_id:016x}", event["msgid"])
    poll(
        "the report of the task",
        lambda: desk.third_party.call("GET", f"/report/push/task/{task}"),
        lambda answer: _counts(answer, task) == (1, 1, 1),
    )

    told_again = Feedback(
        (
            Report(message.message_id, SHOWN, 0),
            Report(message.message_id, 90001, 3),
            Report(message.message_id + 1, SHOWN, 0),
        )
    )
    result = desk.expect_code("told again", Code.OK, desk.client.command(told_again))
    expect("before, new, no such message", bytes([1, 0, 2]), result.detail)
    wrong = Feedback((Report(message.message_id, 90002, 0), Report(message.message_id, 5, 0)))
    desk.expect_code("no such action", Code.BAD_PARAMETER, desk.client.command(wrong))
    right = Feedback((Report(message.message_id, 90002, 0),))
    result = desk.expect_code("nothing was counted", Code.OK, desk.client.command(right))
    expect("it is new", bytes([0]), result.detail)
    answer = desk.third_party.call("GET", f"/report/push/task/{task}")
    expect("received, shown, clicked", (1, 1, 1), _counts(answer, task))


def _counts(answer: Any, task: str) -> tuple[int, int, int]:
    total = answer.get("data", {}).get(task, {}).get("total", {})
    names = ("receive_num", "display_num", "click_num")
    received, shown, clicked = (int(total.get(name, 0)) for name in names)
    return received, shown, clicked


def upstream(desk: Desk) -> None:
    """A message arrives once at the third party's server, and the device hears of it."""
    body = b"hello third party \x00\xff"
    upstream_id = desk.client.send_message(body, task_id="order-7")
    event = _event(desk, "upstream", lambda event: event["taskid"] == "order-7")
    expect("the device's name for it", f"{upstream_id:016x}", event["msgid"])
    expect("the CID", desk.cid, event["cid"])
    expect("the body", [body], desk.receiver.payloads())
    _status(desk, upstream_id, UpstreamStatus.DELIVERED)


def upstream_repeated(desk: Desk) -> None:
    """A message whose end is not known is sent again in the next session, and told once."""
    desk.receiver.refuses = True
    upstream_id = desk.client.send_message(b"x" * 16311, task_id="t" * 64)
    _status(desk, upstream_id, UpstreamStatus.STORED)
    with desk.receiver.changed:
        heard = desk.receiver.changed.wait_for(lambda: desk.receiver.refused, PATIENCE_S)
    expect("the receiver refused it", True, bool(heard))
    before = len(desk.app.welcomes)
    desk.client.drop_connection()
    desk.next_welcome(before)
    desk.app.wait(
        "stored, in both sessions",
        lambda: desk.app.upstreams.count((upstream_id, UpstreamStatus.STORED)) >= 2 or None,
    )
    desk.receiver.refuses = False
    _status(desk, upstream_id, UpstreamStatus.DELIVERED)
    name = f"{upstream_id:016x}"
    told = [event for event in desk.receiver.events("upstream") if event["msgid"] == name]
    expect("how often it was told", 1, len(told))
    expect("signatures that do not fit", 0, desk.receiver.bad_signatures)


def _status(desk: Desk, upstream_id: int, status: UpstreamStatus) -> None:
    desk.app.wait(
        f"{status.name} for an upstream message",
        lambda: (upstream_id, status) in desk.app.upstreams or None,
    )


def _event(desk: Desk, kind: str, good: Any) -> dict[str, Any]:
    def look() -> list[dict[str, Any]]:
        return [event for event in desk.receiver.events(kind) if good(event)]

    with desk.receiver.changed:
        found = desk.receiver.changed.wait_for(look, PATIENCE_S)
    if not found:
        raise Failed(f"no event {kind} came; {desk.receiver.events(kind)}")
    return found[0]


STEPS = [no_receiver, receiver, feedback, upstream, upstream_repeated]
