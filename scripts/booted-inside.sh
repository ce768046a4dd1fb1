#!/usr/bin/env bash
# What scripts/booted.sh runs inside the booted system. Each step says what it saw; the first that does not hold ends it.
set -uo pipefail
export DEBIAN_FRONTEND=noninteractive SYSTEMD_PAGER= SYSTEMD_COLORS=0
unit=chargetally.service
minutes=/run-here/minutes.ndjson
# Greatest exposure, in tenths, that systemd may find; tests/systemd.rs holds the same.
exposure_max_tenths=10
seen=0

ok() { seen=$((seen + 1)); printf 'ok %2d  %3d s  %s\n' "$seen" "$SECONDS" "$*"; }
fail() {
    printf 'FAILED  %3d s  %s\n' "$SECONDS" "$*"
    systemctl status --no-pager --lines=0 "$unit" || true
    journalctl --no-pager -u "$unit" -n 60 || true
    mosquitto_sub -h 127.0.0.1 -W 2 -t 'chargetally/v1/#' -v 2>/dev/null | cut -c1-1500 || true
    [[ ! -f $minutes ]] || jq -c '[.window.start, .window.revision, .tally.accepted, .tally.duplicate, .tally.import_j]' $minutes
    tail -n 40 /var/log/mosquitto/mosquitto.log || true
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
journal_count() { journalctl --no-pager -u "$unit" -o cat | grep -c -- "$1"; }
journal_has_more() { (($(journal_count "$1") > $2)); }
# A retained value of a topic, waiting a little for it.
retained() { mosquitto_sub -h 127.0.0.1 -W 3 -C 1 -t "$1" 2>/dev/null; }
says_online() { [[ $(retained chargetally/v1/status) == online ]]; }
status_says() { property "$unit" StatusText | grep -q -- "$1"; }
# A sample at QoS 1 of the one connector, with its register in kWh; each is counted.
said=0
say_telemetry() {
    mosquitto_pub -h 127.0.0.1 -q 1 -t ev/v1/53/op/st/1/telemetry \
        -m "{\"ts\":$(date +%s%3N),\"status\":\"charging\",\"power_kw\":60,\"import_kwh\":$1}" || fail "mosquitto_pub"
    said=$((said + 1))
}

# The package as it is, and the same with a lower version, to upgrade from.
older_package() {
    dpkg-deb -R /run-here/chargetally.deb /run-here/older
    sed -i 's/^Version: .*/Version: 0.0.1-1/' /run-here/older/DEBIAN/control
    dpkg-deb -Zgzip -z1 -b /run-here/older /run-here/older.deb
}

install() {
    local path
    older_package >/dev/null || fail "repacking"
    dpkg -i /run-here/older.deb >/run-here/dpkg.log 2>&1 || fail "dpkg -i: $(tail -3 /run-here/dpkg.log)"
    [[ $(systemctl is-enabled $unit 2>/dev/null) == disabled ]] || fail "enabled by the installation"
    is $unit ActiveState inactive || fail "started by the installation"
    chargetally check --config /etc/chargetally --files --quiet || fail "the shipped settings"
    for path in share/doc/chargetally/third-party-licences.gz \
        share/doc/chargetally/sbom.cdx.json.gz share/man/man1/chargetally.1.gz \
        share/man/man5/chargetally.toml.5.gz share/bash-completion/completions/chargetally \
        share/chargetally/dashboards/grafana-national.json; do
        dpkg -L chargetally | grep -qx "/usr/${path}\|/usr/${path%.gz}" || fail "no /usr/$path in the package"
    done
    ok "installed: $(dpkg-query -W chargetally | tr '\t' ' '), neither enabled nor started, settings accepted"
    # Windows of a minute, given out and revised soon, so that there is something to see.
    printf '[publish]\ngrace_s = 1\nrevise_every_s = 5\nlevels = ["nation", "province", "station"]\nwindows = ["1m"]\n' \
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
    mosquitto_sub -h 127.0.0.1 -V 5 -c -x 3600 -q 1 -i recorder -t 'chargetally/v1/summary/1m/station/#' >>$minutes &
    say_telemetry 100
    within 15 "status line" status_says "^subscribed; 1 messages, 1 accepted, 0 rejected"
    ok "status line: $(property $unit StatusText)"
}

journal_fields() {
    journalctl --no-pager -u $unit -o json | jq -es 'map(select(.CHARGETALLY_RETRY_IN_MS and .PRIORITY == "4"
        and .SYSLOG_IDENTIFIER == "chargetally" and (.TARGET | startswith("chargetally::")))) | length > 0' >/dev/null ||
        fail "no fields in the journal"
    ok "the journal has priorities and fields: $(journalctl --no-pager -u $unit -o json -p warning |
        jq -c 'select(.CHARGETALLY_RETRY_IN_MS) | {MESSAGE, PRIORITY, CHARGETALLY_RETRY_IN_MS}' | head -1)"
}

directories() {
    local pid user
    pid=$(property $unit MainPID)
    user=$(stat -c %u "/proc/$pid")
    [[ $user != 0 ]] || fail "it runs as root"
    [[ -L /var/lib/chargetally && -d /var/lib/private/chargetally ]] || fail "no state directory"
    [[ $(stat -c %a /var/lib/private/chargetally) == 700 ]] || fail "the state directory is open to others"
    [[ $(find /var/lib/private/chargetally -type f -perm /077 | wc -l) == 0 ]] || fail "a file of the state is open to others"
    grep -q '^CapEff:[[:space:]]*0000000000000000$' "/proc/$pid/status" || fail "it has capabilities"
    grep -q '^NoNewPrivs:[[:space:]]*1$' "/proc/$pid/status" || fail "it may gain privileges"
    grep -q '^Seccomp:[[:space:]]*2$' "/proc/$pid/status" || fail "no system call filter"
    ok "user $user, no capability, no new privileges, seccomp on, state directory 0700"
    systemd-analyze security --no-pager --threshold=$exposure_max_tenths $unit >/run-here/exposure ||
        fail "too open: $(tail -1 /run-here/exposure)"
    ok "$(tail -1 /run-here/exposure | sed 's/[^ -~]//g; s/^ *//'), at most $exposure_max_tenths tenths; what is left:" \
        "$(grep -a '✗' /run-here/exposure | awk '{ print $2 }' | paste -sd ' ')"
}

reloads() {
    local pid states
    pid=$(property $unit MainPID)
    cp /etc/chargetally/site.toml /run-here/good.toml
    printf '[mqtt]\nkeep_alive_s = 0\n' >/etc/chargetally/site.toml
    systemctl reload $unit
    within 10 "refusal" journal_has "the new settings are refused"
    within 10 "active" is $unit ActiveState active
    [[ $(property $unit MainPID) == "$pid" ]] || fail "another process after a refused reload"
    ok "settings that check refuses leave the old ones running: $(property $unit StatusText)"
    cp /run-here/good.toml /etc/chargetally/site.toml
    # By a bare signal, so that only the daemon's own word makes the unit `reloading`; and that is over so soon that the
    # service manager itself is asked what it saw.
    systemctl log-level debug
    kill -HUP "$pid"
    within 20 "new settings" journal_has "new settings are taken up"
    within 20 "reloading" journal_has "$unit: Changed running -> reload"
    within 20 "reloaded" journal_has "$unit: Changed reload.* -> running"
    systemctl log-level info
    states=$(journalctl --no-pager -u $unit -o cat | grep -- "$unit: Changed .*reload" | cut -d' ' -f3- | paste -sd ',')
    is $unit ActiveState active || fail "not active after a reload"
    [[ $(property $unit MainPID) == "$pid" ]] || fail "another process after a reload"
    ok "SIGHUP: $states, and the good settings are taken up by the same process"
}

is_back() { (($(property $unit NRestarts) > $1)) && is $unit ActiveState active; }

restarts() {
    local before
    before=$(property $unit NRestarts)
    say_telemetry 100.02
    kill -9 "$(property $unit MainPID)"
    sleep 1
    say_telemetry 100.04
    within 30 "restarted" is_back "$before"
    say_telemetry 100.06
    ok "kill -9: restarted and subscribed again, with messages before, meanwhile and after"
    before=$(property $unit NRestarts)
    kill -STOP "$(property $unit MainPID)"
    say_telemetry 100.08
    within 60 "the watchdog" is_back "$before"
    journalctl --no-pager -u $unit | grep -q "Watchdog timeout" || fail "restarted, but not by the watchdog"
    ok "a stuck process is restarted by the watchdog: $(journalctl --no-pager -u $unit -o cat | grep -m1 'Watchdog timeout')"
}

broker_goes() {
    local downs ups
    downs=$(journal_count "connection is down")
    ups=$(journal_count "subscribing connection is up")
    systemctl stop mosquitto
    within 10 "noticed" journal_has_more "connection is down" "$downs"
    sleep "$OUTAGE_S"
    is $unit ActiveState active || fail "it gave up"
    systemctl start mosquitto || fail "Mosquitto does not start again"
    # Attempts grow apart to a minute at most.
    within 90 "connected again" journal_has_more "subscribing connection is up" "$ups"
    within 90 "online" says_online
    say_telemetry 100.1
    within 15 "status line" status_says "^subscribed; "
    ok "the broker was away for $OUTAGE_S s: connected again by itself; $(property $unit StatusText)"
}

# Sums over the last revisions of all minutes so far: samples accepted, and J delivered.
sums() {
    jq -sc 'group_by(.window.start) | map(max_by(.window.revision).tally)
        | [(map(.accepted) | add), (map(.import_j) | add)]' $minutes
}
all_is_there() { [[ $(sums) == "[$said,360000]" ]]; }

nothing_is_lost() {
    # The minute of the last sample has to close first, and those before it be revised; 0.1 kWh are 360 000 J.
    within 130 "all $said samples and 360000 J" all_is_there
    ok "nothing is lost: $said samples accepted, 100.1 - 100 kWh = 360000 J in $(jq -r .window.start $minutes | sort -u |
        wc -l) minutes"
    ok "a summary: $(tail -1 $minutes | head -c 160)..."
    [[ $(journalctl --no-pager -u $unit -p err -o json SYSLOG_IDENTIFIER=chargetally | jq -r .MESSAGE | cut -d' ' -f1-6) == \
        "the new settings are refused, the" ]] || fail "lines at ERROR"
    ok "no line at ERROR but the one of the refused settings"
}

instances() {
    local instance=chargetally@province.service
    mkdir /etc/chargetally/province
    printf 'hunter2-of-province\n' >/etc/chargetally/province/mqtt-password
    chmod 600 /etc/chargetally/province/mqtt-password
    # A broker of its own, that lets nobody in without the password.
    mosquitto_passwd -c -b /run-here/users province hunter2-of-province && chmod 644 /run-here/users
    printf 'listener 1884 127.0.0.1\nallow_anonymous false\npassword_file /run-here/users\n' >/run-here/closed.conf
    systemd-run -q --unit=closed-broker mosquitto -c /run-here/closed.conf || fail "the second broker"
    cat >/etc/chargetally/province/site.toml <<END
[mqtt]
url = "mqtt://127.0.0.1:1884"
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
    timeout 30 systemctl start $instance || fail "the instance: $(journalctl --no-pager -u $instance -n 5 -o cat)"
    is $instance ActiveState active || fail "the instance is not active"
    [[ -d /var/lib/private/chargetally-province ]] || fail "no state directory of the instance"
    is $unit ActiveState active || fail "the plain unit went away"
    journalctl --no-pager | grep -q hunter2 && fail "the password is in the journal"
    ok "chargetally@province beside it, let in by a password that is a credential, and is in no log"
    systemctl stop $instance closed-broker
}

stops() {
    systemctl stop $unit
    journal_has "stopped unsent=0" || fail "it did not send what waited"
    is $unit Result success || fail "result $(property $unit Result)"
    [[ $(retained chargetally/v1/status) == *offline* ]] || fail "the status is not offline"
    ok "stop drains and says offline"
}

upgrades() {
    local pid
    systemctl start $unit || fail "start"
    pid=$(property $unit MainPID)
    dpkg -i /run-here/chargetally.deb >/run-here/dpkg.log 2>&1 || fail "upgrade: $(tail -3 /run-here/dpkg.log)"
    within 20 "active" is $unit ActiveState active
    [[ $(property $unit MainPID) != "$pid" ]] || fail "the old program still runs"
    [[ $(systemctl is-enabled $unit) == enabled ]] || fail "no longer enabled"
    ok "upgraded to $(dpkg-query -W -f '${Version}' chargetally) while it ran: restarted, still enabled"
}

removes() {
    dpkg -r chargetally >/run-here/dpkg.log 2>&1 || fail "remove: $(tail -3 /run-here/dpkg.log)"
    is $unit ActiveState inactive || fail "a removed daemon runs"
    [[ -f /etc/chargetally/chargetally.toml && -d /var/lib/private/chargetally ]] || fail "a removal took settings or state"
    [[ ! -e /usr/bin/chargetally ]] || fail "the binary is still there"
    dpkg -P chargetally >/run-here/dpkg.log 2>&1 || fail "purge: $(tail -3 /run-here/dpkg.log)"
    local left
    # What the administrator wrote stays; nothing else does.
    left=$(find / -xdev -name '*chargetally*' -not -path '/run-here/*' -not -path '/proc/*' -not -path '/etc/mosquitto/*' \
        -not -path '/etc/chargetally' -not -path '/etc/systemd/system/chargetally@province.service.d*')
    [[ -z $left ]] || fail "a purge left: $left"
    [[ $(find /etc/chargetally -type f | sort | paste -sd ' ') == "/etc/chargetally/province/mqtt-password \
/etc/chargetally/province/site.toml /etc/chargetally/site.toml" ]] || fail "settings left: $(find /etc/chargetally)"
    ok "removal keeps settings and state; a purge leaves only what the administrator wrote"
}

for step in install broker_arrives_later journal_fields directories reloads restarts broker_goes nothing_is_lost \
    instances stops upgrades removes; do
    "$step"
done
echo "booted: $seen points hold on $(. /etc/os-release && echo "$PRETTY_NAME"), systemd $(systemctl --version | head -1 | cut -d' ' -f2)"
