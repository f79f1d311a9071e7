//! Cuts open connections to a server when the session or token of their visitor ends.
//!
//! A server asks who a visitor is when a connection begins and never again, so a `WebSocket` would
//! outlive the session. The proxy asks for a [`Revocation`] for each connection that may last, and cuts
//! the connection when it resolves: when the session or token has ended, in whichever process, or no
//! longer gives access to this server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, select_all};
use jansky_crypto::Digest;
use jansky_crypto::token::{MAX_TOKEN_LENGTH, digest_text};
use jansky_model::scope::Target;
use jansky_model::{Scope, UserId};
use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use crate::servers::Servers;
use crate::shared::error::HubError;
use jansky_access::SharedActor;

/// How often a credential is looked at without a change: sessions and tokens also expire.
const BETWEEN_LOOKS: Duration = Duration::from_mins(5);

/// How long after the end of a session in the database it is noted in memory at the latest.
const A_MOMENT: Duration = Duration::from_millis(200);

/// When to look again after the database did not answer.
const RETRY: Duration = Duration::from_secs(1);

/// How many watches are kept before those without an open connection are dropped.
const MANY: usize = 1_000;

/// Resolves when the connection has to be cut.
pub type Revocation = BoxFuture<'static, ()>;

/// The possible credentials in a visitor's request to a server. Those that are not of this hub are
/// ignored.
#[derive(Clone, Debug, Default)]
pub struct VisitorCredentials {
    /// Ids of browser sessions.
    pub session_ids: Vec<String>,
    /// Tokens, from wherever servers take them.
    pub tokens: Vec<String>,
}

/// A credential with which a connection was opened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Credential {
    Session(String),
    Token(Digest),
}

/// A credential with the server that it opens: owner and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct WatchedAccess {
    credential: Credential,
    owner: String,
    server: String,
}

/// Lasts as long as a connection needs it.
struct Watch {
    is_revoked: CancellationToken,
    _unused: DropGuard,
}

/// The watched credentials of all open connections.
#[derive(Default)]
pub(crate) struct CredentialWatches(Mutex<HashMap<WatchedAccess, Weak<Watch>>>);

impl CredentialWatches {
    fn watches(&self) -> MutexGuard<'_, HashMap<WatchedAccess, Weak<Watch>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look at a credential found.
enum CredentialState {
    Good(UserId),
    /// It is not, or no longer, one of this hub.
    Unknown,
    /// It does not open the server any more.
    Closed,
}

impl Servers {
    /// Watches the credentials of a connection to a server; `None` when its request had none that could
    /// be of this hub. If there are several, the first one that ends resolves it.
    ///
    /// The watching happens on `runtime`; this function does not wait.
    pub fn revocation(
        self: &Arc<Self>,
        owner: &str,
        server: &str,
        credentials: VisitorCredentials,
        runtime: &Handle,
    ) -> Option<Revocation> {
        let sessions = credentials.session_ids.into_iter().map(Credential::Session);
        let tokens = credentials.tokens.iter();
        let tokens = tokens.filter(|token| !token.is_empty() && token.len() <= MAX_TOKEN_LENGTH);
        let tokens = tokens.map(|token| Credential::Token(digest_text(token)));
        let watches: Vec<_> = sessions
            .chain(tokens)
            .map(|credential| {
                let access = WatchedAccess {
                    credential,
                    owner: owner.to_owned(),
                    server: server.to_owned(),
                };
                let watch = self.watch(access, runtime);
                async move { watch.is_revoked.cancelled().await }.boxed()
            })
            .collect();
        if watches.is_empty() {
            return None;
        }
        Some(select_all(watches).map(|_| ()).boxed())
    }

    /// The line of a hold; watched from now on if it is a new one.
    fn watch(self: &Arc<Self>, access: WatchedAccess, runtime: &Handle) -> Arc<Watch> {
        let mut watches = self.credential_watches.watches();
        if let Some(watch) = watches.get(&access).and_then(Weak::upgrade)
            && !watch.is_revoked.is_cancelled()
        {
            return watch;
        }
        if watches.len() > MANY {
            watches.retain(|_, watch| watch.strong_count() > 0);
        }
        let (is_revoked, unused) = (CancellationToken::new(), CancellationToken::new());
        let watch = Arc::new(Watch {
            is_revoked: is_revoked.clone(),
            _unused: unused.clone().drop_guard(),
        });
        watches.insert(access.clone(), Arc::downgrade(&watch));
        let servers = Arc::clone(self);
        let watching = async move {
            tokio::select! {
                () = servers.until_revoked(&access) => {
                    info!(server.owner = access.owner, server.name = access.server,
                        "cut open connections: what they hung on has ended");
                    is_revoked.cancel();
                }
                () = unused.cancelled() => {}
                () = servers.stopping.cancelled() => {}
            }
        };
        self.tasks.spawn_on(watching, runtime);
        watch
    }

    /// Waits for the end of a hold; for ever if it is none of this hub.
    async fn until_revoked(self: &Arc<Self>, access: &WatchedAccess) {
        let mut changes = None;
        loop {
            match self.credential_state(access).await {
                Ok(CredentialState::Good(user)) => {
                    let first = changes.is_none();
                    let changes = changes.get_or_insert_with(|| self.signals.listen(user));
                    if first {
                        // What changed before anybody listened is found by another look.
                        continue;
                    }
                    let _ = tokio::time::timeout(BETWEEN_LOOKS, changes.changed()).await;
                }
                Ok(CredentialState::Unknown) if changes.is_none() => {
                    // One that ended at this very moment is noted a moment later.
                    tokio::time::sleep(A_MOMENT).await;
                    if !self.has_just_ended(access) {
                        std::future::pending::<()>().await;
                    }
                    return;
                }
                Ok(CredentialState::Unknown | CredentialState::Closed) => return,
                // Nothing is cut because the database does not answer.
                Err(error) => {
                    warn!(error = %error, "could not look whether an open connection may go on");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    fn has_just_ended(&self, access: &WatchedAccess) -> bool {
        match &access.credential {
            Credential::Session(id) => self.ended.contains(id),
            Credential::Token(_) => false,
        }
    }

    async fn credential_state(
        self: &Arc<Self>,
        access: &WatchedAccess,
    ) -> Result<CredentialState, HubError> {
        let actor: Option<SharedActor> = match &access.credential {
            Credential::Session(id) => self.access.by_session_id(id).await?,
            Credential::Token(digest) => self.access.by_digest(*digest).await?,
        };
        let Some(actor) = actor else {
            return Ok(CredentialState::Unknown);
        };
        match self.people.must_be_good(&actor).await {
            Ok(()) => {}
            Err(HubError::SignInAgain(_)) => return Ok(CredentialState::Closed),
            Err(error) => return Err(error),
        }
        let target = Target::Server(&access.owner, &access.server);
        Ok(if actor.may(Scope::ACCESS_SERVERS, target) {
            CredentialState::Good(actor.user.id)
        } else {
            CredentialState::Closed
        })
    }
}
