"""The operations of a ``Command`` and the codes of its result (sections 3.6, 3.7 and 4.5).

Each operation is a value with its arguments; ``OPERATIONS`` finds the class of a number.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar, Protocol, Union

from .faults import Fault
from .wire import Reader, Writer

FEEDBACK_ENTRIES_MAX = 64
#: What is added to a zone in minutes east of UTC, so that it is never negative.
ZONE_SHIFT_MIN = 720


class Code(enum.IntEnum):
    """How a command ended. Others may come: failures that are not repeated."""

    OK = 0
    UNSUPPORTED = 1
    BUSY = 2
    NOT_PERMITTED = 3
    TOO_MANY_TAGS = 20001
    TAGS_TOO_FREQUENT = 20002
    DUPLICATE_TAG = 20003
    EMPTY_TAG = 20006
    BLOCKED = 20009
    TAGS_TOO_LONG = 20010
    TAG_MALFORMED = 20011
    TOO_FREQUENT = 30001
    BAD_PARAMETER = 30002
    FILTERED = 30003
    ALIAS_INVALID = 30007


class Notifications(enum.IntEnum):
    """Whether the phone shows notifications of the app."""

    UNKNOWN = 0
    ON = 1
    OFF = 2

    @classmethod
    def _missing_(cls, value: object) -> Notifications:
        return cls.UNKNOWN


@dataclass(frozen=True)
class BindAlias:
    """Binds an alias to this client; the empty type is the default one."""

    alias_type: str
    alias: str
    OP: ClassVar[int] = 1

    def write(self, out: Writer) -> None:
        out.s8(self.alias_type, "alias_type", 0, 40)
        out.s8(self.alias, "alias", 1, 160)

    @classmethod
    def read(cls, body: Reader) -> BindAlias:
        return cls(body.s8("alias_type", 0, 40), body.s8("alias", 1, 160))


@dataclass(frozen=True)
class UnbindAlias:
    """Unbinds an alias from this client, or from every client that has it."""

    everywhere: bool
    alias_type: str
    alias: str
    OP: ClassVar[int] = 2

    def write(self, out: Writer) -> None:
        out.u8(int(self.everywhere), "scope", 0, 1)
        out.s8(self.alias_type, "alias_type", 0, 40)
        out.s8(self.alias, "alias", 1, 160)

    @classmethod
    def read(cls, body: Reader) -> UnbindAlias:
        everywhere = body.u8("scope", 0, 1) == 1
        return cls(everywhere, body.s8("alias_type", 0, 40), body.s8("alias", 1, 160))


@dataclass(frozen=True)
class SetTags:
    """Replaces the whole set of tags."""

    tags: tuple[str, ...]
    OP: ClassVar[int] = 3

    def write(self, out: Writer) -> None:
        write_tags(out, self.tags)

    @classmethod
    def read(cls, body: Reader) -> SetTags:
        return cls(read_tags(body))


@dataclass(frozen=True)
class QueryTags:
    """Asks for the tags that hold now."""

    OP: ClassVar[int] = 4

    def write(self, out: Writer) -> None:
        pass

    @classmethod
    def read(cls, body: Reader) -> QueryTags:
        return cls()


@dataclass(frozen=True)
class PushSwitch:
    """Takes pushes, or takes none."""

    on: bool
    OP: ClassVar[int] = 5

    def write(self, out: Writer) -> None:
        out.u8(int(self.on), "on", 0, 1)

    @classmethod
    def read(cls, body: Reader) -> PushSwitch:
        return cls(body.u8("on", 0, 1) == 1)


@dataclass(frozen=True)
class SilentTime:
    """The hours in which the device stays away; ``hours`` 0: none."""

    begin_hour: int
    hours: int
    zone_min: int
    OP: ClassVar[int] = 6

    def write(self, out: Writer) -> None:
        out.u8(self.begin_hour, "begin_hour", 0, 23)
        out.u8(self.hours, "hours", 0, 23)
        out.u16(self.zone_min + ZONE_SHIFT_MIN, "zone", 0, 1560)

    @classmethod
    def read(cls, body: Reader) -> SilentTime:
        begin_hour = body.u8("begin_hour", 0, 23)
        hours = body.u8("hours", 0, 23)
        return cls(begin_hour, hours, body.u16("zone", 0, 1560) - ZONE_SHIFT_MIN)


@dataclass(frozen=True)
class DeviceInfo:
    """What the device says of itself and of its app."""

    brand: str = ""
    model: str = ""
    os_version: str = ""
    package: str = ""
    app_version: str = ""
    notifications: Notifications = Notifications.UNKNOWN
    OP: ClassVar[int] = 7

    def write(self, out: Writer) -> None:
        out.s8(self.brand, "brand", 0, 64)
        out.s8(self.model, "model", 0, 64)
        out.s8(self.os_version, "os_version", 0, 32)
        out.s8(self.package, "package", 0, 64)
        out.s8(self.app_version, "app_version", 0, 32)
        out.u8(self.notifications, "notifications")

    @classmethod
    def read(cls, body: Reader) -> DeviceInfo:
        return cls(
            brand=body.s8("brand", 0, 64),
            model=body.s8("model", 0, 64),
            os_version=body.s8("os_version", 0, 32),
            package=body.s8("package", 0, 64),
            app_version=body.s8("app_version", 0, 32),
            notifications=Notifications(body.u8("notifications")),
        )


@dataclass(frozen=True)
class Badge:
    """The number on the icon of the app."""

    badge: int
    OP: ClassVar[int] = 8

    def write(self, out: Writer) -> None:
        out.u32(self.badge, "badge", 0, 0x7FFF_FFFF)

    @classmethod
    def read(cls, body: Reader) -> Badge:
        return cls(body.u32("badge", 0, 0x7FFF_FFFF))


@dataclass(frozen=True)
class VendorToken:
    """The token of a vendor channel; an empty one takes it back."""

    channel: str
    token: str
    OP: ClassVar[int] = 9

    def write(self, out: Writer) -> None:
        out.s8(self.channel, "channel", 1, 32)
        out.s16(self.token, "token", 0, 1024)

    @classmethod
    def read(cls, body: Reader) -> VendorToken:
        return cls(body.s8("channel", 1, 32), body.s16("token", 0, 1024))


@dataclass(frozen=True)
class Report:
    """What the user did with one message, and how long ago."""

    message_id: int
    action: int
    ago_s: int


@dataclass(frozen=True)
class Feedback:
    """Tells what the user did with messages (section 4.6)."""

    reports: tuple[Report, ...]
    OP: ClassVar[int] = 10

    def write(self, out: Writer) -> None:
        # A count that is not allowed is told as a length (vectors bad-command-feedback-*).
        if not 1 <= len(self.reports) <= FEEDBACK_ENTRIES_MAX:
            raise out.fault(Fault.BAD_LENGTH, "feedback")
        out.u8(len(self.reports), "feedback")
        for report in self.reports:
            out.u64(report.message_id, "message_id")
            out.u32(report.action, "action")
            out.u32(report.ago_s, "ago_s")

    @classmethod
    def read(cls, body: Reader) -> Feedback:
        count = body.u8("feedback")
        if not 1 <= count <= FEEDBACK_ENTRIES_MAX:
            raise body.fault(Fault.BAD_LENGTH, "feedback")
        return cls(
            tuple(
                Report(body.u64("message_id"), body.u32("action"), body.u32("ago_s"))
                for _ in range(count)
            )
        )


@dataclass(frozen=True)
class UnknownOperation:
    """An operation that this version does not know; its arguments are not looked at."""

    number: int

    @property
    def OP(self) -> int:  # noqa: N802 - the others have it as a constant of the class
        return self.number

    def write(self, out: Writer) -> None:
        pass


Operation = Union[
    BindAlias,
    UnbindAlias,
    SetTags,
    QueryTags,
    PushSwitch,
    SilentTime,
    DeviceInfo,
    Badge,
    VendorToken,
    Feedback,
    UnknownOperation,
]


class _Readable(Protocol):
    OP: ClassVar[int]

    @classmethod
    def read(cls, body: Reader) -> Operation: ...


OPERATIONS: dict[int, type[_Readable]] = {
    operation.OP: operation
    for operation in (
        BindAlias,
        UnbindAlias,
        SetTags,
        QueryTags,
        PushSwitch,
        SilentTime,
        DeviceInfo,
        Badge,
        VendorToken,
        Feedback,
    )
}


def read_operation(number: int, body: Reader) -> Operation:
    """The operation with its arguments."""
    known = OPERATIONS.get(number)
    return UnknownOperation(number) if known is None else known.read(body)


def write_tags(out: Writer, tags: tuple[str, ...]) -> None:
    """A row of tags behind their count."""
    out.u8(len(tags), "tags")
    for tag in tags:
        out.s8(tag, "tag")


def read_tags(body: Reader) -> tuple[str, ...]:
    """The same, read; also the detail of a result of ``QueryTags``."""
    return tuple(body.s8("tag") for _ in range(body.u8("tags")))
