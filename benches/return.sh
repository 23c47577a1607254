#!/usr/bin/env bash
# How long devices are away when their server is restarted: N devices stay connected by `ringpost-sim devices`, the server is
# stopped by SIGTERM and started again on the same data and ports, and the log of the devices says when each was back.
#
#   benches/return.sh [DEVICES]       15000 without a number
#
# Four rounds on the same devices: the drain spread over 5 s and over 1 s, each with the keys of TLS tickets and, for a full handshake
# of every device, without. A file limit above DEVICES is needed for each of the two processes. RINGPOST_BIN is the
# folder with the programs, else target/release.
set -euo pipefail
cd "$(dirname "$0")/.."
devices=${1:-15000}
bin=${RINGPOST_BIN:-target/release}
scratch=$(mktemp -d)
server='' fleet=''
trap 'kill $fleet $server 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT
config=$scratch/ringpost.toml
events=$scratch/events.jsonl
bootstrap=$scratch/data/bootstrap.json

now_ms() { date +%s%3N; }

# Waits for a line that begins so, in a file that its process writes.
line_of() { # FILE START PID
    while ! grep -m 1 "^$2" "$1" 2>/dev/null; do
        kill -0 "$3" || { echo "return.sh: ended before \"$2\"; see $scratch" >&2; trap - EXIT; exit 1; }
        sleep 0.01
    done
}

serve() { # DEVICE HTTP
    : >"$scratch/stdout"
    "$bin/ringpost" serve --config "$config" --data "$scratch/data" --device "$1" --http "$2" \
        >"$scratch/stdout" 2>>"$scratch/server.log" &
    server=$!
    ready=$(line_of "$scratch/stdout" ready "$server")
    device=$(sed 's/.* device=\([^ ]*\).*/\1/' <<<"$ready")
    http=$(sed 's/.* http=\([^ ]*\).*/\1/' <<<"$ready")
}

# CPU of a process in ms: all its threads, on a core.
cpu_ms() { cat /proc/"$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%d", sum / 1e6 }'; }

# Bytes that a device has received on its connection, on average: a resumed handshake has some 500 less.
received() {
    command -v ss >/dev/null || { echo -; return; }
    ss -tinH state established "dport = :${device##*:}" | grep -o 'bytes_received:[0-9]*' |
        awk -F: '{ sum += $2 } END { printf "%d", NR ? sum / NR : 0 }'
}

# Logins in the log of the devices from a byte on.
back_since() { tail -c "+$1" "$events" | grep -c '"ev":"online"' || true; }

round() { # NAME JITTER_S KEEP
    printf '[drain]\njitter_s = %s\n' "$2" >"$config"
    "$bin/ringpost" reload --bootstrap "$bootstrap" >/dev/null
    local offset fleet_before stopped ended started cpu
    offset=$(($(stat -c %s "$events") + 1))
    fleet_before=$(cpu_ms "$fleet")
    stopped=$(now_ms)
    kill -TERM "$server"
    wait "$server"
    ended=$(now_ms)
    [ "$3" = yes ] || rm "$scratch/data/tls/tickets"
    serve "$device" "$http"
    started=$(now_ms)
    while [ "$(back_since "$offset")" -lt "$devices" ]; do sleep 0.5; done
    cpu=$(cpu_ms "$server")
    tail -c "+$offset" "$events" | sed -n 's/.*"ns":\([0-9]*\).*"ev":"\([a-z]*\)".*/\2 \1/p' |
        awk -v stopped="$stopped" '$1 == "online" { printf "%d\n", $2 / 1e6 - stopped }' | sort -n |
        awk -v name="$1" -v ended=$((ended - stopped)) -v ready=$((started - stopped)) -v cpu="$cpu" \
            -v received="$(received)" -v fleet=$(($(cpu_ms "$fleet") - fleet_before)) '
            { at[NR] = $1 }
            END {
                printf "%-22s ended %6d ms  ready %6d ms  first %6d  half %6d  99%% %6d  last %6d ms", name, ended, ready,
                    at[1], at[int((NR + 1) / 2)], at[int(NR * 0.99)], at[NR]
                printf "  logins %d  server %d ms, devices %d ms CPU  %s bytes a device\n", NR, cpu, fleet, received
            }'
}

echo "$(date -u +%FT%TZ)  $(nproc) cores, load average $(cut -d ' ' -f 1-3 /proc/loadavg), file limit $(ulimit -n)"
: >"$config"
serve 127.0.0.1:0 127.0.0.1:0
: >"$events"
"$bin/ringpost-sim" devices --bootstrap "$bootstrap" --count "$devices" --events "$events" >"$scratch/fleet" 2>>"$scratch/fleet.log" &
fleet=$!
line_of "$scratch/fleet" ready "$fleet" >/dev/null
echo "times from SIGTERM; the server's CPU from its start on"
round 'tickets, jitter 5 s' 5 yes
round 'full, jitter 5 s' 5 no
round 'tickets, jitter 1 s' 1 yes
round 'full, jitter 1 s' 1 no
echo "$(date -u +%FT%TZ)  load average $(cut -d ' ' -f 1-3 /proc/loadavg)"
