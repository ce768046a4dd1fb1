//! A timeline as bytes. Points in time that never came are written as such.

use super::energy::Chain;
use super::{NEVER, OPEN, RATINGS_MAX, Rating, Timeline};
use crate::pack::{Damaged, Pack, Reader, pack_fields};

pack_fields!(Chain { at_ms, register_j, state, power_w });

/// A point in time, or what stands for there being none.
fn pack_time(ms: i64, none: i64, out: &mut Vec<u8>) {
    (ms != none).then_some(ms).pack(out);
}

fn unpack_time(reader: &mut Reader<'_>, none: i64) -> Result<i64, Damaged> {
    Ok(Option::unpack(reader)?.unwrap_or(none))
}

impl Pack for Rating {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self { history } = self;
        let history: Vec<(Option<i64>, u32)> =
            history.iter().map(|&(from_ms, rated_w)| ((from_ms != NEVER).then_some(from_ms), rated_w)).collect();
        history.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let history: Vec<(i64, u32)> = Vec::<(Option<i64>, u32)>::unpack(reader)?
            .into_iter()
            .map(|(from_ms, rated_w)| (from_ms.unwrap_or(NEVER), rated_w))
            .collect();
        let sound = history.len() <= RATINGS_MAX && history.is_sorted_by(|one, other| one.0 < other.0);
        if sound { Ok(Self { history }) } else { Err(Damaged { what: "ratings" }) }
    }
}

impl Pack for Timeline {
    fn pack(&self, out: &mut Vec<u8>) {
        let Self {
            start_ms,
            end_ms,
            last_ms,
            held_until_ms,
            run_since_ms,
            state,
            power_w,
            first_power_w,
            demand_w,
            registered,
            rating,
            import,
            export,
            gaps,
            remembered,
        } = self;
        pack_time(*start_ms, NEVER, out);
        pack_time(*end_ms, OPEN, out);
        pack_time(*last_ms, NEVER, out);
        pack_time(*held_until_ms, NEVER, out);
        pack_time(*run_since_ms, NEVER, out);
        state.pack(out);
        power_w.pack(out);
        first_power_w.pack(out);
        demand_w.pack(out);
        registered.pack(out);
        rating.pack(out);
        import.pack(out);
        export.pack(out);
        gaps.pack(out);
        remembered.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        Ok(Self {
            start_ms: unpack_time(reader, NEVER)?,
            end_ms: unpack_time(reader, OPEN)?,
            last_ms: unpack_time(reader, NEVER)?,
            held_until_ms: unpack_time(reader, NEVER)?,
            run_since_ms: unpack_time(reader, NEVER)?,
            state: Pack::unpack(reader)?,
            power_w: Pack::unpack(reader)?,
            first_power_w: Pack::unpack(reader)?,
            demand_w: Pack::unpack(reader)?,
            registered: Pack::unpack(reader)?,
            rating: Pack::unpack(reader)?,
            import: Pack::unpack(reader)?,
            export: Pack::unpack(reader)?,
            gaps: Pack::unpack(reader)?,
            remembered: Pack::unpack(reader)?,
        })
    }
}
