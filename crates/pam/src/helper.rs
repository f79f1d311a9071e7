//! The role of our program that asks PAM.

use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

use zeroize::Zeroizing;

use crate::{Outcome, Request, check};

/// The most that a request may have.
const LIMIT: u64 = 64 << 10;

/// Reads one [`Request`] from standard input, asks PAM, and writes the [`Outcome`] to standard
/// output.
pub fn run() -> ExitCode {
    let outcome = match read() {
        Ok(request) => check(request),
        Err(error) => Outcome::Trouble(format!("the request cannot be read: {error}")),
    };
    let written = serde_json::to_vec(&outcome).map_err(io::Error::other);
    match written.and_then(|text| io::stdout().write_all(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn read() -> io::Result<Request> {
    let mut text = Zeroizing::new(Vec::new());
    io::stdin().take(LIMIT).read_to_end(&mut text)?;
    // The message of the parser could repeat a part of the password.
    serde_json::from_slice(&text).map_err(|_| io::Error::other("it is not the document expected"))
}
