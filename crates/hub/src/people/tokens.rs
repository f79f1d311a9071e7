//! Tokens for the REST API: made, listed and revoked.

use std::time::Duration;

use jansky_crypto::digest;
use jansky_crypto::token::API_TOKEN_PREFIX;
use jansky_model::scope::{Owner, TOKEN_ROLE, check_scopes};
use jansky_model::{ScopeSet, Secret};
use jansky_store::{NewToken, StoreError, Token, TokenId, TokenKind, User};
use serde_json::json;

use crate::people::People;
use crate::shared::error::HubError;
use crate::shared::record::{Event, some_of};
use jansky_access::Permit;
use jansky_access::action::{Action, ChangeTokens, SeeTokens};

/// The longest note of a token, in characters, as JupyterHub keeps them.
const LONGEST_NOTE: usize = 1_023;

/// So many tokens for the API may somebody have at once. Each is a row until it ends or is revoked.
const MOST_TOKENS: u64 = 1_000;

/// What somebody wants of a new token.
#[derive(Clone, Debug, Default)]
pub struct NewApiToken {
    /// What it is for, in the maker's words.
    pub note: String,
    /// How long it lives; `None` for ever.
    pub lifetime: Option<Duration>,
    /// What it allows; `None` for whatever its owner may do.
    pub scopes: Option<Vec<String>>,
    /// The browser session that asked, so that signing out ends the token; `None` outlives it.
    pub session_id: Option<String>,
}

impl People {
    /// Makes a token for `owner`. The secret is shown this once.
    ///
    /// # Errors
    /// [`HubError::Invalid`] for scopes that the owner does not hold, for a note that is too long, and when
    /// the owner has too many tokens already; [`HubError::Forbidden`] for
    /// those that the caller does not hold.
    pub async fn create_token(
        &self,
        permit: &Permit<'_, ChangeTokens>,
        request: NewApiToken,
    ) -> Result<(Token, Secret), HubError> {
        let (by, owner) = permit.parts();
        let length = request.note.chars().count();
        if length > LONGEST_NOTE {
            return Err(HubError::invalid(format!(
                "The note of a token has at most {LONGEST_NOTE} characters; this one has {length}."
            )));
        }
        let scopes = request
            .scopes
            .unwrap_or_else(|| TOKEN_ROLE.iter().map(|&role| role.to_owned()).collect());
        check_scopes(scopes.iter().map(String::as_str))
            .map_err(|error| HubError::invalid(error.to_string()))?;
        let owned = self.rights_of(owner).await?;
        let of_owner = Owner {
            user: Some(owner.name.as_str()),
            server: None,
        };
        let members = self.access.members([&owned]).await?;
        let is_member =
            |group: &str, name: &str| members.get(group).is_some_and(|m| m.contains(name));
        for text in &scopes {
            let wanted = ScopeSet::expand([text.as_str()], of_owner, Some(&owned));
            if !wanted.is_within(&owned, &is_member) {
                return Err(HubError::invalid(format!(
                    "Not assigning requested scope `{text}`: user `{}` does not hold it",
                    owner.name
                )));
            }
        }
        let texts = scopes.iter().map(String::as_str);
        let wanted = ScopeSet::expand(texts, of_owner, Some(&owned));
        self.privileges.may_make_token(by, owner, &wanted)?;
        let now = self.clock.now();
        if self.store.count_api_tokens(owner.id, now).await? >= MOST_TOKENS {
            return Err(HubError::invalid(format!(
                "`{}` has {MOST_TOKENS} tokens for the API, and nobody may have more. Revoke those that \
                 nothing uses; tokens with an end go by themselves.",
                owner.name
            )));
        }
        let secret = self.random.secret(API_TOKEN_PREFIX);
        let new = NewToken {
            digest: digest(&secret),
            kind: TokenKind::Api,
            user_id: owner.id,
            server_id: None,
            client_id: None,
            session_id: request.session_id,
            scopes,
            note: request.note,
            created_at: now,
            expires_at: request.lifetime.map(|lifetime| now.plus(lifetime)),
        };
        let record = |token: &Token| {
            let detail = json!({
                "id": token.id.0,
                "note": token.note,
                "scopes": some_of(&token.scopes),
                "until": token.expires_at,
            });
            self.audit
                .record_of(by.name(), Event::ApiTokenMade, owner, detail)
        };
        let token = self
            .store
            .create_token_on_record(new, record)
            .await
            .map_err(|error| match error {
                // A scope for somebody who is not there would be one for whoever comes next.
                StoreError::NotFound { .. } => HubError::invalid(error.to_string()),
                other => other.into(),
            })?;
        Ok((token, secret))
    }

    /// The tokens of a user that have not expired.
    pub async fn tokens_of(&self, permit: &Permit<'_, SeeTokens>) -> Result<Vec<Token>, HubError> {
        let owner = permit.on();
        Ok(self.store.tokens_of(owner.id, self.clock.now()).await?)
    }

    /// Revokes a token; an OAuth token takes all others of its client with it.
    ///
    /// # Errors
    /// [`HubError::Forbidden`] when the owner holds rights over others that the caller does not hold.
    pub async fn revoke_token(
        &self,
        permit: &Permit<'_, ChangeTokens>,
        id: TokenId,
    ) -> Result<(), HubError> {
        let (by, owner) = permit.parts();
        self.privileges.may_act_against(by, owner).await?;
        let detail = json!({ "id": id.0 });
        let record = self
            .audit
            .record_of(by.name(), Event::ApiTokenRevoked, owner, detail);
        let existed = self
            .store
            .delete_token(owner.id, id, self.clock.now(), Some(record))
            .await?;
        self.access.forget(owner.id);
        if !existed {
            return Err(HubError::not_found("No such token."));
        }
        Ok(())
    }

    /// Everything that a user may do now.
    pub(crate) async fn rights_of(&self, user: &User) -> Result<ScopeSet, HubError> {
        let groups = self.store.groups_of(user.id).await?;
        Ok(self.access.scopes_of(user, &groups).await?)
    }

    /// What stored tokens of the user whom a permit is about allow now, as texts.
    pub async fn resolved_scopes(
        &self,
        permit: &Permit<'_, impl Action<On = User>>,
        tokens: &[Token],
    ) -> Result<Vec<Vec<String>>, HubError> {
        let owner = permit.on();
        let owned = self.rights_of(owner).await?;
        let mut all = Vec::with_capacity(tokens.len());
        for token in tokens {
            let resolved = self
                .access
                .scopes_of_token(&token.scopes, owner, &owned, None);
            all.push(resolved.await?.0.to_texts());
        }
        Ok(all)
    }
}
