//! People make a local account themselves, or ask an administrator for one.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::{
    FormError, HubError, LONGEST_EMAIL, LONGEST_REASON, SignUpForm, SignUpRule, SignedUp,
};

use crate::error::{log, status_of, with_error_headers};
use crate::pages::password::{at, whole};
use crate::pages::sign_in::enter;
use crate::views::{SignUpPage, WaitingPage};
use crate::visit::{PageResult, Visit};

/// What was typed before, after an attempt that failed.
#[derive(Clone, Copy, Default)]
struct Typed<'a> {
    username: &'a str,
    email: &'a str,
    reason: &'a str,
}

/// `GET /hub/signup`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = may_sign_up(&visit)
        .map(|()| show(&visit, Typed::default(), None))
        .map_err(Into::into);
    visit.answer(result)
}

fn may_sign_up(visit: &Visit) -> Result<(), HubError> {
    let hub = &visit.web.hub;
    if hub.settings().sign_up == SignUpRule::Off || hub.people.local_accounts().is_none() {
        return Err(HubError::not_found(
            "People do not make accounts here themselves.",
        ));
    }
    Ok(())
}

/// `POST /hub/signup`
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let result = make(&visit, request).await;
    visit.answer(result)
}

async fn make(visit: &Visit, request: Request) -> PageResult {
    may_sign_up(visit)?;
    let fields = visit.form(request).await?;
    let typed = Typed {
        username: fields.text("username"),
        email: fields.text("email"),
        reason: fields.text("reason"),
    };
    let form = SignUpForm {
        name: typed.username.to_owned(),
        password: fields.secret("password"),
        email: typed.email.to_owned(),
        reason: typed.reason.to_owned(),
    };
    let hub = &visit.web.hub;
    let address = visit.peer.address.to_string();
    match hub.people.sign_up(form, &address).await {
        Ok(SignedUp::Waits) => Ok(waiting(visit, StatusCode::OK, true)),
        Ok(SignedUp::Account(made)) => enter(visit, *made, None, None).await,
        Err(error) => match error.error {
            HubError::NotFound(_) | HubError::Internal { .. } => Err(error.error.into()),
            _ => {
                log(&error.error);
                Ok(show(visit, typed, Some(&error)))
            }
        },
    }
}

fn show(visit: &Visit, typed: Typed<'_>, error: Option<&FormError>) -> Response {
    let settings = visit.web.hub.settings();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let page = SignUpPage {
        action: visit.hub_path("signup"),
        login_url: visit.hub_path("login"),
        needs_approval: settings.sign_up == SignUpRule::Approval,
        username: typed.username.to_owned(),
        email: typed.email.to_owned(),
        reason: typed.reason.to_owned(),
        password_minimum: count(settings.minimum_password_length),
        email_maximum: count(LONGEST_EMAIL),
        reason_maximum: count(LONGEST_REASON),
        username_error: at(error, "username"),
        password_error: at(error, "password"),
        email_error: at(error, "email"),
        reason_error: at(error, "reason"),
        error: whole(error),
    };
    let status = error.map_or(StatusCode::OK, |error| status_of(&error.error));
    let response = visit.page_with_status(status, "Sign up", &page);
    match error {
        Some(error) => with_error_headers(response, &error.error),
        None => response,
    }
}

/// The page for somebody who signs in and still waits.
pub(crate) fn waits(visit: &Visit, status: StatusCode) -> Response {
    waiting(visit, status, false)
}

fn waiting(visit: &Visit, status: StatusCode, is_new: bool) -> Response {
    let page = WaitingPage {
        is_new,
        login_url: visit.hub_path("login"),
    };
    visit.page_with_status(status, "Waiting", &page)
}
