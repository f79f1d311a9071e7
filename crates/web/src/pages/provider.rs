//! The way to an identity provider and back.

use axum::extract::Path;
use axum::response::Response;
use jansky_crypto::token::s256;
use jansky_hub::HubError;
use jansky_hub::{CallbackOutcome, CallbackQuery, LoginMethod, ProviderRedirect};
use jansky_model::Secret;

use crate::cookies;
use crate::pages::{account, sign_in};
use crate::visit::{Refusal, Visit, redirect};

/// `GET /hub/oauth_login`: leaves for the provider that `idp` names.
pub(crate) async fn leave(visit: Visit) -> Response {
    let links = visit.query("link").is_some();
    match begin(&visit).await {
        Ok(response) => response,
        Err(error) if links && visit.person().is_some() => account::not_linked(&visit, &error),
        Err(error) => {
            let next = visit.query("next");
            sign_in::with_error(&visit, &error, next.as_deref())
        }
    }
}

async fn begin(visit: &Visit) -> Result<Response, HubError> {
    let hub = &visit.web.hub;
    let chosen = match visit.query("idp") {
        Some(id) => id,
        None => only_provider_elsewhere(visit)?,
    };
    if is_by_header(visit, &chosen) {
        return by_header(visit, &chosen).await;
    }
    let next = visit.query("next").and_then(|next| visit.next(&next));
    let next = next.filter(|next| next.len() <= sign_in::LONGEST_NEXT);
    let callback = visit
        .origin()
        .join(&visit.hub_path("oauth_callback"))
        .map_err(|error| HubError::internal("could not make the callback address", error))?;
    let hints = visit
        .query_pairs()
        .filter(|(key, _)| !matches!(key.as_str(), "idp" | "next" | "link"))
        .collect();
    let departure = if let Some(actor) = account::wants_link(visit)? {
        hub.people
            .begin_link(actor, &chosen, callback.into(), next)
            .await?
    } else {
        let cookies: Vec<&str> = visit.own_cookies(cookies::SIGN_IN).collect();
        hub.people
            .begin_sign_in(&chosen, callback.into(), next, hints, &cookies)
            .await?
    };
    Ok(send_away(visit, &departure))
}

/// Sends the browser to a provider, with a cookie that ties the attempt to it.
fn send_away(visit: &Visit, departure: &ProviderRedirect) -> Response {
    let mut response = redirect(departure.url.as_str());
    let name = attempt_cookie(&departure.state);
    let (value, path) = (departure.browser.expose(), visit.hub());
    let max_age = Some(visit.web.hub.settings().sign_in_timeout);
    visit.set_own_cookie(&mut response, &name, value, &path, max_age);
    response
}

fn is_by_header(visit: &Visit, id: &str) -> bool {
    let mut providers = visit.web.hub.people.providers().iter();
    providers.any(|p| {
        p.provider.id().as_str() == id && matches!(p.provider.method(), LoginMethod::Header(_))
    })
}

/// Signs in whom a trusted proxy names; there is no provider to send the browser to.
async fn by_header(visit: &Visit, id: &str) -> Result<Response, HubError> {
    let began = tokio::time::Instant::now();
    let hub = &visit.web.hub;
    let found = hub
        .people
        .sign_in_by_header(id, visit.peer.connection, &visit.headers)
        .await;
    hub.metrics().sign_in(found.is_ok(), began.elapsed());
    let arrival = found?;
    let next = visit.query("next");
    match sign_in::enter(visit, arrival, None, next.as_deref()).await {
        Ok(response) => Ok(response),
        Err(Refusal::Error(error)) => Err(error),
        Err(Refusal::SignIn | Refusal::SignInAgain) => Ok(redirect(&visit.hub_path("login"))),
    }
}

/// Without `idp` the choice is clear only if there is just one provider.
fn only_provider_elsewhere(visit: &Visit) -> Result<String, HubError> {
    let mut elsewhere = visit
        .web
        .hub
        .people
        .providers()
        .iter()
        .filter(|p| !matches!(p.provider.method(), LoginMethod::Form(_)));
    match (elsewhere.next(), elsewhere.next()) {
        (Some(only), None) => Ok(only.provider.id().to_string()),
        _ => Err(HubError::not_found("Choose a way to sign in.")),
    }
}

/// Each attempt has a cookie of its own, found again by its state.
fn attempt_cookie(state: &str) -> String {
    format!("{}{}", cookies::ATTEMPT_PREFIX, &s256(state)[..12])
}

/// `GET /hub/oauth_callback`: comes back from a provider.
pub(crate) async fn back(visit: Visit) -> Response {
    finish(&visit, None).await
}

/// `GET /hub/oauth_callback/{provider}`: the same, where a provider has an address of its own.
pub(crate) async fn callback_of_provider(
    Path(callback_provider): Path<String>,
    visit: Visit,
) -> Response {
    finish(&visit, Some(&callback_provider)).await
}

async fn finish(visit: &Visit, callback_provider: Option<&str>) -> Response {
    let query = match CallbackQuery::parse(visit.uri.query().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => {
            return sign_in::with_error(visit, &HubError::invalid(error.public()), None);
        }
    };
    let name = attempt_cookie(query.state.as_deref().unwrap_or_default());
    let browsers: Vec<Secret> = visit.own_cookies(&name).map(Secret::new).collect();
    let began = tokio::time::Instant::now();
    let actor = visit.person().map(|actor| &**actor);
    let hub = &visit.web.hub;
    let finished = hub
        .people
        .finish_sign_in(query, callback_provider, &browsers, actor)
        .await;
    // The provider is asked once more, so this is not the end of the sign-in.
    if !matches!(finished, Ok(CallbackOutcome::Again(_))) {
        let is_in = matches!(
            finished,
            Ok(CallbackOutcome::SignedIn(_) | CallbackOutcome::Linked(_))
        );
        hub.metrics().sign_in(is_in, began.elapsed());
    }
    let mut wanted = None;
    let opened = match finished {
        Ok(CallbackOutcome::Again(departure)) => Ok(send_away(visit, &departure)),
        Ok(CallbackOutcome::Linked(linked)) => Ok(account::after_link(visit, linked)),
        Ok(CallbackOutcome::SignedIn(arrival)) => {
            wanted = arrival.next().map(str::to_owned);
            sign_in::enter(visit, *arrival, None, wanted.as_deref()).await
        }
        Ok(CallbackOutcome::Refused { error, next }) => {
            wanted = next;
            Err(Refusal::Error(error))
        }
        Err(error) => Err(Refusal::Error(error)),
    };
    let mut response = match opened {
        Ok(response) => response,
        Err(Refusal::Error(error)) => sign_in::with_error(visit, &error, wanted.as_deref()),
        Err(Refusal::SignIn | Refusal::SignInAgain) => redirect(&visit.hub_path("login")),
    };
    if !browsers.is_empty() {
        visit.remove_own_cookie(&mut response, &name, &visit.hub());
    }
    response
}
