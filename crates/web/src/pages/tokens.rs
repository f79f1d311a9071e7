//! The token page: tokens for the REST API, made, listed and revoked.

use std::time::Duration;

use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::{HubError, NewApiToken, Permit};
use jansky_hub::{TokenId, TokenKind};
use jansky_model::Secret;

use crate::error::public_message;
use crate::scope_descriptions::scope_in_words;
use crate::views::{ExpiryOption, TokenRow, TokensPage};
use crate::visit::{PageResult, Visit, redirect};

/// How long a token may live, in seconds and in words.
const LIFETIMES: [(&str, &str); 5] = [
    ("3600", "1 hour"),
    ("86400", "1 day"),
    ("604800", "1 week"),
    ("2592000", "30 days"),
    ("", "No end"),
];

/// What the form begins with.
const USUAL_LIFETIME: &str = "604800";

/// `GET /hub/token`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = show(&visit, None, "", None).await;
    visit.answer(result)
}

async fn show(
    visit: &Visit,
    new_token: Option<Secret>,
    note: &str,
    error: Option<String>,
) -> PageResult {
    let actor = visit.signed_in()?;
    let tokens = visit.web.hub.people.tokens_of(&Permit::own(actor)?).await?;
    let rows = tokens
        .into_iter()
        .filter(|token| token.kind != TokenKind::Server)
        .map(|token| TokenRow {
            id: format!("a{}", token.id.0),
            revoke_action: visit.hub_path(&format!("token/a{}/revoke", token.id.0)),
            scopes_text: words_of(&token.scopes, actor.user.name.as_str()),
            note: token.note,
            created: token.created_at,
            last_used: token.last_used_at,
            expires: token.expires_at,
            client: token.client_id,
        })
        .collect();
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = TokensPage {
        tokens: rows,
        new_token,
        create_action: visit.hub_path("token"),
        error,
        note: note.to_owned(),
        expires_options: LIFETIMES
            .iter()
            .map(|(value, title)| ExpiryOption {
                value: (*value).to_owned(),
                title: (*title).to_owned(),
                selected: *value == USUAL_LIFETIME,
            })
            .collect(),
    };
    Ok(visit.page_with_status(status, "Tokens", &page))
}

fn words_of(scopes: &[String], reader: &str) -> String {
    scopes
        .iter()
        .map(|scope| scope_in_words(scope, reader))
        .collect::<Vec<_>>()
        .join("; ")
}

/// `POST /hub/token`: makes a token and shows it this once.
pub(crate) async fn post(visit: Visit, request: Request) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let fields = visit.form(request).await?;
        let note = fields.text("note").trim();
        let wanted = match read_request(note, fields.text("expires_in")) {
            Ok(wanted) => wanted,
            Err(error) => return show(&visit, None, note, Some(public_message(&error))).await,
        };
        match visit
            .web
            .hub
            .people
            .create_token(&Permit::own(actor)?, wanted)
            .await
        {
            Ok((_, secret)) => show(&visit, Some(secret), "", None).await,
            Err(error @ HubError::Invalid(_)) => {
                show(&visit, None, note, Some(public_message(&error))).await
            }
            Err(error) => Err(error.into()),
        }
    }
    .await;
    visit.answer(result)
}

fn read_request(note: &str, expires_in: &str) -> Result<NewApiToken, HubError> {
    let lifetime = match expires_in {
        "" => None,
        seconds => {
            let seconds = seconds
                .parse::<u64>()
                .map_err(|_| HubError::invalid("Choose how long the token should live."))?;
            Some(Duration::from_secs(seconds.max(1)))
        }
    };
    Ok(NewApiToken {
        note: note.to_owned(),
        lifetime,
        scopes: None,
        session_id: None,
    })
}

/// `POST /hub/token/{id}/revoke`
pub(crate) async fn revoke(visit: Visit, Path(id): Path<String>, request: Request) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        visit.form(request).await?;
        let id = parse_id(&id).ok_or_else(|| HubError::not_found("No such token."))?;
        visit
            .web
            .hub
            .people
            .revoke_token(&Permit::own(actor)?, id)
            .await?;
        Ok(redirect(&visit.hub_path("token")))
    }
    .await;
    visit.answer(result)
}

/// Reads a token id as it stands on the wire: `a` and a number.
pub(crate) fn parse_id(text: &str) -> Option<TokenId> {
    text.strip_prefix('a')?.parse().ok().map(TokenId)
}
