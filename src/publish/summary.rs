//! The summary of one scope and window, as it goes over the wire (`chargetally.summary/1`). It is written straight
//! from the inputs of the indicators: what the catalogue names is what a summary holds, and nothing is kept twice.
//! Every null of a group stands with its reason in the group's `null_reasons`.

use chargetally_core::alarm::{AlarmSource, Level as AlarmLevel};
use chargetally_core::census::{Census, Snapshot};
use chargetally_core::indicator::{Group, Inputs, NullReason, Value};
use chargetally_core::observation::StopReason;
use chargetally_core::state::State;
use chargetally_core::tally::{EventCounts, Tally};
use chargetally_core::window::Calendar;
use serde::ser::{SerializeMap, SerializeStruct};
use serde::{Serialize, Serializer};

use super::stamp::Stamp;

/// The record's name and version.
pub const SCHEMA: &str = "chargetally.summary/1";

/// The breakdowns, in their order in `by`.
pub const BREAKDOWNS: [&str; 5] = ["scene", "access", "setting", "power_class", "current"];

/// The groups that a breakdown's value has too.
pub const PART_GROUPS: [Group; 4] = [Group::Facilities, Group::Efficiency, Group::Service, Group::Safety];

/// Room for a summary without breakdowns, bytes, so that writing one seldom grows its buffer.
const SUMMARY_BYTES: usize = 32 * 1024;
/// Room for one value of a breakdown, bytes.
const PART_BYTES: usize = 16 * 1024;

/// Whom a summary speaks of, in words; the level stands in the inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Place<'a> {
    /// Its code as in the topic (`53`, `530102`, the operator, `operator/station`); none for the nation.
    pub code: Option<&'a str>,
    /// What it is called, in Latin letters where that is known.
    pub name: Option<&'a str>,
    /// What it is called in Chinese.
    pub name_zh: Option<&'a str>,
}

/// One summary, ready to be written.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a> {
    /// Whom it speaks of.
    pub place: Place<'a>,
    /// How often it was published before.
    pub revision: u32,
    /// What its figures are computed from.
    pub inputs: Inputs<'a>,
    /// The same for each value of each breakdown, with `part` set; at nation and province only, else empty. Any order.
    pub parts: &'a [Inputs<'a>],
    /// The tables that figures rest on, each with its version (`("policy", "2026-01")`).
    pub versions: &'a [(&'a str, &'a str)],
}

impl Summary<'_> {
    /// The summary as JSON.
    ///
    /// # Panics
    /// Never: writing into memory cannot fail, and every key is a string.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SUMMARY_BYTES + self.parts.len() * PART_BYTES);
        serde_json::to_writer(&mut bytes, self).expect("writing into memory cannot fail");
        bytes
    }
}

impl Serialize for Summary<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema", SCHEMA)?;
        map.serialize_entry("scope", &ScopeRecord(self))?;
        map.serialize_entry("window", &WindowRecord(self))?;
        map.serialize_entry("versions", &Pairs(self.versions))?;
        map.serialize_entry("tally", &TallyRecord { tally: self.inputs.tally, census: self.inputs.census })?;
        map.serialize_entry("census", &self.inputs.census.map(CensusRecord))?;
        map.serialize_entry("snapshot", &self.inputs.snapshot.map(SnapshotRecord))?;
        for group in Group::ALL {
            map.serialize_entry(group.name(), &GroupRecord { group, inputs: &self.inputs })?;
        }
        map.serialize_entry("by", &Breakdowns(self.parts))?;
        map.end()
    }
}

struct ScopeRecord<'a>(&'a Summary<'a>);

impl Serialize for ScopeRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("scope", 4)?;
        record.serialize_field("level", self.0.inputs.level.name())?;
        record.serialize_field("code", &self.0.place.code)?;
        record.serialize_field("name", &self.0.place.name)?;
        record.serialize_field("name_zh", &self.0.place.name_zh)?;
        record.end()
    }
}

struct WindowRecord<'a>(&'a Summary<'a>);

impl Serialize for WindowRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (window, calendar) = (self.0.inputs.window, self.0.inputs.calendar);
        let mut record = serializer.serialize_struct("window", 4)?;
        record.serialize_field("name", window.kind.name())?;
        record.serialize_field("start", &Stamp { at_ms: window.start.start_ms(), calendar })?;
        record.serialize_field("end", &Stamp { at_ms: window.end.start_ms(), calendar })?;
        record.serialize_field("revision", &self.0.revision)?;
        record.end()
    }
}

/// Names and values as an object.
struct Pairs<'a, V>(&'a [(&'a str, V)]);

impl<V: Serialize> Serialize for Pairs<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Integers under the names of what they count.
struct Keyed<'a, const N: usize>(&'a [i64; N], [&'static str; N]);

impl<const N: usize> Serialize for Keyed<'_, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.1.iter().zip(self.0))
    }
}

fn by_level(counts: &[i64; 3]) -> Keyed<'_, 3> {
    Keyed(counts, AlarmLevel::ALL.map(AlarmLevel::name))
}

fn by_state(times: &[i64; 9]) -> Keyed<'_, 9> {
    Keyed(times, State::ALL.map(State::name))
}

fn by_reason(counts: &[i64; 15]) -> Keyed<'_, 15> {
    Keyed(counts, StopReason::ALL.map(StopReason::name))
}

fn by_source(counts: &[i64; 3]) -> Keyed<'_, 3> {
    Keyed(counts, AlarmSource::ALL.map(AlarmSource::name))
}

/// Writes a struct's fields under their own names, `=>` through a function, all but those that are left out. The
/// struct is taken apart by name: a field that is added there and forgotten here does not compile.
macro_rules! entries {
    ($map:ident, $source:expr => $ty:ident { $($field:ident $(=> $wrap:ident)?)* } without { $($left_out:ident)* }) => {
        let $ty { $($field,)* $($left_out: _,)* } = $source;
        $(entries!(@entry $map $field $($wrap)?);)*
    };
    (@entry $map:ident $field:ident) => { $map.serialize_entry(stringify!($field), $field)? };
    (@entry $map:ident $field:ident $wrap:ident) => { $map.serialize_entry(stringify!($field), &$wrap($field))? };
}

/// The integers that add up, flat; counts of a closed set as objects, histograms as arrays. Two of the census stand
/// here too, for the wire page has them here.
struct TallyRecord<'a> {
    tally: &'a Tally,
    census: Option<&'a Census>,
}

impl Serialize for TallyRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("connectors", &self.census.map(|census| census.connectors))?;
        map.serialize_entry("rated_w", &self.census.map(|census| census.rated_w))?;
        entries! { map, self.tally => Tally {
            state_ms => by_state
            import_j export_j charging_import_j rated_j demand_j demand_import_j tariff_import_j valley_import_j
            overstay_ms station_ms full_ms full_faulty_ms rapid_ms rapid_down_ms accepted latency
        } without { events } }
        match self.tally.events.get() {
            Some(counts) => event_entries(&mut map, counts)?,
            None => event_entries(&mut map, &EventCounts::default())?,
        }
        map.end()
    }
}

fn event_entries<M: SerializeMap>(map: &mut M, counts: &EventCounts) -> Result<(), M::Error> {
    entries! { map, counts => EventCounts {
        duplicate late future out_of_order rejected unmapped meter_reset meter_jump
        sessions_attempted sessions_started sessions_completed sessions_failed sessions_abnormal
        stops => by_reason
        sessions_effective sessions_timed session_ms session_durations sessions_metered session_j session_energies
        starts_timed start_ms start_delays sessions_billed sessions_billed_consistent sessions_disputed
        sessions_priced priced_j energy_fee_fen service_fee_fen bms_episodes runaway_episodes
        alarms_raised => by_level
        alarms_by_source => by_source
        alarms_cleared
        clearances => by_level
        clearance_ms => by_level
        clearance_durations insulation_abnormal insulation_fault emergency_stops distribution_alarms connector_hot_ms
        connector_overtemps failures repairs
    } without {} }
    Ok(())
}

struct CensusRecord<'a>(&'a Census);

impl Serialize for CensusRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        // `private` is given by `facilities.private_connectors`, which withholds small counts.
        entries! { map, self.0 => Census {
            connectors in_service rated_w unregistered registered heard stations stations_with_alarm_feed facilities
            public dedicated dc ac high_power public_rated_w highway highway_stations highway_60kw highway_high_power
            residential rural v2g discharge_rated_w aged undated low_voltage public_ac renewal new_this_year
            new_highway new_highway_high_power
        } without { private } }
        map.end()
    }
}

struct SnapshotRecord<'a>(&'a Snapshot);

impl Serialize for SnapshotRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        entries! { map, self.0 => Snapshot {
            dormant dormant_silent aged_active repeated_failure
            open_alarms => by_level
            open_alarm_ms => by_level
            open_faults open_fault_ms adjustable_up_w adjustable adjustable_down_w uptime_ports uptime_ports_up
            uptime_ppm uptime_months
        } without {} }
        map.end()
    }
}

/// One group of indicators, computed as it is written.
struct GroupRecord<'a> {
    group: Group,
    inputs: &'a Inputs<'a>,
}

impl Serialize for GroupRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let mut reasons: Vec<(&str, &str)> = Vec::new();
        for indicator in self.group.indicators() {
            let value = match (indicator.compute)(self.inputs) {
                Value::Number(number) if !number.is_finite() => Value::Null(NullReason::Undefined),
                value => value,
            };
            if let Value::Null(reason) = value {
                reasons.push((indicator.name, reason.name()));
            }
            map.serialize_entry(indicator.name, &ValueRecord { value, calendar: self.inputs.calendar })?;
        }
        map.serialize_entry("null_reasons", &Pairs(&reasons))?;
        map.end()
    }
}

struct ValueRecord<'a> {
    value: Value<'a>,
    calendar: &'a Calendar,
}

impl Serialize for ValueRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Number(number) => serializer.serialize_f64(number),
            Value::Integer(count) => serializer.serialize_i64(count),
            Value::Word(word) => serializer.serialize_str(word),
            Value::Time(at) => Stamp { at_ms: at.ms(), calendar: self.calendar }.serialize(serializer),
            Value::Stations(list) => serializer.collect_seq(list.stations),
            Value::Null(_) => serializer.serialize_none(),
        }
    }
}

/// The breakdowns: `{breakdown: {value: {..}}}`, each breakdown present even where it is empty.
struct Breakdowns<'a>(&'a [Inputs<'a>]);

impl Serialize for Breakdowns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.0.is_empty() {
            for name in BREAKDOWNS {
                map.serialize_entry(name, &Breakdown { name, parts: self.0 })?;
            }
        }
        map.end()
    }
}

struct Breakdown<'a> {
    name: &'static str,
    parts: &'a [Inputs<'a>],
}

impl Serialize for Breakdown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members: Vec<(&str, &Inputs<'_>)> = self
            .parts
            .iter()
            .filter_map(|inputs| inputs.part.map(|part| (part, inputs)))
            .filter(|(part, _)| part.breakdown() == self.name)
            .map(|(part, inputs)| (part.value(), inputs))
            .collect();
        members.sort_by_key(|&(value, _)| value);
        let mut map = serializer.serialize_map(Some(members.len()))?;
        for (value, inputs) in members {
            map.serialize_entry(value, &PartRecord(inputs))?;
        }
        map.end()
    }
}

struct PartRecord<'a>(&'a Inputs<'a>);

impl Serialize for PartRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tally", &TallyRecord { tally: self.0.tally, census: self.0.census })?;
        for group in PART_GROUPS {
            map.serialize_entry(group.name(), &GroupRecord { group, inputs: self.0 })?;
        }
        map.end()
    }
}
