//! What is remembered of a station: the status and the transaction of each connector, the calls that wait for their
//! answer, and the faults that stand. Frames of OCPP tell changes, so that none of this can be had from a single one.
//! Everything here has a limit of its own; what exceeds one is forgotten, the oldest first, and never refused.

use std::collections::BTreeMap;

use chargetally_core::alarm::AlarmClass;
use chargetally_core::pack::{Damaged, Pack, Reader};
use chargetally_core::state::Status;

use super::words::Fault;
use crate::dialect::mapping::memory::{status_at, status_place};
use crate::dialect::{Limits, Reason, Reject};

/// Calls of one station that may wait for their answer.
const CALLS_MAX: usize = 8;
/// Frames of one station that are remembered, to know a repetition.
const FRAMES_MAX: usize = 8;
/// Faults of one connector, or of the station as a whole, that are remembered.
const STANDING_MAX: usize = 16;
/// Power below this says nothing about whether a vehicle is there, W.
pub(super) const FLOW_W_MIN: i64 = 50;
/// How far a sample may be moved to stand after the one before, ms: stations write whole seconds.
pub(super) const MOVED_MS_MAX: i64 = 1_000;
/// A register that falls by no more than this has not fallen: the same reading is written in Wh here and rounded in kWh
/// there.
const ROUNDED_J_MAX: i64 = 180_000;
/// The form of packed memory.
const VERSION: u8 = 1;

/// A connector by the numbers that name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    /// 0 in 1.6, which knows connectors alone.
    pub evse: u32,
    pub connector: u32,
}

impl Port {
    /// Its id here.
    fn name(self) -> Box<str> {
        match self.evse {
            0 => self.connector.to_string(),
            evse => format!("{evse}-{}", self.connector),
        }
        .into()
    }
}

/// What is remembered of one station.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Station {
    pub connectors: BTreeMap<Port, Connector>,
    /// Faults of the station as a whole.
    pub standing: Standing,
    /// Calls that start transactions, by their ids, the oldest first.
    calls: Vec<(Box<str>, Port)>,
    /// Digests of the last frames, the oldest first.
    frames: Vec<u64>,
    pub is_dirty: bool,
}

/// What is remembered of one connector.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Connector {
    pub name: Box<str>,
    /// Whether it speaks 2.x, which tells the charging state apart from the status.
    is_new: bool,
    /// The status that was last reported.
    pub reported: Option<Status>,
    /// Whether that was that somebody is about to charge.
    pub is_preparing: bool,
    /// What the charging state says (2.x).
    pub flow: Option<Status>,
    /// The session that was asked for and has no transaction yet.
    pub attempt: Option<Box<str>>,
    pub transaction: Option<Transaction>,
    /// The id of the transaction that ended last.
    pub ended: Option<Box<str>>,
    /// The newest time at which a status was stated, ms.
    stated_ms: Option<i64>,
    /// The newest time of a sample that was told, ms.
    pub told_ms: Option<i64>,
    pub import_j: Option<i64>,
    /// Whether anything was ever measured at the connector itself.
    pub has_outlet: bool,
    pub standing: Standing,
}

/// A transaction that runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Transaction {
    /// OCPP's id; in 1.6 the answer gives it.
    pub id: Option<Box<str>>,
    /// The session's id here, which stays the same from the attempt to the stop.
    pub session: Box<str>,
    pub start_ms: i64,
    /// The register when it began.
    pub meter_j: Option<i64>,
    /// Whether it was told that energy flows.
    pub is_started: bool,
}

impl Station {
    /// What is remembered of a connector.
    ///
    /// # Errors
    /// The station has as many as it may.
    pub fn connector(&mut self, port: Port, limits: &Limits) -> Result<&mut Connector, Reject> {
        if !self.connectors.contains_key(&port) && self.connectors.len() >= limits.connectors_max {
            return Err(Reject::field(Reason::TooManyParts, "connector"));
        }
        let new = || Connector { name: port.name(), is_new: port.evse > 0, ..Connector::default() };
        Ok(self.connectors.entry(port).or_insert_with(new))
    }

    /// The connector of an EVSE that a message without a connector's number means: the one with a transaction, or the
    /// only one, or the first.
    pub fn port_of_evse(&self, evse: u32) -> Port {
        let of_evse = || self.connectors.iter().filter(move |(port, _)| port.evse == evse);
        let running = of_evse().find(|(_, connector)| connector.transaction.is_some());
        let first = || of_evse().next();
        running.or_else(first).map_or(Port { evse, connector: 1 }, |(port, _)| *port)
    }

    /// The connector whose transaction has this id.
    pub fn port_of_transaction(&self, id: &str) -> Option<Port> {
        let has_it = |connector: &Connector| {
            connector.transaction.as_ref().is_some_and(|running| running.id.as_deref() == Some(id))
        };
        self.connectors.iter().find(|(_, connector)| has_it(connector)).map(|(port, _)| *port)
    }

    /// The connector whose transaction stops, where no answer said its id: the only one whose transaction has none, or the
    /// only one of them whose register has not passed that reading; else the only one that could have one.
    pub fn port_of_stop(&self, meter_j: Option<i64>) -> Option<Port> {
        let nameless = |connector: &Connector| connector.transaction.as_ref().is_some_and(|it| it.id.is_none());
        let has_not_passed = |connector: &Connector| connector.import_j <= meter_j;
        let could = |connector: &Connector| {
            let is_busy = matches!(connector.reported, Some(Status::Occupied | Status::Charging) | None);
            connector.transaction.is_none() && is_busy
        };
        let only = |is_it: &dyn Fn(&Connector) -> bool| {
            let mut found = self.connectors.iter().filter(|(_, connector)| is_it(connector)).map(|(port, _)| *port);
            found.next().filter(|_| found.next().is_none())
        };
        if self.connectors.values().any(nameless) {
            return only(&nameless).or_else(|| only(&|connector| nameless(connector) && has_not_passed(connector)));
        }
        only(&could)
    }

    /// Remembers a call that starts a transaction; a longer id than `bytes_max` is not worth it.
    pub fn wait_for(&mut self, call: &str, port: Port, bytes_max: usize) {
        self.calls.retain(|(id, _)| **id != *call);
        if call.is_empty() || call.len() > bytes_max {
            return;
        }
        if self.calls.len() >= CALLS_MAX {
            self.calls.remove(0);
        }
        self.calls.push((call.into(), port));
    }

    /// Whether a call waits for this answer.
    pub fn waits_for(&self, call: &str) -> bool {
        self.calls.iter().any(|(id, _)| **id == *call)
    }

    /// The connector that an answered call was about.
    pub fn answered(&mut self, call: &str) -> Option<Port> {
        let place = self.calls.iter().position(|(id, _)| **id == *call)?;
        Some(self.calls.remove(place).1)
    }

    /// Remembers a frame; whether it was among the last ones.
    pub fn is_repeated(&mut self, digest: u64) -> bool {
        if self.frames.contains(&digest) {
            return true;
        }
        if self.frames.len() >= FRAMES_MAX {
            self.frames.remove(0);
        }
        self.frames.push(digest);
        false
    }
}

impl Connector {
    /// Takes the time at which a status is stated. False where it is older than one stated before: then it says nothing
    /// about now.
    pub fn advance(&mut self, stated_ms: i64) -> bool {
        let is_newest = self.stated_ms.is_none_or(|newest| stated_ms >= newest);
        if is_newest {
            self.stated_ms = Some(stated_ms);
        }
        is_newest
    }

    /// The status now, where it is known or can be told from what flows. Nothing that was measured says that a connector
    /// is free.
    pub fn status(&self, power_w: Option<i64>, is_rising: bool) -> Option<Status> {
        let flows = is_rising || power_w.is_some_and(|power_w| power_w.abs() > FLOW_W_MIN);
        let has_transaction = self.transaction.is_some();
        match (self.reported, self.flow) {
            (Some(gone @ (Status::Faulted | Status::Unavailable)), _) => Some(gone),
            (_, Some(flow)) => Some(flow),
            // In 2.x being occupied leaves open whether energy flows.
            (Some(Status::Occupied), None) if self.is_new && has_transaction && flows => Some(Status::Charging),
            (Some(reported), None) => Some(reported),
            (None, None) if has_transaction && flows => Some(Status::Charging),
            (None, None) if has_transaction => Some(Status::Occupied),
            (None, None) => power_w.filter(|_| flows && !is_rising).map(|_| Status::Charging),
        }
    }

    /// The time at which a sample is told: after the one before where both are of the same moment.
    pub fn place(&mut self, at_ms: i64) -> i64 {
        let at_ms = match self.told_ms {
            Some(told_ms) if at_ms <= told_ms => told_ms.saturating_add(1),
            _ => at_ms,
        };
        self.told_ms = Some(at_ms);
        at_ms
    }

    /// Whether a message of this time speaks of now.
    pub fn is_now(&self, at_ms: i64) -> bool {
        self.told_ms.is_none_or(|told_ms| at_ms > told_ms.saturating_sub(MOVED_MS_MAX))
    }

    /// Takes a register; what counts of it, and whether it has risen.
    pub fn take_register(&mut self, import_j: Option<i64>) -> (Option<i64>, bool) {
        let Some(mut now_j) = import_j else { return (None, false) };
        let before_j = self.import_j;
        if let Some(before_j) = before_j
            && (1..=ROUNDED_J_MAX).contains(&before_j.saturating_sub(now_j))
        {
            now_j = before_j;
        }
        self.import_j = Some(now_j);
        (Some(now_j), before_j.is_some_and(|before_j| now_j > before_j))
    }
}

/// Faults that stand, by what tells of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Standing(Vec<(Box<str>, AlarmClass)>);

impl Standing {
    /// Takes what `key` tells now; the class of the alarm that is over by it, where one is. `usual` is what the key means
    /// where it is not known to have told anything.
    pub fn take(&mut self, key: &str, now: Option<Fault>, usual: Option<AlarmClass>) -> Option<AlarmClass> {
        let place = self.0.iter().position(|(known, _)| **known == *key);
        let before = place.map(|place| self.0.remove(place).1);
        let over = match now {
            None => before.or(usual),
            Some(fault) => before.filter(|class| *class != fault.class),
        };
        if let Some(fault) = now {
            if self.0.len() >= STANDING_MAX {
                self.0.remove(0);
            }
            self.0.push((key.into(), fault.class));
        }
        over.filter(|class| self.0.iter().all(|(_, standing)| standing != class))
    }
}

impl Station {
    /// As bytes.
    pub fn packed(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        self.connectors.pack(&mut out);
        self.standing.0.pack(&mut out);
        self.calls.pack(&mut out);
        self.frames.pack(&mut out);
        out
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`Damaged`] where they are none that [`Self::packed`] gives.
    pub fn unpacked(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::of_version(bytes, VERSION)?;
        let station = Self {
            connectors: Pack::unpack(&mut reader)?,
            standing: Standing(Pack::unpack(&mut reader)?),
            calls: Pack::unpack(&mut reader)?,
            frames: Pack::unpack(&mut reader)?,
            is_dirty: false,
        };
        reader.finish()?;
        Ok(station)
    }
}

impl Pack for Port {
    fn pack(&self, out: &mut Vec<u8>) {
        (self.evse, self.connector).pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let (evse, connector) = Pack::unpack(reader)?;
        Ok(Self { evse, connector })
    }
}

fn unpack_status(reader: &mut Reader<'_>) -> Result<Option<Status>, Damaged> {
    Option::<u8>::unpack(reader)?.map(status_at).transpose()
}

impl Pack for Connector {
    fn pack(&self, out: &mut Vec<u8>) {
        self.name.pack(out);
        self.is_new.pack(out);
        self.reported.map(status_place).pack(out);
        self.is_preparing.pack(out);
        self.flow.map(status_place).pack(out);
        self.attempt.pack(out);
        self.transaction.pack(out);
        self.ended.pack(out);
        self.stated_ms.pack(out);
        self.told_ms.pack(out);
        self.import_j.pack(out);
        self.has_outlet.pack(out);
        self.standing.0.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            name: Pack::unpack(reader)?,
            is_new: Pack::unpack(reader)?,
            reported: unpack_status(reader)?,
            is_preparing: Pack::unpack(reader)?,
            flow: unpack_status(reader)?,
            attempt: Pack::unpack(reader)?,
            transaction: Pack::unpack(reader)?,
            ended: Pack::unpack(reader)?,
            stated_ms: Pack::unpack(reader)?,
            told_ms: Pack::unpack(reader)?,
            import_j: Pack::unpack(reader)?,
            has_outlet: Pack::unpack(reader)?,
            standing: Standing(Pack::unpack(reader)?),
        })
    }
}

impl Pack for Transaction {
    fn pack(&self, out: &mut Vec<u8>) {
        self.id.pack(out);
        self.session.pack(out);
        self.start_ms.pack(out);
        self.meter_j.pack(out);
        self.is_started.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            id: Pack::unpack(reader)?,
            session: Pack::unpack(reader)?,
            start_ms: Pack::unpack(reader)?,
            meter_j: Pack::unpack(reader)?,
            is_started: Pack::unpack(reader)?,
        })
    }
}
