//! The Python environment of the demo's servers, from the Python package index.
//!
//! `python/demo/environment.py` makes it: `./demo` runs the same program while the compiler is at work.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::demo::package;

/// Lies in an environment that is complete, and says of what.
const MARKER: &str = "jansky-own-package.txt";

/// The oldest Python that the packages run on.
const OLDEST: (u32, u32) = (3, 10);

/// Makes the environment `python` below `home`, or finds it complete.
pub(crate) fn prepare(home: &Path, no_input: bool) -> anyhow::Result<PathBuf> {
    let directory = home.join("python");
    let marker = directory.join(MARKER);
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == package::version()) {
        return Ok(directory);
    }
    let source = home.join("python-source");
    package::write(&source)?;
    let mut program = Command::new(find_python()?);
    program.arg(source.join(package::ENVIRONMENT));
    if no_input {
        program.arg("--no-input");
    }
    // Its progress is for the person at the terminal, and what it ends with for our error.
    let ended = program
        .arg("make")
        .arg(&directory)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .context("could not run Python")?;
    anyhow::ensure!(
        ended.status.success(),
        "JupyterLab could not be prepared: {}",
        String::from_utf8_lossy(&ended.stderr).trim_end()
    );
    let _ = std::fs::remove_dir_all(&source);
    Ok(directory)
}

/// Finds a Python that is new enough.
fn find_python() -> anyhow::Result<PathBuf> {
    for name in [
        "python3",
        "python3.14",
        "python3.13",
        "python3.12",
        "python3.11",
        "python3.10",
    ] {
        let program = "import sys; print(sys.version_info[0], sys.version_info[1], sys.executable)";
        let Ok(output) = Command::new(name).args(["-c", program]).output() else {
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut words = text.trim().splitn(3, ' ');
        let version = (words.next().map(str::parse), words.next().map(str::parse));
        if let ((Some(Ok(major)), Some(Ok(minor))), Some(path)) = (version, words.next())
            && (major, minor) >= OLDEST
        {
            return Ok(PathBuf::from(path));
        }
    }
    let (major, minor) = OLDEST;
    anyhow::bail!(
        "Python {major}.{minor} or newer was not found. On Debian: apt-get install python3-venv"
    )
}
