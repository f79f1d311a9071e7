//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::{audit_command, config_command, demo, doctor, serve, token_command};

/// The role in which the program becomes a single-user server; not for people.
pub(crate) const LAUNCH: &str = "launch";

/// The role in which the program asks PAM about one password; not for people.
pub(crate) const PAM: &str = "ask-pam";

/// The role in which the program hands out tokens beside a server; not for people.
pub(crate) const AGENT: &str = "agent";

/// A science gateway: sign-in, JupyterLab, tokens and an archive in one program.
#[derive(Debug, Parser)]
#[command(name = "jansky", version, about, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try Jansky on this machine: prepares everything below one directory and starts it
    Demo(demo::Options),
    /// Run the hub and its proxy with a configuration
    Serve(ConfigFile),
    /// Check, show and document the configuration
    Config {
        #[command(subcommand)]
        action: config_command::Action,
    },
    /// Look at the machine and the configuration and say what to do
    Doctor(ConfigFile),
    /// The keys that seal the tokens of identity providers
    Keys {
        #[command(subcommand)]
        action: KeysAction,
    },
    /// The record of what was done with tokens
    Audit {
        #[command(subcommand)]
        action: audit_command::Action,
    },
    /// Print an access token for a service; inside of a server only
    Token(token_command::Options),
    /// Become a single-user server (internal)
    #[command(hide = true, name = LAUNCH)]
    Launch,
    /// Ask PAM about one password (internal)
    #[command(hide = true, name = PAM)]
    AskPam,
    /// Hand out tokens beside a server; a spawner starts it (internal)
    #[command(hide = true, name = AGENT)]
    Agent,
}

#[derive(Debug, Subcommand)]
enum KeysAction {
    /// Make a new key the active one; the running hub seals everything again at its next start
    Rotate(ConfigFile),
}

/// The command line of this very program in one of its roles.
pub(crate) fn ourselves(role: &str) -> Vec<String> {
    // Through /proc the program is found also after an upgrade has replaced its file.
    vec!["/proc/self/exe".to_owned(), role.to_owned()]
}

/// Where the configuration comes from.
#[derive(Clone, Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "jansky.toml")]
    pub(crate) config: PathBuf,
    /// Sets one key, for example `hub.bind=127.0.0.1:9000`; may be given several times
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(crate) settings: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("`{text}` is not KEY=VALUE, as in `hub.bind=127.0.0.1:9000`"))?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Does what the command line asks for.
pub(crate) fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Demo(options) => demo::run(&options),
        Command::Serve(file) => serve::run(&file),
        Command::Config { action } => config_command::run(&action),
        Command::Doctor(file) => doctor::run(&file),
        Command::Keys {
            action: KeysAction::Rotate(file),
        } => serve::rotate_keys(&file),
        Command::Audit { action } => audit_command::run(&action),
        Command::Token(options) => token_command::run(&options),
        Command::Launch => anyhow::bail!("`{LAUNCH}` must be the first argument"),
        Command::AskPam => anyhow::bail!("`{PAM}` must be the first argument"),
        Command::Agent => anyhow::bail!("`{AGENT}` must be the first argument"),
    }
}
