#!/usr/bin/env python3
"""Measures every target of the project in one call and prints the table: Ringpost beside the floor programs of this folder.

    benches/targets.py                       everything, medians of three runs
    benches/targets.py --only P1,P4          some targets
    benches/targets.py --quick               small sizes, all at once: whether the script works, no figures

docs/performance.md says how each figure is measured. Python's standard library is enough. Everything runs on loopback,
within 20,000 files a process.
"""

import argparse
import concurrent.futures
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import resource
import signal
import subprocess
import sys
import traceback

from measuring import connections, cores, messages, peers, storage
from measuring.load import Loads
from measuring.subjects import FLOORS, Failure, Programs
from measuring.table import missing, number, text

FILES_MAX = 20_000
# What is measured of other servers, among the targets.
PEERS = "peers"

# What is measured together, in this order; what builds comes last.
GROUPS = [
    ({"P1", "P2", "P3", "P5b"}, connections.idle),
    ({"P4", "P5"}, connections.logins),
    ({"P5c"}, cores.hand_off),
    ({"P6"}, messages.broadcast),
    ({"P7"}, messages.single),
    ({"P7", "P8"}, messages.sustained),
    ({"P9"}, messages.beside_broadcast),
    ({"P11"}, messages.drain),
    ({"P10", "P17"}, storage.committer),
    ({"P12", "P15", "P17"}, storage.million),
    ({"P13"}, messages.growth),
    ({PEERS}, peers.rows),
    ({"P14"}, storage.instructions),
    ({"P16"}, storage.build),
]

SIZES = {
    "idle_devices": 15_000, "idle_s": 20, "quiet_heartbeat_s": 240, "quiet_s": 60,
    "beat_devices": 10_000, "heartbeat_s": 10, "beat_s": 20,
    "login_devices": 10_000,
    "fanout_devices": 10_000, "broadcasts": 5,
    "unicast_devices": 1_000, "unicast_rate": 3_000, "unicast_s": 8, "connections": 256,
    "flood_rate": 40_000, "flood_connections": 500,
    "beside_devices": 100, "beside_rate": 200,
    "drain_devices": 2_000, "drain_messages": 100,
    "commit_s": 4, "million_devices": 1_000_000,
    "growth_devices": (1_000, 5_000, 18_500),
    "peer_subscribers": 2_000, "peer_broadcasts": 10, "peer_singles": 4_000,
}
QUICK = {
    "idle_devices": 100, "idle_s": 1, "quiet_heartbeat_s": 5, "quiet_s": 6,
    "beat_devices": 100, "heartbeat_s": 5, "beat_s": 6,
    "login_devices": 100,
    "fanout_devices": 100, "broadcasts": 2,
    "unicast_devices": 50, "unicast_rate": 200, "unicast_s": 2, "connections": 16,
    "flood_rate": 500, "flood_connections": 32,
    "beside_devices": 10, "beside_rate": 50,
    "drain_devices": 20, "drain_messages": 10,
    "commit_s": 1, "million_devices": 2_000,
    "growth_devices": (50, 100),
    "peer_subscribers": 50, "peer_broadcasts": 2, "peer_singles": 100,
    "floors": ["ring-keys"],
}


def arguments():
    parser = argparse.ArgumentParser(description="Measures the targets of the project.")
    parser.add_argument("--only", metavar="P1,P4", help="targets to measure")
    parser.add_argument("--runs", type=int, default=3, help="runs of each load; the median counts")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that the script works")
    parser.add_argument("--floors", metavar="A,B", help=f"floors to run: {', '.join(FLOORS)}")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=N", help="another size, such as unicast_rate=6000")
    parser.add_argument("--bin", metavar="DIR", help="programs that are built already, such as target/release")
    parser.add_argument("--json", metavar="FILE", help="write the table as JSON")
    parser.add_argument("--scratch", metavar="DIR", help="where data folders are made, instead of the system's place")
    parser.add_argument("--cold-build", action="store_true", help="also build the workspace from nothing (P16)")
    parser.add_argument("--peers", action="store_true", help=f"also {', '.join(peers.PEERS)}, if installed")
    return parser.parse_args()


def machine():
    def of(path, start):
        lines = pathlib.Path(path).read_text().splitlines()
        return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(start)), "unknown")

    return {
        "cpu": of("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory": of("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "load_average_before": os.getloadavg(),
        "commit": git_commit(),
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def git_commit():
    done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def measured(group, loads, sizes, wanted):
    """The rows of a group; a failure is a row, too: an hour of figures does not go with one of them."""
    ids, function = group
    asked = ids & wanted
    rows = []
    try:
        for row in function(loads, sizes, asked):
            rows.append(row)
            # An hour is long without a word.
            print(f"{row.id}: {number(row.figure)} {row.unit}, floor {number(row.floor)}", file=sys.stderr, flush=True)
    except Exception as failure:
        why = str(failure) if isinstance(failure, Failure) else traceback.format_exc(limit=-3)
        there = {row.id.split(" ")[0] for row in rows}
        rows += [missing(id, "see below", "-", why) for id in sorted(asked - there) or [f"{id} rest" for id in sorted(asked)]]
        print(f"{rows[-1].id}: {why}", file=sys.stderr, flush=True)
    return rows


class Table:
    """What was measured so far, and the file that has it."""

    def __init__(self, path, loads, sizes, quick, about):
        self.path, self.loads, self.sizes, self.quick, self.about = path, loads, sizes, quick, about
        self.rows = []

    def add(self, rows):
        self.rows += [dataclasses.replace(row, met=None) for row in rows] if self.quick else rows
        self.rows.sort(key=lambda row: order(row.id))
        self.about["load_average_after"] = os.getloadavg()
        if self.path:
            whole = {"version": 2, "machine": self.about, "runs": self.loads.runs, "quick": self.quick, "sizes": self.sizes,
                     "rows": [dataclasses.asdict(row) for row in self.rows], "commands": self.loads.commands}
            written = self.path.with_name(self.path.name + ".part")
            written.write_text(json.dumps(whole, indent=2) + "\n")
            written.replace(self.path)

    def missing(self):
        """What was to be measured and was not."""
        failed = {row.id for row in self.rows if any(note.startswith("not measured") for note in row.notes)}
        left_out = {"P16 build"} if not self.sizes["cold_build"] else set()
        left_out |= {"P14"} if self.quick else set()
        return sorted(id for id in failed - left_out if not id.startswith("peer "))


def main():
    # What runs ends in order then, as after Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("targets.py: told to end"))
    options = arguments()
    path = pathlib.Path(options.json).resolve() if options.json else None
    for name in ("bin", "scratch"):
        if getattr(options, name):
            setattr(options, name, pathlib.Path(getattr(options, name)).resolve())
    os.chdir(pathlib.Path(__file__).resolve().parent.parent)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = FILES_MAX if hard == resource.RLIM_INFINITY else min(FILES_MAX, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    known = set().union(*(ids for ids, _ in GROUPS))
    wanted = set(options.only.split(",")) if options.only else known - {PEERS}
    wanted |= {PEERS} if options.peers else set()
    if wanted - known:
        sys.exit(f"targets.py: no target {', '.join(sorted(wanted - known))}")
    sizes = {**SIZES, **(QUICK if options.quick else {}), "quick": options.quick, "cold_build": options.cold_build}
    if options.floors:
        sizes["floors"] = sizes["memory_floors"] = options.floors.split(",")
    for name, _, value in (word.partition("=") for word in options.set):
        if not isinstance(SIZES.get(name), int) or not value.isdigit():
            sys.exit(f"targets.py: --set {name}={value}: sizes are {', '.join(SIZES)}")
        sizes[name] = int(value)
    about = machine()
    print(f"{about['time']}  {about['cpu']}, {about['cores']} cores, {about['memory']}, Linux {about['kernel']}, "
          f"{about['files']} files, load average {about['load_average_before'][0]:.2f}, commit {about['commit']}", flush=True)
    try:
        programs = Programs(options.bin)
    except Failure as failure:
        sys.exit(f"targets.py: {failure}")
    about["programs"] = programs.sums()
    loads = Loads(programs, 1 if options.quick else options.runs, options.scratch)
    table = Table(path, loads, sizes, options.quick, about)
    groups = [group for group in GROUPS if group[0] & wanted]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        # Quick figures mean nothing, so that they may disturb each other.
        over = pool.map if options.quick else map
        for rows in over(lambda group: measured(group, loads, sizes, wanted), groups):
            table.add(rows)
    print(text(table.rows))
    print("\n".join(["", *loads.commands]))
    if options.quick:
        print("quick: these are no figures")
    if table.missing():
        sys.exit(f"targets.py: not measured: {', '.join(table.missing())}")


def order(id):
    """P5b between P5 and P6; peers behind all."""
    if id.startswith("peer"):
        return ["999", ""]
    digits = "".join(letter for letter in id.split(" ")[0] if letter.isdigit())
    return [digits.zfill(3), id]


if __name__ == "__main__":
    main()
