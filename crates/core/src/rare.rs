//! What is mostly at its default and takes no room then but that of a pointer.

use crate::pack::{Damaged, Pack, Reader};

/// A small value that most of its kind leave at its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rare<T>(Option<Box<T>>);

impl<T: Copy + Default + PartialEq> Rare<T> {
    pub(crate) fn new(value: T) -> Self {
        Self((value != T::default()).then(|| Box::new(value)))
    }

    pub(crate) fn is_default(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn get(&self) -> T {
        self.0.as_deref().copied().unwrap_or_default()
    }

    /// Changes the value in place.
    pub(crate) fn change<R>(&mut self, change: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.get();
        let result = change(&mut value);
        match &mut self.0 {
            Some(kept) if value != T::default() => **kept = value,
            _ => *self = Self::new(value),
        }
        result
    }
}

/// As the value itself.
impl<T: Copy + Default + PartialEq + Pack> Pack for Rare<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.get().pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        T::unpack(reader).map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_returns_to_its_default_takes_no_room() {
        let mut value = Rare::<i64>::default();
        assert_eq!(value.change(|value| std::mem::replace(value, 7)), 0);
        assert!((value.get(), value.is_default()) == (7, false));
        value.change(|value| *value = 0);
        assert!((value.get(), value.is_default()) == (0, true));
    }
}
