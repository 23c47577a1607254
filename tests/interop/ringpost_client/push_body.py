"""The message inside a push (section 7): a FlatBuffers buffer, read by hand.

Numbers are little-endian here, and an offset counts from the place where it stands. Every offset is
checked against the end of the buffer before it is followed. The tables nest two deep and no table
refers to another of its kind, so depth and number of tables are bounded by the shape of the reader.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Union

from .frames import Push

_TRANSMISSION, _NOTIFICATION, _REVOKE = 1, 2, 3


class Unreadable(Exception):
    """A body that does not verify, or of an unknown kind: acked, and not shown."""


@dataclass(frozen=True)
class Duration:
    """The window in which the phone may show a notification, in ms of Unix time."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Transmission:
    """Handed to the app as it is."""

    text: str


@dataclass(frozen=True)
class Notification:
    """Shown by the phone; what is not set is ``None``."""

    title: str
    body: str
    click_type: str
    big_text: str | None = None
    big_image: str | None = None
    logo: str | None = None
    logo_url: str | None = None
    channel_id: str | None = None
    channel_name: str | None = None
    channel_level: int | None = None
    intent: str | None = None
    want: str | None = None
    url: str | None = None
    payload: str | None = None
    notify_id: int | None = None
    ring_name: str | None = None
    badge_add_num: int | None = None
    thread_id: str | None = None
    category: str | None = None
    slot_type: str | None = None
    redisplay_freq: int | None = None
    redisplay_duration: int | None = None


@dataclass(frozen=True)
class Revoke:
    """Takes the notification of a task back; ``force``: all of the app, if it is not found."""

    old_task_id: str
    force: bool


Content = Union[Transmission, Notification, Revoke]


@dataclass(frozen=True)
class Message:
    """One message for the app."""

    message_id: int
    task_id: str
    content: Content
    duration: Duration | None
    network_type: int


def read_message(push: Push) -> Message:
    """What a push says, or ``Unreadable``."""
    if push.sealed:
        raise Unreadable("the body is sealed, and no way of sealing is agreed")
    buffer = _Buffer(push.body)
    root = _Table(buffer, buffer.target(0))
    kind = root.u8(1)
    content = _content(0 if kind is None else kind, root.table(2))
    window = root.pair_of_u64(3)
    return Message(
        message_id=push.message_id,
        task_id=_required(root.text(0), "task_id"),
        content=content,
        duration=None if window is None else Duration(*window),
        network_type=root.u8(4) or 0,
    )


def _content(kind: int, table: _Table | None) -> Content:
    if table is None:
        raise Unreadable("no content")
    if kind == _TRANSMISSION:
        return Transmission(_required(table.text(0), "text"))
    if kind == _NOTIFICATION:
        return _notification(table)
    if kind == _REVOKE:
        return Revoke(_required(table.text(0), "old_task_id"), table.u8(1) == 1)
    raise Unreadable(f"content of the unknown kind {kind}")


def _notification(table: _Table) -> Notification:
    return Notification(
        title=_required(table.text(0), "title"),
        body=_required(table.text(1), "body"),
        click_type=_required(table.text(2), "click_type"),
        big_text=table.text(3),
        big_image=table.text(4),
        logo=table.text(5),
        logo_url=table.text(6),
        channel_id=table.text(7),
        channel_name=table.text(8),
        channel_level=table.u8(9),
        intent=table.text(10),
        want=table.text(11),
        url=table.text(12),
        payload=table.text(13),
        notify_id=table.u32(14),
        ring_name=table.text(15),
        badge_add_num=table.u32(16),
        thread_id=table.text(17),
        category=table.text(18),
        slot_type=table.text(19),
        redisplay_freq=table.u8(20),
        redisplay_duration=table.u8(21),
    )


def _required(value: str | None, name: str) -> str:
    if value is None:
        raise Unreadable(f"no {name}")
    return value


class _Buffer:
    """The bytes, each access checked."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def bytes_at(self, place: int, count: int) -> bytes:
        if place < 0 or place + count > len(self._data):
            raise Unreadable(f"{count} bytes at {place} of {len(self._data)}")
        return self._data[place : place + count]

    def u16(self, place: int) -> int:
        return int.from_bytes(self.bytes_at(place, 2), "little")

    def u32(self, place: int) -> int:
        return int.from_bytes(self.bytes_at(place, 4), "little")

    def target(self, place: int) -> int:
        """Where the offset that stands at ``place`` leads."""
        offset = self.u32(place)
        if offset == 0:
            raise Unreadable(f"the offset at {place} leads nowhere")
        return place + offset

    def text(self, place: int) -> str:
        size = self.u32(place)
        raw = self.bytes_at(place + 4, size + 1)
        if raw[size] != 0:
            raise Unreadable(f"the text at {place} does not end with 0")
        try:
            return raw[:size].decode("utf-8")
        except UnicodeDecodeError:
            raise Unreadable(f"the text at {place} is not UTF-8") from None


class _Table:
    """A table and its vtable; a field that is absent is ``None``."""

    def __init__(self, buffer: _Buffer, place: int) -> None:
        self._buffer = buffer
        self._place = place
        (back,) = struct.unpack("<i", buffer.bytes_at(place, 4))
        self._vtable = place - back
        self._vtable_len = buffer.u16(self._vtable)
        self._len = buffer.u16(self._vtable + 2)
        if self._vtable_len < 4 or self._vtable_len % 2:
            raise Unreadable(f"a vtable of {self._vtable_len} bytes")
        buffer.bytes_at(self._vtable, self._vtable_len)
        buffer.bytes_at(place, self._len)

    def _field(self, number: int, size: int) -> int | None:
        """The place of a field that takes ``size`` bytes of the table."""
        entry = 4 + 2 * number
        if entry + 2 > self._vtable_len:
            return None
        offset = self._buffer.u16(self._vtable + entry)
        if offset == 0:
            return None
        if offset + size > self._len:
            raise Unreadable(f"field {number} lies behind the end of its table")
        return self._place + offset

    def u8(self, number: int) -> int | None:
        place = self._field(number, 1)
        return None if place is None else self._buffer.bytes_at(place, 1)[0]

    def u32(self, number: int) -> int | None:
        place = self._field(number, 4)
        return None if place is None else self._buffer.u32(place)

    def pair_of_u64(self, number: int) -> tuple[int, int] | None:
        place = self._field(number, 16)
        if place is None:
            return None
        first, second = struct.unpack("<QQ", self._buffer.bytes_at(place, 16))
        return first, second

    def text(self, number: int) -> str | None:
        place = self._field(number, 4)
        return None if place is None else self._buffer.text(self._buffer.target(place))

    def table(self, number: int) -> _Table | None:
        place = self._field(number, 4)
        return None if place is None else _Table(self._buffer, self._buffer.target(place))
