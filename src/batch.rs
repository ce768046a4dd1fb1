//! Messages on their way from where they arrive to where they are decoded: many in one piece of memory, so that
//! nothing is allocated for a single one. A batch holds what was received, byte for byte, and when.

use chargetally_core::config::SourceIndex;
use chargetally_core::time::ArrivalTime;

/// One message of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// When it arrived.
    pub arrival: ArrivalTime,
    /// Which source it belongs to.
    pub source: SourceIndex,
    /// Its topic.
    pub topic: &'a str,
    /// What was sent.
    pub payload: &'a [u8],
    /// Whether the broker replayed it from its retained store.
    pub retained: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    arrival: ArrivalTime,
    source: SourceIndex,
    retained: bool,
    topic_end: usize,
    payload_end: usize,
}

/// Messages in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    topics: String,
    payloads: Vec<u8>,
    entries: Vec<Entry>,
}

impl Batch {
    /// Adds a message.
    pub fn push(&mut self, message: &Message<'_>) {
        self.topics.push_str(message.topic);
        self.payloads.extend_from_slice(message.payload);
        self.entries.push(Entry {
            arrival: message.arrival,
            source: message.source,
            retained: message.retained,
            topic_end: self.topics.len(),
            payload_end: self.payloads.len(),
        });
    }

    /// The messages, in order.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        let (mut topic_start, mut payload_start) = (0, 0);
        self.entries.iter().map(move |entry| {
            let message = Message {
                arrival: entry.arrival,
                source: entry.source,
                topic: &self.topics[topic_start..entry.topic_end],
                payload: &self.payloads[payload_start..entry.payload_end],
                retained: entry.retained,
            };
            (topic_start, payload_start) = (entry.topic_end, entry.payload_end);
            message
        })
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many bytes of topics and payloads it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.topics.len() + self.payloads.len()
    }

    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.topics.clear();
        self.payloads.clear();
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in() {
        let messages = [("a/b", &b"first"[..], false), ("", b"", true), ("c", b"\xff\x00", false)];
        let mut batch = Batch::default();
        let message = |index: usize| Message {
            arrival: ArrivalTime::from_ms(index as i64),
            source: SourceIndex(1),
            topic: messages[index].0,
            payload: messages[index].1,
            retained: messages[index].2,
        };
        for index in 0..messages.len() {
            batch.push(&message(index));
        }
        assert!(batch.iter().eq((0..messages.len()).map(message)));
        assert_eq!(batch.len(), 3);
        batch.clear();
        assert!(batch.is_empty());
        assert_eq!(batch.iter().count(), 0);
    }
}
