#!/usr/bin/env bash
# Counts instructions per call of each function of benches/hot_paths.rs under callgrind, prints them
# beside benches/instructions.txt, and fails when one rose by more than 10 %.
#
#   benches/instructions.sh           compare
#   benches/instructions.sh --write   write the counts down (a rise needs a reason in the commit)
#
# valgrind: Debian's package of that name.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "instructions.sh: valgrind is missing (apt-get install valgrind)" >&2; exit 1; }

program=$(cargo bench --bench hot_paths --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"executable":"\([^"]*hot_paths[^"]*\)".*/\1/p' | tail -n 1)
[ -x "$program" ] || { echo "instructions.sh: the bench did not build" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Two counts of calls; their difference is free of start and end.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file="$scratch/out" "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}

for name in $("$program" list); do
    few=$(instructions "$name" 1000)
    many=$(instructions "$name" 3000)
    echo "$name $(((many - few) / 2000))"
done >"$scratch/counts"

if [ "${1:-}" = "--write" ]; then
    cp "$scratch/counts" benches/instructions.txt
fi

failed=0
printf '%-14s %10s %10s %8s\n' function now before change
while read -r name now; do
    before=$(sed -n "s/^$name //p" benches/instructions.txt)
    if [ -z "$before" ]; then
        printf '%-14s %10s %10s\n' "$name" "$now" "-"
        continue
    fi
    change=$(((now - before) * 1000 / before))
    sign=$([ "$change" -lt 0 ] && echo - || true)
    size=${change#-}
    printf '%-14s %10s %10s %5s.%d %%\n' "$name" "$now" "$before" "$sign$((size / 10))" $((size % 10))
    if [ "$change" -gt 100 ]; then
        echo "instructions.sh: $name rose by more than 10 %" >&2
        failed=1
    fi
done <"$scratch/counts"
exit "$failed"
