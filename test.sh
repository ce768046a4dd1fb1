#!/usr/bin/env bash
# Installs what the tests need and the system lacks, then runs all of them. Extra arguments go to the test runner:
#   ./test.sh            everything
#   ./test.sh settings   what has "settings" in its name
# The closing lines say how many tests passed and failed; the exit code is 0 only where all passed.
set -euo pipefail
cd "$(dirname "$0")"
export CARGO_TERM_COLOR=never DEBIAN_FRONTEND=noninteractive
# Some tests put the daemon under load: code without any optimisation would measure itself.
export CARGO_PROFILE_DEV_OPT_LEVEL="${CARGO_PROFILE_DEV_OPT_LEVEL:-1}"

# A program the tests run, and the Debian package that has it.
needed=(
    "mosquitto mosquitto"
    "mosquitto_pub mosquitto-clients"
    "systemd-analyze systemd"
    "cc gcc"
    "sqlite3 sqlite3"
    "unshare util-linux"
    "python3 python3"
)
packages=()
PATH="$PATH:/usr/sbin:/sbin:$HOME/.cargo/bin"
for entry in "${needed[@]}"; do
    read -r program package <<<"$entry"
    command -v "$program" >/dev/null || packages+=("$package")
done
# One test makes an environment of its own for the Python packages that it needs.
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)
if ((${#packages[@]})); then
    root=()
    if ((EUID != 0)); then root=(sudo -n); fi
    if ! command -v apt-get >/dev/null; then
        echo "test.sh: please install: ${packages[*]}" >&2
        exit 69
    fi
    echo "test.sh: installing ${packages[*]}"
    "${root[@]}" apt-get update -qq </dev/null
    "${root[@]}" apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null
fi
if ! command -v cargo >/dev/null; then
    echo "test.sh: please install Rust: https://rustup.rs" >&2
    exit 69
fi

output=$(mktemp)
trap 'rm -f "$output"' EXIT
status=0
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run --workspace --no-fail-fast "$@" </dev/null 2>&1 | tee "$output" || status=$?
    # nextest runs no examples in documentation.
    cargo test --workspace --doc --no-fail-fast -- "$@" </dev/null 2>&1 | tee -a "$output" || status=$?
else
    cargo test --workspace --no-fail-fast -- "$@" </dev/null 2>&1 | tee "$output" || status=$?
fi

# Both runners' summaries, added up: "Summary [1s] 9 tests run: 8 passed, 1 failed, .." and "test result: ok. 8 passed; ..".
count() { grep -E '^ *Summary |^test result:' "$output" | grep -oE "[0-9]+ $1" | awk '{ n += $1 } END { print n + 0 }'; }
passed=$(count passed || true)
failed=$(count failed || true)
echo
echo "tests passed: $passed"
echo "tests failed: $failed"
if ((status == 0 && failed == 0 && passed > 0)); then
    echo "result: ok"
else
    echo "result: FAILED"
    exit 1
fi
