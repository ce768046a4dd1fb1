#!/usr/bin/env bash
# Counts the processor's instructions for decoding a message of each dialect, and for parsing the same JSON into a struct:
# steady where times are not. Needs valgrind. With names as arguments only these cases (`foreign_speed list` tells them).
set -euo pipefail
cd "$(dirname "$0")/.."
command -v valgrind >/dev/null || { echo "valgrind is missing: apt-get install valgrind" >&2; exit 69; }
CARGO_PROFILE_RELEASE_STRIP=none cargo build --quiet --release --no-default-features --example foreign_speed
program="${CARGO_TARGET_DIR:-target}/release/examples/foreign_speed"

# All instructions of so many rounds.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" count "$@" 2>&1 |
        sed -n 's/.*I *refs: *//p' | tr -d ,
}

# Those of one round, without what starting takes.
of_one_round() {
    echo $((($(instructions "$1" "$2" 3000) - $(instructions "$1" "$2" 1000)) / 2000))
}

mapfile -t cases < <(if (($#)); then printf '%s\n' "$@"; else "$program" list; fi)
for case in "${cases[@]}"; do
    decode=$(of_one_round "$case" decode)
    parse=$(of_one_round "$case" parse)
    printf '%-16s decode %6d  parse %6d  ratio %s\n' "$case" "$decode" "$parse" \
        "$(awk -v d="$decode" -v p="$parse" 'BEGIN { printf "%.2f", d / p }')"
done
