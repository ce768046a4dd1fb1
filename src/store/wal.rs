//! Looks at SQLite's write-ahead log before SQLite does, to tell a torn last write from damage.
//!
//! SQLite takes the log up to the first frame whose checksum is wrong and silently forgets the rest. After a crash that
//! is right: the rest was never promised. After a flipped byte it would lose what was acknowledged. The two can be
//! told apart: a transaction's frames are written only when the one before it has been synced, and each frame's checksum
//! goes on from the frame before. So where a commit frame after the first wrong one has a successor that fits it, the
//! wrong one had been synced, and the file is damaged. This file only reads. A flipped byte in the very last
//! transaction cannot be told from a torn write.
//!
//! The format: <https://www.sqlite.org/fileformat2.html#walformat>.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
const MAGIC: u32 = 0x377f_0682;
const PAGE_BYTES_MIN: usize = 512;
const PAGE_BYTES_MAX: usize = 65_536;

/// What the log looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Sound, absent, or with an end that was never synced.
    Sound,
    /// A transaction that had been synced does not read as it was written; the number of the first wrong frame, from 1
    /// (0: the log's header).
    Damaged {
        /// The first wrong frame.
        frame: u64,
    },
}

/// Reads the log at `path`; one that does not exist is sound.
///
/// # Errors
/// Those of reading the file.
pub(super) fn inspect(path: &Path) -> io::Result<Verdict> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Verdict::Sound),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let mut header = [0; HEADER_BYTES];
    if !fill(&mut reader, &mut header)? {
        return Ok(Verdict::Sound);
    }
    let magic = word(&header, 0, true);
    let big_endian = magic & 1 == 1;
    let page_bytes = word(&header, 8, true) as usize;
    let sum = checksum([0, 0], &header[..24], big_endian);
    let header_sound = magic & !1 == MAGIC && sum == [word(&header, 24, true), word(&header, 28, true)];
    if !header_sound {
        // The header is synced before the first frame is written, so a log with frames has a sound one.
        let frames = fill(&mut reader, &mut [0])?;
        return Ok(if frames { Verdict::Damaged { frame: 0 } } else { Verdict::Sound });
    }
    if !page_bytes.is_power_of_two() || !(PAGE_BYTES_MIN..=PAGE_BYTES_MAX).contains(&page_bytes) {
        return Ok(Verdict::Damaged { frame: 0 });
    }
    let mut salt = [0; 8];
    salt.copy_from_slice(&header[16..24]);
    frames(&mut reader, Log { page_bytes, big_endian, salt }, sum)
}

#[derive(Clone, Copy)]
struct Log {
    page_bytes: usize,
    big_endian: bool,
    salt: [u8; 8],
}

fn frames(reader: &mut impl Read, log: Log, sum: [u32; 2]) -> io::Result<Verdict> {
    // Two sums that the next frame may go on from: as stored in the frame before, and as computed of it, for the flipped
    // byte may be in the stored sum itself.
    let mut bases = [sum, sum];
    let mut frame = vec![0; FRAME_HEADER_BYTES + log.page_bytes];
    let mut first_wrong = None;
    let mut after_commit = false;
    let mut number = 0_u64;
    while fill(reader, &mut frame)? {
        number += 1;
        let stored = [word(&frame, 16, true), word(&frame, 20, true)];
        let ours = frame[8..16] == log.salt;
        let sums = bases.map(|base| {
            let head = checksum(base, &frame[..8], log.big_endian);
            checksum(head, &frame[FRAME_HEADER_BYTES..], log.big_endian)
        });
        let fits = ours && sums.contains(&stored);
        if fits {
            if let (Some(wrong), true) = (first_wrong, after_commit) {
                return Ok(Verdict::Damaged { frame: wrong });
            }
        } else if first_wrong.is_none() {
            first_wrong = Some(number);
        }
        after_commit = word(&frame, 4, true) != 0 && first_wrong.is_some();
        bases = [stored, sums[0]];
    }
    Ok(Verdict::Sound)
}

fn word(bytes: &[u8], at: usize, big_endian: bool) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    if big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
}

/// `bytes` is a whole number of 8-byte steps: a header's first part or a page.
fn checksum([mut a, mut b]: [u32; 2], bytes: &[u8], big_endian: bool) -> [u32; 2] {
    for step in bytes.chunks_exact(8) {
        a = a.wrapping_add(word(step, 0, big_endian)).wrapping_add(b);
        b = b.wrapping_add(word(step, 4, big_endian)).wrapping_add(a);
    }
    [a, b]
}

/// Whether `buffer` could be filled; not so at the end, where a partial rest counts as the end.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
