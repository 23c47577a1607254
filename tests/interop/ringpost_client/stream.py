"""Frames cut out of a stream of bytes, and written into one (section 2)."""

from __future__ import annotations

from collections.abc import Iterator

from .faults import Fault, WireError
from .frames import FRAMES, Frame, Side
from .wire import Reader, Writer, varint

FIRST_BODY_MAX = 512
DEVICE_BODY_MAX = 16_384
SERVER_BODY_MAX = 131_072
LENGTH_BYTES_MAX = 3
#: Unknown kinds from here on are skipped.
IGNORABLE_FROM = 0x80


def encode(frame: Frame) -> bytes:
    """A frame as its bytes; refuses what a reader would refuse."""
    out = Writer(frame.NAME)
    frame.write(out)
    body = out.body()
    most = SERVER_BODY_MAX if Side.SERVER in frame.SENDER else DEVICE_BODY_MAX
    if len(body) > most:
        raise WireError(Fault.BODY_TOO_LONG, "frame.length")
    return bytes([frame.KIND]) + varint(len(body)) + body


class FrameReader:
    """What one side sent on a fresh connection, from its first byte on.

    How the bytes were cut means nothing. After an error nothing more is read.
    """

    def __init__(self, sender: Side) -> None:
        self._sender = sender
        self._bytes = bytearray()
        self._first = True
        self._error: WireError | None = None

    @property
    def unread_len(self) -> int:
        """Bytes of a frame that is not yet whole."""
        return len(self._bytes)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Takes more bytes and gives the frames that are whole now.

        Raises ``WireError`` where a frame must be refused, once the frames before it were given.
        """
        self._bytes += data
        while True:
            frame, skipped = self._next()
            if frame is not None:
                yield frame
            elif not skipped:
                return

    def _next(self) -> tuple[Frame | None, bool]:
        """A frame, or whether one was skipped."""
        if self._error is not None:
            raise self._error
        try:
            header = self._header()
            if header is None:
                return None, False
            kind, start, length = header
            if len(self._bytes) < start + length:
                return None, False
            body = bytes(self._bytes[start : start + length])
            del self._bytes[: start + length]
            known = FRAMES.get(kind)
            if known is None:
                return None, True
            self._first = False
            return known.read(Reader(body, known.NAME)), False
        except WireError as error:
            self._error = error
            raise

    def _header(self) -> tuple[int, int, int] | None:
        """Kind, where the body begins, and its length; each checked as soon as it is there."""
        if not self._bytes:
            return None
        kind = self._bytes[0]
        known = FRAMES.get(kind)
        if known is None and kind < IGNORABLE_FROM:
            raise WireError(Fault.UNKNOWN_KIND, "frame.kind")
        if known is not None and self._sender not in known.SENDER:
            raise WireError(Fault.WRONG_DIRECTION, "frame.kind")
        length = 0
        for index, byte in enumerate(self._bytes[1 : 1 + LENGTH_BYTES_MAX]):
            length |= (byte & 0x7F) << (7 * index)
            if byte >= 0x80:
                continue
            if byte == 0 and index > 0:
                raise WireError(Fault.VARINT_NOT_MINIMAL, "frame.length")
            if length > self._body_max():
                raise WireError(Fault.BODY_TOO_LONG, "frame.length")
            return kind, 2 + index, length
        if len(self._bytes) > LENGTH_BYTES_MAX:
            # The third byte said that a fourth follows.
            raise WireError(Fault.LENGTH_TOO_WIDE, "frame.length")
        return None

    def _body_max(self) -> int:
        if self._sender is Side.SERVER:
            return SERVER_BODY_MAX
        return FIRST_BODY_MAX if self._first else DEVICE_BODY_MAX
