//! Files that only the hub may read.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use anyhow::Context as _;
use jansky_crypto::sealed::KeyRing;
use jansky_crypto::{MacKey, Random};

/// Makes a directory (and those above it) that nobody else can look into.
pub(crate) fn make_private_dir(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("could not make the directory `{}`", path.display()))
}

/// Writes a file that nobody else can read, in one step, so that readers never see a part of it. What
/// root writes belongs to whom the one before it, or else the directory, belongs: an operator rotates
/// keys as root, and the hub that reads them has an account of its own.
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let part = path.with_extension("part");
    let before = path.metadata().ok();
    let before = before.or_else(|| path.parent()?.metadata().ok());
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)?;
        if let Some(before) = before
            && rustix::process::geteuid().is_root()
        {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
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

/// The name of the file with the keys that seal tokens of providers.
const SEALING_KEYS: &str = "sealing.keys";

/// The keys with which tokens of providers are sealed; made when they are not there yet. Losing
/// them means that people sign in again.
pub(crate) fn sealing_keys(data_dir: &Path, random: &dyn Random) -> anyhow::Result<KeyRing> {
    let path = data_dir.join(SEALING_KEYS);
    match std::fs::read_to_string(&path) {
        Ok(text) => KeyRing::parse(&text).with_context(|| format!("`{}`", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let ring = KeyRing::generate(random);
            write_private(&path, ring.to_text().expose())?;
            Ok(ring)
        }
        Err(error) => Err(error).with_context(|| format!("could not read `{}`", path.display())),
    }
}

/// Makes a new key the active one and keeps the old ones for what they sealed.
pub(crate) fn rotate_sealing_keys(data_dir: &Path, random: &dyn Random) -> anyhow::Result<KeyRing> {
    let mut ring = sealing_keys(data_dir, random)?;
    ring.rotate(random);
    write_private(&data_dir.join(SEALING_KEYS), ring.to_text().expose())?;
    Ok(ring)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use jansky_crypto::SystemRandom;

    use super::*;

    /// An account that is not root's.
    const HUB: u32 = 4321;

    #[test]
    fn keys_that_root_rotates_stay_the_hubs() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary directory");
        chown(folder.path(), Some(HUB), Some(HUB)).expect("root may give it away");

        for _ in ["the first, before the hub has begun", "another one"] {
            rotate_sealing_keys(folder.path(), &SystemRandom).expect("they are rotated");

            let file = folder.path().join(SEALING_KEYS).metadata();
            let file = file.expect("it is there");
            assert_eq!((file.uid(), file.gid()), (HUB, HUB));
            assert_eq!(file.permissions().mode() & 0o777, 0o600);
        }
    }
}
