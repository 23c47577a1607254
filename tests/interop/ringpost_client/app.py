"""What an app gives to its client: who it is, and what it wants to hear."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from .commands import DeviceInfo
from .frames import Platform, UpstreamStatus, Welcome
from .push_body import Message
from .reconnect import End

SDK_VERSION = "ringpost-python/0.1.0"


@dataclass(frozen=True)
class Config:
    """Where the server is, and as what the device comes to it."""

    host: str
    port: int
    ca_pem: str
    app_id: str
    #: Set for an app that demands a sign.
    app_secret: str | None = field(default=None, repr=False)
    platform: Platform = Platform.OTHER
    device_info: DeviceInfo | None = None
    #: The interval wished for; 0: the server's choice.
    heartbeat_s: int = 0
    #: How long acks are collected (R-25).
    ack_delay_s: float = 0.2
    #: Whether a login tells what was handled (R-29). Without it everything unacked comes again.
    resume: bool = True

    def sign(self, identity: bytes, secret: bytes) -> bytes:
        """The sign of a hello with this identity (section 3.1), empty if none is demanded."""
        if self.app_secret is None:
            return b""
        parts = (self.app_id.encode(), identity, secret, self.app_secret.encode())
        return hashlib.sha256(b"".join(parts)).digest()


class App:
    """What a client tells its app; override what is of interest.

    All calls come from the client's one thread. They must be short and must not wait for a result
    of the client. ``on_message`` may come again for one message if the process ends before it
    returned; otherwise it comes once.
    """

    def on_online(self, welcome: Welcome) -> None:
        """A session began; the CID is stored already."""

    def on_offline(self, end: End, wait_s: float) -> None:
        """A session, or a try to begin one, ended; the next try is ``wait_s`` away."""

    def on_stopped(self, end: End) -> None:
        """The client gave up: the app must change something first."""

    def on_message(self, message: Message) -> None:
        """A message, once."""

    def on_repeat(self, message_id: int) -> None:
        """A message came that was handled before; it is dropped and acked."""

    def on_unreadable(self, message_id: int, why: str) -> None:
        """A message came that cannot be read; it is dropped and acked."""

    def on_upstream(self, upstream_id: int, status: UpstreamStatus) -> None:
        """Where an upstream message stands; all but ``STORED`` are its end."""

    def on_upstream_forgotten(self, upstream_id: int) -> None:
        """A message was stored, and its end was not to be had while the server knew it."""
