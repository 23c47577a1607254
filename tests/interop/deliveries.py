"""Steps about messages on their way to the device (section 4.3 and 4.5)."""

from __future__ import annotations

import json
import time

from desk import Desk, expect, poll
from ringpost_client.client import tags_of
from ringpost_client.commands import Code, UnknownOperation
from ringpost_client.push_body import Duration, Notification, Transmission

NOTIFICATION = {
    "title": "标题 title",
    "body": "body",
    "click_type": "url",
    "url": "https://example.org/",
    "big_text": "more text",
    "notify_id": 17,
    "badge_add_num": "1",
}


def transmission_and_notification(desk: Desk) -> None:
    """Both arrive; unacked they come again and are dropped; acked they are done."""
    desk.disconnect()
    # Acks are collected for so long that the connection is lost before.
    desk.connect(ack_delay_s=3600, resume=False)
    start_ms, end_ms = 1_900_000_000_000, 1_900_000_660_000
    first = desk.third_party.push_to(desk.cid, {"transmission": "hello 你好"})
    expect("the answer", {desk.cid: "successed_online"}, first.words)
    second = desk.third_party.push_to(
        desk.cid, {"notification": NOTIFICATION, "duration": f"{start_ms}-{end_ms}"}
    )
    one, two = desk.app.message_of(first.task_id), desk.app.message_of(second.task_id)
    expect("the transmission", Transmission("hello 你好"), one.content)
    expect("the window", Duration(start_ms, end_ms), two.duration)
    wanted = Notification(
        "标题 title",
        "body",
        "url",
        big_text="more text",
        url="https://example.org/",
        notify_id=17,
        badge_add_num=1,
    )
    expect("the notification", wanted, two.content)
    expect("ids rise", True, one.message_id < two.message_id)
    expect("repeats so far", [], desk.app.repeats)

    desk.client.drop_connection()
    desk.disconnect()
    desk.connect(resume=False)
    desk.app.wait("both again", lambda: len(desk.app.repeats) == 2 or None)
    expect("what came again", [one.message_id, two.message_id], desk.app.repeats)
    _acked(desk, first.task_id)
    _acked(desk, second.task_id)
    expect("messages for the app", 2, len(desk.app.messages))


def resume(desk: Desk) -> None:
    """What a login says to be handled counts as acked, and does not come again."""
    desk.disconnect()
    desk.connect(ack_delay_s=3600)
    pushed = desk.third_party.push_to(desk.cid, {"transmission": "handled, not acked"})
    desk.app.message_of(pushed.task_id)
    repeats = len(desk.app.repeats)
    desk.client.drop_connection()
    desk.disconnect()
    desk.connect()
    _acked(desk, pushed.task_id)
    _one_more_comes(desk, "behind what was resumed")
    expect("repeats", repeats, len(desk.app.repeats))


def offline(desk: Desk) -> None:
    """What was pushed while the device was away comes in order."""
    cid = desk.cid
    desk.disconnect()
    poll("the device to be offline", desk.online, lambda status: status == "offline")
    texts = [f"waiting {number}" for number in range(100)]
    for text in texts:
        pushed = desk.third_party.push_to(cid, {"transmission": text})
        expect("the answer", {cid: "successed_offline"}, pushed.words)
    before = len(desk.app.texts())
    desk.connect()
    desk.app.wait("all of them", lambda: len(desk.app.texts()) >= before + len(texts) or None)
    expect("what came", texts, desk.app.texts()[before:])


def revoke(desk: Desk) -> None:
    """A revoke names the task whose notification is taken back."""
    pushed = desk.third_party.push_to(desk.cid, {"notification": NOTIFICATION})
    desk.app.message_of(pushed.task_id)
    message = {"revoke": {"old_task_id": pushed.task_id, "force": False}}
    taken_back = desk.third_party.push_to(desk.cid, message)
    content = desk.app.message_of(taken_back.task_id).content
    expect("the task", pushed.task_id, getattr(content, "old_task_id", None))


def alias(desk: Desk) -> None:
    """An alias that the device binds is one that can be pushed to, until it is unbound."""
    desk.expect_code("bind", Code.OK, desk.client.bind_alias("alice"))
    answer = desk.third_party.call("GET", "/user/cid/alias/alice")
    expect("the CIDs of the alias", [desk.cid], answer["data"]["cid"])
    pushed = desk.third_party.push_to_alias("alice", {"transmission": "to alice"})
    expect("the content", Transmission("to alice"), desk.app.message_of(pushed.task_id).content)

    desk.expect_code("bind another", Code.OK, desk.client.bind_alias("alice_2"))
    answer = desk.third_party.call("GET", f"/user/alias/cid/{desk.cid}")
    expect("another alias of the type replaces it", "alice_2", answer["data"]["alias"])
    desk.expect_code("unbind", Code.OK, desk.client.unbind_alias("alice_2"))
    desk.expect_code("unbind once more", Code.OK, desk.client.unbind_alias("alice_2"))
    answer = desk.third_party.call("GET", "/user/cid/alias/alice_2")
    expect("the CIDs of the alias", [], answer.get("data", {}).get("cid", []))
    bad = desk.client.bind_alias("not-allowed!")
    desk.expect_code("an alias with other characters", Code.ALIAS_INVALID, bad)
    desk.expect_code("of 40", Code.ALIAS_INVALID, desk.client.bind_alias("a" * 40))
    desk.expect_code("of 39", Code.OK, desk.client.bind_alias("名" * 39, "type_1"))
    # For the steps after a restart.
    desk.expect_code("bind", Code.OK, desk.client.bind_alias("alice"))


def tags(desk: Desk) -> None:
    """Tags that the device sets are those of the third party, and the other way round."""
    set_tags = desk.client.set_tags
    desk.expect_code("set", Code.OK, set_tags(["北京", "vip"]))
    read_back = _tags_over_http(desk)
    expect("the tags over HTTP", {"vip", "北京"}, read_back)
    task = desk.third_party.push_to_tag("vip", {"transmission": "to vip"})
    expect("the content", Transmission("to vip"), desk.app.message_of(task).content)

    for what, code, wrong in (
        ("101 tags", Code.TOO_MANY_TAGS, [f"t{number}" for number in range(101)]),
        ("a tag twice", Code.DUPLICATE_TAG, ["a", "a"]),
        ("an empty tag", Code.EMPTY_TAG, ["a", ""]),
        ("513 characters", Code.TAGS_TOO_LONG, ["x" * 2 + f"{n:030d}" for n in range(16)] + ["y"]),
        ("a blank in a tag", Code.TAG_MALFORMED, ["a b"]),
        ("a tag of 33", Code.TAG_MALFORMED, ["x" * 33]),
        ("several faults", Code.DUPLICATE_TAG, ["a", "", "a", "b c"]),
    ):
        desk.expect_code(what, code, set_tags(wrong))
    result = desk.expect_code("query", Code.OK, desk.client.query_tags())
    expect("nothing was changed, in the order of bytes", ("vip", "北京"), tags_of(result))

    path = f"/user/custom_tag/cid/{desk.cid}"
    desk.third_party.call("POST", path, {"custom_tag": ["of_the_third_party"]})
    result = desk.expect_code("query", Code.OK, desk.client.query_tags())
    expect("the tags of the third party", ("of_the_third_party",), tags_of(result))
    desk.expect_code("none", Code.OK, set_tags([]))
    result = desk.expect_code("query", Code.OK, desk.client.query_tags())
    expect("none are left", (), tags_of(result))
    desk.expect_code("set", Code.OK, set_tags(["vip"]))


def _tags_over_http(desk: Desk) -> set[str]:
    answer = desk.third_party.call("GET", f"/user/custom_tag/cid/{desk.cid}")
    return {tag for text in answer["data"][desk.cid] for tag in text.split(" ")}


def push_switch(desk: Desk) -> None:
    """Switched off nothing comes, over a new login too; switched on what is pushed comes."""
    desk.expect_code("off", Code.OK, desk.client.switch_push(False))
    ignored = desk.third_party.push_to(desk.cid, {"transmission": "never sent"})
    expect("the answer", {desk.cid: "successed_ignore"}, ignored.words)
    desk.disconnect()
    desk.connect()
    ignored = desk.third_party.push_to(desk.cid, {"transmission": "never sent"})
    expect("the answer", {desk.cid: "successed_ignore"}, ignored.words)
    desk.expect_code("on", Code.OK, desk.client.switch_push(True))
    _one_more_comes(desk, "after the switch")
    expect("what was ignored", False, "never sent" in desk.app.texts())


def badge_and_token(desk: Desk) -> None:
    """The badge and the vendor token are taken."""
    desk.expect_code("badge", Code.OK, desk.client.set_badge(42))
    exported = desk.third_party.admin("GET", "/devices?limit=1000")["data"]["devices"]
    (device,) = [one for one in exported if one["cid"] == desk.cid]
    expect("the badge", 42, device["badge"])
    desk.expect_code("token", Code.OK, desk.client.set_vendor_token("apns", "0123abcd"))
    exported = desk.third_party.admin("GET", "/devices?limit=1000")["data"]["devices"]
    (device,) = [one for one in exported if one["cid"] == desk.cid]
    expect("the token", {"kind": "apns", "token": "0123abcd"}, device["device_token"])
    desk.expect_code("none", Code.OK, desk.client.set_vendor_token("apns", ""))


def silent_time(desk: Desk) -> None:
    """The device leaves while silent hours hold, and comes back when they are cancelled."""
    hour = time.gmtime().tm_hour
    ends, welcomes = len(desk.app.ends), len(desk.app.welcomes)
    desk.expect_code("silent", Code.OK, desk.client.set_silence((hour - 1) % 24, 3, 0))
    desk.app.wait("the session to end", lambda: len(desk.app.ends) > ends or None)
    poll("the device to be offline", desk.online, lambda status: status == "offline")
    desk.expect_code("cancelled", Code.OK, desk.client.set_silence(0, 0, 0))
    expect("one welcome more", welcomes + 1, len(desk.app.welcomes))


def unknown_operation(desk: Desk) -> None:
    """An operation of a later version is answered, not closed."""
    result = desk.expect_code(
        "the code", Code.UNSUPPORTED, desk.client.command(UnknownOperation(200))
    )
    expect("the op", 200, result.op)


def _one_more_comes(desk: Desk, text: str) -> None:
    pushed = desk.third_party.push_to(desk.cid, {"transmission": text})
    expect("the content", Transmission(text), desk.app.message_of(pushed.task_id).content)


def _acked(desk: Desk, task_id: str) -> None:
    poll(
        f"{task_id} to be acked",
        lambda: json.dumps(desk.third_party.admin("GET", f"/tasks/{task_id}")),
        lambda text: '"Acked"' in text,
    )


STEPS = [
    transmission_and_notification,
    resume,
    offline,
    revoke,
    alias,
    tags,
    push_switch,
    badge_and_token,
    silent_time,
    unknown_operation,
]
