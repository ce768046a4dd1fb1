//! The day as a Sparkplug B edge node tells it: births with names and units, data by alias, a death for the silence.
//! Payloads are written by an encoder of the test's own.

use std::path::Path;

use crate::model::{Day, Ending, Moment, State, epoch_ms};
use crate::tell::{Log, Teller};

const STATUS: u64 = 1;
const POWER: u64 = 2;
const ENERGY: u64 = 3;
const SESSION: u64 = 4;
const FAULT: u64 = 5;

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// A field that holds a number.
fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3, &mut out);
    varint(value, &mut out);
    out
}

/// A field that holds bytes.
fn bytes(field: u64, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3 | 2, &mut out);
    varint(content.len() as u64, &mut out);
    [out, content.to_vec()].concat()
}

fn text(value: &str) -> Vec<u8> {
    [number(4, 12), bytes(15, value.as_bytes())].concat()
}

fn double(value: f64) -> Vec<u8> {
    [number(4, 10), vec![13 << 3 | 1], value.to_le_bytes().to_vec()].concat()
}

fn long(value: u64) -> Vec<u8> {
    [number(4, 8), number(11, value)].concat()
}

/// A metric by its name, which births bind to an alias.
fn named(name: &str, alias: u64, value: &[u8]) -> Vec<u8> {
    bytes(2, &[bytes(1, name.as_bytes()), number(2, alias), value.to_vec()].concat())
}

/// A metric by its alias alone.
fn aliased(alias: u64, value: &[u8]) -> Vec<u8> {
    bytes(2, &[number(2, alias), value.to_vec()].concat())
}

pub struct Sparkplug {
    seq: u64,
    births: u64,
    /// Connectors, by number, whose device was born since the node was.
    born: Vec<u32>,
}

impl Sparkplug {
    pub const fn new() -> Self {
        Self { seq: 0, births: 0, born: Vec::new() }
    }

    fn payload(&mut self, at_s: i64, metrics: &[Vec<u8>]) -> Vec<u8> {
        let seq = self.seq;
        self.seq = (seq + 1) % 256;
        let at_ms = u64::try_from(epoch_ms(at_s)).expect("after 1970");
        [number(1, at_ms), metrics.concat(), number(3, seq)].concat()
    }

    fn node_birth(&mut self, at_s: i64, log: &mut Log) {
        (self.seq, self.births) = (0, self.births + 1);
        self.born.clear();
        let birth = bytes(2, &[bytes(1, b"bdSeq"), long(self.births)].concat());
        let payload = self.payload(at_s, &[birth]);
        log.say_bytes(at_s, "spBv1.0/op/NBIRTH/st", &payload);
    }
}

impl Teller for Sparkplug {
    const AT_REST_EVERY_S: i64 = 60;

    fn source(&self, _folder: &Path, _day: &Day) -> String {
        "dialect = 'sparkplug'".to_owned()
    }

    fn begin(&mut self, _day: &Day, log: &mut Log) {
        self.node_birth(0, log);
    }

    fn moment(&mut self, it: &Moment<'_>, log: &mut Log) {
        let status = match it.state {
            State::Available => "available",
            State::Occupied => "occupied",
            State::Charging => "charging",
            State::Faulted => "faulted",
        };
        let is_broken = it.state == State::Faulted && it.session.is_some_and(|it| it.ending == Ending::Broken);
        let session = it.session.map_or_else(String::new, |session| session.number.to_string());
        let values = [
            ("Status", STATUS, text(status)),
            ("Power", POWER, double(it.power_w as f64)),
            ("Energy", ENERGY, double(it.register_j as f64 / 3_600.0)),
            ("Session/Id", SESSION, text(&session)),
            ("Fault/Code", FAULT, text(if is_broken { "E23" } else { "0" })),
        ];
        let number = it.connector.number;
        let is_born = self.born.contains(&number);
        let metric = |(name, alias, value): &(&str, u64, Vec<u8>)| match is_born {
            true => aliased(*alias, value),
            false => named(name, *alias, value),
        };
        let metrics: Vec<Vec<u8>> = values.iter().map(metric).collect();
        let payload = self.payload(it.at_s, &metrics);
        let kind = if is_born { "DDATA" } else { "DBIRTH" };
        log.say_bytes(it.at_s, &format!("spBv1.0/op/{kind}/st/{number}"), &payload);
        if !is_born {
            self.born.push(number);
        }
    }

    fn silence(&mut self, at_s: i64, _day: &Day, log: &mut Log) {
        let death = bytes(2, &[bytes(1, b"bdSeq"), long(self.births)].concat());
        let at_ms = u64::try_from(epoch_ms(at_s)).expect("after 1970");
        log.say_bytes(at_s, "spBv1.0/op/NDEATH/st", &[number(1, at_ms), death].concat());
    }

    fn back(&mut self, at_s: i64, _day: &Day, log: &mut Log) {
        self.node_birth(at_s, log);
    }
}
