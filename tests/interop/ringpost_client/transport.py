"""One TLS connection to a server (section 1). Reads and writes never block."""

from __future__ import annotations

import selectors
import socket
import ssl
from collections.abc import Sequence

ALPN = "ringpost/1"
_READ_LEN = 65_536
_CLOSE_WAIT_S = 1.0


def trust(ca_pem: str) -> ssl.SSLContext:
    """A context that trusts this authority only and speaks TLS 1.3."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=ca_pem)
    context.set_alpn_protocols([ALPN])
    return context


class Waker:
    """Ends a wait of ``Transport.wait`` from another thread."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)

    def fileno(self) -> int:
        return self._near.fileno()

    def wake(self) -> None:
        try:
            self._far.send(b"w")
        except OSError:
            pass  # Enough calls wait already, or nobody waits any more.

    def clear(self) -> None:
        try:
            while self._near.recv(4096):
                pass
        except BlockingIOError:
            pass

    def close(self) -> None:
        self._near.close()
        self._far.close()


class Transport:
    """A connection after its handshake."""

    def __init__(self, tls: ssl.SSLSocket) -> None:
        self._tls = tls
        self._out = bytearray()

    @classmethod
    def connect(
        cls,
        address: tuple[str, int],
        names: Sequence[str],
        context: ssl.SSLContext,
        ticket: ssl.SSLSession | None,
        timeout_s: float,
    ) -> Transport:
        """Connects; the certificate must be valid for one of ``names`` (R-3, R-38).

        Raises ``OSError``, of which TLS errors are a kind.
        """
        for name in names[:-1]:
            try:
                return cls._connect(address, name, context, None, timeout_s)
            except ssl.SSLCertVerificationError:
                continue
        return cls._connect(address, names[-1], context, ticket, timeout_s)

    @classmethod
    def _connect(
        cls,
        address: tuple[str, int],
        name: str,
        context: ssl.SSLContext,
        ticket: ssl.SSLSession | None,
        timeout_s: float,
    ) -> Transport:
        tcp = socket.create_connection(address, timeout=timeout_s)
        try:
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            tls = context.wrap_socket(tcp, server_hostname=name, session=ticket)
        except BaseException:
            tcp.close()
            raise
        tls.setblocking(False)
        return cls(tls)

    @property
    def resumed(self) -> bool:
        """Whether a ticket of an earlier connection spared the full handshake."""
        return bool(self._tls.session_reused)

    @property
    def ticket(self) -> ssl.SSLSession | None:
        """What resumes this session later (R-4); there once something was read."""
        return self._tls.session

    def read(self) -> bytes | None:
        """What came. Empty: nothing now. ``None``: the peer has ended the connection."""
        try:
            return self._tls.recv(_READ_LEN) or None
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        except OSError:
            return None

    def write(self, data: bytes) -> bool:
        """Sends, now or in later waits. False: the connection is over."""
        self._out += data
        return self._flush()

    def wait(self, timeout_s: float, waker: Waker) -> None:
        """Until there may be something to read, the waker was woken or the time is over."""
        if self._tls.pending():
            return
        interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        with selectors.DefaultSelector() as selector:
            selector.register(self._tls, interest)
            selector.register(waker, selectors.EVENT_READ)
            selector.select(max(0.0, timeout_s))
        waker.clear()
        self._flush()

    def close(self) -> None:
        """Sends what is left and ``close_notify``, and ends the connection."""
        try:
            self._tls.settimeout(_CLOSE_WAIT_S)
            if self._out:
                self._tls.sendall(self._out)
            self._tls.unwrap().close()
        except (OSError, ValueError):
            pass  # The peer was faster.
        self.drop()

    def drop(self) -> None:
        """Ends the connection without a word."""
        self._tls.close()

    def _flush(self) -> bool:
        try:
            while self._out:
                del self._out[: self._tls.send(self._out)]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            return False
        return True
