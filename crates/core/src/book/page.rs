//! A page: the light tallies of one base bucket by slot, in sheets that come when they are first written on. So a page for
//! millions neither has to be made at once nor to be given back at once, and costs nothing for slots that say nothing.

use std::iter::Enumerate;
use std::vec::IntoIter;

use super::SlotIndex;
use super::light::Light;

/// Slots of a sheet, as a power of two.
const SHEET_BITS: u32 = 9;
/// Slots of a sheet.
pub(super) const SHEET_SLOTS: usize = 1 << SHEET_BITS;
/// So many sheets that were handed over are kept to be written on again.
const SPARE_MAX: usize = 64;

/// The light tallies of so many slots that follow on one another.
pub(super) type Sheet = Box<[Light; SHEET_SLOTS]>;

/// Sheets on which nothing stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Spare(Vec<Sheet>);

impl Spare {
    fn take(&mut self) -> Sheet {
        self.0.pop().unwrap_or_else(|| Box::new([Light::default(); SHEET_SLOTS]))
    }

    /// Keeps a sheet that is needed no longer, where there are not too many.
    pub(super) fn keep(&mut self, mut sheet: Sheet) {
        if self.0.len() < SPARE_MAX {
            sheet.fill(Light::default());
            self.0.push(sheet);
        }
    }

    /// Adds the sheets of another.
    pub(super) fn add(&mut self, other: Self) {
        self.0.extend(other.0);
        self.0.truncate(SPARE_MAX);
    }
}

/// The light tallies of one base bucket.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    sheets: Vec<Option<Sheet>>,
}

/// The sheet on which a slot stands, and its place there.
const fn place_of(slot: SlotIndex) -> (usize, usize) {
    ((slot.0 >> SHEET_BITS) as usize, slot.0 as usize % SHEET_SLOTS)
}

impl Page {
    /// The tally of a slot, to be written on.
    pub(super) fn at(&mut self, slot: SlotIndex, spare: &mut Spare) -> &mut Light {
        let (sheet, place) = place_of(slot);
        if self.sheets.len() <= sheet {
            self.sheets.resize(sheet + 1, None);
        }
        &mut self.sheets[sheet].get_or_insert_with(|| spare.take())[place]
    }

    /// The tally of a slot, where its sheet was written on.
    pub(super) fn get(&self, slot: SlotIndex) -> Option<&Light> {
        let (sheet, place) = place_of(slot);
        self.sheets.get(sheet)?.as_ref().map(|sheet| &sheet[place])
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, slot: SlotIndex) -> Option<&mut Light> {
        let (sheet, place) = place_of(slot);
        self.sheets.get_mut(sheet)?.as_mut().map(|sheet| &mut sheet[place])
    }

    /// Its sheets in order.
    pub(super) fn into_sheets(self) -> Sheets {
        Sheets { sheets: self.sheets.into_iter().enumerate() }
    }
}

/// The sheets of a page, each with the first slot that stands there.
pub(super) struct Sheets {
    sheets: Enumerate<IntoIter<Option<Sheet>>>,
}

impl Iterator for Sheets {
    type Item = (SlotIndex, Sheet);

    fn next(&mut self) -> Option<Self::Item> {
        self.sheets.find_map(|(number, sheet)| Some((SlotIndex((number << SHEET_BITS) as u32), sheet?)))
    }
}
