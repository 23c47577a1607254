#!/usr/bin/env bash
# A long run over all targets in turn: fuzz/soak.sh HOURS by the clock. What they find by the
# way stays in fuzz/target/corpus, so that the next run goes on from there. Half of the time goes
# to `operations`, which has the most to find.
set -euo pipefail
cd "$(dirname "$0")"
hours="${1:?usage: fuzz/soak.sh HOURS}"
# shellcheck source=fuzz/tool.sh
. ./tool.sh

mkdir -p target/logs
build
others=$(($(targets | wc -l) - 1))
total="$(awk -v hours="$hours" 'BEGIN { printf "%d", hours * 3600 }')"
failed=0
for target in $(targets); do
    seconds=$((total / 2 / others))
    [ "$target" != operations ] || seconds=$((total / 2))
    log="target/logs/$target.soak.log"
    if ! fuzz "$target" "$seconds" "target/corpus/$target" >"$log" 2>&1; then
        failed=1
        tail -60 "$log"
        echo "soak: $target found a fault; its input lies in fuzz/artifacts/$target" >&2
    fi
    summary "$target" "$log"
done
exit "$failed"
