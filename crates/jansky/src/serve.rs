//! Running: from a configuration to an open port, and to an orderly end.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use jansky_config::{Config, Input, Loaded, Written};
use jansky_crypto::SystemRandom;
use jansky_hub::{Authority, Hub};
use jansky_model::{Clock, SystemClock};
use jansky_proxy::{Listener, Proxy, ProxySettings, Route, Routes, Target};
use jansky_store::{DatabaseLock, Store};
use jansky_web::{Policies, Web};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::cli::ConfigFile;
use crate::front::{HubPages, ProxyRoutes, local_service, proxy_metrics};
use crate::server_requests::ForServers;
use crate::sockets::{self, Again};
use crate::telemetry::say;
use crate::{assemble, descriptors, files, telemetry, tls};

/// How long the end of the process waits for its own tasks.
const TASK_PATIENCE: Duration = Duration::from_secs(2);

/// How long it waits for servers that it was asked to stop.
const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// Reads a configuration file, with the environment and `--set` over it.
pub(crate) fn load(file: &ConfigFile) -> anyhow::Result<Loaded> {
    let path = &file.config;
    let text = std::fs::read_to_string(path).with_context(|| {
        format!(
            "could not read the configuration `{}`; give --config FILE",
            path.display()
        )
    })?;
    load_text(path, text, file.settings.clone())
}

/// Reads a configuration from its text.
pub(crate) fn load_text(
    path: &Path,
    text: String,
    settings: Vec<(String, String)>,
) -> anyhow::Result<Loaded> {
    let input = Input {
        file_name: path.display().to_string(),
        text,
        environment: std::env::vars().collect(),
        settings,
    };
    Ok(jansky_config::load(&input)?)
}

/// `jansky serve`
pub(crate) fn run(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let loaded = load(file)?;
    telemetry::begin(&loaded.config.log)?;
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let unreadable = loaded.unreadable_secrets();
    if !unreadable.is_empty() {
        return Err(jansky_config::Problems(unreadable).into());
    }
    let socket = sockets::handed_over()?;
    let again = Again::as_started()?;
    let ended = runtime()?.block_on(async {
        let running = Running::begin(&loaded.config, None, socket).await?;
        running.announce().await?;
        running.until_told().await
    })?;
    match ended {
        Ended::ForGood => Ok(ExitCode::SUCCESS),
        Ended::ToBeginAgain(socket) => Err(again.begin(socket)),
    }
}

/// `jansky keys rotate`
pub(crate) fn rotate_keys(file: &ConfigFile) -> anyhow::Result<ExitCode> {
    let loaded = load(file)?;
    let ring = files::rotate_sealing_keys(&loaded.config.hub.data_dir, &SystemRandom)?;
    say(&format!(
        "The key `{}` seals from now on. Restart the hub: it seals again",
        ring.active_id()
    ));
    say("what older keys sealed, and goes on opening with them.");
    Ok(ExitCode::SUCCESS)
}

/// The runtime of the hub.
///
/// The proxy has a thread for each CPU, which also begin what is asked of the hub; half as many more
/// go on with what has to wait. With as many as there are CPUs, each piece of work would wake two.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cpus.div_ceil(2))
        .enable_all()
        .build()
        .context("could not start the runtime")
}

/// How a hub has ended.
pub(crate) enum Ended {
    /// It was told to end.
    ForGood,
    /// It was told to begin again (`SIGUSR2`), on this socket.
    ToBeginAgain(TcpListener),
}

/// A hub with its proxy, listening.
pub(crate) struct Running {
    pub(crate) hub: Arc<Hub>,
    /// Over the hub: what the command line does is bounded by nothing.
    pub(crate) authority: Authority,
    store: Arc<Store>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where people find it.
    pub(crate) url: String,
    config: Config,
    shutdown: CancellationToken,
    stop_servers: Arc<AtomicBool>,
    hold: Option<DatabaseLock>,
    /// `SIGUSR2`: to begin again.
    restart: Signal,
    /// Open until the end, for a next run in this place.
    socket: TcpListener,
    proxy: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Opens the port and the database, takes up where the last process left off, and serves, with an
    /// announcement on all pages. A `socket` that somebody else has opened is listened on instead.
    pub(crate) async fn begin(
        config: &Config,
        announcement: Option<String>,
        socket: Option<TcpListener>,
    ) -> anyhow::Result<Self> {
        // Until somebody waits for it, it would end the process.
        let restart = signal(SignalKind::user_defined2())?;
        // The port comes before the rest: with it taken, nothing else is touched.
        let socket = match socket {
            Some(socket) => socket,
            None => listen(*config.hub.bind.get())?,
        };
        let kept = socket.try_clone().context("could not keep the socket")?;
        let address = socket
            .local_addr()
            .context("could not read the listener's address")?;
        // With port 0 the system has chosen one, and all addresses that people and servers get
        // follow from it.
        let config = &Config {
            hub: jansky_config::Hub {
                bind: Written(address),
                ..config.hub.clone()
            },
            ..config.clone()
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let shutdown = CancellationToken::new();
        let tls = config.tls.as_ref();
        let tls = tls
            .map(|tls| tls::serve(tls, &clock, &shutdown))
            .transpose()?;
        let (store, hold) = assemble::open_store(config).await?;
        let routes = Routes::new();
        let table = Arc::new(ProxyRoutes::new(routes.clone(), Arc::clone(&clock)));
        let kept_store = Arc::clone(&store);
        let (hub, authority) = assemble::hub(config, store, Arc::clone(&clock), table).await?;
        let stop_servers = Arc::new(AtomicBool::new(config.hub.stop_servers_on_exit));
        let proxy = Proxy::new(routes.clone(), proxy_settings(config), Arc::clone(&clock));
        let stats = Arc::clone(proxy.stats());
        let web = Arc::new(Web {
            key: files::signing_key(&config.hub.data_dir, &SystemRandom)?,
            hub: Arc::clone(&hub),
            renderer: jansky_web::render::Renderer::new(None)?,
            site_name: "Jansky".to_owned(),
            announcement,
            authenticate_metrics: config.hub.authenticate_metrics,
            more_metrics: Some(Box::new(move || proxy_metrics(&stats))),
            on_shutdown: Some(on_shutdown(&shutdown, &stop_servers)),
            policies: Policies::new(hub.settings()),
            told_of_base: AtomicBool::new(false),
        });
        let router = jansky_web::router(Arc::clone(&web));
        let to_hub = Route::new("/", Target::Local(local_service(router)), clock.now())?;
        routes.add(to_hub);
        let filter = ForServers::new(&hub, config);
        let proxy = proxy
            .with_pages(Arc::new(HubPages(web)))
            .with_filter(Arc::new(filter));
        hub.servers.resume().await?;
        hub.spawn_housekeeping();
        hub.spawn_listening().await?;
        hub.spawn_sealing_again();
        let listener = Listener { socket, tls };
        let token = shutdown.clone();
        let proxy = tokio::spawn(async move {
            let drained = jansky_proxy::serve(vec![listener], proxy, token).await?;
            if drained.cut > 0 {
                warn!(
                    connections = drained.cut,
                    "cut connections at the end of the drain"
                );
            }
            Ok(())
        });
        let url = config.public_url().to_string();
        info!(%address, %url, "listening");
        Ok(Self {
            hub,
            authority,
            store: kept_store,
            address,
            url,
            config: config.clone(),
            shutdown,
            stop_servers,
            hold,
            restart,
            socket: kept,
            proxy,
        })
    }

    /// Says on the terminal where to go, and how the first admin comes in.
    pub(crate) async fn announce(&self) -> anyhow::Result<()> {
        let url = &self.url;
        let mut lines = vec![format!("Jansky is running at {url}")];
        let has_local = self.hub.people.local_accounts().is_some();
        if has_local && let Some(code) = self.hub.people.first_admin_code(&self.authority).await? {
            let code = code.expose();
            lines.push("There is no admin yet. Make the first account within a day at".to_owned());
            lines.push(format!("  {url}hub/setup?code={code}"));
        }
        // In one piece, so that a program that reads it does not miss the link.
        say(&lines.join("\n"));
        Ok(())
    }

    /// Serves until a signal or the API says otherwise, and ends in order.
    pub(crate) async fn until_told(self) -> anyhow::Result<Ended> {
        let Self {
            hub,
            authority,
            store,
            shutdown,
            stop_servers,
            mut proxy,
            mut hold,
            mut restart,
            socket,
            config,
            ..
        } = self;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let lost = async {
            match &mut hold {
                Some(hold) => hold.lost().await,
                None => std::future::pending().await,
            }
        };
        let (mut taken, mut is_restart) = (None, false);
        let ended_early = tokio::select! {
            _ = terminate.recv() => None,
            _ = interrupt.recv() => None,
            _ = restart.recv() => {
                is_restart = true;
                None
            }
            () = shutdown.cancelled() => None,
            ended = &mut proxy => Some(ended),
            by = lost => {
                taken = Some(by);
                None
            }
        };
        info!("ending");
        // The servers of a database that somebody else has taken are theirs.
        if stop_servers.load(Ordering::SeqCst) && taken.is_none() && !is_restart {
            hub.servers
                .stop_all_servers(&authority, STOP_PATIENCE)
                .await?;
        }
        shutdown.cancel();
        hub.stopping().cancel();
        let drained = if let Some(ended) = ended_early {
            ended
        } else {
            tokio::select! {
                ended = &mut proxy => ended,
                // A second signal does not wait for the drain.
                _ = terminate.recv() => { proxy.abort(); Ok(Ok(())) }
                _ = interrupt.recv() => { proxy.abort(); Ok(Ok(())) }
            }
        };
        hub.shut_down_process(TASK_PATIENCE).await;
        store.close().await;
        drop((config, hold));
        if let Some(taken) = taken {
            return Err(taken.into());
        }
        drained.context("the proxy ended")??;
        Ok(if is_restart {
            Ended::ToBeginAgain(socket)
        } else {
            Ended::ForGood
        })
    }
}

fn on_shutdown(
    shutdown: &CancellationToken,
    stop_servers: &Arc<AtomicBool>,
) -> Box<dyn Fn(bool) + Send + Sync> {
    let (shutdown, stop_servers) = (shutdown.clone(), Arc::clone(stop_servers));
    Box::new(move |servers| {
        stop_servers.fetch_or(servers, Ordering::SeqCst);
        shutdown.cancel();
    })
}

/// Opens the port, or says who is in the way.
pub(crate) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    use std::io::ErrorKind;

    TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow::anyhow!(
            "hub.bind: {address} is in use by another program; choose another port or end it"
        ),
        ErrorKind::PermissionDenied => anyhow::anyhow!(
            "hub.bind: this account may not listen on {address}; choose a port above 1023"
        ),
        ErrorKind::AddrNotAvailable => {
            anyhow::anyhow!("hub.bind: {address} is not an address of this machine")
        }
        _ => anyhow::Error::new(error).context(format!("could not listen on {address}")),
    })
}

fn proxy_settings(config: &Config) -> ProxySettings {
    ProxySettings {
        trusted_proxies: config.hub.trusted_proxies.iter().map(|net| **net).collect(),
        connection_limit: descriptors::connections(),
        ..ProxySettings::new(&config.proxy)
    }
}
