//! What waits to be published: bounded, the newest payload per retained topic wins, alarms leave first.
//!
//! Pure bookkeeping in three kinds of method: [`Outbox::push`] takes in, [`Outbox::take_next`] gives out,
//! [`Outbox::settle`] and [`Outbox::return_in_flight`] say what became of it. It must never do IO, read a clock or
//! block, and whatever it drops it counts.

use std::collections::{BTreeMap, HashMap};

use super::payload::Payload;

/// What leaves first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// Before everything else, and dropped only for newer alarms.
    Alarm,
    /// After all alarms.
    Routine,
}

/// A message to publish, at QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// A topic name without wildcards.
    pub topic: String,
    /// The payload, JSON; empty clears a retained topic.
    pub payload: Payload,
    /// Whether the broker keeps it. Of a retained topic only the newest payload is worth sending.
    pub retain: bool,
    /// What leaves first.
    pub priority: Priority,
    /// How long it is worth keeping, in seconds (MQTT 5 only).
    pub expiry_s: Option<u32>,
    /// The schema that the payload follows, such as `chargetally.summary/1` (MQTT 5 only).
    pub schema: String,
}

impl Entry {
    fn size_bytes(&self) -> usize {
        self.topic.len() + self.payload.size_bytes() + self.schema.len()
    }
}

/// How much may wait, entries in flight included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// The most entries.
    pub entries_max: usize,
    /// The most bytes of topics, payloads (as they wait) and schema names.
    pub bytes_max: usize,
}

/// What became of what was pushed, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutboxCounters {
    /// Entries pushed.
    pub pushed: u64,
    /// Entries that a newer payload of the same retained topic made needless.
    pub replaced: u64,
    /// Entries dropped because the outbox was full.
    pub dropped: u64,
    /// Entries that the broker acknowledged.
    pub published: u64,
    /// Entries that the broker refused, or that are too large for it: sending again would not help.
    pub refused: u64,
    /// Entries that went back from in flight to waiting because a connection ended.
    pub returned: u64,
}

/// What a push did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It waits.
    Queued,
    /// It waits in the place of an older payload of its topic.
    Replaced,
    /// It was dropped: no room, and nothing less important to make room with.
    Dropped,
}

/// How an entry that was given out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The broker has it.
    Published,
    /// It can never be delivered.
    Refused,
}

/// The outbox. Tokens count up from 1; one stands for one entry at a time, and is used again only for what takes that
/// entry's place while it waits.
#[derive(Debug)]
pub struct Outbox {
    limits: OutboxLimits,
    counters: OutboxCounters,
    last_token: u64,
    bytes: usize,
    /// What waits, oldest first, by priority.
    alarms: BTreeMap<u64, Entry>,
    routine: BTreeMap<u64, Entry>,
    /// The waiting entry of each retained topic.
    newest: HashMap<String, u64>,
    in_flight: BTreeMap<u64, Entry>,
}

impl Outbox {
    /// An empty outbox.
    pub fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            counters: OutboxCounters::default(),
            last_token: 0,
            bytes: 0,
            alarms: BTreeMap::new(),
            routine: BTreeMap::new(),
            newest: HashMap::new(),
            in_flight: BTreeMap::new(),
        }
    }

    /// Takes an entry in; where it must, drops the oldest that is no more important to make room.
    pub fn push(&mut self, entry: Entry) -> Pushed {
        self.counters.pushed += 1;
        let mut token = self.last_token + 1;
        let mut pushed = Pushed::Queued;
        if entry.retain
            && let Some(older) = self.newest.get(&entry.topic).copied()
        {
            let older_entry = self.take_waiting(older);
            self.counters.replaced += 1;
            pushed = Pushed::Replaced;
            // It keeps its place in the line, or a busy topic would never get to the front.
            if older_entry.is_some_and(|older| older.priority == entry.priority) {
                token = older;
            }
        }
        while !self.has_room(entry.size_bytes()) {
            if !self.drop_oldest(entry.priority) {
                self.counters.dropped += 1;
                return Pushed::Dropped;
            }
        }
        self.last_token = self.last_token.max(token);
        self.insert_waiting(token, entry);
        pushed
    }

    /// Gives out the next entry; it is in flight until it is settled or returned.
    pub fn take_next(&mut self) -> Option<(u64, &Entry)> {
        let token = *self.alarms.first_key_value().or_else(|| self.routine.first_key_value())?.0;
        let entry = self.take_waiting(token)?;
        self.bytes += entry.size_bytes();
        Some((token, self.in_flight.entry(token).or_insert(entry)))
    }

    /// Says how an entry in flight ended. Tokens that are not in flight are ignored.
    pub fn settle(&mut self, token: u64, settled: Settled) {
        let Some(entry) = self.in_flight.remove(&token) else { return };
        self.bytes -= entry.size_bytes();
        match settled {
            Settled::Published => self.counters.published += 1,
            Settled::Refused => self.counters.refused += 1,
        }
    }

    /// Puts one entry in flight back to the front, where it could not be sent after all.
    pub fn return_one(&mut self, token: u64) {
        if let Some(entry) = self.in_flight.remove(&token) {
            self.put_back(token, entry);
        }
    }

    /// Puts everything in flight back to where it was, after a connection ended. A retained entry for whose topic a
    /// newer one waits is dropped instead.
    pub fn return_in_flight(&mut self) {
        // Newest first, so that of several payloads of one retained topic the newest is the one kept.
        while let Some((token, entry)) = self.in_flight.pop_last() {
            self.put_back(token, entry);
        }
    }

    /// Whether nothing waits and nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    /// Entries waiting and in flight.
    pub fn entries(&self) -> usize {
        self.alarms.len() + self.routine.len() + self.in_flight.len()
    }

    /// Bytes waiting and in flight.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What became of what was pushed.
    pub fn counters(&self) -> OutboxCounters {
        self.counters
    }

    fn put_back(&mut self, token: u64, entry: Entry) {
        self.bytes -= entry.size_bytes();
        if entry.retain && self.newest.contains_key(&entry.topic) {
            self.counters.replaced += 1;
        } else {
            self.counters.returned += 1;
            self.insert_waiting(token, entry);
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.entries() < self.limits.entries_max && self.bytes + bytes <= self.limits.bytes_max
    }

    /// Drops the oldest waiting routine entry, or for an alarm the oldest alarm; what is in flight stays.
    fn drop_oldest(&mut self, for_whom: Priority) -> bool {
        let oldest_routine = self.routine.first_key_value();
        let oldest_alarm = self.alarms.first_key_value().filter(|_| for_whom == Priority::Alarm);
        let Some((&token, _)) = oldest_routine.or(oldest_alarm) else { return false };
        self.take_waiting(token);
        self.counters.dropped += 1;
        true
    }

    fn lane(&mut self, priority: Priority) -> &mut BTreeMap<u64, Entry> {
        match priority {
            Priority::Alarm => &mut self.alarms,
            Priority::Routine => &mut self.routine,
        }
    }

    fn insert_waiting(&mut self, token: u64, entry: Entry) {
        self.bytes += entry.size_bytes();
        if entry.retain {
            self.newest.insert(entry.topic.clone(), token);
        }
        self.lane(entry.priority).insert(token, entry);
    }

    fn take_waiting(&mut self, token: u64) -> Option<Entry> {
        let entry = self.alarms.remove(&token).or_else(|| self.routine.remove(&token))?;
        self.bytes -= entry.size_bytes();
        if entry.retain {
            self.newest.remove(&entry.topic);
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOMY: OutboxLimits = OutboxLimits { entries_max: 100, bytes_max: 100_000 };

    fn entry(topic: &str, payload: &str, retain: bool, priority: Priority) -> Entry {
        Entry {
            topic: topic.into(),
            payload: payload.as_bytes().to_vec().into(),
            retain,
            priority,
            expiry_s: None,
            schema: String::new(),
        }
    }

    fn summary(topic: &str, payload: &str) -> Entry {
        entry(topic, payload, true, Priority::Routine)
    }

    fn drain(outbox: &mut Outbox) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        while let Some((token, entry)) = outbox.take_next() {
            seen.push((entry.topic.clone(), String::from_utf8_lossy(&entry.payload.bytes()).into_owned()));
            outbox.settle(token, Settled::Published);
        }
        seen
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|&(topic, payload)| (topic.to_owned(), payload.to_owned())).collect()
    }

    #[test]
    fn the_newest_payload_of_a_retained_topic_wins_and_keeps_its_place() {
        let mut outbox = Outbox::new(ROOMY);
        assert_eq!(outbox.push(summary("a", "1")), Pushed::Queued);
        assert_eq!(outbox.push(summary("b", "1")), Pushed::Queued);
        assert_eq!(outbox.push(summary("a", "2")), Pushed::Replaced);
        assert_eq!(drain(&mut outbox), pairs(&[("a", "2"), ("b", "1")]));
        let counters = outbox.counters();
        assert_eq!((counters.pushed, counters.replaced, counters.published), (3, 1, 2));
        assert_eq!((outbox.entries(), outbox.bytes()), (0, 0));
    }

    #[test]
    fn messages_that_are_not_retained_all_leave() {
        let mut outbox = Outbox::new(ROOMY);
        for payload in ["1", "2", "3"] {
            outbox.push(entry("rejected", payload, false, Priority::Routine));
        }
        assert_eq!(drain(&mut outbox), pairs(&[("rejected", "1"), ("rejected", "2"), ("rejected", "3")]));
    }

    #[test]
    fn alarms_leave_before_what_was_pushed_earlier() {
        let mut outbox = Outbox::new(ROOMY);
        outbox.push(summary("s", "1"));
        outbox.push(entry("alarm", "!", true, Priority::Alarm));
        assert_eq!(drain(&mut outbox), pairs(&[("alarm", "!"), ("s", "1")]));
    }

    #[test]
    fn when_full_the_oldest_routine_entry_goes_first_and_no_alarm_goes_for_a_summary() {
        let mut outbox = Outbox::new(OutboxLimits { entries_max: 2, bytes_max: 1_000 });
        outbox.push(summary("old", "1"));
        outbox.push(entry("alarm", "!", true, Priority::Alarm));
        assert_eq!(outbox.push(summary("new", "1")), Pushed::Queued);
        outbox.push(entry("alarm2", "!", true, Priority::Alarm));
        assert_eq!(outbox.push(summary("late", "1")), Pushed::Dropped);
        outbox.push(entry("alarm3", "!", true, Priority::Alarm));
        assert_eq!(drain(&mut outbox), pairs(&[("alarm2", "!"), ("alarm3", "!")]));
        assert_eq!(outbox.counters().dropped, 4);
    }

    #[test]
    fn bytes_are_limited_and_an_entry_larger_than_all_of_it_is_dropped() {
        let mut outbox = Outbox::new(OutboxLimits { entries_max: 10, bytes_max: 10 });
        outbox.push(summary("a", "1234"));
        outbox.push(summary("b", "1234"));
        assert_eq!(outbox.push(summary("c", "1")), Pushed::Queued);
        assert_eq!(outbox.push(summary("d", "12345678901")), Pushed::Dropped);
        assert!(outbox.bytes() <= 10);
    }

    #[test]
    fn what_was_in_flight_when_a_connection_ended_leaves_again_in_order_unless_outdated() {
        let mut outbox = Outbox::new(ROOMY);
        for topic in ["a", "b", "c"] {
            outbox.push(summary(topic, "1"));
        }
        outbox.take_next();
        outbox.take_next();
        assert_eq!(outbox.push(summary("a", "2")), Pushed::Queued, "an older payload in flight is not replaced");
        outbox.return_in_flight();
        assert_eq!(drain(&mut outbox), pairs(&[("b", "1"), ("c", "1"), ("a", "2")]));
        let counters = outbox.counters();
        assert_eq!((counters.returned, counters.replaced), (1, 1));
    }

    #[test]
    fn an_unknown_or_settled_token_changes_nothing() {
        let mut outbox = Outbox::new(ROOMY);
        outbox.push(summary("a", "1"));
        let token = outbox.take_next().map(|(token, _)| token).unwrap();
        outbox.settle(token, Settled::Published);
        outbox.settle(token, Settled::Published);
        outbox.settle(99, Settled::Refused);
        assert_eq!((outbox.counters().published, outbox.counters().refused), (1, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(u8, u8, bool, bool),
        Next,
        Settle(bool),
        Return,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..6_u8, 0..40_u8, any::<bool>(), any::<bool>()).prop_map(|(t, n, r, a)| Step::Push(t, n, r, a)),
            3 => Just(Step::Next),
            2 => any::<bool>().prop_map(Step::Settle),
            1 => Just(Step::Return),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_lost_uncounted_and_no_limit_is_passed(steps in prop::collection::vec(step(), 1..200)) {
            let limits = OutboxLimits { entries_max: 8, bytes_max: 120 };
            let mut outbox = Outbox::new(limits);
            let mut given_out = Vec::new();
            for step in steps {
                match step {
                    Step::Push(topic, size, retain, alarm) => {
                        let priority = if alarm { Priority::Alarm } else { Priority::Routine };
                        let payload = "x".repeat(usize::from(size));
                        outbox.push(entry(&format!("t{topic}"), &payload, retain, priority));
                    }
                    Step::Next => given_out.extend(outbox.take_next().map(|(token, _)| token)),
                    Step::Settle(good) => {
                        if let Some(token) = given_out.pop() {
                            outbox.settle(token, if good { Settled::Published } else { Settled::Refused });
                        }
                    }
                    Step::Return => {
                        outbox.return_in_flight();
                        given_out.clear();
                    }
                }
                let counted = outbox.counters();
                prop_assert!(outbox.entries() <= limits.entries_max && outbox.bytes() <= limits.bytes_max);
                let gone = counted.replaced + counted.dropped + counted.published + counted.refused;
                prop_assert_eq!(counted.pushed, gone + outbox.entries() as u64);
            }
            outbox.return_in_flight();
            drain(&mut outbox);
            prop_assert_eq!((outbox.entries(), outbox.bytes()), (0, 0));
        }
    }
}
