//! Recognises what speaks on a broker: which dialects, where their topics begin, and which stations. It tries every
//! dialect at its usual place and below up to a few levels that somebody put before it, and takes one for recognised only
//! once a whole message of it was read. Bounded whatever comes; it must never send anything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use chargetally_core::observation::StationKey;
use chargetally_core::time::ArrivalTime;

use crate::dialect::{Dialect, Limits};
use crate::settings::{BrokerUrl, DialectName, SOURCES_MAX, Source, source_with};
use crate::setup;
use crate::topic::Root;

/// Levels that may stand before a dialect's usual root.
const LEVELS_BEFORE_MAX: usize = 3;
/// Stations of one source that are told apart at most.
const STATIONS_MAX: usize = 10_000;
/// Stations that are named at most.
const NAMED_MAX: usize = 5;
/// First levels of topics that nobody reads that are told apart at most.
const STRANGERS_MAX: usize = 32;
/// Sources that are tried at most: some turn out to be none.
const TRIED_MAX: usize = 4 * SOURCES_MAX;

/// Other usual places of families, beside those of their presets: dialect, root, and prefix where it differs.
const ELSEWHERE: [(DialectName, &str, Option<&str>); 4] = [
    (DialectName::Warp, "warp", None),
    (DialectName::Warp, "warp3", None),
    (DialectName::GoE, "go-eCharger", Some("{root}/{station}")),
    (DialectName::Cec102, "cec102", None),
];

/// What was seen so far.
pub struct Sniffer {
    limits: Limits,
    /// What is tried: a dialect's keys in the settings, and how it decodes there.
    usual: Vec<(Keys, Dialect)>,
    own: Root,
    found: Vec<Found>,
    strangers: BTreeMap<String, u64>,
    messages: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Keys {
    dialect: DialectName,
    root: String,
    prefix: Option<&'static str>,
}

/// A source that may be there.
struct Found {
    keys: Keys,
    decoder: Dialect,
    read: u64,
    refused: u64,
    stations: BTreeSet<(String, String)>,
    /// The first levels of its topics.
    firsts: BTreeSet<String>,
}

impl Keys {
    fn source(&self) -> Option<Source> {
        let mut keys = vec![("root", self.root.as_str())];
        keys.extend(self.prefix.map(|prefix| ("prefix", prefix)));
        source_with(self.dialect, &keys)
    }
}

impl Sniffer {
    /// A sniffer that has seen nothing.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let presets = DialectName::ALL.iter().filter_map(|&dialect| {
            let root = source_with(dialect, &[])?.root.as_str().to_owned();
            Some(Keys { dialect, root, prefix: None })
        });
        let elsewhere = ELSEWHERE.map(|(dialect, root, prefix)| Keys { dialect, root: root.to_owned(), prefix });
        let usual = presets.chain(elsewhere).filter_map(|keys| {
            let decoder = setup::dialect(&keys.source()?);
            Some((keys, decoder))
        });
        let usual = usual.collect();
        let (own, found, strangers) = (Root::default_out(), Vec::new(), BTreeMap::new());
        Self { limits, usual, own, found, strangers, messages: 0 }
    }

    /// Takes in a message.
    pub fn take(&mut self, topic: &str, payload: &[u8], arrival: ArrivalTime, retained: bool) {
        if self.own.holds(topic) {
            return;
        }
        self.messages += 1;
        let place = match self.found.iter().position(|found| found.decoder.owns(topic)) {
            Some(place) => place,
            None => match self.recognise(topic) {
                Some(found) if self.found.len() < TRIED_MAX => {
                    self.found.push(found);
                    self.found.len() - 1
                }
                _ => {
                    let first = first_level(topic);
                    let is_known = self.strangers.contains_key(first);
                    if is_known || self.strangers.len() < STRANGERS_MAX {
                        *self.strangers.entry(first.to_owned()).or_default() += 1;
                    }
                    return;
                }
            },
        };
        self.found[place].take(topic, payload, arrival, retained, &self.limits);
    }

    /// The source that a topic could belong to.
    fn recognise(&self, topic: &str) -> Option<Found> {
        let found = |keys: Keys, decoder: Dialect| Found {
            keys,
            decoder,
            read: 0,
            refused: 0,
            stations: BTreeSet::new(),
            firsts: BTreeSet::new(),
        };
        if let Some((keys, decoder)) = self.usual.iter().find(|(_, decoder)| decoder.owns(topic)) {
            return Some(found(keys.clone(), decoder.clone()));
        }
        let ends = topic.match_indices('/').map(|(end, _)| end).take(LEVELS_BEFORE_MAX);
        for end in ends {
            let (before, below) = (&topic[..end], &topic[end + 1..]);
            for (keys, _) in self.usual.iter().filter(|(_, decoder)| decoder.owns(below)) {
                let keys = Keys { root: format!("{before}/{}", keys.root), ..keys.clone() };
                let decoder = keys.source().map(|source| setup::dialect(&source));
                if let Some(decoder) = decoder.filter(|decoder| decoder.owns(topic)) {
                    return Some(found(keys, decoder));
                }
            }
        }
        None
    }

    /// Whether anything was recognised.
    #[must_use]
    pub fn has_recognised(&self) -> bool {
        self.found.iter().any(Found::is_certain)
    }

    /// Settings for what was recognised, with remarks on what was seen; `login` is the user's name and the password's
    /// file, where there are any.
    #[must_use]
    pub fn settings(&self, broker: &BrokerUrl, login: [(&str, Option<&str>); 3], seconds: u64) -> String {
        let mut text = format!("# {} messages seen in {seconds} s.\n", self.messages);
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let mut line = |line: String| text.push_str(&(line + "\n"));
        line(format!("[mqtt]\nurl = {}", quoted(&broker.to_string())));
        for (key, value) in login {
            value.into_iter().for_each(|value| line(format!("{key} = {}", quoted(value))));
        }
        let mut names = BTreeMap::<DialectName, u32>::new();
        for found in self.found.iter().filter(|found| found.is_certain()).take(SOURCES_MAX) {
            let Keys { dialect, root, prefix } = &found.keys;
            let count = names.entry(*dialect).or_default();
            *count += 1;
            let name = if *count == 1 { dialect.to_string() } else { format!("{dialect}-{count}") };
            line(format!("\n# {}", found.told()));
            line(format!("[[source]]\nname = {}\ndialect = {}", quoted(&name), quoted(dialect.name())));
            line(format!("root = {}", quoted(root)));
            prefix.iter().for_each(|prefix| line(format!("prefix = {}", quoted(prefix))));
        }
        for found in self.found.iter().filter(|found| !found.is_certain()) {
            let Keys { dialect, root, .. } = &found.keys;
            line(format!(
                "\n# Not taken for {dialect} under {root:?}: no message could be read, {} refused.",
                found.refused
            ));
        }
        let is_familiar =
            |first: &String| self.found.iter().any(|found| found.is_certain() && found.firsts.contains(first));
        let (familiar, unknown): (Vec<_>, Vec<_>) = self.strangers.iter().partition(|(first, _)| is_familiar(first));
        let titles = ["Beside what is read, and of no use", "Not recognised"];
        for (title, strangers) in titles.into_iter().zip([familiar, unknown]).filter(|(_, list)| !list.is_empty()) {
            line(format!("\n# {title}, by the first level of the topic:"));
            for (first, count) in strangers {
                line(format!("#   {} {count}", first.escape_debug()));
            }
        }
        text
    }
}

impl Found {
    fn take(&mut self, topic: &str, payload: &[u8], arrival: ArrivalTime, retained: bool, limits: &Limits) {
        let Self { decoder, stations, .. } = self;
        if self.firsts.len() < STRANGERS_MAX {
            self.firsts.insert(first_level(topic).to_owned());
        }
        let decoded = decoder.decode(topic, payload, arrival, retained, limits, &mut |_, _| {});
        let key = decoder.station_of(topic, limits);
        // Nobody is asked anything: whoever sniffs only listens.
        match decoded {
            Ok(()) => {
                self.read += 1;
                if let Some(StationKey { operator, station }) = key
                    && stations.len() < STATIONS_MAX
                {
                    stations.insert((operator.to_owned(), station.to_owned()));
                }
            }
            Err(_) => self.refused += 1,
        }
        decoder.take_requests();
    }

    /// Whether a message of it was read.
    fn is_certain(&self) -> bool {
        self.read > 0
    }

    fn told(&self) -> String {
        let mut told = format!("{} messages read, {} refused; ", self.read, self.refused);
        let named: Vec<String> = self
            .stations
            .iter()
            .take(NAMED_MAX)
            .map(|(operator, station)| match &**station {
                "" => format!("of {operator}, named in payloads").escape_debug().to_string(),
                station => format!("{operator}/{station}").escape_debug().to_string(),
            })
            .collect();
        // Writing to a text cannot fail.
        let _written = match self.stations.len() {
            1 => write!(told, "station {}", named.concat()),
            count if count <= NAMED_MAX => write!(told, "{count} stations: {}", named.join(" ")),
            count => write!(told, "{count} stations: {} ...", named.join(" ")),
        };
        told
    }
}

/// The first level of a topic that is not empty.
fn first_level(topic: &str) -> &str {
    topic.split('/').find(|level| !level.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::settings;

    fn sniffed(messages: &[(&str, &str)]) -> (Sniffer, String) {
        let mut sniffer = Sniffer::new(Limits::default());
        for (topic, payload) in messages {
            sniffer.take(topic, payload.as_bytes(), ArrivalTime::from_ms(1_795_411_421_000), false);
        }
        let broker = BrokerUrl::parse("mqtt://127.0.0.1:1884").expect("a URL");
        let text = sniffer.settings(&broker, [("username", None), ("password_file", None), ("ca_file", None)], 9);
        (sniffer, text)
    }

    #[test]
    fn families_are_recognised_at_their_usual_places_and_below_others() {
        let (sniffer, text) = sniffed(&[
            ("evcc/loadpoints/1/charging", "true"),
            ("evcc/loadpoints/1/chargePower", "7000"),
            ("site7/evcc/loadpoints/1/charging", "false"),
            ("/go-eCharger/204711/car", "2"),
            ("go-eCharger/204712/car", "1"),
            ("warp3/XyZ/evse/state", "{\"charger_state\":3}"),
            ("openevse-3f0c/state", "3"),
            ("site7/cs/in/ocpp1.6/cs-7", r#"{"type":2,"action":"Heartbeat","id":"1","request":{}}"#),
            ("zigbee2mqtt/lamp", "{}"),
            ("evcc/site/gridPower", "12"),
            ("openWB/chargepoint/3/get/plug_state", "perhaps"),
            ("chargetally/v1/status", "online"),
        ]);
        assert!(sniffer.has_recognised());
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("sniffed.toml");
        fs::write(&path, &text).expect("written");
        let settings = settings::load(&[path]).unwrap_or_else(|error| panic!("{error}\n{text}")).settings;
        let sources: Vec<_> = settings.sources.iter().map(|source| (&*source.name, source.root.as_str())).collect();
        let expected = [
            ("evcc", "evcc"),
            ("evcc-2", "site7/evcc"),
            ("go-e", "go-eCharger"),
            ("go-e-2", "go-eCharger"),
            ("warp", "warp3"),
            ("openevse", "openevse"),
            ("ocpp", "site7/cs"),
        ];
        assert_eq!(sources, expected, "{text}");
        assert!(text.contains("# 2 messages read, 0 refused; station evcc/evcc\n"), "{text}");
        assert!(
            text.contains("# Not taken for openwb under \"openWB\": no message could be read, 1 refused."),
            "{text}"
        );
        let (familiar, unknown) = text.split_once("# Not recognised").expect("both lists");
        assert!(unknown.contains("#   zigbee2mqtt 1\n") && !unknown.contains("evcc"), "{text}");
        assert!(familiar.ends_with("of no use, by the first level of the topic:\n#   evcc 1\n\n"), "{text}");
        assert!(!text.contains("chargetally/v1"), "{text}");
    }

    #[test]
    fn nothing_is_recognised_where_nothing_speaks() {
        let (sniffer, text) = sniffed(&[("a\n# b/c", "x"), ("", "y")]);
        assert!(!sniffer.has_recognised());
        assert!(text.lines().all(|line| line.is_empty() || line.starts_with(['#', '[', 'u'])), "{text}");
    }
}
