//! The same physical day at one station, told in native, T/CEC 102, OCPP 1.6, OCPP 2.1, Sparkplug B and YKC, comes to the
//! same tallies, in every quarter of an hour and over the whole day, within what each family can say. Each is told by
//! the usual settings of its dialect, straight into the engine.

mod compare;
mod json;
mod model;
mod ocpp;
mod sparkplug;
mod tell;

use std::sync::OnceLock;

use compare::{Bounds, Figures, check};
use model::{Day, State, day};
use tell::{Teller, recording};

/// The day, and what it comes to when it is told natively.
fn native() -> &'static (Day, Figures) {
    static NATIVE: OnceLock<(Day, Figures)> = OnceLock::new();
    NATIVE.get_or_init(|| {
        let day = day();
        let figures = told(&mut json::Native, &day);
        (day, figures)
    })
}

fn told<T: Teller>(teller: &mut T, day: &Day) -> Figures {
    let folder = tempfile::tempdir().expect("a folder");
    let source = teller.source(folder.path(), day);
    Figures::of(&recording(teller, day), &source, folder.path())
}

fn check_told<T: Teller>(mut teller: T, bounds: &Bounds) {
    let (day, expected) = native();
    check(expected, &told(&mut teller, day), bounds);
}

#[test]
fn the_native_day_is_the_physical_one() {
    let (day, figures) = native();
    let silent_ms = (day.silent_s.end - day.silent_s.start) * 1_000 * day.connectors.len() as i64;
    let expected = [
        ("/state_ms/available", day.state_ms(State::Available)),
        ("/state_ms/occupied", day.state_ms(State::Occupied)),
        ("/state_ms/charging", day.state_ms(State::Charging)),
        ("/state_ms/faulted", day.state_ms(State::Faulted)),
        ("/state_ms/offline", silent_ms),
        ("/state_ms/unobserved", 0),
        ("/import_j", day.delivered_j()),
        ("/sessions_attempted", 6),
        ("/sessions_started", 5),
        ("/sessions_completed", 4),
        ("/sessions_failed", 2),
        ("/alarms_raised/notice", 1),
        ("/alarms_cleared", 1),
        ("/meter_jump", 0),
        ("/rejected", 0),
        ("/out_of_order", 0),
        ("/duplicate", 0),
    ];
    let seen = expected.map(|(name, _)| (name, figures.of_day(name)));
    assert_eq!(seen, expected);
}

#[test]
fn t_cec_102_tells_the_same_day() {
    check_told(json::Cec102, &Bounds::CEC102);
}

#[test]
fn ocpp_1_6_tells_the_same_day() {
    check_told(ocpp::Ocpp16::new(), &Bounds::OCPP16);
}

#[test]
fn ocpp_2_1_tells_the_same_day() {
    check_told(ocpp::Ocpp21::new(), &Bounds::OCPP21);
}

#[test]
fn sparkplug_b_tells_the_same_day() {
    check_told(sparkplug::Sparkplug::new(), &Bounds::SPARKPLUG);
}

#[test]
fn ykc_tells_the_same_day() {
    check_told(json::Ykc, &Bounds::YKC);
}
