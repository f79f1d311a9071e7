//! The step between the password and the session of a local account: a code, or the second factor is
//! set up. A cookie ties it to the browser.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::{
    FormError, HubError, MissingStep, SecondStepUnderWay, SetUpBrowser, SignInClient,
};
use jansky_model::Secret;

use crate::cookies;
use crate::device;
use crate::error::{log, status_of, with_error_headers};
use crate::pages::password::{at, whole};
use crate::pages::second_factor::{codes_page, set_up};
use crate::pages::sign_in;
use crate::views::SecondStepPage;
use crate::visit::{PageResult, Visit, redirect};

const PATH: &str = "login/second-step";

/// Leads a browser whose password was right to this page; `cookie` is the value of its cookie.
pub(crate) fn begin(visit: &Visit, cookie: &Secret) -> Response {
    let mut response = redirect(&visit.hub_path(PATH));
    let (value, path) = (cookie.expose(), visit.hub_path("login"));
    visit.set_own_cookie(&mut response, cookies::SECOND_STEP, value, &path, None);
    response
}

/// Takes the cookie away.
fn end(visit: &Visit, response: &mut Response) {
    visit.remove_own_cookie(response, cookies::SECOND_STEP, &visit.hub_path("login"));
}

/// The step of this browser, with the value of its cookie.
async fn under_way(visit: &Visit) -> Result<Option<(Secret, SecondStepUnderWay)>, HubError> {
    for value in visit.own_cookies(cookies::SECOND_STEP) {
        let cookie = Secret::new(value);
        if let Some(step) = visit.web.hub.people.second_step(&cookie).await? {
            return Ok(Some((cookie, step)));
        }
    }
    Ok(None)
}

/// `GET /hub/login/second-step`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = async {
        match under_way(&visit).await? {
            Some((cookie, step)) => show(&visit, &cookie, &step, None).await,
            None => Ok(redirect(&visit.hub_path("login"))),
        }
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/login/second-step`
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let result = finish(&visit, request).await;
    visit.answer(result)
}

async fn finish(visit: &Visit, request: Request) -> PageResult {
    let fields = visit.form(request).await?;
    let Some((cookie, step)) = under_way(visit).await? else {
        return Ok(too_late(visit));
    };
    let hub = &visit.web.hub;
    let address = visit.peer.address.to_string();
    let otp = fields.secret("otp");
    let visitor = SignInClient {
        address: &address,
        browser: visit.browser(),
    };
    let finished = match hub.people.finish_second_step(&cookie, &otp, visitor).await {
        Ok(finished) => finished,
        Err(error) => {
            log(&error.error);
            return match &error.error {
                HubError::SignInAgain(_) => Ok(too_late(visit)),
                HubError::Internal { .. } | HubError::NotFound(_) => Err(error.error.into()),
                // It was set up or taken away meanwhile; the page says how it stands.
                HubError::Conflict(_) => Ok(redirect(&visit.hub_path(PATH))),
                _ => show(visit, &cookie, &step, Some(&error)).await,
            };
        }
    };
    let next = finished.next.as_deref().and_then(|next| visit.next(next));
    let target = next.unwrap_or_else(|| visit.hub());
    let response = if finished.recovery_codes.is_empty() {
        redirect(&target)
    } else {
        let page = codes_page(finished.recovery_codes, true, target);
        visit.page_with_status(StatusCode::OK, "Recovery codes", &page)
    };
    let mut response = sign_in::begin_session(visit, &finished.session, response).await?;
    end(visit, &mut response);
    let provider = hub.people.local_provider();
    let name = finished.user.name.as_str();
    device::remember(visit, &mut response, Some(provider.as_str()), name);
    Ok(response)
}

fn too_late(visit: &Visit) -> Response {
    let error = HubError::SignInAgain("This took too long. Please sign in again.".to_owned());
    let mut response = sign_in::with_error(visit, &error, None);
    end(visit, &mut response);
    response
}

async fn show(
    visit: &Visit,
    cookie: &Secret,
    step: &SecondStepUnderWay,
    error: Option<&FormError>,
) -> PageResult {
    let hub = &visit.web.hub;
    let site = &visit.web.site_name;
    let page = SecondStepPage {
        name: step.user.name.to_string(),
        action: visit.hub_path(PATH),
        login_url: visit.hub_path("login?again=1"),
        set_up: match step.due {
            MissingStep::Code => None,
            MissingStep::SetUp => {
                let browser = SetUpBrowser::Step(cookie);
                let begun = hub.people.begin_second_factor(browser, site).await?;
                Some(set_up(&begun))
            }
        },
        otp_error: at(error, "otp"),
        error: whole(error),
    };
    let status = error.map_or(StatusCode::OK, |error| status_of(&error.error));
    let response = visit.page_with_status(status, "Sign in", &page);
    Ok(match error {
        Some(error) => with_error_headers(response, &error.error),
        None => response,
    })
}
