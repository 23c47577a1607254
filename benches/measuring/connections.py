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
    # Few devices grow the kernel's slabs by less than the rest of the machine shrinks them.
    is_noise = floor is not None and floor <= 0
    ratio = figure / floor if floor and not is_noise else None
    row = Row(id, what, target, unit, figure, floor, ratio, None if is_noise else met(figure, ratio))
    row.marks = marks([report for given in reports.values() for report in given])
    row.runs = values(reports, path)
    if whose:
        row.notes.append(f"floor: {whose}")
    if is_noise:
        row.notes.append(f"no verdict: the floor {whose} has {path} {floor}, the noise of the machine")
    row.notes.extend(f"a run failed: {why}" for why in reports.failures)
    return row


def idle(loads, sizes, wanted):
    """P1, P2, P3 and P5b."""
    floors = sizes.get("memory_floors") or MEMORY_FLOORS
    if wanted & {"P1", "P2"}:
        yield from memory(loads, sizes, floors, wanted)
    if "P3" in wanted:
        yield quiet(loads, sizes, floors)
    if "P5b" in wanted:
        yield heartbeats(loads, sizes)


def memory(loads, sizes, floors, wanted):
    devices, seconds = sizes["idle_devices"], sizes["idle_s"]
    words = ["idle", "--devices", devices, "--duration", seconds]
    reports = loads.interleaved(["server", *floors], words, seconds)
    if "P1" in wanted:
        yield compared("P1", f"user memory per idle device, {devices:,}", "B", "<= 1,024 B", reports, floors,
                       "per_device.server_bytes", lambda figure, _: figure <= USER_MAX)
    if "P2" in wanted:
        row = compared("P2", "the same, kernel included", "B", "<= 5,632 B", reports, floors,
                       "per_device.all_bytes_estimate", lambda figure, _: figure <= ALL_MAX)
        row.notes.append("the kernel's part is an estimate: growth of all slabs, halved")
        row.runs["server, kernel"] = [pick(report, "per_device.kernel_bytes_estimate") for report in reports["server"]]
        yield row


def beating(devices, heartbeat, seconds):
    """Devices that logged in over one heartbeat, so that theirs are spread over each that follows."""
    return ["idle", "--devices", devices, "--heartbeat", heartbeat, "--ramp", heartbeat, "--duration", seconds]


def quiet(loads, sizes, floors):
    """P3: server and floors at the same time, for it takes minutes and next to no CPU."""
    devices, heartbeat, seconds = sizes["idle_devices"], sizes["quiet_heartbeat_s"], sizes["quiet_s"]
    reports = loads.together(["server", *floors], beating(devices, heartbeat, seconds), heartbeat + seconds)
    row = compared("P3", f"CPU for {devices:,} idle devices, heartbeat {heartbeat} s", "%", "<= 0.3 %", reports, floors,
                   "server.cpu_cores", lambda figure, _: figure <= 0.003)
    row.figure, row.floor = 100 * row.figure, 100 * row.floor
    row.runs = {name: [100 * cores for cores in given] for name, given in row.runs.items()}
    beats = statistics.median(heartbeats_of(report) for report in reports["server"])
    row.notes.append(f"{beats / seconds:.1f} heartbeats a second; server and floors ran at the same time")
    return row


def heartbeats_of(report):
    """How many were answered in the phase."""
    return pick(report, "server.cpu_s") * 1e6 / pick(report, "per_heartbeat.server_cpu_us")


def heartbeats(loads, sizes):
    """P5b."""
    devices, heartbeat, seconds = sizes["beat_devices"], sizes["heartbeat_s"], sizes["beat_s"]
    floors = sizes.get("floors") or CPU_FLOORS
    reports = loads.interleaved(["server", *floors], beating(devices, heartbeat, seconds), heartbeat + seconds)
    row = compared("P5b", f"CPU per heartbeat, {devices // heartbeat:,} a second", "us", "<= 2 x floor", reports, floors,
                   "per_heartbeat.server_cpu_us", lambda _, ratio: ratio <= 2)
    row.notes.append("all that the process does in the phase is in it, waking up for single heartbeats too")
    return row


def logins(loads, sizes, wanted):
    """P4 and P5."""
    devices = sizes["login_devices"]
    floors = sizes.get("floors") or CPU_FLOORS
    path = "per_login.server_cpu_us"
    reports = loads.interleaved(["server", *floors], ["storm", "--devices", devices], devices // 100)
    full = compared("P4", f"CPU per full login, {devices:,} at once", "us", "<= 1.25 x floor", reports, floors, path,
                    lambda _, ratio: ratio <= 1.25)
    if "P4" in wanted:
        yield full
    if "P5" in wanted:
        reports = loads.interleaved(["server", *floors], ["resume", "--devices", devices], devices // 100)
        row = compared("P5", "CPU per resumed login", "us", "<= 1.2 x floor, < P4", reports, floors, path,
                       lambda figure, ratio: ratio <= 1.2 and figure < full.figure)
        if "not resumed" in row.marks:
            row.met = None
        yield row
