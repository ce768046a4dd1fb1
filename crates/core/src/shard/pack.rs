//! A shard as bytes, station by station, so that a checkpoint rewrites only the stations that changed and the number of
//! shards may differ from run to run. A block is a station as of the base bucket up to which it was closed then. What
//! has been closed since without a word from the station follows from the block: reading it settles the connectors
//! up to where the shard stands now, and drops what comes of that, for it has been handed over already.

use super::closing::Handing;
use super::dirty::TURN_BUCKETS;
use super::ids::IdPlace;
use super::minutes::MinuteRuns;
use super::registry::{Connector, Master, Owner};
use super::{NOWHERE, Shard};
use crate::book::{Book, SlotIndex};
use crate::config::SourceIndex;
use crate::observation::StationKey;
use crate::pack::{Damaged, Pack, Reader, pack_fields, write_text};
use crate::safety::StationAlarms;
use crate::scope::{Attribution, OperatorIndex, StationIndex};
use crate::tally::{Merge, Tally};
use crate::time::Bucket;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The form of a station's block.
const STATION_VERSION: u8 = 1;
/// The form of a remainder.
const REMAINDER_VERSION: u8 = 1;
/// No sound number in a block is greater: sums of a few stay within 64 bits.
const MAGNITUDE_MAX: u64 = 1 << 60;
/// No more time than this stands in one state of a base bucket, ms, whatever the number of connectors.
const STATE_MS_MAX: u64 = 1 << 40;
/// Base buckets lie this side of the year 4000.
const BUCKET_NUMBER_MAX: u32 = 1 << 30;

pack_fields!(Master { at_ms, name, area, access, scene, state });

/// A station, read back and not yet part of a shard. Slots are places in `slots`.
struct StationBlock {
    closed: Bucket,
    master: Option<Master>,
    alarm_feed: bool,
    minutes: MinuteRuns,
    slots: Vec<SlotBlock>,
    slot: SlotIndex,
    connectors: Vec<ConnectorBlock>,
    alarms: StationAlarms,
}

/// A slot of a station with what stands under it.
struct SlotBlock {
    attribution: Attribution,
    claimable: bool,
    /// From when on it counts, and the place of the slot that counted before.
    succession: Option<(Bucket, u32)>,
    booked: Vec<(Bucket, Tally)>,
    unclaimed: BTreeMap<Bucket, Tally>,
}

struct ConnectorBlock {
    in_service: bool,
    id: Box<str>,
    connector: Connector,
}

/// What of a shard belongs to no station.
struct Remainder {
    closed: Bucket,
    lapse_checked: Bucket,
    booked: Vec<(Bucket, Tally)>,
}
pack_fields!(Remainder { closed, lapse_checked, booked });

/// Whose block this is.
///
/// # Errors
/// The bytes are no block of a station.
pub fn packed_key(block: &[u8]) -> Result<StationKey<'_>, Damaged> {
    let mut reader = Reader::of_version(block, STATION_VERSION)?;
    Ok(StationKey { operator: reader.text()?, station: reader.text()? })
}

/// Gives fresh shards, before any station, what belongs to none: how far base buckets were closed, and (to the first
/// shard) what was counted of unknown senders. The remainders of one checkpoint belong together, all of them, whatever
/// the number of shards now.
///
/// # Errors
/// A block is damaged; no shard was changed.
pub fn unpack_remainders<B: AsRef<[u8]>>(shards: &mut [Shard], blocks: &[B]) -> Result<(), Damaged> {
    let mut remainders = Vec::new();
    for block in blocks {
        let mut reader = Reader::of_version(block.as_ref(), REMAINDER_VERSION)?;
        let remainder = Remainder::unpack(&mut reader)?;
        let buckets = [remainder.closed, remainder.lapse_checked];
        if buckets.iter().any(|bucket| bucket.number().unsigned_abs() > BUCKET_NUMBER_MAX) {
            return Err(Damaged { what: "base bucket" });
        }
        check_magnitude(&reader)?;
        reader.finish()?;
        remainders.push(remainder);
    }
    let Some(closed) = remainders.iter().map(|remainder| remainder.closed).max() else { return Ok(()) };
    let lapse_checked = remainders.iter().map(|remainder| remainder.lapse_checked).min().unwrap_or(closed);
    for shard in &mut *shards {
        shard.closed = closed;
        shard.lapse_checked = lapse_checked;
        shard.book = Book::starting_at(closed);
    }
    let Some(first) = shards.first_mut() else { return Ok(()) };
    for (bucket, tally) in remainders.into_iter().flat_map(|remainder| remainder.booked) {
        first.book.put(bucket, NOWHERE, &tally);
    }
    Ok(())
}

impl Shard {
    /// The stations that differ from what was packed of them before the last [`clear_dirty`](Self::clear_dirty).
    #[must_use]
    pub fn dirty_stations(&self) -> Vec<StationIndex> {
        self.dirty.stations()
    }

    /// All stations, as they are numbered in this shard.
    pub fn all_stations(&self) -> impl Iterator<Item = StationIndex> + use<> {
        (0..self.stations.len() as u32).map(StationIndex)
    }

    /// What was packed is safe in the store.
    pub fn clear_dirty(&mut self) {
        self.dirty.clear();
    }

    /// Packs stations one by one. To be called right after [`close`](Self::close), with nothing taken in in between:
    /// what stands in the book for closed base buckets would be lost or handed over twice. Alarm events not yet taken
    /// are not packed.
    pub fn pack_stations(&self, stations: &[StationIndex], mut sink: impl FnMut(StationKey<'_>, &[u8])) {
        debug_assert!(self.closing.is_none(), "packed while a close is under way");
        debug_assert!(self.moves.is_empty(), "packed between a claim and the close that hands it over");
        let open = self.book.buckets();
        debug_assert!(
            open.iter().all(|&bucket| bucket >= self.closed),
            "packed between late data and the close that hands it over"
        );
        let mut block = Vec::new();
        for &station in stations {
            block.clear();
            self.pack_into(station, &open, &mut block);
            let entry = self.station(station.0);
            let operator = &self.operators[entry.operator as usize];
            sink(StationKey { operator, station: &entry.id }, &block);
        }
    }

    /// Packs one station; see [`pack_stations`](Self::pack_stations).
    #[must_use]
    pub fn pack_station(&self, station: StationIndex) -> Vec<u8> {
        let mut packed = Vec::new();
        self.pack_stations(&[station], |_, block| packed = block.to_vec());
        packed
    }

    /// Packs what belongs to no station. A checkpoint holds the remainders of all shards, and no older ones.
    #[must_use]
    pub fn pack_remainder(&self) -> Vec<u8> {
        let remainder = Remainder {
            closed: self.closed,
            lapse_checked: self.lapse_checked,
            booked: self.booked(NOWHERE, &self.book.buckets()),
        };
        let mut block = vec![REMAINDER_VERSION];
        remainder.pack(&mut block);
        block
    }

    /// Takes in a station that another shard, or another run, has packed. The shard must be fresh, and have been given
    /// the [remainders](unpack_remainders) of the same checkpoint. The station is reported at the next close as if it
    /// were new; limits on how many there may be do not apply to what was there.
    ///
    /// # Errors
    /// The block is damaged, or the station is known already; the shard was not changed.
    pub fn unpack_station(&mut self, block: &[u8]) -> Result<(), Damaged> {
        let key = packed_key(block)?;
        if self.find_station(key).is_some() {
            return Err(Damaged { what: "station twice" });
        }
        let mut reader = Reader::of_version(block, STATION_VERSION)?;
        // Its key, once more.
        reader.text()?;
        reader.text()?;
        let station = StationBlock::unpack(&mut reader)?;
        check_magnitude(&reader)?;
        reader.finish()?;
        let age = i64::from(self.closed.number()) - i64::from(station.closed.number());
        if !(0..=i64::from(TURN_BUCKETS)).contains(&age) {
            return Err(Damaged { what: "age of a block" });
        }
        self.install(key, station);
        Ok(())
    }

    fn pack_into(&self, station: StationIndex, open: &[Bucket], out: &mut Vec<u8>) {
        let entry = self.station(station.0);
        let slots = self.slots_that_matter(station);
        let place = |slot: SlotIndex| slots.binary_search(&slot).unwrap_or(usize::MAX) as u32;
        out.push(STATION_VERSION);
        write_text(&self.operators[entry.operator as usize], out);
        write_text(&entry.id, out);
        self.closed.pack(out);
        entry.master.pack(out);
        entry.alarm_feed.pack(out);
        entry.minutes.pack(out);
        (slots.len() as u64).pack(out);
        for &slot in &slots {
            pack_slot(&self.attribution_at(slot), self.slots[slot.0 as usize].claimable, out);
            let succession = self.book.succession(slot);
            succession.map(|(from, before)| (from, place(before))).pack(out);
            self.booked(slot, open).pack(out);
            match self.unclaimed.get(&slot) {
                Some(tallies) => tallies.pack(out),
                None => 0_u64.pack(out),
            }
        }
        place(entry.slot).pack(out);
        (entry.all.len() as u64).pack(out);
        for &index in &entry.all {
            let connector = &self.connectors[index as usize];
            let id = entry.ids.at(connector.id);
            (entry.find(id) == Some(index)).pack(out);
            write_text(id, out);
            pack_connector(connector, place(connector.slot), out);
        }
        self.alarms.pack_station(station, &entry.all, out);
    }

    /// The slots of a station that matter, and those that stand before them: a chain that lost a link would lead what
    /// comes late elsewhere after a restart.
    fn slots_that_matter(&self, station: StationIndex) -> Vec<SlotIndex> {
        let known = self.station(station.0).slots.iter().copied();
        let mut kept: BTreeSet<SlotIndex> = known.filter(|&slot| self.matters(slot, station)).collect();
        let mut open: Vec<SlotIndex> = kept.iter().copied().collect();
        while let Some(slot) = open.pop() {
            let before = self.book.succession(slot).map(|(_, before)| before);
            open.extend(before.filter(|&before| kept.insert(before)));
        }
        kept.into_iter().collect()
    }

    /// Whether anything can be or is booked under a slot. One that was claimed, and whose connector moved on, is
    /// nobody's any more; others come back where a registration does.
    fn matters(&self, slot: SlotIndex, station: StationIndex) -> bool {
        let entry = self.station(station.0);
        !self.slots[slot.0 as usize].claimable
            || entry.slot == slot
            || self.unclaimed.contains_key(&slot)
            || entry.all.iter().any(|&index| self.connectors[index as usize].slot == slot)
    }

    /// What is booked under a slot in base buckets that are still open, in order.
    fn booked(&self, slot: SlotIndex, open: &[Bucket]) -> Vec<(Bucket, Tally)> {
        let booked = open.iter().map(|&bucket| (bucket, self.book.get(bucket, slot)));
        booked.filter(|(_, tally)| !tally.is_zero()).collect()
    }

    fn install(&mut self, key: StationKey<'_>, block: StationBlock) {
        let StationBlock { closed, master, alarm_feed, minutes, slots, slot, connectors, alarms } = block;
        let index = self.add_station(key);
        self.unregistered_stations -= usize::from(master.is_some());
        let operator = OperatorIndex(self.station(index).operator);
        let mut early = Book::default();
        let mut numbers = Vec::with_capacity(slots.len());
        let mut successions = Vec::new();
        for SlotBlock { attribution, claimable, succession, booked, unclaimed } in slots {
            let attribution = Attribution { station: StationIndex(index), operator, ..attribution };
            let owner = if attribution.whole { Owner::Station } else { Owner::Past };
            let slot = self.push_slot(attribution, owner, claimable);
            successions.extend(succession.map(|(from, before)| (slot, from, before)));
            for (bucket, tally) in booked {
                // What has been closed since was handed over then.
                let book = if bucket < self.closed { &mut early } else { &mut self.book };
                book.put(bucket, slot, &tally);
            }
            if !unclaimed.is_empty() {
                self.unclaimed_len += unclaimed.len();
                self.unclaimed.insert(slot, unclaimed);
            }
            numbers.push(slot);
        }
        for (slot, from, before) in successions {
            self.book.restore_succession(slot, numbers[before as usize], from);
        }
        let entry = &mut self.stations[index as usize];
        entry.master = master;
        entry.alarm_feed = alarm_feed;
        entry.minutes = minutes;
        entry.slot = numbers[slot.0 as usize];
        for ConnectorBlock { in_service, id, mut connector } in connectors {
            let number = self.connectors.len() as u32;
            connector.station = index;
            connector.slot = numbers[connector.slot.0 as usize];
            self.silence_due.extend(connector.silence_due_ms.get().map(|due_ms| Reverse((due_ms, number))));
            self.slots[connector.slot.0 as usize].owner = Owner::Connector(number);
            connector.id = self.stations[index as usize].add(&id, number, in_service);
            self.connectors.push(connector);
        }
        let Self { alarms: book, stations, .. } = self;
        book.take_back(StationIndex(index), &stations[index as usize].all, alarms);
        if closed < self.closed {
            self.catch_up(index, closed, early);
            self.dirty.mark(StationIndex(index));
        }
    }

    /// Closes for one station the base buckets from `closed` up to where the shard stands. `early` holds what was
    /// booked in them before.
    fn catch_up(&mut self, station: u32, closed: Bucket, early: Book) {
        let book = std::mem::replace(&mut self.book, early);
        for index in self.station(station).all.clone() {
            let until = self.closed;
            let (timeline, mut desk) = self.desk(index, SourceIndex::default());
            timeline.settle(closed, until, &mut desk);
        }
        let mut early = std::mem::replace(&mut self.book, book);
        // What it comes to was handed over then; here only the station's minutes learn of it.
        early.set_apart(self.closed);
        let mut handing = Handing::of(early.take_apart());
        while self.go_on_handing_over(&mut handing, usize::MAX) {}
        self.forget_station_before(station, self.horizon(self.closed));
    }

    fn forget_station_before(&mut self, station: u32, horizon: Bucket) {
        let entry = &mut self.stations[station as usize];
        entry.minutes.forget_before(horizon);
        for slot in &entry.slots {
            let Some(tallies) = self.unclaimed.get_mut(slot) else { continue };
            let kept = tallies.split_off(&horizon);
            self.unclaimed_len -= tallies.len();
            *tallies = kept;
            if tallies.is_empty() {
                self.unclaimed.remove(slot);
            }
        }
    }
}

/// Whether sums of a few of the numbers read stay within 64 bits.
fn check_magnitude(reader: &Reader<'_>) -> Result<(), Damaged> {
    if reader.greatest() <= MAGNITUDE_MAX { Ok(()) } else { Err(Damaged { what: "magnitude" }) }
}

fn pack_slot(attribution: &Attribution, claimable: bool, out: &mut Vec<u8>) {
    // Station and operator are those of the block.
    let Attribution { station: _, operator: _, county, scene, access, setting, power_class, current, rapid, whole } =
        attribution;
    claimable.pack(out);
    county.pack(out);
    (*scene, *access, *setting).pack(out);
    (*power_class, *current).pack(out);
    (*rapid, *whole).pack(out);
}

impl SlotBlock {
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let (claimable, county) = Pack::unpack(reader)?;
        let (scene, access, setting) = Pack::unpack(reader)?;
        let (power_class, current) = Pack::unpack(reader)?;
        let (rapid, whole) = Pack::unpack(reader)?;
        let (station, operator) = (StationIndex(u32::MAX), OperatorIndex(u32::MAX));
        let attribution =
            Attribution { station, operator, county, scene, access, setting, power_class, current, rapid, whole };
        let succession = Pack::unpack(reader)?;
        let booked: Vec<(Bucket, Tally)> = Pack::unpack(reader)?;
        let unclaimed: BTreeMap<Bucket, Tally> = Pack::unpack(reader)?;
        let tallies = booked.iter().map(|(_, tally)| tally).chain(unclaimed.values());
        let sound = tallies.flat_map(|tally| tally.state_ms).all(|ms| ms.unsigned_abs() <= STATE_MS_MAX);
        if !sound || !booked.is_sorted_by(|one, other| one.0 < other.0) {
            return Err(Damaged { what: "bookings" });
        }
        Ok(Self { attribution, claimable, succession, booked, unclaimed })
    }
}

fn pack_connector(connector: &Connector, slot: u32, out: &mut Vec<u8>) {
    let Connector {
        station: _,
        // Before it.
        id: _,
        slot: _,
        timeline,
        outages,
        faults,
        spec,
        heard,
        last_flow_ms,
        monitor,
        sessions,
        silence_due_ms,
        // Found again by looking: it only spares that.
        noticed: _,
    } = connector;
    slot.pack(out);
    timeline.pack(out);
    outages.pack(out);
    faults.pack(out);
    spec.pack(out);
    heard.pack(out);
    last_flow_ms.pack(out);
    monitor.pack(out);
    sessions.pack(out);
    silence_due_ms.pack(out);
}

impl ConnectorBlock {
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let (in_service, id) = Pack::unpack(reader)?;
        let connector = Connector {
            station: u32::MAX,
            id: IdPlace::default(),
            slot: SlotIndex(Pack::unpack(reader)?),
            timeline: Pack::unpack(reader)?,
            outages: Pack::unpack(reader)?,
            faults: Pack::unpack(reader)?,
            spec: Pack::unpack(reader)?,
            heard: Pack::unpack(reader)?,
            last_flow_ms: Pack::unpack(reader)?,
            monitor: Pack::unpack(reader)?,
            sessions: Pack::unpack(reader)?,
            silence_due_ms: Pack::unpack(reader)?,
            noticed: true,
        };
        Ok(Self { in_service, id, connector })
    }
}

impl StationBlock {
    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let closed = Pack::unpack(reader)?;
        let (master, alarm_feed) = Pack::unpack(reader)?;
        let minutes: MinuteRuns = Pack::unpack(reader)?;
        let slots = several(reader, SlotBlock::unpack)?;
        let slot = SlotIndex(Pack::unpack(reader)?);
        let connectors = several(reader, ConnectorBlock::unpack)?;
        let alarms = StationAlarms::unpack(reader, connectors.len())?;
        let before = slots.iter().filter_map(|block| block.succession).map(|(_, before)| SlotIndex(before));
        let mut used = connectors.iter().map(|block| block.connector.slot).chain([slot]).chain(before);
        if !used.all(|slot| (slot.0 as usize) < slots.len()) {
            return Err(Damaged { what: "slot" });
        }
        if !minutes.is_sound(STATE_MS_MAX) {
            return Err(Damaged { what: "minutes" });
        }
        Ok(Self { closed, master, alarm_feed, minutes, slots, slot, connectors, alarms })
    }
}

fn several<T>(reader: &mut Reader<'_>, one: impl Fn(&mut Reader<'_>) -> Result<T, Damaged>) -> Result<Vec<T>, Damaged> {
    let count = u64::unpack(reader)?;
    if count > reader.remaining() as u64 {
        return Err(Damaged { what: "length" });
    }
    (0..count).map(|_| one(reader)).collect()
}
