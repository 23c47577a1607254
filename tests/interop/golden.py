"""Runs the golden vectors of the device protocol, and what the document says of message bodies.

No network. Run it as a program, or with ``python3 -m unittest golden`` in this folder.
"""

from __future__ import annotations

import contextlib
import pathlib
import unittest
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import vector_text
from ringpost_client import push_body
from ringpost_client.faults import WireError
from ringpost_client.frames import Frame, Push, Side
from ringpost_client.stream import FrameReader, encode

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "protocol" / "tests" / "golden"
#: Fewer mean that the folder was not found, or not all of it.
VECTORS_LEAST = 170


class Vector(NamedTuple):
    """One golden vector."""

    name: str
    sender: Side
    stream: bytes
    lines: list[str]
    encode_same: bool


class Outcome(NamedTuple):
    """What a reader made of a stream."""

    lines: list[str]
    frames: list[Frame]


def load(name: str) -> Vector:
    """A vector by its name."""
    stream = bytearray()
    for line in (FOLDER / f"{name}.hex").read_text("utf-8").split("\n"):
        stream += bytes.fromhex(line.split("#", 1)[0])
    text = (FOLDER / f"{name}.txt").read_text("utf-8").split("\n")
    lines = [line for line in text if line and not line.startswith("#")]
    sender = Side.DEVICE if lines[0] == "sender = device" else Side.SERVER
    return Vector(name, sender, bytes(stream), lines, "encode = same" in lines)


def vectors() -> Iterator[Vector]:
    """All of them."""
    names = sorted(path.stem for path in FOLDER.glob("*.hex"))
    return (load(name) for name in names)


def read(vector: Vector, pieces: Iterable[bytes]) -> Outcome:
    """Reads a stream that comes in these pieces, and says it in the words of a vector."""
    reader = FrameReader(vector.sender)
    frames: list[Frame] = []
    facts: list[str] = []
    try:
        for piece in pieces:
            for frame in reader.feed(piece):
                frames.append(frame)
    except WireError as error:
        facts = [
            "end = error",
            f"error = {error.fault.title}",
            f"field = {error.field}",
            f"close = {int(error.fault.reason)}",
        ]
    else:
        facts = ["end = clean"]
        if reader.unread_len:
            facts = ["end = partial", f"unread_len = {reader.unread_len}"]
    sender = "device" if vector.sender is Side.DEVICE else "server"
    lines = [f"sender = {sender}", *facts]
    lines.append(f"encode = {'same' if vector.encode_same else 'no'}")
    for frame in frames:
        lines += vector_text.section(frame)
    return Outcome(lines, frames)


class GoldenVectors(unittest.TestCase):
    """R-46: the text of every vector, however its bytes come; the bytes of those that say so."""

    maxDiff = None

    def test_there_are_all_vectors(self) -> None:
        self.assertGreaterEqual(sum(1 for _ in vectors()), VECTORS_LEAST)

    def test_decoded_as_one_piece(self) -> None:
        for vector in vectors():
            with self.subTest(vector.name):
                self.assertEqual(read(vector, [vector.stream]).lines, vector.lines)

    def test_decoded_in_two_pieces_at_every_offset(self) -> None:
        for vector in vectors():
            with self.subTest(vector.name):
                for cut in range(len(vector.stream) + 1):
                    pieces = [vector.stream[:cut], vector.stream[cut:]]
                    self.assertEqual(read(vector, pieces).lines, vector.lines, f"cut at {cut}")

    def test_decoded_byte_by_byte(self) -> None:
        for vector in vectors():
            with self.subTest(vector.name):
                pieces = [bytes([byte]) for byte in vector.stream]
                self.assertEqual(read(vector, pieces).lines, vector.lines)

    def test_encoded(self) -> None:
        for vector in vectors():
            if vector.encode_same:
                with self.subTest(vector.name):
                    frames = read(vector, [vector.stream]).frames
                    self.assertEqual(b"".join(map(encode, frames)), vector.stream)


def push_of(name: str) -> Push:
    """The one push of a vector."""
    vector = load(name)
    (push,) = read(vector, [vector.stream]).frames
    assert isinstance(push, Push)
    return push


class MessageBodies(unittest.TestCase):
    """Section 7."""

    maxDiff = None

    def test_a_transmission(self) -> None:
        message = push_body.read_message(push_of("push-transmission"))
        self.assertEqual(message.task_id, "T1")
        self.assertEqual(message.content, push_body.Transmission("hello"))
        self.assertIsNone(message.duration)
        self.assertEqual(message.network_type, 0)

    def test_a_revoke(self) -> None:
        message = push_body.read_message(push_of("push-revoke"))
        self.assertEqual(message.task_id, "RASL_1124_b3f3")
        self.assertEqual(message.content, push_body.Revoke("RASL_1124_b3f2", force=True))

    def test_a_notification_with_every_field(self) -> None:
        message = push_body.read_message(push_of("push-notification"))
        self.assertEqual(message.task_id, "RASL_1124_b3f2")
        self.assertEqual(message.duration, push_body.Duration(1795500000000, 1795500660000))
        self.assertEqual(message.network_type, 1)
        self.assertEqual(
            message.content,
            push_body.Notification(
                title="title 标题",
                body="body",
                click_type="intent",
                big_text="big text",
                big_image="https://example.org/big.png",
                logo="logo.png",
                logo_url="https://example.org/logo.png",
                channel_id="news",
                channel_name="News",
                channel_level=4,
                intent="intent:#Intent;component=org.example/.Main;end",
                want='{"bundleName":"org.example"}',
                url="https//:example.org",
                payload="payload",
                notify_id=0x7FFF_FFFF,
                ring_name="bell",
                badge_add_num=1,
                thread_id="thread",
                category="CATEGORY_MESSAGE",
                slot_type="SOCIAL_COMMUNICATION",
                redisplay_freq=3,
                redisplay_duration=24,
            ),
        )

    def test_what_cannot_be_read(self) -> None:
        for name in ("push-empty", "push-long", "push-sealed", "push-later-flags"):
            with self.subTest(name), self.assertRaises(push_body.Unreadable):
                push_body.read_message(push_of(name))

    def test_a_broken_body_is_unreadable_and_nothing_worse(self) -> None:
        for name in ("push-transmission", "push-revoke", "push-notification"):
            whole = push_of(name)
            for broken in _broken(whole.body):
                with contextlib.suppress(push_body.Unreadable):
                    push_body.read_message(Push(whole.message_id, broken))


def _broken(body: bytes) -> Iterator[bytes]:
    """The body cut at every place, and with every byte changed in three ways."""
    for cut in range(len(body)):
        yield body[:cut]
    for place, byte in enumerate(body):
        for other in (byte ^ 0xFF, byte ^ 0x80, (byte + 1) & 0xFF):
            yield body[:place] + bytes([other]) + body[place + 1 :]


if __name__ == "__main__":
    unittest.main()
