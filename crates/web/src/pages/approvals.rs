//! The administrators' page about people who ask for an account.

use axum::extract::{Path, Request};
use axum::response::Response;
use jansky_hub::action::AnswerSignUps;
use jansky_hub::{HubError, Permit, SignUp};

use crate::error::{log, public_message, status_of};
use crate::pages::admin::admin;
use crate::views::{ApprovalRow, ApprovalsPage};
use crate::visit::{PageResult, Refusal, Visit};

/// What the person at the browser needs to answer.
async fn approver(visit: &Visit) -> Result<Permit<'_, AnswerSignUps>, Refusal> {
    let actor = admin(visit).await?;
    match visit.web.hub.permit(actor, ()).await {
        Ok(permit) => Ok(permit),
        Err(HubError::Forbidden(_) | HubError::NotFound(_)) => {
            Err(HubError::forbidden("Only those who manage all users answer here.").into())
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /hub/admin/approvals`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = async {
        let permit = approver(&visit).await?;
        show(&visit, &permit, None, None).await
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/admin/approvals/{id}/approve`
pub(crate) async fn approve(visit: Visit, Path(id): Path<String>, request: Request) -> Response {
    let result = async {
        let permit = approver(&visit).await?;
        visit.form(request).await?;
        match visit
            .web
            .hub
            .people
            .approve_sign_up(&permit, number(&id)?)
            .await
        {
            Ok(user) => {
                let notice = format!("{} has an account now and can sign in.", user.name);
                show(&visit, &permit, Some(notice), None).await
            }
            Err(error) => refuse_or_show(&visit, &permit, error).await,
        }
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/admin/approvals/{id}/refuse`
pub(crate) async fn refuse(visit: Visit, Path(id): Path<String>, request: Request) -> Response {
    let result = async {
        let permit = approver(&visit).await?;
        visit.form(request).await?;
        match visit
            .web
            .hub
            .people
            .refuse_sign_up(&permit, number(&id)?)
            .await
        {
            Ok(name) => {
                let notice = format!("{name} gets no account.");
                show(&visit, &permit, Some(notice), None).await
            }
            Err(error) => refuse_or_show(&visit, &permit, error).await,
        }
    }
    .await;
    visit.answer(result)
}

fn number(id: &str) -> Result<i64, HubError> {
    id.parse()
        .map_err(|_| HubError::not_found("There is no such request."))
}

/// Somebody else was faster, or the name is gone: the list says how it stands.
async fn refuse_or_show(
    visit: &Visit,
    permit: &Permit<'_, AnswerSignUps>,
    error: HubError,
) -> PageResult {
    match error {
        HubError::NotFound(_) | HubError::Conflict(_) => {
            show(visit, permit, None, Some(error)).await
        }
        other => Err(other.into()),
    }
}

async fn show(
    visit: &Visit,
    permit: &Permit<'_, AnswerSignUps>,
    notice: Option<String>,
    error: Option<HubError>,
) -> PageResult {
    let waiting = visit.web.hub.people.sign_ups(permit).await?;
    let status = error.as_ref().map_or(axum::http::StatusCode::OK, status_of);
    if let Some(error) = &error {
        log(error);
    }
    let page = ApprovalsPage {
        notice,
        error: error.as_ref().map(public_message),
        rows: waiting.iter().map(|sign_up| row(visit, sign_up)).collect(),
        admin_url: visit.hub_path("admin"),
    };
    Ok(visit.page_with_status(status, "Approve accounts", &page))
}

fn row(visit: &Visit, sign_up: &SignUp) -> ApprovalRow {
    let act = |what: &str| visit.hub_path(&format!("admin/approvals/{}/{what}", sign_up.id));
    ApprovalRow {
        name: sign_up.name.to_string(),
        email: sign_up.email.clone(),
        reason: sign_up.reason.clone(),
        requested: sign_up.requested_at,
        ends: sign_up.expires_at,
        is_in_rules: visit.web.hub.people.is_name_in_rules(&sign_up.name, true),
        approve_action: act("approve"),
        refuse_action: act("refuse"),
    }
}
