//! A timeline as bytes. Points in time that never came are written as such.

use super::energy::{Chain, Register};
use super::{NEVER, OPEN, Timeline};
use crate::pack::{Damaged, Pack, Reader, pack_fields};

pack_fields!(Chain { at_ms, register_j, state, power_w });

/// A point in time, or what stands for there being none.
fn pack_time(ms: i64, none: i64, out: &mut Vec<u8>) {
    (ms != none).then_some(ms).pack(out);
}

fn unpack_time(reader: &mut Reader<'_>, none: i64) -> Result<i64, Damaged> {
    Ok(Option::unpack(reader)?.unwrap_or(none))
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
            import: _,
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
        self.import_chain().pack(out);
        export.pack(out);
        gaps.pack(out);
        remembered.pack(out);
    }

    fn unpack(reader: &mut Reader<'_>) -> Result<Self, Damaged> {
        let mut timeline = Self {
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
            ..Self::default()
        };
        timeline.import = Register::of(Pack::unpack(reader)?, timeline.last_ms);
        timeline.export = Pack::unpack(reader)?;
        timeline.gaps = Pack::unpack(reader)?;
        timeline.remembered = Pack::unpack(reader)?;
        Ok(timeline)
    }
}
