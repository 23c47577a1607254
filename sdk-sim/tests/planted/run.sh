#!/bin/sh
# Plants each bug of this folder in a copy of the tree, one at a time, and lets the simulation look
# for it: seeds from 1 on, until one breaks. Prints one row of a table per bug.
#
#   sdk-sim/tests/planted/run.sh [NAME ...]
#
# RINGPOST_PLANTED_SECONDS  how long to look for each bug (default 120)
# RINGPOST_PLANTED_TARGET   a build folder to keep between runs (default: a temporary one)
#
# The copy is built without debug assertions, so that only the simulation's own checks and the
# core's plain assertions speak. Exit 1 if a bug was not found or a patch does not apply.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
seconds=${RINGPOST_PLANTED_SECONDS:-120}

CARGO_TARGET_DIR=${RINGPOST_PLANTED_TARGET:-$work/target}
CARGO_PROFILE_DEV_OPT_LEVEL=2
CARGO_PROFILE_DEV_DEBUG_ASSERTIONS=false
CARGO_PROFILE_DEV_DEBUG=0
CARGO_INCREMENTAL=0
RUST_BACKTRACE=0
RINGPOST_SIM_FIRST=1
RINGPOST_SIM_SECONDS=$seconds
export CARGO_TARGET_DIR CARGO_PROFILE_DEV_OPT_LEVEL CARGO_PROFILE_DEV_DEBUG_ASSERTIONS
export CARGO_PROFILE_DEV_DEBUG CARGO_INCREMENTAL RUST_BACKTRACE RINGPOST_SIM_FIRST
export RINGPOST_SIM_SECONDS

mkdir "$work/tree"
(cd "$root" && tar --exclude=./target --exclude=./.git --exclude=./fuzz/target -cf - .) |
    (cd "$work/tree" && tar -xf -)
cd "$work/tree"

if [ $# -eq 0 ]; then
    set -- $(cd "$here" && ls ./*.patch | sed 's|^\./||; s|\.patch$||')
fi
missed=0
echo '| planted bug | seed | step | what was noticed |'
echo '| --- | --- | --- | --- |'
for name in "$@"; do
    if ! patch -s -p1 <"$here/$name.patch" >"$work/patch.log" 2>&1; then
        echo "| $name | | | THE PATCH DOES NOT APPLY |"
        missed=1
        continue
    fi
    cargo test -q -p sdk-sim --test sim given_fresh -- --nocapture >"$work/run.log" 2>&1 || true
    found=$(sed -n 's/^seed \([0-9]*\) broke at step \([0-9]*\): \(.*\)$/\1 | \2 | \3/p' "$work/run.log" | head -n 1)
    if [ -n "$found" ]; then
        echo "| $name | $(printf %s "$found" | cut -c 1-160) |"
    elif grep -q '^[0-9]* runs from seed' "$work/run.log"; then
        echo "| $name | | | NOT FOUND in $(sed -n 's/^\([0-9]* runs\).*/\1/p' "$work/run.log" | head -n 1) |"
        missed=1
    else
        echo "| $name | | | DOES NOT BUILD |"
        grep -m 5 -E '^error' "$work/run.log" >&2 || true
        missed=1
    fi
    patch -s -R -p1 <"$here/$name.patch"
done
exit $missed
