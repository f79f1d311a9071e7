//! The Python package `jansky`, as this program carries it.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use rust_embed::RustEmbed;

/// The modules, and the built extension of JupyterLab.
#[derive(RustEmbed)]
#[folder = "../../python/jansky"]
struct Modules;

/// What else is needed to build it.
const AROUND: [(&str, &str); 3] = [
    (
        "pyproject.toml",
        include_str!("../../../../python/pyproject.toml"),
    ),
    ("README.md", include_str!("../../../../python/README.md")),
    (
        "jupyter-config/jansky.json",
        include_str!("../../../../python/jupyter-config/jansky.json"),
    ),
];

/// Names this state of the package: it is another one after every change.
pub(crate) fn version() -> String {
    let mut version = AROUND.map(|(_, text)| text).concat();
    for name in modules() {
        let hash = Modules::get(&name).map(|file| file.metadata.sha256_hash());
        let _ = writeln!(version, "{name} {hash:?}");
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
    for name in modules() {
        if let Some(file) = Modules::get(&name) {
            put(&format!("jansky/{name}"), &file.data).with_context(because)?;
        }
    }
    Ok(())
}

/// The names of its files, without what Python leaves beside them.
fn modules() -> impl Iterator<Item = String> {
    let names = Modules::iter().map(std::borrow::Cow::into_owned);
    names.filter(|name| !name.contains("__pycache__"))
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
            "jansky/labextension/package.json",
        ] {
            assert!(source.join(name).is_file(), "{name}");
        }
        assert!(version().contains("lab.py"));
    }
}
