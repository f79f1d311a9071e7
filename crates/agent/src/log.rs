//! What the agent says goes to the log of its server, and there is little of it.

use std::io::Write as _;

/// Writes one line. Nothing secret may be in it.
pub(crate) fn say(line: &str) {
    // A log that cannot be written to is no reason to give no tokens.
    let _ = writeln!(std::io::stderr(), "jansky agent: {line}");
}
