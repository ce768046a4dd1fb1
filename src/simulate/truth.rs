//! What physically happened in a simulated span, in integers, for the daemon's figures to be held against.
//!
//! | figure | definition | the daemon must match |
//! |---|---|---|
//! | `connectors`, `stations`, `rated_w` | what the registrations name | exactly |
//! | `import_j`, `export_j` | per connector: register of the sample with the newest time that arrived, minus that of the sample that arrived first, x 3600 | exactly, whatever was lost, late or repeated: registers telescope |
//! | `sessions_attempted`, `_started` | attempt and start messages that arrived, each session once | exactly (QoS 1) |
//! | `sessions_completed`, `_aborted`, `_failed` | stop messages that arrived: of started sessions with a normal reason (domain C9), with another one, and of attempts that never started | exactly, where the daemon counts by the same rule |
//! | `alarms_raised`, `alarms_cleared` | alarms of stations and connectors whose message arrived, each once | exactly, apart from the daemon's own derived alarms |
//! | `state_ms` | physical state times over the whole span | within the tolerance below |
//! | `episodes` | unsafe stretches that telemetry began to show | derived alarms come near; a session may end before a threshold is passed |
//! | `messages`, `samples` | what arrived, was lost and so on | `malformed` = rejected; `samples.delivered` + `.repeated` = accepted + duplicate + out of order |
//!
//! State times: a change of state is sampled at once, so with perfect transmission each boundary is exact, apart from a
//! connector's stretch between the begin of the span and its first sample (at most one interval, unobserved) and of the
//! stretch after its last one (hold). Every lost sample may shift one boundary by an interval. A station without power is
//! offline here at once, there from its last will on (its connectors hold until then); a station without a link goes on
//! here, and there once its backlog has arrived (backlogs are cut at a limit). A skewed clock shifts a station's span.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::make_up::Built;
use super::model::{Episode, State};
use super::plan::FleetPlan;

/// J in 0.001 kWh.
const J_PER_WH: u64 = 3_600;
/// Up to how many stations are listed one by one.
pub const STATIONS_LISTED_MAX: usize = 10_000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Count {
    /// Attempts.
    Attempted,
    /// Sessions in which energy flowed.
    Started,
    /// Started ones that ended normally.
    Completed,
    /// Started ones that ended otherwise.
    Aborted,
    /// Attempts that never started.
    Failed,
    /// Alarms raised: danger to persons.
    RaisedPersonal,
    /// Alarms raised: danger to equipment.
    RaisedEquipment,
    /// Alarms raised: notices.
    RaisedNotice,
    /// Alarms cleared.
    Cleared,
    /// First of the four kinds of episode, in their order.
    Episode0,
    /// Second.
    Episode1,
    /// Third.
    Episode2,
    /// Fourth.
    Episode3,
    /// Messages that arrived, copies included.
    Messages,
    /// Of them: second copies.
    Repeated,
    /// Of them: malformed.
    Malformed,
    /// Of them: held up, but still the connector's newest.
    Late,
    /// Of them: overtaken by a newer one of the connector.
    OutOfOrder,
    /// Of them: arrays after an outage.
    Backfilled,
    /// Samples taken.
    SamplesSent,
    /// Samples that arrived well-formed, each once.
    SamplesDelivered,
    /// Second copies of samples.
    SamplesRepeated,
    /// Samples that never arrive.
    SamplesLost,
    /// Samples whose message was malformed.
    SamplesMalformed,
}

/// How many counts there are.
const COUNTS: usize = Count::SamplesMalformed as usize + 1;

/// Groups of counts as they stand in the truth's JSON: group, then name and count of each.
const GROUPS: [(&str, &[(&str, Count)]); 4] = [
    (
        "alarms_raised",
        &[("personal", Count::RaisedPersonal), ("equipment", Count::RaisedEquipment), ("notice", Count::RaisedNotice)],
    ),
    (
        "episodes",
        &[
            ("connector_overtemp", Count::Episode0),
            ("insulation", Count::Episode1),
            ("battery_overtemp", Count::Episode2),
            ("cell_spread", Count::Episode3),
        ],
    ),
    (
        "messages",
        &[
            ("delivered", Count::Messages),
            ("repeated", Count::Repeated),
            ("malformed", Count::Malformed),
            ("late", Count::Late),
            ("out_of_order", Count::OutOfOrder),
            ("backfilled", Count::Backfilled),
        ],
    ),
    (
        "samples",
        &[
            ("sent", Count::SamplesSent),
            ("delivered", Count::SamplesDelivered),
            ("repeated", Count::SamplesRepeated),
            ("lost", Count::SamplesLost),
            ("malformed", Count::SamplesMalformed),
        ],
    ),
];

impl Count {
    /// The count of one kind of episode.
    pub fn of_episode(episode: Episode) -> Self {
        match episode {
            Episode::ConnectorHeat => Self::Episode0,
            Episode::Insulation => Self::Episode1,
            Episode::BatteryHeat => Self::Episode2,
            Episode::CellSpread => Self::Episode3,
        }
    }
}

/// A sample as the register chain sees it.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// Index of its connector.
    pub connector: u32,
    /// Its time.
    pub at_ms: i64,
    /// Import and export register, Wh.
    pub registers_wh: (u64, u64),
}

/// What arrived of one connector's registers.
#[derive(Debug, Clone, Copy)]
struct Chain {
    first_wh: (u64, u64),
    newest_ms: i64,
    newest_wh: (u64, u64),
}

/// The account of one connector, or of one station's own messages.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    state_ms: [u64; State::ALL.len()],
    chain: Option<Chain>,
    counts: [u32; COUNTS],
}

impl Ledger {
    /// Counts one.
    pub fn add(&mut self, count: Count) {
        self.add_n(count, 1);
    }

    /// Counts `n`.
    pub fn add_n(&mut self, count: Count, n: u32) {
        let slot = &mut self.counts[count as usize];
        *slot = slot.saturating_add(n);
    }

    /// Counts `ms` in a state.
    pub fn spend(&mut self, state: State, ms: u64) {
        self.state_ms[state as usize] += ms;
    }

    /// A sample arrived; false where a newer one had arrived before.
    pub fn take(&mut self, sample: &Sample) -> bool {
        match &mut self.chain {
            None => {
                let wh = sample.registers_wh;
                self.chain = Some(Chain { first_wh: wh, newest_ms: sample.at_ms, newest_wh: wh });
                true
            }
            Some(chain) if sample.at_ms > chain.newest_ms => {
                (chain.newest_ms, chain.newest_wh) = (sample.at_ms, sample.registers_wh);
                true
            }
            Some(_) => false,
        }
    }
}

/// The figures of one scope. They add up over scopes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Connectors.
    pub connectors: u64,
    /// Stations.
    pub stations: u64,
    /// Sum of the connectors' ratings, W.
    pub rated_w: u64,
    /// Energy to vehicles as the registers tell, J.
    pub import_j: u64,
    /// Energy from vehicles as the registers tell, J.
    pub export_j: u64,
    state_ms: [u64; State::ALL.len()],
    counts: [u64; COUNTS],
}

impl Figures {
    /// Time of all connectors in a physical state, ms.
    pub fn state_ms(&self, state: State) -> u64 {
        self.state_ms[state as usize]
    }

    /// One of the counts.
    pub fn count(&self, count: Count) -> u64 {
        self.counts[count as usize]
    }

    fn add(&mut self, ledger: &Ledger) {
        for (sum, &value) in self.state_ms.iter_mut().zip(&ledger.state_ms) {
            *sum += value;
        }
        for (sum, &value) in self.counts.iter_mut().zip(&ledger.counts) {
            *sum += u64::from(value);
        }
        if let Some(chain) = &ledger.chain {
            self.import_j += (chain.newest_wh.0 - chain.first_wh.0) * J_PER_WH;
            self.export_j += (chain.newest_wh.1 - chain.first_wh.1) * J_PER_WH;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.connectors += other.connectors;
        self.stations += other.stations;
        self.rated_w += other.rated_w;
        self.import_j += other.import_j;
        self.export_j += other.export_j;
        for (sum, &value) in self.state_ms.iter_mut().zip(&other.state_ms) {
            *sum += value;
        }
        for (sum, &value) in self.counts.iter_mut().zip(&other.counts) {
            *sum += value;
        }
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("connectors", &self.connectors)?;
        map.serialize_entry("stations", &self.stations)?;
        map.serialize_entry("rated_w", &self.rated_w)?;
        map.serialize_entry("import_j", &self.import_j)?;
        map.serialize_entry("export_j", &self.export_j)?;
        let states: BTreeMap<&str, u64> =
            State::ALL.iter().map(|&state| (state.name(), self.state_ms(state))).collect();
        map.serialize_entry("state_ms", &states)?;
        map.serialize_entry("sessions_attempted", &self.count(Count::Attempted))?;
        map.serialize_entry("sessions_started", &self.count(Count::Started))?;
        map.serialize_entry("sessions_completed", &self.count(Count::Completed))?;
        map.serialize_entry("sessions_aborted", &self.count(Count::Aborted))?;
        map.serialize_entry("sessions_failed", &self.count(Count::Failed))?;
        map.serialize_entry("alarms_cleared", &self.count(Count::Cleared))?;
        for (group, members) in GROUPS {
            let counts: BTreeMap<&str, u64> = members.iter().map(|&(name, count)| (name, self.count(count))).collect();
            map.serialize_entry(group, &counts)?;
        }
        map.end()
    }
}

/// What happened, by scope.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Truth {
    /// `chargetally.truth/1`.
    pub schema: &'static str,
    /// The plan that made the fleet.
    pub plan: FleetPlan,
    /// Begin of the span, ms since the epoch.
    pub start_ms: i64,
    /// End of what this covers, ms since the epoch.
    pub end_ms: i64,
    /// Everything.
    pub nation: Figures,
    /// By 2-digit province code.
    pub province: BTreeMap<u32, Figures>,
    /// By 6-digit county code.
    pub county: BTreeMap<u32, Figures>,
    /// By operator identifier.
    pub operator: BTreeMap<String, Figures>,
    /// By operator and station identifier; empty for fleets of more than `STATIONS_LISTED_MAX` stations.
    pub station: BTreeMap<String, Figures>,
}

impl Truth {
    /// Rolls the accounts up; `connectors` and `stations` in the order of `built`.
    pub fn of(plan: &FleetPlan, built: &Built, end_ms: i64, connectors: &[Ledger], stations: &[Ledger]) -> Self {
        let mut truth = Self {
            schema: "chargetally.truth/1",
            plan: plan.clone(),
            start_ms: plan.start_ms,
            end_ms,
            nation: Figures::default(),
            province: BTreeMap::new(),
            county: BTreeMap::new(),
            operator: BTreeMap::new(),
            station: BTreeMap::new(),
        };
        let listed = built.stations.len() <= STATIONS_LISTED_MAX;
        for (station, own) in built.stations.iter().zip(stations) {
            let mut figures = Figures { stations: 1, ..Figures::default() };
            figures.add(own);
            for index in station.connector_range() {
                figures.connectors += 1;
                figures.rated_w += u64::from(built.connectors[index as usize].rated_w);
                figures.add(&connectors[index as usize]);
            }
            let operator = super::payload::operator_id(station.operator);
            truth.nation.merge(&figures);
            truth.province.entry(station.county.code / 10_000).or_default().merge(&figures);
            truth.county.entry(station.county.code).or_default().merge(&figures);
            if listed {
                truth.station.insert(format!("{operator}/{}", station.id), figures.clone());
            }
            truth.operator.entry(operator).or_default().merge(&figures);
        }
        truth
    }

    /// The truth as JSON.
    ///
    /// # Errors
    /// Those of the serialiser; there is no value here that it could refuse.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}
