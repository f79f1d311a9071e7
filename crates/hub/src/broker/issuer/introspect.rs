//! Asking whether a token is good (RFC 7662), and taking one back (RFC 7009).

use jansky_crypto::signing::{key_id_of_token, verified_claims};
use jansky_crypto::token::digest_text;
use jansky_model::{Secret, Timestamp, UserId};
use jansky_store::User;
use serde_json::{Map, Value, json};

use super::tokens::ACCESS_TOKEN;
use super::{ClientCredentials, IssuerError};
use crate::broker::Broker;
use crate::people::admitted_user::NotAdmitted;
use crate::shared::error::HubError;

/// The longest token that is looked at, in bytes.
const LONGEST_TOKEN: usize = 16 << 10;

impl Broker {
    /// What is known about a token. Anything but a valid token of this issuer is `active: false`
    /// and nothing else, whatever is wrong with it; so is one of somebody who would not get it now.
    ///
    /// # Errors
    /// [`IssuerError::InvalidClient`]: only clients with a secret may ask.
    pub async fn introspect(
        &self,
        client: &ClientCredentials,
        token: &Secret,
    ) -> Result<Value, IssuerError> {
        self.issuer.authenticate(client)?;
        must_be_there(token)?;
        let inactive = json!({ "active": false });
        let Some((mut claims, user)) = self.valid_claims(token).await? else {
            return Ok(inactive);
        };
        match self.people.must_be_admitted(&user).await {
            Ok(_) => {}
            Err(NotAdmitted::Excluded | NotAdmitted::SignInAgain(_)) => return Ok(inactive),
            Err(NotAdmitted::Hub(error)) => return Err(error.into()),
        }
        if let Some(name) = claims.get("preferred_username").cloned() {
            claims.insert("username".to_owned(), name);
        }
        claims.insert("active".to_owned(), json!(true));
        claims.insert("token_type".to_owned(), json!("Bearer"));
        Ok(Value::Object(claims))
    }

    /// Takes a token back before its end. A token that is not valid is one that is taken back.
    ///
    /// # Errors
    /// [`IssuerError::InvalidClient`]; [`IssuerError::UnauthorizedClient`] when a client without a
    /// secret gives back a token that is not its own.
    pub async fn revoke_issued(
        &self,
        client: &ClientCredentials,
        token: &Secret,
    ) -> Result<(), IssuerError> {
        let client = self.issuer.recognize(client)?;
        must_be_there(token)?;
        let Some((claims, _)) = self.valid_claims(token).await? else {
            return Ok(());
        };
        let is_own = text(&claims, "client_id") == Some(client.id.as_str());
        if !is_own && !client.is_authenticated {
            let message = "the token was given to another client".to_owned();
            return Err(IssuerError::UnauthorizedClient(message));
        }
        if let (Some(jti), Some(expires)) = (text(&claims, "jti"), expiry(&claims)) {
            self.store
                .revoke_token_id(&digest_text(jti), expires)
                .await?;
        }
        Ok(())
    }

    /// The claims of a token of ours that is valid now, and whose it is.
    async fn valid_claims(
        &self,
        token: &Secret,
    ) -> Result<Option<(Map<String, Value>, User)>, HubError> {
        let token = token.expose();
        if token.len() > LONGEST_TOKEN {
            return Ok(None);
        }
        let Some(id) = key_id_of_token(token) else {
            return Ok(None);
        };
        let Some(key) = self.issuer.published_key(&id).await? else {
            return Ok(None);
        };
        let Some(Value::Object(claims)) = verified_claims(&key, ACCESS_TOKEN, token) else {
            return Ok(None);
        };
        let is_ours = text(&claims, "iss") == Some(self.issuer().as_str());
        let is_now = expiry(&claims).is_some_and(|at| at > self.clock.now());
        let Some(jti) = text(&claims, "jti").filter(|_| is_ours && is_now) else {
            return Ok(None);
        };
        if self.store.is_token_id_revoked(&digest_text(jti)).await? {
            return Ok(None);
        }
        // A user who was deleted has no tokens any more.
        let user = text(&claims, "sub").and_then(|sub| sub.parse().ok().map(UserId));
        let user = match user {
            Some(user) => self.store.user(user).await?,
            None => None,
        };
        Ok(user.map(|user| (claims, user)))
    }
}

fn must_be_there(token: &Secret) -> Result<(), IssuerError> {
    if token.is_empty() {
        let message = "`token` is missing".to_owned();
        return Err(IssuerError::InvalidRequest(message));
    }
    Ok(())
}

fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c str> {
    claims.get(name)?.as_str()
}

fn expiry(claims: &Map<String, Value>) -> Option<Timestamp> {
    Some(Timestamp::from_seconds(claims.get("exp")?.as_i64()?))
}
