//! Who may call what: every route, every kind of caller.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jansky_model::ServerName;
use jansky_model::name::escape_path;
use serde_json::{Value, json};

use crate::support::{Answer, Client, TestWeb};

/// The kinds of callers, in the order of the columns.
///
/// The path names the owner. `other` is a user without rights on them. `forged` is the owner's
/// browser driven by a script that does not know the token against forgery. `noscope` is a token
/// of the owner that only says whose it is; `zoe` is an admin.
const CALLERS: [&str; 11] = [
    "anon", "expired", "garbage", "other", "other-t", "forged", "owner", "noscope", "owner-t",
    "zoe", "zoe-t",
];

/// The status of every answer; `login` is a redirect to the sign-in page.
const TABLE: &str = "
METHOD ROUTE                                          anon  expir garb. other oth-t forg. owner nosco own-t zoe   zoe-t
GET    /                                              login login login 302   login 403   302   login login 302   login
GET    login                                          200   200   200   302   200   200   302   200   200   302   200
POST   login                                          403   403   403   403   403   403   403   403   403   403   403
GET    signed-in                                      200   200   200   200   200   200   200   200   200   200   200
GET    login/second-step                              login login login login login login login login login login login
POST   login/second-step                              403   403   403   403   403   403   403   403   403   403   403
GET    signup                                         404   404   404   404   404   404   404   404   404   404   404
POST   signup                                         404   404   404   404   404   404   404   404   404   404   404
GET    new-password                                   404   404   404   404   404   404   404   404   404   404   404
POST   new-password                                   404   404   404   404   404   403   404   404   404   404   404
GET    oauth_login                                    404   404   404   404   404   404   404   404   404   404   404
GET    oauth_callback                                 400   400   400   400   400   400   400   400   400   400   400
GET    oauth_callback/{provider}                      400   400   400   400   400   400   400   400   400   400   400
GET    logout                                         200   200   200   200   200   200   200   200   200   200   200
POST   logout                                         200   200   200   200   200   403   200   200   200   200   200
POST   oidc/backchannel-logout                        400   400   400   400   400   400   400   400   400   400   400
POST   oidc/security-events                           404   404   404   404   404   404   404   404   404   404   404
GET    oidc/.well-known/openid-configuration          200   200   200   200   200   200   200   200   200   200   200
GET    oidc/jwks                                      200   200   200   200   200   200   200   200   200   200   200
POST   oidc/token                                     400   400   400   400   400   400   400   400   400   400   400
POST   oidc/device_authorization                      401   401   401   401   401   401   401   401   401   401   401
GET    oidc/device                                    login login login 200   login 403   200   login login 200   login
POST   oidc/device                                    login login login 404   login 403   404   login login 404   login
POST   oidc/introspect                                401   401   401   401   401   401   401   401   401   401   401
POST   oidc/revoke                                    401   401   401   401   401   401   401   401   401   401   401
GET    setup                                          404   404   404   404   404   404   404   404   404   404   404
POST   setup                                          404   404   404   404   404   403   404   404   404   404   404
GET    home                                           login login login 200   login 403   200   login login 200   login
POST   servers                                        login login login 302   login 403   302   login login 302   login
POST   remove/{user}/{server}                         login login login 404   login 403   302   login login 302   login
GET    spawn                                          login login login 302   login 403   302   login login 302   login
POST   spawn                                          login login login 302   login 403   302   login login 302   login
GET    spawn/{user}                                   login login login 404   login 403   302   login login 302   login
POST   spawn/{user}                                   login login login 404   login 403   302   login login 302   login
GET    spawn/{user}/{server}                          login login login 404   login 403   302   login login 302   login
POST   spawn/{user}/{server}                          login login login 404   login 403   302   login login 302   login
GET    spawn-pending/{user}                           login login login 404   login 403   200   login login 200   login
GET    spawn-pending/{user}/{server}                  login login login 404   login 403   200   login login 200   login
POST   stop/{user}                                    login login login 404   login 403   302   login login 302   login
POST   stop/{user}/{server}                           login login login 404   login 403   302   login login 302   login
*      user/{user}                                    login login login 404   404   403   424   404   424   424   424
*      user/{user}/                                   login login login 404   404   403   424   404   424   424   424
*      user/{user}/{*path}                            login login login 404   404   403   424   404   424   424   424
GET    user-redirect/                                 login login login 302   login 403   302   login login 302   login
GET    user-redirect/{*path}                          login login login 302   login 403   302   login login 302   login
GET    accept-share                                   login login login 400   login 403   400   login login 400   login
POST   accept-share                                   login login login 400   login 403   400   login login 400   login
GET    account                                        login login login 200   login 403   200   login login 200   login
POST   account/identities/{id}/unlink                 login login login 404   login 403   404   login login 404   login
POST   account/sessions/{session}/end                 login login login 404   login 403   404   login login 404   login
POST   account/sign-out-everywhere                    login login login 200   login 403   200   login login 200   login
GET    account/password                               login login login 404   login 403   404   login login 404   login
POST   account/password                               login login login 404   login 403   404   login login 404   login
GET    account/second-factor                          login login login 404   login 403   404   login login 404   login
POST   account/second-factor                          login login login 404   login 403   404   login login 404   login
POST   account/second-factor/off                      login login login 404   login 403   404   login login 404   login
POST   account/second-factor/recovery-codes           login login login 302   login 403   302   login login 302   login
GET    admin                                          login login login 403   login 403   403   login login 200   login
POST   admin/users/{user}/reauthenticate              login login login 403   login 403   403   login login 302   login
POST   admin/users/{user}/sign-out                    login login login 403   login 403   403   login login 302   login
POST   admin/users/{user}/password-link               login login login 403   login 403   403   login login 200   login
POST   admin/users/{user}/reset-second-factor         login login login 403   login 403   403   login login 404   login
GET    admin/approvals                                login login login 403   login 403   403   login login 200   login
POST   admin/approvals/{id}/approve                   login login login 403   login 403   403   login login 404   login
POST   admin/approvals/{id}/refuse                    login login login 403   login 403   403   login login 404   login
GET    token                                          login login login 200   login 403   200   login login 200   login
POST   token                                          login login login 200   login 403   200   login login 200   login
POST   token/{id}/revoke                              login login login 404   login 403   302   login login 404   login
GET    account/audit                                  login login login 200   login 403   200   login login 200   login
GET    admin/audit                                    login login login 403   login 403   403   login login 200   login
GET    error/{code}                                   200   200   200   200   200   200   200   200   200   200   200
GET    static/{*path}                                 200   200   200   200   200   200   200   200   200   200   200
GET    logo                                           200   200   200   200   200   200   200   200   200   200   200
GET    ready                                          200   200   200   200   200   200   200   200   200   200   200
GET    health                                         200   200   200   200   200   200   200   200   200   200   200
GET    metrics                                        403   403   403   403   403   403   403   403   403   200   200
POST   security/csp-report                            204   204   204   204   204   204   204   204   204   204   204
GET    api/oauth2/authorize                           login login login 403   login 403   302   login login 200   login
POST   api/oauth2/authorize                           login login login 403   login 403   302   login login 302   login
POST   api/oauth2/token                               401   401   401   401   401   401   401   401   401   401   401
POST   broker/v1/enroll                               400   400   400   400   400   400   400   400   400   400   400
POST   broker/v1/token                                401   401   401   401   401   401   401   401   401   401   401
GET    broker/v1/audiences                            401   401   401   401   401   401   401   401   401   401   401
GET    broker/v1/events                               401   401   401   401   401   401   401   401   401   401   401
GET    api                                            200   200   200   200   200   200   200   200   200   200   200
GET    api/                                           200   200   200   200   200   200   200   200   200   200   200
GET    api/health                                     200   200   200   200   200   200   200   200   200   200   200
GET    api/metrics                                    403   403   403   403   403   403   403   403   403   200   200
GET    api/info                                       403   403   403   403   403   403   403   403   403   200   200
POST   api/shutdown                                   403   403   403   403   403   403   403   403   403   202   202
GET    api/user                                       403   403   403   200   200   403   200   200   200   200   200
GET    api/users                                      403   403   403   403   403   403   403   403   403   200   200
POST   api/users                                      403   403   403   403   403   403   403   403   403   201   201
GET    api/users/{user}                               403   403   403   404   404   403   200   200   200   200   200
POST   api/users/{user}                               403   403   403   403   403   403   403   403   403   201   201
PATCH  api/users/{user}                               403   403   403   403   403   403   403   403   403   200   200
DELETE api/users/{user}                               403   403   403   403   403   403   403   403   403   204   204
POST   api/users/{user}/activity                      403   403   403   404   404   403   200   403   200   200   200
GET    api/users/{user}/server                        403   403   403   404   404   403   200   403   200   200   200
PUT    api/users/{user}/server                        403   403   403   404   404   403   409   403   409   409   409
PATCH  api/users/{user}/server                        403   403   403   404   404   403   200   403   200   200   200
POST   api/users/{user}/server                        403   403   403   404   404   403   201   403   201   201   201
DELETE api/users/{user}/server                        403   403   403   404   404   403   204   403   204   204   204
GET    api/users/{user}/server/progress               403   403   403   404   404   403   400   403   400   400   400
GET    api/users/{user}/servers/                      403   403   403   404   404   403   200   403   200   200   200
POST   api/users/{user}/servers/                      403   403   403   404   404   403   201   403   201   201   201
DELETE api/users/{user}/servers/                      403   403   403   404   404   403   204   403   204   204   204
GET    api/users/{user}/servers/{server}              403   403   403   404   404   403   200   403   200   200   200
PUT    api/users/{user}/servers/{server}              403   403   403   404   404   403   201   403   201   201   201
PATCH  api/users/{user}/servers/{server}              403   403   403   404   404   403   200   403   200   200   200
POST   api/users/{user}/servers/{server}              403   403   403   404   404   403   201   403   201   201   201
DELETE api/users/{user}/servers/{server}              403   403   403   404   404   403   204   403   204   204   204
GET    api/users/{user}/servers/{server}/progress     403   403   403   404   404   403   400   403   400   400   400
GET    api/groups                                     403   403   403   403   403   403   403   403   403   200   200
POST   api/groups                                     403   403   403   403   403   403   403   403   403   201   201
GET    api/groups/{group}                             403   403   403   403   403   403   403   403   403   200   200
POST   api/groups/{group}                             403   403   403   403   403   403   403   403   403   201   201
DELETE api/groups/{group}                             403   403   403   403   403   403   403   403   403   204   204
POST   api/groups/{group}/users                       403   403   403   403   403   403   403   403   403   200   200
DELETE api/groups/{group}/users                       403   403   403   403   403   403   403   403   403   200   200
PUT    api/groups/{group}/properties                  403   403   403   403   403   403   403   403   403   200   200
GET    api/groups/{group}/shared                      403   403   403   403   403   403   403   403   403   200   200
GET    api/groups/{group}/shared/{owner}/             403   403   403   403   403   403   403   403   403   404   404
DELETE api/groups/{group}/shared/{owner}/             403   403   403   403   403   403   403   403   403   404   404
GET    api/groups/{group}/shared/{owner}/{server}     403   403   403   403   403   403   403   403   403   404   404
DELETE api/groups/{group}/shared/{owner}/{server}     403   403   403   403   403   403   403   403   403   404   404
GET    api/audit                                      403   403   403   403   403   403   403   403   403   200   200
GET    api/users/{user}/audit                         403   403   403   404   404   403   200   403   200   200   200
GET    api/users/{user}/agents                        403   403   403   404   404   403   200   403   200   200   200
POST   api/users/{user}/server/tokens/freeze          403   403   403   404   404   403   204   403   204   204   204
POST   api/users/{user}/servers/{server}/tokens/freeze 403   403   403   404   404   403   204   403   204   204   204
GET    api/users/{user}/tokens                        403   403   403   404   404   403   200   403   200   200   200
POST   api/users/{user}/tokens                        403   403   403   403   403   403   201   403   201   201   201
GET    api/users/{user}/tokens/{id}                   403   403   403   404   404   403   200   403   200   200   200
DELETE api/users/{user}/tokens/{id}                   403   403   403   404   404   403   204   403   204   204   204
GET    api/users/{user}/sign-ins                      403   403   403   404   404   403   200   403   200   200   200
POST   api/users/{user}/reauthenticate                403   403   403   403   403   403   403   403   403   204   204
DELETE api/users/{user}/sessions                      403   403   403   404   404   403   204   403   204   204   204
GET    api/shares/{user}                              403   403   403   404   404   403   200   403   200   200   200
GET    api/shares/{user}/                             403   403   403   404   404   403   200   403   200   200   200
POST   api/shares/{user}/                             403   403   403   403   403   403   403   403   403   200   200
PATCH  api/shares/{user}/                             403   403   403   403   403   403   403   403   403   200   200
DELETE api/shares/{user}/                             403   403   403   403   403   403   403   403   403   204   204
GET    api/shares/{user}/{server}                     403   403   403   404   404   403   200   403   200   200   200
POST   api/shares/{user}/{server}                     403   403   403   403   403   403   403   403   403   200   200
PATCH  api/shares/{user}/{server}                     403   403   403   403   403   403   403   403   403   200   200
DELETE api/shares/{user}/{server}                     403   403   403   403   403   403   403   403   403   204   204
GET    api/share-codes/{user}                         403   403   403   404   404   403   200   403   200   200   200
GET    api/share-codes/{user}/                        403   403   403   404   404   403   200   403   200   200   200
POST   api/share-codes/{user}/                        403   403   403   403   403   403   403   403   403   200   200
DELETE api/share-codes/{user}/                        403   403   403   403   403   403   403   403   403   204   204
GET    api/share-codes/{user}/{server}                403   403   403   404   404   403   200   403   200   200   200
POST   api/share-codes/{user}/{server}                403   403   403   403   403   403   403   403   403   200   200
DELETE api/share-codes/{user}/{server}                403   403   403   403   403   403   403   403   403   204   204
GET    api/users/{user}/shared                        403   403   403   404   404   403   200   403   200   200   200
GET    api/users/{user}/shared/{owner}/               403   403   403   404   404   403   404   403   404   404   404
DELETE api/users/{user}/shared/{owner}/               403   403   403   404   404   403   404   403   404   404   404
GET    api/users/{user}/shared/{owner}/{server}       403   403   403   404   404   403   404   403   404   404   404
DELETE api/users/{user}/shared/{owner}/{server}       403   403   403   404   404   403   404   403   404   404   404
*      api/{*path}                                    404   404   404   404   404   404   404   404   404   404   404
";

/// The route that is about a running server; the others are called with stopped ones.
const AUTHORIZE: &str = "api/oauth2/authorize";

pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) route: &'static str,
    expected: Vec<&'static str>,
}

impl Row {
    /// The status that one of the [`CALLERS`] gets.
    pub(crate) fn of(&self, caller: &str) -> &'static str {
        let column = CALLERS.into_iter().position(|one| one == caller);
        self.expected[column.expect("there is such a caller")]
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.is_empty()).skip(1);
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let method = words.next().expect("a row has a method");
            let route = words.next().expect("a row has a route");
            Row {
                method,
                // The root of the hub has no name of its own.
                route: if route == "/" { "" } else { route },
                expected: words.collect(),
            }
        })
        .collect()
}

/// What is sent, so that a caller with all rights gets through.
enum Sent {
    Nothing,
    Form(&'static [(&'static str, &'static str)]),
    Json(Value),
}

fn sent(method: &str, route: &str) -> Sent {
    match (method, route) {
        ("POST", "servers") => Sent::Form(&[("name", "new")]),
        ("POST", "token") => Sent::Form(&[("note", "a note"), ("expires_in", "3600")]),
        ("POST", "login") => Sent::Form(&[("username", "nobody"), ("password", "wrong")]),
        ("POST", "api/oauth2/token") => Sent::Form(&[("grant_type", "authorization_code")]),
        ("POST", route) if !route.starts_with("api") => Sent::Form(&[]),
        ("POST", "api/oauth2/authorize") => Sent::Form(&[]),
        ("POST", "api/users") => Sent::Json(json!({ "usernames": ["inara"] })),
        ("POST" | "PATCH", route) if route.starts_with("api/shares") => {
            Sent::Json(json!({ "user": "zoe" }))
        }
        ("POST", "api/groups") => Sent::Json(json!({ "groups": ["new {user}"] })),
        ("POST" | "DELETE", "api/groups/{group}/users") => {
            Sent::Json(json!({ "users": ["{user}"] }))
        }
        ("PUT", "api/groups/{group}/properties") => Sent::Json(json!({ "of": "{user}" })),
        ("PATCH", "api/users/{user}") => Sent::Json(json!({ "name": "{user}" })),
        ("PATCH", _) => Sent::Json(json!({ "user_options": { "memory": "2G" } })),
        ("POST", "api/users/{user}/activity") => {
            Sent::Json(json!({ "last_activity": "2020-01-01T00:00:00Z" }))
        }
        _ => Sent::Nothing,
    }
}

/// The name of the group that a user is in.
fn group_of(user: &str) -> String {
    format!("/crew/{user}")
}

/// The owner's things that the path of a route can name.
pub(crate) struct Things {
    owner: String,
    token: String,
}

impl Things {
    /// Makes a user with two stopped servers, a token and a group.
    pub(crate) async fn make(hub: &TestWeb, owner: &str) -> Self {
        let user = hub.user(owner).await;
        for (name, title) in [("", "nebula default"), ("gpu", "nebula gpu")] {
            let name: ServerName = name.parse().expect("a valid name");
            let made = hub.hub.servers.make_unasked(&user, &name, title).await;
            made.expect("the name is free");
        }
        let made = hub
            .hub
            .people
            .create_groups(
                &hub.hub.permit_of(jansky_hub::TheHub),
                &[group_of(owner)],
                &[owner.to_owned()],
            )
            .await;
        made.expect("the name is free");
        hub.new_token(owner, &["self"]).await;
        let tokens = hub
            .hub
            .people
            .tokens_of(&hub.hub.permit_of(user.clone()))
            .await
            .expect("tokens are listed");
        Self {
            owner: owner.to_owned(),
            token: format!("a{}", tokens[0].id.0),
        }
    }

    pub(crate) fn path(&self, method: &str, route: &str) -> String {
        // Making needs a name that is free.
        let server = if method == "PUT" { "new" } else { "gpu" };
        let user = match (method, route) {
            ("POST", "api/users/{user}") => "kaylee",
            _ => &self.owner,
        };
        let group = match (method, route) {
            ("POST", "api/groups/{group}") => format!("new {user}"),
            _ => group_of(&self.owner),
        };
        let rest = if route.starts_with("static") {
            "style.css"
        } else {
            "lab"
        };
        let path = route
            .replace("{user}", user)
            .replace("{owner}", user)
            .replace("{group}", &escape_path(&group))
            .replace("{server}", server)
            .replace("{id}", &self.token)
            .replace("{session}", "0123")
            .replace("{code}", "404")
            .replace("{provider}", "observatory")
            .replace("{*path}", rest);
        if route == AUTHORIZE {
            let client = format!("client_id=jupyterhub-user-{user}&response_type=code");
            return format!("/hub/{path}?{client}");
        }
        format!("/hub/{path}")
    }
}

/// Sends the request of a route as one of the [`CALLERS`].
async fn ask(hub: &TestWeb, things: &Things, method: &str, route: &str, caller: &str) -> Answer {
    let owner = things.owner.as_str();
    let client = match caller {
        "anon" => hub.anonymous(),
        "expired" => hub.bearer(&expired_token(hub, owner).await),
        "garbage" => hub.bearer("jky_garbage"),
        "other" => hub.session("wash").await,
        "other-t" => hub.token("wash", &["inherit"]).await,
        "forged" | "owner" => hub.session(owner).await,
        "noscope" => hub.token(owner, &["(no_scope)"]).await,
        "owner-t" => hub.token(owner, &["inherit"]).await,
        "zoe" => hub.session("zoe").await,
        "zoe-t" => hub.token("zoe", &["inherit"]).await,
        other => panic!("no caller is called `{other}`"),
    };
    let method = if method == "*" { "GET" } else { method };
    if caller == "forged" {
        let path = things.path(method, route);
        return forge(&client, method, &path, sent(method, route)).await;
    }
    send(&client, things, method, route).await
}

/// Sends the request of a route.
pub(crate) async fn send(client: &Client, things: &Things, method: &str, route: &str) -> Answer {
    let owner = things.owner.as_str();
    let path = things.path(method, route);
    match sent(method, route) {
        Sent::Form(fields) => client.post(&path, fields).await,
        // What is not for a person to look at is asked for by a script of the hub.
        Sent::Nothing if method == "GET" && (!route.starts_with("api") || route == AUTHORIZE) => {
            client.get(&path).await
        }
        Sent::Nothing => client.api(method, &path, None).await,
        Sent::Json(body) => {
            let text = body.to_string().replace("{user}", owner);
            let body = serde_json::from_str(&text).expect("it stays JSON");
            client.api(method, &path, Some(body)).await
        }
    }
}

/// Sends a request with the owner's cookies and without the proof that it comes from a page of ours.
async fn forge(client: &Client, method: &str, path: &str, sent: Sent) -> Answer {
    let call = client.call(method, path).header("sec-fetch-mode", "cors");
    match sent {
        Sent::Nothing => call.send().await,
        Sent::Form(fields) => call.form(fields).send().await,
        Sent::Json(body) => call.json(&body).send().await,
    }
}

async fn expired_token(hub: &TestWeb, owner: &str) -> String {
    let user = hub.user(owner).await;
    let request = jansky_hub::NewApiToken {
        lifetime: Some(std::time::Duration::ZERO),
        ..jansky_hub::NewApiToken::default()
    };
    let made = hub
        .hub
        .people
        .create_token(&hub.hub.permit_of(user.clone()), request)
        .await;
    made.expect("a token can be made").1.expose().to_owned()
}

/// Deletes the users that routes make, so that they are not in the way of the next request.
pub(crate) async fn delete_made(hub: &TestWeb) {
    for name in ["inara", "kaylee"] {
        if let Some(user) = hub
            .hub
            .people
            .user(name)
            .await
            .expect("the database answers")
        {
            let deleted = hub.hub.delete_user(&hub.hub.permit_of(user.clone())).await;
            deleted.expect("it can be deleted");
        }
    }
}

fn word_of(answer: &Answer) -> String {
    if answer.location().starts_with("/hub/login") {
        return "login".to_owned();
    }
    answer.status.as_u16().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_answers_every_caller_as_the_table_says() {
    let hub = TestWeb::new().await;
    hub.admin("zoe").await;
    let known: BTreeMap<_, _> = rows()
        .into_iter()
        .map(|row| ((row.method, row.route), row.expected))
        .collect();
    let mut found = String::new();
    let mut wrong = Vec::new();
    let routes = jansky_web::route_names();
    for (number, &(method, route)) in routes.iter().enumerate() {
        let expected = known.get(&(method, route));
        let name = if route.is_empty() { "/" } else { route };
        let _ = write!(found, "{method:6} {name:46}");
        for (index, caller) in CALLERS.into_iter().enumerate() {
            let owner = format!("river-{number}-{caller}");
            let things = Things::make(&hub, &owner).await;
            if route == AUTHORIZE {
                hub.start(&owner).await;
            }
            let answer = ask(&hub, &things, method, route, caller).await;
            let word = word_of(&answer);
            let _ = write!(found, " {word:5}");
            if expected.and_then(|row| row.get(index)) != Some(&word.as_str()) {
                wrong.push(format!("{method} {route} by {caller}: {word}"));
            }
            if matches!(
                caller,
                "anon" | "expired" | "garbage" | "other" | "other-t" | "forged"
            ) {
                let text = answer.text();
                assert!(!text.contains("nebula"), "{caller} saw a server: {text}");
                let note = format!("note of {owner}");
                assert!(!text.contains(&note), "{caller} saw a token: {text}");
            }
            delete_made(&hub).await;
        }
        found.push('\n');
    }
    assert!(wrong.is_empty(), "{}\n\nfound:\n{found}", wrong.join("\n"));
    for (method, route) in known.keys() {
        assert!(
            routes.contains(&(*method, *route)),
            "no route for the row {method} {route}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_exists_looks_to_others_like_one_who_does_not() {
    let hub = TestWeb::new().await;
    let river = Things::make(&hub, "river").await;
    let ghost = Things {
        owner: "ghost".to_owned(),
        token: river.token.clone(),
    };

    for (method, route) in jansky_web::route_names() {
        if !route.contains("{user}") {
            continue;
        }
        for caller in ["anon", "garbage", "other", "other-t"] {
            let real = ask(&hub, &river, method, route, caller).await;
            let unreal = ask(&hub, &ghost, method, route, caller).await;
            assert_eq!(real.status, unreal.status, "{method} {route} by {caller}");
            let plain = |answer: &Answer| {
                let text = answer.text() + answer.location();
                let text = text.replace("ghost", "river");
                // Every browser has its own.
                let tokens = text.split('"').filter(|part| part.len() != 43);
                tokens.collect::<Vec<_>>().join("\"")
            };
            assert_eq!(plain(&real), plain(&unreal), "{method} {route} by {caller}");
        }
    }
}
