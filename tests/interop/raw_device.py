"""A connection without a client behind it, to say what no client would say."""

from __future__ import annotations

import socket
import ssl
from typing import TypeVar

from desk import PATIENCE_S, Failed
from ringpost_client.app import Config
from ringpost_client.frames import Close, Frame, Hello, Side, Welcome
from ringpost_client.stream import FrameReader, encode
from ringpost_client.transport import trust

Self = TypeVar("Self", bound="RawDevice")


class RawDevice:
    """Blocking, with a limit on every wait."""

    def __init__(self, config: Config, context: ssl.SSLContext | None = None) -> None:
        tcp = socket.create_connection((config.host, config.port), timeout=PATIENCE_S)
        context = context or trust(config.ca_pem)
        try:
            self._tls = context.wrap_socket(tcp, server_hostname=config.host)
        except OSError:
            tcp.close()
            raise
        self._reader = FrameReader(Side.SERVER)
        self._frames: list[Frame] = []

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tls.close()

    def send(self, what: Frame | bytes) -> None:
        """A frame, or bytes as they are."""
        self._tls.sendall(what if isinstance(what, bytes) else encode(what))

    def receive(self) -> Frame | None:
        """The next frame; ``None``: the connection is over."""
        while not self._frames:
            try:
                data = self._tls.recv(65_536)
            except TimeoutError:
                raise Failed(f"nothing came for {PATIENCE_S:.0f} s") from None
            except OSError:
                data = b""
            if not data:
                return None
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def greet(self, hello: Hello) -> Welcome:
        """Says hello and expects a welcome."""
        self.send(hello)
        frame = self.receive()
        if not isinstance(frame, Welcome):
            raise Failed(f"expected a welcome, came {frame!r}")
        return frame

    def close_reason(self) -> int | None:
        """The reason of the close that comes sooner or later; ``None``: none came."""
        while (frame := self.receive()) is not None:
            if isinstance(frame, Close):
                return frame.reason
        return None
