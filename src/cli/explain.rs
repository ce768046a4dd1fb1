//! `chargetally explain`: what messages decode to under the settings, one after the other, or why they are refused. It
//! connects to nothing and changes nothing; what it shows is what the daemon would have seen.

use std::fmt::Write;
use std::fs;

use chargetally_core::time::ArrivalTime;

use super::{args, check, print};
use crate::clock;
use crate::dialect::describe::Described;
use crate::dialect::{Dialect, Limits, source_of};
use crate::error::{Exit, Failure};
use crate::settings::{DialectName, Settings, usual_source};
use crate::setup;

/// Explains.
///
/// # Errors
/// [`Exit::Data`] where a message is refused or belongs to no source, [`Exit::Config`] where the settings are wrong.
pub fn run(args: &args::Explain) -> Result<(), Failure> {
    let settings = check::load(&args.settings)?.settings;
    let payloads = payloads(args)?;
    let mut explaining = Explaining {
        limits: setup::limits(&settings),
        dialects: settings.sources.iter().map(setup::dialect).collect(),
        settings,
        retained: args.retained,
        text: String::new(),
        refused: 0,
    };
    for (topic, payload) in args.topic.iter().zip(&payloads) {
        explaining.explain(topic, payload);
    }
    print(&explaining.text)?;
    match explaining.refused {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Data, "a message is not taken in")),
        count => Err(Failure::new(Exit::Data, format!("{count} messages are not taken in"))),
    }
}

fn payloads(args: &args::Explain) -> Result<Vec<Vec<u8>>, Failure> {
    let payloads = match &args.payload_file {
        None => args.payload.iter().map(|text| text.as_bytes().to_vec()).collect(),
        Some(path) => vec![fs::read(path).map_err(|error| {
            Failure::new(Exit::NoInput, format!("cannot read the payload from {}", path.display())).because(error)
        })?],
    };
    if payloads.len() == args.topic.len() {
        return Ok(payloads);
    }
    let what = format!("there are {} topics and {} payloads; each topic needs one", args.topic.len(), payloads.len());
    Err(Failure::new(Exit::Usage, what))
}

struct Explaining {
    settings: Settings,
    dialects: Vec<Dialect>,
    limits: Limits,
    retained: bool,
    text: String,
    refused: usize,
}

impl Explaining {
    fn explain(&mut self, topic: &str, payload: &[u8]) {
        self.line(topic);
        let Some(index) = source_of(&self.dialects, topic).map(|source| usize::from(source.0)) else {
            self.refused += 1;
            self.line("    no source reads this topic");
            let sources = self.settings.sources.iter();
            let near = sources.filter(|source| {
                (source.mapping.is_some() || source.ocpp.is_some()) && source.root.holds(topic.trim_start_matches('/'))
            });
            let near: Vec<_> = near.map(|source| (source.name.clone(), source.dialect)).collect();
            for (name, dialect) in near {
                self.line(&format!(
                    "    it lies under the root of source {name:?}, but no field of {dialect} is there"
                ));
            }
            for (name, source) in usual_readers(topic) {
                self.line(&format!("    a source with dialect = \"{name}\" would, at its usual root {source:?}"));
            }
            return;
        };
        let source = &self.settings.sources[index];
        let mut lines = vec![format!("    source {:?}, dialect {}", source.name, source.dialect)];
        let dialect = &mut self.dialects[index];
        if let Dialect::Mapping(mapping) = &*dialect {
            for (place, says) in mapping.fields_of(topic) {
                let place = if place.is_empty() { "the payload".to_owned() } else { place };
                lines.push(format!("    {place} is read as {says}"));
            }
        }
        let arrival = ArrivalTime::from_ms(clock::wall_ms());
        let mut count = 0;
        let decoded = dialect.decode(topic, payload, arrival, self.retained, &self.limits, &mut |key, observation| {
            count += 1;
            lines.push(format!("    {}", Described(key, &observation)));
        });
        match decoded {
            Err(reject) => {
                self.refused += 1;
                lines.push(format!("    refused: {reject}"));
            }
            Ok(()) if count == 0 => lines.push("    says nothing by itself".to_owned()),
            Ok(()) => {}
        }
        lines.iter().for_each(|line| self.line(line));
    }

    fn line(&mut self, line: &str) {
        // Writing to a text cannot fail.
        let _written = writeln!(self.text, "{line}");
    }
}

/// The dialects that would read a topic where nothing else is set, with their roots.
fn usual_readers(topic: &str) -> Vec<(DialectName, String)> {
    let usual = DialectName::ALL.iter().filter_map(|&name| Some((name, usual_source(name)?)));
    usual
        .filter(|(_, source)| setup::dialect(source).owns(topic))
        .map(|(name, source)| (name, source.root.as_str().to_owned()))
        .collect()
}
