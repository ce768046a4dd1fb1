//! Journal batches made small before they are written: stations say much the same again and again, and every byte that is
//! not written is neither copied into the log, nor summed up, nor synced, nor taken over into the file.
//!
//! A squeezed batch is a version byte of its own, the length of the plain batch in four bytes, and the plain batch as one
//! LZ4 block. What does not become smaller stays plain. Bytes that are no batch are an error, never a panic, and never
//! more memory than LZ4 could have made of them.

use super::entry::BadBatch;

/// The version byte of a squeezed batch.
const VERSION: u8 = 2;
/// Version byte and length.
const HEADER_BYTES: usize = 5;
/// Shorter batches stay plain: there is little to gain.
const PLAIN_BYTES_MAX: usize = 256;
/// One byte of LZ4 stands for at most so many.
const RATIO_MAX: usize = 255;

/// Gives what to write of a plain batch: squeezed, in `room`, or as it is.
pub(super) fn squeeze<'a>(plain: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    let Ok(length) = u32::try_from(plain.len()) else { return plain };
    if plain.len() <= PLAIN_BYTES_MAX {
        return plain;
    }
    let bytes_max = HEADER_BYTES + lz4_flex::block::get_maximum_output_size(plain.len());
    if room.len() < bytes_max {
        room.resize(bytes_max, 0);
    }
    let (header, block) = room.split_at_mut(HEADER_BYTES);
    header[0] = VERSION;
    header[1..].copy_from_slice(&length.to_le_bytes());
    match lz4_flex::block::compress_into(plain, block) {
        Ok(bytes) if HEADER_BYTES + bytes < plain.len() => &room[..HEADER_BYTES + bytes],
        // There was room for anything; and what did not become smaller is better as it is.
        Ok(_) | Err(_) => plain,
    }
}

/// Gives the plain batch, in `room` where it was squeezed. A batch of any other version is given as it is.
pub(super) fn unsqueeze<'a>(batch: &'a [u8], room: &'a mut Vec<u8>) -> Result<&'a [u8], BadBatch> {
    const BAD: BadBatch = BadBatch { entries: 0, what: "a squeezed batch that cannot be read" };
    if batch.first() != Some(&VERSION) {
        return Ok(batch);
    }
    let (header, block) = batch.split_at_checked(HEADER_BYTES).ok_or(BAD)?;
    let length = header[1..].try_into().map(u32::from_le_bytes).map_err(|_| BAD)? as usize;
    if length > block.len().saturating_mul(RATIO_MAX) {
        return Err(BAD);
    }
    if room.len() < length {
        room.resize(length, 0);
    }
    match lz4_flex::block::decompress_into(block, &mut room[..length]) {
        Ok(bytes) if bytes == length => Ok(&room[..length]),
        Ok(_) | Err(_) => Err(BAD),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn returns(plain: &[u8]) -> usize {
        let (mut room, mut back) = (Vec::new(), vec![7; 3]);
        let written = squeeze(plain, &mut room);
        assert_eq!(unsqueeze(written, &mut back).expect("its own bytes"), plain);
        written.len()
    }

    #[test]
    fn what_stations_say_again_takes_a_small_part_of_its_bytes() {
        let plain: Vec<u8> = (0..500)
            .flat_map(|number| format!("ev/v1/11/op/st{number:04}/1/telemetry{{\"power_kw\":{number}.5}}").into_bytes())
            .collect();
        let plain = [&[1], plain.as_slice()].concat();
        let written = returns(&plain);
        assert!(written * 3 < plain.len(), "{written} of {}", plain.len());
    }

    #[test]
    fn what_is_short_stays_plain() {
        let plain = [&[1][..], &[b'x'; 100]].concat();
        assert_eq!(returns(&plain), plain.len());
    }

    #[test]
    fn a_length_that_no_block_can_have_is_refused_before_room_is_made_for_it() {
        let mut room = Vec::new();
        assert!(unsqueeze(&[VERSION, 255, 255, 255, 255, 1, 2, 3], &mut room).is_err());
        assert_eq!(room.capacity(), 0);
    }

    proptest! {
        #[test]
        fn every_batch_comes_back_the_same(bytes in vec(0_u8..4, 0..2_000), noise in vec(any::<u8>(), 0..600)) {
            let plain = [&[1], bytes.as_slice(), &noise].concat();
            prop_assert!(returns(&plain) <= plain.len(), "never larger");
        }

        #[test]
        fn any_bytes_are_a_batch_or_an_error_and_never_a_panic(bytes in vec(any::<u8>(), 0..300), length in 0_u32..4_000) {
            let squeezed = [&[VERSION][..], &length.to_le_bytes(), &bytes].concat();
            let mut room = Vec::new();
            if let Ok(plain) = unsqueeze(&squeezed, &mut room) {
                prop_assert_eq!(plain.len(), length as usize);
            }
        }
    }
}
