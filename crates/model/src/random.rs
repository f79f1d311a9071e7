//! Randomness as an input.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::Secret;

/// A source of unpredictable bytes, handed in so that tests can choose it.
pub trait Random: Send + Sync {
    /// Fills `bytes` with random values.
    fn fill(&self, bytes: &mut [u8]);

    /// 256 random bits as 43 characters of base64url.
    fn text(&self) -> String {
        let mut bytes = [0; 32];
        self.fill(&mut bytes);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// 128 random bits as 32 hexadecimal digits: the form of JupyterHub's session ids.
    fn hex_id(&self) -> String {
        use std::fmt::Write as _;

        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes
            .iter()
            .fold(String::with_capacity(32), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }

    /// A new secret with 256 random bits, beginning with `prefix`, so that a leaked one can be
    /// recognized by a scanner.
    fn secret(&self, prefix: &str) -> Secret {
        Secret::new(format!("{prefix}{}", self.text()))
    }
}
