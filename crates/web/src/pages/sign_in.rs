//! The sign-in page: every way that is configured, on one page.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::{
    CompletedSignIn, HubError, LoginMethod, NewBrowserSession, PasswordSignIn, ProviderStatus,
    SignInClient, SignInProgress, SignUpRule,
};
use jansky_model::Secret;

use crate::cookies::{self, SetCookie};
use crate::device;
use crate::error::{public_message, status_of, with_error_headers};
use crate::pages::{default_target, second_step, sign_up};
use crate::views::{LoginPage, PasswordForm, ProviderButton, SignedInPage};
use crate::visit::{Fields, PageResult, Refusal, Visit, redirect};

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
    let mut page = page(visit, &next, Attempt::default(), None);
    if again {
        // A form led here, and browsers do not let it lead to another site: `auto_login` does not count.
        page.notice =
            Some("Sign in again to go on. Your running servers are not touched.".to_owned());
        return Ok(visit.page("Sign in", &page));
    }
    if visit.query("done").is_some_and(|done| done == "password") {
        page.notice = Some("You have a new password. Sign in with it.".to_owned());
        return Ok(visit.page("Sign in", &page));
    }
    let mut providers = visit.web.hub.people.providers().iter();
    let chosen = providers.find(|p| p.auto_login).map(|p| p.provider.id());
    let automatic = page
        .providers
        .iter()
        .find(|button| button.available && chosen.is_some_and(|id| id.as_str() == button.id));
    if let Some(provider) = automatic {
        return Ok(redirect(&provider.url));
    }
    Ok(visit.page("Sign in", &page))
}

/// `GET /hub/signed-in`: the end of a sign-in in a window of its own.
pub(crate) async fn done(visit: Visit) -> Response {
    let page = SignedInPage {
        home_url: visit.hub_path("home"),
    };
    visit.page("Signed in", &page)
}

/// What was typed before, and into which form, after a failed attempt.
#[derive(Clone, Copy, Default)]
struct Attempt<'a> {
    provider: Option<&'a str>,
    username: &'a str,
}

fn page(visit: &Visit, next: &str, attempt: Attempt<'_>, error: Option<String>) -> LoginPage {
    let mut forms = forms(visit);
    let failed = match attempt.provider {
        Some(id) => forms.iter_mut().find(|form| form.provider == id),
        None => forms.first_mut(),
    };
    let error = match failed {
        Some(form) => {
            attempt.username.clone_into(&mut form.username);
            form.error = error;
            None
        }
        None => error,
    };
    LoginPage {
        providers: buttons(visit, next),
        forms,
        action_url: visit.hub_path("login"),
        next: next.to_owned(),
        sign_up_url: sign_up_url(visit),
        notice: None,
        error,
    }
}

/// Where people make an account, if they may.
fn sign_up_url(visit: &Visit) -> Option<String> {
    let hub = &visit.web.hub;
    let is_possible =
        hub.settings().sign_up != SignUpRule::Off && hub.people.local_accounts().is_some();
    is_possible.then(|| visit.hub_path("signup"))
}

/// The providers with a sign-in page of their own.
fn buttons(visit: &Visit, next: &str) -> Vec<ProviderButton> {
    let query = |extra: &[(&str, &str)]| {
        let pairs = extra.iter().copied().chain([("next", next)]);
        let pairs = pairs.filter(|(_, value)| !value.is_empty());
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish()
    };
    let elsewhere = visit.web.hub.people.providers().iter();
    let elsewhere = elsewhere.filter(|p| !matches!(p.provider.method(), LoginMethod::Form(_)));
    elsewhere
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
        .collect()
}

/// The providers whose passwords are typed into this page.
fn forms(visit: &Visit) -> Vec<PasswordForm> {
    let forms = visit.web.hub.people.password_providers().into_iter();
    forms
        .map(|(id, title)| PasswordForm {
            provider: id.to_string(),
            title: title.to_owned(),
            username: String::new(),
            error: None,
        })
        .collect()
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
    let fields = match Fields::read(request).await {
        Ok(fields) => fields,
        Err(error) => return refuse(&visit, Attempt::default(), "", &error),
    };
    let next = fields
        .get("next")
        .map(str::to_owned)
        .or_else(|| visit.query("next"));
    let next = next.unwrap_or_default();
    // JupyterHub's form names no provider, so it speaks to the first one.
    let attempt = Attempt {
        provider: fields.get("provider").filter(|id| !id.is_empty()),
        username: fields.text("username"),
    };
    if !visit.is_our_form(&fields) {
        let error = HubError::forbidden(
            "This page was open for too long, or your session or network has changed. Please try again.",
        );
        return refuse(&visit, attempt, &next, &error);
    }
    let began = tokio::time::Instant::now();
    let hub = &visit.web.hub;
    let address = visit.peer.address.to_string();
    let password = fields.secret("password");
    let checked = hub
        .people
        .sign_in_with_password(
            attempt.provider,
            attempt.username,
            password,
            &address,
            device::known(&visit, attempt.provider, attempt.username),
        )
        .await;
    let is_in = matches!(checked, Ok(PasswordSignIn::Arrived(_)));
    hub.metrics().sign_in(is_in, began.elapsed());
    let arrival = match checked {
        Ok(PasswordSignIn::Arrived(arrival)) => arrival,
        Ok(PasswordSignIn::Waits) => return sign_up::waits(&visit, StatusCode::FORBIDDEN),
        Err(error) => return refuse(&visit, attempt, &next, &error),
    };
    // The form of JupyterHub can ask for the code together with the password.
    let otp = fields.secret("otp");
    let is_local = arrival.is_local();
    match enter(&visit, *arrival, Some(&otp), Some(&next)).await {
        Err(Refusal::Error(error)) => refuse(&visit, attempt, &next, &error),
        Ok(mut response) if !is_local => {
            device::remember(&visit, &mut response, attempt.provider, attempt.username);
            response
        }
        other => visit.answer(other),
    }
}

fn refuse(visit: &Visit, attempt: Attempt<'_>, next: &str, error: &HubError) -> Response {
    crate::error::log(error);
    let mut page = page(visit, next, attempt, Some(public_message(error)));
    page.notice = still_signed_in(visit);
    let response = visit.page_with_status(status_of(error), "Sign in", &page);
    with_error_headers(response, error)
}

/// What the page adds to an error for somebody who is signed in already, for example in another tab.
fn still_signed_in(visit: &Visit) -> Option<String> {
    let name = &visit.person()?.user.name;
    Some(format!("You are still signed in as {name}."))
}

/// The longest `next` that is kept while somebody is at a provider.
pub(crate) const LONGEST_NEXT: usize = 4096;

/// Begins the session of somebody who has shown who they are and sends them on, or leads them to the
/// second step of a local account. A code of the second factor may have come with the password.
pub(crate) async fn enter(
    visit: &Visit,
    sign_in: CompletedSignIn,
    otp: Option<&Secret>,
    next: Option<&str>,
) -> PageResult {
    let hub = &visit.web.hub;
    let next = next.and_then(|next| visit.next(next));
    let kept = next.as_deref().filter(|next| next.len() <= LONGEST_NEXT);
    let address = visit.peer.address.to_string();
    let client = SignInClient {
        address: &address,
        browser: visit.browser(),
    };
    let local = sign_in
        .is_local()
        .then(|| (sign_in.provider().clone(), sign_in.user().name.clone()));
    let entered = hub.people.enter(sign_in, otp, kept, client).await?;
    match entered {
        SignInProgress::Session(session) => {
            let target = next.unwrap_or_else(|| visit.hub());
            let mut response = begin_session(visit, &session, redirect(&target)).await?;
            if let Some((provider, name)) = local {
                let provider = Some(provider.as_str());
                device::remember(visit, &mut response, provider, name.as_str());
            }
            Ok(response)
        }
        SignInProgress::SecondStep(cookie) => Ok(second_step::begin(visit, &cookie)),
    }
}

/// Gives the browser of an answer a session that was opened for it.
pub(crate) async fn begin_session(
    visit: &Visit,
    session: &NewBrowserSession,
    mut response: Response,
) -> Result<Response, HubError> {
    let hub = &visit.web.hub;
    // The browser may have had another session, perhaps of somebody else, which ends.
    if let Some(earlier) = visit.person() {
        hub.people.leave_session(earlier).await?;
    }
    let settings = hub.settings();
    let (cookie, path) = (session.cookie.expose(), visit.hub());
    let max_age = Some(settings.session_lifetime);
    visit.set_own_cookie(&mut response, cookies::SIGN_IN, cookie, &path, max_age);
    let session_id = SetCookie {
        name: cookies::SESSION_ID,
        value: &session.session_id,
        path: &settings.base,
        secure: visit.is_secure(),
        http_only: true,
        max_age: None,
    };
    let session_id = cookies::for_servers(&session_id.to_header(), settings);
    visit.set_cookie(&mut response, &session_id);
    visit.set_cookie(
        &mut response,
        &visit.xsrf_cookie_for_session(&session.session_id),
    );
    Ok(response)
}

/// The sign-in page with what went wrong at a provider, on the way to `next`.
pub(crate) fn with_error(visit: &Visit, error: &HubError, next: Option<&str>) -> Response {
    let mut page = page(visit, next.unwrap_or_default(), Attempt::default(), None);
    page.error = Some(public_message(error));
    page.notice = still_signed_in(visit);
    crate::error::log(error);
    with_error_headers(
        visit.page_with_status(status_of(error), "Sign in", &page),
        error,
    )
}
