"""The shapes that bodies are made of (section 2), read and written with their bounds.

Integers are unsigned and big-endian. Every fault is told with the field in which it lies.
"""

from __future__ import annotations

from .faults import Fault, WireError

U8_MAX = 0xFF
U16_MAX = 0xFFFF
U32_MAX = 0xFFFF_FFFF
U64_MAX = 0xFFFF_FFFF_FFFF_FFFF
VARINT_BYTES_MAX = 10


class Reader:
    """Takes the fields of one body, from its first byte on."""

    def __init__(self, body: bytes, frame: str) -> None:
        self._body = body
        self._at = 0
        self._frame = frame

    def fault(self, fault: Fault, field: str) -> WireError:
        """An error in a field of this frame."""
        return WireError(fault, f"{self._frame}.{field}")

    @property
    def left(self) -> int:
        """How many bytes are not yet read."""
        return len(self._body) - self._at

    def take(self, count: int, field: str) -> bytes:
        """Exactly so many bytes as they are."""
        if count > self.left:
            raise self.fault(Fault.TRUNCATED, field)
        start = self._at
        self._at += count
        return self._body[start : self._at]

    def rest(self) -> bytes:
        """Whatever is left of the body."""
        return self.take(self.left, "rest")

    def _integer(self, width: int, field: str, low: int, high: int | None) -> int:
        value = int.from_bytes(self.take(width, field), "big")
        if value < low or (high is not None and value > high):
            raise self.fault(Fault.OUT_OF_RANGE, field)
        return value

    def u8(self, field: str, low: int = 0, high: int | None = None) -> int:
        return self._integer(1, field, low, high)

    def u16(self, field: str, low: int = 0, high: int | None = None) -> int:
        return self._integer(2, field, low, high)

    def u32(self, field: str, low: int = 0, high: int | None = None) -> int:
        return self._integer(4, field, low, high)

    def u64(self, field: str, low: int = 0, high: int | None = None) -> int:
        return self._integer(8, field, low, high)

    def varint(self, field: str) -> int:
        """LEB128 of a u64 in its shortest form."""
        value = 0
        for index in range(VARINT_BYTES_MAX):
            byte = self.u8(field)
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                if byte == 0 and index > 0:
                    raise self.fault(Fault.VARINT_NOT_MINIMAL, field)
                if value > U64_MAX:
                    raise self.fault(Fault.VARINT_TOO_LONG, field)
                return value
        raise self.fault(Fault.VARINT_TOO_LONG, field)

    def _sized(self, size: int, field: str, low: int, high: int) -> bytes:
        # The bound comes first: no length is believed before it is checked.
        if not low <= size <= high:
            raise self.fault(Fault.BAD_LENGTH, field)
        return self.take(size, field)

    def b8(self, field: str, low: int = 0, high: int = U8_MAX) -> bytes:
        return self._sized(self.u8(field), field, low, high)

    def _text(self, raw: bytes, field: str) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise self.fault(Fault.NOT_UTF8, field) from None

    def s8(self, field: str, low: int = 0, high: int = U8_MAX) -> str:
        return self._text(self._sized(self.u8(field), field, low, high), field)

    def s16(self, field: str, low: int = 0, high: int = U16_MAX) -> str:
        return self._text(self._sized(self.u16(field), field, low, high), field)


class Writer:
    """Puts the fields of one body together, refusing what a reader would refuse."""

    def __init__(self, frame: str) -> None:
        self._body = bytearray()
        self._frame = frame

    def fault(self, fault: Fault, field: str) -> WireError:
        """An error in a field of this frame."""
        return WireError(fault, f"{self._frame}.{field}")

    def body(self) -> bytes:
        return bytes(self._body)

    def raw(self, value: bytes, field: str, low: int, high: int) -> None:
        """Bytes as they are, of a length within bounds."""
        if not low <= len(value) <= high:
            raise self.fault(Fault.BAD_LENGTH, field)
        self._body += value

    def _integer(self, width: int, value: int, field: str, low: int, high: int) -> None:
        if not low <= value <= high:
            raise self.fault(Fault.OUT_OF_RANGE, field)
        self._body += value.to_bytes(width, "big")

    def u8(self, value: int, field: str, low: int = 0, high: int = U8_MAX) -> None:
        self._integer(1, value, field, low, high)

    def u16(self, value: int, field: str, low: int = 0, high: int = U16_MAX) -> None:
        self._integer(2, value, field, low, high)

    def u32(self, value: int, field: str, low: int = 0, high: int = U32_MAX) -> None:
        self._integer(4, value, field, low, high)

    def u64(self, value: int, field: str, low: int = 0, high: int = U64_MAX) -> None:
        self._integer(8, value, field, low, high)

    def varint(self, value: int) -> None:
        self._body += varint(value)

    def b8(self, value: bytes, field: str, low: int = 0, high: int = U8_MAX) -> None:
        if not low <= len(value) <= high:
            raise self.fault(Fault.BAD_LENGTH, field)
        self._body.append(len(value))
        self._body += value

    def s8(self, value: str, field: str, low: int = 0, high: int = U8_MAX) -> None:
        self.b8(value.encode("utf-8"), field, low, high)

    def s16(self, value: str, field: str, low: int = 0, high: int = U16_MAX) -> None:
        raw = value.encode("utf-8")
        if not low <= len(raw) <= high:
            raise self.fault(Fault.BAD_LENGTH, field)
        self._body += len(raw).to_bytes(2, "big") + raw


def varint(value: int) -> bytes:
    """LEB128 in its shortest form."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
