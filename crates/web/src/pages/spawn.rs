//! Starting and stopping a server, and watching it start.

use std::time::Duration;

use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::action::{SeeServer, StartServer, StopServer};
use jansky_hub::{Action, Actor, HubError, Offer, Permit, Place, Server};
use jansky_model::ServerState;
use serde_json::{Map, Value};

use crate::pages::{find_server, server_segments, title_of};
use crate::views::{
    ChoiceField, ChoosePage, FailedPage, NotRunningPage, OfferRow, PendingEvent, PendingPage,
    StoppingPage,
};
use crate::visit::{PageResult, Refusal, Visit, redirect};

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

async fn find<'a, A: Action<On = Place>>(
    visit: &Visit,
    actor: &'a Actor,
    path: &ServerPath,
) -> Result<Permit<'a, A>, HubError> {
    let own = actor.user.name.as_str();
    let user = path.user.as_deref().unwrap_or(own);
    find_server(visit, actor, user, &path.server).await
}

/// `GET /hub/spawn[/{user}[/{server}]]`: starts the server, as JupyterHub's address does.
pub(crate) async fn get(visit: Visit, Path(path): Path<ServerPath>) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let permit = find::<StartServer>(&visit, actor, &path).await?;
        let next = visit.query("next").and_then(|next| visit.next(&next));
        // A page of another origin may lead here, but not start anything.
        if visit.is_from_elsewhere() {
            return Ok(not_running(&visit, permit.on(), StatusCode::OK, next));
        }
        let options = options_from(visit.query_pairs());
        start(&visit, &permit, options, next).await
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/spawn[/{user}[/{server}]]`
pub(crate) async fn post(visit: Visit, Path(path): Path<ServerPath>, request: Request) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let fields = visit.form(request).await?;
        let permit = find::<StartServer>(&visit, actor, &path).await?;
        let next = fields.get("next").and_then(|next| visit.next(next));
        let pairs = fields
            .iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        start(&visit, &permit, options_from(pairs), next).await
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
    permit: &Permit<'_, StartServer>,
    options: Option<Value>,
    next: Option<String>,
) -> PageResult {
    let hub = &visit.web.hub;
    let subject = permit.on();
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
        let fields = fields(visit, permit).await?;
        if !fields.is_empty() {
            return Ok(choose(visit, subject, fields, next));
        }
    }
    let started = hub.servers.start_server(permit, options).await;
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
async fn fields(
    visit: &Visit,
    permit: &Permit<'_, StartServer>,
) -> Result<Vec<ChoiceField>, HubError> {
    let subject = permit.on();
    let choices = visit.web.hub.servers.choices_of(permit).await?;
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
    subject: &Place,
    fields: Vec<ChoiceField>,
    next: Option<String>,
) -> Response {
    let segments = server_segments(subject.owner.name.as_str(), &subject.name);
    let page = ChoosePage {
        title: subject_title(visit, subject),
        start_action: visit.hub_path(&format!("spawn/{segments}")),
        home_url: visit.hub_path("home"),
        next: next.unwrap_or_default(),
        fields,
    };
    visit.page("Start", &page)
}

fn subject_title(visit: &Visit, subject: &Place) -> String {
    match &subject.server {
        Some(server) => title_of(visit, server),
        None => "My server".to_owned(),
    }
}

fn is_own(visit: &Visit, subject: &Place) -> bool {
    let actor = visit.person();
    actor.is_some_and(|actor| actor.user.id == subject.owner.id)
}

fn pending_url(visit: &Visit, subject: &Place, next: Option<&str>) -> String {
    let segments = server_segments(subject.owner.name.as_str(), &subject.name);
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
        let permit = find::<SeeServer>(&visit, actor, &path).await?;
        let next = visit.query("next").and_then(|next| visit.next(&next));
        Ok(show(&visit, permit.on(), next))
    }
    .await;
    visit.answer(result)
}

fn show(visit: &Visit, subject: &Place, next: Option<String>) -> Response {
    let Some(server) = &subject.server else {
        return not_running(visit, subject, StatusCode::OK, next);
    };
    let hub = &visit.web.hub;
    let segments = server_segments(subject.owner.name.as_str(), &subject.name);
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
                let user = subject.owner.name.escaped();
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
    subject: &Place,
    status: StatusCode,
    next: Option<String>,
) -> Response {
    let segments = server_segments(subject.owner.name.as_str(), &subject.name);
    let page = NotRunningPage {
        title: subject_title(visit, subject),
        start_action: visit.hub_path(&format!("spawn/{segments}")),
        home_url: visit.hub_path("home"),
        next: next.unwrap_or_default(),
    };
    visit.page_with_status(status, "Not running", &page)
}

/// The page for somebody who opened a server that does not answer as it should.
pub(crate) fn instead_of_server(visit: &Visit, subject: &Place, next: String) -> Response {
    let is_under_way = subject.server.as_ref().is_some_and(|server| {
        matches!(
            server.state,
            ServerState::Starting { .. } | ServerState::Failed { .. }
        )
    });
    if is_under_way {
        return redirect(&pending_url(visit, subject, Some(&next)));
    }
    if let Some(server) = &subject.server
        && matches!(server.state, ServerState::Stopping { .. })
    {
        return stopping(visit, server);
    }
    not_running(visit, subject, StatusCode::FAILED_DEPENDENCY, Some(next))
}

/// `POST /hub/stop/{user}[/{server}]`
pub(crate) async fn stop(visit: Visit, Path(path): Path<ServerPath>, request: Request) -> Response {
    let result = async {
        let actor = visit.signed_in()?;
        let fields = visit.form(request).await?;
        let next = fields.get("next").and_then(|next| visit.next(next));
        let permit = find::<StopServer>(&visit, actor, &path).await?;
        if let Some(server) = &permit.on().server {
            visit.web.hub.servers.stop_server(&permit).await?;
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
