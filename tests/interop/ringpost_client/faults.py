"""Why a connection ends: close reasons (section 5) and the faults of broken bytes (section 6)."""

from __future__ import annotations

import enum


class CloseReason(enum.IntEnum):
    """The numbers of a ``Close``. Others may come, and are kept as plain numbers."""

    NORMAL = 1
    PROTOCOL_ERROR = 2
    UNSUPPORTED_FRAME = 3
    FRAME_TOO_LONG = 4
    UNEXPECTED_FRAME = 5
    UNKNOWN_APP = 6
    UNKNOWN_CLIENT = 7
    BAD_CREDENTIAL = 8
    APP_DISABLED = 9
    REPLACED = 10
    HEARTBEAT_TIMEOUT = 11
    HELLO_TIMEOUT = 12
    OVERLOADED = 13
    DRAINING = 14
    SIGN_REQUIRED = 15
    BAD_ACK = 16
    INTERNAL_ERROR = 17
    UNSUPPORTED_VERSION = 18
    REMOVED = 19
    SLOW_READER = 20


class Fault(enum.Enum):
    """What is wrong with some bytes. The name is the one of section 6."""

    UNKNOWN_KIND = ("UnknownKind", CloseReason.UNSUPPORTED_FRAME)
    WRONG_DIRECTION = ("WrongDirection", CloseReason.UNEXPECTED_FRAME)
    LENGTH_TOO_WIDE = ("LengthTooWide", CloseReason.FRAME_TOO_LONG)
    BODY_TOO_LONG = ("BodyTooLong", CloseReason.FRAME_TOO_LONG)
    VARINT_NOT_MINIMAL = ("VarintNotMinimal", CloseReason.PROTOCOL_ERROR)
    VARINT_TOO_LONG = ("VarintTooLong", CloseReason.PROTOCOL_ERROR)
    TRUNCATED = ("Truncated", CloseReason.PROTOCOL_ERROR)
    BAD_LENGTH = ("BadLength", CloseReason.PROTOCOL_ERROR)
    OUT_OF_RANGE = ("OutOfRange", CloseReason.PROTOCOL_ERROR)
    NOT_UTF8 = ("NotUtf8", CloseReason.PROTOCOL_ERROR)
    NOT_ASCENDING = ("NotAscending", CloseReason.PROTOCOL_ERROR)
    ID_OVERFLOW = ("IdOverflow", CloseReason.PROTOCOL_ERROR)
    RESERVED_BITS = ("ReservedBits", CloseReason.UNSUPPORTED_VERSION)
    UNKNOWN_CREDENTIAL = ("UnknownCredential", CloseReason.UNSUPPORTED_VERSION)

    def __init__(self, title: str, reason: CloseReason) -> None:
        self.title = title
        self.reason = reason


class WireError(Exception):
    """A frame that must be refused, or that must not be written."""

    def __init__(self, fault: Fault, field: str) -> None:
        super().__init__(f"{fault.title} in {field}")
        self.fault = fault
        self.field = field


def reason_name(number: int) -> str:
    """A reason for logs, whether it is known or not."""
    try:
        return CloseReason(number).name
    except ValueError:
        return f"reason {number}"
