#!/usr/bin/env bash
# A long run: fuzz/soak.sh CPU_HOURS [TARGET...]. The hours are those of the processor, so that a
# busy machine makes it longer and not poorer. Without targets it runs all of them, half of the
# time for `operations`, which has the most to find; with targets each gets the same. What they
# find by the way stays in fuzz/target/corpus, so that the next run goes on from there.
set -euo pipefail
cd "$(dirname "$0")"
hours="${1:?usage: fuzz/soak.sh CPU_HOURS [TARGET...]}"
shift
# shellcheck source=fuzz/tool.sh
. ./tool.sh

# cpu_s PID: the seconds of the processor that it had; nothing once it has ended.
cpu_s() {
    awk -v ticks="$(getconf CLK_TCK)" '$3 != "Z" { printf "%d", ($14 + $15) / ticks }' \
        "/proc/$1/stat" 2>/dev/null || true
}

# soak TARGET SECONDS LOG: fuzzes until SECONDS of the processor are used, then asks it to end.
soak() {
    local target="$1" seconds="$2" log="$3" pid now used=0
    fuzz "$target" 0 "target/corpus/$target" exec >"$log" 2>&1 &
    pid=$!
    while now="$(cpu_s "$pid")" && [ -n "$now" ]; do
        used="$now"
        # libFuzzer takes this signal as the wish to end in order, and says how far it got.
        [ "$used" -lt "$seconds" ] || kill -USR1 "$pid" 2>/dev/null || true
        sleep 1
    done
    echo "soak: $used seconds of the processor" >>"$log"
    wait "$pid"
}

mkdir -p target/logs
build
total="$(awk -v hours="$hours" 'BEGIN { printf "%d", hours * 3600 }')"
if [ $# -gt 0 ]; then
    chosen=("$@")
    each=$((total / $#))
    operations="$each"
else
    mapfile -t chosen < <(targets)
    each=$((total / 2 / (${#chosen[@]} - 1)))
    operations=$((total / 2))
fi
failed=0
for target in "${chosen[@]}"; do
    seconds="$each"
    [ "$target" != operations ] || seconds="$operations"
    log="target/logs/$target.soak.log"
    if ! soak "$target" "$seconds" "$log"; then
        failed=1
        tail -60 "$log"
        echo "soak: $target found a fault; its input lies in fuzz/artifacts/$target" >&2
    fi
    echo "$(summary "$target" "$log")  $(sed -n 's/^soak: //p' "$log")"
done
exit "$failed"
