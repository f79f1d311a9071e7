//! The client-credentials grant, with the tokens that it brought.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jansky_model::Timestamp;
use tokio::sync::Mutex;

use super::relying_party::OidcProvider;
use super::token_endpoint::{Caller, ClientCredentials};
use crate::issued::{IssuedToken, IssuedTokenProblem, NotIssued, TokenRequirements, check};
use crate::service_account::{ServiceAccount, ServiceRequest};

const ENDPOINT: &str = "client credentials";

/// A token with less than this left is not given out again.
const FLOOR: Duration = Duration::from_secs(30);

/// The tokens that we have for ourselves, one for each thing that was asked for. Who waits for the
/// same token waits for one request.
#[derive(Default)]
pub(crate) struct ServiceTokenCache(Mutex<HashMap<String, Arc<Mutex<Option<IssuedToken>>>>>);

#[async_trait]
impl ServiceAccount for OidcProvider {
    async fn service_token(
        &self,
        request: &ServiceRequest<'_>,
        least: Duration,
    ) -> Result<IssuedToken, NotIssued> {
        let id = request.client.map_or("", |client| client.id.as_str());
        let audience = request.audience.unwrap_or_default();
        let scope = request.scopes.join(" ");
        let place = {
            let mut tokens = self.service_tokens.0.lock().await;
            let key = format!("{id}\n{audience}\n{scope}");
            Arc::clone(tokens.entry(key).or_default())
        };
        let mut kept = place.lock().await;
        let now = self.clock.now();
        if let Some(token) = kept.as_ref().filter(|token| is_good(token, least, now)) {
            return Ok(token.clone());
        }
        let token = self.ask_for_ourselves(request, audience, &scope).await?;
        *kept = Some(token.clone());
        Ok(token)
    }
}

/// A token whose end is not known is asked for each time.
fn is_good(token: &IssuedToken, least: Duration, now: Timestamp) -> bool {
    let needed = now.plus(least.max(FLOOR));
    token.expires_at.is_some_and(|at| at >= needed)
}

impl OidcProvider {
    async fn ask_for_ourselves(
        &self,
        request: &ServiceRequest<'_>,
        audience: &str,
        scope: &str,
    ) -> Result<IssuedToken, NotIssued> {
        let metadata = self.metadata().await.map_err(NotIssued::of_error)?;
        let mut form = vec![("grant_type", "client_credentials")];
        let optional = [("audience", audience), ("scope", scope)];
        form.extend(optional.iter().filter(|(_, value)| !value.is_empty()));
        let other = request.client.map(|client| {
            let mut settings = self.settings().clone();
            settings.client_id.clone_from(&client.id);
            settings.client_secrets.clone_from(&client.secrets);
            settings.client_key = None;
            settings
        });
        let credentials = ClientCredentials::default();
        let mut caller = self.caller(&metadata);
        if let Some(settings) = &other {
            caller = Caller {
                settings,
                credentials: &credentials,
                ..caller
            };
        }
        let client_id = caller.settings.client_id.clone();
        let answer = caller
            .issue(ENDPOINT, &metadata.token, &form)
            .await
            .map_err(NotIssued::of_error)?;
        if !answer.is_bearer() {
            return Err(IssuedTokenProblem::Kind.into());
        }
        let wanted = TokenRequirements {
            client_id: Some(&client_id),
            ..TokenRequirements::default()
        };
        Ok(check(answer.token, wanted, self.clock.now())?)
    }
}
