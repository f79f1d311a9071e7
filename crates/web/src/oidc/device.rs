//! The page on which a person lets a program on a command line have a token.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;

use crate::views::{DevicePage, DeviceStep};
use crate::visit::{PageResult, Visit};

/// `GET /hub/oidc/device`: asks for the code, or, when the address has it, for an answer.
pub(crate) async fn get(visit: Visit) -> Response {
    let result = async {
        visit.signed_in()?;
        match visit.query("user_code") {
            Some(code) => ask(&visit, &code).await,
            None => Ok(type_code(&visit, StatusCode::OK, "", None)),
        }
    };
    let result = result.await;
    visit.answer(result)
}

/// `POST /hub/oidc/device`: the code, or an answer.
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let result = answered(&visit, request).await;
    visit.answer(result)
}

async fn answered(visit: &Visit, request: Request) -> PageResult {
    let actor = visit.signed_in()?;
    let fields = visit.form(request).await?;
    let code = fields.text("user_code");
    let allow = match fields.text("answer") {
        "allow" => true,
        "deny" => false,
        _ => return ask(visit, code).await,
    };
    let hub = &visit.web.hub;
    if !hub
        .broker
        .answer_device_question(actor, code, allow)
        .await?
    {
        return Ok(unknown(visit, code));
    }
    let step = if allow {
        DeviceStep::Allowed
    } else {
        DeviceStep::Denied
    };
    Ok(show(visit, StatusCode::OK, step))
}

async fn ask(visit: &Visit, code: &str) -> PageResult {
    let actor = visit.signed_in()?;
    let Some(question) = visit.web.hub.broker.device_question(actor, code).await? else {
        return Ok(unknown(visit, code));
    };
    let step = DeviceStep::Question {
        user_code: question.user_code,
        client: question.client,
        audience: question.audience,
        scopes: question.scopes,
    };
    Ok(show(visit, StatusCode::OK, step))
}

fn unknown(visit: &Visit, code: &str) -> Response {
    let message = "Nothing waits under this code. It may have taken too long: start again on the \
                   command line, or look whether you typed the code as it is shown there.";
    type_code(visit, StatusCode::NOT_FOUND, code, Some(message))
}

fn type_code(visit: &Visit, status: StatusCode, code: &str, error: Option<&str>) -> Response {
    let step = DeviceStep::Code {
        user_code: code.chars().take(20).collect(),
        error: error.map(str::to_owned),
    };
    show(visit, status, step)
}

fn show(visit: &Visit, status: StatusCode, step: DeviceStep) -> Response {
    let page = DevicePage {
        action: visit.hub_path("oidc/device"),
        home_url: visit.hub_path("home"),
        step,
    };
    visit.page_with_status(status, "Command line", &page)
}
