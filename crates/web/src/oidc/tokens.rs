//! The endpoints that programs call: to get a token, to ask about one, and to revoke one.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use jansky_hub::{DeviceAuthorizationRequest, IssuerError};
use jansky_model::Secret;
use serde_json::json;

use crate::oidc::answer::{Form, refusal};
use crate::state::{Peer, WebState};
use crate::visit::read_body;

/// The only grant type: a program that a person has allowed to have a token.
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

type Answered = Result<Response, IssuerError>;

fn answer(result: Answered) -> Response {
    result.unwrap_or_else(|error| refusal(&error))
}

/// `POST /hub/oidc/device_authorization` (RFC 8628 section 3.1)
pub(crate) async fn begin(State(web): State<WebState>, request: Request) -> Response {
    let result = async {
        let peer = Peer::of(request.extensions())?;
        let headers = request.headers().clone();
        let form = Form::read(&read_body(request).await?)?;
        let asked = DeviceAuthorizationRequest {
            client: form.client(&headers)?,
            audience: form.get("audience").map(str::to_owned),
            scope: form.get("scope").map(str::to_owned),
            challenge: form.get("code_challenge").map(str::to_owned),
            challenge_method: form.get("code_challenge_method").map(str::to_owned),
            address: peer.address.to_string(),
        };
        let begun = web.hub.broker.begin_device_request(&asked).await?;
        let page = format!("{}/device", web.hub.broker.issuer());
        Ok(Json(json!({
            "device_code": begun.device_code.expose(),
            "user_code": begun.user_code,
            "verification_uri": page,
            "verification_uri_complete": format!("{page}?user_code={}", begun.user_code),
            "expires_in": begun.expires_in.as_secs(),
            "interval": begun.pause.as_secs(),
        }))
        .into_response())
    };
    answer(result.await)
}

/// `POST /hub/oidc/token` (RFC 8628 section 3.4)
pub(crate) async fn token(State(web): State<WebState>, request: Request) -> Response {
    let result = async {
        let headers = request.headers().clone();
        let form = Form::read(&read_body(request).await?)?;
        if form.required("grant_type")? != DEVICE_CODE {
            return Err(IssuerError::UnsupportedGrantType);
        }
        let client = form.client(&headers)?;
        let code = Secret::new(form.required("device_code")?);
        let verifier = form.get("code_verifier").map(Secret::new);
        let issued = web
            .hub
            .broker
            .device_token(&client, &code, verifier.as_ref())
            .await?;
        let left = issued.expires_at.since(web.hub.clock().now());
        Ok(Json(json!({
            "access_token": issued.token.expose(),
            "token_type": "Bearer",
            "expires_in": left.as_secs(),
            "scope": issued.scope,
        }))
        .into_response())
    };
    answer(result.await)
}

/// `POST /hub/oidc/introspect` (RFC 7662)
pub(crate) async fn introspect(State(web): State<WebState>, request: Request) -> Response {
    let result = async {
        let headers = request.headers().clone();
        let form = Form::read(&read_body(request).await?)?;
        let client = form.client(&headers)?;
        let token = Secret::new(form.get("token").unwrap_or_default());
        Ok(Json(web.hub.broker.introspect(&client, &token).await?).into_response())
    };
    answer(result.await)
}

/// `POST /hub/oidc/revoke` (RFC 7009)
pub(crate) async fn revoke(State(web): State<WebState>, request: Request) -> Response {
    let result = async {
        let headers = request.headers().clone();
        let form = Form::read(&read_body(request).await?)?;
        let client = form.client(&headers)?;
        let token = Secret::new(form.get("token").unwrap_or_default());
        web.hub.broker.revoke_issued(&client, &token).await?;
        Ok(Json(json!({})).into_response())
    };
    answer(result.await)
}
