//! A node's life from birth to death, as golden text; sequence gaps, unknown aliases, wills of earlier connections; and
//! noise. The payloads are written by a small encoder of the test's own.

use proptest::prelude::*;

use super::*;
use crate::dialect::describe::Described;

/// 2026-11-23T05:23:41Z.
const START_MS: u64 = 1_795_411_421_000;

/// A metric to be encoded.
#[derive(Default)]
struct Sent {
    name: &'static str,
    alias: Option<u64>,
    at_ms: Option<u64>,
    unit: &'static str,
    /// The data type and the value's field, encoded.
    value: Vec<u8>,
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(field: u8, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(u64::from(field) << 3 | 2, &mut out);
    varint(content.len() as u64, &mut out);
    out.extend_from_slice(content);
    out
}

fn integer(field: u8, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(u64::from(field) << 3, &mut out);
    varint(value, &mut out);
    out
}

fn double(value: f64) -> Vec<u8> {
    [&integer(4, 10)[..], &[13 << 3 | 1], &value.to_le_bytes()].concat()
}

fn float(value: f32) -> Vec<u8> {
    [&integer(4, 9)[..], &[12 << 3 | 5], &value.to_le_bytes()].concat()
}

fn word(value: &str) -> Vec<u8> {
    [integer(4, 12), bytes(15, value.as_bytes())].concat()
}

fn int(datatype: u64, value: u64) -> Vec<u8> {
    [integer(4, datatype), integer(10, value)].concat()
}

fn long(value: u64) -> Vec<u8> {
    [integer(4, 8), integer(11, value)].concat()
}

fn payload(at_ms: u64, seq: Option<u64>, metrics: &[Sent]) -> Vec<u8> {
    let mut out = integer(1, at_ms);
    for metric in metrics {
        let mut content = Vec::new();
        if !metric.name.is_empty() {
            content.extend(bytes(1, metric.name.as_bytes()));
        }
        content.extend(metric.alias.map(|alias| integer(2, alias)).unwrap_or_default());
        content.extend(metric.at_ms.map(|at_ms| integer(3, at_ms)).unwrap_or_default());
        if !metric.unit.is_empty() {
            let value = [integer(1, 12), bytes(8, metric.unit.as_bytes())].concat();
            let other = [integer(1, 12), bytes(8, b"5")].concat();
            let keys = [bytes(1, b"Quality"), bytes(1, b"engUnit")].concat();
            content.extend(bytes(9, &[keys, bytes(2, &other), bytes(2, &value)].concat()));
        }
        content.extend_from_slice(&metric.value);
        out.extend(bytes(2, &content));
    }
    out.extend(seq.map(|seq| integer(3, seq)).unwrap_or_default());
    out
}

fn dialect() -> Sparkplug {
    Sparkplug::new(Root::parse("spBv1.0").expect("a root"), true)
}

/// What a message says, a line each, and what is then asked for.
fn told(dialect: &mut Sparkplug, after_ms: u64, topic: &str, payload: &[u8]) -> String {
    let arrival = ArrivalTime::from_ms(i64::try_from(START_MS + after_ms).expect("a time"));
    let mut told = format!("+{after_ms} {topic}\n");
    let decoded = dialect.decode(topic, payload, arrival, false, &Limits::default(), &mut |key, observation| {
        told += &format!("    {}\n", Described(key, &observation));
    });
    if let Err(reject) = decoded {
        told += &format!("    refused: {reject}\n");
    }
    for request in dialect.take_requests() {
        told += &format!("    asks {} with {} bytes\n", request.topic, request.payload.len());
    }
    told
}

fn node_birth(bd_seq: u64) -> Vec<u8> {
    let bd_seq = Sent { name: "bdSeq", value: long(bd_seq), ..Sent::default() };
    let rated = Sent { name: "Station/RatedPower", alias: Some(1), value: double(480_000.0), ..Sent::default() };
    payload(START_MS, Some(0), &[bd_seq, rated])
}

fn device_birth() -> Vec<u8> {
    let metric = |name, alias, unit, value| Sent { name, alias: Some(alias), unit, value, at_ms: Some(START_MS) };
    payload(
        START_MS,
        Some(1),
        &[
            metric("Power", 10, "kW", double(0.0)),
            metric("Energy/Import", 11, "", double(1_534_234.0)),
            metric("Status", 12, "", word("Available")),
            metric("Temperature/Cable", 13, "°C", float(24.5)),
            metric("Fault/Code", 14, "", int(7, 0)),
            metric("Hardware/Serial", 15, "", word("xyz")),
            metric("Current", 16, "", int(3, u64::from((-5_i32) as u32))),
        ],
    )
}

fn aliased(alias: u64, after_ms: u64, value: Vec<u8>) -> Sent {
    Sent { alias: Some(alias), at_ms: Some(START_MS + after_ms), value, ..Sent::default() }
}

fn death(bd_seq: u64) -> Vec<u8> {
    payload(START_MS, None, &[Sent { name: "bdSeq", value: long(bd_seq), ..Sent::default() }])
}

const NODE: &str = "station-7";

fn topic(kind: &str) -> String {
    let device = if kind.starts_with('D') { "/gun-1" } else { "" };
    format!("spBv1.0/CN-YN/{kind}/{NODE}{device}")
}

#[test]
fn a_node_lives_from_birth_to_death() {
    let mut node = dialect();
    let mut all = told(&mut node, 0, &topic("NBIRTH"), &node_birth(3));
    all += &told(&mut node, 5, &topic("DBIRTH"), &device_birth());
    let charging =
        [aliased(10, 1000, double(60.3755)), aliased(12, 1000, word("Charging")), aliased(13, 1000, float(45.25))];
    all += &told(&mut node, 1010, &topic("DDATA"), &payload(START_MS + 1000, Some(2), &charging));
    let later =
        [aliased(11, 31_000, double(1_534_734.0)), aliased(10, 30_000, double(60.0)), aliased(15, 1, word("abc"))];
    all += &told(&mut node, 31_010, &topic("DDATA"), &payload(START_MS + 31_000, Some(3), &later));
    let named = Sent { name: "Power", at_ms: Some(START_MS + 32_000), value: double(7.0), ..Sent::default() };
    all += &told(&mut node, 32_010, &topic("DDATA"), &payload(START_MS + 32_000, Some(4), &[named]));
    let fault = [aliased(14, 33_000, int(7, 4711)), aliased(12, 33_000, word("Faulted"))];
    all += &told(&mut node, 33_010, &topic("DDATA"), &payload(START_MS + 33_000, Some(5), &fault));
    all += &told(&mut node, 34_010, &topic("DDEATH"), &payload(START_MS + 34_000, Some(6), &[]));
    all += &told(&mut node, 40_000, &topic("NDEATH"), &death(2));
    all += &told(&mut node, 41_000, &topic("NDEATH"), &death(3));
    insta::assert_snapshot!(all);
}

#[test]
fn what_is_missing_is_asked_for_but_not_again_and_again() {
    let mut node = dialect();
    let data = |seq, after_ms| payload(START_MS + after_ms, Some(seq), &[aliased(10, after_ms, double(60.0))]);
    let mut all = told(&mut node, 0, &topic("DDATA"), &data(9, 0));
    all += &told(&mut node, 1_000, &topic("DDATA"), &data(10, 1_000));
    all += &told(&mut node, 61_000, &topic("DDATA"), &data(11, 61_000));
    all += &told(&mut node, 62_000, &topic("NBIRTH"), &node_birth(0));
    all += &told(&mut node, 62_005, &topic("DBIRTH"), &device_birth());
    all += &told(&mut node, 130_000, &topic("DDATA"), &data(3, 130_000));
    all += &told(&mut node, 131_000, &topic("DDATA"), &data(4, 131_000));
    insta::assert_snapshot!(all);
}

#[test]
fn what_cannot_be_meant_is_refused_whole() {
    let mut node = dialect();
    told(&mut node, 0, &topic("NBIRTH"), &node_birth(0));
    told(&mut node, 5, &topic("DBIRTH"), &device_birth());
    let refused = |node: &mut Sparkplug, metrics: &[Sent]| {
        let told = told(node, 2_000, &topic("DDATA"), &payload(START_MS + 2_000, Some(2), metrics));
        assert_eq!(told.matches("sample").count(), 0, "{told}");
        told.lines().find_map(|line| line.strip_prefix("    refused: ")).map(str::to_owned)
    };
    let good = || aliased(10, 2_000, double(1.0));
    for (metric, expected) in [
        (aliased(12, 2_000, word("Asleep")), "unknown_value: status"),
        (aliased(12, 2_000, double(1.0)), "wrong_type: status"),
        (aliased(10, 2_000, word("1")), "wrong_type: metric"),
        (aliased(10, 2_000, double(1e9)), "out_of_range: power_kw"),
        (aliased(10, 2_000, double(f64::NAN)), "out_of_range: power_kw"),
        (aliased(99, 2_000, double(1.0)), "unknown_alias: alias"),
        (Sent { value: double(1.0), ..Sent::default() }, "missing_field: name"),
        (Sent { name: "Power", unit: "hp", value: double(1.0), ..Sent::default() }, "unknown_value: engUnit"),
        (Sent { at_ms: Some(17), ..good() }, "out_of_range: timestamp"),
    ] {
        assert_eq!(refused(&mut node, &[good(), metric]).as_deref(), Some(expected));
    }
    let told = told(&mut node, 3_000, &topic("DDATA"), b"{\"power\":1}");
    assert!(told.contains("refused: not_protobuf"), "{told}");
}

#[test]
fn topics_of_others_are_left_alone() {
    let node = dialect();
    for owned in ["spBv1.0/g/NBIRTH/n", "spBv1.0/g/DDATA/n/d"] {
        assert!(node.owns(owned), "{owned}");
    }
    for foreign in
        ["spBv1.0/STATE/host", "spBv1.0/g/NCMD/n", "spBv1.0/g/DDATA/n", "spBv1.0/g/NBIRTH/n/d", "spBv1.0/g/DDATA/n/d/e"]
    {
        assert!(!node.owns(foreign), "{foreign}");
    }
}

#[test]
fn memory_survives_being_packed() {
    let mut before = dialect();
    told(&mut before, 0, &topic("NBIRTH"), &node_birth(0));
    told(&mut before, 5, &topic("DBIRTH"), &device_birth());
    let mut after = dialect();
    let mut count = 0;
    before.changed_memory(&mut |key, packed| {
        count += 1;
        after.restore_memory(key, packed).expect("what was packed");
        for cut in 0..packed.len() {
            assert!(dialect().restore_memory(key, &packed[..cut]).is_err(), "{cut}");
        }
    });
    assert_eq!(count, 1);
    let data = payload(START_MS + 1000, Some(2), &[aliased(10, 1000, double(60.0))]);
    let expected = told(&mut before, 1000, &topic("DDATA"), &data);
    assert!(expected.contains("power_kw=60"), "{expected}");
    assert_eq!(told(&mut after, 1000, &topic("DDATA"), &data), expected);
}

#[test]
fn a_request_is_a_payload_that_asks_for_a_birth() {
    let request = wire::rebirth_request(START_MS);
    let read = Payload::read(&request, &Limits::default()).expect("a payload");
    assert_eq!(read.timestamp, Some(START_MS));
    assert_eq!(read.metrics.len(), 1);
    assert_eq!(read.metrics[0].name, Some("Node Control/Rebirth"));
    assert_eq!((read.metrics[0].datatype, read.metrics[0].value), (11, Value::Boolean(true)));
}

proptest! {
    #[test]
    fn noise_is_refused_or_read_and_never_more(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        place in any::<prop::sample::Index>(),
        flip in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut node = dialect();
        told(&mut node, 0, &topic("NBIRTH"), &node_birth(0));
        let mut mutated = device_birth();
        let place = place.index(mutated.len());
        mutated[place] ^= flip;
        let cut = &mutated[..cut.index(mutated.len())];
        for kind in ["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"] {
            for payload in [&noise, &mutated, cut] {
                let told = told(&mut node, 10, &topic(kind), payload);
                let is_refused = told.contains("refused");
                prop_assert!(!is_refused || !told.contains("sample"), "{}", told);
            }
        }
    }

    #[test]
    fn noise_is_no_memory_or_is_read_within_its_size(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _read = dialect().restore_memory(StationKey { operator: "o", station: "s" }, &noise);
    }
}
