//! What a few stations say: random steps in the core's own terms, shaped so that the rarer things happen often enough.

use std::fmt;

use chargetally_core::alarm::{AlarmClass, Level};
use chargetally_core::observation::{
    AlarmReport, Observation, Sample, SessionEvent, SessionStep, SessionStop, StationKey, StopReason, Vitals,
};
use chargetally_core::region::Area;
use chargetally_core::registration::{Access, ConnectorSpec, Current, Equipment, Registration, Scene, StationState};
use chargetally_core::state::Status;
use chargetally_core::time::{ArrivalTime, EventTime};
use proptest::prelude::*;

const STATIONS: [(&str, &str); 5] = [("OPER", "ST1"), ("OPER", "ST2"), ("OPER", "ST3"), ("B/%", "ST1"), ("B/%", "S/9")];
const CONNECTORS: [&str; 3] = ["c1", "c2", "c3"];
const SESSIONS: [&str; 4] = ["s1", "s2", "s3", "s4"];
const AREAS: [Option<&str>; 4] = [None, Some("530102001000"), Some("530103100000"), Some("110101")];

/// One message of one station, so long after the one before.
#[derive(Clone, Debug)]
pub struct Step {
    pub after_ms: i64,
    pub source: u8,
    station: usize,
    connector: usize,
    /// How far behind its arrival it speaks of.
    behind_ms: i64,
    pub word: Word,
}

#[derive(Clone)]
pub enum Word {
    Sample {
        status: Option<Status>,
        power_w: Option<i64>,
        register: Option<i64>,
        demand_w: Option<i64>,
        vitals: Vitals,
    },
    Registration {
        variant: usize,
        timed: bool,
    },
    Deregistration,
    Offline {
        timed: bool,
        retained: bool,
    },
    Online,
    Session {
        session: usize,
        step: SessionStep,
    },
    Alarm {
        whole: bool,
        class: usize,
        level: Option<Level>,
        raised: bool,
    },
    Reject,
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sample { status, power_w, register, demand_w, vitals } => {
                write!(f, "sample {status:?} {power_w:?} W register {register:?} demand {demand_w:?}")?;
                if *vitals == Vitals::default() { Ok(()) } else { write!(f, " {vitals:?}") }
            }
            Self::Registration { variant, timed } => write!(f, "registration {variant} timed {timed}"),
            Self::Deregistration => f.write_str("deregistration"),
            Self::Offline { timed, retained } => write!(f, "offline timed {timed} retained {retained}"),
            Self::Online => f.write_str("online"),
            Self::Session { session, step } => write!(f, "session {session} {step:?}"),
            Self::Alarm { whole, class, level, raised } => write!(f, "alarm {whole} {class} {level:?} {raised}"),
            Self::Reject => f.write_str("reject"),
        }
    }
}

impl Step {
    pub fn key(&self) -> StationKey<'static> {
        let (operator, station) = STATIONS[self.station];
        StationKey { operator, station }
    }

    /// What the message says; `None` where it was refused before it became an observation.
    pub fn observation(&self, arrival: ArrivalTime) -> Option<Observation<'static>> {
        let at = EventTime::from_ms(arrival.ms() - self.behind_ms);
        let connector = CONNECTORS[self.connector];
        Some(match &self.word {
            Word::Sample { status, power_w, register, demand_w, vitals } => {
                // A register that mostly runs forward with time, at 30 kW or so.
                let import_j =
                    register.map(|offset_j| (at.ms() - crate::house::BEGIN_MS + 90 * 3_600_000) * 30 + offset_j);
                let sample = Sample {
                    at,
                    status: *status,
                    power_w: *power_w,
                    import_j,
                    export_j: None,
                    demand_w: *demand_w,
                    vitals: *vitals,
                    session: None,
                };
                Observation::Sample { connector, sample }
            }
            &Word::Registration { variant, timed } => {
                Observation::Registration(registration(variant, timed.then_some(at)))
            }
            Word::Deregistration => Observation::Deregistration { at: Some(at) },
            &Word::Offline { timed, retained } => Observation::StationOffline { at: timed.then_some(at), retained },
            Word::Online => Observation::StationOnline,
            &Word::Session { session, step } => {
                Observation::Session { connector, event: SessionEvent { at, session: SESSIONS[session], step } }
            }
            &Word::Alarm { whole, class, level, raised } => Observation::Alarm {
                connector: (!whole).then_some(connector),
                alarm: AlarmReport {
                    at,
                    class: AlarmClass::ALL[class % AlarmClass::ALL.len()],
                    level,
                    raised,
                    code: Some("c7"),
                    value: Some(0.5),
                    note: None,
                },
            },
            Word::Reject => return None,
        })
    }
}

fn registration(variant: usize, at: Option<EventTime>) -> Registration {
    let spec = |id: &str, rated_w| ConnectorSpec {
        id: id.into(),
        rated_w,
        current: [None, Some(Current::Dc), Some(Current::Ac)][variant % 3],
        v_max: Some(750),
        v2g: variant.is_multiple_of(4),
        discharge_w: None,
    };
    let connectors: Vec<ConnectorSpec> = CONNECTORS
        .iter()
        .take(variant % 4)
        .map(|id| spec(id, [Some(60_000), Some(180_000), None][variant % 3]))
        .collect();
    Registration {
        at,
        name: "named".into(),
        area: AREAS[variant / 3 % 4].map(|digits| Area::parse(digits).expect("known areas")),
        access: [Some(Access::Public), None, Some(Access::Private)][variant % 3],
        scene: [Some(Scene::HighwayServiceArea), Some(Scene::Rural), None][variant / 2 % 3],
        state: if variant == 11 { StationState::Closed } else { StationState::Operating },
        equipment: vec![Equipment {
            id: "e1".into(),
            rated_w: Some(120_000),
            production_day: Some(17_000),
            connectors,
        }],
    }
}

/// So many steps at most.
pub fn steps(count_max: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..count_max)
}

/// One step.
pub fn step() -> impl Strategy<Value = Step> {
    let after_ms = prop_oneof![4 => 0..20_000_i64, 4 => 20_000..90_000_i64, 1 => 90_000..900_000_i64];
    let behind_ms = prop_oneof![
        6 => 0..2_000_i64,
        2 => 2_000..120_000_i64,
        2 => 120_000..3_600_000_i64,
        1 => -100_000..0_i64,
        1 => prop_oneof![Just(-200_000_i64), Just(80 * 3_600_000_i64)],
    ];
    // Times in whole steps, so that the same point comes up again.
    let behind_ms = behind_ms.prop_map(|ms| ms / 500 * 500);
    (after_ms.prop_map(|ms| ms / 500 * 500), 0..2_u8, 0..5_usize, 0..3_usize, behind_ms, word()).prop_map(
        |(after_ms, source, station, connector, behind_ms, word)| Step {
            after_ms,
            source,
            station,
            connector,
            behind_ms,
            word,
        },
    )
}

fn word() -> impl Strategy<Value = Word> {
    prop_oneof![
        12 => sample(),
        2 => (0..12_usize, any::<bool>()).prop_map(|(variant, timed)| Word::Registration { variant, timed }),
        1 => Just(Word::Deregistration),
        1 => any::<(bool, bool)>().prop_map(|(timed, retained)| Word::Offline { timed, retained }),
        1 => Just(Word::Online),
        2 => (0..4_usize, session_step()).prop_map(|(session, step)| Word::Session { session, step }),
        2 => (any::<bool>(), 0..4_usize, level(), any::<bool>())
            .prop_map(|(whole, class, level, raised)| Word::Alarm { whole, class, level, raised }),
        1 => Just(Word::Reject),
    ]
}

fn sample() -> impl Strategy<Value = Word> {
    use Status::{Available, Charging, Faulted, Occupied, Offline};
    let status = prop_oneof![
        4 => Just(Some(Charging)),
        2 => Just(Some(Available)),
        2 => Just(Some(Occupied)),
        2 => Just(Some(Faulted)),
        1 => Just(Some(Offline)),
        1 => Just(None),
    ];
    let register = prop_oneof![3 => (-50_000..50_000_i64).prop_map(Some), 3 => Just(None), 1 => Just(Some(-9_000_000))];
    let temp_mc = prop_oneof![4 => Just(None), 2 => (70_000..95_000_i64).prop_map(Some)];
    let demand_w = prop_oneof![2 => Just(None), 1 => Just(Some(50_000))];
    let power_w = prop::option::of(-10_000..150_000_i64);
    (status, power_w, register, demand_w, temp_mc).prop_map(|(status, power_w, register, demand_w, temp_mc)| {
        let vitals = Vitals {
            connector_temp_mc: temp_mc,
            battery_temp_max_mc: temp_mc.map(|temp_mc| temp_mc - 25_000),
            ..Vitals::default()
        };
        Word::Sample { status, power_w, register, demand_w, vitals }
    })
}

fn session_step() -> impl Strategy<Value = SessionStep> {
    prop_oneof![
        Just(SessionStep::Attempt),
        Just(SessionStep::Start),
        (0..15_usize, prop::option::of(0..90_000_000_i64)).prop_map(|(reason, energy_j)| {
            let reason = Some(StopReason::ALL[reason]);
            SessionStep::Stop(SessionStop { reason, energy_j, billed_j: energy_j, ..SessionStop::default() })
        }),
    ]
}

fn level() -> impl Strategy<Value = Option<Level>> {
    prop_oneof![Just(None), Just(Some(Level::Personal)), Just(Some(Level::Notice))]
}
