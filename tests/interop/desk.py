"""What all steps of the scenario share: a device, a third party, and a way to say what is wrong."""

from __future__ import annotations

import json
import pathlib
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ringpost_client.app import App, Config
from ringpost_client.client import Client, Result
from ringpost_client.commands import DeviceInfo, Notifications
from ringpost_client.frames import CommandResult, Platform, UpstreamStatus, Welcome
from ringpost_client.push_body import Message, Transmission
from ringpost_client.reconnect import End
from third_party import Receiver, ThirdParty

#: The longest wait for one event. A debug build on a loaded machine is slow; a hang is not.
PATIENCE_S = 60.0
_LOOK_AGAIN_S = 0.05

Found = TypeVar("Found")

INFO = DeviceInfo("Acme", "Phone 7", "14.1", "org.example.app", "2.3.0", Notifications.ON)
SECRET = "interop-callback-secret"


class Failed(Exception):
    """A step that did not come out as it should."""


def expect(what: str, wanted: object, came: object) -> None:
    """Fails unless both are equal."""
    if wanted != came:
        raise Failed(f"{what}: expected {wanted!r}, came {came!r}")


def poll(what: str, look: Callable[[], Found], good: Callable[[Found], bool]) -> Found:
    """Looks again and again until what is seen is good, for a while: what is looked at here the
    server tells nobody of, it can only be asked."""
    deadline = time.monotonic() + PATIENCE_S
    while not good(seen := look()):
        if time.monotonic() > deadline:
            raise Failed(f"waited {PATIENCE_S:.0f} s for {what}, came {seen!r}")
        time.sleep(_LOOK_AGAIN_S)
    return seen


class Recorder(App):
    """An app that writes down what it hears, over several clients."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.welcomes: list[Welcome] = []
        self.ends: list[End] = []
        self.stops: list[End] = []
        self.messages: list[Message] = []
        self.repeats: list[int] = []
        self.unreadable: list[int] = []
        self.upstreams: list[tuple[int, UpstreamStatus]] = []

    def wait(self, what: str, look: Callable[[], Found | None]) -> Found:
        """Until ``look`` finds something."""
        with self._changed:
            found = self._changed.wait_for(look, PATIENCE_S)
        if found is None or found is False:
            raise Failed(f"waited {PATIENCE_S:.0f} s for {what}; {self}")
        return found

    def first_welcome(self) -> Welcome:
        return self.wait("a welcome", lambda: self.welcomes[0] if self.welcomes else None)

    def first_stop(self) -> End:
        """How the client came to stop by itself."""
        return self.wait("the client to stop", lambda: self.stops[0] if self.stops else None)

    def message_of(self, task_id: str) -> Message:
        """The message of a task, once it came."""

        def look() -> Message | None:
            found = [one for one in self.messages if one.task_id == task_id]
            return found[0] if found else None

        return self.wait(f"the message of {task_id}", look)

    def texts(self) -> list[str]:
        """The transmissions that came, in their order."""
        contents = (message.content for message in list(self.messages))
        return [one.text for one in contents if isinstance(one, Transmission)]

    def _add(self, row: list[Any], value: object) -> None:
        with self._changed:
            row.append(value)
            self._changed.notify_all()

    def on_online(self, welcome: Welcome) -> None:
        self._add(self.welcomes, welcome)

    def on_offline(self, end: End, wait_s: float) -> None:
        self._add(self.ends, end)

    def on_stopped(self, end: End) -> None:
        self._add(self.stops, end)

    def on_message(self, message: Message) -> None:
        self._add(self.messages, message)

    def on_repeat(self, message_id: int) -> None:
        self._add(self.repeats, message_id)

    def on_unreadable(self, message_id: int, why: str) -> None:
        self._add(self.unreadable, message_id)

    def on_upstream(self, upstream_id: int, status: UpstreamStatus) -> None:
        self._add(self.upstreams, (upstream_id, status))

    def __str__(self) -> str:
        return (
            f"{len(self.welcomes)} welcomes, ends {[str(end) for end in self.ends]}, "
            f"stops {[str(end) for end in self.stops]}, {len(self.messages)} messages, "
            f"{len(self.repeats)} repeats, upstreams {self.upstreams}"
        )


class Desk:
    """Server, third party, receiver of receipts, and one device with its app."""

    def __init__(self, bootstrap_path: pathlib.Path, folder: pathlib.Path) -> None:
        self.folder = folder
        self.bootstrap_path = bootstrap_path
        self.bootstrap: dict[str, Any] = json.loads(bootstrap_path.read_text("utf-8"))
        self.third_party = ThirdParty(self.bootstrap)
        self.receiver = Receiver(SECRET)
        self.app = Recorder()
        self.state_path = folder / "device.json"
        self._client: Client | None = None
        self._clients: list[Client] = []

    def config(self, **changes: Any) -> Config:
        """Where the server is, and who the device is; a step may change members."""
        host, _, port = self.bootstrap["device"].rpartition(":")
        members: dict[str, Any] = {
            "host": host,
            "port": int(port),
            "ca_pem": self.bootstrap["ca_cert"],
            "app_id": self.third_party.app["appid"],
            "platform": Platform.ANDROID,
            "device_info": INFO,
        }
        return Config(**{**members, **changes})

    @property
    def client(self) -> Client:
        """The client of the device that the scenario is about."""
        assert self._client is not None
        return self._client

    @property
    def cid(self) -> str:
        cid = self.client.cid
        assert cid is not None
        return cid

    def connect(self, **changes: Any) -> Welcome:
        """Starts the device's client and waits for its welcome."""
        before = len(self.app.welcomes)
        self._client = self.start(self.state_path, self.app, **changes)
        return self.next_welcome(before)

    def disconnect(self) -> None:
        """Stops the device's client in order."""
        self.client.stop()

    def start(self, state_path: pathlib.Path, app: App, **changes: Any) -> Client:
        """Any client; it ends with the scenario at the latest."""
        client = Client(self.config(**changes), state_path, app)
        self._clients.append(client)
        client.start()
        return client

    def last_client(self) -> Client:
        """The client that was started last."""
        return self._clients[-1]

    def next_welcome(self, before: int) -> Welcome:
        """The first welcome after so many."""
        return self.app.wait(
            "a welcome",
            lambda: self.app.welcomes[before] if len(self.app.welcomes) > before else None,
        )

    def result(self, result: Result) -> CommandResult:
        """The result of a command."""
        return result.result(PATIENCE_S)

    def expect_code(self, what: str, wanted: int, result: Result) -> CommandResult:
        """Fails unless a command ends with this code."""
        came = self.result(result)
        expect(what, int(wanted), came.code)
        return came

    def online(self) -> str:
        """What the REST API says of the device."""
        answer = self.third_party.call("GET", f"/user/status/{self.cid}")
        return str(answer["data"][self.cid]["status"])

    def stop(self) -> None:
        """Ends everything that was started."""
        for client in self._clients:
            client.stop()
        self.receiver.stop()
