//! `jansky config`: check, show and document the configuration.

use std::process::ExitCode;

use clap::Subcommand;

use crate::cli::ConfigFile;
use crate::explain_login;
use crate::serve::load;
use crate::telemetry::say;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Report every mistake in the configuration
    Check(ConfigFile),
    /// Show every value and where it comes from, without secrets
    Show(ConfigFile),
    /// Say step by step why somebody with these claims gets in or not, and with what
    ExplainLogin(explain_login::Options),
    /// Print the JSON schema of the configuration
    Schema,
    /// Print the reference of the configuration as Markdown
    Reference,
}

pub(crate) fn run(action: &Action) -> anyhow::Result<ExitCode> {
    match action {
        Action::Check(file) => {
            let loaded = load(file)?;
            for warning in &loaded.warnings {
                say(&warning.to_string());
            }
            let unreadable = loaded.unreadable_secrets();
            for problem in &unreadable {
                say(&problem.to_string());
            }
            if !unreadable.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
            say(&format!("{}: no mistakes", file.config.display()));
        }
        Action::Show(file) => say(load(file)?.show().trim_end()),
        Action::ExplainLogin(options) => return explain_login::run(options),
        Action::Schema => say(jansky_config::schema().trim_end()),
        Action::Reference => say(jansky_config::reference().trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}
