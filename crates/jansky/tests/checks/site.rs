//! A house with a scripted provider beside it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use jansky_model::SystemClock;
use jansky_testing::ScriptedProvider;
use jansky_testing::provider::{CLIENT_ID, CLIENT_SECRET};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use crate::house::{House, Hub};
use crate::person::PROVIDER;

/// The keys of a provider that lets everybody in.
pub(crate) const EVERYBODY: &str = "allow_all = true\n";

/// Where a hub lives, and the provider at which its people sign in.
pub(crate) struct Site {
    pub(crate) house: House,
    pub(crate) op: ScriptedProvider,
}

impl Site {
    /// One that lets everybody in who has an account at the provider.
    pub(crate) async fn new() -> Self {
        Self::with(EVERYBODY).await
    }

    /// One whose provider has these keys besides those that every provider has.
    pub(crate) async fn with(keys: &str) -> Self {
        let site = Self {
            house: House::new(),
            op: scripted_provider().await,
        };
        site.add_provider(PROVIDER, &site.op, keys);
        site
    }

    /// Adds a scripted provider to the configuration.
    pub(crate) fn add_provider(&self, id: &str, provider: &ScriptedProvider, keys: &str) {
        add_oidc(
            &self.house,
            id,
            "oidc",
            [&provider.issuer, CLIENT_ID, CLIENT_SECRET],
            keys,
        );
    }

    /// Adds text to the configuration.
    pub(crate) fn configure(&self, text: &str) {
        configure(&self.house, text);
    }

    /// Puts everything into a new PostgreSQL database, so that several processes can share it.
    pub(crate) async fn on_postgres(self) -> Self {
        let url = jansky_store::testing::new_postgres_database("checks").await;
        self.configure(&format!(
            "[database]\nurl = \"{url}\"\nunsafe_several_processes = true\n"
        ));
        self
    }

    /// Puts everything into a new PostgreSQL database behind a line that can be cut.
    pub(crate) async fn on_a_line_to_postgres(&self) -> Line {
        let url = jansky_store::testing::new_postgres_database("checks").await;
        let mut url = Url::parse(&url).expect("an address");
        let server = url.socket_addrs(|| Some(5432)).expect("the server's");
        let line = Line::to(server[0]).await;
        url.set_port(Some(line.port)).expect("it can have one");
        self.configure(&format!("[database]\nurl = \"{url}\"\n"));
        line
    }

    pub(crate) async fn start(&self) -> Hub<'_> {
        self.start_with(&[]).await
    }

    /// Starts a hub with settings on the command line.
    pub(crate) async fn start_with(&self, settings: &[&str]) -> Hub<'_> {
        self.house.start(settings).await
    }
}

/// A way to a server that can be cut and mended, or made to lead to another one.
pub(crate) struct Line {
    pub(crate) port: u16,
    server: SocketAddr,
    leads_to: watch::Sender<Option<SocketAddr>>,
}

impl Line {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it is bound").port();
        let leads_to = watch::Sender::new(Some(server));
        let mut watched = leads_to.subscribe();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let Some(server) = *watched.borrow_and_update() else {
                    continue;
                };
                let mut watched = watched.clone();
                tokio::spawn(async move {
                    let carry = async {
                        let mut server = TcpStream::connect(server).await?;
                        tokio::io::copy_bidirectional(&mut client, &mut server).await
                    };
                    tokio::select! {
                        biased;
                        _ = watched.changed() => {}
                        _ = carry => {}
                    }
                });
            }
        });
        Self {
            port,
            server,
            leads_to,
        }
    }

    /// Ends all connections, and all that are made from now on.
    pub(crate) fn cut(&self) {
        self.leads_to.send_replace(None);
    }

    pub(crate) fn mend(&self) {
        self.leads_to.send_replace(Some(self.server));
    }

    /// Ends all connections; new ones lead to another server.
    pub(crate) fn lead_to(&self, server: SocketAddr) {
        self.leads_to.send_replace(Some(server));
    }
}

/// Where the hub that was started last listens, whatever address people use: as its log says.
pub(crate) fn address(hub: &Hub<'_>) -> SocketAddr {
    let log = hub.house.said("stderr");
    let mut words = log.split_whitespace().rev();
    let address = words.find_map(|word| word.strip_prefix("address="));
    let address = address.expect("it said where it listens");
    address.parse().expect("an address")
}

/// A scripted provider that goes by the time of the machine.
pub(crate) async fn scripted_provider() -> ScriptedProvider {
    ScriptedProvider::start(Arc::new(SystemClock)).await
}

/// Adds text to a house's configuration.
pub(crate) fn configure(house: &House, text: &str) {
    let file = std::fs::OpenOptions::new()
        .append(true)
        .open(house.config());
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("the configuration is ours");
}

/// Adds an OpenID Connect provider: issuer, client and secret, and further keys.
pub(crate) fn add_oidc(house: &House, id: &str, kind: &str, client: [&str; 3], keys: &str) {
    let [issuer, client_id, secret] = client;
    let path = house.path().join(format!("secret-of-{id}"));
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    file.open(&path)
        .and_then(|mut file| file.write_all(secret.as_bytes()))
        .expect("a file of ours");
    let mut text = String::new();
    let _ = write!(
        text,
        "[provider.{id}]\n\
         kind = \"{kind}\"\n\
         issuer = \"{issuer}\"\n\
         client_id = \"{client_id}\"\n\
         client_secret = {{ file = \"{}\" }}\n\
         {keys}\n",
        path.display()
    );
    configure(house, &text);
}

/// Asks again and again until `look` finds something, for at most this long; then fails with
/// `what`. Returns how long it took.
pub(crate) async fn within(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> bool,
) -> Duration {
    let began = Instant::now();
    loop {
        if look().await {
            return began.elapsed();
        }
        assert!(began.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
