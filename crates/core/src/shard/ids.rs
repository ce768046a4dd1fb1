//! The ids of one station's connectors, all in one text, and by them the connectors in service. Ids are never taken out:
//! how many connectors a station may ever have is limited.

/// Where an id stands in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::shard) struct IdPlace {
    begin: u32,
    len: u32,
}

/// A connector in service.
#[derive(Clone, Copy, Debug)]
struct Entry {
    id: IdPlace,
    index: u32,
}

/// The ids of one station's connectors.
#[derive(Clone, Debug, Default)]
pub(in crate::shard) struct Ids {
    text: String,
    /// In the order of their ids.
    current: Vec<Entry>,
    /// The place of the one that was asked for last; it may have moved since.
    found: u32,
}

impl Ids {
    /// The id that stands at a place.
    pub(in crate::shard) fn at(&self, id: IdPlace) -> &str {
        &self.text[id.begin as usize..(id.begin + id.len) as usize]
    }

    /// Adds an id and, where it is in service, the connector that it names from now on.
    pub(in crate::shard) fn add(&mut self, id: &str, in_service: Option<u32>) -> IdPlace {
        let place = match self.place_of(id) {
            Ok(known) => self.current[known].id,
            Err(_) => self.append(id),
        };
        if let Some(index) = in_service {
            match self.place_of(id) {
                Ok(known) => self.current[known].index = index,
                Err(new) => {
                    // Most stations are registered once: little room for more is kept.
                    if self.current.len() == self.current.capacity() {
                        self.current.reserve_exact(self.current.len() / 8 + 1);
                    }
                    self.current.insert(new, Entry { id: place, index });
                }
            }
        }
        place
    }

    fn append(&mut self, id: &str) -> IdPlace {
        let place = IdPlace { begin: self.text.len() as u32, len: id.len() as u32 };
        if self.text.capacity() - self.text.len() < id.len() {
            self.text.reserve_exact(id.len() + self.text.len() / 8);
        }
        self.text.push_str(id);
        place
    }

    /// The connector with this id.
    pub(in crate::shard) fn find(&self, id: &str) -> Option<u32> {
        Some(self.current[self.place_of(id).ok()?].index)
    }

    fn place_of(&self, id: &str) -> Result<usize, usize> {
        self.current.binary_search_by(|entry| self.at(entry.id).cmp(id))
    }

    /// The same, the faster when connectors are asked for in the order of their ids: stations speak of one after the other.
    pub(in crate::shard) fn find_next(&mut self, id: &str) -> Option<u32> {
        let next = self.found as usize + 1;
        let next = if next < self.current.len() { next } else { 0 };
        let place = match self.current.get(next) {
            Some(entry) if self.at(entry.id) == id => next,
            _ => self.place_of(id).ok()?,
        };
        self.found = place as u32;
        Some(self.current[place].index)
    }

    /// The connectors, in the order of their ids.
    pub(in crate::shard) fn current(&self) -> impl Iterator<Item = u32> {
        self.current.iter().map(|entry| entry.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_name_the_newest_connector_in_service() {
        let mut ids = Ids::default();
        let places = [("gun-2", Some(0)), ("gun-10", Some(1)), ("\u{67aa}", None), ("gun-2", Some(3)), ("", Some(4))]
            .map(|(id, index)| (id, ids.add(id, index)));
        for (id, place) in places {
            assert_eq!(ids.at(place), id);
        }
        assert_eq!(ids.text.len(), "gun-2gun-10\u{67aa}".len(), "a known id is not written again");
        assert_eq!(
            ["gun-2", "gun-10", "\u{67aa}", "", "gun"].map(|id| ids.find(id)),
            [Some(3), Some(1), None, Some(4), None]
        );
        assert_eq!(ids.current().collect::<Vec<_>>(), [4, 1, 3]);
        for id in ["gun-10", "gun-2", "", "gun-10", "gun-10", "gun", "gun-2"] {
            assert_eq!(ids.find_next(id), ids.find(id), "{id}");
        }
    }
}
