#!/usr/bin/env bash
# png.sh FROM TO: makes a PNG in the folder TO of each curve (SVG) in the folder FROM.
set -euo pipefail
command -v rsvg-convert >/dev/null || { apt-get update -qq && apt-get install -qq -y librsvg2-bin; }
mkdir -p "$2"
for curve in "$1"/*.svg; do
    name=$(basename "$curve" .svg)
    rsvg-convert --width 800 --output "$2/$name.png" "$curve"
    echo "$2/$name.png"
done
