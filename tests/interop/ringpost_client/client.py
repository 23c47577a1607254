"""The client of an app: it keeps one session alive, or waits for the right moment to begin one."""

from __future__ import annotations

import dataclasses
import logging
import pathlib
import random
import ssl
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

from .app import SDK_VERSION, App, Config
from .commands import (
    Badge,
    BindAlias,
    Code,
    Operation,
    PushSwitch,
    QueryTags,
    SetTags,
    SilentTime,
    UnbindAlias,
    VendorToken,
    read_tags,
)
from .frames import CommandResult, Hello, Welcome
from .inbox import Inbox
from .outbox import Outbox
from .reconnect import Backoff, End, Plan, plan
from .session import Session
from .silence import Silence
from .state import State
from .transport import Transport, Waker, trust
from .wire import Reader

_log = logging.getLogger(__name__)

CONNECT_WAIT_S = 20.0
#: Over how long devices spread their return from silent hours (R-49).
SILENCE_JITTER_S = 60.0

Result = Future[CommandResult]


class Client:
    """One app on one device. ``start`` it, and ``stop`` it before the process ends.

    What changes something on the server gives a future of its result; a result comes in a later
    session if this one ends before.
    """

    def __init__(self, config: Config, state_path: pathlib.Path, app: App) -> None:
        self._config = config
        self._state = State.open(state_path)
        self._app = app
        self._inbox = Inbox(self._state, app)
        self._outbox = Outbox(self._state, app)
        self._waker = Waker()
        self._chance = random.Random()
        self._backoff = Backoff(self._chance)
        self._context = trust(config.ca_pem)
        self._ticket: ssl.SSLSession | None = None
        self._tls_resumed = False
        self._session: Session | None = None
        self._stopping = threading.Event()
        self._cancels_silence = threading.Event()
        self._turn = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="ringpost", daemon=True)

    # The client itself

    def start(self) -> None:
        """Connects, and connects again, on a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Leaves the session in order and ends the thread."""
        self._stopping.set()
        session = self._session
        if session is not None:
            session.leave()
        self._nudge()
        if self._thread.is_alive():
            self._thread.join()
        self._outbox.cancel_all()
        self._waker.close()

    def drop_connection(self) -> None:
        """Loses the connection without a word, as a network does; for tests."""
        session = self._session
        if session is not None:
            session.drop()

    @property
    def cid(self) -> str | None:
        """The client id in its text form, once there is one."""
        cid = self._state.cid
        return None if cid is None else cid.hex()

    @property
    def tls_resumed(self) -> bool:
        """Whether the newest connection was spared the full TLS handshake (R-4)."""
        return self._tls_resumed

    # What an app may want

    def bind_alias(self, alias: str, alias_type: str = "") -> Result:
        return self.command(BindAlias(alias_type, alias))

    def unbind_alias(self, alias: str, alias_type: str = "", everywhere: bool = False) -> Result:
        return self.command(UnbindAlias(everywhere, alias_type, alias))

    def set_tags(self, tags: Sequence[str]) -> Result:
        return self.command(SetTags(tuple(tags)))

    def query_tags(self) -> Result:
        """The result's ``detail`` is for ``tags_of``."""
        return self.command(QueryTags())

    def switch_push(self, on: bool) -> Result:
        return self.command(PushSwitch(on))

    def set_badge(self, badge: int) -> Result:
        return self.command(Badge(badge))

    def set_vendor_token(self, channel: str, token: str) -> Result:
        return self.command(VendorToken(channel, token))

    def set_silence(self, begin_hour: int, hours: int, zone_min: int) -> Result:
        """Stays away in these hours of each day; ``hours`` 0 ends that, and ends it now."""
        result = self.command(SilentTime(begin_hour, hours, zone_min))
        if hours == 0:
            self._cancels_silence.set()
        result.add_done_callback(lambda done: self._silence_set(begin_hour, hours, zone_min, done))
        self._nudge()
        return result

    def command(self, operation: Operation) -> Result:
        """Any operation; raises ``WireError`` for arguments that cannot be sent."""
        result = self._outbox.command(operation)
        self._waker.wake()
        return result

    def report(self, message_id: int, action: int) -> None:
        """What the user did with a message (R-51); told sooner or later."""
        self._outbox.report(message_id, action)
        self._waker.wake()

    def send_message(self, body: bytes, task_id: str = "") -> int:
        """A message to the third party; the app hears of its end by ``App.on_upstream``."""
        upstream_id = self._outbox.message(body, task_id)
        self._waker.wake()
        return upstream_id

    # Its thread

    def _run(self) -> None:
        endpoint = ""
        while not self._stopping.is_set():
            if self._sleep_through_silence():
                continue
            end = self._connect_once(endpoint)
            if self._stopping.is_set():
                self._app.on_offline(end, 0)
                return
            if self._silent_until() is not None:
                self._app.on_offline(end, 0)
                continue
            what = plan(end, self._backoff, self._chance)
            if what.stop:
                self._outbox.cancel_all()
                self._app.on_stopped(end)
                return
            if what.forget_client:
                self._state.forget_client()
            self._app.on_offline(end, what.wait_s)
            self._wait(what)
            endpoint = what.endpoint

    def _connect_once(self, endpoint: str) -> End:
        """One connection: to the endpoint of a go-away, else where the app says."""
        host, port = self._config.host, self._config.port
        names = [host]
        try:
            if endpoint:
                host, _, digits = endpoint.rpartition(":")
                host, port = host.strip("[]"), int(digits)
                names = [host, self._config.host]
            transport = Transport.connect(
                (host, port), names, self._context, self._ticket, CONNECT_WAIT_S
            )
        except (OSError, ValueError) as error:
            return End(text=f"no connection: {error}")
        session = Session(
            transport, self._waker, self._inbox, self._outbox, self._config.ack_delay_s
        )
        self._session = session
        if self._stopping.is_set():
            session.leave()
        watch = self._watch_for_silence(session)
        try:
            return session.run(self._hello(), lambda welcome: self._welcomed(welcome, transport))
        finally:
            self._session = None
            if watch is not None:
                watch.cancel()

    def _hello(self) -> Hello:
        state, config = self._state, self._config
        identity = state.install_id if state.cid is None else state.cid
        return Hello(
            app_id=config.app_id,
            identity=identity,
            login=state.cid is not None,
            secret=state.secret,
            sign=config.sign(identity, state.secret),
            resume=state.handled if config.resume else 0,
            heartbeat_s=config.heartbeat_s,
            platform=config.platform,
            sdk_version=SDK_VERSION,
        )

    def _welcomed(self, welcome: Welcome, transport: Transport) -> None:
        self._backoff.reset()
        self._ticket, self._tls_resumed = transport.ticket, transport.resumed
        with self._state.lock:
            if self._state.cid is None:
                self._state.cid = welcome.cid
                self._state.save()
        self._tell_info(welcome.registered)
        self._app.on_online(welcome)

    def _tell_info(self, registered: bool) -> None:
        """Device info goes out after a registration and when it has changed (R-50)."""
        info = self._config.device_info
        if info is None:
            return
        members = list(dataclasses.astuple(info))
        if not registered and members == self._state.told_info:
            return

        def told(done: Result) -> None:
            if done.exception() is None and done.result().code == Code.OK:
                with self._state.lock:
                    self._state.told_info = members
                    self._state.save()

        self._outbox.command(info).add_done_callback(told)

    def _wait(self, what: Plan) -> None:
        until = time.monotonic() + what.wait_s
        with self._turn:
            while not self._stopping.is_set() and (left := until - time.monotonic()) > 0:
                self._turn.wait(left)

    def _nudge(self) -> None:
        with self._turn:
            self._turn.notify_all()

    # Silent hours

    def _silence_set(self, begin_hour: int, hours: int, zone_min: int, done: Result) -> None:
        if done.exception() is not None:
            return
        if hours == 0:
            self._cancels_silence.clear()
        if done.result().code != Code.OK:
            return
        with self._state.lock:
            self._state.silence = (begin_hour, hours, zone_min) if hours else None
            self._state.save()
        session = self._session
        if session is not None and self._silent_until() is not None:
            session.leave()

    def _silent_until(self) -> float | None:
        silence = self._state.silence
        if silence is None or self._cancels_silence.is_set():
            return None
        return Silence(*silence).ends_at(time.time())

    def _sleep_through_silence(self) -> bool:
        """Waits while silent hours hold; says whether it waited."""
        until = self._silent_until()
        if until is None:
            return False
        until += self._chance.uniform(0, SILENCE_JITTER_S)
        with self._turn:
            while not self._stopping.is_set() and not self._cancels_silence.is_set():
                left = until - time.time()
                if left <= 0:
                    break
                self._turn.wait(left)
        return True

    def _watch_for_silence(self, session: Session) -> threading.Timer | None:
        """Leaves the session when silent hours begin."""
        silence = self._state.silence
        if silence is None or self._cancels_silence.is_set():
            return None
        left = Silence(*silence).begins_at(time.time()) - time.time()
        timer = threading.Timer(left, session.leave)
        timer.daemon = True
        timer.start()
        return timer


def tags_of(result: CommandResult) -> tuple[str, ...]:
    """The tags in the result of ``query_tags``."""
    return read_tags(Reader(result.detail, "command_result"))
