//! Starting and stopping a server, and watching it start.

use std::time::Duration;

use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::{Actor, HubError, Offer};
use jansky_hub::{Server, User};
use jansky_model::{Scope, ServerName, ServerState};
use serde_json::{Map, Value};

use crate::pages::{find_server, server_segments, title_of};
use crate::views::{
    ChoiceField, ChoosePage, FailedPage, NotRunningPage, OfferRow, PendingEvent, PendingPage,
    StoppingPage,
};
use crate::visit::{PageResult, Refusal, Visit, redirect};
use crate::xsrf;

/// How long a page waits for an immediate failure before it shows progress.
const FIRST_LOOK: Duration = Duration::from_millis(300);

/// How often a page without script reloads itself.
const REFRESH_SECONDS: u32 = 2;

/// The user and server of a path with up to two segments; the caller's own default server when
/// there are none.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(crate) struct ServerPath {
    user: Option<String>,
    server: String,
}

/// What a page is about.
struct Subject {
    user: User,
    name: ServerName,
    server: Option<Server>,
}

async fn subject(
    visit: &Visit,
    actor: &Actor,
    path: &ServerPath,
    scope: Scope,
) -> Result<Subject, HubError> {
    let own = actor.user.name.as_str();
    let user = path.user.as_deref().unwrap_or(own);
    let (user, name, server) = find_server(visit, actor, user, &path.server, scope).await?;
    Ok(Subject { user, name, server })
}

/// `GET /hub/spawn[/{user}[/{server}]]`: starts the server, as JupyterHub's address does.
pub(crate) async fn get(visit: Visit, Path(path): Path<ServerPath>) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let subject = subject(&visit, actor, &path, Scope::START_SERVERS).await?;
        let next = visit.query("next").and_then(|next| visit.next(&next));
        // A page of another origin may lead here, but not start anything.
        if xsrf::is_from_elsewhere(&visit.headers) {
            return Ok(not_running(&visit, &subject, StatusCode::OK, next));
        }
        let options = options_from(visit.query_pairs());
        start(&visit, &subject, options, next).await
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/spawn[/{user}[/{server}]]`
pub(crate) async fn post(visit: Visit, Path(path): Path<ServerPath>, request: Request) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let fields = visit.form(request).await?;
        let subject = subject(&visit, actor, &path, Scope::START_SERVERS).await?;
        let next = fields.get("next").and_then(|next| visit.next(next));
        let pairs = fields
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        start(&visit, &subject, options_from(pairs), next).await
    }
    .await;
    visit.answer(result)
}

/// User options among the arguments: those with `opt-`, or all that mean nothing else.
fn options_from(pairs: impl Iterator<Item = (String, String)>) -> Option<Value> {
    let pairs: Vec<_> = pairs
        .filter(|(key, _)| !matches!(key.as_str(), "next" | "display_name" | "_xsrf"))
        .collect();
    let has_prefix = pairs.iter().any(|(key, _)| key.starts_with("opt-"));
    let options: Map<String, Value> = pairs
        .into_iter()
        .filter_map(|(key, value)| {
            let key = if has_prefix {
                key.strip_prefix("opt-")?.to_owned()
            } else {
                key
            };
            (!key.is_empty()).then_some((key, Value::String(value)))
        })
        .collect();
    (!options.is_empty()).then_some(Value::Object(options))
}

async fn start(
    visit: &Visit,
    subject: &Subject,
    options: Option<Value>,
    next: Option<String>,
) -> PageResult {
    let hub = &visit.web.hub;
    if let Some(server) = &subject.server {
        match server.state {
            ServerState::Ready { .. } => {
                return Ok(redirect(
                    &next.unwrap_or_else(|| hub.servers.server_url(server)),
                ));
            }
            ServerState::Stopping { .. } => return Ok(stopping(visit, server)),
            _ => {}
        }
    }
    let is_starting = subject
        .server
        .as_ref()
        .is_some_and(|server| matches!(server.state, ServerState::Starting { .. }));
    if options.is_none() && !is_starting {
        let fields = fields(visit, subject).await?;
        if !fields.is_empty() {
            return Ok(choose(visit, subject, fields, next));
        }
    }
    let started = hub
        .servers
        .start_server(&subject.user, &subject.name, options)
        .await;
    let server = match started {
        Ok(server) => server,
        // Only the person whose server it is can do something about it.
        Err(HubError::SignInAgain(_)) if is_own(visit, subject) => {
            return Err(Refusal::SignInAgain);
        }
        Err(error) => return Err(error.into()),
    };
    hub.servers.settled(&server, FIRST_LOOK).await?;
    Ok(redirect(&pending_url(visit, subject, next.as_deref())))
}

/// What the owner of a server can choose, with what it had the last time; nothing where there is only
/// one of each.
async fn fields(visit: &Visit, subject: &Subject) -> Result<Vec<ChoiceField>, HubError> {
    let choices = visit.web.hub.servers.choices_of(&subject.user).await?;
    let fields = choices.into_iter().filter(|choice| choice.offers.len() > 1);
    let last = |key: &str| subject.server.as_ref()?.user_options.get(key)?.as_str();
    Ok(fields
        .map(|choice| {
            let last = last(&choice.key);
            let of_last = |offer: &Offer| Some(offer.value.as_str()) == last;
            let chosen = choice.offers.iter().position(of_last).unwrap_or(0);
            let offers = choice.offers.into_iter().enumerate();
            ChoiceField {
                key: choice.key,
                title: choice.title,
                offers: offers
                    .map(|(at, offer)| OfferRow {
                        value: offer.value,
                        title: offer.title,
                        description: offer.description,
                        is_chosen: at == chosen,
                    })
                    .collect(),
            }
        })
        .collect())
}

/// Asks what to start the server with.
fn choose(
    visit: &Visit,
    subject: &Subject,
    fields: Vec<ChoiceField>,
    next: Option<String>,
) -> Response {
    let segments = server_segments(subject.user.name.as_str(), &subject.name);
    let page = ChoosePage {
        title: subject_title(visit, subject),
        start_action: visit.hub_path(&format!("spawn/{segments}")),
        home_url: visit.hub_path("home"),
        next: next.unwrap_or_default(),
        fields,
    };
    visit.page("Start", &page)
}

fn subject_title(visit: &Visit, subject: &Subject) -> String {
    match &subject.server {
        Some(server) => title_of(visit, server),
        None => "My server".to_owned(),
    }
}

fn is_own(visit: &Visit, subject: &Subject) -> bool {
    let actor = visit.person();
    actor.is_some_and(|actor| actor.user.id == subject.user.id)
}

fn pending_url(visit: &Visit, subject: &Subject, next: Option<&str>) -> String {
    let segments = server_segments(subject.user.name.as_str(), &subject.name);
    let path = visit.hub_path(&format!("spawn-pending/{segments}"));
    match next {
        Some(next) => {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("next", next)
                .finish();
            format!("{path}?{query}")
        }
        None => path,
    }
}

/// `GET /hub/spawn-pending/{user}[/{server}]`
pub(crate) async fn pending(visit: Visit, Path(path): Path<ServerPath>) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let subject = subject(&visit, actor, &path, Scope::READ_SERVERS).await?;
        let next = visit.query("next").and_then(|next| visit.next(&next));
        Ok(show(&visit, &subject, next))
    }
    .await;
    visit.answer(result)
}

fn show(visit: &Visit, subject: &Subject, next: Option<String>) -> Response {
    let Some(server) = &subject.server else {
        return not_running(visit, subject, StatusCode::OK, next);
    };
    let hub = &visit.web.hub;
    let segments = server_segments(subject.user.name.as_str(), &subject.name);
    match &server.state {
        ServerState::Ready { .. } => {
            redirect(&next.unwrap_or_else(|| hub.servers.server_url(server)))
        }
        ServerState::Stopped => not_running(visit, subject, StatusCode::OK, next),
        ServerState::Stopping { .. } => stopping(visit, server),
        ServerState::Failed {
            reason,
            log_tail,
            since,
            ..
        } => {
            let page = FailedPage {
                title: title_of(visit, server),
                reason: reason.clone(),
                log_tail: log_tail.clone(),
                retry_action: visit.hub_path(&format!("spawn/{segments}")),
                home_url: visit.hub_path("home"),
                when: Some(*since),
            };
            visit.page_with_status(StatusCode::INTERNAL_SERVER_ERROR, "Start failed", &page)
        }
        ServerState::Starting { .. } => {
            let events = hub
                .servers
                .progress(server)
                .map(|p| p.borrow().clone())
                .unwrap_or_default();
            let api = if subject.name.is_default() {
                format!("api/users/{segments}/server/progress")
            } else {
                let user = subject.user.name.escaped();
                format!("api/users/{user}/servers/{}/progress", subject.name)
            };
            let page = PendingPage {
                title: title_of(visit, server),
                percent: events.last().map_or(0, |event| event.progress),
                events: events
                    .into_iter()
                    .map(|event| PendingEvent {
                        progress: event.progress,
                        message: event.message,
                    })
                    .collect(),
                events_url: format!("{}?_xsrf={}", visit.hub_path(&api), visit.xsrf()),
                refresh_seconds: Some(REFRESH_SECONDS),
                cancel_action: visit.hub_path(&format!("stop/{segments}")),
                ready_url: next.unwrap_or_else(|| hub.servers.server_url(server)),
            };
            visit.page("Starting", &page)
        }
    }
}

fn stopping(visit: &Visit, server: &Server) -> Response {
    let page = StoppingPage {
        title: title_of(visit, server),
        refresh_seconds: REFRESH_SECONDS,
        home_url: visit.hub_path("home"),
    };
    visit.page("Stopping", &page)
}

fn not_running(
    visit: &Visit,
    subject: &Subject,
    status: StatusCode,
    next: Option<String>,
) -> Response {
    let segments = server_segments(subject.user.name.as_str(), &subject.name);
    let page = NotRunningPage {
        title: subject_title(visit, subject),
        start_action: visit.hub_path(&format!("spawn/{segments}")),
        home_url: visit.hub_path("home"),
        next: next.unwrap_or_default(),
    };
    visit.page_with_status(status, "Not running", &page)
}

/// The page for somebody who opened a server that does not answer as it should.
pub(crate) fn instead_of_server(
    visit: &Visit,
    user: User,
    name: ServerName,
    server: Option<Server>,
    next: String,
) -> Response {
    let subject = Subject { user, name, server };
    let is_under_way = subject.server.as_ref().is_some_and(|server| {
        matches!(
            server.state,
            ServerState::Starting { .. } | ServerState::Failed { .. }
        )
    });
    if is_under_way {
        return redirect(&pending_url(visit, &subject, Some(&next)));
    }
    if let Some(server) = &subject.server
        && matches!(server.state, ServerState::Stopping { .. })
    {
        return stopping(visit, server);
    }
    not_running(visit, &subject, StatusCode::FAILED_DEPENDENCY, Some(next))
}

/// `POST /hub/stop/{user}[/{server}]`
pub(crate) async fn stop(visit: Visit, Path(path): Path<ServerPath>, request: Request) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let fields = visit.form(request).await?;
        let next = fields.get("next").and_then(|next| visit.next(next));
        let subject = subject(&visit, actor, &path, Scope::DELETE_SERVERS).await?;
        if let Some(server) = &subject.server {
            visit.web.hub.servers.stop_server(server).await?;
            visit
                .web
                .hub
                .servers
                .settled(server, Duration::from_secs(1))
                .await?;
        }
        Ok(redirect(&next.unwrap_or_else(|| visit.hub_path("home"))))
    }
    .await;
    visit.answer(result)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Option<Value> {
        options_from(
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned())),
        )
    }

    #[test]
    fn prefixed_options_win_over_plain_ones() {
        assert_eq!(
            options(&[("opt-mem", "2"), ("cpu", "1")]),
            Some(json!({ "mem": "2" }))
        );
        assert_eq!(
            options(&[("mem", "2"), ("next", "/x")]),
            Some(json!({ "mem": "2" }))
        );
        assert_eq!(options(&[("next", "/x"), ("_xsrf", "y")]), None);
        assert_eq!(options(&[("opt-", "y")]), None);
    }
}
