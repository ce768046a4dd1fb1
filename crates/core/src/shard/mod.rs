//! A share of all stations: their registrations, their connectors' timelines, and the book of what those say. A shard
//! owns its stations alone; which shard has a station changes no figure. Observations and the closing of base buckets
//! go in, verdicts and reports come out; time is always an argument.

mod census;
mod claim;
mod close;
mod closing;
mod dirty;
mod ids;
mod minutes;
mod pack;
mod registry;
mod spec;
mod watch;

pub use census::Count;
pub use close::{Change, Report, StationFacts};
pub use closing::Closed;
pub use pack::{packed_key, unpack_remainders};
pub use watch::AlarmEvent;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::book::{Book, SlotIndex};
use crate::config::{Config, SourceIndex};
use crate::histogram::{LATENCY_MS, cell};
use crate::observation::{Observation, Sample, StationKey};
use crate::safety::{AlarmBook, BookLimits};
use crate::scope::{Attribution, AttributionIndex, NOBODY, Named, OperatorIndex, StationIndex};
use crate::state::State;
use crate::tally::{EventCounts, Tally};
use crate::time::{ArrivalTime, Bucket, EventTime};
use crate::timeline::{Desk, Placed, Reading, Timeline};
use closing::Closing;
use dirty::Dirty;
use registry::{Connector, Owner, SlotEntry, Station};

/// What became of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Taken in.
    Accepted,
    /// The same again.
    Duplicate,
    /// Too far behind its arrival.
    Late,
    /// Too far ahead of its arrival.
    Future,
    /// Older than the connector's newest sample, and in no known gap.
    OutOfOrder,
    /// At or after the connector's decommissioning.
    Decommissioned,
    /// A limit on what is held was reached.
    Limit(Limit),
}

/// The limits on what a shard holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are those of the settings")]
pub enum Limit {
    Stations,
    UnregisteredStations,
    Connectors,
    ConnectorsPerStation,
}

impl Limit {
    /// Its name in the settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stations => "stations",
            Self::UnregisteredStations => "unregistered_stations",
            Self::Connectors => "connectors",
            Self::ConnectorsPerStation => "connectors_per_station",
        }
    }
}

/// What is known of a reading that is the newest of its connector.
struct Newest {
    /// By how much the import register went down, J.
    fallen_j: Option<i64>,
}

/// The slot of what belongs to no known station.
const NOWHERE: SlotIndex = SlotIndex(0);

/// The attribution of what belongs to no known station: the nation, region unknown.
const NOWHERE_ATTRIBUTION: Attribution = Attribution {
    station: NOBODY,
    operator: OperatorIndex(u32::MAX),
    county: 0,
    scene: Named::Unregistered,
    access: Named::Unregistered,
    setting: Named::Unregistered,
    power_class: Named::Unregistered,
    current: Named::Unregistered,
    rapid: false,
    whole: true,
};

/// A share of all stations.
pub struct Shard {
    config: Arc<Config>,
    operators: Vec<Box<str>>,
    operator_ids: FxHashMap<Box<str>, u32>,
    stations: Vec<Station>,
    station_ids: Vec<FxHashMap<Box<str>, u32>>,
    unregistered_stations: usize,
    connectors: Vec<Connector>,
    slots: Vec<SlotEntry>,
    /// Where slots count, each once; of nobody's station where that is not in scope.
    attributions: Vec<Attribution>,
    attribution_ids: FxHashMap<Attribution, AttributionIndex>,
    book: Book,
    closed: Bucket,
    /// What slots that may yet be claimed by a registration have handed over.
    unclaimed: FxHashMap<SlotIndex, BTreeMap<Bucket, Tally>>,
    unclaimed_len: usize,
    alarms: AlarmBook,
    alarm_events: Vec<AlarmEvent>,
    /// Charging connectors by when they fall silent unless something is heard, ms; each at most once.
    silence_due: BinaryHeap<Reverse<(i64, u32)>>,
    /// From when on silence may be judged, ms: while nobody listens, nobody is silent.
    silence_from_ms: i64,
    lapse_checked: Bucket,
    /// Changes that only move what was handed over from one slot to another.
    moves: Vec<Change>,
    reported: close::Reported,
    closing: Option<Box<Closing>>,
    /// Stations that differ from what was packed of them last.
    dirty: Dirty,
}

impl Shard {
    /// An empty shard whose first open base bucket is the one that holds `from`, less the grace.
    #[must_use]
    pub fn new(config: Arc<Config>, from: ArrivalTime) -> Self {
        let closed = Bucket::holding_ms(from.ms() - config.grace_ms);
        let open_max = config.limits.open_alarms;
        let alarms = AlarmBook::new(&config.thresholds, BookLimits { open_max, ended_max: open_max });
        Self {
            config,
            operators: Vec::new(),
            operator_ids: FxHashMap::default(),
            stations: Vec::new(),
            station_ids: Vec::new(),
            unregistered_stations: 0,
            connectors: Vec::new(),
            slots: vec![SlotEntry {
                attribution: AttributionIndex(0),
                station: NOBODY,
                owner: Owner::Station,
                claimable: false,
            }],
            attributions: vec![NOWHERE_ATTRIBUTION],
            attribution_ids: FxHashMap::default(),
            book: Book::starting_at(closed),
            closed,
            unclaimed: FxHashMap::default(),
            unclaimed_len: 0,
            alarms,
            alarm_events: Vec::new(),
            silence_due: BinaryHeap::new(),
            silence_from_ms: i64::MIN,
            lapse_checked: closed,
            moves: Vec::new(),
            reported: close::Reported::default(),
            closing: None,
            dirty: Dirty::default(),
        }
    }

    /// Takes in one observation.
    pub fn handle(
        &mut self,
        arrival: ArrivalTime,
        source: SourceIndex,
        key: StationKey<'_>,
        observation: Observation<'_>,
    ) -> Verdict {
        if self.closing.is_some() {
            self.close_before(key, &observation);
        }
        let verdict = match observation {
            Observation::Sample { connector, sample } => self.sample(arrival, source, key, connector, &sample),
            Observation::Registration(registration) => self.register(arrival, source, key, registration),
            Observation::Deregistration { at } => self.deregister(arrival, source, key, at),
            Observation::StationOffline { at, retained } => self.offline(arrival, source, key, at, retained),
            Observation::StationOnline => Verdict::Accepted,
            Observation::Session { connector, event } => self.session(arrival, key, connector, &event),
            Observation::Alarm { connector, alarm } => self.alarm(arrival, key, connector, &alarm),
        };
        if verdict == Verdict::Accepted && self.config.sources[usize::from(source.0)].prolong {
            self.prolong(arrival, source, key);
        }
        verdict
    }

    /// Counts a message that was refused before it became an observation.
    pub fn reject(&mut self, arrival: ArrivalTime, key: Option<StationKey<'_>>) {
        let station = key.and_then(|key| self.find_station(key));
        let slot = station.map_or(NOWHERE, |station| self.station(station).slot);
        self.dirty.mark(station.map_or(NOBODY, StationIndex));
        self.book.at(arrival.bucket(), slot).events.get_mut().rejected += 1;
    }

    /// Everything before the start of this base bucket is booked in full.
    #[must_use]
    pub fn closed(&self) -> Bucket {
        self.closed
    }

    fn sample(
        &mut self,
        arrival: ArrivalTime,
        source: SourceIndex,
        key: StationKey<'_>,
        connector: &str,
        sample: &Sample<'_>,
    ) -> Verdict {
        if let Some(verdict) = self.untimely(sample.at, arrival) {
            return self.refuse(arrival, key, Some(connector), verdict);
        }
        match self.known_or_new(key, connector) {
            Ok(index) => {
                let (verdict, newest) = self.place(arrival, source, index, &Reading::from(sample));
                if let Some(Newest { fallen_j }) = newest {
                    self.watch(index, source, sample, fallen_j);
                }
                verdict
            }
            Err(limit) => self.refuse(arrival, key, Some(connector), Verdict::Limit(limit)),
        }
    }

    /// Puts a reading on a connector's timeline and counts what became of it.
    fn place(
        &mut self,
        arrival: ArrivalTime,
        source: SourceIndex,
        index: u32,
        reading: &Reading,
    ) -> (Verdict, Option<Newest>) {
        let (timeline, mut desk) = self.desk(index, source);
        let placed = timeline.observe(reading, &mut desk);
        let slot = desk.slot;
        let (verdict, newest) = match placed {
            Placed::Newest { fallen_j } => (Verdict::Accepted, Some(Newest { fallen_j })),
            Placed::InGap => (Verdict::Accepted, None),
            Placed::Duplicate => (Verdict::Duplicate, None),
            Placed::OutOfOrder => (Verdict::OutOfOrder, None),
            Placed::AfterEnd => (Verdict::Decommissioned, None),
        };
        if newest.is_some() {
            self.follow(index, reading);
        }
        // Who has left service counts nowhere of its own any more; its station does.
        let gone = verdict == Verdict::Decommissioned;
        let station = self.connectors[index as usize].station;
        let slot = if gone { self.station(station).slot } else { slot };
        (self.count((StationIndex(station), slot), EventTime::from_ms(reading.at_ms), arrival, verdict), newest)
    }

    /// What else follows from a reading that is the newest now.
    fn follow(&mut self, index: u32, reading: &Reading) {
        let connector = &mut self.connectors[index as usize];
        let (book, slot) = (&mut self.book, connector.slot);
        connector.heard = true;
        if matches!(reading.state, State::Charging | State::Discharging) {
            connector.last_flow_ms = Some(reading.at_ms).into();
        }
        connector.faults.change(|faults| {
            faults.observe(reading.at_ms, reading.state, |at, count| {
                count(book.at(at.bucket(), slot).events.get_mut());
            });
        });
    }

    /// The station is out of reach: a sample `offline` for each connector that is known and still in service.
    fn offline(
        &mut self,
        arrival: ArrivalTime,
        source: SourceIndex,
        key: StationKey<'_>,
        at: Option<EventTime>,
        retained: bool,
    ) -> Verdict {
        let at = at.unwrap_or_else(|| arrival.as_event_time());
        if let Some(verdict) = self.untimely(at, arrival) {
            return self.refuse(arrival, key, None, verdict);
        }
        let Some(station) = self.find_station(key) else { return Verdict::Accepted };
        let reading = Reading {
            at_ms: at.ms(),
            state: State::Offline,
            power_w: None,
            import_j: None,
            export_j: None,
            demand_w: None,
        };
        for index in self.serving(station) {
            // What the broker kept says nothing about this moment: it only fills in where nothing better is known.
            let timeline = &self.connectors[index as usize].timeline;
            if retained && timeline.state_at(at.ms()) != State::Unobserved {
                continue;
            }
            self.place(arrival, source, index, &reading);
        }
        Verdict::Accepted
    }

    fn prolong(&mut self, arrival: ArrivalTime, source: SourceIndex, key: StationKey<'_>) {
        let Some(station) = self.find_station(key) else { return };
        self.dirty.mark(StationIndex(station));
        for index in self.serving(station) {
            let (timeline, mut desk) = self.desk(index, source);
            timeline.prolong(arrival.ms(), &mut desk);
        }
    }

    /// Why an observation is refused for its time alone, where it is.
    fn untimely(&self, at: EventTime, arrival: ArrivalTime) -> Option<Verdict> {
        let ahead_ms = at.ahead_of_ms(arrival);
        if ahead_ms > self.config.future_skew_ms {
            Some(Verdict::Future)
        } else if -ahead_ms > self.config.late_limit_ms {
            Some(Verdict::Late)
        } else {
            None
        }
    }

    /// Counts a refusal where its sender is known; refused input makes nobody known.
    fn refuse(
        &mut self,
        arrival: ArrivalTime,
        key: StationKey<'_>,
        connector: Option<&str>,
        verdict: Verdict,
    ) -> Verdict {
        let at = self.find_station(key).map_or((NOBODY, NOWHERE), |index| {
            let station = self.station(index);
            let known = connector.and_then(|id| station.find(id));
            (StationIndex(index), known.map_or(station.slot, |index| self.connectors[index as usize].slot))
        });
        self.count(at, arrival.as_event_time(), arrival, verdict)
    }

    /// Counts a verdict: what is accepted at its event time, what is refused at its arrival, so that refused input
    /// never opens a window again.
    fn count(
        &mut self,
        (station, slot): (StationIndex, SlotIndex),
        at: EventTime,
        arrival: ArrivalTime,
        verdict: Verdict,
    ) -> Verdict {
        self.dirty.mark(station);
        let count: fn(&mut EventCounts) = match verdict {
            Verdict::Accepted => {
                self.book.accepted(at.bucket(), slot, cell(&LATENCY_MS, -at.ahead_of_ms(arrival)));
                return verdict;
            }
            Verdict::Duplicate => |counts| counts.duplicate += 1,
            Verdict::Late => |counts| counts.late += 1,
            Verdict::Future => |counts| counts.future += 1,
            Verdict::OutOfOrder => |counts| counts.out_of_order += 1,
            Verdict::Decommissioned | Verdict::Limit(_) => |counts| counts.rejected += 1,
        };
        count(self.book.at(arrival.bucket(), slot).events.get_mut());
        verdict
    }

    /// Where a slot counts, and of which station it is.
    fn attribution_at(&self, slot: SlotIndex) -> Attribution {
        let SlotEntry { attribution, station, .. } = self.slots[slot.0 as usize];
        Attribution { station, ..self.attributions[attribution.0 as usize] }
    }

    /// A connector's timeline and the desk at which it books.
    fn desk(&mut self, index: u32, source: SourceIndex) -> (&mut Timeline, Desk<'_>) {
        let Connector { timeline, outages, slot, .. } = &mut self.connectors[index as usize];
        let desk = Desk {
            book: &mut self.book,
            outages,
            calendar: &self.config.calendar,
            slot: *slot,
            closed: self.closed,
            hold_ms: self.config.sources[usize::from(source.0)].hold_ms,
            late_limit_ms: self.config.late_limit_ms,
            remembered_max: self.config.limits.duplicate_memory,
        };
        (timeline, desk)
    }
}
