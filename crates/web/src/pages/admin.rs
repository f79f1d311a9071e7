//! The admins' page: who is here, how they are signed in, and what runs for them.

use std::collections::HashMap;

use axum::extract::{Path, Request};
use axum::http::StatusCode;
use axum::response::Response;
use jansky_hub::action::{
    AnswerSignUps, ChangeUser, DemandSignIn, ListUsers, OpenAdminPages, StopServer,
};
use jansky_hub::{
    Action, Actor, AgentSession, Detail, HubError, LocalAccount, OnBehalfOf, Permit,
    SecondFactorRule, Server, SignIns, SignUpRule, User, UserQuery, UserSort,
};
use jansky_model::scope::Target;
use jansky_model::{Secret, ServerState, UserId};

use crate::pages::account::grant_row;
use crate::pages::{as_not_found, frozen, server_segments};
use crate::views::{AdminPage, AdminRow, AdminServer, Link, PasswordLinkPage, ServerPhase};
use crate::visit::{PageResult, Refusal, Visit, redirect};

/// How many users one page has.
const PAGE: u32 = 50;

/// `GET /hub/admin`
pub(crate) async fn get(visit: Visit) -> Response {
    let result = show(&visit).await;
    visit.answer(result)
}

/// The admin at the browser. JupyterHub's scope for its own admin page opens this one; what is shown
/// and offered on it follows the scopes for each user.
pub(crate) async fn admin(visit: &Visit) -> Result<&Actor, Refusal> {
    let actor = visit.signed_in()?;
    match visit.web.hub.permit::<OpenAdminPages>(actor, ()).await {
        Ok(_) => Ok(actor),
        Err(HubError::Forbidden(_) | HubError::NotFound(_)) => {
            Err(HubError::forbidden("This page is for the administrators of this hub.").into())
        }
        Err(error) => Err(error.into()),
    }
}

async fn show(visit: &Visit) -> PageResult {
    let actor = admin(visit).await?;
    let hub = &visit.web.hub;
    let search = visit.query("search").unwrap_or_default().trim().to_owned();
    let offset = visit.query("offset").and_then(|text| text.parse().ok());
    let offset: u32 = offset.unwrap_or(0);
    let query = UserQuery {
        offset,
        limit: PAGE,
        state: None,
        name_filter: (!search.is_empty()).then(|| search.clone()),
        sort: UserSort::Name,
        descending: false,
        only: None,
    };
    // Who may list nobody sees an empty page.
    let (users, total) = match hub.permit::<ListUsers>(actor, ()).await {
        Ok(permit) => hub.people.list_users(&permit, query).await?,
        Err(HubError::Forbidden(_)) => (Vec::new(), 0),
        Err(error) => return Err(error.into()),
    };
    let mut sign_ins = hub.people.sign_ins_of_users(actor, &users).await?;
    let locals = hub.people.local_accounts_of(actor, &users).await?;
    let mut servers: HashMap<UserId, Vec<Server>> = HashMap::new();
    for server in hub.servers.servers_of_users(actor, &users).await? {
        servers.entry(server.user_id).or_default().push(server);
    }
    let mut rows: Vec<AdminRow> = Vec::with_capacity(users.len());
    for user in &users {
        let own = servers.remove(&user.id).unwrap_or_default();
        let agents = if own.is_empty() {
            Vec::new()
        } else {
            hub.broker.agents_of(actor, user).await?
        };
        // Whoever has a link for a password can become the user, so the caller must already be allowed to.
        let may_help = is_offered::<ChangeUser>(actor, Target::User(user.name.as_str()))
            && hub.privileges().can_become(actor, user).await?;
        let known = Known {
            user,
            sign_ins: &sign_ins.remove(&user.id).unwrap_or_default(),
            local: locals.get(&user.id),
            may_help,
            servers: &own,
            agents: &agents,
        };
        rows.push(row(visit, actor, &known));
    }
    let here = |offset: u32| page_url(visit, &search, offset);
    let after = offset.saturating_add(PAGE);
    let shown = u32::try_from(rows.len()).unwrap_or(PAGE);
    let links = further(visit, actor).await?;
    let page = AdminPage {
        first: offset.saturating_add(1).min(offset.saturating_add(shown)),
        last: offset.saturating_add(shown),
        total,
        previous_url: (offset > 0).then(|| here(offset.saturating_sub(PAGE))),
        next_url: (u64::from(after) < total).then(|| here(after)),
        here: here(offset),
        search_url: visit.hub_path("admin"),
        links,
        rows,
        search,
    };
    Ok(visit.page("Administration", &page))
}

/// Further pages for this administrator.
async fn further(visit: &Visit, actor: &Actor) -> Result<Vec<Link>, HubError> {
    let hub = &visit.web.hub;
    let mut links = Vec::new();
    if hub.settings().sign_up == SignUpRule::Approval
        && let Ok(permit) = hub.permit::<AnswerSignUps>(actor, ()).await
    {
        let title = match hub.people.sign_ups(&permit).await?.len() {
            0 => "Approve accounts".to_owned(),
            count => format!("Approve accounts ({count})"),
        };
        links.push(Link {
            title,
            url: visit.hub_path("admin/approvals"),
        });
    }
    if actor.user.admin {
        links.push(Link {
            title: "Audit trail".to_owned(),
            url: visit.hub_path("admin/audit"),
        });
    }
    Ok(links)
}

/// Whether a button for an action is shown; the use case asks again.
fn is_offered<A: Action>(actor: &Actor, target: Target<'_>) -> bool {
    OnBehalfOf::from(actor).may(A::SCOPES, target)
}

fn page_url(visit: &Visit, search: &str, offset: u32) -> String {
    let offset = offset.to_string();
    let pairs = [
        ("search", search),
        ("offset", if offset == "0" { "" } else { &offset }),
    ];
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs.into_iter().filter(|(_, value)| !value.is_empty()))
        .finish();
    let path = visit.hub_path("admin");
    if query.is_empty() {
        path
    } else {
        format!("{path}?{query}")
    }
}

/// What is known about somebody.
struct Known<'a> {
    user: &'a User,
    sign_ins: &'a SignIns,
    local: Option<&'a LocalAccount>,
    /// Whether this administrator may give them a new password.
    may_help: bool,
    servers: &'a [Server],
    agents: &'a [AgentSession],
}

fn row(visit: &Visit, actor: &Actor, known: &Known<'_>) -> AdminRow {
    let &Known {
        user,
        sign_ins,
        local,
        may_help,
        servers,
        agents,
    } = known;
    let name = user.name.as_str();
    let sees = |detail| actor.sees(detail, Target::User(name));
    let may_see = sees(Detail::UserSignIns);
    let segment = user.name.escaped();
    let act = |what: &str| visit.hub_path(&format!("admin/users/{segment}/{what}"));
    // Somebody who was made here and never came can be invited with a link.
    let hub = &visit.web.hub;
    let is_new = hub.people.local_accounts().is_some() && user.last_activity_at.is_none();
    let has_factor = hub.settings().second_factor != SecondFactorRule::Off
        && local.is_some_and(|local| local.has_second_factor);
    let is_here = !sign_ins.sessions.is_empty() || !sign_ins.grants.is_empty();
    AdminRow {
        name: user.name.to_string(),
        admin: user.admin,
        last_activity: user.last_activity_at.filter(|_| sees(Detail::UserActivity)),
        signed_in: if may_see {
            through(visit, sign_ins)
        } else {
            Vec::new()
        },
        grants: if may_see {
            sign_ins
                .grants
                .iter()
                .filter(|grant| grant.service.is_none())
                .map(|grant| grant_row(visit, grant))
                .collect()
        } else {
            Vec::new()
        },
        is_excluded: sign_ins.exclusion.is_some(),
        excluded_until: sign_ins.exclusion.as_ref().and_then(|e| e.ends_at),
        servers: servers
            .iter()
            .filter(|server| server.state.is_active())
            .filter(|server| actor.sees_of_server(Detail::Server, server))
            .map(|server| AdminServer {
                frozen: frozen::reason(agents, server)
                    .and_then(frozen::for_operator)
                    .map(str::to_owned),
                ..admin_server(visit, actor, server)
            })
            .collect(),
        reauthenticate_action: (is_here && may_see).then(|| act("reauthenticate")),
        sign_out_action: (is_here && is_offered::<ChangeUser>(actor, Target::User(name)))
            .then(|| act("sign-out")),
        password_link_action: (may_help && (local.is_some() || is_new))
            .then(|| act("password-link")),
        reset_action: (may_help && has_factor).then(|| act("reset-second-factor")),
    }
}

/// Through which providers somebody is signed in, and in how many browsers.
fn through(visit: &Visit, sign_ins: &SignIns) -> Vec<String> {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for session in &sign_ins.sessions {
        let title = visit.web.hub.people.title_of_provider(&session.provider);
        match counts.iter_mut().find(|(known, _)| *known == title) {
            Some((_, count)) => *count += 1,
            None => counts.push((title, 1)),
        }
    }
    let words = counts.into_iter().map(|(title, count)| match count {
        1 => format!("With {title} in one browser"),
        many => format!("With {title} in {many} browsers"),
    });
    words.collect()
}

fn admin_server(visit: &Visit, actor: &Actor, server: &Server) -> AdminServer {
    let segments = server_segments(server.user.as_str(), &server.name);
    let place = Target::Server(server.user.as_str(), server.name.as_str());
    let may_stop = is_offered::<StopServer>(actor, place);
    let is_stopping = matches!(server.state, ServerState::Stopping { .. });
    AdminServer {
        title: visit.web.hub.servers.title_of(server),
        state: match server.state {
            ServerState::Starting { .. } => ServerPhase::Starting,
            ServerState::Ready { .. } => ServerPhase::Ready,
            ServerState::Stopping { .. } => ServerPhase::Stopping,
            ServerState::Stopped | ServerState::Failed { .. } => ServerPhase::Stopped,
        },
        stop_action: (may_stop && !is_stopping)
            .then(|| visit.hub_path(&format!("stop/{segments}"))),
        frozen: None,
    }
}

/// `POST /hub/admin/users/{user}/reauthenticate`
pub(crate) async fn reauthenticate(
    visit: Visit,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let result = async {
        let (permit, back) = subject::<DemandSignIn>(&visit, &name, request).await?;
        visit.web.hub.people.demand_sign_in(&permit).await?;
        Ok(redirect(&back))
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/admin/users/{user}/sign-out`: everywhere.
pub(crate) async fn sign_out(visit: Visit, Path(name): Path<String>, request: Request) -> Response {
    let result = async {
        let (permit, back) = subject::<ChangeUser>(&visit, &name, request).await?;
        visit
            .web
            .hub
            .people
            .sign_out_everywhere(&permit.into())
            .await?;
        Ok(redirect(&back))
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/admin/users/{user}/password-link`: makes a link and shows it this once.
pub(crate) async fn password_link(
    visit: Visit,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let result = async {
        let (permit, back_url) = subject::<ChangeUser>(&visit, &name, request).await?;
        let hub = &visit.web.hub;
        let code = hub.people.make_password_link(&permit).await?;
        let path = visit.hub_path(&format!("new-password?code={}", code.expose()));
        let page = PasswordLinkPage {
            name: permit.on().name.to_string(),
            link: Secret::new(visit.absolute(&path)),
            back_url,
        };
        Ok(visit.page_with_status(StatusCode::OK, "Link for a password", &page))
    }
    .await;
    visit.answer(result)
}

/// `POST /hub/admin/users/{user}/reset-second-factor`
pub(crate) async fn reset_second_factor(
    visit: Visit,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let result = async {
        let (permit, back) = subject::<ChangeUser>(&visit, &name, request).await?;
        visit.web.hub.people.reset_second_factor(&permit).await?;
        Ok(redirect(&back))
    }
    .await;
    visit.answer(result)
}

/// What the admin may do to the user that an action is about, and the page to go back to.
async fn subject<'v, A: Action<On = User>>(
    visit: &'v Visit,
    name: &str,
    request: Request,
) -> Result<(Permit<'v, A>, String), Refusal> {
    let actor = admin(visit).await?;
    let fields = visit.form(request).await?;
    let asked = visit.web.hub.permit::<A>(actor, name).await;
    let permit = asked
        .map_err(|error| as_not_found(error, "There is no such user, or you may not see them."))?;
    let back = fields.get("next").and_then(|next| visit.next(next));
    Ok((permit, back.unwrap_or_else(|| visit.hub_path("admin"))))
}
