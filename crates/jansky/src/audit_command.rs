//! `jansky audit`: the record of what was done with tokens.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jansky_hub::check_audit;
use jansky_store::Store;

use crate::cli::ConfigFile;
use crate::demo::usual_home;
use crate::serve::{load, runtime};
use crate::telemetry::say;

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Check that nobody has changed, removed or added an entry; the hub may be running
    Verify(Place),
}

/// Whose record it is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The directory of a demo [default: the usual one, when there is no configuration file]
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    home: Option<PathBuf>,
    /// The configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    fn file(&self) -> anyhow::Result<PathBuf> {
        const NAME: &str = "jansky.toml";
        if let Some(config) = &self.config {
            return Ok(config.clone());
        }
        if let Some(home) = &self.home {
            return Ok(home.join(NAME));
        }
        let here = PathBuf::from(NAME);
        Ok(if here.exists() {
            here
        } else {
            usual_home()?.join(NAME)
        })
    }
}

/// Does what is asked; a record that is not whole is status 1.
pub(crate) fn run(action: &Action) -> anyhow::Result<ExitCode> {
    let Action::Verify(place) = action;
    let loaded = load(&ConfigFile {
        config: place.file()?,
        settings: Vec::new(),
    })?;
    let url = loaded
        .config
        .database_url()
        .context("database.url cannot be read")?;
    let check = runtime()?.block_on(async {
        let store = Store::open_to_read(url.expose())?;
        let check = check_audit(&store).await;
        store.close().await;
        anyhow::Ok(check?)
    })?;
    say(&format!("{} entries", check.events));
    if let Some((seq, problem)) = check.broken {
        say(&format!("broken at entry {seq}: {problem}"));
        return Ok(ExitCode::FAILURE);
    }
    if check.events > 0 {
        say(&format!(
            "whole; the hash of entry {} is {}",
            check.events, check.last
        ));
    }
    Ok(ExitCode::SUCCESS)
}
