//! The tables that say how the daemon itself works: `[mqtt]`, `[[source]]`, `[publish]`, `[time]`, `[limits]`,
//! `[state]` and `[run]`. Each function here is the only place that knows the keys, defaults and bounds of its table.

use std::path::PathBuf;
use std::sync::Arc;

use chargetally_core::scope::Level;
use chargetally_core::window::WindowKind;
use jiff::tz::TimeZone;

use super::meant::{
    BrokerUrl, DialectName, FileRef, LogFormat, Millis, Protocol, absolute, level, name, optional_name, root, window,
    zone,
};
use super::reader::Section;
use super::{cec102, mapping, ykc};
use crate::dialect::mapping::spec::Spec;
use crate::dialect::mapping::template::Template;
use crate::dialect::{cec102 as tcec, ocpp, ykc as piles};
use crate::engine::Quota;
use crate::topic::{ID_BYTES_MAX, IN_ROOT, Root, check_id};

/// Sources at most.
pub const SOURCES_MAX: usize = 32;

const SECOND_MS: u64 = 1_000;
const HOUR_MS: u64 = 3_600 * SECOND_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const DAY_S: u64 = 86_400;

/// `[mqtt]`: the broker and how it is spoken to.
#[derive(Debug, Clone, PartialEq)]
pub struct Mqtt {
    /// Where the broker is.
    pub url: BrokerUrl,
    /// The client identifier of the subscribing connection; the publishing one derives its own from it.
    pub client_id: String,
    /// The user to log in as.
    pub username: Option<String>,
    /// The file with that user's password.
    pub password_file: Option<FileRef>,
    /// Certificates of the authorities to trust; the system's where there is none.
    pub ca_file: Option<FileRef>,
    /// The client's own certificate chain; only together with `key_file`.
    pub cert_file: Option<FileRef>,
    /// The private key of `cert_file`.
    pub key_file: Option<FileRef>,
    /// Which MQTT is spoken.
    pub protocol: Protocol,
    /// After this much silence the client pings.
    pub keep_alive: Millis,
    /// How long the broker keeps the session of a client that is away.
    pub session_expiry: Millis,
    /// Publishes of QoS 1 and 2 that may be unacknowledged at once, 1 to 65535.
    pub receive_maximum: u16,
    /// Bytes of a payload at most; a longer one is refused and counted.
    pub payload_bytes_max: usize,
    /// Whether the broker keeps subscriptions and messages over a reconnect.
    pub persistent_session: bool,
}

pub(super) fn mqtt(t: &mut Section<'_>) -> Mqtt {
    let mqtt = Mqtt {
        url: t.text("url", "mqtt://127.0.0.1:1883", BrokerUrl::parse),
        client_id: t.text("client_id", "chargetally", |text| name(text, 128)),
        username: t.text("username", "", |text| optional_name(text, 256)),
        password_file: t.text("password_file", "", FileRef::parse),
        ca_file: t.text("ca_file", "", FileRef::parse),
        cert_file: t.text("cert_file", "", FileRef::parse),
        key_file: t.text("key_file", "", FileRef::parse),
        protocol: t.text("protocol", "auto", str::parse),
        keep_alive: t.span("keep_alive_s", 30, 1..=3_600, SECOND_MS),
        session_expiry: t.span("session_expiry_s", 3 * DAY_S, 0..=30 * DAY_S, SECOND_MS),
        receive_maximum: t.count("receive_maximum", 65_535, 1..=65_535),
        payload_bytes_max: t.count::<usize>("max_payload_kb", 256, 1..=65_536) * 1024,
        persistent_session: t.flag("persistent_session", true),
    };
    if mqtt.password_file.is_some() && mqtt.username.is_none() {
        t.refuse("password_file", "is set without a username".to_owned());
    }
    if mqtt.cert_file.is_some() != mqtt.key_file.is_some() {
        let (set, missing) =
            if mqtt.cert_file.is_some() { ("cert_file", "key_file") } else { ("key_file", "cert_file") };
        t.refuse(set, format!("is set without {missing}"));
    }
    for (key, file) in [("ca_file", &mqtt.ca_file), ("cert_file", &mqtt.cert_file)] {
        if file.is_some() && !mqtt.url.tls {
            t.refuse(key, "is set, and url is not mqtts://".to_owned());
        }
    }
    if mqtt.persistent_session && mqtt.session_expiry.as_ms() == 0 {
        t.refuse("session_expiry_s", "is 0, and persistent_session is true".to_owned());
    }
    mqtt
}

/// `[[source]]`: a tree of topics that stations publish into.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Its name in logs and counters; no two are the same.
    pub name: String,
    /// How its payloads are written.
    pub dialect: DialectName,
    /// The root of its topics.
    pub root: Root,
    /// QoS of the subscription, 0 or 1.
    pub qos: u8,
    /// How long a sample speaks for its connector.
    pub hold: Millis,
    /// How often a connector is expected to send, where that is known.
    pub expected_interval: Option<Millis>,
    /// Whether any message of a station prolongs what its connectors said before.
    pub prolong: bool,
    /// What it may send at most.
    pub quota: Quota,
    /// Whether stations may be asked to say anew what is missing; only Sparkplug B has a way to ask.
    pub rebirth: bool,
    /// The id of the Sparkplug host application that the daemon is, where it says that it is one.
    pub host: Option<String>,
    /// What its topics and payloads say, where its dialect is a mapping.
    pub mapping: Option<Arc<Spec>>,
    /// Where its frames are, where its dialect is OCPP.
    pub ocpp: Option<Arc<ocpp::Spec>>,
    /// What T/CEC 102 needs, where that is its dialect.
    pub cec102: Option<Arc<tcec::Spec>>,
    /// What YKC needs, where that is its dialect.
    pub ykc: Option<Arc<piles::Spec>>,
    /// The file with the master data of its stations, where they send none; only for mappings, OCPP and YKC.
    pub register: Option<PathBuf>,
}

impl Source {
    /// Whether a message could belong to both sources.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        match (self.templates(), other.templates()) {
            (None, None) => self.root.overlaps(&other.root),
            (Some(_), None) => self.may_read(&other.root),
            (None, Some(_)) => other.may_read(&self.root),
            (Some(own), Some(others)) => own.iter().any(|one| others.iter().any(|other| one.overlaps(other))),
        }
    }

    /// Whether a message under this root could belong to the source.
    #[must_use]
    pub fn may_read(&self, root: &Root) -> bool {
        match self.templates() {
            None => self.root.overlaps(root),
            Some(templates) => templates.iter().any(|template| template.may_lie_under(root.as_str())),
        }
    }

    /// Who runs its stations where neither topic nor payload says it; `None` where they always do.
    #[must_use]
    pub fn operator(&self) -> Option<&str> {
        let mapped = self.mapping.as_ref().map(|mapping| &*mapping.operator);
        let relayed = self.ocpp.as_ref().map(|ocpp| &*ocpp.operator);
        mapped.or(relayed).or(self.ykc.as_ref().map(|ykc| &*ykc.operator))
    }

    /// The forms of its topics; `None` where it has a root of its own.
    fn templates(&self) -> Option<Vec<&Template>> {
        let mapped = self.mapping.as_ref().map(|mapping| mapping.topics.iter().map(|topic| &topic.template).collect());
        mapped.or_else(|| self.ocpp.as_ref().map(|ocpp| ocpp.topics.iter().collect()))
    }
}

/// The id of a Sparkplug host application; none where it is empty.
fn host(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let id = check_id(text, ID_BYTES_MAX).map_err(|_| "is no id that a topic can hold".to_owned())?;
    Ok(Some(id.to_owned()))
}

/// The root of dialects that are no mapping.
fn usual_root(dialect: DialectName) -> &'static str {
    match dialect {
        DialectName::Sparkplug => "spBv1.0",
        DialectName::Ocpp => "cs",
        DialectName::Cec102 => cec102::ROOT,
        DialectName::Ykc => ykc::ROOT,
        _ => IN_ROOT,
    }
}

pub(super) fn source(t: &mut Section<'_>) -> Source {
    let name = t.text("name", "native", |text| name(text, 64));
    let dialect = t.text("dialect", "native", str::parse);
    let preset = mapping::preset(dialect);
    let others = match dialect {
        DialectName::Ocpp => mapping::Defaults::OCPP,
        DialectName::Cec102 => cec102::DEFAULTS,
        DialectName::Ykc => ykc::DEFAULTS,
        _ => mapping::Defaults::OTHERS,
    };
    let has_register = preset.is_some() || matches!(dialect, DialectName::Ocpp | DialectName::Ykc);
    let defaults = preset.as_ref().map_or(others, |preset| preset.defaults);
    let mut source = Source {
        name,
        dialect,
        root: t.text("root", preset.as_ref().map_or(usual_root(dialect), |preset| &preset.root), root),
        qos: t.count("qos", 1, 0..=1),
        hold: t.span("hold_s", defaults.hold_s, 1..=DAY_S, SECOND_MS),
        expected_interval: Some(t.span("expected_interval_s", 0, 0..=DAY_S, SECOND_MS))
            .filter(|interval| interval.as_ms() > 0),
        prolong: t.flag("prolong", defaults.prolong),
        quota: Quota {
            messages_per_s: t.count("messages_per_s", 0, 0..=100_000_000),
            payload_bytes_max: match t.count::<usize>("max_payload_kb", 0, 0..=65_536) {
                0 => usize::MAX,
                kb => kb * 1024,
            },
            stations_max: t.count("stations", 0, 0..=10_000_000),
        },
        rebirth: dialect == DialectName::Sparkplug && t.flag("rebirth", true),
        host: if dialect == DialectName::Sparkplug { t.text("host", "", host) } else { None },
        mapping: None,
        ocpp: None,
        cec102: None,
        ykc: None,
        register: if has_register { t.text("register_csv", "", absolute) } else { None },
    };
    source.mapping = preset.map(|preset| mapping::mapping(t, dialect, &source.root, preset));
    source.ocpp = (dialect == DialectName::Ocpp).then(|| mapping::ocpp(t, &source.root));
    source.cec102 = (dialect == DialectName::Cec102).then(|| cec102::spec(t, &source.root));
    source.ykc = (dialect == DialectName::Ykc).then(|| ykc::spec(t, &source.root));
    if source.expected_interval.is_some_and(|interval| interval >= source.hold) {
        let what = "is not shorter than hold_s: every connector would be unobserved between two samples";
        t.refuse("expected_interval_s", what.to_owned());
    }
    source
}

/// `[publish]`: what is given out.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish {
    /// The root of the topics that are written.
    pub root: Root,
    /// What summaries are about.
    pub levels: Vec<Level>,
    /// Which windows summaries cover.
    pub windows: Vec<WindowKind>,
    /// How long after its end a window waits for what is on its way.
    pub grace: Millis,
    /// A window is published again at most this often.
    pub revise_every: Millis,
    /// Messages that may wait for the broker.
    pub outbox_entries: usize,
    /// Bytes of payload that may wait for the broker.
    pub outbox_bytes: usize,
    /// Refused messages that are shown per second at most; 0 shows none.
    pub rejected_per_s: u32,
}

pub(super) fn publish(t: &mut Section<'_>) -> Publish {
    let levels = Level::ALL.map(Level::name);
    let windows = WindowKind::ALL.map(WindowKind::name);
    Publish {
        root: t.text("root", "chargetally/v1", root),
        levels: t.list("levels", &levels, levels.len(), level),
        windows: t.list("windows", &windows, windows.len(), window),
        grace: t.span("grace_s", 30, 0..=3_600, SECOND_MS),
        revise_every: t.span("revise_every_s", 60, 1..=DAY_S, SECOND_MS),
        outbox_entries: t.count("outbox_entries", 100_000, 100..=10_000_000),
        outbox_bytes: t.count::<usize>("outbox_mb", 64, 1..=16_384).saturating_mul(1024 * 1024),
        rejected_per_s: t.count("rejected_per_s", 1, 0..=1_000),
    }
}

/// `[time]`: civil time, and how far event times may be off.
#[derive(Debug, Clone, PartialEq)]
pub struct Time {
    /// The zone of civil days and months.
    pub zone: TimeZone,
    /// How far ahead of its arrival an event time may be.
    pub future_skew: Millis,
    /// How far behind its arrival an event time may be.
    pub late_limit: Millis,
}

pub(super) fn time(t: &mut Section<'_>) -> Time {
    Time {
        zone: t.text("zone", "Asia/Shanghai", zone),
        future_skew: t.span("future_skew_s", 120, 0..=3_600, SECOND_MS),
        late_limit: t.span("late_limit_h", 72, 1..=31 * 24, HOUR_MS),
    }
}

/// `[limits]`: the bounds of every table that grows with the input. Reaching one is counted and visible.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Registered stations.
    pub stations: usize,
    /// Connectors of all stations together.
    pub connectors: usize,
    /// Connectors of one station.
    pub connectors_per_station: usize,
    /// Stations that send without ever having been registered.
    pub unregistered_stations: usize,
    /// Bytes of an operator's, station's or connector's id.
    pub id_length: usize,
    /// Levels of nesting in a payload.
    pub payload_depth: usize,
    /// Entries of an array in a payload.
    pub array_length: usize,
    /// Bytes of any other text in a payload.
    pub text_length: usize,
    /// Pieces of equipment of one station.
    pub equipment_per_station: usize,
    /// Event times of accepted samples that are remembered per connector, to know a repetition.
    pub duplicate_memory: usize,
    /// Sessions that are remembered per connector.
    pub sessions_per_connector: usize,
    /// Minutes that are remembered of connectors that no registration names yet, so that one can claim them later.
    pub unclaimed_tallies: usize,
    /// Alarms that stand at once.
    pub open_alarms: usize,
}

pub(super) fn limits(t: &mut Section<'_>) -> Limits {
    let limits = Limits {
        stations: t.count("stations", 1_000_000, 1..=10_000_000),
        connectors: t.count("connectors", 10_000_000, 1..=100_000_000),
        connectors_per_station: t.count("connectors_per_station", 1_000, 1..=100_000),
        unregistered_stations: t.count("unregistered_stations", 10_000, 0..=10_000_000),
        id_length: t.count("id_length", 64, 8..=255),
        payload_depth: t.count("payload_depth", 16, 4..=64),
        array_length: t.count("array_length", 2_000, 1..=1_000_000),
        text_length: t.count("text_length", 1_024, 64..=65_536),
        equipment_per_station: t.count("equipment_per_station", 512, 1..=100_000),
        duplicate_memory: t.count("duplicate_memory", 128, 8..=65_536),
        sessions_per_connector: t.count("sessions_per_connector", 8, 1..=1_024),
        unclaimed_tallies: t.count("unclaimed_tallies", 200_000, 0..=100_000_000),
        open_alarms: t.count("open_alarms", 100_000, 1..=100_000_000),
    };
    if limits.connectors_per_station > limits.connectors {
        t.refuse("connectors_per_station", "is more than connectors".to_owned());
    }
    limits
}

/// `[state]`: what is kept on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Where journal, checkpoints and history are; `None` keeps everything in memory only.
    pub directory: Option<PathBuf>,
    /// How long messages may be gathered before they are made durable and acknowledged.
    pub sync_wait: Millis,
    /// How long summaries are kept.
    pub retention: Retention,
    /// The greatest size of the store's file, bytes; `None` means any.
    pub bytes_max: Option<u64>,
    /// The windows whose summaries are kept as they were given out; of the others the figures are.
    pub summaries: Vec<WindowKind>,
    /// Whether a store that is damaged is moved aside at the start, and a new one begun.
    pub set_aside_damaged: bool,
}

/// How long the history keeps the summaries of each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// 1m.
    pub minute: Millis,
    /// 15m.
    pub quarter: Millis,
    /// 1h.
    pub hour: Millis,
    /// 1d.
    pub day: Millis,
    /// 1mo.
    pub month: Millis,
}

impl Retention {
    pub(super) const fn by_key(self) -> [(&'static str, Millis); 5] {
        [
            ("retention_1m_days", self.minute),
            ("retention_15m_days", self.quarter),
            ("retention_1h_days", self.hour),
            ("retention_1d_days", self.day),
            ("retention_1mo_days", self.month),
        ]
    }

    /// How long summaries of this window are kept.
    #[must_use]
    pub const fn of(self, window: WindowKind) -> Millis {
        match window {
            WindowKind::Minute => self.minute,
            WindowKind::Quarter => self.quarter,
            WindowKind::Hour => self.hour,
            WindowKind::Day => self.day,
            WindowKind::Month => self.month,
        }
    }
}

pub(super) fn state(t: &mut Section<'_>) -> State {
    const CENTURY_DAYS: u64 = 36_525;
    State {
        directory: t.text("directory", "/var/lib/chargetally", absolute),
        sync_wait: t.span("sync_wait_ms", 50, 0..=10_000, 1),
        retention: Retention {
            minute: t.span("retention_1m_days", 3, 1..=CENTURY_DAYS, DAY_MS),
            quarter: t.span("retention_15m_days", 40, 1..=CENTURY_DAYS, DAY_MS),
            hour: t.span("retention_1h_days", 400, 1..=CENTURY_DAYS, DAY_MS),
            day: t.span("retention_1d_days", CENTURY_DAYS, 1..=CENTURY_DAYS, DAY_MS),
            month: t.span("retention_1mo_days", CENTURY_DAYS, 1..=CENTURY_DAYS, DAY_MS),
        },
        bytes_max: match t.whole("max_mb", 0, 0..=16_777_216) {
            0 => None,
            mb => Some(mb << 20),
        },
        summaries: t.list("summaries", &["1h", "1d", "1mo"], WindowKind::ALL.len(), window),
        set_aside_damaged: t.flag("set_aside_damaged", false),
    }
}

/// `[run]`: threads and logs.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Shards that the stations are spread over; 0 means one per core.
    pub shards: usize,
    /// What is logged, as tracing's filters write it: `info`, `warn,chargetally=debug`.
    pub log: String,
    /// How log lines are written.
    pub log_format: LogFormat,
}

pub(super) fn run(t: &mut Section<'_>) -> Run {
    Run {
        shards: t.count("shards", 0, 0..=256),
        log: t.text("log", "info", |text| crate::logging::check_filter(text).map(|()| text.to_owned())),
        log_format: t.text("log_format", "text", str::parse),
    }
}
