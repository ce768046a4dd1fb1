//! The records of one window, scope by scope. What nobody touches lies packed in a few bytes, for most entries of most
//! records are zero, and hundreds of windows stand in memory; what is written to is unpacked by itself. Whether a
//! record is packed must never show in what is read.

use std::borrow::Cow;

use rustc_hash::FxHashMap;

use super::Record;
use crate::pack::{Pack, Reader};
use crate::scope::Scope;

/// The records of one window.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    /// Those that are, or were lately, written to. They stand before packed ones of the same scope.
    open: FxHashMap<Scope, Record>,
    packed: Packed,
}

/// Packed records, in order of scope; each is preceded by whether it is unsaved, which no checkpoint holds.
#[derive(Clone, Debug, Default)]
struct Packed {
    index: Vec<(Scope, u32)>,
    bytes: Vec<u8>,
}

impl Packed {
    fn place(&self, scope: Scope) -> Option<usize> {
        self.index.binary_search_by_key(&scope, |&(scope, _)| scope).ok()
    }

    fn bytes_at(&self, place: usize) -> &[u8] {
        let end = self.index.get(place + 1).map_or(self.bytes.len(), |&(_, next)| next as usize);
        &self.bytes[self.index[place].1 as usize..end]
    }

    fn is_unsaved(&self, place: usize) -> bool {
        self.bytes_at(place)[0] != 0
    }

    fn record(&self, place: usize) -> Record {
        let bytes = self.bytes_at(place);
        let mut record = Record::unpack(&mut Reader::new(&bytes[1..])).expect("packed by us, and never left memory");
        record.unsaved = bytes[0] != 0;
        record
    }

    fn push(&mut self, scope: Scope, record: &Record) {
        self.index.push((scope, self.bytes.len() as u32));
        self.bytes.push(u8::from(record.unsaved));
        record.pack(&mut self.bytes);
    }

    fn push_packed(&mut self, scope: Scope, bytes: &[u8]) {
        self.index.push((scope, self.bytes.len() as u32));
        self.bytes.extend_from_slice(bytes);
    }
}

impl Records {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        let fresh = self.open.keys().filter(|&&scope| self.packed.place(scope).is_none()).count();
        self.packed.index.len() + fresh
    }

    /// The record of a scope, where there is one.
    pub(super) fn get(&self, scope: Scope) -> Option<Cow<'_, Record>> {
        if let Some(record) = self.open.get(&scope) {
            return Some(Cow::Borrowed(record));
        }
        self.packed.place(scope).map(|place| Cow::Owned(self.packed.record(place)))
    }

    /// The record of a scope, to write to; a new one where there is none.
    pub(super) fn entry(&mut self, scope: Scope) -> &mut Record {
        let packed = &self.packed;
        self.open
            .entry(scope)
            .or_insert_with(|| packed.place(scope).map_or_else(Record::default, |place| packed.record(place)))
    }

    /// All of them, unpacked, to write to.
    pub(super) fn unpack_all(&mut self) -> &mut FxHashMap<Scope, Record> {
        let packed = std::mem::take(&mut self.packed);
        for (place, &(scope, _)) in packed.index.iter().enumerate() {
            self.open.entry(scope).or_insert_with(|| packed.record(place));
        }
        &mut self.open
    }

    /// All of them, where they were unpacked before.
    pub(super) fn unpacked(&self) -> &FxHashMap<Scope, Record> {
        assert!(self.packed.index.is_empty(), "a window is unpacked before it is given out");
        &self.open
    }

    /// Packs all of them.
    pub(super) fn pack_all(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let mut open: Vec<(Scope, Record)> = std::mem::take(&mut self.open).into_iter().collect();
        open.sort_unstable_by_key(|&(scope, _)| scope);
        let old = std::mem::take(&mut self.packed);
        let mut open = open.into_iter().peekable();
        let mut packed = Packed {
            index: Vec::with_capacity(old.index.len() + open.len()),
            bytes: Vec::with_capacity(old.bytes.len()),
        };
        for (place, &(scope, _)) in old.index.iter().enumerate() {
            while let Some((before, record)) = open.next_if(|&(before, _)| before < scope) {
                packed.push(before, &record);
            }
            match open.next_if(|&(same, _)| same == scope) {
                Some((_, record)) => packed.push(scope, &record),
                None => packed.push_packed(scope, old.bytes_at(place)),
            }
        }
        for (scope, record) in open {
            packed.push(scope, &record);
        }
        packed.index.shrink_to_fit();
        packed.bytes.shrink_to_fit();
        self.packed = packed;
    }

    /// Those that differ from what was saved of them last, in no order.
    pub(super) fn unsaved(&self) -> impl Iterator<Item = (Scope, Cow<'_, Record>)> {
        let open = self.open.iter().filter(|(_, record)| record.unsaved);
        let packed = self.packed.index.iter().enumerate();
        let packed =
            packed.filter(|&(place, (scope, _))| self.packed.is_unsaved(place) && !self.open.contains_key(scope));
        open.map(|(&scope, record)| (scope, Cow::Borrowed(record)))
            .chain(packed.map(|(place, &(scope, _))| (scope, Cow::Owned(self.packed.record(place)))))
    }

    /// All of them are saved now.
    pub(super) fn clear_unsaved(&mut self) {
        for record in self.open.values_mut() {
            record.unsaved = false;
        }
        for &(_, at) in &self.packed.index {
            self.packed.bytes[at as usize] = 0;
        }
    }
}

impl FromIterator<(Scope, Record)> for Records {
    fn from_iter<I: IntoIterator<Item = (Scope, Record)>>(records: I) -> Self {
        Self { open: records.into_iter().collect(), packed: Packed::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Write(u8, i64),
        Pack,
        Unpack,
        Save,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..20_u8, any::<i32>()).prop_map(|(province, by)| Step::Write(province, by.into())),
            1 => Just(Step::Pack),
            1 => Just(Step::Unpack),
            1 => Just(Step::Save),
        ]
    }

    proptest! {
        #[test]
        fn packed_records_read_as_those_that_are_not(steps in proptest::collection::vec(step(), 0..60)) {
            let mut records = Records::default();
            let mut plain: FxHashMap<Scope, Record> = FxHashMap::default();
            for step in steps {
                match step {
                    Step::Write(province, by) => {
                        let scope = Scope::Province(province);
                        for record in [records.entry(scope), plain.entry(scope).or_default()] {
                            record.tally.import_j += by;
                            record.unsaved = true;
                            record.dirty = by > 0;
                        }
                    }
                    Step::Pack => records.pack_all(),
                    Step::Unpack => drop(records.unpack_all()),
                    Step::Save => {
                        records.clear_unsaved();
                        plain.values_mut().for_each(|record| record.unsaved = false);
                    }
                }
                prop_assert_eq!(records.len(), plain.len());
                let mut unsaved: Vec<Scope> = records.unsaved().map(|(scope, _)| scope).collect();
                unsaved.sort_unstable();
                let mut expected: Vec<Scope> =
                    plain.iter().filter(|(_, record)| record.unsaved).map(|(&scope, _)| scope).collect();
                expected.sort_unstable();
                prop_assert_eq!(unsaved, expected);
                for province in 0..20 {
                    let scope = Scope::Province(province);
                    prop_assert_eq!(records.get(scope).map(Cow::into_owned), plain.get(&scope).cloned());
                }
            }
            prop_assert_eq!(&*records.unpack_all(), &plain);
        }
    }
}
