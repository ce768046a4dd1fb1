#!/usr/bin/env bash
# What scripts/booted.sh runs inside the booted system. Each step says what it saw; the first that does not hold ends it.
set -uo pipefail
export DEBIAN_FRONTEND=noninteractive SYSTEMD_PAGER= SYSTEMD_COLORS=0
unit=chargetally.service
seen=0

ok() { seen=$((seen + 1)); printf 'ok %2d  %s\n' "$seen" "$*"; }
fail() {
    printf 'FAILED %s\n' "$*"
    systemctl status --no-pager "$unit" || true
    journalctl --no-pager -u "$unit" -n 40 || true
    exit 1
}
property() { systemctl show --property="$2" --value "$1"; }
# Waits until a command succeeds, so many seconds at most.
within() {
    local seconds=$1 what=$2
    shift 2
    local end=$((SECONDS + seconds))
    while ((SECONDS <= end)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    fail "not within $seconds s: $what"
}
is() { [[ $(property "$1" "$2") == "$3" ]]; }
journal_has() { journalctl --no-pager -u "$unit" -o cat | grep -q -- "$1"; }
# The last retained value of a topic, waiting a little for it.
retained() { mosquitto_sub -h 127.0.0.1 -W 5 -C 1 -t "$1" 2>/dev/null; }
say_telemetry() {
    local now
    now=$(date +%s%3N)
    mosquitto_pub -h 127.0.0.1 -q 1 -t "ev/v1/53/op/st$2/1/telemetry" \
        -m "{\"ts\":$now,\"status\":\"charging\",\"power_kw\":$1,\"import_kwh\":$3}"
}

install() {
    dpkg -i /run-here/chargetally.deb >/dev/null 2>&1 || fail "dpkg -i"
    [[ $(systemctl is-enabled $unit 2>/dev/null) == disabled ]] || fail "enabled by the installation"
    is $unit ActiveState inactive || fail "started by the installation"
    chargetally check --config /etc/chargetally --files --quiet || fail "the shipped settings"
    [[ -f /usr/share/man/man1/chargetally.1.gz && -f /usr/share/man/man5/chargetally.toml.5.gz ]] || ls /usr/share/man
    ok "installed: $(dpkg-query -W chargetally), neither enabled nor started, settings accepted"
    # Windows of a minute, given out soon after their end, so that there is something to see.
    printf '[publish]\ngrace_s = 1\nlevels = ["nation", "province", "station"]\nwindows = ["1m"]\n' \
        >/etc/chargetally/site.toml
}

broker_arrives_later() {
    systemctl enable -q $unit
    systemctl start --no-block $unit
    within 15 "the daemon waits for the broker" journal_has "connection is down"
    is $unit ActiveState activating || fail "active before there is a broker: $(property $unit ActiveState)"
    cp /usr/share/doc/chargetally/examples/mosquitto/chargetally.conf /etc/mosquitto/conf.d/ || fail "the snippet"
    systemctl start mosquitto || fail "Mosquitto does not take the snippet"
    within 60 "active" is $unit ActiveState active
    journal_has "subscribed filters=" || fail "active before it had subscribed"
    ok "active only once it had subscribed, to a broker that came later"
    local status
    within 15 "status line" bash -c "systemctl show -p StatusText --value $unit | grep -q ."
    status=$(property $unit StatusText)
    ok "status line: $status"
}

works() {
    local summary=chargetally/v1/summary/1m/nation
    say_telemetry 60 1 100
    sleep 5
    say_telemetry 60 1 100.1
    within 80 "a summary" bash -c "mosquitto_sub -h 127.0.0.1 -W 3 -C 1 -t $summary | grep -q chargetally.summary/1"
    ok "summaries appear: $(retained "$summary" | head -c 100)..."
}

directories() {
    local pid user
    pid=$(property $unit MainPID)
    user=$(stat -c %u "/proc/$pid")
    [[ $user != 0 ]] || fail "it runs as root"
    [[ -L /var/lib/chargetally && -d /var/lib/private/chargetally ]] || fail "no state directory"
    [[ $(stat -c %a /var/lib/private/chargetally) == 700 ]] || fail "the state directory is open to others"
    grep -q '^CapEff:[[:space:]]*0000000000000000$' "/proc/$pid/status" || fail "it has capabilities"
    grep -q '^NoNewPrivs:[[:space:]]*1$' "/proc/$pid/status" || fail "it may gain privileges"
    grep -q '^Seccomp:[[:space:]]*2$' "/proc/$pid/status" || fail "no system call filter"
    ok "user $user, no capability, no new privileges, seccomp on, state directory 0700"
    ok "$(systemd-analyze security --no-pager $unit | tail -1 | sed 's/[^ -~]//g')"
}

reloads() {
    local pid
    pid=$(property $unit MainPID)
    cp /etc/chargetally/site.toml /tmp/good.toml
    printf '[mqtt]\nkeep_alive_s = 0\n' >/etc/chargetally/site.toml
    systemctl reload $unit
    within 10 "refusal" journal_has "the new settings are refused"
    within 10 "active" is $unit ActiveState active
    [[ $(property $unit MainPID) == "$pid" ]] || fail "another process after a refused reload"
    ok "settings that check refuses leave the old ones running: $(property $unit StatusText)"
    cp /tmp/good.toml /etc/chargetally/site.toml
    systemctl reload $unit
    within 10 "taken up" journal_has "new settings are taken up"
    within 20 "active" is $unit ActiveState active
    [[ $(property $unit MainPID) == "$pid" ]] || fail "another process after a reload"
    ok "good settings are taken up by the same process"
}

restarts() {
    local before
    before=$(property $unit NRestarts)
    kill -9 "$(property $unit MainPID)"
    within 30 "restarted" bash -c "[[ \$(systemctl show -p NRestarts --value $unit) -gt $before && \$(systemctl is-active $unit) == active ]]"
    ok "kill -9: restarted and subscribed again"
    before=$(property $unit NRestarts)
    kill -STOP "$(property $unit MainPID)"
    within 60 "the watchdog" bash -c "[[ \$(systemctl show -p NRestarts --value $unit) -gt $before && \$(systemctl is-active $unit) == active ]]"
    journalctl --no-pager -u $unit | grep -q "Watchdog timeout" || fail "restarted, but not by the watchdog"
    ok "a stuck process is restarted by the watchdog"
}

broker_goes() {
    systemctl stop mosquitto
    within 10 "noticed" bash -c "journalctl --no-pager -u $unit -n 3 -o cat | grep -q 'connection is down'"
    sleep "${OUTAGE_S:-60}"
    is $unit ActiveState active || fail "it gave up"
    systemctl start mosquitto
    within 90 "subscribed again" bash -c "journalctl --no-pager -u $unit -n 1 -o cat | grep -qE 'subscribed|connection is up'"
    within 20 "online" bash -c "mosquitto_sub -h 127.0.0.1 -W 3 -C 1 -t chargetally/v1/status | grep -q online"
    ok "the broker was away for ${OUTAGE_S:-60} s: subscribed again by itself"
}

instances() {
    mkdir /etc/chargetally/province
    printf 'hunter2-of-province\n' >/etc/chargetally/province/mqtt-password
    chmod 600 /etc/chargetally/province/mqtt-password
    cat >/etc/chargetally/province/site.toml <<END
[mqtt]
client_id = "chargetally-province"
username = "province"
password_file = "credential:mqtt-password"
[publish]
root = "province/v1"
[state]
directory = "/var/lib/chargetally-province"
END
    mkdir -p /etc/systemd/system/chargetally@province.service.d
    printf '[Service]\nLoadCredential=mqtt-password:/etc/chargetally/province/mqtt-password\n' \
        >/etc/systemd/system/chargetally@province.service.d/credentials.conf
    systemctl daemon-reload
    systemctl start chargetally@province || fail "the instance: $(journalctl --no-pager -u chargetally@province -n 5 -o cat)"
    is chargetally@province.service ActiveState active || fail "the instance is not active"
    journalctl --no-pager | grep -q hunter2 && fail "the password is in the journal"
    ok "chargetally@province beside it, its password a credential that only root can read"
    systemctl stop chargetally@province
}

stops() {
    systemctl stop $unit
    journal_has "stopped unsent=0" || fail "it did not send what waited"
    [[ $(property $unit Result) == success ]] || fail "result $(property $unit Result)"
    [[ $(retained chargetally/v1/status) == *offline* ]] || fail "the status is not offline"
    ok "stop drains and says offline"
}

removes() {
    dpkg -i /run-here/chargetally.deb >/dev/null 2>&1 || fail "upgrade"
    ok "upgraded over itself"
    dpkg -r chargetally >/dev/null 2>&1 || fail "remove"
    [[ -f /etc/chargetally/chargetally.toml && -d /var/lib/private/chargetally ]] || fail "a removal took settings or state"
    [[ ! -e /usr/bin/chargetally ]] || fail "the binary is still there"
    dpkg -P chargetally >/dev/null 2>&1 || fail "purge"
    [[ ! -e /var/lib/private/chargetally && ! -e /var/lib/chargetally && ! -e /etc/chargetally/chargetally.toml ]] \
        || fail "a purge left state or settings"
    ok "removal keeps settings and state, a purge takes them"
}

for step in install broker_arrives_later works directories reloads restarts broker_goes instances stops removes; do
    "$step"
done
echo "booted: $seen points hold on $(. /etc/os-release && echo "$PRETTY_NAME"), systemd $(systemctl --version | head -1 | cut -d' ' -f2)"
