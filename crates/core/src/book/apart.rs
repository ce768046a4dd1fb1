//! Bookings that were set apart to be handed over: while that is done, piece by piece, the book goes on.

use std::collections::{VecDeque, btree_map, hash_map};

use super::page::{Page, SHEET_SLOTS, Spare};
use super::{Book, Booked, Bookings, Form, PAGES_MAX, SlotIndex, Wholes};
use crate::tally::Tally;
use crate::time::Bucket;

/// What was set apart, to be handed over piece by piece.
pub struct Apart {
    /// The first of them is the one that is being handed over.
    pages: VecDeque<(Bucket, Page)>,
    /// Which of its sheets is next.
    sheet: usize,
    whole: btree_map::IntoIter<Bucket, Wholes>,
    /// The whole tallies of the base bucket that is being handed over.
    tallies: Option<(Bucket, hash_map::IntoIter<SlotIndex, Box<Tally>>)>,
    spare: Spare,
}

impl Book {
    /// Sets apart what is booked in base buckets before `closed`; from now on the pages are for those from `closed` on. What
    /// was set apart before must have been taken.
    pub fn set_apart(&mut self, closed: Bucket) {
        let Bookings { first, pages, whole } = &mut self.bookings;
        let apart = &mut self.apart;
        debug_assert!(apart.pages.is_empty() && apart.whole.is_empty(), "set apart twice");
        apart.first = *first;
        while *first < closed
            && let Some(page) = pages.pop_front()
        {
            apart.pages.push_back(page);
            *first = first.next();
        }
        if pages.is_empty() {
            *first = (*first).max(closed);
        }
        let open = whole.split_off(&closed);
        apart.whole = std::mem::replace(whole, open);
    }

    /// From now on what was set apart is booked into, until this is called once more.
    pub fn turn(&mut self) {
        std::mem::swap(&mut self.bookings, &mut self.apart);
    }

    /// Takes what was set apart, to hand it over.
    #[must_use]
    pub fn take_apart(&mut self) -> Apart {
        let none = Bookings::starting_at(self.bookings.first);
        let Bookings { first, pages, whole } = std::mem::replace(&mut self.apart, none);
        let mut bucket = first;
        let mut paged = VecDeque::with_capacity(PAGES_MAX);
        for page in pages {
            paged.push_back((bucket, page));
            bucket = bucket.next();
        }
        Apart { pages: paged, sheet: 0, whole: whole.into_iter(), tallies: None, spare: Spare::default() }
    }

    /// Takes back, when all is handed over, what can be written on again.
    pub fn take_back(&mut self, apart: Apart) {
        self.spare.add(apart.spare);
    }
}

impl Apart {
    /// Hands over about so many bookings, in no order; of one base bucket and slot there may be several parts. Returns
    /// whether there is more.
    pub fn hand_over(&mut self, slots: usize, mut sink: impl FnMut(Bucket, SlotIndex, Booked<'_>)) -> bool {
        let mut left = slots;
        while left > 0 {
            if let Some((bucket, page)) = self.pages.front_mut() {
                if let Some((first, sheet)) = page.take_sheet(&mut self.sheet) {
                    for (light, slot) in sheet.iter().zip(first.0..).filter(|(light, _)| !light.is_zero()) {
                        sink(*bucket, SlotIndex(slot), Booked(Form::Light(light)));
                    }
                    self.spare.keep(sheet);
                    left = left.saturating_sub(SHEET_SLOTS);
                } else if let Some((_, page)) = self.pages.pop_front() {
                    self.sheet = 0;
                    self.spare.keep_page(page);
                }
            } else if let Some((bucket, tallies)) = &mut self.tallies {
                match tallies.next() {
                    Some((slot, tally)) => {
                        sink(*bucket, slot, Booked(Form::Whole(&tally)));
                        left -= 1;
                    }
                    None => self.tallies = None,
                }
            } else if let Some((bucket, tallies)) = self.whole.next() {
                self.tallies = Some((bucket, tallies.into_iter()));
            } else {
                return false;
            }
        }
        true
    }
}
