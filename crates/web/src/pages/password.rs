//! A new password: for somebody who is signed in and knows the present one, or who has a link from
//! an administrator.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::{FormError, HubError};
use jansky_model::Secret;

use crate::error::{log, public_message, status_of, with_error_headers};
use crate::views::PasswordPage;
use crate::visit::{PageResult, Refusal, Visit, redirect};

/// `GET /hub/account/password`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let account = visit.web.hub.people.local_account(actor).await?;
        account.ok_or_else(|| HubError::not_found("You have no password at this hub."))?;
        Ok(show(&visit, None, None))
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/account/password`
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let fields = visit.form(request).await?;
        let address = visit.peer.address.to_string();
        let (current, new) = (fields.secret("current"), fields.secret("password"));
        let changed = visit
            .web
            .hub
            .people
            .change_password(actor, current, new, &address)
            .await;
        match changed {
            Ok(()) => Ok(redirect(&visit.hub_path("account?done=password"))),
            Err(error) => refuse(&visit, None, error),
        }
    }
    .await;
    visit.answer(result)
}

/// `GET /hub/new-password?code=…`
pub(crate) async fn by_link(visit: Visit) -> Response {
    let result = async {
        let user = visit
            .web
            .hub
            .people
            .user_of_password_link(&code(&visit))
            .await?;
        let unusable = || HubError::not_found("This link has been used or has expired.");
        let name = user.ok_or_else(unusable)?.name.to_string();
        Ok(show(&visit, Some(name), None))
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/new-password?code=…`
pub(crate) async fn choose(visit: Visit, request: Request) -> Response {
    let result = async {
        let fields = visit.form(request).await?;
        let hub = &visit.web.hub;
        let code = code(&visit);
        match hub
            .people
            .choose_password(&code, fields.secret("password"))
            .await
        {
            Ok(_) => Ok(redirect(&visit.hub_path("login?done=password"))),
            Err(error) => {
                let user = hub.people.user_of_password_link(&code).await?;
                refuse(&visit, user.map(|user| user.name.to_string()), error)
            }
        }
    }
    .await;
    visit.answer(result)
}

fn code(visit: &Visit) -> Secret {
    Secret::new(visit.query("code").unwrap_or_default())
}

/// The form again, if it can be filled in better.
fn refuse(visit: &Visit, name: Option<String>, error: FormError) -> PageResult {
    match error.error {
        HubError::NotFound(_) | HubError::Internal { .. } => Err(Refusal::Error(error.error)),
        _ => {
            log(&error.error);
            Ok(show(visit, name, Some(&error)))
        }
    }
}

fn show(visit: &Visit, name: Option<String>, error: Option<&FormError>) -> Response {
    let minimum = visit.web.hub.settings().minimum_password_length;
    let page = PasswordPage {
        action: visit.here(),
        name,
        password_minimum: u32::try_from(minimum).unwrap_or(u32::MAX),
        current_error: at(error, "current"),
        password_error: at(error, "password"),
        error: whole(error),
    };
    let status = error.map_or(StatusCode::OK, |error| status_of(&error.error));
    let response = visit.page_with_status(status, "Password", &page);
    match error {
        Some(error) => with_error_headers(response, &error.error),
        None => response,
    }
}

/// What is wrong with one field.
pub(crate) fn at(error: Option<&FormError>, field: &str) -> Option<String> {
    let error = error.filter(|error| error.field == Some(field));
    error.map(|error| public_message(&error.error))
}

/// What is wrong as a whole.
pub(crate) fn whole(error: Option<&FormError>) -> Option<String> {
    let error = error.filter(|error| error.field.is_none());
    error.map(|error| public_message(&error.error))
}
