"""Targets of connections: memory, idle CPU, logins, heartbeats (P1 to P5b).

Owner: nobody. Always: server and floors take turns in one call; of several floors the least counts.
"""

import statistics

from .load import marks, median, pick
from .table import Row

MEMORY_FLOORS = ["ring-poll-keys", "epoll-rustls"]
CPU_FLOORS = ["epoll-keys", "ring-keys"]

# Bytes of the targets.
USER_MAX = 1024
ALL_MAX = 5632


def least(reports, floors, path):
    """The lowest median of the floors, and whose it is."""
    return min((median(reports[name], path), name) for name in floors)


def values(reports, path):
    return {name: [pick(report, path) for report in given] for name, given in reports.items()}


def compared(id, what, unit, target, reports, floors, path, met):
    """A row of a figure beside its floor."""
    figure = median(reports["server"], path)
    floor, whose = least(reports, floors, path) if floors else (None, None)
    ratio = figure / floor if floor else None
    row = Row(id, what, target, unit, figure, floor, ratio, met(figure, ratio))
    row.marks = marks([report for given in reports.values() for report in given])
    row.runs = values(reports, path)
    if whose:
        row.notes.append(f"floor: {whose}")
    return row


def idle(loads, sizes, wanted):
    """P1, P2, P3 and P5b."""
    rows = []
    devices, seconds = sizes["idle_devices"], sizes["idle_s"]
    floors = sizes.get("memory_floors") or MEMORY_FLOORS
    if wanted & {"P1", "P2", "P3"}:
        words = ["idle", "--devices", devices, "--duration", seconds]
        reports = loads.interleaved(["server", *floors], words, seconds)
        user, everything = "per_device.server_bytes", "per_device.all_bytes_estimate"
        rows.append(compared("P1", f"user memory per idle device, {devices:,}", "B", "<= 1,024 B", reports, floors, user,
                             lambda figure, _: figure <= USER_MAX))
        rows.append(compared("P2", "the same, kernel included", "B", "<= 5,632 B", reports, floors, everything,
                             lambda figure, _: figure <= ALL_MAX))
        rows[-1].notes.append("the kernel's part is an estimate: growth of all slabs, halved")
    if wanted & {"P3", "P5b"}:
        beats = heartbeats(loads, sizes)
        if "P3" in wanted:
            rows.append(quiet_cpu(reports, beats, devices, floors))
        if "P5b" in wanted:
            rows.append(beats)
    return rows


def heartbeats(loads, sizes):
    devices, heartbeat, seconds = sizes["beat_devices"], sizes["heartbeat_s"], sizes["beat_s"]
    floors = sizes.get("floors") or CPU_FLOORS
    words = ["idle", "--devices", devices, "--heartbeat", heartbeat, "--duration", seconds]
    reports = loads.interleaved(["server", *floors], words, seconds)
    row = compared("P5b", f"CPU per heartbeat, {devices // heartbeat:,} a second", "us", "<= 2 x floor", reports, floors,
                   "per_heartbeat.server_cpu_us", lambda _, ratio: ratio <= 2)
    row.notes.append("all that the process does in the phase is in it, waking up for single heartbeats too")
    return row


def quiet_cpu(reports, beats, devices, floors):
    """Idle CPU at a heartbeat of 240 s: what is used without one, and the heartbeats that fall due."""
    def cores(name, beat_us):
        without = statistics.median(pick(report, "server.cpu_cores") for report in reports[name])
        return 100 * (without + devices / 240 * beat_us / 1e6)

    figure = cores("server", beats.figure)
    floor = min(cores(name, beats.floor) for name in floors)
    row = Row("P3", f"CPU for {devices:,} idle devices, heartbeat 240 s", "<= 0.3 %", "%", figure, floor,
              figure / floor if floor else None, figure <= 0.3, list(beats.marks))
    row.notes.append("the CPU of a phase without heartbeats, and 1/240 of the devices times P5b each second")
    return row


def logins(loads, sizes, wanted):
    """P4 and P5."""
    rows = []
    devices = sizes["login_devices"]
    floors = sizes.get("floors") or CPU_FLOORS
    path = "per_login.server_cpu_us"
    full = None
    if wanted & {"P4", "P5"}:
        reports = loads.interleaved(["server", *floors], ["storm", "--devices", devices], devices // 100)
        full = compared("P4", f"CPU per full login, {devices:,} at once", "us", "<= 1.25 x floor", reports, floors, path,
                        lambda _, ratio: ratio <= 1.25)
        if "P4" in wanted:
            rows.append(full)
    if "P5" in wanted:
        reports = loads.interleaved(["server", *floors], ["resume", "--devices", devices], devices // 100)
        rows.append(compared("P5", "CPU per resumed login", "us", "<= 1.2 x floor, < P4", reports, floors, path,
                             lambda figure, ratio: ratio <= 1.2 and figure < full.figure))
    return rows
