//! The messages that a benchmark sends: stations of the native dialect with ten connectors each, one in four of which is
//! charging and says all that a charger says then. Packets are copied from templates and written over in place, so that
//! sending costs little beside what is measured. It must never read a clock or touch a socket.

use std::io::Write;

use chargetally_core::alarm::AlarmClass;

use crate::rfc3339;
use crate::topic::{InKind, InTopic, OutTopic, Root};

/// Connectors of one station.
pub const CONNECTORS_PER_STATION: u32 = 10;
/// Most connectors: their stations have seven digits.
pub const CONNECTORS_MAX: u32 = 30_000_000;
/// One connector in so many is charging.
const CHARGING_EVERY: u32 = 4;
/// Operators; a station's is told by its number.
const OPERATORS: u32 = 10;
/// Provinces by their 2-digit code; a station's is told by its number.
const PROVINCES: [u8; 31] = [
    11, 12, 13, 14, 15, 21, 22, 23, 31, 32, 33, 34, 35, 36, 37, 41, 42, 43, 44, 45, 46, 50, 51, 52, 53, 54, 61, 62, 63,
    64, 65,
];
/// What the registers of all connectors show first, Wh: with so many digits that their length never changes.
const REGISTER_WH: u64 = 10_000_000_000;
/// A time of the length that all times have, ms since the Unix epoch.
const SOME_MS: i64 = 1_700_000_000_000;

/// What stands in a template where something is written over it.
const STATION: &str = "S0000000";
const CONNECTOR: &str = "00";
const OPERATOR: &str = "BENCH0000";

/// Which MQTT is spoken, and so where properties stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1.
    V311,
    /// 5.
    V5,
}

/// The QoS of one packet, with its packet id where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1, with this packet id.
    AtLeastOnce(u16),
}

/// A PUBLISH packet at each QoS, and where in it what stands.
#[derive(Clone, Debug)]
struct Template {
    packets: [Vec<u8>; 2],
    /// From the end of the packet, so that it holds at both QoS: what follows the packet id does not change.
    time: usize,
    register: usize,
    is_text_time: bool,
    province: usize,
    operator: usize,
    station: usize,
    connector: usize,
    /// From the beginning, at QoS 1.
    packet_id: usize,
}

/// A made-up fleet's messages.
#[derive(Clone, Debug)]
pub struct Load {
    root: Root,
    version: Version,
    connectors: u32,
    /// By whether it is charging, and by whether its operator writes times as text.
    templates: [[Template; 2]; 2],
}

/// Who a connector is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Who {
    province: u8,
    operator: u32,
    station: u32,
    connector: u32,
}

impl Who {
    const fn of(index: u32) -> Self {
        let station = index / CONNECTORS_PER_STATION;
        let province = PROVINCES[(station % PROVINCES.len() as u32) as usize];
        Self { province, operator: station % OPERATORS, station, connector: index % CONNECTORS_PER_STATION }
    }

    fn names(self) -> [String; 3] {
        let Self { operator, station, connector, .. } = self;
        [format!("BENCH{operator:04}"), format!("S{station:07}"), format!("{connector:02}")]
    }
}

impl Load {
    /// The messages of so many connectors, at least one and at most [`CONNECTORS_MAX`].
    #[must_use]
    pub fn new(version: Version, connectors: u32) -> Self {
        let root = Root::default_in();
        let template = |charging, text| Template::new(&root, version, charging, text);
        let templates =
            [[template(false, false), template(false, true)], [template(true, false), template(true, true)]];
        Self { root, version, connectors: connectors.clamp(1, CONNECTORS_MAX), templates }
    }

    /// How many stations there are.
    #[must_use]
    pub const fn stations(&self) -> u32 {
        self.connectors.div_ceil(CONNECTORS_PER_STATION)
    }

    /// How many connectors there are.
    #[must_use]
    pub const fn connectors(&self) -> u32 {
        self.connectors
    }

    /// Appends a sample of a connector, the `round`th that it sends.
    pub fn sample(&self, out: &mut Vec<u8>, index: u32, round: u64, at_ms: i64, delivery: Delivery) {
        let who = Who::of(index);
        let is_charging = index.is_multiple_of(CHARGING_EVERY);
        let template = &self.templates[usize::from(is_charging)][(who.operator % 2) as usize];
        let register_wh = REGISTER_WH + if is_charging { round } else { 0 };
        template.write(out, who, register_wh, at_ms, delivery);
    }

    /// Appends a station's registration.
    pub fn registration(&self, out: &mut Vec<u8>, station: u32, at_ms: i64, delivery: Delivery) {
        let first = station * CONNECTORS_PER_STATION;
        let who = Who::of(first);
        let [operator, name, _] = who.names();
        let mut payload = Vec::new();
        // Writing to memory cannot fail.
        let _ = write!(
            payload,
            r#"{{"ts":{at_ms},"name":"{name}","area":"{:02}0102","access":"public","scene":"roadside","equipment":["#,
            who.province
        );
        for index in first..(first + CONNECTORS_PER_STATION).min(self.connectors) {
            let comma = if index == first { "" } else { "," };
            let id = index - first;
            let _ = write!(
                payload,
                r#"{comma}{{"id":"E{id:02}","connectors":[{{"id":"{id:02}","rated_kw":120,"current":"dc"}}]}}"#
            );
        }
        payload.extend_from_slice(b"]}");
        let topic = InTopic { province: who.province, operator: &operator, station: &name, kind: InKind::Info };
        publish(out, self.version, &self.root.format_in(&topic), &payload, delivery);
    }

    /// Appends an alarm of a connector, a different one for each of the first million numbers, and returns the topic
    /// at which it will come out.
    pub fn alarm(&self, out: &mut Vec<u8>, number: u32, at_ms: i64, delivery: Delivery) -> String {
        let who = Who::of(number % self.connectors);
        let class = AlarmClass::ALL[(number / self.connectors) as usize % AlarmClass::ALL.len()];
        let [operator, station, connector] = who.names();
        let topic = InTopic {
            province: who.province,
            operator: &operator,
            station: &station,
            kind: InKind::ConnectorAlarm { connector: &connector },
        };
        let payload = format!(r#"{{"ts":{at_ms},"class":"{class}","state":"raised"}}"#);
        publish(out, self.version, &self.root.format_in(&topic), payload.as_bytes(), delivery);
        Root::default_out().format_out(&OutTopic::Alarm {
            province: who.province,
            operator: &operator,
            station: &station,
            connector: Some(&connector),
            class,
        })
    }
}

impl Template {
    fn new(root: &Root, version: Version, is_charging: bool, is_text_time: bool) -> Self {
        let mut time = Vec::new();
        if is_text_time {
            time.push(b'"');
            rfc3339::write_ms(&mut time, SOME_MS);
            time.push(b'"');
        } else {
            time.extend_from_slice(SOME_MS.to_string().as_bytes());
        }
        let (whole, rest) = (REGISTER_WH / 1000, REGISTER_WH % 1000);
        let before = r#"{"ts":"#;
        let (state, after) = if is_charging {
            (
                r#","status":"charging","power_kw":62.400,"import_kwh":"#,
                r#","connector_temp_c":38.5,"voltage_v":412.5,"current_a":151.3,"power_demand_kw":70.000,"soc_pct":54.2,"battery_temp_max_c":31,"battery_temp_min_c":28,"cell_v_max":3.742,"cell_v_min":3.721,"insulation_kohm":3712,"session":"BENCH0000000000010000000001"}"#,
            )
        } else {
            (r#","status":"available","power_kw":0.000,"import_kwh":"#, r#","connector_temp_c":24.5}"#)
        };
        let mut payload = before.as_bytes().to_vec();
        payload.extend_from_slice(&time);
        payload.extend_from_slice(state.as_bytes());
        let register = payload.len();
        let _ = write!(payload, "{whole}.{rest:03}");
        payload.extend_from_slice(after.as_bytes());
        let topic = root.format_in(&InTopic {
            province: PROVINCES[0],
            operator: OPERATOR,
            station: STATION,
            kind: InKind::Telemetry { connector: CONNECTOR },
        });
        let packets = [Delivery::AtMostOnce, Delivery::AtLeastOnce(1)].map(|delivery| {
            let mut packet = Vec::new();
            publish(&mut packet, version, &topic, &payload, delivery);
            packet
        });
        let properties = usize::from(version == Version::V5);
        let tail = payload.len() + properties;
        // The ids end the topic, each after a level's slash.
        let telemetry = topic.rfind('/').unwrap_or_default();
        let connector = telemetry - CONNECTOR.len();
        let station = connector - 1 - STATION.len();
        let operator = station - 1 - OPERATOR.len();
        let from_start = packets[0].len() - properties - payload.len() - topic.len();
        Self {
            time: payload.len() - before.len() - usize::from(is_text_time),
            register: payload.len() - register,
            is_text_time,
            province: from_start + operator - 3,
            operator: from_start + operator + OPERATOR.len() - 1,
            station: from_start + station + 1,
            connector: from_start + connector,
            packet_id: packets[1].len() - tail - 2,
            packets,
        }
    }

    fn write(&self, out: &mut Vec<u8>, who: Who, register_wh: u64, at_ms: i64, delivery: Delivery) {
        let packet = &self.packets[usize::from(delivery != Delivery::AtMostOnce)];
        let start = out.len();
        out.extend_from_slice(packet);
        let packet = &mut out[start..];
        if let Delivery::AtLeastOnce(id) = delivery {
            packet[self.packet_id..self.packet_id + 2].copy_from_slice(&id.to_be_bytes());
        }
        digits(&mut packet[self.province..self.province + 2], u64::from(who.province));
        digits(&mut packet[self.operator..=self.operator], u64::from(who.operator));
        digits(&mut packet[self.station..self.station + STATION.len() - 1], u64::from(who.station));
        digits(&mut packet[self.connector..self.connector + 2], u64::from(who.connector));
        let end = packet.len();
        let register = end - self.register;
        let whole_digits = 8;
        digits(&mut packet[register..register + whole_digits], register_wh / 1000);
        digits(&mut packet[register + whole_digits + 1..register + whole_digits + 4], register_wh % 1000);
        let time = end - self.time;
        if self.is_text_time {
            let in_day_ms = at_ms.rem_euclid(86_400_000) as u64;
            // The date was written when the sender began its round; within one the day seldom changes.
            let mut text = [0; 24];
            text_time(&mut text, at_ms, in_day_ms);
            packet[time..time + 24].copy_from_slice(&text);
        } else {
            digits(&mut packet[time..time + 13], at_ms.unsigned_abs());
        }
    }
}

fn text_time(text: &mut [u8; 24], at_ms: i64, in_day_ms: u64) {
    let day = chargetally_core::window::civil_from_days(at_ms.div_euclid(86_400_000));
    *text = *b"0000-00-00T00:00:00.000Z";
    digits(&mut text[0..4], u64::from(day.year.unsigned_abs()));
    digits(&mut text[5..7], u64::from(day.month));
    digits(&mut text[8..10], u64::from(day.day));
    digits(&mut text[11..13], in_day_ms / 3_600_000);
    digits(&mut text[14..16], in_day_ms / 60_000 % 60);
    digits(&mut text[17..19], in_day_ms / 1000 % 60);
    digits(&mut text[20..23], in_day_ms % 1000);
}

/// Writes the last digits of a number, as many as there is room for.
fn digits(room: &mut [u8], mut number: u64) {
    for digit in room.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Appends a PUBLISH packet.
fn publish(out: &mut Vec<u8>, version: Version, topic: &str, payload: &[u8], delivery: Delivery) {
    let (flags, id) = match delivery {
        Delivery::AtMostOnce => (0x30, None),
        Delivery::AtLeastOnce(id) => (0x32, Some(id)),
    };
    let properties = usize::from(version == Version::V5);
    let mut rest = 2 + topic.len() + if id.is_some() { 2 } else { 0 } + properties + payload.len();
    out.push(flags);
    loop {
        let byte = (rest % 128) as u8;
        rest /= 128;
        out.push(if rest > 0 { byte | 0x80 } else { byte });
        if rest == 0 {
            break;
        }
    }
    // A topic of ours is far shorter than what two bytes hold.
    out.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    out.extend_from_slice(topic.as_bytes());
    out.extend(id.into_iter().flat_map(u16::to_be_bytes));
    out.extend(std::iter::repeat_n(0, properties));
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::dialect::native::Native;
    use crate::dialect::{Dialect, Limits};
    use chargetally_core::time::ArrivalTime;

    /// What a packet says, by the client's reading of the dialect: topic, packet id and observations.
    fn said(packet: &[u8], version: Version) -> String {
        let mut rest = &packet[1..];
        while rest[0] & 0x80 != 0 {
            rest = &rest[1..];
        }
        rest = &rest[1..];
        let (topic, mut rest) = rest[2..].split_at(usize::from(u16::from_be_bytes([rest[0], rest[1]])));
        let topic = std::str::from_utf8(topic).expect("text");
        let mut said = topic.to_owned();
        if packet[0] & 0x06 != 0 {
            let _ = write!(said, " #{}", u16::from_be_bytes([rest[0], rest[1]]));
            rest = &rest[2..];
        }
        if version == Version::V5 {
            assert_eq!(rest[0], 0, "no properties");
            rest = &rest[1..];
        }
        let mut dialect = Dialect::Native(Native::new(Root::default_in()));
        let mut sink = |_: chargetally_core::observation::StationKey<'_>,
                        observation: chargetally_core::observation::Observation<'_>| {
            let _ = write!(said, " {observation:?}");
        };
        dialect.decode(topic, rest, ArrivalTime::from_ms(0), false, &Limits::default(), &mut sink).expect("decodes");
        said
    }

    #[test]
    fn every_packet_says_who_sends_it_when_and_what() {
        for version in [Version::V311, Version::V5] {
            let load = Load::new(version, 123_456);
            assert_eq!((load.stations(), load.connectors()), (12_346, 123_456));
            for (index, delivery) in [(123_455, Delivery::AtMostOnce), (1_204, Delivery::AtLeastOnce(0x1234))] {
                let mut packet = Vec::new();
                load.sample(&mut packet, index, 1_001, 1_795_382_621_214, delivery);
                let said = said(&packet, version);
                let who = Who::of(index);
                let [operator, station, connector] = who.names();
                let topic = InTopic {
                    province: who.province,
                    operator: &operator,
                    station: &station,
                    kind: InKind::Telemetry { connector: &connector },
                };
                assert!(said.starts_with(&Root::default_in().format_in(&topic)), "{said}");
                assert!(said.contains("EventTime(1795382621214)"), "{said}");
                let register = if index % CHARGING_EVERY == 0 { 10_000_001_001_u64 } else { REGISTER_WH } * 3_600;
                assert!(said.contains(&format!("import_j: Some({register})")), "{said}");
                assert_eq!(said.contains(" #4660 "), delivery != Delivery::AtMostOnce, "{said}");
            }
        }
    }

    #[test]
    fn registrations_and_alarms_are_read_too() {
        let load = Load::new(Version::V5, 25);
        let mut packet = Vec::new();
        load.registration(&mut packet, 2, 1_795_382_621_214, Delivery::AtLeastOnce(7));
        let text = said(&packet, Version::V5);
        assert_eq!(text.matches("rated_w: Some(120000)").count(), 5, "{text}");
        packet.clear();
        let out = load.alarm(&mut packet, 26, 1_795_382_621_214, Delivery::AtMostOnce);
        assert!(said(&packet, Version::V5).contains("raised: true"));
        let (first, second) = (AlarmClass::ALL[0].name(), AlarmClass::ALL[1].name());
        assert!(out.ends_with(&format!("S0000000/01/{second}")), "{out} {first}");
    }
}
