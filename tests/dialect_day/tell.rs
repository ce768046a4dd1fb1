//! What every family's teller is, and what it writes into: a recording as `chargetally record` writes them. Messages
//! arrive in the second in which they were sent.

use std::borrow::Cow;
use std::path::Path;

use chargetally::recording::{RecordedMessage, RecordingWriter};
use chargetally_core::time::ArrivalTime;
use serde_json::Value;

use crate::model::{Day, Moment, Step, epoch_ms};

/// Tells the day in the words of one family.
pub trait Teller {
    /// How often it tells of a connector at which nothing happens, s.
    const AT_REST_EVERY_S: i64;

    /// Its keys in the settings.
    fn source(&self, folder: &Path, day: &Day) -> String;

    /// What comes before everything else.
    fn begin(&mut self, _day: &Day, _log: &mut Log) {}

    fn moment(&mut self, moment: &Moment<'_>, log: &mut Log);

    /// The station cannot be heard any more; a family without a word for it says nothing.
    fn silence(&mut self, _at_s: i64, _day: &Day, _log: &mut Log) {}

    /// It can be heard again; the moments of its connectors follow.
    fn back(&mut self, _at_s: i64, _day: &Day, _log: &mut Log) {}
}

/// The recording of a day.
pub struct Log(RecordingWriter<Vec<u8>>);

impl Log {
    pub fn say(&mut self, at_s: i64, topic: &str, payload: Value) {
        let bytes = match payload {
            Value::String(word) => word.into_bytes(),
            payload => payload.to_string().into_bytes(),
        };
        self.say_bytes(at_s, topic, &bytes);
    }

    pub fn say_bytes(&mut self, at_s: i64, topic: &str, payload: &[u8]) {
        let message = RecordedMessage {
            arrival: Some(ArrivalTime::from_ms(epoch_ms(at_s))),
            topic: Cow::Borrowed(topic),
            qos: 1,
            retained: false,
            payload: Cow::Borrowed(payload),
        };
        self.0.write_message(&message).expect("a vector takes everything");
    }
}

/// The recording in which a teller tells the day.
pub fn recording<T: Teller>(teller: &mut T, day: &Day) -> Vec<u8> {
    let mut log = Log(RecordingWriter::new(Vec::new()));
    teller.begin(day, &mut log);
    for step in day.steps(T::AT_REST_EVERY_S) {
        match step {
            Step::Moment(moment) => teller.moment(&moment, &mut log),
            Step::Silence(at_s) => teller.silence(at_s, day, &mut log),
            Step::Return(at_s) => teller.back(at_s, day, &mut log),
        }
    }
    log.0.into_inner()
}

/// Writes the register of master data for families that carry none; its path.
pub fn register_csv(folder: &Path, day: &Day, id: impl Fn(u32) -> String) -> String {
    let mut csv = "station,connector,name,area,access,scene,rated_kw,current,v2g\n".to_owned();
    for connector in &day.connectors {
        let (id, current) = (id(connector.number), if connector.is_dc { "dc" } else { "ac" });
        csv += &format!("st,{id},day,530102,public,roadside,{},{current},no\n", connector.rated_kw);
    }
    let path = folder.join("stations.csv");
    std::fs::write(&path, csv).expect("written");
    path.to_str().expect("text").to_owned()
}
