//! A page: the light tallies of one base bucket by slot, in sheets that come when they are first written on. So a page for
//! millions neither has to be made at once nor to be given back at once, and costs nothing for slots that say nothing.

use super::light::Light;
use super::{PAGES_MAX, SlotIndex};

/// Slots of a sheet, as a power of two.
const SHEET_BITS: u32 = 9;
/// Slots of a sheet.
pub(super) const SHEET_SLOTS: usize = 1 << SHEET_BITS;
/// So many sheets that were handed over are kept to be written on again.
const SPARE_MAX: usize = 64;

/// The light tallies of so many slots that follow on one another.
pub(super) type Sheet = Box<[Light; SHEET_SLOTS]>;

/// Sheets, and pages without one, on which nothing stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Spare {
    sheets: Vec<Sheet>,
    pages: Vec<Page>,
}

impl Spare {
    fn sheet(&mut self) -> Sheet {
        self.sheets.pop().unwrap_or_else(|| Box::new([Light::default(); SHEET_SLOTS]))
    }

    /// A page to begin a base bucket with.
    pub(super) fn page(&mut self) -> Page {
        self.pages.pop().unwrap_or_default()
    }

    /// Keeps a sheet that is needed no longer, where there are not too many.
    pub(super) fn keep(&mut self, mut sheet: Sheet) {
        if self.sheets.len() < SPARE_MAX {
            sheet.fill(Light::default());
            self.sheets.push(sheet);
        }
    }

    /// Keeps the room of a page whose sheets are gone.
    pub(super) fn keep_page(&mut self, mut page: Page) {
        page.sheets.clear();
        if self.pages.len() < PAGES_MAX {
            self.pages.push(page);
        }
    }

    /// Adds what another keeps.
    pub(super) fn add(&mut self, other: Self) {
        self.sheets.extend(other.sheets);
        self.sheets.truncate(SPARE_MAX);
        self.pages.extend(other.pages);
        self.pages.truncate(PAGES_MAX);
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
        &mut self.sheets[sheet].get_or_insert_with(|| spare.sheet())[place]
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

    /// Takes out the first sheet from a place on, with the first slot that stands there; the place is moved past it.
    pub(super) fn take_sheet(&mut self, place: &mut usize) -> Option<(SlotIndex, Sheet)> {
        while let Some(sheet) = self.sheets.get_mut(*place) {
            let first = SlotIndex((*place << SHEET_BITS) as u32);
            *place += 1;
            if let Some(sheet) = sheet.take() {
                return Some((first, sheet));
            }
        }
        None
    }
}
