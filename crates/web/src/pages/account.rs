//! One's own account: identities, what providers gave, and the browsers in which one is signed in.

use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::{
    Actor, FreezeReason, GrantState, GrantStatus, HubError, Identity, IdentityId, Linked,
    LoginMethod, Permit, SecondFactorRule, Session, SignIns,
};
use jansky_model::ProviderId;

use crate::error::{log, public_message, status_of};
use crate::pages::{sign_out, title_of};
use crate::user_agent::browser_in_words;
use crate::views::{
    AccountPage, BrowserRow, ErrorPage, GrantPhase, GrantRow, IdentityRow, Link, LocalRow,
    ProviderButton, ServerSessionRow,
};
use crate::visit::{PageResult, Visit, redirect};

/// Binds the address of a link button to the session that shows it: nothing is linked because
/// another page leads a browser there.
const LINK: &str = "link";

/// `GET /hub/account`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = show(&visit).await;
    visit.answer(result)
}

async fn show(visit: &Visit) -> PageResult {
    let actor = visit.signed_in()?;
    let sign_ins = visit.web.hub.people.sign_ins(&Permit::own(actor)?).await?;
    let own = sign_ins
        .sessions
        .iter()
        .find(|session| Some(session.session_id.as_str()) == actor.session_id());
    let page = AccountPage {
        notice: visit.query("done").and_then(|done| done_in_words(&done)),
        local: local(visit, actor).await?,
        audit_url: visit.hub_path("account/audit"),
        identities: sign_ins
            .identities
            .iter()
            .map(|identity| identity_row(visit, actor, identity, own, &sign_ins))
            .collect(),
        linkable: linkable(visit, actor, &sign_ins),
        browsers: sign_ins
            .sessions
            .iter()
            .map(|session| browser_row(visit, session, own))
            .collect(),
        servers: servers(visit, actor).await?,
        everywhere_action: visit.hub_path("account/sign-out-everywhere"),
    };
    Ok(visit.page("Account", &page))
}

/// What was done just now, which the address says by a word.
fn done_in_words(done: &str) -> Option<String> {
    let words = match done {
        "password" => "Your password is changed. Your other browsers are signed out.",
        "second-factor-off" => "Your second factor is turned off.",
        _ => return None,
    };
    Some(words.to_owned())
}

/// The person's password and second factor, if they have a local account.
async fn local(visit: &Visit, actor: &Actor) -> Result<Option<LocalRow>, HubError> {
    let hub = &visit.web.hub;
    let account = hub.people.local_account(actor).await?;
    let is_asked = hub.settings().second_factor != SecondFactorRule::Off;
    Ok(account.map(|account| LocalRow {
        title: hub.settings().local_title.clone(),
        changed: account.changed_at,
        password_url: visit.hub_path("account/password"),
        has_second_factor: is_asked.then_some(account.has_second_factor),
        second_factor_url: visit.hub_path("account/second-factor"),
    }))
}

fn identity_row(
    visit: &Visit,
    actor: &Actor,
    identity: &Identity,
    own: Option<&Session>,
    sign_ins: &SignIns,
) -> IdentityRow {
    let provider = &identity.provider;
    let is_current = own.is_some_and(|session| session.provider == *provider);
    let mut grants = sign_ins.grants.iter();
    let grant = grants.find(|g| g.provider == *provider && g.service.is_none());
    IdentityRow {
        provider: visit.web.hub.people.title_of_provider(provider),
        subject: identity.subject.clone(),
        linked: identity.created_at,
        last_used: identity.last_login_at,
        is_current,
        unlink_action: (!is_current)
            .then(|| visit.hub_path(&format!("account/identities/{}/unlink", identity.id.0))),
        grant: grant.map(|grant| {
            let is_dead = grant.state == GrantState::Reauth;
            let again = is_dead && can_go_to(visit, provider);
            GrantRow {
                sign_in_url: again.then(|| link_url(visit, actor, provider)),
                ..grant_row(visit, grant)
            }
        }),
    }
}

/// A grant as a page shows it.
pub(crate) fn grant_row(visit: &Visit, grant: &GrantStatus) -> GrantRow {
    GrantRow {
        provider: visit.web.hub.people.title_of_provider(&grant.provider),
        state: match grant.state {
            GrantState::Ok => GrantPhase::Ok,
            GrantState::Backoff | GrantState::Uncertain => GrantPhase::NoAnswer,
            GrantState::Reauth => GrantPhase::SignInAgain,
        },
        failing_since: grant.failing_since,
        refreshed: grant.refreshed_at,
        outcome: grant.last_outcome.as_deref().map(outcome_in_words),
        next_try: grant.next_try_at,
        ends: grant.expires_at,
        sign_in_url: None,
    }
}

/// The outcome of a refresh, which the hub keeps as one word.
fn outcome_in_words(word: &str) -> String {
    match word {
        "ok" => "it worked".to_owned(),
        "invalid_grant" => "the provider refused to go on".to_owned(),
        "unavailable" | "timeout" => "the provider did not answer".to_owned(),
        "sign_in_demanded" => "an administrator asks for a new sign-in".to_owned(),
        "no_token" => "the tokens could not be used any more".to_owned(),
        other => format!("it failed ({})", other.replace('_', " ")),
    }
}

fn can_go_to(visit: &Visit, id: &ProviderId) -> bool {
    let mut providers = visit.web.hub.people.providers().iter();
    let found = providers.find(|p| p.provider.id() == id);
    found.is_some_and(|p| matches!(p.provider.method(), LoginMethod::Redirect(_)))
}

/// The providers at which the person has no identity yet.
fn linkable(visit: &Visit, actor: &Actor, sign_ins: &SignIns) -> Vec<ProviderButton> {
    let has = |id: &ProviderId| sign_ins.identities.iter().any(|i| i.provider == *id);
    let providers = visit.web.hub.people.providers().iter();
    providers
        .filter(|p| can_go_to(visit, p.provider.id()) && !has(p.provider.id()))
        .map(|p| {
            let reason = (!p.provider.status().is_usable())
                .then(|| "It does not answer at the moment. Try again in a moment.".to_owned());
            ProviderButton {
                id: p.provider.id().to_string(),
                title: p.provider.title().to_owned(),
                url: link_url(visit, actor, p.provider.id()),
                available: reason.is_none(),
                reason,
            }
        })
        .collect()
}

fn link_url(visit: &Visit, actor: &Actor, provider: &ProviderId) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("idp", provider.as_str())
        .append_pair(LINK, &link_proof(visit, actor))
        .append_pair("next", &visit.hub_path("account"))
        .finish();
    format!("{}?{query}", visit.hub_path("oauth_login"))
}

fn link_proof(visit: &Visit, actor: &Actor) -> String {
    let session = actor.session_id().unwrap_or_default();
    visit.web.key.sign(&[LINK, "session", session])
}

/// Whether this visit begins to link an identity, as the person who pressed the button.
///
/// # Errors
/// When its address was not made for this session.
pub(crate) fn wants_link(visit: &Visit) -> Result<Option<&Actor>, HubError> {
    let Some(proof) = visit.query(LINK) else {
        return Ok(None);
    };
    let stale = || {
        HubError::forbidden(
            "This link is of another session. Open your account page and press the button there.",
        )
    };
    let actor = visit.person().ok_or_else(stale)?;
    let expected = link_proof(visit, actor);
    if jansky_crypto::token::equal(&proof, &expected) {
        Ok(Some(actor))
    } else {
        Err(stale())
    }
}

/// What a browser sees that comes back from linking.
pub(crate) fn after_link(visit: &Visit, linked: Result<Linked, HubError>) -> Response {
    match linked {
        Ok(linked) => {
            let next = linked.next.as_deref().and_then(|next| visit.next(next));
            redirect(&next.unwrap_or_else(|| visit.hub_path("account")))
        }
        Err(error) => not_linked(visit, &error),
    }
}

/// Why an identity was not linked.
pub(crate) fn not_linked(visit: &Visit, error: &HubError) -> Response {
    log(error);
    let page = ErrorPage {
        status: status_of(error).as_u16(),
        heading: "The identity was not linked".to_owned(),
        message: public_message(error),
        advice: vec!["Your account is as it was before.".to_owned()],
        request_id: None,
        links: vec![Link {
            title: "Account".to_owned(),
            url: visit.hub_path("account"),
        }],
    };
    visit.page_with_status(status_of(error), "Not linked", &page)
}

/// The servers with an agent that may ask for tokens in the person's name.
async fn servers(visit: &Visit, actor: &Actor) -> Result<Vec<ServerSessionRow>, HubError> {
    let hub = &visit.web.hub;
    let own = hub.servers.servers_of(actor, &actor.user).await?;
    let agents = hub.broker.agents_of(actor, &actor.user).await?;
    let rows = agents.iter().filter_map(|agent| {
        let server = own.iter().find(|server| server.id == agent.server)?;
        let has_ended = agent.frozen == Some(FreezeReason::Stopped);
        let is_present = server.state.start() == Some(agent.start) && !has_ended;
        is_present.then(|| ServerSessionRow {
            title: title_of(visit, server),
            since: agent.created_at,
            frozen: agent
                .frozen
                .map(|reason| frozen_in_words(reason).to_owned()),
        })
    });
    Ok(rows.collect())
}

const fn frozen_in_words(reason: FreezeReason) -> &'static str {
    match reason {
        FreezeReason::SignedOut => "It gets no tokens because you signed out.",
        FreezeReason::NotAllowed => "It gets no tokens because you may no longer use this hub.",
        FreezeReason::TicketReplay | FreezeReason::Tripwire => {
            "It gets no tokens because somebody may have got into it. Start it again and tell the \
             operator."
        }
        FreezeReason::Operator => "It gets no tokens because an operator ended that.",
        FreezeReason::Owner => "It gets no tokens because you ended that. Start it again to go on.",
        FreezeReason::Stopped => "It has ended.",
    }
}

fn browser_row(visit: &Visit, session: &Session, own: Option<&Session>) -> BrowserRow {
    let is_this = own.is_some_and(|own| own.session_id == session.session_id);
    let end = format!("account/sessions/{}/end", session.session_id);
    BrowserRow {
        title: browser_in_words(session.browser.as_deref()),
        provider: visit.web.hub.people.title_of_provider(&session.provider),
        since: session.created_at,
        ends: session.expires_at,
        is_this,
        end_action: (!is_this).then(|| visit.hub_path(&end)),
    }
}

/// `POST /hub/account/identities/{id}/unlink`
pub(crate) async fn unlink(visit: Visit, Path(id): Path<String>, request: Request) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        visit.form(request).await?;
        let id = id.parse().map(IdentityId);
        let id = id.map_err(|_| HubError::not_found("You have no such identity."))?;
        visit.web.hub.people.unlink(actor, id).await?;
        Ok(redirect(&visit.hub_path("account")))
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/account/sessions/{session}/end`
pub(crate) async fn end_session(
    visit: Visit,
    Path(session): Path<String>,
    request: Request,
) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        visit.form(request).await?;
        visit
            .web
            .hub
            .people
            .end_own_session(actor, &session)
            .await?;
        Ok(redirect(&visit.hub_path("account")))
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/account/sign-out-everywhere`
pub(crate) async fn everywhere(visit: Visit, request: Request) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        visit.form(request).await?;
        let permit = Permit::own(actor)?;
        visit.web.hub.people.sign_out_everywhere(&permit).await?;
        Ok(sign_out::gone(&visit, StatusCode::OK))
    }
    .await;
    visit.answer(result)
}
