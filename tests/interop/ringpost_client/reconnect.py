"""When and where a device connects again (sections 4.7 to 4.9 and 5)."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .faults import CloseReason, reason_name
from .frames import RETRY_NEVER, GoAway

DELAY_FIRST_S = 1.0
DELAY_MOST_S = 120.0
REPLACED_WAIT_S = (60.0, 120.0)

#: The app is told, and the client does not try again by itself.
_STOPPING = frozenset(
    {
        CloseReason.UNKNOWN_APP,
        CloseReason.BAD_CREDENTIAL,
        CloseReason.APP_DISABLED,
        CloseReason.SIGN_REQUIRED,
        # There is no older minor version than 0 to fall back to.
        CloseReason.UNSUPPORTED_VERSION,
        CloseReason.REMOVED,
    }
)


@dataclass(frozen=True)
class End:
    """How a connection ended, or a try to make one.

    ``reason`` is that of the server's ``Close``; ``None``: the connection is just over.
    """

    reason: int | None = None
    retry_after_ms: int = 0
    text: str = ""
    go_away: GoAway | None = None

    def __str__(self) -> str:
        if self.go_away is not None:
            return f"asked to go away (reason {self.go_away.reason})"
        name = "connection over" if self.reason is None else reason_name(self.reason)
        return f"{name}: {self.text}" if self.text else name


@dataclass(frozen=True)
class Plan:
    """What follows an end."""

    wait_s: float
    stop: bool = False
    forget_client: bool = False
    endpoint: str = ""


class Backoff:
    """A random time of 0 to *d*; *d* doubles with every failure in a row ("full jitter")."""

    def __init__(self, chance: random.Random | None = None) -> None:
        self._chance = chance or random.Random()
        self._delay_s = DELAY_FIRST_S

    def reset(self) -> None:
        """Something went well."""
        self._delay_s = DELAY_FIRST_S

    def next_s(self) -> float:
        """The next wait."""
        wait_s = self._chance.uniform(0, self._delay_s)
        self._delay_s = min(2 * self._delay_s, DELAY_MOST_S)
        return wait_s


def plan(end: End, backoff: Backoff, chance: random.Random) -> Plan:
    """What the device does now."""
    if end.go_away is not None:
        jitter_s = chance.uniform(0, end.go_away.jitter_ms / 1000)
        return Plan(jitter_s, endpoint=end.go_away.endpoint)
    if end.reason == CloseReason.UNKNOWN_CLIENT:
        least_s = 0 if end.retry_after_ms == RETRY_NEVER else end.retry_after_ms / 1000
        return Plan(least_s + backoff.next_s(), forget_client=True)
    if end.reason in _STOPPING or end.retry_after_ms == RETRY_NEVER:
        return Plan(0, stop=True)
    if end.reason == CloseReason.REPLACED:
        return Plan(max(chance.uniform(*REPLACED_WAIT_S), end.retry_after_ms / 1000))
    return Plan(end.retry_after_ms / 1000 + backoff.next_s())
