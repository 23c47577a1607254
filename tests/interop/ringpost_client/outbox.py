"""What the device wants to tell the server: commands, reports and upstream messages.

It outlives connections. ``due`` gives the frames that shall be sent now, results and acks come
back; reports and upstream messages wait on disk, commands in memory.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

from .app import App
from .commands import FEEDBACK_ENTRIES_MAX, Code, Feedback, Operation, Report
from .frames import (
    UPSTREAM_BODY_MAX,
    Command,
    CommandResult,
    Frame,
    Upstream,
    UpstreamAck,
    UpstreamStatus,
)
from .reconnect import Backoff
from .state import KeptReport, KeptUpstream, State
from .stream import encode
from .wire import U32_MAX

UPSTREAM_UNACKED_MAX = 16
#: As long as the server knows a message, asking for its end does not send it twice (R-52).
UPSTREAM_KNOWN_MS = 24 * 3600 * 1000
ACTIONS = frozenset({10000, 10010, 60001, 60002, *range(90001, 91000)})

#: Operations on the same thing wait for each other, since results may come out of order (R-34).
_SUBJECTS = {1: "alias", 2: "alias", 3: "tags", 4: "tags"}


class ClientStopped(Exception):
    """The client stopped before the command had a result."""


@dataclass
class _Pending:
    """A command without a result."""

    make: Callable[[], Operation]
    subject: str
    future: Future[CommandResult]
    backoff: Backoff = field(default_factory=Backoff)
    not_before: float = 0.0
    serial: int | None = None


class Outbox:
    """See above. Every method may be called from any thread."""

    def __init__(self, state: State, app: App) -> None:
        self._state = state
        self._app = app
        self._lock = state.lock
        self._pending: list[_Pending] = []
        self._serial = secrets.randbits(16)
        self._reporting = False
        self._sent: set[int] = set()
        self._upstream_backoff = Backoff()
        self._upstream_not_before = 0.0

    # What the app asks for

    def command(self, operation: Operation) -> Future[CommandResult]:
        """Queues a command; it is repeated in later sessions until it has a result (R-35)."""
        encode(Command(0, operation))  # Refuses here what the server would refuse.
        number = operation.OP
        return self._queue(lambda: operation, _SUBJECTS.get(number, f"op {number}"))

    def report(self, message_id: int, action: int) -> None:
        """Keeps a report of what the user did; it is told until it was taken (R-51)."""
        if action not in ACTIONS:
            raise ValueError(f"there is no action {action}")
        with self._lock:
            self._state.reports.append(KeptReport(message_id, action, _now_ms()))
            self._state.save()

    def message(self, body: bytes, task_id: str) -> int:
        """Keeps a message to the third party, and gives its id (R-52)."""
        if len(body) > UPSTREAM_BODY_MAX:
            raise ValueError(f"a body has at most {UPSTREAM_BODY_MAX} bytes")
        upstream_id = 0
        while upstream_id == 0:
            upstream_id = secrets.randbits(64)
        encode(Upstream(upstream_id, task_id, body))
        with self._lock:
            self._state.upstreams.append(KeptUpstream(upstream_id, task_id, body, _now_ms()))
            self._state.save()
        return upstream_id

    def cancel_all(self) -> None:
        """No command will have a result any more."""
        with self._lock:
            gone, self._pending = self._pending, []
        for one in gone:
            one.future.set_exception(ClientStopped())

    # What a session does

    def session_began(self) -> None:
        """Nothing of what is here was sent on this connection."""
        with self._lock:
            for one in self._pending:
                one.serial = None
            self._sent.clear()
            self._reporting = any(one.subject == "feedback" for one in self._pending)

    def due(self, now: float) -> list[Frame]:
        """The frames to be sent now; each is given once a session."""
        with self._lock:
            return [*self._commands_due(now), *self._upstreams_due(now)]

    def next_due(self) -> float | None:
        """When something that was put off is due."""
        with self._lock:
            times = [one.not_before for one in self._pending if one.serial is None]
            times.append(self._upstream_not_before)
            return min((time_ for time_ in times if time_ > 0), default=None)

    def take_result(self, result: CommandResult) -> None:
        """The result of a command; one that nobody waits for is dropped."""
        with self._lock:
            found = [one for one in self._pending if one.serial == result.serial]
            if not found:
                return
            (pending,) = found
            if result.code == Code.BUSY:
                pending.serial = None
                pending.not_before = time.monotonic() + pending.backoff.next_s()
                return
            self._pending.remove(pending)
        pending.future.set_result(result)

    def take_upstream_ack(self, ack: UpstreamAck) -> None:
        """Where an upstream message stands."""
        status = UpstreamStatus(ack.status)
        with self._lock:
            found = [one for one in self._state.upstreams if one.upstream_id == ack.upstream_id]
            if not found:
                return
            (kept,) = found
            if status is UpstreamStatus.BUSY:
                self._sent.discard(kept.upstream_id)
                self._upstream_not_before = time.monotonic() + self._upstream_backoff.next_s()
                return
            self._upstream_backoff.reset()
            if status is UpstreamStatus.STORED:
                kept.stored = True
            else:
                self._state.upstreams.remove(kept)
                self._sent.discard(kept.upstream_id)
            self._state.save()
        self._app.on_upstream(ack.upstream_id, status)

    # How

    def _queue(self, make: Callable[[], Operation], subject: str) -> Future[CommandResult]:
        future: Future[CommandResult] = Future()
        with self._lock:
            self._pending.append(_Pending(make, subject, future))
        return future

    def _commands_due(self, now: float) -> Iterable[Frame]:
        self._queue_reports()
        busy: set[str] = set()
        for one in self._pending:
            if one.subject in busy:
                continue
            busy.add(one.subject)
            if one.serial is None and one.not_before <= now:
                self._serial = (self._serial + 1) & U32_MAX
                one.serial, one.not_before = self._serial, 0.0
                yield Command(one.serial, one.make())

    def _queue_reports(self) -> None:
        """One feedback at a time; what is reported meanwhile goes with the next."""
        if self._reporting or not self._state.reports:
            return
        self._reporting = True
        told = self._state.reports[:FEEDBACK_ENTRIES_MAX]
        future = self._queue(lambda: _feedback(told), "feedback")
        future.add_done_callback(lambda done: self._reported(told, done))

    def _reported(self, told: list[KeptReport], done: Future[CommandResult]) -> None:
        with self._lock:
            if done.exception() is not None or done.result().code == Code.TOO_FREQUENT:
                return  # They stay for a later session, which begins anew with them.
            # Taken, or not to be repeated.
            self._reporting = False
            self._state.reports = [one for one in self._state.reports if one not in told]
            self._state.save()

    def _upstreams_due(self, now: float) -> Iterable[Frame]:
        self._forget_old_upstreams()
        if now < self._upstream_not_before:
            return
        self._upstream_not_before = 0.0
        unacked = sum(
            1 for one in self._state.upstreams if one.upstream_id in self._sent and not one.stored
        )
        for one in self._state.upstreams:
            if one.upstream_id in self._sent or unacked >= UPSTREAM_UNACKED_MAX:
                continue
            self._sent.add(one.upstream_id)
            unacked += 1
            yield Upstream(one.upstream_id, one.task_id, one.body)

    def _forget_old_upstreams(self) -> None:
        """After a day the server may take a repeat for a new message, so it is not asked again."""
        limit = _now_ms() - UPSTREAM_KNOWN_MS
        old = [one for one in self._state.upstreams if one.stored and one.at_ms < limit]
        if not old:
            return
        self._state.upstreams = [one for one in self._state.upstreams if one not in old]
        self._state.save()
        for one in old:
            self._app.on_upstream_forgotten(one.upstream_id)


def _feedback(told: list[KeptReport]) -> Feedback:
    now_ms = _now_ms()
    return Feedback(
        tuple(
            Report(one.message_id, one.action, min(max(0, now_ms - one.at_ms) // 1000, U32_MAX))
            for one in told
        )
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
