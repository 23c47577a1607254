"""Targets of the store, of a million devices and of the build (P10, P12, P14 to P17).

Owner: nobody. Always: the benches' own words are read; a figure that they do not print is not measured.
"""

import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from .subjects import Failure
from .table import Row, missing

BENCH_WAIT = 1800
BUILD_WAIT = 3600


def said(command, wait=BENCH_WAIT, **more):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=wait, **more)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: {(done.stderr or done.stdout)[-500:]}")
    return done.stdout


def committer(loads, sizes, wanted):
    """P10, and the disk of P17."""
    runs = []
    for _ in range(loads.runs):
        lines = said([loads.programs.committer, "--seconds", str(sizes["commit_s"]), "--pushes", str(sizes["million_devices"])]).splitlines()
        runs.append({name: float(value) for name, value in (line.split() for line in lines)})
    of = lambda name: statistics.median(run[name] for run in runs)
    refused = sum(run["refused"] for run in runs)
    rows = []
    if "P10" in wanted:
        rate, floor = of("flood_per_s"), of("floor_per_s")
        rows.append(Row("P10 rate", "durable accepts of the store path alone, 200 bytes", ">= 90 k/s", "/s", rate, floor,
                        rate / floor, rate >= 90_000 and refused == 0,
                        notes=["floor: one write and one flush of a file for each batch of 2,048",
                               f"p99 of a commit while flooded: {of('flood_commit_p99_us') / 1000:.1f} ms"]))
        p99 = of("half_rate_commit_p99_us")
        rows.append(Row("P10 p99", f"commit at half of that, {of('half_rate_per_s'):,.0f} a second, p99", "<= 10 ms", "us", p99,
                        of("floor_batch_p99_us"), None, p99 <= 10_000))
    if "P17" in wanted:
        disk, name = of("disk_bytes_per_push"), "disk_bytes_per_push_after_its_day"
        rows.append(Row("P17 disk", f"disk of a stored push of 200 bytes, of {of('stored'):,.0f}", "<= 400 B", "B", disk,
                        met=disk <= 400, notes=["its answer, which a repeat of its request id gets, is in it; the journal "
                                                f"({of('journal_bytes') / 1e6:.0f} MB, bounded) is not"]))
        if all(name in run for run in runs):
            rows.append(Row("P17 day", "the same after its day", "0", "B", of(name), met=of(name) < 1,
                            notes=["what an operator is told of tasks and outcomes stays for a week"]))
        else:
            rows.append(missing("P17 day", "the same after its day", "0", "no faketime (Debian's package of that name)"))
    return rows


def million(loads, sizes, wanted):
    """P12, P15 and the memory of P17."""
    devices = str(sizes["million_devices"])
    rows = []
    if wanted & {"P12", "P15"}:
        text = said([loads.programs.million, "--devices", devices])
        if "P12" in wanted:
            found = re.search(r"eight conditions: .*?; ([\d.]+) ms", text)
            value = float(found[1]) if found else None
            rows.append(Row("P12", f"eight conditions over {int(devices):,} devices", "<= 5 ms", "ms", value,
                            met=value is not None and value <= 5))
        if "P15" in wanted:
            starts = [float(value) for value in re.findall(r"to ready: ([\d.]+) s", text)]
            value = statistics.median(starts) if starts else None
            rows.append(Row("P15", f"start to ready, {int(devices):,} devices and messages", "<= 3 s", "s", value,
                            met=value is not None and value <= 3, runs={"server": starts}))
    if "P17" in wanted:
        text = said([loads.programs.million, "--devices", devices, "--bare"])
        found = re.search(r"a registered device: ([\d.]+) bytes", text)
        value = float(found[1]) if found else None
        rows.append(Row("P17 memory", "memory of a registered device that is away, no tags", "<= 64 B", "B", value,
                        met=value is not None and value <= 64))
    return rows


def instructions(loads, sizes, wanted):
    """P14."""
    what, target = "instructions of the hot paths, most of all rises", "<= 10 %"
    if sizes["quick"]:
        return [missing("P14", what, target, "benches/instructions.sh does it in CI")]
    done = subprocess.run(["benches/instructions.sh"], capture_output=True, text=True, timeout=BUILD_WAIT)
    changes = [float(value) for value in re.findall(r"(-?[\d.]+) %$", done.stdout, re.MULTILINE)]
    if not changes:
        raise Failure(f"benches/instructions.sh: {done.stderr[-300:]}")
    return [Row("P14", what, target, "%", max(changes), met=done.returncode == 0)]


def build(loads, sizes, wanted):
    """P16."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        stripped = os.path.join(folder, "ringpost")
        if shutil.which("strip"):
            said(["strip", "-o", stripped, loads.programs.server])
            size = os.path.getsize(stripped) / 1e6
            rows.append(Row("P16 size", "release binary, stripped", "<= 20 MB", "MB", size, met=size <= 20))
        else:
            rows.append(missing("P16 size", "release binary, stripped", "<= 20 MB", "no strip (binutils)"))
        what, target = "cold build of the workspace", "<= 6 min"
        if not sizes["cold_build"]:
            return [*rows, missing("P16 build", what, target, "only with --cold-build")]
        began = time.monotonic()
        environment = {**os.environ, "CARGO_TARGET_DIR": os.path.join(folder, "target")}
        said(["cargo", "build", "--release"], BUILD_WAIT, env=environment)
        minutes = (time.monotonic() - began) / 60
        rows.append(Row("P16 build", what, target, "min", minutes, met=minutes <= 6))
    return rows
