//! What a registration says about a connector, in little room: there are millions.

use crate::pack::{Damaged, Pack, Reader};
use crate::registration::{ConnectorSpec, Current, Equipment};
use crate::slim::Slim;
use crate::window::{CivilDay, civil_from_days, days_from_civil};

/// After how many years equipment is due for renewal (domain A13).
const RENEWAL_YEARS: i32 = 8;

/// What a registration says about a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shard) struct Spec {
    rated_w: Slim<u32>,
    v_max: Slim<u32>,
    discharge_w: Slim<u32>,
    /// Days since the Unix epoch.
    aged_from_day: Slim<i32>,
    /// Its part of the cabinet's rated power: the whole for the first connector of a cabinet that states one, W.
    pub equipment_w: u32,
    pub current: Option<Current>,
    pub v2g: bool,
}

const _: () = assert!(size_of::<Option<Spec>>() <= 24);

impl Spec {
    pub(in crate::shard) fn of(connector: &ConnectorSpec, equipment: &Equipment) -> Self {
        let alone = equipment.connectors.len() == 1;
        let rated_w = connector.rated_w.or(if alone { equipment.rated_w } else { None });
        let first = equipment.connectors.first().is_some_and(|first| first.id == connector.id);
        let equipment_w = match equipment.rated_w {
            Some(equipment_w) if first => equipment_w,
            Some(_) => 0,
            None => rated_w.unwrap_or(0),
        };
        let aged_from_day = equipment.production_day.map(|day| {
            let made = civil_from_days(i64::from(day));
            days_from_civil(CivilDay { year: made.year + RENEWAL_YEARS, ..made })
        });
        Self {
            rated_w: rated_w.into(),
            v_max: connector.v_max.into(),
            discharge_w: connector.discharge_w.into(),
            aged_from_day: aged_from_day.map(day_of).into(),
            equipment_w,
            current: connector.current,
            v2g: connector.v2g,
        }
    }

    /// Rated power, W.
    pub(in crate::shard) fn rated_w(&self) -> Option<u32> {
        self.rated_w.get()
    }

    /// Upper output voltage, V.
    pub(in crate::shard) fn v_max(&self) -> Option<u32> {
        self.v_max.get()
    }

    /// Power to the grid at most, W.
    pub(in crate::shard) fn discharge_w(&self) -> Option<u32> {
        self.discharge_w.get()
    }

    /// From when on it is due for renewal, days since the Unix epoch.
    pub(in crate::shard) fn aged_from_day(&self) -> Option<i64> {
        self.aged_from_day.get().map(i64::from)
    }
}

/// A day, where it is one of the next and last five million years.
fn day_of(day: i64) -> i32 {
    i32::try_from(day).unwrap_or(if day < 0 { i32::MIN } else { i32::MAX })
}

impl Pack for Spec {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self { rated_w, v_max, discharge_w, aged_from_day: _, equipment_w, current, v2g } = self;
        rated_w.pack(out);
        equipment_w.pack(out);
        current.pack(out);
        v_max.pack(out);
        discharge_w.pack(out);
        v2g.pack(out);
        self.aged_from_day().pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let (rated_w, equipment_w) = Pack::unpack(reader)?;
        let (current, v_max) = Pack::unpack(reader)?;
        let (discharge_w, v2g) = Pack::unpack(reader)?;
        let aged_from_day: Option<i64> = Pack::unpack(reader)?;
        let aged_from_day = aged_from_day.map(day_of).into();
        Ok(Self { rated_w, v_max, discharge_w, aged_from_day, equipment_w, current, v2g })
    }
}
