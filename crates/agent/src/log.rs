//! The agent writes to standard error, which is the log of its server; so it writes little.

use std::io::Write as _;

/// Writes one line. Nothing secret may be in it.
pub(crate) fn say(line: &str) {
    // A log that cannot be written to is no reason to give no tokens.
    let _ = writeln!(std::io::stderr(), "jansky agent: {line}");
}
