//! What each fuzzer does with its bytes: one function a target, for cargo-fuzz and for `tests/corpus.rs` alike. None may
//! panic, whatever the bytes; where what was read can be written again, reading that must give the same.

use std::sync::Arc;

use chargetally::dialect::{Dialect, Limits, native::Native};
use chargetally::settings::{DialectName, reference, tariff};
use chargetally::store::{Packer, unpack};
use chargetally::topic::Root;
use chargetally::{rfc3339, settings, setup};
use chargetally_core::config::Config;
use chargetally_core::pack::{Pack, Reader};
use chargetally_core::rollup::{Record, WindowMeta};
use chargetally_core::shard::{Shard, packed_key, unpack_remainders};
use chargetally_core::time::ArrivalTime;

/// The years 0 to 9999, ms since the Unix epoch.
const WRITTEN_MS: std::ops::RangeInclusive<i64> = -62_167_219_200_000..=253_402_300_799_999;

/// A target's function.
pub type Body = fn(&[u8]);

/// Every target, by the name of its folder in the corpus.
pub const TARGETS: [(&str, Body); 12] = [
    ("native", native),
    ("cec102", cec102),
    ("ocpp", ocpp),
    ("ykc", ykc),
    ("sparkplug", sparkplug),
    ("mapping", mapping),
    ("journal", journal),
    ("packed", packed),
    ("window", window),
    ("settings", settings_file),
    ("tables", tables),
    ("texts", texts),
];

/// A message: its topic, a line feed, its payload.
pub fn native(bytes: &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let Ok(topic) = std::str::from_utf8(&bytes[..end]) else { return };
    let payload = bytes.get(end + 1..).unwrap_or_default();
    let mut dialect = Dialect::Native(Native::new(Root::default_in()));
    for retained in [false, true] {
        let _refused =
            dialect.decode(topic, payload, ArrivalTime::from_ms(0), retained, &Limits::default(), &mut |_, _| ());
    }
}

/// Messages of one station: its topic, and a frame on each line after it; what is remembered in the end is packed and
/// read back.
pub fn ocpp(bytes: &[u8]) {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let Some(Ok(topic)) = lines.next().map(std::str::from_utf8) else { return };
    let dialect = || settings::usual_source(DialectName::Ocpp).map(|source| setup::dialect(&source));
    let (Some(mut dialect), Some(mut other)) = (dialect(), dialect()) else { return };
    for payload in lines {
        for retained in [false, true] {
            let arrival = ArrivalTime::from_ms(1_795_411_800_000);
            let _refused = dialect.decode(topic, payload, arrival, retained, &Limits::default(), &mut |_, _| ());
        }
    }
    dialect.changed_memory(&mut |key, packed| {
        assert_eq!(other.restore_memory(key, packed), Ok(()), "memory that is packed can be read");
    });
}

/// A message of T/CEC 102, and what may be shown of it.
pub fn cec102(bytes: &[u8]) {
    of_dialect(DialectName::Cec102, bytes);
}

/// A frame of YKC, and what may be shown of it.
pub fn ykc(bytes: &[u8]) {
    of_dialect(DialectName::Ykc, bytes);
}

/// Messages of Sparkplug nodes: for each a byte that chooses node, device and kind, one with its length, and its payload.
pub fn sparkplug(bytes: &[u8]) {
    const KINDS: [&str; 6] = ["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"];
    let Some(mut dialect) = usual(DialectName::Sparkplug) else { return };
    let (mut rest, mut arrival_ms) = (bytes, 1_795_411_421_000);
    while let [choice, length, after @ ..] = rest {
        let (payload, next) = after.split_at(after.len().min(usize::from(*length)));
        let kind = KINDS[usize::from(choice & 7) % KINDS.len()];
        let mut topic = format!("spBv1.0/o/{kind}/n{}", choice >> 3 & 1);
        if kind.starts_with('D') {
            topic.push_str(["/1", "/2"][usize::from(choice >> 4 & 1)]);
        }
        arrival_ms += 20_000;
        let arrival = ArrivalTime::from_ms(arrival_ms);
        let retained = choice >> 7 == 1;
        let _refused = dialect.decode(&topic, payload, arrival, retained, &Limits::default(), &mut |_, _| ());
        rest = next;
    }
    assert!(dialect.take_requests().len() <= 2, "each node is asked at most once, until the requests are taken");
    check_memory(&mut dialect);
}

/// Messages on lines, each with its topic, a blank and its payload, to every family that is a mapping and to a mapping with
/// every way to write a time.
pub fn mapping(bytes: &[u8]) {
    static DIALECTS: std::sync::OnceLock<Vec<Dialect>> = std::sync::OnceLock::new();
    let mut dialects = DIALECTS.get_or_init(mappings).clone();
    let mut arrival_ms = 1_795_411_421_000;
    for line in bytes.split(|&byte| byte == b'\n') {
        let end = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
        let Ok(topic) = std::str::from_utf8(&line[..end]) else { continue };
        let payload = line.get(end + 1..).unwrap_or_default();
        arrival_ms += 700;
        for dialect in dialects.iter_mut().filter(|dialect| dialect.owns(topic)) {
            for retained in [true, false] {
                let arrival = ArrivalTime::from_ms(arrival_ms);
                let _refused = dialect.decode(topic, payload, arrival, retained, &Limits::default(), &mut |_, _| ());
            }
        }
    }
    dialects.iter_mut().for_each(check_memory);
}

/// The families that are mappings, and one of [`MAPPING`].
fn mappings() -> Vec<Dialect> {
    let families = DialectName::ALL.iter().filter_map(|&name| settings::usual_source(name));
    let mut all: Vec<Dialect> =
        families.filter(|source| source.mapping.is_some()).map(|source| setup::dialect(&source)).collect();
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    std::fs::write(file.path(), MAPPING).expect("written");
    let loaded = settings::load(&[file.path().to_owned()]).expect("settings that are right");
    all.extend(loaded.settings.sources.iter().map(setup::dialect));
    all
}

/// A mapping with ids in payloads, and every format of times.
const MAPPING: &str = r#"
[[source]]
dialect = "mapping"
root = "plant"
prefix = "{root}/{operator}/{station}"
[[source.mapping.field]]
topic = "local/{connector}"
pointer = "/time"
to = "ts"
format = "local"
zone = "Asia/Shanghai"
[[source.mapping.field]]
topic = "local/{connector}"
pointer = "/a/0/p"
to = "power_kw"
unit = "W"
scale = 0.1
offset = -5
[[source.mapping.field]]
topic = "local/{connector}"
pointer = "/state"
to = "status"
values = { A = "available", C = "charging" }
otherwise = "faulted"
[[source.mapping.field]]
topic = "s/{connector}"
pointer = "/t"
to = "ts"
format = "unix_s"
[[source.mapping.field]]
topic = "s/{connector}"
pointer = "/e"
to = "import_kwh"
unit = "Wh"
[[source.mapping.field]]
topic = "ms/{connector}"
pointer = "/t"
to = "ts"
format = "unix_ms"
[[source.mapping.field]]
topic = "ms/{connector}"
pointer = "/id"
to = "connector"
[[source.mapping.field]]
topic = "ms/{connector}"
pointer = "/fault"
to = "alarm"
otherwise = "other"
[[source.mapping.field]]
topic = "rfc/{connector}"
pointer = "/t"
to = "ts"
format = "rfc3339"
[[source.mapping.field]]
topic = "rfc/{connector}"
pointer = "/s"
to = "session"
[[source.mapping.field]]
topic = "rfc/{connector}"
pointer = "/on"
to = "charging"
"#;

/// The dialect of a source that has the defaults alone.
fn usual(name: DialectName) -> Option<Dialect> {
    settings::usual_source(name).map(|source| setup::dialect(&source))
}

/// What is remembered is packed, and read back.
fn check_memory(dialect: &mut Dialect) {
    let mut packed = Vec::new();
    dialect.changed_memory(&mut |key, memory| {
        packed.push((key.operator.to_owned(), key.station.to_owned(), memory.to_vec()));
    });
    for (operator, station, memory) in &packed {
        let key = chargetally_core::observation::StationKey { operator, station };
        assert_eq!(dialect.restore_memory(key, memory), Ok(()), "what is remembered is read back");
    }
}

/// A message as that of [`native`], twice, for dialects that remember; then what they remember, which is read back.
fn of_dialect(name: DialectName, bytes: &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let Ok(topic) = std::str::from_utf8(&bytes[..end]) else { return };
    let payload = bytes.get(end + 1..).unwrap_or_default();
    static DIALECTS: std::sync::OnceLock<Vec<(DialectName, Dialect)>> = std::sync::OnceLock::new();
    let dialects = DIALECTS.get_or_init(|| {
        let usual = DialectName::ALL.iter().filter_map(|&name| Some((name, settings::usual_source(name)?)));
        usual.map(|(name, source)| (name, setup::dialect(&source))).collect()
    });
    let found = dialects.iter().find(|(other, _)| *other == name);
    let mut dialect = found.map(|(_, dialect)| dialect.clone()).expect("the dialect works by its defaults");
    for retained in [false, true] {
        let arrival = ArrivalTime::from_ms(1_795_411_421_000);
        let _refused = dialect.decode(topic, payload, arrival, retained, &Limits::default(), &mut |_, _| ());
    }
    let _shown = dialect.shown(payload, 512);
    check_memory(&mut dialect);
    let key = chargetally_core::observation::StationKey { operator: "o", station: "s" };
    let _damaged = dialect.restore_memory(key, payload);
}

/// A batch of the journal; one that is read whole comes out of the packer again with the same entries.
pub fn journal(bytes: &[u8]) {
    let Ok(entries) = unpack(bytes) else { return };
    let Ok(entries) = entries.collect::<Result<Vec<_>, _>>() else { return };
    let mut packer = Packer::default();
    for entry in &entries {
        packer.push(entry);
    }
    if !entries.is_empty() {
        let again: Result<Vec<_>, _> = unpack(packer.batch()).expect("our own header").collect();
        assert_eq!(again.as_ref(), Ok(&entries), "a batch that is read is written the same");
    }
}

/// A station's block, and a shard's remainder; a block that is read can be packed and read once more.
pub fn packed(bytes: &[u8]) {
    let shard = || Shard::new(Arc::new(Config::default()), ArrivalTime::from_ms(0));
    let _damaged = packed_key(bytes);
    let _damaged = unpack_remainders(&mut [shard()], &[bytes]);
    let mut first = shard();
    if first.unpack_station(bytes).is_ok() {
        for station in first.all_stations() {
            let block = first.pack_station(station);
            assert_eq!(shard().unpack_station(&block), Ok(()), "a block that is read is written readably");
        }
    }
}

/// A window's meta data, which are read back as they were written, and a record.
pub fn window(bytes: &[u8]) {
    if let Ok(meta) = WindowMeta::unpack(&mut Reader::new(bytes)) {
        let mut again = Vec::new();
        meta.pack(&mut again);
        assert_eq!(WindowMeta::unpack(&mut Reader::new(&again)), Ok(meta));
    }
    if let Ok(record) = Record::unpack(&mut Reader::new(bytes)) {
        let mut again = Vec::new();
        record.pack(&mut again);
        assert!(Record::unpack(&mut Reader::new(&again)).is_ok(), "a record that is read is written readably");
    }
}

/// A settings file.
pub fn settings_file(bytes: &[u8]) {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().expect("a file");
    std::fs::write(file.path(), bytes).expect("written");
    let _problems = settings::load(&[file.path().to_owned()]);
}

/// The tables that settings name.
pub fn tables(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _wrong = reference::parse(text);
    let _wrong = tariff::parse(text);
}

/// Topics and times; a topic that is read is written the same.
pub fn texts(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (root_in, root_out) = (Root::default_in(), Root::default_out());
    let id_bytes_max = Limits::default().id_bytes_max;
    if let Ok(topic) = root_in.parse_in(text, id_bytes_max) {
        assert_eq!(root_in.format_in(&topic), text);
    }
    if let Ok(topic) = root_out.parse_out(text, id_bytes_max) {
        assert_eq!(root_out.format_out(&topic), text);
    }
    let _root = Root::parse(text);
    let _day = rfc3339::parse_day(text);
    let _recorded = rfc3339::parse_recorded_ms(text);
    // An offset can lead out of the years that are written; those are clamped.
    if let Some(ms) = rfc3339::parse_ms(text).filter(|ms| WRITTEN_MS.contains(ms)) {
        let mut again = Vec::new();
        rfc3339::write_ms(&mut again, ms);
        let again = std::str::from_utf8(&again).expect("text");
        assert_eq!(rfc3339::parse_ms(again), Some(ms), "{text} is written as {again}");
    }
}
