//! The role of our program that becomes a server.

/// Reads from standard input what to become, and becomes it; returns only when that failed.
pub fn run() -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
