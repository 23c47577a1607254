"""Targets of the store, of a million devices and of the build (P10, P12, P14 to P17).

Owner: nobody. Always: the benches' own words are read; a figure that they do not print is not measured.
"""

import os
import re
import shutil
import statistics
import tempfile
import time

from .bench import Bench
from .subjects import Failure
from .table import Row, missing

BUILD_WAIT = 3600


def committer(loads, sizes, wanted):
    """P10, and the disk of P17."""
    runs = []
    bench = Bench(loads)
    words = ["--seconds", str(sizes["commit_s"]), "--pushes", str(sizes["million_devices"])]
    for _ in range(loads.runs):
        lines = bench.said(loads.programs.committer, words).splitlines()
        runs.append({name: float(value) for name, value in (line.split() for line in lines)})
    refused = sum(run["refused"] for run in runs)

    def of(name):
        return statistics.median(run[name] for run in runs)

    def each(name):
        return {"server": [run[name] for run in runs]}

    if "P10" in wanted:
        rate, floor = of("flood_per_s"), of("floor_per_s")
        yield Row("P10 rate", "durable accepts of the store path alone, 200 bytes", ">= 90 k/s", "/s", rate, floor,
                  rate / floor, rate >= 90_000 and refused == 0, bench.marks(),
                  ["floor: one write and one flush of a file for each batch of 2,048",
                   f"p99 of a commit while flooded: {of('flood_commit_p99_us') / 1000:.1f} ms"], each("flood_per_s"))
        p99 = of("half_rate_commit_p99_us")
        yield Row("P10 p99", f"commit at half of that, {of('half_rate_per_s'):,.0f} a second, p99", "<= 10 ms", "us", p99,
                  of("floor_batch_p99_us"), None, p99 <= 10_000 and refused == 0, bench.marks(),
                  [f"p50 {of('half_rate_commit_p50_us'):,.0f} us; behind the flood, whose tables are merged meanwhile"],
                  each("half_rate_commit_p99_us"))
    if "P17" in wanted:
        disk, name = of("disk_bytes_per_push"), "disk_bytes_per_push_after_its_day"
        yield Row("P17 disk", f"disk of a stored push of 200 bytes, of {of('stored'):,.0f}", "<= 400 B", "B", disk,
                  met=disk <= 400, notes=["its answer, which a repeat of its request id gets, is in it; the journal "
                                          f"({of('journal_bytes') / 1e6:.0f} MB, bounded) is not"])
        if all(name in run for run in runs):
            yield Row("P17 day", "the same after its day", "0", "B", of(name), met=of(name) < 1,
                      notes=["what an operator is told of tasks and outcomes stays for a week"])
        else:
            yield missing("P17 day", "the same after its day", "0", "no faketime (Debian's package of that name)")


def million(loads, sizes, wanted):
    """P12, P15 and the memory of P17."""
    devices = str(sizes["million_devices"])
    bench = Bench(loads)
    if wanted & {"P12", "P15"}:
        text = bench.said(loads.programs.million, ["--devices", devices])
        if "P12" in wanted:
            found = _found(r"eight conditions: .*?; ([\d.]+) ms", text)
            listed = _found(r"listed in order for a push: .*? in ([\d.]+) ms", text)
            yield Row("P12", f"eight conditions over {int(devices):,} devices", "<= 5 ms", "ms", found, met=found <= 5,
                      marks=bench.marks(), notes=[f"counted; the list that a push wants takes {listed:.1f} ms, both shards one "
                                                  "after the other, each in one step"])
        if "P15" in wanted:
            starts = {cache: [float(value) for value in re.findall(cache + r" start \d+ to ready: ([\d.]+) s", text)]
                      for cache in ("cold", "warm")}
            if not all(starts.values()):
                raise Failure(f"no start: {text[-300:]}")
            value = statistics.median(starts["cold"])
            yield Row("P15", f"start to ready, {int(devices):,} devices and messages, nothing of it in the kernel's cache", "<= 3 s",
                      "s", value, met=value <= 3, marks=bench.marks(), runs=starts,
                      notes=[f"with its files in the cache {statistics.median(starts['warm']):.2f} s"])
    if "P17" in wanted:
        text = bench.said(loads.programs.million, ["--devices", devices, "--bare"])
        value = _found(r"a registered device: ([\d.]+) bytes", text)
        yield Row("P17 memory", "memory of a registered device that is away, no tags", "<= 64 B", "B", value, met=value <= 64)


def _found(pattern, text):
    found = re.search(pattern, text)
    if not found:
        raise Failure(f"no {pattern} in {text[-300:]}")
    return float(found[1])


def instructions(loads, sizes, wanted):
    """P14."""
    what, target = "instructions of the hot paths, most of all rises", "<= 10 %"
    if sizes["quick"]:
        yield missing("P14", what, target, "benches/instructions.sh does it in CI")
        return
    # It ends with 1 if one rose by too much, and if it counted nothing.
    text = Bench(loads).said("benches/instructions.sh", [], BUILD_WAIT, codes=(0, 1))
    changes = [float(value) for value in re.findall(r"(-?[\d.]+) %$", text, re.MULTILINE)]
    if not changes:
        raise Failure(f"benches/instructions.sh counted nothing: {text[-300:]}")
    yield Row("P14", what, target, "%", max(changes), met=max(changes) <= 10)


def build(loads, sizes, wanted):
    """P16."""
    bench = Bench(loads)
    with tempfile.TemporaryDirectory() as folder:
        stripped = os.path.join(folder, "ringpost")
        if shutil.which("strip"):
            bench.said("strip", ["-o", stripped, loads.programs.server])
            size = os.path.getsize(stripped) / 1e6
            yield Row("P16 size", "release binary, stripped", "<= 20 MB", "MB", size, met=size <= 20)
        else:
            yield missing("P16 size", "release binary, stripped", "<= 20 MB", "no strip (binutils)")
        what, target = "cold build of the workspace", "<= 6 min"
        if not sizes["cold_build"]:
            yield missing("P16 build", what, target, "only with --cold-build")
            return
        began = time.monotonic()
        bench = Bench(loads)
        bench.said("cargo", ["build", "--release"], BUILD_WAIT, CARGO_TARGET_DIR=os.path.join(folder, "target"))
        minutes = (time.monotonic() - began) / 60
        yield Row("P16 build", what, target, "min", minutes, met=minutes <= 6, marks=bench.marks())
