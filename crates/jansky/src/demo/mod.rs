//! `jansky demo`: everything that is needed to try Jansky, below one directory.
//!
//! It prepares a Python environment with the unmodified single-user server, writes a configuration,
//! makes two accounts with a notebook each, and serves. A second start finds all that and is quick.

mod accounts;
mod package;
mod python;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use jansky_config::Loaded;
use jansky_guard::Place;
use jansky_hub::{Authority, Hub, NewApiToken, Permit};
use jansky_spawn::remove_left_over;
use serde_json::json;
use tracing::warn;

use crate::assemble::is_instance;
use crate::files::{make_private_dir, write_private};
use crate::serve::{Running, listen, load_text, runtime};
use crate::telemetry::{self, say};
use accounts::Account;

/// The notebook that every account of the demo finds in its home.
const NOTEBOOK: &str = include_str!("welcome.ipynb");

/// The name of that notebook.
const NOTEBOOK_NAME: &str = "welcome.ipynb";

/// What can be chosen about the demo.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The port on 127.0.0.1; 0 chooses a free one
    #[arg(long, default_value_t = 8000)]
    port: u16,
    /// Where everything is written [default: jansky-demo in the data directory of this account]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Ask nothing
    #[arg(long)]
    no_input: bool,
    /// Writes address, accounts and an admin token there as JSON once everything answers
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Use this Python environment, which must have the single-user server, instead of making one
    #[arg(long, value_name = "DIR", hide = true)]
    python: Option<PathBuf>,
}

/// Prepares and serves until it is told to end.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if let Some(stale) = &options.ready_file {
        forget(stale)?;
    }
    let home = match &options.home {
        Some(home) => home.clone(),
        None => usual_home()?,
    };
    if options.port != 0 {
        // Now, and not after the minutes in which JupyterLab is prepared.
        listen((Ipv4Addr::LOCALHOST, options.port).into())
            .context("the demo cannot begin; choose another port with --port")?;
    }
    make_private_dir(&home)?;
    let home = home
        .canonicalize()
        .context("could not find the demo's directory")?;
    let python = match &options.python {
        Some(given) => given.clone(),
        None => python::prepare(&home, options.no_input)?,
    };
    let accounts = accounts::load_or_make(&home)?;
    let port = match options.port {
        0 => free_port()?,
        port => port,
    };
    let loaded = configuration(&home, &python, port)?;
    telemetry::begin(&loaded.config.log)?;
    runtime()?.block_on(serve(options, &home, &loaded, &accounts))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn usual_home() -> anyhow::Result<PathBuf> {
    if let Some(data) = std::env::var_os("XDG_DATA_HOME").filter(|data| !data.is_empty()) {
        return Ok(PathBuf::from(data).join("jansky-demo"));
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = home.context("HOME is not set; say with --home DIR where the demo may write")?;
    Ok(PathBuf::from(home).join(".local/share/jansky-demo"))
}

/// Removes what an earlier start has written, so that nobody takes it for news.
fn forget(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("could not remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

/// Servers are told the hub's address, so the port must be known before there is a listener.
fn free_port() -> anyhow::Result<u16> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    Ok(address.context("could not find a free port")?.port())
}

/// Writes the configuration, so that people can read it and go on from it, and reads it as
/// `jansky serve` would.
fn configuration(home: &Path, python: &Path, port: u16) -> anyhow::Result<Loaded> {
    let quoted = |path: &Path| serde_json::Value::from(path.display().to_string()).to_string();
    // Jupyter refuses to run as root unless it is told that this is meant, and so do we.
    let (arguments, root) = if rustix::process::geteuid().is_root() {
        ("[\"--allow-root\"]", "servers_may_run_as_root = true\n")
    } else {
        ("[]", "")
    };
    let text = format!(
        "# Written by `jansky demo` at each start. Copy it to make your own.\n\
         [hub]\n\
         bind = \"127.0.0.1:{port}\"\n\
         data_dir = {data}\n\n\
         [provider.local]\n\
         kind = \"local\"\n\n\
         # Code in a notebook gets a token for this with jansky.token(\"archive\").\n\
         [audience.archive]\n\
         title = \"Archive\"\n\
         source = \"jansky\"\n\
         scopes = [\"archive:read\"]\n\
         allow_all = true\n\n\
         [spawner]\n\
         kind = \"process\"\n\
         command = [{command}]\n\
         arguments = {arguments}\n\
         # Only for trying things out: code in a notebook can do all that Jansky can.\n\
         run_as = \"hub\"\n\
         users_are_trusted_with_everything = true\n\
         {root}\
         environment = {{ PATH = {path} }}\n\
         home_dir = {homes}\n\
         default_url = \"/lab/tree/{NOTEBOOK_NAME}\"\n\
         poll_interval = \"5s\"\n\
         # The first server reads all of JupyterLab from the disk, on a machine that may be busy.\n\
         http_timeout = \"2m\"\n\n\
         [log]\n\
         filter = \"warn\"\n",
        data = quoted(&home.join("data")),
        command = quoted(&python.join("bin/jupyterhub-singleuser")),
        // So that the programs of the environment are found in the terminals of the servers.
        path = serde_json::Value::from(search_path(python)),
        homes = quoted(&home.join("homes/{username}")),
    );
    let path = home.join("jansky.toml");
    write_private(&path, &text)?;
    load_text(&path, text, Vec::new())
}

fn search_path(python: &Path) -> String {
    let own = python.join("bin");
    let usual = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".to_owned());
    format!("{}:{usual}", own.display())
}

async fn serve(
    options: &Options,
    home: &Path,
    loaded: &Loaded,
    accounts: &[Account],
) -> anyhow::Result<()> {
    for account in accounts {
        give_notebook(&home.join("homes").join(account.name))?;
    }
    clear_away();
    let warning = warning(accounts);
    let running = Running::begin(&loaded.config, Some(warning.clone()), None).await?;
    let admin_token = make_accounts(&running.hub, &running.authority, accounts).await?;
    let url = format!("http://{}/", running.address);
    if let Some(path) = &options.ready_file {
        let accounts: Vec<_> = accounts
            .iter()
            .map(|account| {
                json!({
                    "name": account.name,
                    "password": account.password.expose(),
                    "admin": account.admin,
                })
            })
            .collect();
        let ready = json!({ "url": url, "accounts": accounts, "admin_token": admin_token });
        write_private(path, &format!("{ready:#}\n"))?;
    }
    say(&format!("\nJansky is running. Open  {url}  and sign in:\n"));
    for account in accounts {
        let role = if account.admin { "  (admin)" } else { "" };
        say(&format!(
            "  user {:<8} password {}{role}",
            account.name,
            account.password.expose()
        ));
    }
    say(&format!("\n{warning}"));
    say("\nThen start your server and run the notebook that opens. Ctrl-C ends Jansky;");
    say("servers that are running go on and are found again at the next start.");
    // The demo has no place of its own in which it could begin again.
    running.until_told().await.map(|_| ())
}

/// What people must know before they give somebody else an account of the demo.
fn warning(accounts: &[Account]) -> String {
    let others: Vec<&str> = accounts
        .iter()
        .filter(|account| !account.admin)
        .map(|account| account.name)
        .collect();
    let others = others.join(", ");
    let reach = if rustix::process::geteuid().is_root() {
        "as root, so the notebooks of either account can read and change everything on this machine"
    } else {
        "as the account that started it, so the notebooks of either can read and change all files \
         of that account, and everything of Jansky"
    };
    format!(
        "This is a demo: all its servers run {reach}. Give the password of {others} to nobody whom \
         you would not let do that."
    )
}

/// Removes what demos have left in memory that were killed.
fn clear_away() {
    if let Err(error) = remove_left_over(is_instance) {
        warn!(%error, "could not remove what an earlier demo has left in memory");
    }
}

/// Makes the accounts, and a token with which scripts can be the admin until the next start.
async fn make_accounts(
    hub: &Hub,
    operator: &Authority,
    accounts: &[Account],
) -> anyhow::Result<String> {
    let mut token = None;
    for account in accounts {
        let name = account.name.parse()?;
        let user = hub
            .people
            .set_account(operator, &name, account.password.clone(), account.admin)
            .await?;
        if account.admin {
            for old in hub
                .people
                .tokens_of(&Permit::granted(operator, operator, user.clone()))
                .await?
            {
                if old.note == accounts::TOKEN_NOTE {
                    hub.people
                        .revoke_token(&Permit::granted(operator, operator, user.clone()), old.id)
                        .await?;
                }
            }
            let request = NewApiToken {
                note: accounts::TOKEN_NOTE.to_owned(),
                ..NewApiToken::default()
            };
            let (_, secret) = hub
                .people
                .create_token(&Permit::granted(operator, operator, user.clone()), request)
                .await?;
            token = Some(secret.expose().to_owned());
        }
    }
    token.context("the demo has no admin account")
}

/// Puts the notebook into a home unless its owner has one already.
fn give_notebook(home: &Path) -> anyhow::Result<()> {
    let place = Place::make(home, 0o700)
        .with_context(|| format!("could not make the directory `{}`", home.display()))?;
    match place.write_new(NOTEBOOK_NAME, NOTEBOOK.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            let path = home.join(NOTEBOOK_NAME);
            Err(error).with_context(|| format!("could not write `{}`", path.display()))
        }
        _ => Ok(()),
    }
}
