"""What a device keeps over its own restart: one JSON file, replaced as a whole.

Nothing here is read by anybody else, and the secret is in it: the file has mode 0600.
"""

from __future__ import annotations

import json
import os
import pathlib
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from .frames import IDENTITY_LEN, SECRET_LEN


@dataclass
class KeptReport:
    """A report of what the user did that no result has answered yet."""

    message_id: int
    action: int
    at_ms: int


@dataclass
class KeptUpstream:
    """A message to the third party whose end is not known."""

    upstream_id: int
    task_id: str
    body: bytes
    at_ms: int
    #: An ack said that it is on the server's disk.
    stored: bool = False


@dataclass
class State:
    """The durable state. Change it and call ``save`` while holding ``lock``."""

    path: pathlib.Path
    install_id: bytes
    secret: bytes = field(repr=False)
    cid: bytes | None = None
    #: Every message up to this id is handled; messages are handled in the order of their ids.
    handled: int = 0
    reports: list[KeptReport] = field(default_factory=list)
    upstreams: list[KeptUpstream] = field(default_factory=list)
    #: begin_hour, hours, zone_min
    silence: tuple[int, int, int] | None = None
    #: The device info that the server has, as a list of its fields.
    told_info: list[Any] | None = None
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)

    @classmethod
    def open(cls, path: pathlib.Path) -> State:
        """Reads the file, or makes an installation of its own (R-17)."""
        if path.exists():
            return cls._of(path, json.loads(path.read_text("utf-8")))
        state = cls(path, secrets.token_bytes(IDENTITY_LEN), secrets.token_bytes(SECRET_LEN))
        state.save()
        return state

    def forget_client(self) -> None:
        """The server does not know the CID: it goes, with what was kept of its messages."""
        with self.lock:
            self.cid = None
            self.handled = 0
            self.reports.clear()
            self.told_info = None
            self.save()

    def save(self) -> None:
        """Writes all of it durably; the file is the old one or the new one, never a part."""
        with self.lock:
            text = json.dumps(self._members(), indent=1)
            beside = self.path.with_name(self.path.name + ".new")
            file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(file, "w", encoding="utf-8") as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            os.replace(beside, self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _members(self) -> dict[str, Any]:
        return {
            "install_id": self.install_id.hex(),
            "secret": self.secret.hex(),
            "cid": None if self.cid is None else self.cid.hex(),
            "handled": f"{self.handled:016x}",
            "reports": [[f"{one.message_id:016x}", one.action, one.at_ms] for one in self.reports],
            "upstreams": [
                [f"{one.upstream_id:016x}", one.task_id, one.body.hex(), one.at_ms, one.stored]
                for one in self.upstreams
            ],
            "silence": self.silence,
            "told_info": self.told_info,
        }

    @classmethod
    def _of(cls, path: pathlib.Path, members: dict[str, Any]) -> State:
        return cls(
            path=path,
            install_id=bytes.fromhex(members["install_id"]),
            secret=bytes.fromhex(members["secret"]),
            cid=bytes.fromhex(members["cid"]) if members["cid"] else None,
            handled=int(members["handled"], 16),
            reports=[
                KeptReport(int(message_id, 16), action, at_ms)
                for message_id, action, at_ms in members["reports"]
            ],
            upstreams=[
                KeptUpstream(int(upstream_id, 16), task_id, bytes.fromhex(body), at_ms, stored)
                for upstream_id, task_id, body, at_ms, stored in members["upstreams"]
            ],
            silence=tuple(members["silence"]) if members["silence"] else None,
            told_info=members["told_info"],
        )
