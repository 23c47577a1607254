"""One session: from the hello of a connection to its end (section 4)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NoReturn

from .faults import CloseReason, WireError
from .frames import (
    ACK_IDS_MAX,
    Ack,
    Close,
    CommandResult,
    Frame,
    GoAway,
    Hello,
    Ping,
    Pong,
    Push,
    Side,
    UpstreamAck,
    Welcome,
)
from .inbox import Inbox
from .outbox import Outbox
from .reconnect import End
from .stream import FrameReader, encode
from .transport import Transport, Waker

WELCOME_WAIT_S = 30.0
#: How often the interval must pass in silence for a connection to be dead.
DEAD_AFTER_INTERVALS = 1.5


class _Over(Exception):
    """The session is over; said once, from wherever it was noticed."""

    def __init__(self, end: End) -> None:
        super().__init__(str(end))
        self.end = end


class Session:
    """Runs on the thread that calls ``run``; ``leave`` may be called from any."""

    def __init__(
        self,
        transport: Transport,
        waker: Waker,
        inbox: Inbox,
        outbox: Outbox,
        ack_delay_s: float,
    ) -> None:
        self._transport = transport
        self._waker = waker
        self._inbox = inbox
        self._outbox = outbox
        self._ack_delay_s = ack_delay_s
        self._reader = FrameReader(Side.SERVER)
        self._welcome: Welcome | None = None
        self._leaving = threading.Event()
        self._dropping = threading.Event()
        self._unacked: set[int] = set()
        self._ack_at = 0.0
        self._sent_at = self._heard_at = self._pinged_at = time.monotonic()

    def leave(self) -> None:
        """Sends the last acks, closes with ``Normal`` and ends."""
        self._leaving.set()
        self._waker.wake()

    def drop(self) -> None:
        """Ends without a word, as when the network is lost."""
        self._dropping.set()
        self._waker.wake()

    def run(self, hello: Hello, on_welcome: Callable[[Welcome], None]) -> End:
        """The whole session; says how it ended."""
        try:
            self._send(hello)
            welcome = self._greeted(hello)
            self._outbox.session_began()
            on_welcome(welcome)
            return self._live(welcome)
        except _Over as over:
            return over.end
        except WireError as error:
            self._close(error.fault.reason, str(error))
            return End(text=str(error))
        finally:
            if self._dropping.is_set():
                self._transport.drop()
            else:
                self._transport.close()

    def _greeted(self, hello: Hello) -> Welcome:
        """Waits for the welcome; nothing but a close may be sent meanwhile (R-15)."""
        deadline = time.monotonic() + WELCOME_WAIT_S
        while self._welcome is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _Over(End(text="no welcome came"))
            self._step(left)
        if hello.login and self._welcome.cid != hello.identity:
            self._refuse(CloseReason.PROTOCOL_ERROR, "a login was answered with another CID")
        return self._welcome

    def _live(self, welcome: Welcome) -> NoReturn:
        interval = float(welcome.heartbeat_s)
        self._heard_at = time.monotonic()
        while True:
            now = time.monotonic()
            for frame in self._outbox.due(now):
                self._send(frame)
            if self._unacked and (now >= self._ack_at or 2 * len(self._unacked) >= welcome.window):
                self._send_acks()
            if now - self._heard_at >= DEAD_AFTER_INTERVALS * interval:
                raise _Over(End(text="the server was not heard"))
            quiet_since = max(min(self._sent_at, self._heard_at), self._pinged_at)
            if now - quiet_since >= interval:
                self._pinged_at = now
                self._send(Ping())
            self._step(self._next_event(interval) - now)

    def _next_event(self, interval: float) -> float:
        quiet_since = max(min(self._sent_at, self._heard_at), self._pinged_at)
        times = [quiet_since + interval, self._heard_at + DEAD_AFTER_INTERVALS * interval]
        if self._unacked:
            times.append(self._ack_at)
        put_off = self._outbox.next_due()
        if put_off is not None:
            times.append(put_off)
        return min(times)

    def _step(self, timeout_s: float) -> None:
        """Waits for bytes, a call or the time, and handles what came."""
        if not (self._leaving.is_set() or self._dropping.is_set()):
            self._transport.wait(timeout_s, self._waker)
        if self._dropping.is_set():
            raise _Over(End(text="dropped"))
        if self._leaving.is_set():
            self._send_acks()
            self._close(CloseReason.NORMAL, "")
            raise _Over(End(CloseReason.NORMAL, text="left"))
        while data := self._transport.read():
            self._heard_at = time.monotonic()
            for frame in self._reader.feed(data):
                self._take(frame)
        if data is None:
            raise _Over(End(text="the server ended the connection"))

    def _take(self, frame: Frame) -> None:
        if isinstance(frame, Close):
            # Its sender gets no answer.
            raise _Over(End(frame.reason, frame.retry_after_ms, frame.text))
        if isinstance(frame, Pong):
            return
        if self._welcome is None:
            if not isinstance(frame, Welcome):
                self._refuse(CloseReason.UNEXPECTED_FRAME, f"{frame.NAME} before the welcome")
            self._welcome = frame
        elif isinstance(frame, Ping):
            self._send(Pong())
        elif isinstance(frame, Push):
            self._inbox.take(frame)
            if not self._unacked:
                self._ack_at = time.monotonic() + self._ack_delay_s
            self._unacked.add(frame.message_id)
        elif isinstance(frame, CommandResult):
            self._outbox.take_result(frame)
        elif isinstance(frame, UpstreamAck):
            self._outbox.take_upstream_ack(frame)
        elif isinstance(frame, GoAway):
            self._send_acks()
            self._close(CloseReason.NORMAL, "")
            raise _Over(End(go_away=frame))
        else:
            self._refuse(CloseReason.UNEXPECTED_FRAME, f"{frame.NAME} in a session")

    def _send_acks(self) -> None:
        ids = sorted(self._unacked)
        self._unacked.clear()
        for start in range(0, len(ids), ACK_IDS_MAX):
            self._send(Ack(tuple(ids[start : start + ACK_IDS_MAX])))

    def _send(self, frame: Frame) -> None:
        self._sent_at = time.monotonic()
        if not self._transport.write(encode(frame)):
            raise _Over(End(text="the connection broke"))

    def _close(self, reason: CloseReason, text: str) -> None:
        self._transport.write(encode(Close(reason, text=text)))

    def _refuse(self, reason: CloseReason, text: str) -> NoReturn:
        self._close(reason, text)
        raise _Over(End(text=text))
