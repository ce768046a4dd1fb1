//! From the settings to what each part of the program is told at its start. Everything here follows from the settings
//! and the tables that they name; nothing reads a clock, and no part of the program but this one knows both sides.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::num::NonZero;
use std::sync::Arc;

use chargetally_core::config::{self, Config};
use chargetally_core::indicator::{Plan, Policy, Target};
use chargetally_core::region::ReferenceData;
use chargetally_core::rollup::{RollupConfig, Tariff};
use chargetally_core::scope::Level;
use chargetally_core::time::{ArrivalTime, Bucket};
use chargetally_core::window::{Calendar, CivilDay, WindowKind, days_from_civil};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::dialect::cec102::Cec102;
use crate::dialect::mapping::Mapping;
use crate::dialect::native::Native;
use crate::dialect::ocpp::Ocpp;
use crate::dialect::sparkplug::{Sparkplug, host};
use crate::dialect::ykc::Ykc;
use crate::dialect::{self, Dialect};
use crate::engine::EngineConfig;
use crate::ingest::{DatedWill, IngestSettings};
use crate::mqtt;
use crate::publish::assemble::{Assembler, need_basis};
use crate::publish::egress::EgressSettings;
use crate::publish::outbox::OutboxLimits;
use crate::settings::reference::{self as figures, ReferenceError};
use crate::settings::register::{self, RegisterError};
use crate::settings::tariff::{self, TariffError};
use crate::settings::{self, DialectName, FileRef, Millis, Settings, credentials_directory};
use crate::store;
use crate::topic::OutTopic;

/// Workers at most, whatever the machine has.
const WORKERS_MAX: usize = 256;
/// The calendar knows the changes of the zone's clock from this point on: 1990-01-01T00:00Z.
const CALENDAR_FROM_S: i64 = 631_152_000;
/// And up to this one: 2100-01-01T00:00Z. After it the last offset holds on.
const CALENDAR_TO_S: i64 = 4_102_444_800;
/// Changes of a zone's clock at most; two a year are 220.
const TRANSITIONS_MAX: usize = 2_000;
/// What a packet may hold beside its payload, bytes: topic and properties.
const PACKET_EXTRA_BYTES: usize = 4 * 1024;
/// What the publishing connection's client id ends with.
const EGRESS_SUFFIX: &str = "-out";
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Reference data that no message carries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceTables {
    /// Its edition: that of the file, or the settings' where the file names none.
    pub version: Box<str>,
    /// The figures of regions.
    pub figures: ReferenceData,
    /// Public holidays.
    pub holidays: BTreeSet<CivilDay>,
}

/// A table that the settings name and the engine needs cannot be used.
#[derive(Debug)]
pub enum TableError {
    /// That of valley periods.
    Tariff(TariffError),
    /// The register of a source's stations.
    Register(RegisterError),
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tariff(error) => error.fmt(f),
            Self::Register(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for TableError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Tariff(error) => error.source(),
            Self::Register(error) => error.source(),
        }
    }
}

/// How the engine is set up. `has_store` says whether windows that are kept no longer can be given back.
///
/// # Errors
/// Where the table of valley periods, or the register of a source, cannot be read or has a fault.
pub fn engine(settings: &Settings, has_store: bool) -> Result<EngineConfig, TableError> {
    let calendar = calendar(&settings.time.zone);
    let workers = workers(settings);
    let rollup = RollupConfig {
        calendar: calendar.clone(),
        levels: settings.publish.levels.clone(),
        windows: settings.publish.windows.clone(),
        keep_ms: keep(settings, has_store),
        revise_every_ms: ms(settings.publish.revise_every),
        tariff: tariff(settings).map_err(TableError::Tariff)?,
        plan_from: plan_from(settings, &calendar),
    };
    Ok(EngineConfig {
        core: Arc::new(core(settings, calendar, workers)),
        rollup,
        quotas: settings.sources.iter().map(|source| source.quota).collect(),
        dialects: settings.sources.iter().map(registered).collect::<Result<_, _>>()?,
        limits: limits(settings),
        workers,
        rejected_samples_per_s: settings.publish.rejected_per_s,
        spread: None,
    })
}

/// How long a closed window stays in memory after its end, ms, by [`chargetally_core::window::WindowKind`]. Without a
/// store everything that may still change stays; with one, only what changes often, for the rest is given back when it
/// changes. Months stay for as long as a year is told from them.
#[must_use]
pub fn keep(settings: &Settings, has_store: bool) -> [i64; 5] {
    let months_ms = 400 * DAY_MS;
    if has_store {
        [2 * HOUR_MS, 6 * HOUR_MS, DAY_MS, 3 * DAY_MS, months_ms]
    } else {
        let changing_ms = ms(settings.time.late_limit) + 2 * HOUR_MS;
        [changing_ms, changing_ms, changing_ms, changing_ms, months_ms]
    }
}

/// How large the store may become, and how long it keeps what.
#[must_use]
pub fn store(settings: &Settings) -> store::Limits {
    let defaults = store::Limits::default();
    let windows = defaults.windows.into_iter().map(|keep| {
        let kept = WindowKind::from_name(&keep.window).map(|kind| settings.state.retention.of(kind).as_ms());
        store::Keep { keep_ms: kept, ..keep }
    });
    store::Limits {
        windows: windows.collect(),
        // What is late by no more than this may change a window that ended so long ago, and it by up to its own length.
        protect_ms: settings.time.late_limit.as_ms() + 2 * HOUR_MS.unsigned_abs(),
        bytes_max: settings.state.bytes_max,
        buffer_bytes_max: defaults.buffer_bytes_max,
    }
}

/// What the settings decide about indicators.
#[must_use]
pub fn policy(settings: &Settings) -> Policy {
    let Settings { targets, baseline, indicators, sources, .. } = settings;
    Policy {
        version: targets.version.as_str().into(),
        minimums: indicators.minimums,
        unavailable_is_planned: indicators.unavailable_is_planned,
        expected_interval_ms: sources.iter().find_map(|source| source.expected_interval).map(ms),
        plan: plan(settings),
        national_facilities: i64::try_from(baseline.total).unwrap_or(i64::MAX),
        availability_min: targets.highpower_availability_min,
        highway_new_high_power_share_min: targets.highway_new_highpower_share_min,
        valley_share_min: targets.valley_share_min,
        valley_share_private_min: targets.valley_share_private_min,
        uk_reliability_min: targets.uk_rapid_reliability_min,
        grading: indicators.grading,
        star: indicators.star,
        first_seen_days_min: indicators.first_seen_days_min,
        private_connectors_min: indicators.private_connectors_min,
    }
}

/// How much one message may hold.
#[must_use]
pub fn limits(settings: &Settings) -> dialect::Limits {
    let limits = &settings.limits;
    dialect::Limits {
        payload_bytes_max: settings.mqtt.payload_bytes_max,
        array_len_max: limits.array_length,
        depth_max: limits.payload_depth,
        id_bytes_max: limits.id_length,
        text_bytes_max: limits.text_length,
        equipment_max: limits.equipment_per_station,
        connectors_max: limits.connectors_per_station,
    }
}

/// The reference data that the settings name.
///
/// # Errors
/// Where the table of regions cannot be read or has a fault.
pub fn reference(settings: &Settings) -> Result<ReferenceTables, ReferenceError> {
    let reference = &settings.reference;
    let figures = reference.regions_csv.as_deref().map(figures::read).transpose()?.unwrap_or_default();
    let version = if figures.version().is_empty() { reference.version.as_str() } else { figures.version() };
    Ok(ReferenceTables { version: version.into(), holidays: reference.holidays.iter().copied().collect(), figures })
}

/// The password that the settings name, where they name one.
///
/// # Errors
/// Where it cannot be read.
pub fn password(settings: &Settings) -> io::Result<Option<mqtt::Credentials>> {
    let Some(user) = &settings.mqtt.username else { return Ok(None) };
    let password = match &settings.mqtt.password_file {
        Some(file) => file.read_secret(credentials_directory().as_deref())?.expose().to_owned(),
        None => String::new(),
    };
    Ok(Some(mqtt::Credentials { user: user.clone(), password: mqtt::Secret::new(password) }))
}

/// The broker, and how it is connected to.
fn endpoint(settings: &Settings, credentials: Option<mqtt::Credentials>) -> mqtt::Endpoint {
    let from = &settings.mqtt;
    let located = |file: &FileRef| file.locate(credentials_directory().as_deref()).unwrap_or_default();
    let tls = from.url.tls.then(|| mqtt::TlsFiles {
        ca: from.ca_file.as_ref().map(located),
        client: from.cert_file.as_ref().map(located).zip(from.key_file.as_ref().map(located)),
    });
    let seconds = |span: Millis| span.as_ms() / 1000;
    mqtt::Endpoint {
        tls,
        credentials,
        keep_alive_s: u16::try_from(seconds(from.keep_alive)).unwrap_or(u16::MAX),
        protocol: match from.protocol {
            settings::Protocol::Auto => mqtt::Protocol::Auto,
            settings::Protocol::V5 => mqtt::Protocol::V5,
            settings::Protocol::V311 => mqtt::Protocol::V311,
        },
        clean_start: !from.persistent_session,
        session_expiry_s: if from.persistent_session {
            u32::try_from(seconds(from.session_expiry)).unwrap_or(u32::MAX)
        } else {
            0
        },
        receive_maximum: from.receive_maximum,
        packet_bytes_max: u32::try_from(from.payload_bytes_max + PACKET_EXTRA_BYTES).unwrap_or(u32::MAX),
        ..mqtt::Endpoint::new(from.url.host.clone(), from.url.port, from.client_id.clone())
    }
}

/// The subscribing connection, to the topics of these dialects, which are those of the sources in order. `resumed` says
/// whether what retained messages said before is known still.
#[must_use]
pub fn ingest(
    settings: &Settings,
    credentials: Option<mqtt::Credentials>,
    dialects: &[Dialect],
    resumed: bool,
) -> IngestSettings {
    let filters = settings.sources.iter().zip(dialects).flat_map(|(source, dialect)| {
        let qos = if source.qos == 0 { mqtt::Qos::AtMostOnce } else { mqtt::Qos::AtLeastOnce };
        dialect
            .filters(&[], None)
            .into_iter()
            .map(move |filter| mqtt::Filter { retained_once: resumed, ..mqtt::Filter::new(filter, qos) })
    });
    let will = host_topic(settings).map(|topic| DatedWill { topic, payload: host::offline });
    IngestSettings { will, ..IngestSettings::new(endpoint(settings, credentials), filters.collect()) }
}

/// Where the daemon says that it is a Sparkplug host application, if it is to be one.
#[must_use]
pub fn host_topic(settings: &Settings) -> Option<String> {
    settings.sources.iter().find_map(|source| Some(host::topic(&source.root, source.host.as_deref()?)))
}

/// The publishing connection.
#[must_use]
pub fn egress(settings: &Settings, credentials: Option<mqtt::Credentials>) -> EgressSettings {
    let mut endpoint = endpoint(settings, credentials);
    endpoint.client_id.push_str(EGRESS_SUFFIX);
    let limits =
        OutboxLimits { entries_max: settings.publish.outbox_entries, bytes_max: settings.publish.outbox_bytes };
    EgressSettings { limits, ..EgressSettings::new(endpoint, settings.publish.root.format_out(&OutTopic::Status)) }
}

/// What summaries are assembled with.
#[must_use]
pub fn assembler(settings: &Settings, tables: &ReferenceTables) -> Assembler {
    let policy = policy(settings);
    let versions = [
        ("policy", policy.version.as_ref()),
        ("regions", chargetally_core::region::VERSION),
        ("reference", tables.version.as_ref()),
    ];
    Assembler {
        calendar: calendar(&settings.time.zone),
        basis: need_basis(&tables.figures),
        reference: tables.figures.clone(),
        holidays: tables.holidays.clone(),
        holiday_utilisation_min: settings.targets.holiday_util_trigger,
        versions: versions.map(|(table, version)| (table.to_owned(), version.to_owned())).to_vec(),
        first: ArrivalTime::from_ms(i64::MAX),
        policy,
    }
}

/// The civil calendar of a time zone, with all changes of its clock from 1990 up to 2100.
#[must_use]
pub fn calendar(zone: &TimeZone) -> Calendar {
    let offset_ms = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000;
    if let Ok(offset) = zone.to_fixed_offset() {
        return Calendar::fixed(offset_ms(offset));
    }
    let (Ok(from), Ok(to)) = (Timestamp::from_second(CALENDAR_FROM_S), Timestamp::from_second(CALENDAR_TO_S)) else {
        return Calendar::fixed(0);
    };
    let changes = zone.following(from).take_while(|change| change.timestamp() < to).take(TRANSITIONS_MAX);
    let first = (i64::MIN, offset_ms(zone.to_offset(from)));
    let changes = changes.map(|change| (change.timestamp().as_millisecond(), offset_ms(change.offset())));
    Calendar::with_transitions(std::iter::once(first).chain(changes).collect())
}

fn core(settings: &Settings, calendar: Calendar, workers: usize) -> Config {
    Config {
        calendar,
        grace_ms: ms(settings.publish.grace),
        future_skew_ms: ms(settings.time.future_skew),
        late_limit_ms: ms(settings.time.late_limit),
        sources: settings
            .sources
            .iter()
            .map(|source| config::Source { hold_ms: ms(source.hold), prolong: source.prolong })
            .collect(),
        limits: shard_limits(settings, workers),
        stations_in_scope: settings.publish.levels.contains(&Level::Station),
        thresholds: settings.alarms,
    }
}

/// The limits of one shard: the whole divided by their number, rounded up. Stations spread over shards by their hash, so
/// that a shard may reach its part a little before all of them together have reached the whole.
fn shard_limits(settings: &Settings, workers: usize) -> config::Limits {
    let limits = &settings.limits;
    let part = |whole: usize| whole.div_ceil(workers);
    config::Limits {
        stations: part(limits.stations),
        unregistered_stations: part(limits.unregistered_stations),
        connectors: part(limits.connectors),
        connectors_per_station: limits.connectors_per_station,
        duplicate_memory: limits.duplicate_memory,
        unclaimed_tallies: part(limits.unclaimed_tallies),
        sessions_per_connector: limits.sessions_per_connector,
        open_alarms: part(limits.open_alarms),
    }
}

/// How the messages of a source are decoded.
#[must_use]
pub fn dialect(source: &settings::Source) -> Dialect {
    if let Some(spec) = &source.mapping {
        return Dialect::Mapping(Mapping::new(Arc::clone(spec)));
    }
    if let Some(spec) = &source.ocpp {
        return Dialect::Ocpp(Ocpp::new(Arc::clone(spec)));
    }
    if let Some(spec) = &source.cec102 {
        return Dialect::Cec102(Cec102::new(Arc::clone(spec)));
    }
    if let Some(spec) = &source.ykc {
        return Dialect::Ykc(Ykc::new(Arc::clone(spec)));
    }
    match source.dialect {
        // The settings give every dialect that is a mapping its mapping, and the others what they need.
        DialectName::Native
        | DialectName::Mapping
        | DialectName::Evcc
        | DialectName::Openwb
        | DialectName::GoE
        | DialectName::Openevse
        | DialectName::Smartevse
        | DialectName::Warp
        | DialectName::Homie
        | DialectName::Ocpp
        | DialectName::Cec102
        | DialectName::Ykc
        | DialectName::Everest => Dialect::Native(Native::new(source.root.clone())),
        DialectName::Sparkplug => Dialect::Sparkplug(Sparkplug::new(source.root.clone(), source.rebirth)),
    }
}

/// The same, with the register that the source names.
fn registered(source: &settings::Source) -> Result<Dialect, TableError> {
    let dialect = dialect(source);
    let (Some(path), Some(operator)) = (&source.register, source.operator()) else { return Ok(dialect) };
    let register = Arc::new(register::read(path, operator).map_err(TableError::Register)?);
    Ok(match dialect {
        Dialect::Mapping(mapping) => Dialect::Mapping(mapping.with_register(register)),
        Dialect::Ocpp(ocpp) => Dialect::Ocpp(ocpp.with_register(register)),
        Dialect::Ykc(ykc) => Dialect::Ykc(ykc.with_register(register)),
        dialect => dialect,
    })
}

/// The valley periods of the table; those of the settings hold where it has none for all provinces.
fn tariff(settings: &Settings) -> Result<Tariff, TariffError> {
    let reference = &settings.reference;
    let mut periods = reference.valley_csv.as_deref().map(tariff::read).transpose()?.unwrap_or_default();
    if periods.iter().all(|period| period.province.is_some()) {
        periods.extend(reference.valley_periods.iter().cloned());
    }
    Ok(Tariff::new(periods))
}

fn plan(settings: &Settings) -> Plan {
    let Settings { targets, baseline, .. } = settings;
    #[expect(clippy::cast_precision_loss, reason = "the settings end far below 2^53")]
    let count =
        |base: Option<u64>, target: u64| Target { base: base.map(|base| base as f64), target: Some(target as f64) };
    let share = |base: Option<f64>, target: f64| Target { base, target: Some(target) };
    Plan {
        base_day: baseline.date,
        target_day: targets.date,
        targets: [
            count(Some(baseline.total), targets.facilities_total),
            count(Some(baseline.public_kw), targets.public_capacity_kw),
            count(Some(baseline.ev_served), targets.ev_served),
            count(Some(0), targets.urban_new_dc_guns),
            count(Some(0), targets.urban_new_highpower),
            count(Some(0), targets.highway_new_guns_ge60),
            share(Some(baseline.highway_sa_coverage), targets.highway_sa_coverage),
            count(Some(0), targets.township_new_dc_guns),
            share(None, targets.township_coverage),
            share(None, targets.residential_parking_ready),
            count(Some(0), targets.residential_pilots),
            count(Some(0), targets.v2g_new_facilities),
            count(Some(0), targets.v2g_discharge_kwh),
        ],
    }
}

/// The first base bucket of the day after the plan's base day.
fn plan_from(settings: &Settings, calendar: &Calendar) -> Bucket {
    Bucket::holding_ms(calendar.day_start_ms(days_from_civil(settings.baseline.date) + 1))
}

fn workers(settings: &Settings) -> usize {
    let available = || std::thread::available_parallelism().map_or(1, NonZero::get).min(WORKERS_MAX);
    if settings.run.shards == 0 { available() } else { settings.run.shards }
}

/// A span of the settings as the core has it; those end far below the limit.
fn ms(span: Millis) -> i64 {
    i64::try_from(span.as_ms()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
