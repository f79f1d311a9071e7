//! Files that only the hub may read.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use jansky_crypto::sealed::KeyRing;
use jansky_crypto::{MacKey, Random};
use jansky_guard::Place;

/// Makes a directory (and those above it) that nobody else can look into.
pub(crate) fn make_private_dir(path: &Path) -> anyhow::Result<()> {
    Place::make(path, 0o700)
        .map(drop)
        .with_context(|| format!("could not make the directory `{}`", path.display()))
}

/// Writes a file that nobody else can read, in one step; see [`Place::write`].
pub(crate) fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let (directory, name) = split(path)?;
    Place::open(directory)
        .and_then(|place| place.write(name, text.as_bytes()))
        .with_context(|| format!("could not write `{}`", path.display()))
}

/// The directory of a file, and its name there.
fn split(path: &Path) -> anyhow::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("`{}` is not the name of a file", path.display()))?;
    Ok((path.parent().unwrap_or(Path::new("")), name))
}

/// The content of a file of the data directory; `None` when there is none.
fn read(data_dir: &Path, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    match Place::open(data_dir).and_then(|place| place.read(name)) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let path = data_dir.join(name);
            Err(error).with_context(|| format!("could not read `{}`", path.display()))
        }
    }
}

/// The name of the file with the key that signs.
const SIGNING_KEY: &str = "signing.key";

/// The key with which the hub signs what it hands to browsers; made when it is not there yet.
/// Losing it only means that open pages have to be loaded again.
pub(crate) fn signing_key(data_dir: &Path, random: &dyn Random) -> anyhow::Result<MacKey> {
    let path = data_dir.join(SIGNING_KEY);
    let bytes = if let Some(bytes) = read(data_dir, SIGNING_KEY)? {
        bytes
    } else {
        let mut bytes = vec![0; 32];
        random.fill(&mut bytes);
        Place::open(data_dir)
            .and_then(|place| place.write_new(SIGNING_KEY, &bytes))
            .with_context(|| format!("could not make `{}`", path.display()))?;
        bytes
    };
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
    if let Some(text) = read(data_dir, SEALING_KEYS)? {
        let text = String::from_utf8(text);
        let text = text.with_context(|| format!("`{}` is not text", path.display()))?;
        return KeyRing::parse(&text).with_context(|| format!("`{}`", path.display()));
    }
    let ring = KeyRing::generate(random);
    write_private(&path, ring.to_text().expose())?;
    Ok(ring)
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
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};

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
    /// What was done by hand: the account of the hub puts a link where the next keys are written.
    #[test]
    fn links_that_the_hub_has_planted_give_it_nothing_that_only_root_may_read() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary directory");
        let secret = folder.path().join("only-for-root");
        std::fs::write(&secret, "root's").expect("written");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("made");
        chown(&data, Some(HUB), Some(HUB)).expect("root may give it away");
        let names = ["sealing.keys", "sealing.part", ".sealing.keys.part"];
        for name in names {
            let planted = data.join(name);
            symlink(&secret, &planted).expect("planted");
            std::os::unix::fs::lchown(&planted, Some(HUB), Some(HUB)).expect("as the hub's");

            let rotated = rotate_sealing_keys(&data, &SystemRandom);

            // What stands where the keys are is no key ring; elsewhere it does not matter.
            assert_eq!(rotated.is_ok(), name != "sealing.keys", "{name}");
            let found = secret.metadata().expect("it is there");
            assert_eq!(found.uid(), 0, "{name}: it was given away");
            assert_eq!(std::fs::read(&secret).expect("ours"), b"root's", "{name}");
            let _ = std::fs::remove_file(planted);
        }
        signing_key(&data, &SystemRandom).expect("made");
        std::fs::remove_file(data.join("signing.key")).expect("ours");
        symlink(folder.path().join("new"), data.join("signing.key")).expect("planted");
        signing_key(&data, &SystemRandom).expect_err("a link");
        assert!(!folder.path().join("new").exists(), "it was followed");
    }
}
