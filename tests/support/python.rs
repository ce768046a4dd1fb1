//! Clients written in Python, with packages of their own. Where Python or a package is missing the test fails and says what
//! to install; it must never pass without them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What to do where Python is missing.
const INSTALL: &str = "Python with its packages could not be set up; run: sudo apt-get install -y python3 python3-venv \
                       (and let pip reach PyPI or a mirror of it)";

/// A Python that has the packages of `tests/FOLDER/requirements.txt`, in an environment of the test's own under `target`.
pub fn python(folder: &str) -> PathBuf {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("python-{folder}"));
    let python = environment.join("bin/python");
    let wanted = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder).join("requirements.txt");
    let made = environment.join("made-from.txt");
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    if read(&made).is_none() || read(&made) != read(&wanted) {
        let path = |path: &Path| path.to_str().expect("a path that is text").to_owned();
        run(Command::new("python3").args(["-m", "venv", "--clear", &path(&environment)]));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"];
        run(Command::new(&python).args(pip).arg(&wanted));
        std::fs::copy(&wanted, &made).expect("the environment can be written to");
    }
    python
}

/// Runs a command that has to succeed.
pub fn run(command: &mut Command) {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}\n{INSTALL}"));
    let said = [stdout, stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    assert!(status.success(), "{command:?}: {status}\n{said}\n{INSTALL}");
}
