//! Logs, and what the program says on the terminal.

use std::io::{IsTerminal as _, Write as _};

use jansky_config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Begins to log as the configuration says. Only the first call in a process counts.
pub(crate) fn begin(log: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.filter)
        .map_err(|error| anyhow::anyhow!("log.filter: `{}` is no filter: {error}", log.filter))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let begun = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // A second call in one process (the demo serves) keeps the first log.
    drop(begun);
    Ok(())
}

/// Says something to the person at the terminal.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may be listening any more; that is no reason to stop.
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Says why the program ends, with the causes.
pub(crate) fn say_error(error: &anyhow::Error) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "error: {error}");
    for cause in error.chain().skip(1) {
        let _ = writeln!(err, "  because: {cause}");
    }
}
