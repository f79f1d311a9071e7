//! Users whom a trusted reverse proxy names in headers of every request: their groups follow the headers of
//! the present request.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use jansky_identity::{ExternalIdentity, LoginMethod};
use jansky_store::Digest;
use reqwest::header::HeaderMap;

use crate::people::People;
use crate::people::sign_in::ConfiguredProvider;
use crate::shared::error::HubError;
use jansky_access::Actor;

/// How many sessions are cached; with more, the cache is cleared and all are checked again.
const MOST: usize = 10_000;

/// A digest of the headers that were applied last, by browser session.
#[derive(Default)]
pub(crate) struct ProxyHeaders(Mutex<HashMap<String, Digest>>);

impl ProxyHeaders {
    /// Whether these headers were applied to the session already.
    fn is_known(&self, session_id: &str, words: &Digest) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(session_id) == Some(words)
    }

    fn remember(&self, session_id: &str, words: Digest) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(session_id.to_owned(), words);
    }
}

impl People {
    /// Follows what a trusted proxy says with a request about the person who is signed in at the
    /// browser; says whether there was anything new, after which the caller is to be found anew.
    /// `peer` is the other end of the connection itself.
    ///
    /// A request that did not come through the proxy changes nothing, and neither do headers that name another
    /// user.
    pub async fn apply_proxy_headers(
        self: &Arc<Self>,
        actor: &Actor,
        peer: IpAddr,
        headers: &HeaderMap,
    ) -> Result<bool, HubError> {
        let Some(session_id) = actor.session_id().filter(|_| actor.is_browser()) else {
            return Ok(false);
        };
        let mut is_new = false;
        for configured in &self.providers {
            let LoginMethod::Header(proxy) = configured.provider.method() else {
                continue;
            };
            let Ok(identity) = proxy.identify(peer, headers) else {
                continue;
            };
            let claims = serde_json::Value::Object(identity.claims.clone());
            let words = jansky_crypto::token::digest_text(&claims.to_string());
            if self.proxy_headers.is_known(session_id, &words) {
                continue;
            }
            // Seldom, so what it takes is not moved with every request.
            Box::pin(self.follow_proxy(actor, configured, &identity)).await?;
            self.proxy_headers.remember(session_id, words);
            is_new = true;
        }
        Ok(is_new)
    }

    async fn follow_proxy(
        self: &Arc<Self>,
        actor: &Actor,
        configured: &ConfiguredProvider,
        identity: &ExternalIdentity,
    ) -> Result<(), HubError> {
        let known = self
            .store
            .identity(&identity.issuer, &identity.subject)
            .await?;
        let Some((_, user)) = known.filter(|(_, user)| user.id == actor.user.id) else {
            return Ok(());
        };
        // Only a sign-in brings somebody back whom the rules have sent away.
        if self.store.exclusion(user.id).await?.is_some() {
            return Ok(());
        }
        let provider = configured.provider.id();
        let provider_authority = self.provider_authority(user.id, provider).await?;
        let decision = self.decide(configured, identity, Some(&user)).await?;
        self.follow_decision(&user, provider, provider_authority, decision)
            .await
    }
}
