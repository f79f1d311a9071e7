//! The page behind the one-time link with which the first admin account is made.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::HubError;
use jansky_model::Secret;

use crate::error::{public_message, status_of};
use crate::pages::sign_in::enter;
use crate::views::SetupPage;
use crate::visit::{PageResult, Visit};

/// `GET /hub/setup?code=…`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = async {
        let code = Secret::new(visit.query("code").unwrap_or_default());
        if !visit.web.hub.people.is_first_admin_code(&code).await? {
            return Err(HubError::not_found("This link has been used or has expired.").into());
        }
        Ok(show(&visit, StatusCode::OK, "", None))
    }
    .await;
    visit.answer(result)
}

fn show(visit: &Visit, status: StatusCode, username: &str, error: Option<&HubError>) -> Response {
    let minimum = visit.web.hub.settings().minimum_password_length;
    let page = SetupPage {
        action: visit.here(),
        username: username.to_owned(),
        password_minimum: u32::try_from(minimum).unwrap_or(u32::MAX),
        username_error: None,
        password_error: None,
        error: error.map(public_message),
    };
    visit.page_with_status(status, "Set up", &page)
}

/// `POST /hub/setup?code=…`
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let result = make(&visit, request).await;
    visit.answer(result)
}

async fn make(visit: &Visit, request: Request) -> PageResult {
    let fields = visit.form(request).await?;
    let code = Secret::new(visit.query("code").unwrap_or_default());
    let username = fields.text("username");
    let hub = &visit.web.hub;
    match hub
        .people
        .set_up_first_admin(&code, username, fields.secret("password"))
        .await
    {
        Ok(made) => enter(visit, made, None, None).await,
        Err(error @ (HubError::Invalid(_) | HubError::Conflict(_))) => {
            Ok(show(visit, status_of(&error), username, Some(&error)))
        }
        Err(error) => Err(error.into()),
    }
}
