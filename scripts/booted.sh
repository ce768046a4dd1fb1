#!/usr/bin/env bash
# Boots Debian in a container with systemd and Mosquitto, installs the package, and looks whether the service does what
# docs/operations.md says. Needs root, debootstrap, systemd-nspawn and the package (scripts/package.sh); tells what is
# missing and ends with 69. Everything lies in one directory under $TMPDIR, removed at the end.
#
#     scripts/booted.sh [PACKAGE.deb]
#
# CHARGETALLY_ROOT names a directory with a Debian made before (or to be made and kept) by
#     debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,mosquitto,mosquitto-clients bookworm DIR
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

missing() { echo "booted.sh: $*" >&2; exit 69; }
[[ $(id -u) == 0 ]] || missing "NOT RUN: needs root"
for program in debootstrap systemd-nspawn; do
    command -v "$program" >/dev/null || missing "needs $program: apt-get install debootstrap systemd-container"
done
package=${1:-$(ls -t "${CARGO_TARGET_DIR:-target}"/debian/chargetally_*.deb 2>/dev/null | head -1)}
[[ -f $package ]] || missing "needs a package: scripts/package.sh"

work=$(mktemp -d)
machine=""
finish() {
    if [[ -n $machine ]]; then
        kill -TERM "$machine" 2>/dev/null || true
        wait "$machine" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

base=${CHARGETALLY_ROOT:-$work/base}
if [[ ! -x $base/usr/bin/systemctl ]]; then
    debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,mosquitto,mosquitto-clients bookworm "$base" \
        >"$work/debootstrap.log" 2>&1 || { tail -5 "$work/debootstrap.log"; missing "debootstrap failed"; }
fi
cp -a --reflink=auto "$base" "$work/root"
mkdir "$work/root/run-here"
cp "$package" "$work/root/run-here/chargetally.deb"
cp scripts/booted-inside.sh "$work/root/run-here/"

# The tests run as a unit of the booted system and leave their transcript and exit code behind.
cat >"$work/root/etc/systemd/system/run-here.service" <<'END'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c '/bin/bash /run-here/booted-inside.sh >/run-here/transcript 2>&1; echo $? >/run-here/code; systemctl poweroff'
END
mkdir -p "$work/root/etc/systemd/system/default.target.wants"
ln -s ../run-here.service "$work/root/etc/systemd/system/default.target.wants/run-here.service"
rm -f "$work/root/etc/systemd/system/multi-user.target.wants/mosquitto.service"

# --private-network: its own loopback and nothing else; no port of this machine is touched.
timeout 300 systemd-nspawn --quiet --register=no --keep-unit --private-network --boot \
    --directory="$work/root" --machine="chargetally-$$" >"$work/console" 2>&1 &
machine=$!
wait "$machine" || true
machine=""
cat "$work/root/run-here/transcript" 2>/dev/null || { tail -40 "$work/console"; missing "the system did not come up"; }
code=$(cat "$work/root/run-here/code" 2>/dev/null || echo 70)
exit "$code"
