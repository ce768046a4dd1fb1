//! The charging sessions of one connector: which steps were already told, and what each session adds to the tallies.
//! What a session adds is a function of the steps known of it, and a further step books only the difference, so the
//! sums do not depend on the order in which steps arrive. Only the last few sessions are remembered.

use crate::histogram::{DURATION_MS, ENERGY_J, START_MS, cell};
use crate::observation::{SessionEvent, SessionStep, SessionStop, StopReason};
use crate::pack::{Damaged, Pack, Reader, pack_fields};
use crate::slim::Slim;
use crate::tally::EventCounts;
use crate::time::EventTime;

/// Sessions remembered per connector where the settings say nothing.
pub const REMEMBERED_DEFAULT: usize = 8;
/// Shortest session that turnover counts, ms (domain B6).
const EFFECTIVE_MS_MIN: i64 = 60_000;
/// Least energy of a session that turnover counts, J: 0.1 kWh (domain B6).
const EFFECTIVE_J_MIN: i64 = 360_000;
/// How far metered and billed energy may lie apart, J: 0.02 kWh (domain C15).
const CONSISTENT_J_MAX: u64 = 72_000;
/// How far back failed attempts are looked for, ms: 24 h (domain C16).
const FAILURE_SPAN_MS: i64 = 86_400_000;
/// So many failed attempts, and no success, are repeated failure (domain C16).
const FAILURES_MIN: usize = 3;

/// What became of a session event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was taken in.
    Accepted,
    /// The same step of the same session was told before; nothing was changed.
    Duplicate,
}

/// The stop of a session, with what its connector made of it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stopped {
    at: EventTime,
    is_normal: bool,
    stop: SessionStop,
}

/// What is known of one session.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Session {
    /// A digest of its id.
    id: u64,
    attempt: Option<EventTime>,
    start: Option<EventTime>,
    stop: Option<Stopped>,
}

/// A session in little room: millions of connectors remember several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    id: u64,
    attempt: Slim<EventTime>,
    start: Slim<EventTime>,
    /// None where it goes on; nothing that follows means anything then.
    stop: Slim<EventTime>,
    energy_j: Slim<i64>,
    billed_j: Slim<i64>,
    energy_fee_fen: Slim<i64>,
    service_fee_fen: Slim<i64>,
    reason: Option<StopReason>,
    disputed: bool,
    is_normal: bool,
}

const _: () = assert!(size_of::<Kept>() <= 72);

impl From<Session> for Kept {
    fn from(Session { id, attempt, start, stop }: Session) -> Self {
        let said = stop.map(|stopped| stopped.stop).unwrap_or_default();
        let SessionStop { reason, energy_j, billed_j, energy_fee_fen, service_fee_fen, disputed } = said;
        Self {
            id,
            attempt: attempt.into(),
            start: start.into(),
            stop: stop.map(|stopped| stopped.at).into(),
            energy_j: energy_j.into(),
            billed_j: billed_j.into(),
            energy_fee_fen: energy_fee_fen.into(),
            service_fee_fen: service_fee_fen.into(),
            reason,
            disputed,
            is_normal: stop.is_some_and(|stopped| stopped.is_normal),
        }
    }
}

impl From<Kept> for Session {
    fn from(kept: Kept) -> Self {
        let stop = SessionStop {
            reason: kept.reason,
            energy_j: kept.energy_j.get(),
            billed_j: kept.billed_j.get(),
            energy_fee_fen: kept.energy_fee_fen.get(),
            service_fee_fen: kept.service_fee_fen.get(),
            disputed: kept.disputed,
        };
        let stopped = |at| Stopped { at, is_normal: kept.is_normal, stop };
        Self { id: kept.id, attempt: kept.attempt.get(), start: kept.start.get(), stop: kept.stop.get().map(stopped) }
    }
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Completed,
    /// Otherwise; whether energy had begun to flow.
    Failed {
        was_started: bool,
    },
}

/// What a session adds where it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StartShare {
    at: EventTime,
    /// Since the attempt, ms.
    delay_ms: Option<i64>,
}

/// What a session adds where it stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
struct StopShare {
    at: EventTime,
    outcome: Outcome,
    duration_ms: Option<i64>,
    stop: SessionStop,
}

/// The sessions of one connector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectorSessions {
    sessions: Vec<Kept>,
    last_session_at: Slim<EventTime>,
    /// The newest success among the sessions that were forgotten.
    forgotten_success_at: Slim<EventTime>,
}

impl ConnectorSessions {
    /// Takes in one step of a session.
    ///
    /// `sink` gets a point in event time and what to apply to the counts of the base bucket that holds it. At most
    /// `remembered_max` sessions (one at least) are kept; the one that was heard of least recently is forgotten.
    pub fn observe(
        &mut self,
        event: &SessionEvent<'_>,
        direct_current: bool,
        remembered_max: usize,
        sink: &mut impl FnMut(EventTime, &dyn Fn(&mut EventCounts)),
    ) -> Taken {
        let id = digest(event.session);
        let index = self.sessions.iter().position(|session| session.id == id);
        let before =
            index.map_or(Session { id, attempt: None, start: None, stop: None }, |index| self.sessions[index].into());
        let Some(after) = before.with(event, direct_current) else { return Taken::Duplicate };
        if let Some(index) = index {
            self.sessions[index] = after.into();
        } else {
            self.make_room(remembered_max.max(1));
            // No room for more than there are is kept.
            self.sessions.reserve_exact(1);
            self.sessions.push(after.into());
        }
        if !matches!(event.step, SessionStep::Attempt) {
            self.last_session_at = self.last_session_at.get().max(Some(event.at)).into();
        }
        book_difference(&before, &after, sink);
        Taken::Accepted
    }

    /// The newest start or stop of any session.
    #[must_use]
    pub fn last_session_at(&self) -> Option<EventTime> {
        self.last_session_at.get()
    }

    fn sessions(&self) -> impl Iterator<Item = Session> {
        self.sessions.iter().copied().map(Session::from)
    }

    /// Whether at least three attempts failed within the 24 h before `at` and none succeeded (domain C16).
    ///
    /// A session that failed is a failed attempt, and so is one that was asked for, of which nothing more was heard
    /// and after which another one came. A session that completed, or that started and still goes on, is a success.
    #[must_use]
    pub fn repeated_failure(&self, at: EventTime) -> bool {
        let is_within = |then: EventTime| then <= at && then.ms() > at.ms().saturating_sub(FAILURE_SPAN_MS);
        if self.forgotten_success_at.get().is_some_and(is_within) {
            return false;
        }
        let mut failures = 0;
        for session in self.sessions().filter(|session| is_within(session.newest_at())) {
            if session.success_at().is_some() {
                return false;
            }
            let is_superseded = || self.sessions().any(|other| other.newest_at() > session.newest_at());
            failures += usize::from(session.stop.is_some() || is_superseded());
        }
        failures >= FAILURES_MIN
    }

    fn make_room(&mut self, remembered_max: usize) {
        while self.sessions.len() >= remembered_max {
            let oldest = self.sessions().enumerate().min_by_key(|(_, session)| session.newest_at());
            let Some((oldest, forgotten)) = oldest else { return };
            self.sessions.remove(oldest);
            self.forgotten_success_at = self.forgotten_success_at.get().max(forgotten.success_at()).into();
        }
    }
}

impl Session {
    /// The session with one more step; `None` where that step is known.
    fn with(mut self, event: &SessionEvent<'_>, direct_current: bool) -> Option<Self> {
        let at = event.at;
        let is_known = match event.step {
            SessionStep::Attempt => self.attempt.replace(at).is_some(),
            SessionStep::Start => self.start.replace(at).is_some(),
            SessionStep::Stop(stop) => {
                let is_normal = stop.reason.is_none_or(|reason| reason.is_normal(direct_current));
                self.stop.replace(Stopped { at, is_normal, stop }).is_some()
            }
        };
        (!is_known).then_some(self)
    }

    fn newest_at(&self) -> EventTime {
        let stop_at = self.stop.map(|stopped| stopped.at);
        self.attempt.max(self.start).max(stop_at).unwrap_or(EventTime::from_ms(i64::MIN))
    }

    fn success_at(&self) -> Option<EventTime> {
        match self.stop_share() {
            Some(share) => (share.outcome == Outcome::Completed).then_some(share.at),
            None => self.start,
        }
    }

    fn start_share(&self) -> Option<StartShare> {
        let at = self.start?;
        Some(StartShare { at, delay_ms: self.attempt.and_then(|attempt| passed_ms(attempt, at)) })
    }

    fn stop_share(&self) -> Option<StopShare> {
        let Stopped { at, is_normal, stop } = self.stop?;
        let was_started = self.start.is_some();
        let outcome = if is_normal && (was_started || self.attempt.is_none()) {
            Outcome::Completed
        } else {
            Outcome::Failed { was_started }
        };
        Some(StopShare { at, outcome, duration_ms: self.start.and_then(|start| passed_ms(start, at)), stop })
    }
}

impl StartShare {
    fn add_to(&self, counts: &mut EventCounts, sign: i64) {
        counts.sessions_started += sign;
        if let Some(delay_ms) = self.delay_ms {
            counts.starts_timed += sign;
            counts.start_ms += sign * delay_ms;
            counts.start_delays[cell(&START_MS, delay_ms)] += sign;
        }
    }
}

impl StopShare {
    fn add_to(&self, counts: &mut EventCounts, sign: i64) {
        match self.outcome {
            Outcome::Completed => counts.sessions_completed += sign,
            Outcome::Failed { was_started } => {
                counts.sessions_failed += sign;
                counts.sessions_abnormal += sign * i64::from(was_started);
            }
        }
        let SessionStop { reason, energy_j, billed_j, energy_fee_fen, service_fee_fen, disputed } = self.stop;
        if let Some(reason) = reason {
            counts.stops[reason as usize] += sign;
        }
        if let Some(duration_ms) = self.duration_ms {
            counts.sessions_timed += sign;
            counts.session_ms += sign * duration_ms;
            counts.session_durations[cell(&DURATION_MS, duration_ms)] += sign;
            let is_effective =
                duration_ms >= EFFECTIVE_MS_MIN && energy_j.is_some_and(|energy_j| energy_j >= EFFECTIVE_J_MIN);
            counts.sessions_effective += sign * i64::from(is_effective);
        }
        counts.sessions_disputed += sign * i64::from(disputed);
        let Some(energy_j) = energy_j else { return };
        counts.sessions_metered += sign;
        counts.session_j += sign * energy_j;
        counts.session_energies[cell(&ENERGY_J, energy_j)] += sign;
        if let Some(billed_j) = billed_j {
            counts.sessions_billed += sign;
            counts.sessions_billed_consistent += sign * i64::from(energy_j.abs_diff(billed_j) <= CONSISTENT_J_MAX);
        }
        if let (Some(energy_fee_fen), Some(service_fee_fen)) = (energy_fee_fen, service_fee_fen) {
            counts.sessions_priced += sign;
            counts.priced_j += sign * energy_j;
            counts.energy_fee_fen += sign * energy_fee_fen;
            counts.service_fee_fen += sign * service_fee_fen;
        }
    }
}

/// Books what the session adds now and takes back what it added before. Buckets in which nothing changes are not
/// touched, so that their windows are not published again.
fn book_difference(before: &Session, after: &Session, sink: &mut impl FnMut(EventTime, &dyn Fn(&mut EventCounts))) {
    if before.attempt.is_none()
        && let Some(at) = after.attempt
    {
        sink(at, &|counts| counts.sessions_attempted += 1);
    }
    let (old, new) = (before.start_share(), after.start_share());
    if old != new
        && let Some(new) = new
    {
        sink(new.at, &|counts| {
            if let Some(old) = &old {
                old.add_to(counts, -1);
            }
            new.add_to(counts, 1);
        });
    }
    let (old, new) = (before.stop_share(), after.stop_share());
    if old != new
        && let Some(new) = new
    {
        sink(new.at, &|counts| {
            if let Some(old) = &old {
                old.add_to(counts, -1);
            }
            new.add_to(counts, 1);
        });
    }
}

/// From one point to a later one, ms; `None` where clocks disagree so that it is not later.
fn passed_ms(from: EventTime, to: EventTime) -> Option<i64> {
    to.ms().checked_sub(from.ms()).filter(|&ms| ms >= 0)
}

/// FNV-1a, 64 bit: the same on every machine. Only the few sessions of one connector must differ.
fn digest(id: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    id.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

pack_fields!(Stopped { at, is_normal, stop });
pack_fields!(Session { id, attempt, start, stop });
pack_fields!(ConnectorSessions { sessions, last_session_at, forgotten_success_at });

/// As the session.
impl Pack for Kept {
    fn pack(&self, out: &mut Vec<u8>) {
        Session::from(*self).pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Session::unpack(reader).map(Self::from)
    }
}

#[cfg(test)]
mod tests;
