//! Token files for programs that know nothing else (WLCG Bearer Token Discovery).
//!
//! They lie in memory only, are complete at every read, and go when the tokens go.

use std::ffi::OsStr;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jansky_guard::is_in_memory;
use jansky_handover::TOKEN_FILE;

const EXTENSION: &str = "token";

/// A directory of token files.
pub(crate) struct TokenFiles(PathBuf);

impl TokenFiles {
    /// Takes a directory, making it if there is none, and removes what an earlier agent left there.
    ///
    /// # Errors
    /// When it is not in memory: a token that was on a disk may be in a backup.
    pub(crate) fn new(directory: &Path) -> Result<Self, String> {
        let shown = directory.display();
        let because = |error: io::Error| format!("token files cannot be in `{shown}`: {error}");
        if !directory.exists() {
            let made = DirBuilder::new().mode(0o700).create(directory);
            made.map_err(because)?;
        }
        if !is_in_memory(directory).map_err(because)? {
            return Err(format!(
                "token files cannot be in `{shown}`, which is not a tmpfs"
            ));
        }
        let files = Self(directory.to_owned());
        files.remove_all();
        Ok(files)
    }

    /// Writes the file of an audience, wholly or not at all.
    pub(crate) fn write(&self, audience: &str, token: &str) -> io::Result<()> {
        let path = self.path(audience)?;
        let new = path.with_extension("new");
        forget(&new)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(token.as_bytes())?;
        drop(file);
        std::fs::rename(&new, &path)
    }

    /// Removes the file of an audience, if there is one.
    pub(crate) fn remove(&self, audience: &str) -> io::Result<()> {
        forget(&self.path(audience)?)
    }

    /// Links the file that programs look for by default to that of an audience, or removes the link.
    pub(crate) fn point_at(&self, audience: Option<&str>) -> io::Result<()> {
        let link = self.0.join(TOKEN_FILE);
        let Some(audience) = audience else {
            return forget(&link);
        };
        let target = self.path(audience)?;
        let target = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        if std::fs::read_link(&link).is_ok_and(|found| found == Path::new(target)) {
            return Ok(());
        }
        let new = link.with_extension("new");
        forget(&new)?;
        std::os::unix::fs::symlink(target, &new)?;
        std::fs::rename(new, link)
    }

    /// Removes all of them.
    pub(crate) fn remove_all(&self) {
        let _ = self.point_at(None);
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let path = entry.path();
            let extension = path.extension().and_then(OsStr::to_str);
            if matches!(extension, Some(EXTENSION | "new")) {
                let _ = std::fs::remove_file(path);
            }
        }
    }

    fn path(&self, audience: &str) -> io::Result<PathBuf> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if audience.is_empty() || audience.len() > 100 || !audience.bytes().all(plain) {
            return Err(io::Error::other("its name cannot be that of a file"));
        }
        Ok(self.0.join(audience).with_extension(EXTENSION))
    }
}

fn forget(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
