//! Nothing that comes in makes the hub fail.

use crate::support::{Client, Database, TestWeb};

/// A small generator: the same numbers every time, spread well enough.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// Pieces of paths and values, honest and not.
const PIECES: &[&str] = &[
    "river",
    "wash",
    "ghost",
    "gpu",
    "a1",
    "a",
    "",
    ".",
    "..",
    "%2e%2e",
    "%2F",
    "%00",
    "%0d%0a",
    "%FF",
    "%",
    "%zz",
    "*",
    "{user}",
    "~",
    "@",
    ";x=1",
    "%C3%A9",
    "%F0%9F%94%AD",
    "a%20b",
    "0",
    "-1",
    "99999999999999999999",
    "a9223372036854775808",
    "jupyterhub-user-river",
];

const JSON: &[&str] = &[
    "",
    "{}",
    "[]",
    "null",
    "true",
    "3",
    "\"x\"",
    "{",
    "{\"\\u0000\":1}",
    "\u{0}",
    "{\"name\":null}",
    "{\"name\":3}",
    "{\"name\":\"\"}",
    "{\"name\":\"gpu\"}",
    "{\"name\":\"river\"}",
    "{\"admin\":\"yes\"}",
    "{\"admin\":null}",
    "{\"usernames\":[null,3,\"\\u0000\",\"..\"]}",
    "{\"usernames\":{}}",
    "{\"users\":[null,3]}",
    "{\"users\":[\"\\u0000\",\"..\"]}",
    "{\"users\":[\"river\"],\"groups\":[\"\\u0000\"]}",
    "{\"groups\":[\"crew\",\"crew\"]}",
    "{\"users\":[\"river\"]}",
    "{\"note\":\"\\u0000\"}",
    "{\"note\":3}",
    "{\"expires_in\":18446744073709551615}",
    "{\"expires_in\":1e99}",
    "{\"scopes\":[\"!\"]}",
    "{\"scopes\":[\"self!user=\"]}",
    "{\"scopes\":[\"servers!server=x\"]}",
    "{\"scopes\":3}",
    "{\"roles\":[\"\"]}",
    "{\"auth\":{\"username\":\"\\u0000\",\"password\":\"\"}}",
    "{\"auth\":[]}",
    "{\"last_activity\":\"\"}",
    "{\"last_activity\":\"-9999-01-01T00:00:00Z\"}",
    "{\"last_activity\":\"9999-12-31T23:59:59Z\"}",
    "{\"servers\":{\"\":null}}",
    "{\"servers\":{\"\":{\"last_activity\":\"0000\"}}}",
    "{\"remove\":\"x\"}",
    "{\"user_options\":null}",
    "{\"user_options\":[]}",
    "{\"user_options\":{\"\\u0000\":\"\\u0000\"}}",
    "{\"display_name\":\"\\u0000\"}",
    "{\"display_name\":[]}",
];

const FORMS: &[&str] = &[
    "",
    "&&&=&=&%",
    "name=&note=&expires_in=x",
    "name=%FF&note=%FF&expires_in=99999999999999999999",
    "note=%00",
    "name=%00",
    "username=%00&password=%00",
    "next=%00&opt-x=%00",
    "username=..&password=x&next=//x",
    "username=%FF&password=%FF&next=%FF",
    "client_id=%00",
    "code=%00&client_id=jupyterhub-user-river&client_secret=%00&grant_type=%00",
    "grant_type=authorization_code&client_id=jupyterhub-user-river&client_secret=x&code=%FF",
];

const QUERIES: &[&str] = &[
    "",
    "?",
    "?&&=",
    "?x=%00",
    "?%00=x",
    "?next=%00",
    "?next=%FF",
    "?next=//x",
    "?code=%FF&state=%FF",
    "?client_id=%FF",
    "?client_id=jupyterhub-user-river&response_type=code&code_challenge=%FF",
    "?client_id=jupyterhub-user-river&response_type=code&state=%0d%0a&scope=%FF",
    "?limit=0&offset=4294967295",
    "?limit=-&offset=",
    "?sort=--",
    "?state=%FF",
    "?name_filter=%25_%5C%27",
    "?redirects=-1",
    "?redirects=99999999999",
    "?_xsrf=%FF",
    "?idp=%FF",
    "?include_stopped_servers=%FF",
    "?opt-=x&opt-%00=y",
    "?v=%FF",
];

/// Sends every body and every query to every route, as one who may do everything.
async fn throw_everything_at(hub: &TestWeb) {
    hub.admin("zoe").await;
    let browser = hub.session("zoe").await;
    let program = hub.token("zoe", &["inherit"]).await;
    let mut dice = Dice(1);
    for (method, route) in jansky_web::route_names() {
        // Signing out would end the test early.
        if route == "logout" {
            continue;
        }
        let is_form = !route.starts_with("api/") || route.contains("oauth2");
        let (client, bodies) = if is_form {
            (&browser, FORMS)
        } else {
            (&program, JSON)
        };
        // What the routes before have deleted is there again.
        let owner = hub.token("river", &["inherit"]).await;
        for server in ["server", "servers/gpu"] {
            let path = format!("/hub/api/users/river/{server}");
            owner.api("POST", &path, None).await;
        }
        program.api("POST", "/hub/api/groups/crew", None).await;
        let method = if method == "*" { "GET" } else { method };
        let bodies = if method == "GET" { &[""] } else { bodies };
        for body in bodies {
            check(client, method, &path(route, &mut dice), body).await;
        }
        for query in QUERIES {
            let path = format!("{}{query}", path(route, &mut dice));
            check(client, method, &path, "").await;
        }
    }
}

/// The path of a route with names in it that are honest half of the time.
fn path(route: &str, dice: &mut Dice) -> String {
    let mut path = format!("/hub/{route}");
    while let (Some(start), Some(end)) = (path.find('{'), path.find('}')) {
        let honest = match &path[start..=end] {
            "{server}" => "gpu",
            "{group}" => "crew",
            "{id}" => "a1",
            _ => "river",
        };
        let odd = dice.pick(PIECES).replace(['{', '}'], "x");
        let piece = if dice.roll(2) == 0 { honest } else { &odd };
        path.replace_range(start..=end, piece);
    }
    path
}

async fn check(client: &Client, method: &str, path: &str, body: &str) {
    if path.parse::<axum::http::Uri>().is_err() {
        return;
    }
    let xsrf = client.xsrf().await;
    let call = client.call(method, path).header("x-xsrftoken", &xsrf);
    let answer = call.bytes(body).send().await;
    let status = answer.status.as_u16();
    assert!(
        status < 500,
        "{method} {path} with {body:?}: {status} {}",
        answer.text()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_query_or_body_is_an_internal_error_on_sqlite() {
    throw_everything_at(&TestWeb::new().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_path_query_or_body_is_an_internal_error_on_postgres() {
    let database = Database::postgres().await;
    throw_everything_at(&TestWeb::on(database, |_| {}).await).await;
}

/// Every address that reads a body, with who may send one.
const BODIES: &[(&str, &str)] = &[
    ("POST", "/hub/api/users/river/tokens"),
    ("POST", "/hub/token"),
    ("POST", "/hub/api/oauth2/token"),
    ("POST", "/hub/login"),
    ("POST", "/hub/oidc/token"),
    ("POST", "/hub/oidc/device_authorization"),
    ("POST", "/hub/broker/v1/enroll"),
];

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_with_the_limit() {
    let small = TestWeb::with(|recipe| recipe.settings.max_body_size = 100_000).await;
    for (hub, limit, words) in [
        (
            TestWeb::new().await,
            1 << 20,
            "larger than 1 MiB (hub.max_body_size)",
        ),
        (small, 100_000, "larger than 100000 B (hub.max_body_size)"),
    ] {
        let callers = [
            hub.token("river", &["inherit"]).await,
            hub.session("river").await,
            hub.anonymous(),
        ];
        for (method, path) in BODIES {
            let mut refused = 0;
            for caller in &callers {
                let call = caller.call(method, path).bytes(vec![b' '; limit + 1]);
                let answer = call.send().await;
                // Who may not send anything hears that first, in some places.
                if matches!(answer.status.as_u16(), 302 | 401 | 403) {
                    continue;
                }
                assert_eq!(answer.status, 413, "{path}: {}", answer.text());
                assert!(answer.text().contains(words), "{path}: {}", answer.text());
                let call = caller.call(method, path).bytes(vec![b' '; limit]);
                assert_ne!(call.send().await.status, 413, "{path}");
                refused += 1;
            }
            assert!(refused > 0, "{path} was asked by nobody who may");
        }
    }
}

#[tokio::test]
async fn cookies_that_make_no_sense_are_passed_over() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let good = browser
        .cookie("jupyterhub-hub-login")
        .expect("it is signed in");
    let anonymous = hub.anonymous();

    for cookie in [
        "jupyterhub-hub-login=".to_owned(),
        "jupyterhub-hub-login=\"".to_owned(),
        format!("jupyterhub-hub-login={}", "x".repeat(8000)),
        "=; ;;; jupyterhub-hub-login".to_owned(),
        "jupyterhub-hub-login=\u{e9}".to_owned(),
    ] {
        let answer = anonymous
            .call("GET", "/hub/home")
            .header("cookie", &cookie)
            .send()
            .await;
        answer.must_be(302);
        // A good one behind it still counts.
        let both = format!("{cookie}; jupyterhub-hub-login={good}");
        let answer = anonymous
            .call("GET", "/hub/home")
            .header("cookie", &both)
            .send()
            .await;
        answer.must_be(200);
    }
}

#[tokio::test]
async fn a_host_that_makes_no_sense_does_not_matter() {
    let hub = TestWeb::new().await;
    let browser = hub.session("river").await;
    for host in ["", "[", "a b", "evil.test:99999", "user@evil.test"] {
        let call = browser
            .call("GET", "/hub/login?next=%2Fhub%2Ftoken")
            .header("host", host);
        let answer = call.send().await.must_be(302);
        assert_eq!(answer.location(), "/hub/token", "host {host:?}");
    }
}
