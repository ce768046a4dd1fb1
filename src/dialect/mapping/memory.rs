//! What a mapping remembers: the last value of every field of a connector, and what was told of it. A value lives on
//! until the next message about it; a sample is told when something new is to be said, never twice within a
//! millisecond, and never before the connector's state is known. Bounded by [`STATIONS_MAX`] and the message limits.

use chargetally_core::alarm::AlarmClass;
use chargetally_core::observation::{AlarmReport, Sample, Vitals};
use chargetally_core::pack::{Damaged, Pack, Reader};
use chargetally_core::state::Status;
use chargetally_core::time::EventTime;

use super::spec::{EXPORT, Flag, IMPORT, POWER, QUANTITIES};
use crate::dialect::remembered::ByName;

/// Stations that one worker remembers at most.
pub const STATIONS_MAX: usize = 100_000;
/// Where nothing else is new, values are told this often at most, ms.
const SAME_MS: i64 = 1_000;
/// How far a sample may be moved to stand after the one before, ms: messages of one burst arrive at the same moment.
const MOVED_MS_MAX: i64 = 1_000;
/// Power below this says nothing about whether a vehicle is there, W.
const FLOW_W_MIN: i64 = 50;
/// The form of packed memory.
const VERSION: u8 = 1;

/// What is remembered of one station.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StationMemory {
    /// By id.
    pub connectors: ByName<ConnectorMemory>,
}

/// What is remembered of one connector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectorMemory {
    quantities: [Option<i64>; QUANTITIES],
    /// Whether a register came since one was last told; an old reading must not be told as a new one.
    is_fresh: [bool; 2],
    status: Option<Status>,
    flags: [Option<bool>; 3],
    session: Option<Box<str>>,
    alarm: Option<(AlarmClass, Box<str>)>,
    alarm_told: Option<AlarmClass>,
    told: Option<Told>,
    /// The newest time that a message stated itself, ms.
    stated_ms: Option<i64>,
}

/// What was last told of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    at_ms: i64,
    status: Option<Status>,
    power_w: Option<i64>,
}

impl ConnectorMemory {
    /// Takes a reading, or that there is none any more. A register that is not dated was read at some time before: told
    /// now, all energy since then would seem to have flowed at once.
    pub fn set_quantity(&mut self, place: usize, value: Option<i64>, is_dated: bool) {
        self.quantities[place] = value;
        if place == IMPORT || place == EXPORT {
            self.is_fresh[place - IMPORT] = value.is_some() && is_dated;
        }
    }

    /// Takes a reported status.
    pub fn set_status(&mut self, status: Option<Status>) {
        self.status = status;
    }

    /// Takes what is so or not.
    pub fn set_flag(&mut self, flag: Flag, value: Option<bool>) {
        self.flags[flag as usize] = value;
    }

    /// Takes the session's id.
    pub fn set_session(&mut self, session: Option<&str>) {
        if self.session.as_deref() != session {
            self.session = session.map(Into::into);
        }
    }

    /// Takes the fault that stands, by its class and code.
    pub fn set_alarm(&mut self, class: Option<AlarmClass>, code: &str) {
        self.alarm = class.map(|class| (class, code.into()));
    }

    /// Takes the time that a message states. False where it is older than one stated before: then the message says
    /// nothing about now.
    pub fn advance(&mut self, stated_ms: i64) -> bool {
        let is_newest = self.stated_ms.is_none_or(|newest| stated_ms >= newest);
        if is_newest {
            self.stated_ms = Some(stated_ms);
        }
        is_newest
    }

    /// The station was unreachable: whatever comes next is news.
    pub fn forget_told(&mut self) {
        self.told = None;
    }

    fn flag(&self, flag: Flag) -> Option<bool> {
        self.flags[flag as usize]
    }

    /// The status that reported status and flags say together: a fault goes before all, then what is reported.
    fn known_status(&self) -> Option<Status> {
        if self.flag(Flag::Faulted) == Some(true) {
            return Some(Status::Faulted);
        }
        match (self.status, self.flag(Flag::Charging), self.flag(Flag::Plugged)) {
            (Some(status), _, _) => Some(status),
            (None, Some(true), _) => Some(Status::Charging),
            (None, _, Some(true)) => Some(Status::Occupied),
            (None, _, Some(false)) | (None, Some(false), None) => Some(Status::Available),
            (None, None, None) => None,
        }
    }

    /// The sample that is to be told now, where there is one; `tells_status` is whether the mapping has a field that can
    /// tell the status, so that none is guessed from the power meanwhile.
    pub fn sample(&mut self, at_ms: i64, tells_status: bool) -> Option<Sample<'_>> {
        let power_w = self.quantities[POWER];
        let status = self.known_status();
        let is_flow = power_w.is_some_and(|power_w| power_w.abs() > FLOW_W_MIN);
        let is_known = status.is_some() || is_flow || (power_w.is_some() && !tells_status);
        if !is_known {
            return None;
        }
        let at_ms = match self.told {
            None => at_ms,
            Some(told) => {
                let is_news = told.status != status || told.power_w != power_w || self.is_fresh.contains(&true);
                if !is_news && at_ms.saturating_sub(told.at_ms) < SAME_MS {
                    return None;
                }
                let is_burst = at_ms <= told.at_ms && told.at_ms.saturating_sub(at_ms) < MOVED_MS_MAX;
                if is_burst { told.at_ms.saturating_add(1) } else { at_ms }
            }
        };
        self.told = Some(Told { at_ms, status, power_w });
        let fresh = std::mem::take(&mut self.is_fresh);
        let register = |place: usize| self.quantities[place].filter(|_| fresh[place - IMPORT]);
        let [
            _,
            _,
            _,
            demand_w,
            voltage_mv,
            current_ma,
            connector_temp_mc,
            soc_permille,
            hottest,
            coldest,
            highest,
            lowest,
            insulation,
        ] = self.quantities;
        Some(Sample {
            at: EventTime::from_ms(at_ms),
            status,
            power_w,
            import_j: register(IMPORT),
            export_j: register(EXPORT),
            demand_w,
            vitals: Vitals {
                voltage_mv,
                current_ma,
                connector_temp_mc,
                soc_permille,
                battery_temp_max_mc: hottest,
                battery_temp_min_mc: coldest,
                cell_mv_max: highest,
                cell_mv_min: lowest,
                insulation_ohm: insulation,
            },
            session: self.session.as_deref(),
        })
    }

    /// The alarms that are to be told now: first the one that is over, then the one that stands.
    pub fn alarms(&mut self, at_ms: i64) -> impl Iterator<Item = AlarmReport<'_>> {
        let now = self.alarm.as_ref().map(|(class, _)| *class);
        let (before, changed) = (self.alarm_told, self.alarm_told != now);
        self.alarm_told = now;
        let report = move |class, raised, code| AlarmReport {
            at: EventTime::from_ms(at_ms),
            class,
            level: None,
            raised,
            code,
            value: None,
            note: None,
        };
        let over = before.filter(|_| changed).map(|class| report(class, false, None));
        let stands = self.alarm.as_ref().filter(|_| changed);
        over.into_iter().chain(stands.map(|(class, code)| report(*class, true, Some(&**code))))
    }
}

impl StationMemory {
    /// As bytes.
    #[must_use]
    pub fn packed(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.connectors.pack(&mut out);
        out
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`Damaged`] where they are none that [`Self::packed`] gives.
    pub fn unpacked(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::of_version(bytes, VERSION)?;
        let connectors = Pack::unpack(&mut reader)?;
        reader.finish()?;
        Ok(Self { connectors })
    }
}

impl Pack for ConnectorMemory {
    fn pack(&self, out: &mut Vec<u8>) {
        self.quantities.iter().for_each(|value| value.pack(out));
        self.is_fresh.pack(out);
        self.status.map(status_place).pack(out);
        self.flags.pack(out);
        self.session.pack(out);
        self.alarm.pack(out);
        self.alarm_told.pack(out);
        self.told.pack(out);
        self.stated_ms.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            quantities: Pack::unpack(reader)?,
            is_fresh: Pack::unpack(reader)?,
            status: Option::<u8>::unpack(reader)?.map(status_at).transpose()?,
            flags: Pack::unpack(reader)?,
            session: Pack::unpack(reader)?,
            alarm: Pack::unpack(reader)?,
            alarm_told: Pack::unpack(reader)?,
            told: Pack::unpack(reader)?,
            stated_ms: Pack::unpack(reader)?,
        })
    }
}

impl Pack for Told {
    fn pack(&self, out: &mut Vec<u8>) {
        self.at_ms.pack(out);
        self.status.map(status_place).pack(out);
        self.power_w.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            at_ms: Pack::unpack(reader)?,
            status: Option::<u8>::unpack(reader)?.map(status_at).transpose()?,
            power_w: Pack::unpack(reader)?,
        })
    }
}

/// The statuses in the order of their places in packed memory.
const STATUSES: [Status; 8] = [
    Status::Available,
    Status::Occupied,
    Status::Charging,
    Status::Discharging,
    Status::Reserved,
    Status::Faulted,
    Status::Unavailable,
    Status::Offline,
];

/// The place of a status in packed memory.
pub(crate) const fn status_place(status: Status) -> u8 {
    status as u8
}

/// The status at a place.
///
/// # Errors
/// There is none.
pub(crate) fn status_at(place: u8) -> Result<Status, Damaged> {
    STATUSES.into_iter().find(|&status| status_place(status) == place).ok_or(Damaged { what: "status" })
}
