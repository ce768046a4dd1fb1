//! The day as the families tell it that write JSON: native, T/CEC 102 and YKC. Shapes follow the documents in
//! `docs/dialects`; every number is written as finely as the family writes it, and no finer.

use serde_json::{Value, json};

use crate::model::{Day, Ending, Happens, Moment, Session, State, epoch_ms};
use crate::tell::{Log, Teller, register_csv};

const J_PER_KWH: f64 = 3_600_000.0;

/// The energy in kWh as JSON writes it.
fn kwh(energy_j: i64) -> f64 {
    energy_j as f64 / J_PER_KWH
}

pub struct Native;

impl Teller for Native {
    const AT_REST_EVERY_S: i64 = 60;

    fn source(&self, _folder: &std::path::Path, _day: &Day) -> String {
        "dialect = 'native'".to_owned()
    }

    fn begin(&mut self, day: &Day, log: &mut Log) {
        let equipment = day.connectors.iter().map(|it| {
            let (id, current) = (it.number.to_string(), if it.is_dc { "dc" } else { "ac" });
            json!({"id": format!("e{id}"), "connectors": [{"id": id, "rated_kw": it.rated_kw, "current": current}]})
        });
        let info = json!({"ts": epoch_ms(0), "name": "day", "area": "530102", "access": "public", "scene": "roadside",
            "equipment": equipment.collect::<Vec<_>>()});
        log.say(0, "ev/v1/53/op/st/info", info);
    }

    fn moment(&mut self, it: &Moment<'_>, log: &mut Log) {
        let topic = |name| format!("ev/v1/53/op/st/{}/{name}", it.connector.number);
        let ts = epoch_ms(it.at_s);
        if let Some(session) = it.session {
            let event = |event| json!({"ts": ts, "session": session.number.to_string(), "event": event});
            let alarm = |state| json!({"ts": ts, "class": "power_module", "state": state});
            match (it.happens, session.ending) {
                (Happens::Plugged, _) => log.say(it.at_s, &topic("session"), event("attempt")),
                (Happens::Began, _) => log.say(it.at_s, &topic("session"), event("start")),
                (Happens::Ended, ending) => {
                    let mut stop = event("stop");
                    stop["energy_kwh"] = json!(kwh(it.session_j));
                    stop["reason"] = json!(if ending == Ending::Enough { "stopped_by_ev" } else { "equipment_fault" });
                    log.say(it.at_s, &topic("session"), stop);
                    if ending == Ending::Broken {
                        log.say(it.at_s, &topic("alarm"), alarm("raised"));
                    }
                }
                (Happens::Freed, Ending::Broken) => log.say(it.at_s, &topic("alarm"), alarm("cleared")),
                _ => {}
            }
        }
        let status = match it.state {
            State::Available => "available",
            State::Occupied => "occupied",
            State::Charging => "charging",
            State::Faulted => "faulted",
        };
        let sample = json!({"ts": ts, "status": status, "power_kw": it.power_w as f64 / 1_000.0,
            "import_kwh": kwh(it.register_j)});
        log.say(it.at_s, &topic("telemetry"), sample);
    }

    fn silence(&mut self, at_s: i64, _day: &Day, log: &mut Log) {
        log.say(at_s, "ev/v1/53/op/st/status", json!("offline"));
    }

    fn back(&mut self, at_s: i64, _day: &Day, log: &mut Log) {
        log.say(at_s, "ev/v1/53/op/st/status", json!("online"));
    }
}

pub struct Cec102;

/// A civil time as clocks in China show it.
fn civil(at_s: i64) -> String {
    format!("2026-11-23 {:02}:{:02}:{:02}", at_s / 3_600, at_s / 60 % 60, at_s % 60)
}

/// kWh to two decimals, as the standard writes `TotalPower`.
fn total_power(energy_j: i64) -> String {
    format!("{:.2}", kwh(energy_j))
}

impl Cec102 {
    const TOPIC: &str = "cec/v1/op/st";

    fn status(it: &Moment<'_>, log: &mut Log) {
        let status = match it.state {
            State::Available => 1,
            State::Occupied => 2,
            State::Charging => 3,
            State::Faulted => 255,
        };
        let info = json!({"ConnectorStatusInfo": {"ConnectorID": it.connector.number.to_string(), "Status": status}});
        log.say(it.at_s, &format!("{}/notification_stationStatus", Self::TOPIC), info);
    }

    fn charge(it: &Moment<'_>, session: &Session, log: &mut Log) {
        let (stage, status) = if it.state == State::Charging { (2, 3) } else { (1, 2) };
        let began_s = session.began_s.filter(|began_s| *began_s <= it.at_s).unwrap_or(session.plugged_s);
        let charge = json!({"StartChargeSeq": format!("op{:025}", session.number), "StartChargeSeqStat": stage,
            "ConnectorID": it.connector.number.to_string(), "ConnectorStatus": status,
            "CurrentA": it.power_w as f64 / 400.0, "VoltageA": 400.0,
            "StartTime": civil(began_s), "EndTime": civil(it.at_s), "TotalPower": total_power(it.session_j)});
        log.say(it.at_s, &format!("{}/notification_equip_charge_status", Self::TOPIC), charge);
    }

    fn order(it: &Moment<'_>, session: &Session, log: &mut Log) {
        let reason = if session.ending == Ending::Enough { 2 } else { 3 };
        let order = json!({"StartChargeSeq": format!("op{:025}", session.number),
            "ConnectorID": it.connector.number.to_string(), "StopReason": reason,
            "StartTime": civil(session.began_s.unwrap_or(session.plugged_s)), "EndTime": civil(it.at_s),
            "TotalPower": total_power(it.session_j)});
        log.say(it.at_s, &format!("{}/notification_charge_order_info", Self::TOPIC), order);
    }

    fn alarm(it: &Moment<'_>, status: u8, log: &mut Log) {
        let alarm = json!({"AlarmInfos": [{"ConnectorID": it.connector.number.to_string(), "AlarmStatus": status,
            "AlarmCode": "23", "AlarmTime": civil(it.at_s)}]});
        log.say(it.at_s, &format!("{}/alarmInfo", Self::TOPIC), alarm);
    }
}

impl Teller for Cec102 {
    const AT_REST_EVERY_S: i64 = 240;

    fn source(&self, _folder: &std::path::Path, _day: &Day) -> String {
        "dialect = 'cec102'".to_owned()
    }

    fn begin(&mut self, day: &Day, log: &mut Log) {
        let equipment = day.connectors.iter().map(|it| {
            let (id, kind) = (it.number.to_string(), if it.is_dc { 4 } else { 3 });
            json!({"EquipmentID": format!("e{id}"), "EquipmentType": if it.is_dc { 1 } else { 2 },
                "ConnectorInfos": [{"ConnectorID": id, "ConnectorType": kind, "Power": it.rated_kw}]})
        });
        let info = json!({"StationID": "st", "OperatorID": "op", "StationName": "day", "AreaCode": "530102",
            "StationType": 1, "StationStatus": 50, "Construction": 10, "EquipmentInfos": equipment.collect::<Vec<_>>()});
        log.say(0, &format!("{}/info", Self::TOPIC), json!({"ts": civil(0), "seq": "1", "data": info}));
    }

    fn moment(&mut self, it: &Moment<'_>, log: &mut Log) {
        if it.happens != Happens::Nothing || it.state != State::Charging {
            Self::status(it, log);
        }
        let Some(session) = it.session else { return };
        match (it.happens, session.ending) {
            (Happens::Plugged | Happens::Began, _) => Self::charge(it, session, log),
            (Happens::Nothing, _) if it.state == State::Charging => Self::charge(it, session, log),
            (Happens::Ended, ending) => {
                Self::order(it, session, log);
                if ending == Ending::Broken {
                    Self::alarm(it, 1, log);
                }
            }
            (Happens::Freed, Ending::Broken) => Self::alarm(it, 0, log),
            _ => {}
        }
    }

    fn silence(&mut self, at_s: i64, _day: &Day, log: &mut Log) {
        log.say(at_s, &format!("{}/status", Self::TOPIC), json!("offline"));
    }

    fn back(&mut self, at_s: i64, _day: &Day, log: &mut Log) {
        log.say(at_s, &format!("{}/status", Self::TOPIC), json!("online"));
    }
}

pub struct Ykc;

impl Ykc {
    /// Energy in 0.0001 kWh.
    const fn units(energy_j: i64) -> i64 {
        (energy_j + 180) / 360
    }

    fn frame(it: &Moment<'_>, name: &str, payload: Value, log: &mut Log) {
        log.say(it.at_s, &format!("charge/ykc/st/{}/{name}", it.connector.number), payload);
    }

    fn trade(session: &Session) -> String {
        format!("{:032}", session.number)
    }

    fn real_time(it: &Moment<'_>, log: &mut Log) {
        let status = match it.state {
            State::Faulted => 1,
            State::Available | State::Occupied => 2,
            State::Charging => 3,
        };
        let charging = it.session.filter(|_| it.state == State::Charging);
        let mut payload = json!({"id": "st", "gunId": format!("{:02}", it.connector.number), "status": status,
            "plugged": i32::from(it.state != State::Available), "tradeSeq": format!("{:032}", 0),
            "hardwareFailure": if it.state == State::Faulted { 2 } else { 0 }});
        if let Some(session) = charging {
            payload["tradeSeq"] = json!(Self::trade(session));
            payload["ov"] = json!(4_000);
            payload["oc"] = json!(it.power_w / 40);
            payload["accumulatedChargingTime"] = json!((it.at_s - session.began_s.unwrap_or(it.at_s)) / 60);
            payload["chargingDegrees"] = json!(Self::units(it.session_j));
        }
        Self::frame(it, "13", payload, log);
    }
}

impl Teller for Ykc {
    const AT_REST_EVERY_S: i64 = 300;

    fn source(&self, folder: &std::path::Path, day: &Day) -> String {
        let register = register_csv(folder, day, |number| number.to_string());
        format!("dialect = 'ykc'\noperator = 'op'\nregister_csv = '{register}'")
    }

    fn moment(&mut self, it: &Moment<'_>, log: &mut Log) {
        if let (Happens::Plugged, Some(session)) = (it.happens, it.session) {
            let answer = json!({"tradeSeq": Self::trade(session), "id": "st", "result": true, "reason": 0});
            Self::frame(it, "33", answer, log);
        }
        Self::real_time(it, log);
        if let (Happens::Ended, Some(session)) = (it.happens, it.session) {
            let reason = match session.ending {
                Ending::Enough => 0x41,
                Ending::Broken => 0x6a,
                Ending::NotStarted => 0x4a,
            };
            let began_s = session.began_s.unwrap_or(session.plugged_s);
            let record = json!({"tradeSeq": Self::trade(session), "id": "st", "stopReason": reason,
                "startAt": epoch_ms(began_s) / 1_000, "endAt": epoch_ms(it.at_s) / 1_000,
                "totalElectricCharge": Self::units(it.session_j)});
            Self::frame(it, "3B", record, log);
        }
    }

    fn silence(&mut self, at_s: i64, day: &Day, log: &mut Log) {
        for connector in &day.connectors {
            let gone = json!({"id": "st", "gunId": connector.number, "status": 0, "hardwareFailure": 0});
            log.say(at_s, &format!("charge/ykc/st/{}/13", connector.number), gone);
        }
    }
}
