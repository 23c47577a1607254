#!/usr/bin/env bash
# More devices than one process may have files for: SERVERS servers on this machine, each with its own data and one shard, and a
# simulator of its own with DEVICES idle devices, all at the same time.
#
#   benches/many.sh [SERVERS] [DEVICES] [SECONDS] [HEARTBEAT]       3 x 19000 for 30 s, 240 s without numbers
#
# The devices log in over one heartbeat, in seconds, so that theirs are spread over the next one, in which the measured time
# begins. Prints what each server takes for a device, and all of them together. The file limit of each process is raised to 20,000 at
# most. RINGPOST_BIN is the folder with the programs, else target/release.
set -euo pipefail
cd "$(dirname "$0")/.."
servers=${1:-3}
devices=${2:-19000}
seconds=${3:-30}
heartbeat=${4:-240}
bin=${RINGPOST_BIN:-target/release}
ulimit -n 20000
scratch=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT
for at in $(seq "$servers"); do
    "$bin/ringpost" serve --data "$scratch/$at" --device 127.0.0.1:0 --http 127.0.0.1:0 --shards 1 \
        >"$scratch/$at.out" 2>"$scratch/$at.log" &
    pids+=($!)
done
loads=()
for at in $(seq "$servers"); do
    while ! grep -q '^ready' "$scratch/$at.out"; do
        kill -0 "${pids[at - 1]}" || { cat "$scratch/$at.log" >&2; exit 1; }
        sleep 0.05
    done
    "$bin/ringpost-sim" load idle --bootstrap "$scratch/$at/bootstrap.json" --devices "$devices" \
        --heartbeat "$heartbeat" --ramp "$heartbeat" --duration "$seconds" --out "$scratch/$at.json" >"$scratch/$at.load" 2>&1 &
    loads+=($!)
    pids+=($!)
done
for load in "${loads[@]}"; do
    wait "$load" || { tail -n 3 "$scratch"/*.load >&2; exit 1; }
done
python3 - "$seconds" "$scratch"/*.json <<'PYTHON'
import json, sys
seconds, runs = float(sys.argv[1]), [json.load(open(path)) for path in sys.argv[2:]]
total = 0
for at, run in enumerate(runs, 1):
    devices = run["logins"]["count"]
    total += devices
    print(f"server {at}: {devices} devices, {run['per_device']['server_bytes']:.0f} bytes of the server for each, "
          f"{100 * run['server']['cpu_cores']:.2f} % of a core")
cpu = sum(run["server"]["cpu_cores"] for run in runs)
growth = sum(run["server"]["rss_growth_bytes"] for run in runs)
# Each run saw what all took of the kernel; both ends of a connection are here.
kernel = max(run["kernel"]["slab_growth_bytes"] + run["kernel"]["tcp_buffers_growth_bytes"] for run in runs) / 2
print(f"together: {total} devices, {growth / total:.0f} bytes for each and some {kernel / total:.0f} of the kernel, "
      f"{100 * cpu:.2f} % of a core")
PYTHON
