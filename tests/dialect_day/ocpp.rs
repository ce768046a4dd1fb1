//! The day as charge points of OCPP 1.6 and charging stations of 2.1 tell it: changes when they happen, readings while
//! they deliver, heartbeats otherwise. OCPP has no word for being out of reach: then nothing comes at all.

use std::path::Path;

use serde_json::{Value, json};

use crate::model::{Day, Ending, Happens, Moment, Session, State, epoch_ms};
use crate::tell::{Log, Teller, register_csv};

/// How long before its end a session that never starts had been begun, s.
const TRIED_S: i64 = 20;

fn time(at_s: i64) -> String {
    jiff::Timestamp::from_millisecond(epoch_ms(at_s)).expect("a time of this age").to_string()
}

fn call(log: &mut Log, at_s: i64, topic: &str, action: &str, payload: &Value) -> String {
    let id = format!("{action}-{at_s}-{}", payload["connectorId"].as_u64().unwrap_or_default());
    log.say(at_s, topic, json!([2, id, action, payload]));
    id
}

/// OCPP 1.6: registers in whole Wh, as `meterStart` and `meterStop` are.
pub struct Ocpp16 {
    /// When the station could be heard again, s.
    back_s: Option<i64>,
}

impl Ocpp16 {
    const TOPIC: &str = "cs/in/ocpp1.6/st";

    pub const fn new() -> Self {
        Self { back_s: None }
    }

    /// Wh, rounded.
    const fn register_wh(register_j: i64) -> i64 {
        (register_j + 1_800) / 3_600
    }

    fn status(it: &Moment<'_>, log: &mut Log) {
        let status = match (it.state, it.happens) {
            (State::Available, _) => "Available",
            (State::Charging, _) => "Charging",
            (State::Faulted, _) => "Faulted",
            (State::Occupied, Happens::Ended) => "Finishing",
            (State::Occupied, _) => "Preparing",
        };
        let error = if it.state == State::Faulted { "InternalError" } else { "NoError" };
        let payload = json!({"connectorId": it.connector.number, "status": status, "errorCode": error,
            "timestamp": time(it.at_s)});
        call(log, it.at_s, Self::TOPIC, "StatusNotification", &payload);
    }

    fn start(it: &Moment<'_>, at_s: i64, session: &Session, log: &mut Log) {
        let payload = json!({"connectorId": it.connector.number, "idTag": "04E1A2",
            "meterStart": Self::register_wh(it.register_j), "timestamp": time(at_s)});
        let id = call(log, it.at_s, Self::TOPIC, "StartTransaction", &payload);
        let answer = json!({"transactionId": session.number, "idTagInfo": {"status": "Accepted"}});
        log.say(it.at_s, "cs/out/ocpp1.6/st", json!([3, id, answer]));
    }

    fn stop(it: &Moment<'_>, session: &Session, log: &mut Log) {
        let mut payload = json!({"transactionId": session.number, "meterStop": Self::register_wh(it.register_j),
            "timestamp": time(it.at_s), "reason": "Other"});
        if session.ending == Ending::Enough {
            // What is usual is left out.
            payload["reason"] = json!("Local");
        }
        call(log, it.at_s, Self::TOPIC, "StopTransaction", &payload);
    }

    fn readings(it: &Moment<'_>, session: &Session, log: &mut Log) {
        let sampled = json!([
            {"value": Self::register_wh(it.register_j).to_string(), "measurand": "Energy.Active.Import.Register",
                "unit": "Wh", "context": "Sample.Periodic"},
            {"value": it.power_w.to_string(), "measurand": "Power.Active.Import", "unit": "W"}]);
        let payload = json!({"connectorId": it.connector.number, "transactionId": session.number,
            "meterValue": [{"timestamp": time(it.at_s), "sampledValue": sampled}]});
        call(log, it.at_s, Self::TOPIC, "MeterValues", &payload);
    }
}

impl Teller for Ocpp16 {
    const AT_REST_EVERY_S: i64 = 300;

    fn source(&self, folder: &Path, day: &Day) -> String {
        let register = register_csv(folder, day, |number| number.to_string());
        format!("dialect = 'ocpp'\noperator = 'op'\nregister_csv = '{register}'")
    }

    fn begin(&mut self, _day: &Day, log: &mut Log) {
        call(log, 0, Self::TOPIC, "BootNotification", &json!({"chargePointVendor": "v", "chargePointModel": "m"}));
    }

    fn moment(&mut self, it: &Moment<'_>, log: &mut Log) {
        if self.back_s == Some(it.at_s) {
            Self::status(it, log);
        }
        match (it.happens, it.session) {
            (Happens::Nothing, Some(session)) if it.state == State::Charging => Self::readings(it, session, log),
            (Happens::Nothing, _) if it.at_s > 0 => {
                call(log, it.at_s, Self::TOPIC, "Heartbeat", &json!({}));
            }
            (Happens::Began, Some(session)) => {
                Self::start(it, it.at_s, session, log);
                Self::status(it, log);
            }
            (Happens::Ended, Some(session)) => {
                if session.ending == Ending::NotStarted {
                    Self::start(it, it.at_s - TRIED_S, session, log);
                }
                Self::stop(it, session, log);
                Self::status(it, log);
            }
            _ => Self::status(it, log),
        }
    }

    /// The gateway triggers a status of each connector.
    fn back(&mut self, at_s: i64, _day: &Day, _log: &mut Log) {
        self.back_s = Some(at_s);
    }
}

/// OCPP 2.1: registers in tenths of a Wh, which its numbers allow.
pub struct Ocpp21 {
    seq: u32,
    /// When the station could be heard again, s.
    back_s: Option<i64>,
}

impl Ocpp21 {
    const TOPIC: &str = "cs/in/ocpp2.1/st";

    pub const fn new() -> Self {
        Self { seq: 0, back_s: None }
    }

    fn status(it: &Moment<'_>, log: &mut Log) {
        let status = match it.state {
            State::Available => "Available",
            State::Occupied | State::Charging => "Occupied",
            State::Faulted => "Faulted",
        };
        let payload = json!({"evseId": it.connector.number, "connectorId": 1, "connectorStatus": status,
            "timestamp": time(it.at_s)});
        call(log, it.at_s, Self::TOPIC, "StatusNotification", &payload);
    }

    fn event(&mut self, it: &Moment<'_>, session: &Session, kind: &str, trigger: &str, log: &mut Log) {
        self.seq += 1;
        let register_wh = ((it.register_j + 180) / 360) as f64 / 10.0;
        let sampled = json!([
            {"value": register_wh, "measurand": "Energy.Active.Import.Register", "unitOfMeasure": {"unit": "Wh"}},
            {"value": it.power_w as f64 / 1_000.0, "measurand": "Power.Active.Import",
                "unitOfMeasure": {"unit": "W", "multiplier": 3}}]);
        let mut info = json!({"transactionId": format!("tx-{}", session.number),
            "chargingState": if it.state == State::Charging { "Charging" } else { "EVConnected" }});
        if kind == "Ended" {
            info["stoppedReason"] = json!(if session.ending == Ending::Enough { "StoppedByEV" } else { "Other" });
        }
        let payload = json!({"eventType": kind, "timestamp": time(it.at_s), "triggerReason": trigger, "seqNo": self.seq,
            "transactionInfo": info, "evse": {"id": it.connector.number, "connectorId": 1},
            "meterValue": [{"timestamp": time(it.at_s), "sampledValue": sampled}]});
        call(log, it.at_s, Self::TOPIC, "TransactionEvent", &payload);
    }

    fn fault(it: &Moment<'_>, stands: bool, log: &mut Log) {
        let event = json!({"eventId": it.at_s, "timestamp": time(it.at_s), "trigger": "Alerting",
            "actualValue": stands.to_string(), "cleared": !stands, "eventNotificationType": "HardWiredMonitor",
            "component": {"name": "AcDcConverter", "evse": {"id": it.connector.number, "connectorId": 1}},
            "variable": {"name": "Problem"}});
        let payload = json!({"generatedAt": time(it.at_s), "seqNo": 0, "eventData": [event]});
        call(log, it.at_s, Self::TOPIC, "NotifyEvent", &payload);
    }
}

impl Teller for Ocpp21 {
    const AT_REST_EVERY_S: i64 = 300;

    fn source(&self, folder: &Path, day: &Day) -> String {
        let register = register_csv(folder, day, |number| format!("{number}-1"));
        format!("dialect = 'ocpp'\noperator = 'op'\nregister_csv = '{register}'")
    }

    fn begin(&mut self, _day: &Day, log: &mut Log) {
        let payload = json!({"reason": "PowerUp", "chargingStation": {"model": "m", "vendorName": "v"}});
        call(log, 0, Self::TOPIC, "BootNotification", &payload);
    }

    fn moment(&mut self, it: &Moment<'_>, log: &mut Log) {
        if self.back_s == Some(it.at_s) {
            Self::status(it, log);
        }
        let Some(session) = it.session else {
            match it.at_s {
                0 => Self::status(it, log),
                at_s => drop(call(log, at_s, Self::TOPIC, "Heartbeat", &json!({}))),
            }
            return;
        };
        let is_broken = session.ending == Ending::Broken;
        match it.happens {
            Happens::Nothing if it.state == State::Charging => {
                self.event(it, session, "Updated", "MeterValuePeriodic", log);
            }
            Happens::Nothing => {
                call(log, it.at_s, Self::TOPIC, "Heartbeat", &json!({}));
            }
            Happens::Plugged => {
                Self::status(it, log);
                self.event(it, session, "Started", "CablePluggedIn", log);
            }
            Happens::Began => self.event(it, session, "Updated", "ChargingStateChanged", log),
            Happens::Ended => {
                if is_broken {
                    Self::status(it, log);
                    Self::fault(it, true, log);
                }
                self.event(it, session, "Ended", "StopAuthorized", log);
            }
            Happens::Freed => {
                Self::status(it, log);
                if is_broken {
                    Self::fault(it, false, log);
                }
            }
        }
    }

    /// After a silence longer than its `OfflineThreshold` a station tells the status of each connector (B04.FR.01).
    fn back(&mut self, at_s: i64, _day: &Day, _log: &mut Log) {
        self.back_s = Some(at_s);
    }
}
