//! A number that there may be none of, in no more room than the number: one value of its kind stands for none.

use std::fmt;

use crate::pack::{Damaged, Pack, Reader};
use crate::time::EventTime;

/// Numbers of which one is never meant.
pub(crate) trait Spare: Copy + Eq {
    /// The value that stands for none.
    const NONE: Self;
    /// What is kept where that very value is given.
    const NEAREST: Self;
}

impl Spare for i64 {
    const NONE: Self = Self::MIN;
    const NEAREST: Self = Self::MIN + 1;
}

impl Spare for i32 {
    const NONE: Self = Self::MIN;
    const NEAREST: Self = Self::MIN + 1;
}

impl Spare for u32 {
    const NONE: Self = Self::MAX;
    const NEAREST: Self = Self::MAX - 1;
}

impl Spare for EventTime {
    const NONE: Self = Self::from_ms(i64::NONE);
    const NEAREST: Self = Self::from_ms(i64::NEAREST);
}

/// An `Option` of a number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slim<T>(T);

impl<T: Spare> Slim<T> {
    /// There is none.
    pub(crate) const NONE: Self = Self(T::NONE);

    pub(crate) fn get(self) -> Option<T> {
        (self.0 != T::NONE).then_some(self.0)
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == T::NONE
    }
}

impl<T: Spare> Default for Slim<T> {
    fn default() -> Self {
        Self::NONE
    }
}

impl<T: Spare> From<Option<T>> for Slim<T> {
    fn from(value: Option<T>) -> Self {
        match value {
            None => Self::NONE,
            Some(value) if value == T::NONE => Self(T::NEAREST),
            Some(value) => Self(value),
        }
    }
}

impl<T: Spare + fmt::Debug> fmt::Debug for Slim<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// As the `Option`.
impl<T: Spare + Pack> Pack for Slim<T> {
    fn pack(&self, out: &mut Vec<u8>) {
        self.get().pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Option::unpack(reader).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_was_put_in_and_takes_the_room_of_the_number() {
        for value in [None, Some(0), Some(-7), Some(i64::MAX), Some(i64::MIN + 1)] {
            assert_eq!(Slim::from(value).get(), value);
        }
        assert_eq!(Slim::from(Some(u32::MAX)).get(), Some(u32::MAX - 1));
        assert!(Slim::<i32>::default().is_none() && !Slim::from(Some(0_i32)).is_none());
        assert_eq!((size_of::<Slim<i64>>(), size_of::<Slim<u32>>()), (8, 4));
    }
}
