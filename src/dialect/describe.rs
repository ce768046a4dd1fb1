//! What an observation says, as a line for people: the words and units of the wire, only what is there. For `explain` and
//! for tests; no program reads these lines.

use std::fmt;

use chargetally_core::observation::{Observation, Sample, SessionEvent, SessionStep, StationKey};
use chargetally_core::state::Status;
use chargetally_core::time::EventTime;
use chargetally_core::unit::{kw_from_watts, kwh_from_joules};

use crate::rfc3339;

/// An observation and the station that it speaks of.
pub struct Described<'a>(pub StationKey<'a>, pub &'a Observation<'a>);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(StationKey { operator, station }, observation) = self;
        match observation {
            Observation::Sample { connector, sample } => {
                write!(f, "sample {operator}/{station}/{connector}")?;
                describe_sample(f, sample)
            }
            Observation::Session { connector, event } => {
                write!(f, "session {operator}/{station}/{connector}")?;
                describe_session(f, event)
            }
            Observation::Alarm { connector, alarm } => {
                write!(f, "alarm {operator}/{station}")?;
                if let Some(connector) = connector {
                    write!(f, "/{connector}")?;
                }
                at(f, Some(alarm.at))?;
                let state = if alarm.raised { "raised" } else { "cleared" };
                let level = alarm.level.unwrap_or_else(|| alarm.class.default_level());
                write!(f, " class={} level={} state={state}", alarm.class, level.name())?;
                some(f, "code", alarm.code)?;
                some(f, "value", alarm.value)?;
                some(f, "note", alarm.note)
            }
            Observation::Registration(registration) => {
                write!(f, "registration {operator}/{station}")?;
                at(f, registration.at)?;
                let connectors = registration.equipment.iter().map(|piece| piece.connectors.len()).sum::<usize>();
                write!(f, " name={:?} state={}", registration.name, registration.state.name())?;
                some(f, "area", registration.area.as_ref())?;
                write!(f, " equipment={} connectors={connectors}", registration.equipment.len())
            }
            Observation::Deregistration { at: time } => {
                write!(f, "deregistration {operator}/{station}")?;
                at(f, *time)
            }
            Observation::StationOffline { at: time, retained } => {
                write!(f, "offline {operator}/{station}")?;
                at(f, *time)?;
                f.write_str(if *retained { " retained" } else { "" })
            }
            Observation::StationOnline => write!(f, "online {operator}/{station}"),
        }
    }
}

fn describe_sample(f: &mut fmt::Formatter<'_>, sample: &Sample<'_>) -> fmt::Result {
    at(f, Some(sample.at))?;
    some(f, "status", sample.status.map(status_name))?;
    some(f, "power_kw", sample.power_w.map(kw_from_watts))?;
    some(f, "import_kwh", sample.import_j.map(kwh_from_joules))?;
    some(f, "export_kwh", sample.export_j.map(kwh_from_joules))?;
    some(f, "power_demand_kw", sample.demand_w.map(kw_from_watts))?;
    let vitals = &sample.vitals;
    some(f, "voltage_v", thousandth(vitals.voltage_mv))?;
    some(f, "current_a", thousandth(vitals.current_ma))?;
    some(f, "connector_temp_c", thousandth(vitals.connector_temp_mc))?;
    some(f, "soc_pct", vitals.soc_permille.map(|permille| permille as f64 / 10.0))?;
    some(f, "battery_temp_max_c", thousandth(vitals.battery_temp_max_mc))?;
    some(f, "battery_temp_min_c", thousandth(vitals.battery_temp_min_mc))?;
    some(f, "cell_v_max", thousandth(vitals.cell_mv_max))?;
    some(f, "cell_v_min", thousandth(vitals.cell_mv_min))?;
    some(f, "insulation_kohm", thousandth(vitals.insulation_ohm))?;
    some(f, "session", sample.session)
}

fn describe_session(f: &mut fmt::Formatter<'_>, event: &SessionEvent<'_>) -> fmt::Result {
    at(f, Some(event.at))?;
    write!(f, " session={}", event.session)?;
    match event.step {
        SessionStep::Attempt => f.write_str(" event=attempt"),
        SessionStep::Start => f.write_str(" event=start"),
        SessionStep::Stop(stop) => {
            f.write_str(" event=stop")?;
            some(f, "reason", stop.reason.map(|reason| reason.name()))?;
            some(f, "energy_kwh", stop.energy_j.map(kwh_from_joules))?;
            some(f, "billed_kwh", stop.billed_j.map(kwh_from_joules))?;
            some(f, "energy_fee", stop.energy_fee_fen.map(|fen| fen as f64 / 100.0))?;
            some(f, "service_fee", stop.service_fee_fen.map(|fen| fen as f64 / 100.0))?;
            f.write_str(if stop.disputed { " disputed" } else { "" })
        }
    }
}

fn at(f: &mut fmt::Formatter<'_>, time: Option<EventTime>) -> fmt::Result {
    let Some(time) = time else { return Ok(()) };
    let mut text = Vec::new();
    rfc3339::write_ms(&mut text, time.ms());
    write!(f, " {}", String::from_utf8_lossy(&text))
}

fn some(f: &mut fmt::Formatter<'_>, name: &str, value: Option<impl fmt::Display>) -> fmt::Result {
    value.map_or(Ok(()), |value| write!(f, " {name}={value}"))
}

fn thousandth(value: Option<i64>) -> Option<f64> {
    value.map(|value| value as f64 / 1000.0)
}

const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Available => "available",
        Status::Occupied => "occupied",
        Status::Charging => "charging",
        Status::Discharging => "discharging",
        Status::Reserved => "reserved",
        Status::Faulted => "faulted",
        Status::Unavailable => "unavailable",
        Status::Offline => "offline",
    }
}
