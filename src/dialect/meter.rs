//! From the energy of single sessions to the register of a connector: families that count every session from zero say
//! how much it took so far, and the sum over all sessions only ever rises. Also keeps the samples of one connector in
//! order where some of them have a time of their own and others only their arrival. Knows no payload, and must never
//! count energy twice.

use chargetally_core::pack::{Damaged, Pack, Reader};

/// How far a sample may be moved to stand after the one before, ms: the clocks of stations, and the way of a message.
const MOVED_MS_MAX: i64 = 60_000;
/// A session's energy that falls by less than this is the same, J: 0.05 kWh (domain 9.2).
const DROP_J_MIN: i64 = 180_000;
/// What of the very first session may lie before its opening without being lost, J: 0.09 kWh, for a register may always
/// jump by 0.1 kWh (semantics, section 3).
const FIRST_J_MAX: i64 = 324_000;
/// A time this far ahead of its arrival says nothing that is to be remembered, ms: no setting lets it pass.
const AHEAD_MS_MAX: i64 = 3_600_000;

/// What a message says about the energy of a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionReading<'a> {
    /// The session's id.
    pub session: &'a str,
    /// When it began.
    pub began_ms: Option<i64>,
    /// When it had this energy.
    pub at_ms: i64,
    /// What it took since it began, J.
    pub energy_j: Option<i64>,
    /// Whether it is over, and this is its last word.
    pub is_final: bool,
}

/// What is to be told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The time of the sample.
    pub at_ms: i64,
    /// The register then, J; `None` where the message is older than what is known.
    pub register_j: Option<i64>,
    /// A sample before it, with its register: the session's beginning.
    pub opening: Option<(i64, i64)>,
    /// Whether it says anything that was not told before.
    pub is_news: bool,
}

/// The energy of the sessions of one connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionMeter {
    register_j: i64,
    /// The session that came last.
    current: Option<Session>,
    /// The one before, for whatever is still to be said of it.
    previous: Option<Session>,
    /// The time of the newest sample that was told.
    told_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Session {
    id: Box<str>,
    /// What it was last said to have taken, J.
    energy_j: i64,
    /// When.
    at_ms: i64,
    /// The time under which that was told.
    told_ms: i64,
    is_over: bool,
    is_started: bool,
}

impl SessionMeter {
    /// The time for a sample that is to be the newest: its own, or right after the newest one where it is hardly older.
    pub fn place(&mut self, at_ms: i64, arrival_ms: i64) -> i64 {
        if at_ms > arrival_ms.saturating_add(AHEAD_MS_MAX) {
            return at_ms;
        }
        match self.told_ms {
            Some(told_ms) if at_ms <= told_ms => {
                if told_ms - at_ms > MOVED_MS_MAX {
                    return at_ms;
                }
                self.told_ms = Some(told_ms + 1);
                told_ms + 1
            }
            _ => {
                self.told_ms = Some(at_ms);
                at_ms
            }
        }
    }

    /// The register between two sessions, J: `None` while one may still take energy, and before the first one.
    #[must_use]
    pub fn register_at_rest(&self) -> Option<i64> {
        self.current.as_ref().filter(|session| session.is_over).map(|_| self.register_j)
    }

    /// Whether a session is one of the last two.
    #[must_use]
    pub fn knows(&self, session: &str) -> bool {
        [&self.current, &self.previous].into_iter().flatten().any(|known| *known.id == *session)
    }

    /// The session that goes on.
    #[must_use]
    pub fn open_session(&self) -> Option<&str> {
        self.current.as_ref().filter(|session| !session.is_over).map(|session| &*session.id)
    }

    /// Takes it that a session has started; whether that is news. To be asked after [`Self::read`].
    pub fn start(&mut self, session: &str) -> bool {
        let known = [&mut self.current, &mut self.previous].into_iter().flatten();
        let mut known = known.filter(|known| *known.id == *session);
        known.next().is_some_and(|known| !std::mem::replace(&mut known.is_started, true))
    }

    /// Takes in what a session took; what is then to be told.
    pub fn read(&mut self, reading: &SessionReading<'_>, arrival_ms: i64) -> Told {
        let SessionReading { session, at_ms, .. } = *reading;
        let nothing = Told { at_ms, register_j: None, opening: None, is_news: !reading.is_final };
        if at_ms > arrival_ms.saturating_add(AHEAD_MS_MAX) {
            return nothing;
        }
        match &self.current {
            Some(current) if *current.id == *session => self.read_current(reading, arrival_ms),
            Some(current) if at_ms <= current.at_ms => self.read_previous(reading, arrival_ms, nothing),
            Some(_) if self.previous.as_ref().is_some_and(|previous| *previous.id == *session) => {
                self.read_previous(reading, arrival_ms, nothing)
            }
            _ => self.read_new(reading, arrival_ms),
        }
    }

    fn read_new(&mut self, reading: &SessionReading<'_>, arrival_ms: i64) -> Told {
        let before_j = self.register_j;
        let energy_j = reading.energy_j.unwrap_or(0);
        // Before the very first session no register was ever told, so that nothing can be counted up to its opening: what
        // a register may always jump by is left for after it.
        let is_first = self.current.is_none() && before_j == 0;
        self.previous = self.current.take();
        self.register_j = before_j.saturating_add(energy_j);
        let before_ms = self.told_ms;
        let told_ms = self.place(reading.at_ms, arrival_ms);
        let opening = reading.began_ms.filter(|_| energy_j > 0).and_then(|began_ms| {
            let span_ms = told_ms.checked_sub(began_ms).filter(|&span_ms| span_ms > 0)?;
            let from_ms = before_ms.map_or(began_ms, |before_ms| began_ms.max(before_ms + 1));
            // What was taken before the newest sample was taken before the newest sample.
            let earlier_j = i128::from(energy_j) * i128::from(from_ms - began_ms) / i128::from(span_ms);
            let earlier_j = i64::try_from(earlier_j).unwrap_or(0) - if is_first { FIRST_J_MAX } else { 0 };
            let earlier_j = earlier_j.max(0);
            (from_ms < told_ms).then_some((from_ms, before_j.saturating_add(earlier_j)))
        });
        self.current = Some(Session {
            id: reading.session.into(),
            energy_j,
            at_ms: reading.at_ms,
            told_ms,
            is_over: reading.is_final,
            is_started: false,
        });
        Told { at_ms: told_ms, register_j: Some(self.register_j), opening, is_news: true }
    }

    fn read_current(&mut self, reading: &SessionReading<'_>, arrival_ms: i64) -> Told {
        let SessionReading { at_ms, energy_j, is_final, .. } = *reading;
        let Some(current) = &mut self.current else { return self.read_new(reading, arrival_ms) };
        let energy_j = energy_j.unwrap_or(current.energy_j);
        let was_over = current.is_over;
        current.is_over |= is_final;
        let again = Told { at_ms: current.told_ms, register_j: Some(self.register_j), opening: None, is_news: false };
        let gained_j = energy_j.saturating_sub(current.energy_j);
        if is_final {
            if was_over && gained_j <= 0 {
                return again;
            }
        } else if at_ms < current.at_ms || was_over {
            // Older than what is known, though it may fill a gap; or the session goes on after its last word, which
            // nobody can mean.
            return Told { at_ms, register_j: None, opening: None, is_news: !was_over };
        } else if at_ms == current.at_ms && gained_j == 0 {
            return Told { is_news: true, ..again };
        }
        // Below what was said before, the count goes on from there: nothing is taken back, nothing is counted twice.
        if gained_j > 0 || gained_j <= -DROP_J_MIN {
            current.energy_j = energy_j;
        }
        self.register_j = self.register_j.saturating_add(gained_j.max(0));
        let at_ms = at_ms.max(current.at_ms);
        current.at_ms = at_ms;
        let told_ms = self.place(at_ms, arrival_ms);
        if let Some(current) = &mut self.current {
            current.told_ms = told_ms;
        }
        Told { at_ms: told_ms, register_j: Some(self.register_j), opening: None, is_news: true }
    }

    /// The last word on the session before, which may have taken more than was known; anything else of it is old.
    fn read_previous(&mut self, reading: &SessionReading<'_>, arrival_ms: i64, nothing: Told) -> Told {
        let known = self.previous.as_mut().filter(|previous| *previous.id == *reading.session);
        let (Some(previous), true, Some(energy_j)) = (known, reading.is_final, reading.energy_j) else {
            return nothing;
        };
        previous.is_over = true;
        let gained_j = energy_j.saturating_sub(previous.energy_j);
        if gained_j <= 0 {
            return nothing;
        }
        previous.energy_j = energy_j;
        self.register_j = self.register_j.saturating_add(gained_j);
        let newest_ms = self.told_ms.unwrap_or(reading.at_ms);
        let told_ms = self.place(newest_ms, arrival_ms);
        Told { at_ms: told_ms, register_j: Some(self.register_j), opening: None, is_news: true }
    }
}

impl Pack for SessionMeter {
    fn pack(&self, out: &mut Vec<u8>) {
        self.register_j.pack(out);
        self.current.pack(out);
        self.previous.pack(out);
        self.told_ms.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            register_j: Pack::unpack(reader)?,
            current: Pack::unpack(reader)?,
            previous: Pack::unpack(reader)?,
            told_ms: Pack::unpack(reader)?,
        })
    }
}

impl Pack for Session {
    fn pack(&self, out: &mut Vec<u8>) {
        self.id.pack(out);
        self.energy_j.pack(out);
        self.at_ms.pack(out);
        self.told_ms.pack(out);
        self.is_over.pack(out);
        self.is_started.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            id: Pack::unpack(reader)?,
            energy_j: Pack::unpack(reader)?,
            at_ms: Pack::unpack(reader)?,
            told_ms: Pack::unpack(reader)?,
            is_over: Pack::unpack(reader)?,
            is_started: Pack::unpack(reader)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn reading(session: &str, began_ms: i64, at_ms: i64, energy_j: i64) -> SessionReading<'_> {
        SessionReading { session, began_ms: Some(began_ms), at_ms, energy_j: Some(energy_j), is_final: false }
    }

    #[test]
    fn a_session_opens_where_it_began_or_right_after_what_was_told_last() {
        let mut meter = SessionMeter::default();
        let told = meter.read(&reading("a", 1_000, MINUTE_MS, 500_000), MINUTE_MS);
        assert_eq!(
            told,
            Told { at_ms: MINUTE_MS, register_j: Some(500_000), opening: Some((1_000, 0)), is_news: true }
        );
        let last = SessionReading { is_final: true, ..reading("a", 1_000, 2 * MINUTE_MS, 1_000_000) };
        assert_eq!(meter.read(&last, 2 * MINUTE_MS).register_j, Some(1_000_000));
        assert_eq!(meter.register_at_rest(), Some(1_000_000));
        // A status came 30 s after the second session had begun: half of its energy lies before.
        assert_eq!(meter.place(5 * MINUTE_MS + 29_999, 6 * MINUTE_MS), 5 * MINUTE_MS + 29_999);
        let told = meter.read(&reading("b", 5 * MINUTE_MS, 6 * MINUTE_MS, 800_000), 6 * MINUTE_MS);
        assert_eq!(told.opening, Some((5 * MINUTE_MS + 30_000, 1_400_000)));
        assert_eq!(told.register_j, Some(1_800_000));
        assert_eq!(meter.register_at_rest(), None);
    }

    #[test]
    fn samples_stand_after_one_another_where_clocks_are_hardly_apart() {
        let mut meter = SessionMeter::default();
        assert_eq!(meter.place(100_000, 100_000), 100_000);
        assert_eq!(meter.place(95_000, 100_000), 100_001);
        assert_eq!(meter.place(100_001, 100_001), 100_002);
        assert_eq!(meter.place(20_000, 100_000), 20_000);
        assert_eq!(meter.place(200_000_000, 100_000), 200_000_000);
        assert_eq!(meter.place(100_500, 100_500), 100_500);
    }

    #[test]
    fn a_clock_in_another_century_is_not_remembered() {
        let mut meter = SessionMeter::default();
        let told = meter.read(&reading("a", 0, 4_000_000_000_000, 500_000), 1_000);
        assert_eq!((told.register_j, told.opening, told.is_news), (None, None, true));
        assert_eq!(meter, SessionMeter::default());
    }
}
