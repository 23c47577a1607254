"""Targets of messages: broadcast, single pushes, latencies, drain (P6 to P9, P11), and growth (P13).

Owner: nobody. Always: an open loop; a rate is offered whatever the answers say.
"""

import pathlib
import statistics
import subprocess
import time

from .connections import CPU_FLOORS, compared
from .load import Reports, marks, median, pick
from .subjects import Failure, ended, shown, started
from .table import Row

PER_MESSAGE = "per_message.server_cpu_us"
# Seconds for the devices of a broadcast to be there, and for the load to end when it is told to.
REGISTER_WAIT = 180
END_WAIT = 60
# A thread that used more is what was measured, as in `ringpost-sim load`.
BOUND_SHARE = 0.7
# The most that one load sends.
PUSHES_MAX = 20_000_000


def floors_of(sizes):
    return sizes.get("floors") or CPU_FLOORS


def broadcast(loads, sizes, wanted):
    """P6."""
    devices, times = sizes["fanout_devices"], sizes["broadcasts"]
    words = ["fanout", "--devices", devices, "--broadcasts", times]
    reports = loads.interleaved(["server", *floors_of(sizes)], words, 60)
    yield compared("P6", f"CPU per message, {times} broadcasts to {devices:,}, acked", "us", "<= 1.25 x floor", reports,
                   floors_of(sizes), PER_MESSAGE, lambda _, ratio: ratio <= 1.25)


def without_http(loads, sizes, rate):
    """The CPU of a push that the floor sends by itself, microseconds; the median of the least floor."""
    seconds = sizes["unicast_s"]
    words = ["idle", "--devices", sizes["unicast_devices"], "--duration", seconds]
    costs = {}
    for _ in range(loads.runs):
        for name in floors_of(sizes):
            report = loads.fresh(name, words, seconds, ["--self-push", str(rate)])
            pushed = rate * pick(report, "wall_s")
            costs.setdefault(name, []).append(pick(report, "server.cpu_s") * 1e6 / pushed)
    return min(statistics.median(given) for given in costs.values())


def single(loads, sizes, wanted):
    """P7, one push in a request and 200."""
    devices, seconds, rate = sizes["unicast_devices"], sizes["unicast_s"], sizes["unicast_rate"]
    least = without_http(loads, sizes, rate)
    for id, batch, limit in (("P7", 1, 60), ("P7 batch", 200, 25)):
        words = ["unicast", "--devices", devices, "--rate", rate, "--duration", seconds, "--batch", batch,
                 "--connections", sizes["connections"]]
        reports = loads.interleaved(["server", *floors_of(sizes)], words, seconds)
        row = compared(id, f"CPU per single push, {batch} in a request, {rate:,} a second", "us", f"<= {limit} us", reports,
                       floors_of(sizes), PER_MESSAGE, lambda figure, _, limit=limit: figure <= limit)
        row.notes.append(f"the floor answers HTTP too, and stores nothing; without HTTP it takes {least:.1f} us a push")
        yield row


def sustained(loads, sizes, wanted):
    """The most that the machine sustains: CPU of a push there (P7), and latency at half of it (P8)."""
    devices, seconds = sizes["unicast_devices"], sizes["unicast_s"]
    # A push waits for a flush: with few connections their number would be what is measured.
    base = ["unicast", "--devices", devices, "--connections", sizes["flood_connections"]]
    floods = (("P7 most", 1, 60), ("P7 most batch", 200, 25))
    rates, told = {}, {}
    for id, batch, limit in floods if "P7" in wanted else floods[:1]:
        offered = [*base, "--rate", sizes["flood_rate"], "--duration", max(2, seconds // 2), "--batch", batch]
        flooded = loads.interleaved(["server"], offered, seconds)
        most = median(flooded["server"], "pushes.received_per_s")
        row = compared(id, f"the same, {batch} in a request, as many as get through: {most:,.0f} a second", "us",
                       f"<= {limit} us", flooded, [], PER_MESSAGE, lambda figure, _, limit=limit: figure <= limit)
        # It is meant to refuse what is too much.
        row.marks = [mark for mark in row.marks if mark != "refused"]
        row.notes.append(f"{most / batch:,.0f} requests a second")
        rates[batch], told[batch] = most, row.marks
        if "P7" in wanted:
            yield row
    if "P8" in wanted:
        yield from _latency(loads, sizes, base, rates[1], told[1])


def _latency(loads, sizes, base, most, flood_marks):
    """P8: at half of what the machine sustains."""
    seconds, rate = sizes["unicast_s"], max(1, int(most / 2))
    words = [*base, "--rate", rate, "--duration", seconds]
    names = ["server", *floors_of(sizes)]
    reports = loads.interleaved(names, words, seconds)
    for id, name, limit in (("P8 p50", "p50_us", 1), ("P8 p99", "p99_us", 8)):
        row = compared(id, f"latency of a push at half load, {rate:,} a second, {name[:3]}", "us", f"<= {limit} ms", reports,
                       floors_of(sizes), f"latency.receipt.{name}",
                       lambda figure, _, limit=limit: figure <= limit * 1000)
        told = f" ({', '.join(flood_marks)})" if flood_marks else ""
        row.notes.append(f"the most that was sustained: {most:,.0f} a second{told}, of {sizes['flood_rate']:,} offered")
        yield row


def beside_broadcast(loads, sizes, wanted):
    """P9: a few devices get single pushes while one broadcast after the other goes to all."""
    reports = Reports(["server"])
    for _ in range(loads.runs):
        loads.note(shown("server", []))
        with reports.trying(), started(loads.programs, "server", scratch=loads.scratch) as subject:
            reports["server"].append(_during_broadcasts(loads, sizes, subject))
    row = compared("P9", f"latency of a push beside broadcasts to {sizes['fanout_devices']:,}, p99", "us", "<= 20 ms",
                   reports.checked(), [], "latency.receipt.p99_us", lambda figure, _: figure <= 20_000)
    fanned = statistics.median(pick(report, "pushes.foreign") for report in reports["server"]) / sizes["beside_devices"]
    row.notes.append(f"broadcasts that each device got meanwhile: {fanned:.1f}; the generator of the broadcast is a process of "
                     "its own, on the same cores")
    yield row


def threads_ns(pid):
    """CPU time of each thread of a process."""
    try:
        tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
        return {task.name: int((task / "schedstat").read_text().split()[0]) for task in tasks}
    except OSError:
        return {}


def _during_broadcasts(loads, sizes, subject):
    # More than there will be time for, and no more than a load may send.
    broadcasts = min(1_000, PUSHES_MAX // sizes["fanout_devices"])
    words = ["fanout", "--devices", str(sizes["fanout_devices"]), "--broadcasts", str(broadcasts)]
    command = loads.command(subject, words, subject.folder / "fanout.json")
    said = open(subject.folder / "fanout.log", "w+")
    fanout = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
    try:
        since = time.monotonic()
        while "pushing" not in (subject.folder / "fanout.log").read_text():
            if fanout.poll() is not None or time.monotonic() - since > REGISTER_WAIT:
                raise Failure(f"the broadcast did not begin: {(subject.folder / 'fanout.log').read_text()[-300:]}")
            time.sleep(0.1)
        seconds = sizes["unicast_s"]
        words = ["unicast", "--devices", sizes["beside_devices"], "--rate", sizes["beside_rate"], "--duration", seconds]
        before, since = threads_ns(fanout.pid), time.monotonic_ns()
        report = loads.once(subject, words, seconds)
        after, took = threads_ns(fanout.pid), time.monotonic_ns() - since
        used = [(ns - before.get(id, 0)) / took for id, ns in after.items()]
        # It is one of ours.
        report["machine"]["others_cores"] -= sum(used)
        share = max(used, default=0)
        if share > BOUND_SHARE:
            report["notes"].append(f"generator-bound: a thread of the broadcast's used {share:.2f} of a core")
        if fanout.poll() is not None:
            raise Failure(f"the broadcasts ended before: {(subject.folder / 'fanout.log').read_text()[-300:]}")
        if pick(report, "pushes.foreign") < sizes["beside_devices"]:
            raise Failure("less than one broadcast came meanwhile")
        return report
    finally:
        ended(fanout, END_WAIT)
        said.close()


def drain(loads, sizes, wanted):
    """P11."""
    devices, messages = sizes["drain_devices"], sizes["drain_messages"]
    words = ["offline", "--devices", devices, "--messages", messages]
    reports = loads.interleaved(["server"], words, devices * messages // 500)
    row = compared("P11", f"CPU per message, {messages} waiting for each of {devices:,}", "us", "<= 8 us", reports, [],
                   PER_MESSAGE, lambda figure, _: figure <= 8)
    row.notes.append("the logins of the return, resumed, are in it")
    yield row


def growth(loads, sizes, wanted):
    """P13: P1, P4, P6 and P7 by number of devices and of shards."""
    measured = (
        ("P13 P1", "user memory per idle device", "per_device.server_bytes", ["idle", "--duration", 2]),
        ("P13 P4", "CPU per full login", "per_login.server_cpu_us", ["storm"]),
        ("P13 P6", "CPU per message of a broadcast", PER_MESSAGE, ["fanout", "--broadcasts", sizes["broadcasts"]]),
        ("P13 P7", "CPU per single push", PER_MESSAGE,
         ["unicast", "--rate", sizes["unicast_rate"], "--duration", sizes["unicast_s"], "--connections", sizes["connections"]]),
    )
    for id, what, path, words in measured[: 1 if sizes["quick"] else len(measured)]:
        cases = [(shards, devices) for shards in (1, 2) for devices in sizes["growth_devices"]]
        found = Reports(cases)
        for _ in range(loads.runs):
            for shards, devices in cases:
                with found.trying():
                    report = loads.fresh("server", [*words, "--devices", devices], 120, ["--shards", str(shards)])
                    found[shards, devices].append(report)
        yield _grown(id, what, path, sizes["growth_devices"], found.checked())


def _grown(id, what, path, numbers, found):
    medians = {case: median(given, path) for case, given in found.items()}
    spread = max(
        max(medians[shards, devices] for devices in numbers) / min(medians[shards, devices] for devices in numbers)
        for shards in (1, 2)
    )
    of_shards = max(medians[2, devices] / medians[1, devices] for devices in numbers)
    row = Row(id, f"{what}: most by least, over the numbers of devices", "<= 1.10, and 2 shards <= 1.1 x 1", "x", spread,
              met=spread <= 1.1 and of_shards <= 1.1, marks=marks([report for given in found.values() for report in given]))
    each_case = ", ".join(f"{shards} shards, {devices:,}: {value:,.1f}" for (shards, devices), value in medians.items())
    row.notes.append(f"two shards by one: {of_shards:.2f}; {each_case}")
    if path.startswith("per_device"):
        few, many = min(numbers), max(numbers)
        each = [(many * medians[shards, many] - few * medians[shards, few]) / (many - few) for shards in (1, 2)]
        row.notes.append(f"a device beyond the first {few:,} takes {each[0]:,.0f} and {each[1]:,.0f} bytes: the rest is what "
                         "grows once, whatever their number")
    row.notes.extend(f"a run failed: {why}" for why in found.failures)
    row.runs = {f"{shards}x{devices}": [pick(report, path) for report in given] for (shards, devices), given in found.items()}
    return row
