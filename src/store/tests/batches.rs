//! Packing, and what the decoder makes of any bytes at all.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Owned {
    Message(i64, u8, bool, String, Vec<u8>),
    Tick(i64, u32, Vec<u8>),
}

impl Owned {
    fn entry(&self) -> JournalEntry<'_> {
        match self {
            Self::Message(arrival_ms, qos, retain, topic, payload) => {
                JournalEntry::Message(Message { arrival_ms: *arrival_ms, qos: *qos, retain: *retain, topic, payload })
            }
            Self::Tick(now_ms, what, detail) => JournalEntry::Tick(Tick { now_ms: *now_ms, what: *what, detail }),
        }
    }
}

fn entry() -> impl Strategy<Value = Owned> {
    let message = (any::<i64>(), 0_u8..3, any::<bool>(), ".{0,40}", vec(any::<u8>(), 0..300))
        .prop_map(|(time, qos, retain, topic, payload)| Owned::Message(time, qos, retain, topic, payload));
    let tick = (any::<i64>(), any::<u32>(), vec(any::<u8>(), 0..20))
        .prop_map(|(time, what, detail)| Owned::Tick(time, what, detail));
    prop_oneof![4 => message, 1 => tick]
}

fn packed(entries: &[Owned]) -> Vec<u8> {
    let mut packer = Packer::default();
    for owned in entries {
        let before = packer.len_bytes();
        packer.push(&owned.entry());
        assert!(packer.len_bytes() - before <= Packer::bytes_at_most(&owned.entry()), "the bound holds");
    }
    packer.batch().to_vec()
}

proptest! {
    #[test]
    fn what_was_packed_comes_out_the_same(entries in vec(entry(), 1..40)) {
        let batch = packed(&entries);
        let read: Result<Vec<_>, _> = unpack(&batch).expect("a header").collect();
        let expected: Vec<_> = entries.iter().map(Owned::entry).collect();
        prop_assert_eq!(read.expect("entries"), expected);
    }

    #[test]
    fn any_bytes_are_entries_or_an_error_and_never_a_panic(bytes in vec(any::<u8>(), 0..200), versioned in any::<bool>()) {
        let mut bytes = bytes;
        if versioned && bytes.len() > 5 {
            bytes[..5].copy_from_slice(&[1, 9, 0, 0, 0]);
        }
        if let Ok(entries) = unpack(&bytes) {
            let read: Vec<_> = entries.collect();
            prop_assert!(read.len() <= bytes.len() + 1);
            prop_assert!(read.iter().rev().skip(1).all(Result::is_ok), "nothing comes after an error");
        }
    }

    #[test]
    fn a_batch_that_is_cut_is_an_error(entries in vec(entry(), 1..10), cut in any::<prop::sample::Index>()) {
        let batch = packed(&entries);
        let batch = &batch[..cut.index(batch.len())];
        prop_assert!(unpack(batch).and_then(|entries| entries.collect::<Result<Vec<_>, _>>()).is_err());
    }

    #[test]
    fn a_changed_byte_never_panics(entries in vec(entry(), 1..10), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut batch = packed(&entries);
        let at = at.index(batch.len());
        batch[at] ^= flip;
        if let Ok(read) = unpack(&batch) {
            prop_assert!(read.count() <= batch.len() + 1);
        }
    }
}

#[test]
fn a_message_of_200_bytes_takes_few_bytes_more() {
    let topic = "ev/v1/53/op/st000123/1/telemetry";
    let mut packer = Packer::default();
    for number in 0..500 {
        let payload = [b'x'; 168];
        let message =
            Message { arrival_ms: 1_790_000_000_000 + number, qos: 1, retain: false, topic, payload: &payload };
        packer.push(&JournalEntry::Message(message));
    }
    assert_eq!(packer.entries(), 500);
    assert!(packer.len_bytes() <= 500 * 206 + 16, "{}", packer.len_bytes());
}

#[test]
fn a_message_with_a_number_is_an_error() {
    let mut batch = packed(&[Owned::Message(0, 1, false, "a".to_owned(), b"{}".to_vec())]);
    // After the header, the entry's kind, and its time of one byte.
    assert_eq!(std::mem::replace(&mut batch[7], 3), 0);
    let read: Vec<_> = unpack(&batch).expect("a header").collect();
    assert_eq!(read, [Err(BadBatch { entries: 0, what: "a message with a number" })]);
}

#[test]
fn bytes_after_the_last_entry_are_an_error() {
    let mut batch = packed(&[Owned::Tick(5, 1, vec![])]);
    batch.push(0);
    let read: Vec<_> = unpack(&batch).expect("a header").collect();
    assert_eq!(read.len(), 2);
    assert_eq!(read[1], Err(BadBatch { entries: 1, what: "bytes after the last entry" }));
}
