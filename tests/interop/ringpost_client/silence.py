"""The hours of the day in which a device stays away (R-49)."""

from __future__ import annotations

from dataclasses import dataclass

_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S


@dataclass(frozen=True)
class Silence:
    """From ``begin_hour``:00 for ``hours`` hours, by a clock ``zone_min`` minutes east of UTC."""

    begin_hour: int
    hours: int
    zone_min: int

    def _since_begin_s(self, unix_s: float) -> float:
        return (unix_s + self.zone_min * 60 - self.begin_hour * _HOUR_S) % _DAY_S

    def ends_at(self, unix_s: float) -> float | None:
        """When the silent hours that hold now are over; ``None``: none hold now."""
        since, whole = self._since_begin_s(unix_s), self.hours * _HOUR_S
        return unix_s + whole - since if since < whole else None

    def begins_at(self, unix_s: float) -> float:
        """When silent hours begin next; now, if they hold."""
        if self.ends_at(unix_s) is not None:
            return unix_s
        return unix_s + _DAY_S - self._since_begin_s(unix_s)
