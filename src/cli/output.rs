//! Files that commands write: complete under their names, or not there at all. What is no regular file, like a pipe
//! or a device, is written as it is.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Exit, Failure};

/// Size of an output's buffer, bytes.
const BUFFER_BYTES: usize = 1 << 20;

/// A file that appears under its name only when it is complete.
#[derive(Debug)]
pub struct WholeFile {
    /// Emptied on the way out, so that nothing is removed that stands.
    temporary: Option<PathBuf>,
    path: PathBuf,
    out: BufWriter<File>,
}

impl WholeFile {
    /// Begins the file, beside the place where it will stand.
    ///
    /// # Errors
    /// Where it cannot be created.
    pub fn create(path: &Path) -> io::Result<Self> {
        // A link stays one: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&path).is_ok_and(|there| !there.is_file()) {
            let out = BufWriter::with_capacity(BUFFER_BYTES, File::options().write(true).open(&path)?);
            return Ok(Self { temporary: None, path, out });
        }
        let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(beside);
        let out = BufWriter::with_capacity(BUFFER_BYTES, File::create(&temporary)?);
        Ok(Self { temporary: Some(temporary), path, out })
    }

    /// Finds out whether the file could be created, and leaves nothing behind.
    ///
    /// # Errors
    /// Where it could not be.
    pub fn probe(path: &Path) -> io::Result<()> {
        Self::create(path).map(drop)
    }

    /// Puts the complete file in its place.
    ///
    /// # Errors
    /// Where something could not be written; the place is then as it was.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()?;
        if let Some(temporary) = self.temporary.take() {
            let moved = self.out.get_ref().sync_all().and_then(|()| fs::rename(&temporary, &self.path));
            if moved.is_err() {
                self.temporary = Some(temporary);
            }
            moved?;
        }
        Ok(())
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // It is worth nothing, and a failure to remove it is not worth a word.
            let _left = fs::remove_file(temporary);
        }
    }
}

/// Writes a whole file at once.
///
/// # Errors
/// [`Exit::CannotCreate`].
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = WholeFile::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.finish()
    });
    written.map_err(|error| cannot_write(path, error))
}

/// A failure to write a file.
pub fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::new(Exit::CannotCreate, format!("cannot write {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_complete_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        let count = || fs::read_dir(folder.path()).expect("readable").count();
        let mut given_up = WholeFile::create(&path).expect("created");
        given_up.write_all(b"half").expect("written");
        drop(given_up);
        assert_eq!(count(), 0);
        write_whole(&path, b"whole").expect("written");
        WholeFile::probe(&path).expect("it could be written again");
        assert_eq!((fs::read(&path).expect("there"), count()), (b"whole".to_vec(), 1));
    }

    #[test]
    fn what_is_no_regular_file_is_written_and_kept() {
        write_whole(Path::new("/dev/null"), b"nothing").expect("written");
        assert!(fs::metadata("/dev/null").is_ok_and(|there| !there.is_file()));
        let failure = write_whole(Path::new("/dev/full"), b"something").expect_err("full");
        assert_eq!(failure.exit(), Exit::CannotCreate);
    }
}
