//! Files that only the hub may read.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use jansky_crypto::{MacKey, Random};

/// Makes a directory (and those above it) that nobody else can look into.
pub(crate) fn make_private_dir(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("could not make the directory `{}`", path.display()))
}

/// Writes a file that nobody else can read, in one step, so that readers never see a part of it.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let part = path.with_extension("part");
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().with_context(|| format!("could not write `{}`", path.display()))
}

/// The key with which the hub signs what it hands to browsers; made when it is not there yet.
/// Losing it only means that open pages have to be loaded again.
pub(crate) fn signing_key(data_dir: &Path, random: &dyn Random) -> anyhow::Result<MacKey> {
    let path = data_dir.join("signing.key");
    let mut bytes = Vec::new();
    match std::fs::File::open(&path) {
        Ok(mut file) => {
            file.read_to_end(&mut bytes)
                .with_context(|| format!("could not read `{}`", path.display()))?;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bytes = vec![0; 32];
            random.fill(&mut bytes);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
                .with_context(|| format!("could not make `{}`", path.display()))?;
            file.write_all(&bytes).and_then(|()| file.sync_all())?;
        }
        Err(error) => {
            return Err(error).with_context(|| format!("could not read `{}`", path.display()));
        }
    }
    anyhow::ensure!(
        bytes.len() >= 32,
        "`{}` has {} bytes and must have at least 32; remove it and start again",
        path.display(),
        bytes.len()
    );
    Ok(MacKey::from_bytes(&bytes))
}
