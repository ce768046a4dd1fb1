//! One day at one station, as it physically was: who plugged in when, how power rose and fell, what broke, and when
//! nobody could be heard. Everything else is told from this. It must hold no chance and know no dialect.

use std::collections::BTreeSet;

/// 2026-11-23T00:00+08:00.
pub const MIDNIGHT_MS: i64 = 1_795_363_200_000;
/// When the last messages of the day come, s after midnight.
const LAST_S: i64 = 86_370;
/// How often a connector that delivers tells how much, s.
const DELIVERING_EVERY_S: i64 = 60;

/// Seconds after midnight.
pub const fn at(hour: i64, minute: i64, second: i64) -> i64 {
    hour * 3_600 + minute * 60 + second
}

/// ms since the Unix epoch.
pub const fn epoch_ms(at_s: i64) -> i64 {
    MIDNIGHT_MS + at_s * 1_000
}

/// A day of a station.
pub struct Day {
    pub connectors: Vec<Connector>,
    /// From when to when the station could not be heard.
    pub silent_s: std::ops::Range<i64>,
}

pub struct Connector {
    /// From 1.
    pub number: u32,
    pub rated_kw: i64,
    pub is_dc: bool,
    /// What its meter showed at midnight, J.
    pub register_j: i64,
    pub sessions: Vec<Session>,
}

/// From plugging in to the moment when the connector is free again.
pub struct Session {
    pub number: u32,
    pub plugged_s: i64,
    /// When energy began to flow; never where the start failed.
    pub began_s: Option<i64>,
    pub ended_s: i64,
    /// When the connector was free again: unplugged, or repaired.
    pub freed_s: i64,
    pub full_w: i64,
    /// How long it took full power, s; from then on power falls in a straight line.
    pub full_for_s: i64,
    /// The power at its end.
    pub last_w: i64,
    pub ending: Ending,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The vehicle had enough.
    Enough,
    /// The connector broke down.
    Broken,
    /// It never started.
    NotStarted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Available,
    Occupied,
    Charging,
    Faulted,
}

/// What happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happens {
    Nothing,
    Plugged,
    Began,
    Ended,
    Freed,
}

/// What is so at one connector at one moment.
pub struct Moment<'d> {
    pub at_s: i64,
    pub connector: &'d Connector,
    pub happens: Happens,
    pub state: State,
    pub power_w: i64,
    /// The session that is there, or that ends here.
    pub session: Option<&'d Session>,
    /// What the session took so far, J.
    pub session_j: i64,
    /// What the meter shows, J.
    pub register_j: i64,
}

/// What comes to pass at the station, in its order.
pub enum Step<'d> {
    Moment(Moment<'d>),
    Silence(i64),
    Return(i64),
}

impl Session {
    fn seconds(&self) -> i64 {
        self.began_s.map_or(0, |began_s| self.ended_s - began_s)
    }

    /// How far power has fallen in: seconds of falling so far, and all of them.
    fn falling_s(&self, at_s: i64) -> (i64, i64) {
        let since_s = self.began_s.map_or(0, |began_s| (at_s - began_s).clamp(0, self.seconds()));
        ((since_s - self.full_for_s).max(0), self.seconds() - self.full_for_s)
    }

    fn power_w(&self, at_s: i64) -> i64 {
        let (fallen_s, falls_s) = self.falling_s(at_s);
        self.full_w - (self.full_w - self.last_w) * fallen_s / falls_s.max(1)
    }

    /// What it has taken, J.
    pub fn energy_j(&self, at_s: i64) -> i64 {
        let Some(began_s) = self.began_s else { return 0 };
        let since_s = (at_s - began_s).clamp(0, self.seconds());
        let (fallen_s, falls_s) = self.falling_s(at_s);
        self.full_w * since_s - (self.full_w - self.last_w) * fallen_s * fallen_s / (2 * falls_s.max(1))
    }

    fn state(&self, at_s: i64) -> State {
        if self.began_s.is_some_and(|began_s| at_s >= began_s) && at_s < self.ended_s {
            State::Charging
        } else if at_s >= self.ended_s && self.ending == Ending::Broken {
            State::Faulted
        } else {
            State::Occupied
        }
    }

    fn changes(&self) -> impl Iterator<Item = (i64, Happens)> {
        [
            Some((self.plugged_s, Happens::Plugged)),
            self.began_s.map(|began_s| (began_s, Happens::Began)),
            Some((self.ended_s, Happens::Ended)),
            Some((self.freed_s, Happens::Freed)),
        ]
        .into_iter()
        .flatten()
    }
}

impl Connector {
    fn session_at(&self, at_s: i64) -> Option<&Session> {
        self.sessions.iter().find(|session| (session.plugged_s..session.freed_s).contains(&at_s))
    }

    fn state(&self, at_s: i64) -> State {
        self.session_at(at_s).map_or(State::Available, |session| session.state(at_s))
    }

    pub fn moment(&self, at_s: i64) -> Moment<'_> {
        let mut changes =
            self.sessions.iter().flat_map(|session| session.changes().map(move |change| (session, change)));
        let change = changes.find(|(_, (changed_s, _))| *changed_s == at_s);
        let session = self.session_at(at_s).or(change.map(|(session, _)| session));
        let state = self.state(at_s);
        Moment {
            at_s,
            connector: self,
            happens: change.map_or(Happens::Nothing, |(_, (_, happens))| happens),
            state,
            power_w: session.filter(|_| state == State::Charging).map_or(0, |session| session.power_w(at_s)),
            session,
            session_j: session.map_or(0, |session| session.energy_j(at_s)),
            register_j: self.register_j + self.sessions.iter().map(|session| session.energy_j(at_s)).sum::<i64>(),
        }
    }
}

impl Day {
    /// Everything that is told of the day, by who tells a connector at rest so often. What changes is told at once.
    pub fn steps(&self, at_rest_every_s: i64) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        for connector in &self.connectors {
            let always = [0, self.silent_s.end, LAST_S];
            let changes = connector.sessions.iter().flat_map(Session::changes).map(|(at_s, _)| at_s);
            let every_s = |at_s| match connector.state(at_s) {
                State::Charging => DELIVERING_EVERY_S,
                _ => at_rest_every_s,
            };
            let regular = (0..LAST_S).step_by(60).filter(|&at_s| at_s % every_s(at_s) == 0);
            let times: BTreeSet<i64> = regular.chain(changes).chain(always).collect();
            let heard = times.into_iter().filter(|at_s| !self.silent_s.contains(at_s));
            steps.extend(heard.map(|at_s| (at_s, connector.number, Step::Moment(connector.moment(at_s)))));
        }
        steps.push((self.silent_s.start, 0, Step::Silence(self.silent_s.start)));
        steps.push((self.silent_s.end, 0, Step::Return(self.silent_s.end)));
        steps.sort_by_key(|(at_s, number, _)| (*at_s, *number));
        steps.into_iter().map(|(_, _, step)| step).collect()
    }

    /// How long the connectors were in a state while they could be heard, ms, up to the end of the day.
    pub fn state_ms(&self, state: State) -> i64 {
        let heard = (0..86_400).filter(|at_s| !self.silent_s.contains(at_s));
        let in_state = |at_s| self.connectors.iter().filter(move |connector| connector.state(at_s) == state);
        let seconds = heard.flat_map(in_state);
        i64::try_from(seconds.count()).expect("in range") * 1_000
    }

    /// All that was delivered, J.
    pub fn delivered_j(&self) -> i64 {
        self.connectors.iter().flat_map(|connector| &connector.sessions).map(|it| it.energy_j(it.ended_s)).sum()
    }
}

/// The day: fast charging with a taper, a night at a slow connector, a breakdown and its repair, a start that fails, and
/// a session that goes on while nobody hears the station.
pub fn day() -> Day {
    let session = |number, times: [i64; 4], powers: [i64; 3], ending| {
        let [plugged_s, began_s, ended_s, freed_s] = times;
        let [full_w, full_for_s, last_w] = powers;
        let began_s = (ending != Ending::NotStarted).then_some(began_s);
        Session { number, plugged_s, began_s, ended_s, freed_s, full_w, full_for_s, last_w, ending }
    };
    let (enough, broken, not_started) = (Ending::Enough, Ending::Broken, Ending::NotStarted);
    let fast = vec![
        session(1, [at(8, 10, 20), at(8, 11, 5), at(9, 10, 30), at(9, 25, 0)], [110_000, 1_500, 18_000], enough),
        session(2, [at(19, 30, 10), at(19, 31, 2), at(21, 5, 41), at(21, 7, 3)], [88_000, 4_000, 9_000], enough),
    ];
    let slow =
        vec![session(3, [at(0, 35, 7), at(0, 35, 52), at(6, 12, 9), at(7, 48, 31)], [6_900, 18_000, 1_200], enough)];
    let unlucky = vec![
        session(4, [at(12, 59, 30), at(13, 0, 10), at(13, 20, 40), at(14, 5, 15)], [60_000, 600, 40_000], broken),
        session(5, [at(15, 0, 5), 0, at(15, 2, 35), at(15, 4, 10)], [0, 0, 0], not_started),
        session(6, [at(15, 31, 3), at(15, 32, 1), at(15, 58, 58), at(16, 0, 0)], [54_321, 700, 30_003], enough),
    ];
    let connector =
        |number, rated_kw, is_dc, register_j, sessions| Connector { number, rated_kw, is_dc, register_j, sessions };
    Day {
        connectors: vec![
            connector(1, 120, true, 182_736_412 * 3_600, fast),
            connector(2, 7, false, 41_000 * 3_600, slow),
            connector(3, 60, true, 0, unlucky),
        ],
        silent_s: at(20, 0, 0)..at(20, 41, 0),
    }
}
