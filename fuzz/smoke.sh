#!/usr/bin/env bash
# Each fuzz target for some seconds: fuzz/smoke.sh [SECONDS], 10 without. Fails at the first finding.
set -euo pipefail
cd "$(dirname "$0")"
seconds="${1:-10}"
# shellcheck source=fuzz/tool.sh
. ./tool.sh

mkdir -p target/logs
build
for target in $(targets); do
    log="target/logs/$target.log"
    if ! fuzz "$target" "$seconds" "target/corpus/$target" >"$log" 2>&1; then
        tail -60 "$log"
        echo "smoke: $target found a fault; its input lies in fuzz/artifacts/$target" >&2
        exit 1
    fi
    summary "$target" "$log"
done
