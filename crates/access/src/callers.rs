//! From a cookie or a token to an [`Actor`].
//!
//! The answer is kept for [`REMEMBERED_FOR`], so that the many checks of running servers cost no
//! query; whatever changes a user's rights or credentials calls [`Access::forget`], so that the
//! change holds at once in this process.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jansky_crypto::Digest;
use jansky_crypto::token::{MAX_TOKEN_LENGTH, digest_text};
use jansky_model::{Clock, ProviderId, ScopeSet, Timestamp, UserId};
use jansky_store::{
    GrantState, Server, Session, Share, Store, StoreError, TokenId, TokenKind, User,
};
use moka::sync::Cache;

use crate::action::Action;
use crate::actor::{
    Actor, Credential, Members, SharedActor, groups_in, shared_scopes, written_scopes,
};
use crate::entering::without_entering_others;
use crate::error::AccessError;
use crate::on_behalf_of::{Authority, OnBehalfOf};
use crate::permit::{Answer, Permit, Subject};
use crate::roles::Roles;

/// How long an answer is kept; also the bound after which another process sees a change.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(30);

/// How many answers are kept.
const CAPACITY: u64 = 50_000;

/// A remembered answer, valid as long as the user's generation has not moved. One that depends on who
/// is in a group is valid as long as nobody's rights have changed.
#[derive(Clone)]
struct Remembered {
    actor: SharedActor,
    generation: u64,
    changes: u64,
    expires_at: Option<Timestamp>,
}

/// Who else remembers something that changes with what people may do.
pub trait Listener: Send + Sync {
    /// The rights or credentials of a user have changed.
    fn forget(&self, user: UserId);

    /// Anybody's may have.
    fn forget_everyone(&self);
}

/// Finds out who a caller is and what they may do.
pub struct Access {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    roles: Roles,
    listener: Arc<dyn Listener>,
    /// The local accounts, if all of them have to have a second factor.
    second_factor_of_all: Option<ProviderId>,
    /// Whether servers get tokens, so that nobody may enter one of somebody else unseen.
    guards_tokens: bool,
    remembered: Cache<Digest, Remembered>,
    generations: Mutex<HashMap<UserId, u64>>,
    changes: AtomicU64,
    used: Mutex<HashMap<TokenId, Timestamp>>,
    seen: Mutex<HashMap<UserId, Timestamp>>,
}

impl Access {
    /// Begins to remember callers of a hub. Whoever runs that hub gets the [`Authority`] over it.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        roles: Roles,
        listener: Arc<dyn Listener>,
        second_factor_of_all: Option<ProviderId>,
        guards_tokens: bool,
    ) -> (Self, Authority) {
        let access = Self {
            store,
            clock,
            roles,
            listener,
            second_factor_of_all,
            guards_tokens,
            remembered: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(REMEMBERED_FOR)
                .build(),
            generations: Mutex::default(),
            changes: AtomicU64::new(0),
            used: Mutex::default(),
            seen: Mutex::default(),
        };
        (access, Authority(()))
    }

    /// Asks whether somebody may do something to what `name` names, and finds it.
    ///
    /// # Errors
    /// As [`Permit::ask`].
    pub fn permit<'a: 'f, 'f, A: Action>(
        &'f self,
        by: impl Into<OnBehalfOf<'a>>,
        name: <A::On as Subject>::Name<'f>,
    ) -> Answer<'f, Permit<'a, A>> {
        Permit::ask(&self.store, by.into(), name)
    }

    /// The caller behind a token, or `None` when it is unknown or has expired.
    pub async fn by_token(&self, token: &str) -> Result<Option<SharedActor>, AccessError> {
        if token.is_empty() || token.len() > MAX_TOKEN_LENGTH {
            return Ok(None);
        }
        let found = self.by_digest(digest_text(token)).await?;
        if let Some(actor) = &found {
            self.note_use(actor, self.clock.now());
        }
        Ok(found)
    }

    /// The caller behind the token with this digest, of which this is no use.
    pub async fn by_digest(&self, digest: Digest) -> Result<Option<SharedActor>, AccessError> {
        let now = self.clock.now();
        if let Some(actor) = self.recall(&digest, now) {
            return Ok(Some(actor));
        }
        // Most callers are known, so what it takes to look one up is not moved with every request.
        Box::pin(self.look_token_up(digest, now)).await
    }

    async fn look_token_up(
        &self,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Option<SharedActor>, AccessError> {
        let changes = self.changes.load(Ordering::SeqCst);
        let Some((token, user)) = self.store.token_by_digest(&digest, now).await? else {
            return Ok(None);
        };
        let groups = self.store.groups_of(user.id).await?;
        let server = match token.server_id {
            Some(server) => self.store.server(server).await?,
            None => None,
        };
        let is_own = self.guards_tokens && token.kind == TokenKind::Api;
        let (owned, is_whole) = if is_own {
            self.scopes_with_own_token(&user, &groups).await?
        } else {
            (self.scopes_of(&user, &groups).await?, true)
        };
        let (scopes, members) = self
            .scopes_of_token(&token.scopes, &user, &owned, server.as_ref())
            .await?;
        let actor = Arc::new(Actor {
            credential: Credential::Token {
                id: token.id,
                kind: token.kind,
                session_id: token.session_id.clone(),
                server: token.server_id,
            },
            user,
            groups,
            scopes,
            members,
            whoami: std::sync::OnceLock::new(),
        });
        if is_whole {
            self.remember(digest, &actor, changes, token.expires_at);
        }
        Ok(Some(actor))
    }

    /// The caller behind the cookie of a browser session.
    pub async fn by_session(&self, cookie: &str) -> Result<Option<SharedActor>, AccessError> {
        if cookie.is_empty() || cookie.len() > MAX_TOKEN_LENGTH {
            return Ok(None);
        }
        let digest = digest_text(cookie);
        let now = self.clock.now();
        let found = match self.recall(&digest, now) {
            Some(actor) => Some(actor),
            // As with tokens.
            None => Box::pin(self.look_session_up(digest, now)).await?,
        };
        if let Some(actor) = &found {
            lock(&self.seen).insert(actor.user.id, now);
        }
        Ok(found)
    }

    async fn look_session_up(
        &self,
        digest: Digest,
        now: Timestamp,
    ) -> Result<Option<SharedActor>, AccessError> {
        let changes = self.changes.load(Ordering::SeqCst);
        let Some((session, user)) = self.store.session_by_digest(&digest, now).await? else {
            return Ok(None);
        };
        // A provider that refuses to go on asks for a new sign-in. Tokens that the session gave to
        // running servers go on, so that nobody loses an open notebook by that.
        if let Some(grant) = session.grant_id
            && let Some(grant) = self.store.grant(grant).await?
            && grant.state == GrantState::Reauth
        {
            return Ok(None);
        }
        let expires_at = session.expires_at;
        let Some(actor) = self.actor_of_session(session, user).await? else {
            return Ok(None);
        };
        self.remember(digest, &actor, changes, Some(expires_at));
        Ok(Some(actor))
    }

    /// The person behind a browser session, by its public id. That the provider refuses to go on ends
    /// nothing that is open at a running server, so it does not count here.
    pub async fn by_session_id(
        &self,
        session_id: &str,
    ) -> Result<Option<SharedActor>, AccessError> {
        let now = self.clock.now();
        match self.store.session_by_id(session_id, now).await? {
            Some((session, user)) => self.actor_of_session(session, user).await,
            None => Ok(None),
        }
    }

    async fn actor_of_session(
        &self,
        session: Session,
        user: User,
    ) -> Result<Option<SharedActor>, AccessError> {
        // A session from the time before everybody had to have a second factor, or whose owner has
        // just lost it.
        if self.second_factor_of_all.as_ref() == Some(&session.provider)
            && !self.store.has_second_factor(user.id).await?
        {
            return Ok(None);
        }
        let groups = self.store.groups_of(user.id).await?;
        let scopes = self.scopes_of(&user, &groups).await?;
        let members = self.members([&scopes]).await?;
        Ok(Some(Arc::new(Actor {
            credential: Credential::Session {
                in_browser: session.browser.as_deref().is_some_and(is_browser),
                session_id: session.session_id,
            },
            user,
            groups,
            scopes,
            members,
            whoami: std::sync::OnceLock::new(),
        })))
    }

    /// The caller with everything that is theirs, whatever the credential allows.
    pub async fn whole(&self, actor: &Actor) -> Result<Actor, AccessError> {
        let scopes = self.scopes_of(&actor.user, &actor.groups).await?;
        let members = self.members([&scopes]).await?;
        Ok(Actor {
            user: actor.user.clone(),
            groups: actor.groups.clone(),
            scopes,
            credential: actor.credential.clone(),
            members,
            whoami: std::sync::OnceLock::new(),
        })
    }

    /// Everything that a user with these groups may do at the moment.
    pub async fn scopes_of(&self, user: &User, groups: &[String]) -> Result<ScopeSet, AccessError> {
        let is_leaving = self.store.exclusion(user.id).await?.is_some();
        let mut scopes = self.roles.scopes(user, groups, is_leaving);
        if !is_leaving {
            let shares = self.store.shares_with_user(user.id).await?;
            scopes.merge(&shared_scopes(user, &shares));
        }
        Ok(scopes)
    }

    /// Everything that a user may do with a token that they made.
    ///
    /// Nobody sees which server such a token opens. So it opens those of its owner and those that are
    /// shared with them, and the latter count as entered. What cannot be recorded as entered, because the
    /// database takes no changes, is not opened for now and takes nothing else away; then this is not all
    /// that there is.
    async fn scopes_with_own_token(
        &self,
        user: &User,
        groups: &[String],
    ) -> Result<(ScopeSet, bool), AccessError> {
        let is_leaving = self.store.exclusion(user.id).await?.is_some();
        let mut scopes = self.roles.scopes(user, groups, is_leaving);
        without_entering_others(&mut scopes, user.name.as_str());
        let mut is_whole = true;
        if !is_leaving {
            let mut shares = Vec::new();
            for share in self.store.shares_with_user(user.id).await? {
                match self.enter(&share, user).await {
                    Ok(()) => shares.push(share),
                    Err(StoreError::Unavailable { .. }) => is_whole = false,
                    Err(error) => return Err(error.into()),
                }
            }
            scopes.merge(&shared_scopes(user, &shares));
        }
        Ok((scopes, is_whole))
    }

    /// Records that a user enters a server that is shared with them, if it is up.
    async fn enter(&self, share: &Share, user: &User) -> Result<(), StoreError> {
        if let Some(server) = self.store.server(share.server_id).await?
            && let Some(start) = server.state.start()
            && server.user_id != user.id
        {
            let now = self.clock.now();
            self.store
                .record_server_visit(&server, start, user, now)
                .await?;
            self.listener.forget(server.user_id);
        }
        Ok(())
    }

    /// What a token with these scopes allows at the moment, and who is in the groups that decide about
    /// it; `owned` is what its owner may do.
    pub async fn scopes_of_token(
        &self,
        texts: &[String],
        owner: &User,
        owned: &ScopeSet,
        server: Option<&Server>,
    ) -> Result<(ScopeSet, Members), AccessError> {
        let written = written_scopes(texts, owner, owned, server);
        // What is written is cut to the owner's rights, and either may be limited to a group.
        let members = self.members([&written, owned]).await?;
        let is_member =
            |group: &str, name: &str| members.get(group).is_some_and(|m| m.contains(name));
        Ok((written.intersect(owned, &is_member), members))
    }

    /// The roles, beside those that every hub has.
    pub const fn roles(&self) -> &Roles {
        &self.roles
    }

    /// Forgets what is remembered about a user, because their rights or credentials changed.
    pub fn forget(&self, user: UserId) {
        *lock(&self.generations).entry(user).or_default() += 1;
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.listener.forget(user);
    }

    /// Forgets what is remembered about everybody: visitors of a server that is gone, for example.
    pub fn forget_everyone(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.remembered.invalidate_all();
        self.listener.forget_everyone();
    }

    /// Takes the times at which tokens were last used, to be written to the database.
    pub fn take_used(&self) -> Vec<(TokenId, Timestamp)> {
        lock(&self.used).drain().collect()
    }

    /// Takes the times at which users were last seen at a browser, to be written to the database.
    pub fn take_seen(&self) -> Vec<(UserId, Timestamp)> {
        lock(&self.seen).drain().collect()
    }

    /// Who is in the groups that some scopes mention.
    pub async fn members(
        &self,
        scopes: impl IntoIterator<Item = &ScopeSet>,
    ) -> Result<Members, AccessError> {
        let groups: BTreeSet<String> = scopes.into_iter().flat_map(groups_in).collect();
        let mut members = BTreeMap::new();
        for group in groups {
            let names = self.store.members_of(&group).await?;
            members.insert(group, names.into_iter().collect());
        }
        Ok(members)
    }

    fn recall(&self, digest: &Digest, now: Timestamp) -> Option<SharedActor> {
        let found = self.remembered.get(digest)?;
        let is_current = found.generation == self.generation(found.actor.user.id)
            && (found.actor.members.is_empty()
                || found.changes == self.changes.load(Ordering::SeqCst));
        let is_alive = found.expires_at.is_none_or(|at| at > now);
        if is_current && is_alive {
            return Some(found.actor);
        }
        self.remembered.invalidate(digest);
        None
    }

    fn remember(
        &self,
        digest: Digest,
        actor: &SharedActor,
        changes: u64,
        expires_at: Option<Timestamp>,
    ) {
        // Somebody's rights changed while the database was read: the answer may be the old one.
        let generation = self.generation(actor.user.id);
        if self.changes.load(Ordering::SeqCst) != changes {
            return;
        }
        let remembered = Remembered {
            actor: Arc::clone(actor),
            generation,
            changes,
            expires_at,
        };
        self.remembered.insert(digest, remembered);
    }

    fn generation(&self, user: UserId) -> u64 {
        lock(&self.generations)
            .get(&user)
            .copied()
            .unwrap_or_default()
    }

    fn note_use(&self, actor: &Actor, now: Timestamp) {
        if let Some(id) = actor.token_id() {
            lock(&self.used).insert(id, now);
        }
    }
}

/// Whether somebody who called themselves so is a browser: each of them begins with this word, and no
/// program does that keeps cookies for itself.
fn is_browser(agent: &str) -> bool {
    agent.starts_with("Mozilla/")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
