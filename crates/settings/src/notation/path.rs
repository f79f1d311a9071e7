//! Paths of files and directories.

use std::path::PathBuf;

use super::Notation;

/// Paths are absolute, since a service has no working directory that an operator could guess.
impl Notation for PathBuf {
    const FORMAT: &'static str = "absolute-path";
    const MEANING: &'static str = "an absolute path";
    const ADVICE: &'static str = "write a path that begins with \"/\"";

    fn read(text: &str) -> Result<Self, String> {
        if text.starts_with('/') && !text.contains('\0') {
            Ok(Self::from(text))
        } else {
            Err(Self::ADVICE.to_owned())
        }
    }

    fn write(&self) -> String {
        self.display().to_string()
    }
}
