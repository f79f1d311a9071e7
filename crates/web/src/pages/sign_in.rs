//! The sign-in page: every way that is configured, on one page.

use axum::extract::Request;
use axum::http::header::USER_AGENT;
use axum::response::Response;
use jansky_hub::ProviderStatus;
use jansky_hub::User;
use jansky_hub::{ExternalIdentity, HubError, LOCAL_PROVIDER};
use jansky_model::ProviderId;

use crate::cookies::{self, SetCookie};
use crate::error::{public_message, status_of, with_error_headers};
use crate::pages::default_target;
use crate::views::{LocalForm, LoginPage, ProviderButton};
use crate::visit::{PageResult, Refusal, Visit, redirect};

/// Asks for the sign-in page in any case.
pub(crate) const AGAIN: &str = "again";

/// `GET /hub/login`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = show(&visit).await;
    visit.answer(result)
}

async fn show(visit: &Visit) -> PageResult {
    let again = visit.query(AGAIN).is_some();
    if let Some(actor) = visit.person().filter(|_| !again) {
        let next = visit.query("next").and_then(|next| visit.next(&next));
        let target = match next {
            Some(next) => next,
            None => default_target(visit, actor).await?,
        };
        return Ok(redirect(&target));
    }
    let next = visit.query("next").unwrap_or_default();
    let mut page = page(visit, &next, "", None);
    if again {
        // Whoever gets here posted a form, and browsers let a form lead to no other site.
        page.notice =
            Some("Sign in again to go on. Your running servers are not touched.".to_owned());
        return Ok(visit.page("Sign in", &page));
    }
    let chosen = visit.web.hub.providers().iter().position(|p| p.auto_login);
    let automatic = chosen
        .and_then(|index| page.providers.get(index))
        .filter(|p| p.available);
    if let Some(provider) = automatic {
        return Ok(redirect(&provider.url));
    }
    Ok(visit.page("Sign in", &page))
}

fn page(visit: &Visit, next: &str, username: &str, error: Option<String>) -> LoginPage {
    let hub = &visit.web.hub;
    let query = |extra: &[(&str, &str)]| {
        let pairs = extra.iter().copied().chain([("next", next)]);
        let pairs = pairs.filter(|(_, value)| !value.is_empty());
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
    };
    let providers = hub
        .providers()
        .iter()
        .map(|configured| {
            let id = configured.provider.id().as_str();
            let status = configured.provider.status();
            let reason = (!status.is_usable()).then(|| words_for(&status).to_owned());
            ProviderButton {
                id: id.to_owned(),
                title: configured.provider.title().to_owned(),
                url: format!(
                    "{}?{}",
                    visit.hub_path("oauth_login"),
                    query(&[("idp", id)])
                ),
                available: reason.is_none(),
                reason,
            }
        })
        .collect();
    let has_local = hub.local_accounts().is_some();
    let (form_error, page_error) = if has_local {
        (error, None)
    } else {
        (None, error)
    };
    LoginPage {
        providers,
        local: has_local.then(|| LocalForm {
            action_url: visit.hub_path("login"),
            username: username.to_owned(),
            error: form_error,
        }),
        next: next.to_owned(),
        notice: None,
        error: page_error,
    }
}

/// Why a provider cannot be used, for those who would like to; the operator reads more in the log.
fn words_for(status: &ProviderStatus) -> &'static str {
    match status {
        ProviderStatus::IssuerMismatch { .. } => {
            "This way to sign in is not set up correctly. Please tell the operator."
        }
        _ => "This way to sign in does not answer at the moment. Try again in a moment.",
    }
}

/// `POST /hub/login`
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let fields = match visit.form(request).await {
        Ok(fields) => fields,
        Err(error) => return refuse(&visit, "", "", &error),
    };
    let next = fields
        .get("next")
        .map(str::to_owned)
        .or_else(|| visit.query("next"));
    let next = next.unwrap_or_default();
    let username = fields.text("username");
    let began = tokio::time::Instant::now();
    let checked = check(&visit, username, fields.secret("password")).await;
    visit
        .web
        .hub
        .metrics()
        .sign_in(checked.is_ok(), began.elapsed());
    match checked {
        Ok(user) => {
            let provider = local_provider(&visit);
            let result =
                open_session(&visit, &user, Proof::of_password(&provider), Some(&next)).await;
            visit.answer(result)
        }
        Err(error) => refuse(&visit, username, &next, &error),
    }
}

async fn check(
    visit: &Visit,
    username: &str,
    password: jansky_model::Secret,
) -> Result<User, HubError> {
    let hub = &visit.web.hub;
    if hub.local_accounts().is_none() {
        return Err(HubError::not_found(
            "Signing in with a password is not configured here.",
        ));
    }
    let address = visit.peer.address.to_string();
    hub.check_password(username, password, &address)
        .await?
        .ok_or_else(|| HubError::forbidden("The user name or the password is wrong."))
}

fn refuse(visit: &Visit, username: &str, next: &str, error: &HubError) -> Response {
    crate::error::log(error);
    let page = page(visit, next, username, Some(public_message(error)));
    let response = visit.page_with_status(status_of(error), "Sign in", &page);
    with_error_headers(response, error)
}

fn local_provider(visit: &Visit) -> ProviderId {
    let configured = visit.web.hub.local_accounts().cloned();
    configured.unwrap_or_else(|| LOCAL_PROVIDER.parse().expect("a constant id"))
}

/// How somebody proved who they are.
#[derive(Clone, Copy)]
pub(crate) struct Proof<'a> {
    /// Through which provider.
    pub(crate) provider: &'a ProviderId,
    /// What the provider said and gave; nothing for a password of our own.
    pub(crate) identity: Option<&'a ExternalIdentity>,
}

impl<'a> Proof<'a> {
    /// With a password that the hub itself keeps.
    pub(crate) const fn of_password(provider: &'a ProviderId) -> Self {
        Self {
            provider,
            identity: None,
        }
    }
}

/// Begins the session of somebody who proved who they are and sends them on.
pub(crate) async fn open_session(
    visit: &Visit,
    user: &User,
    proof: Proof<'_>,
    next: Option<&str>,
) -> Result<Response, Refusal> {
    let hub = &visit.web.hub;
    // A browser that was signed in, as somebody else perhaps, is that no more.
    if let Some(earlier) = visit.person() {
        hub.leave_session(earlier).await?;
    }
    let session = hub
        .open_session(user, proof.provider, proof.identity)
        .await?;
    if let Some(agent) = visit.headers.get(USER_AGENT).and_then(|a| a.to_str().ok()) {
        hub.note_browser(&session.session_id, agent).await?;
    }
    let target = next
        .and_then(|next| visit.next(next))
        .unwrap_or_else(|| visit.hub());
    let mut response = redirect(&target);
    let settings = hub.settings();
    let sign_in = SetCookie {
        name: cookies::SIGN_IN,
        value: session.cookie.expose(),
        path: &visit.hub(),
        secure: visit.is_secure(),
        http_only: true,
        max_age: Some(settings.session_lifetime),
    };
    let session_id = SetCookie {
        name: cookies::SESSION_ID,
        value: &session.session_id,
        path: &settings.base,
        secure: visit.is_secure(),
        http_only: true,
        max_age: None,
    };
    visit.set_cookie(&mut response, &sign_in.to_header());
    visit.set_cookie(&mut response, &session_id.to_header());
    visit.set_cookie(
        &mut response,
        &visit.xsrf_cookie_for_session(&session.session_id),
    );
    Ok(response)
}

/// The sign-in page with what went wrong at a provider.
pub(crate) fn with_error(visit: &Visit, error: &HubError) -> Response {
    let mut page = page(visit, "", "", None);
    page.error = Some(public_message(error));
    crate::error::log(error);
    with_error_headers(
        visit.page_with_status(status_of(error), "Sign in", &page),
        error,
    )
}
