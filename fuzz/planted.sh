#!/usr/bin/env bash
# Proves that each target finds a fault: built with the feature `planted`, each must find its own
# within fuzz/planted.sh [SECONDS], 120 without, starting from the checked-in corpus alone.
set -euo pipefail
cd "$(dirname "$0")"
seconds="${1:-120}"
# shellcheck source=fuzz/tool.sh
. ./tool.sh

mkdir -p target/logs
build --features planted
missed=0
for target in $(targets); do
    log="target/logs/$target.planted.log"
    rm -rf "target/planted/$target"
    start="$(date +%s)"
    if fuzz "$target" "$seconds" "target/planted/$target" >"$log" 2>&1; then
        missed=1
        echo "$target: not found in $seconds s"
    elif grep -aq 'the planted fault of' "$log"; then
        runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)"
        echo "$target: found in $(($(date +%s) - start)) s, ${runs:-?} runs"
    else
        missed=1
        tail -40 "$log"
        echo "$target: ended by something else" >&2
    fi
    rm -rf "artifacts/$target"
done
exit "$missed"
