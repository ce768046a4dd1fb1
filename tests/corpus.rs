//! The fuzzers' corpus on stable: every file of `fuzz/corpus`, and what a small mutator makes of it, through the same
//! functions as cargo-fuzz. It must never pass because there was nothing to read.

use std::fs;
use std::path::Path;

use chargetally::clock::monotonic;

#[path = "../fuzz/bodies.rs"]
mod bodies;

/// How long each target's files are mutated, s; by default each file is mutated a fixed number of times instead.
const SECONDS: &str = "CHARGETALLY_FUZZ_S";
/// Mutations of each file where no time is given.
const MUTATIONS: u32 = 50;
/// All files of the corpus together, bytes.
const CORPUS_BYTES_MAX: usize = 300_000;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("read")).collect()
}

/// The next number of a xorshift generator.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 11) as usize
}

fn mutate(file: &[u8], other: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=next(state) % 4 {
        let at = next(state) % (bytes.len() + 1);
        match next(state) % 6 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, next(state) as u8),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 if at < bytes.len() => bytes[at] ^= 1 << (next(state) % 8),
            4 if at < bytes.len() => bytes[at] = [0, 0x7f, 0x80, 0xff, b'"', b'9', b'-', b'/'][next(state) % 8],
            _ => {
                let (from, length) = (next(state) % (other.len() + 1), next(state) % 32);
                let piece = &other[from..other.len().min(from + length)];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn every_fuzzer_has_its_corpus_and_its_name_in_the_list() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let names = |folder: &str| {
        let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).expect("a folder");
        let path = entries.map(|entry| entry.expect("an entry").path());
        let mut names: Vec<_> = path.map(|path| path.file_stem().expect("a name").to_owned()).collect();
        names.sort();
        names
    };
    let mut listed: Vec<_> = bodies::TARGETS.iter().map(|(name, _)| std::ffi::OsString::from(name)).collect();
    listed.sort();
    assert_eq!(names("fuzz/fuzz_targets"), listed);
    assert_eq!(names("fuzz/corpus"), listed);
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
    for (name, _) in bodies::TARGETS {
        assert!(manifest.contains(&format!("\nname = \"{name}\"\n")), "{name} is no program of fuzz/Cargo.toml");
    }
}

#[test]
fn every_file_of_the_corpus_and_what_it_is_mutated_to_passes() {
    let seconds = std::env::var(SECONDS).ok().map(|text| text.parse::<u64>().expect("a number of seconds"));
    let mut all_bytes = 0;
    for (name, body) in bodies::TARGETS {
        let files = corpus(name);
        assert!(files.len() >= 2, "the corpus of {name} is empty");
        files.iter().for_each(|file| body(file));
        all_bytes += files.iter().map(Vec::len).sum::<usize>();
        let (mut state, mut runs, begin) = (0x9e37_79b9_7f4a_7c15, 0_usize, monotonic());
        let goes_on = |runs| match seconds {
            Some(seconds) => monotonic().since_ms(begin) < seconds * 1_000,
            None => runs < files.len() * MUTATIONS as usize,
        };
        while goes_on(runs) {
            let other = &files[next(&mut state) % files.len()];
            let bytes = mutate(&files[runs % files.len()], other, &mut state);
            if std::panic::catch_unwind(|| body(&bytes)).is_err() {
                panic!("{name} panics at {:?}", bytes.escape_ascii().to_string());
            }
            runs += 1;
        }
        println!("{name}: {runs} executions of {} files", files.len());
    }
    assert!(all_bytes < CORPUS_BYTES_MAX, "the corpus has {all_bytes} bytes");
}
