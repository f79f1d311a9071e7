//! The Python environment of the demo's servers, from the Python package index.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::demo::package;
use crate::telemetry::say;

/// What the servers need. The versions are fixed, so that the demo is the same for everybody.
const PACKAGES: [&str; 7] = [
    "jupyterhub==6.1.1",
    "jupyterlab==4.6.6",
    "ipykernel",
    "astropy",
    "matplotlib",
    "requests",
    // Builds our own package, which is not in any index.
    "hatchling",
];

/// Lies in an environment that is complete, and says of what.
const MARKER: &str = "jansky-packages.txt";

/// The same for the package that this program carries.
const OUR_MARKER: &str = "jansky-own-package.txt";

/// The oldest Python that the packages run on.
const OLDEST: (u32, u32) = (3, 10);

/// Makes the environment below `directory`, or finds it complete.
pub(crate) fn prepare(directory: &Path, no_input: bool) -> anyhow::Result<PathBuf> {
    let wanted = PACKAGES.join("\n");
    let marker = directory.join(MARKER);
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        install_our_package(directory)?;
        return Ok(directory.to_path_buf());
    }
    say("Preparing JupyterLab. This takes a minute or two, once.");
    let python = find_python()?;
    if directory.exists() {
        std::fs::remove_dir_all(directory).with_context(|| {
            format!("could not remove the unfinished `{}`", directory.display())
        })?;
    }
    make_environment(&python, directory, no_input)?;
    let mut install = Command::new(directory.join("bin/python"));
    install.args([
        "-m",
        "pip",
        "install",
        "--no-input",
        "--disable-pip-version-check",
    ]);
    // pip's own cache would lie outside the demo's directory.
    install.args(["--no-cache-dir", "--progress-bar", "off"]);
    install.args(PACKAGES);
    follow(&mut install, "pip").context("the Python packages could not be installed")?;
    install_our_package(directory)?;
    std::fs::write(&marker, wanted).context("could not finish the Python environment")?;
    Ok(directory.to_path_buf())
}

/// Installs the package `jansky` that this program carries, unless it is there already.
fn install_our_package(directory: &Path) -> anyhow::Result<()> {
    let marker = directory.join(OUR_MARKER);
    let wanted = package::version();
    if std::fs::read_to_string(&marker).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let source = directory.join("jansky-source");
    package::write(&source)?;
    let mut install = Command::new(directory.join("bin/python"));
    install.args(["-m", "pip", "install", "--no-input"]);
    install.args(["--disable-pip-version-check", "--no-cache-dir"]);
    // All that it needs is here, so no index is asked.
    install.args(["--no-index", "--no-deps", "--no-build-isolation"]);
    install.arg("--force-reinstall").arg(&source);
    follow(&mut install, "pip").context("the Python package `jansky` could not be installed")?;
    let _ = std::fs::remove_dir_all(&source);
    std::fs::write(&marker, wanted).context("could not finish the Python environment")
}

/// Finds a Python that is new enough.
fn find_python() -> anyhow::Result<PathBuf> {
    for name in [
        "python3",
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

/// Makes an empty environment; on Debian a package may be missing for that, which root can install.
fn make_environment(python: &Path, directory: &Path, no_input: bool) -> anyhow::Result<()> {
    let make = || {
        let mut command = Command::new(python);
        command.args(["-m", "venv"]).arg(directory);
        follow(&mut command, "venv")
    };
    let Err(error) = make() else { return Ok(()) };
    let has_apt = Path::new("/usr/bin/apt-get").exists();
    if !(has_apt && rustix::process::geteuid().is_root() && no_input) {
        return Err(error.context(
            "could not make a Python environment. On Debian: apt-get install python3-venv",
        ));
    }
    say("Installing Debian's python3-venv.");
    for arguments in [&["update"][..], &["install", "-y", "python3-venv"]] {
        let mut apt = Command::new("apt-get");
        apt.args(["-o", "DPkg::Lock::Timeout=300"]).args(arguments);
        follow(&mut apt, "apt-get").context("could not install python3-venv")?;
    }
    make()
}

/// Runs a program and shows what it says, one line at a time; its last lines are in the error.
fn follow(command: &mut Command, name: &str) -> anyhow::Result<()> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not run {name}"))?;
    let stderr = child.stderr.take().context("no error output")?;
    let errors = std::thread::spawn(move || {
        BufReader::new(stderr)
            .lines()
            .map_while(Result::ok)
            .collect::<Vec<_>>()
    });
    let stdout = child.stdout.take().context("no output")?;
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some(step) = step_of(&line) {
            say(&format!("  {step}"));
        }
    }
    let status = child
        .wait()
        .with_context(|| format!("could not wait for {name}"))?;
    let errors = errors.join().unwrap_or_default();
    if status.success() {
        return Ok(());
    }
    let first = errors.len().saturating_sub(8);
    anyhow::bail!(
        "{name} ended with {status}:\n{}",
        errors[first..].join("\n")
    )
}

/// What of a line a person wants to see.
fn step_of(line: &str) -> Option<String> {
    let line = line.trim();
    if line.starts_with("Processing ") {
        return Some("adding the package `jansky`".to_owned());
    }
    if let Some(rest) = line.strip_prefix("Collecting ") {
        return Some(format!("found {}", rest.split(" (").next().unwrap_or(rest)));
    }
    if line.starts_with("Installing collected packages") {
        return Some("installing; this is the longest part".to_owned());
    }
    line.starts_with("Successfully installed")
        .then(|| "installed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_what_is_being_installed_and_not_where_from() {
        let step = step_of("Collecting jupyterhub==6.1.1 (from x)").expect("a step");

        assert_eq!(step, "found jupyterhub==6.1.1");
        assert_eq!(
            step_of("  Downloading https://example.org/x.whl (1 kB)"),
            None
        );
    }
}
