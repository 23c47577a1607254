"""The target of what goes from one core to another (P5c).

Owner: nobody. Always: the bench's own figures; each is a median of its runs already.
"""

import json

from .bench import Bench
from .table import Row


def hand_off(loads, sizes, wanted):
    """P5c."""
    runs = 1 if sizes["quick"] else 5
    bench = Bench(loads)
    of = json.loads(bench.said(loads.programs.hand_off, ["--json", "--runs", str(runs)]))
    idle, floor, busy = of["idle_p99_us"], of["eventfd_p99_us"], of["busy_p99_us"]
    yield Row("P5c ring", "hand-off to a shard's executor, saturated", "<= 60 ns", "ns", of["saturated_ns"],
              met=of["saturated_ns"] <= 60, marks=bench.marks())
    yield Row("P5c idle", "the same to a shard that sleeps, p99", "<= 1.5 x eventfd", "us", idle, floor, idle / floor,
              idle <= 1.5 * floor, bench.marks(), [f"p50 {of['idle_p50_us']:.1f} us, of the eventfd {of['eventfd_p50_us']:.1f}"])
    yield Row("P5c busy", "the same to a shard that broadcasts, p99", "<= 2 ms", "us", busy, met=busy <= 2000,
              marks=bench.marks(), notes=[f"p50 {of['busy_p50_us']:.1f} us"])
