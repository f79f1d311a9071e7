//! The Python package `jansky` and what makes the environment around it, as this program carries them.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use rust_embed::{EmbeddedFile, RustEmbed};

/// The modules.
#[derive(RustEmbed)]
#[folder = "../../python/jansky"]
struct Modules;

/// Its part for JupyterLab.
#[derive(RustEmbed)]
#[folder = "../../python/lab/src"]
struct LabExtension;

/// The program that makes the environment.
pub(crate) const ENVIRONMENT: &str = "demo/environment.py";

/// What else is needed to build it, and to make the environment.
const AROUND: [(&str, &str); 7] = [
    (
        ENVIRONMENT,
        include_str!("../../../../python/demo/environment.py"),
    ),
    (
        "demo/requirements.txt",
        include_str!("../../../../python/demo/requirements.txt"),
    ),
    (
        "pyproject.toml",
        include_str!("../../../../python/pyproject.toml"),
    ),
    (
        "hatch_build.py",
        include_str!("../../../../python/hatch_build.py"),
    ),
    ("README.md", include_str!("../../../../python/README.md")),
    (
        "jupyter-config/jansky.json",
        include_str!("../../../../python/jupyter-config/jansky.json"),
    ),
    (
        "lab/package.json",
        include_str!("../../../../python/lab/package.json"),
    ),
];

/// Names this state of all that: it is another one after every change.
pub(crate) fn version() -> String {
    let mut version = AROUND.map(|(_, text)| text).concat();
    for (name, file) in files() {
        let _ = writeln!(version, "{name} {:?}", file.metadata.sha256_hash());
    }
    version
}

/// Writes its source into a new directory.
pub(crate) fn write(directory: &Path) -> anyhow::Result<()> {
    if directory.exists() {
        std::fs::remove_dir_all(directory).context("could not remove an unfinished package")?;
    }
    let put = |name: &str, content: &[u8]| {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
        std::fs::write(path, content)
    };
    let because = || format!("could not write into `{}`", directory.display());
    for (name, text) in AROUND {
        put(name, text.as_bytes()).with_context(because)?;
    }
    put("version.txt", version().as_bytes()).with_context(because)?;
    for (name, file) in files() {
        put(&name, &file.data).with_context(because)?;
    }
    Ok(())
}

/// Its files and where they go, without what Python leaves beside them.
fn files() -> impl Iterator<Item = (String, EmbeddedFile)> {
    let modules = Modules::iter().filter(|name| !name.contains("__pycache__"));
    let modules = modules.filter_map(|name| Some((format!("jansky/{name}"), Modules::get(&name)?)));
    let lab = LabExtension::iter()
        .filter_map(|name| Some((format!("lab/src/{name}"), LabExtension::get(&name)?)));
    modules.chain(lab)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_package_is_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let source = directory.path().join("source");

        write(&source).expect("written");

        for name in [
            "pyproject.toml",
            "jansky/__init__.py",
            "hatch_build.py",
            "lab/package.json",
            "lab/src/entry.js",
            ENVIRONMENT,
            "demo/requirements.txt",
            "version.txt",
        ] {
            assert!(source.join(name).is_file(), "{name}");
        }
        assert!(version().contains("lab.py"));
    }
}
