"""The frames of section 3: their fields, and how each body is read and written."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import ClassVar, Union

from .commands import Operation, read_operation
from .faults import CloseReason, Fault
from .wire import U64_MAX, Reader, Writer

IDENTITY_LEN = 16
SECRET_LEN = 32
SIGN_LEN = 32
ACK_IDS_MAX = 256
DETAIL_MAX = 4096
UPSTREAM_BODY_MAX = 16311
PUSH_BODY_MAX = 131063
#: A ``retry_after_ms`` that means: not again with these credentials.
RETRY_NEVER = 0xFFFF_FFFF

_LOG_IN = 0x01
_REGISTERED = 0x01
_SEALED = 0x01
_DEVICE_SECRET = 1


class Side(enum.Flag):
    """Who sends a frame."""

    DEVICE = enum.auto()
    SERVER = enum.auto()
    EITHER = DEVICE | SERVER


class Platform(enum.IntEnum):
    """What a device runs on; a number of a later version reads as unknown."""

    UNKNOWN = 0
    ANDROID = 1
    IOS = 2
    HARMONY = 3
    OTHER = 4

    @classmethod
    def _missing_(cls, value: object) -> Platform:
        return cls.UNKNOWN


class UpstreamStatus(enum.IntEnum):
    """Where a message to the third party stands; an unknown status is read as stored."""

    STORED = 1
    DELIVERED = 2
    GIVEN_UP = 3
    BUSY = 4
    NO_RECEIVER = 5

    @classmethod
    def _missing_(cls, value: object) -> UpstreamStatus:
        return cls.STORED


@dataclass(frozen=True)
class Hello:
    """Who the device is. ``identity`` is the CID of a login, the install id of a registration."""

    app_id: str
    identity: bytes
    login: bool
    secret: bytes = field(repr=False)
    sign: bytes = field(default=b"", repr=False)
    resume: int = 0
    heartbeat_s: int = 0
    platform: Platform = Platform.UNKNOWN
    sdk_version: str = ""
    minor: int = 0
    KIND: ClassVar[int] = 0x01
    NAME: ClassVar[str] = "hello"
    SENDER: ClassVar[Side] = Side.DEVICE

    def write(self, out: Writer) -> None:
        out.u8(self.minor, "minor")
        out.u8(_LOG_IN if self.login else 0, "flags")
        out.s8(self.app_id, "app_id", 1, 64)
        out.raw(self.identity, "identity", IDENTITY_LEN, IDENTITY_LEN)
        out.u8(_DEVICE_SECRET, "credential_type")
        out.b8(self.secret, "credential", SECRET_LEN, SECRET_LEN)
        if len(self.sign) not in (0, SIGN_LEN):
            raise out.fault(Fault.BAD_LENGTH, "sign")
        out.b8(self.sign, "sign")
        out.u64(self.resume, "resume")
        out.u16(self.heartbeat_s, "heartbeat_s")
        out.u8(self.platform, "platform")
        out.s8(self.sdk_version, "sdk_version", 0, 32)

    @classmethod
    def read(cls, body: Reader) -> Hello:
        minor = body.u8("minor")
        flags = body.u8("flags")
        if flags & ~_LOG_IN:
            raise body.fault(Fault.RESERVED_BITS, "flags")
        app_id = body.s8("app_id", 1, 64)
        identity = body.take(IDENTITY_LEN, "identity")
        if body.u8("credential_type") != _DEVICE_SECRET:
            raise body.fault(Fault.UNKNOWN_CREDENTIAL, "credential_type")
        secret = body.b8("credential", SECRET_LEN, SECRET_LEN)
        sign = body.b8("sign", 0, SIGN_LEN)
        if len(sign) not in (0, SIGN_LEN):
            raise body.fault(Fault.BAD_LENGTH, "sign")
        return cls(
            app_id=app_id,
            identity=identity,
            login=bool(flags & _LOG_IN),
            secret=secret,
            sign=sign,
            resume=body.u64("resume"),
            heartbeat_s=body.u16("heartbeat_s"),
            platform=Platform(body.u8("platform")),
            sdk_version=body.s8("sdk_version", 0, 32),
            minor=minor,
        )


@dataclass(frozen=True)
class Welcome:
    """The session that a hello began."""

    cid: bytes
    registered: bool
    generation: int
    server_time_ms: int
    heartbeat_s: int
    heartbeat_min_s: int
    heartbeat_max_s: int
    window: int
    minor: int = 0
    KIND: ClassVar[int] = 0x02
    NAME: ClassVar[str] = "welcome"
    SENDER: ClassVar[Side] = Side.SERVER

    def write(self, out: Writer) -> None:
        out.u8(self.minor, "minor")
        out.u8(_REGISTERED if self.registered else 0, "flags")
        out.raw(self.cid, "cid", IDENTITY_LEN, IDENTITY_LEN)
        out.u64(self.generation, "generation")
        out.u64(self.server_time_ms, "server_time_ms")
        out.u16(self.heartbeat_s, "heartbeat_s")
        out.u16(self.heartbeat_min_s, "heartbeat_min_s")
        out.u16(self.heartbeat_max_s, "heartbeat_max_s")
        out.u16(self.window, "window")

    @classmethod
    def read(cls, body: Reader) -> Welcome:
        minor = body.u8("minor")
        return cls(
            registered=bool(body.u8("flags") & _REGISTERED),
            cid=body.take(IDENTITY_LEN, "cid"),
            generation=body.u64("generation"),
            server_time_ms=body.u64("server_time_ms"),
            heartbeat_s=body.u16("heartbeat_s"),
            heartbeat_min_s=body.u16("heartbeat_min_s"),
            heartbeat_max_s=body.u16("heartbeat_max_s"),
            window=body.u16("window"),
            minor=minor,
        )


@dataclass(frozen=True)
class Ping:
    """A sign of life that wants an answer."""

    KIND: ClassVar[int] = 0x03
    NAME: ClassVar[str] = "ping"
    SENDER: ClassVar[Side] = Side.EITHER

    def write(self, out: Writer) -> None:
        pass

    @classmethod
    def read(cls, body: Reader) -> Ping:
        return cls()


@dataclass(frozen=True)
class Pong:
    """The answer to a ping."""

    KIND: ClassVar[int] = 0x04
    NAME: ClassVar[str] = "pong"
    SENDER: ClassVar[Side] = Side.EITHER

    def write(self, out: Writer) -> None:
        pass

    @classmethod
    def read(cls, body: Reader) -> Pong:
        return cls()


@dataclass(frozen=True)
class Push:
    """One message; what its body says is read by ``push_body``."""

    message_id: int
    body: bytes
    sealed: bool = False
    KIND: ClassVar[int] = 0x05
    NAME: ClassVar[str] = "push"
    SENDER: ClassVar[Side] = Side.SERVER

    def write(self, out: Writer) -> None:
        out.u64(self.message_id, "message_id")
        out.u8(_SEALED if self.sealed else 0, "flags")
        out.raw(self.body, "body", 0, PUSH_BODY_MAX)

    @classmethod
    def read(cls, body: Reader) -> Push:
        message_id = body.u64("message_id")
        sealed = bool(body.u8("flags") & _SEALED)
        return cls(message_id, body.rest(), sealed)


@dataclass(frozen=True)
class Ack:
    """Messages that were handled, rising."""

    ids: tuple[int, ...]
    KIND: ClassVar[int] = 0x06
    NAME: ClassVar[str] = "ack"
    SENDER: ClassVar[Side] = Side.DEVICE

    def write(self, out: Writer) -> None:
        if not 1 <= len(self.ids) <= ACK_IDS_MAX:
            raise out.fault(Fault.OUT_OF_RANGE, "ids")
        out.u64(self.ids[0], "first")
        for before, after in zip(self.ids, self.ids[1:], strict=False):
            if after <= before:
                raise out.fault(Fault.NOT_ASCENDING, "delta")
            if after > U64_MAX:
                raise out.fault(Fault.ID_OVERFLOW, "delta")
            out.varint(after - before)

    @classmethod
    def read(cls, body: Reader) -> Ack:
        ids = [body.u64("first")]
        while body.left:
            if len(ids) == ACK_IDS_MAX:
                raise body.fault(Fault.OUT_OF_RANGE, "ids")
            delta = body.varint("delta")
            if delta == 0:
                raise body.fault(Fault.NOT_ASCENDING, "delta")
            if ids[-1] + delta > U64_MAX:
                raise body.fault(Fault.ID_OVERFLOW, "delta")
            ids.append(ids[-1] + delta)
        return cls(tuple(ids))


@dataclass(frozen=True)
class Command:
    """An operation with a serial number, which its result repeats."""

    serial: int
    operation: Operation
    KIND: ClassVar[int] = 0x08
    NAME: ClassVar[str] = "command"
    SENDER: ClassVar[Side] = Side.DEVICE

    def write(self, out: Writer) -> None:
        out.u32(self.serial, "serial")
        out.u8(self.operation.OP, "op")
        self.operation.write(out)

    @classmethod
    def read(cls, body: Reader) -> Command:
        serial = body.u32("serial")
        return cls(serial, read_operation(body.u8("op"), body))


@dataclass(frozen=True)
class CommandResult:
    """How a command ended; ``detail`` is by operation and code."""

    serial: int
    op: int
    code: int
    detail: bytes = b""
    KIND: ClassVar[int] = 0x09
    NAME: ClassVar[str] = "command_result"
    SENDER: ClassVar[Side] = Side.SERVER

    def write(self, out: Writer) -> None:
        out.u32(self.serial, "serial")
        out.u8(self.op, "op")
        out.u16(self.code, "code")
        out.raw(self.detail, "detail", 0, DETAIL_MAX)

    @classmethod
    def read(cls, body: Reader) -> CommandResult:
        serial, op, code = body.u32("serial"), body.u8("op"), body.u16("code")
        if body.left > DETAIL_MAX:
            raise body.fault(Fault.BAD_LENGTH, "detail")
        return cls(serial, op, code, body.rest())


@dataclass(frozen=True)
class Upstream:
    """A message to the third party."""

    upstream_id: int
    task_id: str
    body: bytes
    KIND: ClassVar[int] = 0x0A
    NAME: ClassVar[str] = "upstream"
    SENDER: ClassVar[Side] = Side.DEVICE

    def write(self, out: Writer) -> None:
        out.u64(self.upstream_id, "upstream_id", 1)
        out.s8(self.task_id, "task_id", 0, 64)
        out.raw(self.body, "body", 0, UPSTREAM_BODY_MAX)

    @classmethod
    def read(cls, body: Reader) -> Upstream:
        upstream_id, task_id = body.u64("upstream_id", 1), body.s8("task_id", 0, 64)
        if body.left > UPSTREAM_BODY_MAX:
            raise body.fault(Fault.BAD_LENGTH, "body")
        return cls(upstream_id, task_id, body.rest())


@dataclass(frozen=True)
class UpstreamAck:
    """Where an upstream message stands; the status is kept as a number."""

    upstream_id: int
    status: int
    KIND: ClassVar[int] = 0x0B
    NAME: ClassVar[str] = "upstream_ack"
    SENDER: ClassVar[Side] = Side.SERVER

    def write(self, out: Writer) -> None:
        out.u64(self.upstream_id, "upstream_id", 1)
        out.u8(self.status, "status")

    @classmethod
    def read(cls, body: Reader) -> UpstreamAck:
        return cls(body.u64("upstream_id", 1), body.u8("status"))


@dataclass(frozen=True)
class GoAway:
    """The server asks the device to leave and to come back."""

    reason: int
    jitter_ms: int
    endpoint: str = ""
    KIND: ClassVar[int] = 0x0C
    NAME: ClassVar[str] = "go_away"
    SENDER: ClassVar[Side] = Side.SERVER

    def write(self, out: Writer) -> None:
        out.u8(self.reason, "reason")
        out.u32(self.jitter_ms, "jitter_ms")
        out.s8(self.endpoint, "endpoint")

    @classmethod
    def read(cls, body: Reader) -> GoAway:
        return cls(body.u8("reason"), body.u32("jitter_ms"), body.s8("endpoint"))


@dataclass(frozen=True)
class Close:
    """The last frame of its sender."""

    reason: int = CloseReason.NORMAL
    retry_after_ms: int = 0
    text: str = ""
    KIND: ClassVar[int] = 0x0D
    NAME: ClassVar[str] = "close"
    SENDER: ClassVar[Side] = Side.EITHER

    def write(self, out: Writer) -> None:
        out.u8(self.reason, "reason")
        out.u32(self.retry_after_ms, "retry_after_ms")
        out.s8(self.text, "text", 0, 200)

    @classmethod
    def read(cls, body: Reader) -> Close:
        return cls(body.u8("reason"), body.u32("retry_after_ms"), body.s8("text", 0, 200))


Frame = Union[
    Hello,
    Welcome,
    Ping,
    Pong,
    Push,
    Ack,
    Command,
    CommandResult,
    Upstream,
    UpstreamAck,
    GoAway,
    Close,
]

FRAMES: dict[int, type[Frame]] = {
    frame.KIND: frame
    for frame in (
        Hello,
        Welcome,
        Ping,
        Pong,
        Push,
        Ack,
        Command,
        CommandResult,
        Upstream,
        UpstreamAck,
        GoAway,
        Close,
    )
}
