//! The packed form of a journal batch: what is buffered between two syncs, and the decoder of it.
//!
//! A batch is a version byte, the number of entries in four bytes, and the entries one after the other; times are
//! differences from the entry before. What is written of it may be squeezed. The decoder never panics: bytes that are no batch are a [`BadBatch`].

use std::fmt;

use super::codec::{Cursor, put_bytes, put_varint, unzigzag, zigzag};

/// The version of the packed form that is written.
const VERSION: u8 = 1;
/// Version byte and number of entries.
const HEADER_BYTES: usize = 5;
const KIND_MESSAGE: u8 = 0;
const KIND_TICK: u8 = 1;
const KIND_MASK: u8 = 0b0000_1111;
const RETAIN: u8 = 0b0001_0000;
const QOS_SHIFT: u8 = 5;
const QOS_MASK: u8 = 0b11;
/// Stands in a message where a tick has what it is. A message's source is not kept: its topic tells it when it is repeated.
const NO_NUMBER: u32 = 0;
/// More than a message's other fields take together, beside topic and payload.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// One thing that happened, in the order in which it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalEntry<'a> {
    /// A message as it came in.
    Message(Message<'a>),
    /// Time went on, or something was decided: what must be repeated at the same place in a replay.
    Tick(Tick<'a>),
}

/// An MQTT message as it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// When it arrived, ms since the Unix epoch, UTC.
    pub arrival_ms: i64,
    /// Quality of service that it came with: 0, 1 or 2.
    pub qos: u8,
    /// Whether the broker had kept it for new subscribers.
    pub retain: bool,
    /// The topic it was published to.
    pub topic: &'a str,
    /// The payload, whatever it is.
    pub payload: &'a [u8],
}

/// A step of the driver's clock, or a decision of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tick<'a> {
    /// The driver's time, ms since the Unix epoch, UTC.
    pub now_ms: i64,
    /// What kind of step: the driver's own number.
    pub what: u32,
    /// What else the driver wants to know of it.
    pub detail: &'a [u8],
}

/// Bytes that are no journal batch, and where reading them stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadBatch {
    /// Entries that were read before.
    pub entries: u32,
    /// What does not fit.
    pub what: &'static str,
}

impl fmt::Display for BadBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {} entries", self.what, self.entries)
    }
}

impl std::error::Error for BadBatch {}

/// Gathers entries into one batch.
#[derive(Debug, Default)]
pub struct Packer {
    bytes: Vec<u8>,
    entries: u32,
    last_ms: i64,
}

impl Packer {
    /// Bytes that the batch has now; 0 where it is empty.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Entries in the batch.
    #[must_use]
    pub const fn entries(&self) -> u32 {
        self.entries
    }

    /// No fewer bytes than `entry` will take.
    #[must_use]
    pub const fn bytes_at_most(entry: &JournalEntry<'_>) -> usize {
        MESSAGE_OVERHEAD_BYTES
            + match entry {
                JournalEntry::Message(message) => message.topic.len().saturating_add(message.payload.len()),
                JournalEntry::Tick(tick) => tick.detail.len(),
            }
    }

    /// Adds an entry at the end.
    pub fn push(&mut self, entry: &JournalEntry<'_>) {
        if self.bytes.is_empty() {
            self.bytes.extend_from_slice(&[VERSION, 0, 0, 0, 0]);
        }
        match entry {
            JournalEntry::Message(message) => {
                let retain = if message.retain { RETAIN } else { 0 };
                self.bytes.push(KIND_MESSAGE | retain | (message.qos & QOS_MASK) << QOS_SHIFT);
                self.put_time(message.arrival_ms);
                put_varint(&mut self.bytes, u64::from(NO_NUMBER));
                put_bytes(&mut self.bytes, message.topic.as_bytes());
                put_bytes(&mut self.bytes, message.payload);
            }
            JournalEntry::Tick(tick) => {
                self.bytes.push(KIND_TICK);
                self.put_time(tick.now_ms);
                put_varint(&mut self.bytes, u64::from(tick.what));
                put_bytes(&mut self.bytes, tick.detail);
            }
        }
        self.entries += 1;
    }

    /// The batch with everything that was pushed; empty where nothing was.
    pub fn batch(&mut self) -> &[u8] {
        if let Some(count) = self.bytes.get_mut(1..HEADER_BYTES) {
            count.copy_from_slice(&self.entries.to_le_bytes());
        }
        &self.bytes
    }

    /// Begins the next batch.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.entries = 0;
        self.last_ms = 0;
    }

    fn put_time(&mut self, time_ms: i64) {
        put_varint(&mut self.bytes, zigzag(time_ms.wrapping_sub(self.last_ms)));
        self.last_ms = time_ms;
    }
}

/// Reads a batch entry by entry; after the first error it is over.
///
/// # Errors
/// [`BadBatch`] where the header is no batch's.
pub fn unpack(batch: &[u8]) -> Result<Entries<'_>, BadBatch> {
    let bad = |what| BadBatch { entries: 0, what };
    let mut cursor = Cursor::new(batch);
    if cursor.byte().ok_or_else(|| bad("an empty batch"))? != VERSION {
        return Err(bad("an unknown version of batch"));
    }
    let count = cursor.take(HEADER_BYTES - 1).and_then(|bytes| bytes.try_into().ok());
    let count = u32::from_le_bytes(count.ok_or_else(|| bad("a batch cut in its header"))?);
    Ok(Entries { cursor, left: count, read: 0, last_ms: 0 })
}

/// The entries of a batch, in order.
#[derive(Debug)]
pub struct Entries<'a> {
    cursor: Cursor<'a>,
    left: u32,
    read: u32,
    last_ms: i64,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<JournalEntry<'a>, BadBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            if self.cursor.is_empty() {
                return None;
            }
            self.cursor = Cursor::new(&[]);
            return Some(Err(BadBatch { entries: self.read, what: "bytes after the last entry" }));
        }
        match self.entry() {
            Ok(entry) => {
                self.left -= 1;
                self.read += 1;
                Some(Ok(entry))
            }
            Err(what) => {
                self.left = 0;
                self.cursor = Cursor::new(&[]);
                Some(Err(BadBatch { entries: self.read, what }))
            }
        }
    }
}

impl<'a> Entries<'a> {
    fn entry(&mut self) -> Result<JournalEntry<'a>, &'static str> {
        const CUT: &str = "a batch cut in an entry";
        let head = self.cursor.byte().ok_or(CUT)?;
        let step_ms = unzigzag(self.cursor.varint().ok_or(CUT)?);
        self.last_ms = self.last_ms.wrapping_add(step_ms);
        let number = u32::try_from(self.cursor.varint().ok_or(CUT)?).map_err(|_| "a number that is too large")?;
        let first = self.cursor.bytes().ok_or(CUT)?;
        match head & KIND_MASK {
            KIND_MESSAGE => {
                let qos = (head >> QOS_SHIFT) & QOS_MASK;
                if qos > 2 || head >> (QOS_SHIFT + 2) != 0 {
                    return Err("a message with unknown flags");
                }
                if number != NO_NUMBER {
                    return Err("a message with a number");
                }
                Ok(JournalEntry::Message(Message {
                    arrival_ms: self.last_ms,
                    qos,
                    retain: head & RETAIN != 0,
                    topic: std::str::from_utf8(first).map_err(|_| "a topic that is no text")?,
                    payload: self.cursor.bytes().ok_or(CUT)?,
                }))
            }
            KIND_TICK if head == KIND_TICK => {
                Ok(JournalEntry::Tick(Tick { now_ms: self.last_ms, what: number, detail: first }))
            }
            _ => Err("an entry of an unknown kind"),
        }
    }
}
