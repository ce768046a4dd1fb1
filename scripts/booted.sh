#!/usr/bin/env bash
# Boots Debian in a container with systemd and Mosquitto, installs the package, and looks whether the service does what
# docs/operations.md says. Needs root, debootstrap, systemd-nspawn and the package (scripts/package.sh). Everything lies
# in one directory under $TMPDIR, removed at the end.
#
#     scripts/booted.sh [PACKAGE.deb]
#
# CHARGETALLY_ROOT names a directory with a Debian made before, or to be made and kept; without it, it is made anew.
# Ends with 0 where all holds, 69 where the machine lacks what it takes to boot a container, else with another code.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null
# How long the booted system may take in all, in seconds; without trouble it is about four minutes.
limit_s=600
include=systemd,systemd-sysv,dbus,mosquitto,mosquitto-clients,jq

missing() { echo "booted.sh: NOT RUN: $*" >&2; exit 69; }
[[ $(id -u) == 0 ]] || missing "needs root"
for program in debootstrap systemd-nspawn; do
    command -v "$program" >/dev/null || missing "needs $program: apt-get install debootstrap systemd-container"
done
package=${1:-$(ls -t "${CARGO_TARGET_DIR:-target}"/debian/chargetally_*.deb 2>/dev/null | head -1)}
[[ -f $package ]] || { echo "booted.sh: needs a package: scripts/package.sh" >&2; exit 66; }

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

base=${CHARGETALLY_ROOT:-$work/root}
if [[ ! -x $base/usr/bin/jq ]]; then
    timeout 600 debootstrap --variant=minbase --include="$include" bookworm "$base" >"$work/debootstrap.log" 2>&1 ||
        { tail -5 "$work/debootstrap.log"; missing "debootstrap has no mirror"; }
fi
[[ $base == "$work/root" ]] || cp -a --reflink=auto "$base" "$work/root"
# Tells a machine without namespaces or control groups from a system that does not come up.
enter=(systemd-nspawn --quiet --register=no --keep-unit --private-network --directory="$work/root")
timeout 60 "${enter[@]}" /bin/true >"$work/console" 2>&1 || { tail -5 "$work/console"; missing "no container can be run here"; }

mkdir "$work/root/run-here"
cp "$package" "$work/root/run-here/chargetally.deb"
cp scripts/booted-inside.sh "$work/root/run-here/"
# The tests run as a unit of the booted system and leave their transcript and exit code behind.
cat >"$work/root/etc/systemd/system/run-here.service" <<END
[Unit]
After=multi-user.target
[Service]
Type=oneshot
Environment=OUTAGE_S=${OUTAGE_S:-60}
ExecStart=/bin/sh -c '/bin/bash /run-here/booted-inside.sh >/run-here/transcript 2>&1; echo \$? >/run-here/code; systemctl poweroff'
END
mkdir -p "$work/root/etc/systemd/system/default.target.wants"
ln -s ../run-here.service "$work/root/etc/systemd/system/default.target.wants/run-here.service"
rm -f "$work/root/etc/systemd/system/multi-user.target.wants/mosquitto.service"

# --private-network: its own loopback and nothing else; no port of this machine is touched.
touch "$work/root/run-here/transcript"
timeout "$limit_s" "${enter[@]}" --boot --machine="chargetally-$$" >"$work/console" 2>&1 &
machine=$!
# The transcript as it comes, to the container's end.
tail -n +1 -s 0.5 -f --pid="$machine" "$work/root/run-here/transcript"
wait "$machine" || true
machine=""
if [[ ! -s $work/root/run-here/code ]]; then
    tail -40 "$work/console"
    echo "booted.sh: the system did not come up, or was not done within $limit_s s" >&2
    exit 1
fi
exit "$(cat "$work/root/run-here/code")"
