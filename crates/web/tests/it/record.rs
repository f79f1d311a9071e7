//! What is on record: every change of a credential or a right, with who, from where and what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jansky_hub::{Event, SignUpRule};
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, TestWeb};

/// Of every route that may change something: what stands in the audit trail afterwards, or why nothing
/// does. A route without an answer to that question fails the test.
const ROUTES: &str = "
POST   login                                      sign_in sign_in_refused
POST   login/second-step                          sign_in
POST   signup                                     sign_up_asked sign_up
POST   new-password                               password_chosen
POST   logout                                     sign_out
POST   oidc/backchannel-logout                    ended_by_provider
POST   oidc/security-events                       ended_by_provider no_longer_allowed
POST   oidc/token                                 device_token
POST   oidc/device_authorization                  - a person says yes or no to it first
POST   oidc/device                                device_answer
POST   oidc/introspect                            - it only looks
POST   oidc/revoke                                - the program gives back what it got
POST   setup                                      first_admin
POST   servers                                    - a server is no right
POST   remove/{user}/{server}                     - a server is no right
POST   spawn                                      - a server is no right
POST   spawn/{user}                               - a server is no right
POST   spawn/{user}/{server}                      - a server is no right
POST   stop/{user}                                - a server is no right
POST   stop/{user}/{server}                       - a server is no right
POST   accept-share                               share_accepted
POST   account/identities/{id}/unlink             identity_unlinked
POST   account/sessions/{session}/end             session_ended
POST   account/sign-out-everywhere                signed_out_everywhere
POST   account/password                           password_changed
POST   account/second-factor                      second_factor_on
POST   account/second-factor/off                  second_factor_off
POST   account/second-factor/recovery-codes       recovery_codes
POST   admin/users/{user}/reauthenticate          sign_in_demanded
POST   admin/users/{user}/sign-out                signed_out_everywhere
POST   admin/users/{user}/password-link           password_link
POST   admin/users/{user}/reset-second-factor     second_factor_reset
POST   admin/approvals/{id}/approve               sign_up_approved
POST   admin/approvals/{id}/refuse                sign_up_refused
POST   token                                      api_token_made
POST   token/{id}/revoke                          api_token_revoked
POST   security/csp-report                        - it only tells
POST   api/oauth2/authorize                       - the usual way into a server
POST   api/oauth2/token                           - the usual way into a server
POST   broker/v1/enroll                           enroll
POST   broker/v1/token                            token
POST   api/shutdown                               - the log says it
POST   api/users                                  user_made
POST   api/users/{user}                           user_made
PATCH  api/users/{user}                           user_renamed admin_given admin_taken
DELETE api/users/{user}                           user_deleted
POST   api/users/{user}/activity                  - it only tells
PUT    api/users/{user}/server                    - a server is no right
PATCH  api/users/{user}/server                    - a server is no right
POST   api/users/{user}/server                    - a server is no right
DELETE api/users/{user}/server                    - a server is no right
POST   api/users/{user}/servers/                  - a server is no right
DELETE api/users/{user}/servers/                  - a server is no right
PUT    api/users/{user}/servers/{server}          - a server is no right
PATCH  api/users/{user}/servers/{server}          - a server is no right
POST   api/users/{user}/servers/{server}          - a server is no right
DELETE api/users/{user}/servers/{server}          - a server is no right
POST   api/groups                                 group_made
POST   api/groups/{group}                         group_made group_joined
DELETE api/groups/{group}                         group_deleted group_left
POST   api/groups/{group}/users                   group_joined
DELETE api/groups/{group}/users                   group_left
PUT    api/groups/{group}/properties              group_properties
DELETE api/groups/{group}/shared/{owner}/         share_taken
DELETE api/groups/{group}/shared/{owner}/{server} share_taken
POST   api/users/{user}/server/tokens/freeze      freeze
POST   api/users/{user}/servers/{server}/tokens/freeze freeze
POST   api/users/{user}/tokens                    api_token_made
DELETE api/users/{user}/tokens/{id}               api_token_revoked
POST   api/shares/{user}/                         share_given
PATCH  api/shares/{user}/                         share_taken
DELETE api/shares/{user}/                         shares_taken
POST   api/shares/{user}/{server}                 share_given
PATCH  api/shares/{user}/{server}                 share_taken
DELETE api/shares/{user}/{server}                 shares_taken
POST   api/share-codes/{user}/                    share_code_made
DELETE api/share-codes/{user}/                    share_codes_ended
POST   api/share-codes/{user}/{server}            share_code_made
DELETE api/share-codes/{user}/{server}            share_codes_ended
DELETE api/users/{user}/shared/{owner}/           share_taken
DELETE api/users/{user}/shared/{owner}/{server}   share_taken
POST   api/users/{user}/reauthenticate            sign_in_demanded
DELETE api/users/{user}/sessions                  signed_out_everywhere
";

/// What is answered of each route: its events, or nothing for a reason.
fn answers() -> BTreeMap<(&'static str, &'static str), Vec<&'static str>> {
    let lines = ROUTES.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let method = words.next().expect("a method");
            let route = words.next().expect("a route");
            let events: Vec<_> = words.collect();
            assert!(!events.is_empty(), "{line}");
            let is_reason = events[0] == "-";
            ((method, route), if is_reason { Vec::new() } else { events })
        })
        .collect()
}

#[test]
fn every_route_that_changes_something_says_what_is_on_record_of_it() {
    let answers = answers();
    let routes: BTreeSet<_> = jansky_web::route_names()
        .into_iter()
        .filter(|(method, _)| !matches!(*method, "GET" | "*"))
        .collect();

    let answered: BTreeSet<_> = answers.keys().copied().collect();
    let missing: Vec<_> = routes.difference(&answered).collect();
    let gone: Vec<_> = answered.difference(&routes).collect();

    assert!(missing.is_empty(), "without an answer: {missing:?}");
    assert!(gone.is_empty(), "no routes any more: {gone:?}");
    let known: BTreeSet<_> = Event::ALL.iter().map(|event| event.as_str()).collect();
    for event in answers.values().flatten() {
        assert!(known.contains(event), "`{event}` is no event");
    }
}

/// Somebody who looks at the trail.
struct Auditor {
    program: Client,
    seen: i64,
}

impl Auditor {
    async fn new(hub: &TestWeb) -> Self {
        hub.admin("auditor").await;
        let program = hub.token("auditor", &["inherit"]).await;
        let mut auditor = Self { program, seen: 0 };
        auditor.news().await;
        auditor
    }

    /// The events since the last look, the oldest first.
    async fn news(&mut self) -> Vec<Value> {
        let answer = self.program.api("GET", "/hub/api/audit?limit=1000", None);
        let found = answer.await.must_be(200).json();
        let mut events = found["events"].as_array().expect("events").clone();
        events.retain(|event| event["seq"].as_i64() > Some(self.seen));
        events.reverse();
        if let Some(last) = events.last() {
            self.seen = last["seq"].as_i64().expect("a number");
        }
        events
    }

    /// The one new event of this name; each comes with who did it and from where.
    async fn expect(&mut self, event: &str, actor: &str, user: &str) -> Value {
        let news = self.news().await;
        let found: Vec<_> = news.iter().filter(|new| new["event"] == event).collect();
        let [one] = &found[..] else {
            panic!("not one `{event}` in {news:#?}");
        };
        assert_eq!(one["actor"], actor, "{one}");
        assert_eq!(one["user"], user, "{one}");
        assert_eq!(one["detail"]["address"], "198.51.100.7", "{one}");
        assert!(one["detail"]["address_seal"].is_string(), "{one}");
        (*one).clone()
    }
}

const HERE: [u8; 4] = [198, 51, 100, 7];

#[tokio::test]
async fn sign_ins_and_refusals_are_on_record() {
    let hub = TestWeb::new().await;
    hub.account("river").await;
    let mut auditor = Auditor::new(&hub).await;
    let browser = hub
        .anonymous()
        .moved_to(HERE)
        .with_agent("Mozilla/5.0 (X11; Linux) Firefox/130.0");
    let sign_in = async |name: &str, password: &str| {
        browser.type_password(name, password).await.status.as_u16()
    };

    assert_eq!(sign_in("river", "wrong").await, 403);
    let refused = auditor.expect("sign_in_refused", "the hub", "river").await;
    assert_eq!(refused["outcome"], "wrong_password");
    assert_eq!(sign_in("a password in the wrong field", "wrong").await, 403);
    let refused = auditor.expect("sign_in_refused", "the hub", "").await;
    assert!(!refused.to_string().contains("wrong field"), "{refused}");
    assert_eq!(sign_in("river", PASSWORD).await, 302);
    let entered = auditor.expect("sign_in", "river", "river").await;
    assert_eq!(entered["detail"]["provider"], "local");

    let own = browser.get("/hub/account/audit").await.must_be(200);
    for words in [
        "Signed in (local)",
        "Firefox on Linux",
        "Sign-in refused: wrong password",
        "198.51.100.7",
    ] {
        assert!(own.text().contains(words), "{words}: {}", own.text());
    }
    browser.post("/hub/logout", &[]).await.must_be(200);
    auditor.expect("sign_out", "river", "river").await;
}

#[tokio::test]
async fn a_flood_of_refusals_is_a_few_events_and_a_number() {
    let hub = TestWeb::new().await;
    hub.account("river").await;
    let mut auditor = Auditor::new(&hub).await;
    let stranger = hub.anonymous().moved_to(HERE);
    let fields = [("username", "river"), ("password", "wrong")];
    let xsrf = stranger.xsrf().await;
    let fields = [fields[0], fields[1], ("_xsrf", xsrf.as_str())];

    for _ in 0..60 {
        let call = stranger.call("POST", "/hub/login").navigating();
        call.form(&fields).send().await.must_be(403);
    }

    let events = auditor.news().await;
    assert_eq!(events.len(), 20, "{events:#?}");
    hub.hub.shut_down_process(Duration::from_secs(10)).await;
    let rest = auditor.expect("sign_ins_refused", "the hub", "").await;
    assert_eq!(rest["detail"]["count"], 40);
    assert_eq!(rest["outcome"], "wrong_password");
}

/// A call of the API, and the events that follow from it, each with the user whom it is about.
type Step = (
    &'static str,
    &'static str,
    Value,
    &'static [(&'static str, &'static str)],
);

#[tokio::test]
async fn what_administrators_change_is_on_record() {
    let hub = TestWeb::new().await;
    let mut auditor = Auditor::new(&hub).await;
    hub.admin("zoe").await;
    let zoe = hub.token("zoe", &["inherit"]).await.moved_to(HERE);
    auditor.news().await;
    let steps: [Step; 15] = [
        (
            "POST",
            "users",
            json!({ "usernames": ["inara"] }),
            &[("user_made", "inara")],
        ),
        (
            "POST",
            "users/kaylee",
            json!({}),
            &[("user_made", "kaylee")],
        ),
        (
            "PATCH",
            "users/kaylee",
            json!({ "admin": true }),
            &[("admin_given", "kaylee")],
        ),
        (
            "PATCH",
            "users/kaylee",
            json!({ "admin": false }),
            &[("admin_taken", "kaylee")],
        ),
        (
            "PATCH",
            "users/kaylee",
            json!({ "name": "kay" }),
            &[("user_renamed", "kaylee")],
        ),
        (
            "POST",
            "groups",
            json!({ "groups": ["radio"] }),
            &[("group_made", "")],
        ),
        (
            "POST",
            "groups/evn",
            json!({ "users": ["kay"] }),
            &[("group_made", ""), ("group_joined", "kay")],
        ),
        (
            "POST",
            "groups/radio/users",
            json!({ "users": ["kay"] }),
            &[("group_joined", "kay")],
        ),
        (
            "DELETE",
            "groups/radio/users",
            json!({ "users": ["kay"] }),
            &[("group_left", "kay")],
        ),
        (
            "PUT",
            "groups/radio/properties",
            json!({ "of": "x" }),
            &[("group_properties", "")],
        ),
        (
            "DELETE",
            "groups/evn",
            Value::Null,
            &[("group_deleted", ""), ("group_left", "kay")],
        ),
        (
            "POST",
            "users/kay/tokens",
            json!({ "note": "nightly" }),
            &[("api_token_made", "kay")],
        ),
        (
            "POST",
            "users/kay/reauthenticate",
            Value::Null,
            &[("sign_in_demanded", "kay")],
        ),
        (
            "DELETE",
            "users/kay/sessions",
            Value::Null,
            &[("signed_out_everywhere", "kay")],
        ),
        (
            "DELETE",
            "users/kay",
            Value::Null,
            &[("user_deleted", "kay")],
        ),
    ];
    for (method, path, body, events) in steps {
        let body = Some(body).filter(|body| !body.is_null());
        let answer = zoe.api(method, &format!("/hub/api/{path}"), body).await;
        assert!(
            answer.status.is_success(),
            "{method} {path}: {}",
            answer.text()
        );
        let news = auditor.news().await;
        let found: Vec<_> = news
            .iter()
            .map(|new| {
                (
                    new["event"].as_str().unwrap_or(""),
                    new["user"].as_str().unwrap_or(""),
                )
            })
            .collect();
        assert_eq!(found, events, "{method} {path}");
        for new in &news {
            assert_eq!(new["actor"], "zoe", "{new}");
            assert_eq!(new["detail"]["address"], "198.51.100.7", "{new}");
            assert!(!new.to_string().contains("jky_"), "{new}");
        }
    }
}

#[tokio::test]
async fn what_people_change_for_themselves_is_on_record() {
    let hub = TestWeb::new().await;
    let mut auditor = Auditor::new(&hub).await;
    hub.start("river").await;
    hub.user("wash").await;
    hub.admin("zoe").await;
    let river = hub.session("river").await.moved_to(HERE);
    let other = hub.session("river").await;
    let wash = hub.session("wash").await.moved_to(HERE);
    let zoe = hub.token("zoe", &["inherit"]).await.moved_to(HERE);
    auditor.news().await;

    let fields = [("note", "nightly pipeline"), ("expires_in", "3600")];
    river.post("/hub/token", &fields).await.must_be(200);
    let made = auditor.expect("api_token_made", "river", "river").await;
    assert_eq!(made["detail"]["note"], "nightly pipeline");
    let id = made["detail"]["id"].as_i64().expect("an id");
    let path = format!("/hub/token/a{id}/revoke");
    river.post(&path, &[]).await.must_be(302);
    auditor.expect("api_token_revoked", "river", "river").await;

    let session = other.cookie("jupyterhub-session-id").expect("a session");
    let path = format!("/hub/account/sessions/{session}/end");
    assert!(river.post(&path, &[]).await.status.as_u16() < 400);
    auditor.expect("session_ended", "river", "river").await;

    let shares = "/hub/api/shares/river/";
    let with = Some(json!({ "user": "wash" }));
    zoe.api("POST", shares, with.clone()).await.must_be(200);
    auditor.expect("share_given", "zoe", "river").await;
    zoe.api("PATCH", shares, with).await.must_be(200);
    auditor.expect("share_taken", "zoe", "river").await;
    let codes = "/hub/api/share-codes/river/";
    let made = zoe.api("POST", codes, None).await.must_be(200).json();
    let code = made["code"].as_str().expect("a code");
    let event = auditor.expect("share_code_made", "zoe", "river").await;
    assert!(!event.to_string().contains(code), "{event}");
    wash.post("/hub/accept-share", &[("code", code)])
        .await
        .must_be(302);
    auditor.expect("share_accepted", "wash", "river").await;
    zoe.api("DELETE", codes, None).await.must_be(204);
    auditor.expect("share_codes_ended", "zoe", "river").await;
    zoe.api("DELETE", shares, None).await.must_be(204);
    auditor.expect("shares_taken", "zoe", "river").await;
}

#[tokio::test]
async fn the_first_administrator_is_on_record() {
    let hub = TestWeb::new().await;
    let code = hub
        .hub
        .people
        .first_admin_code(hub.hub.operator())
        .await
        .expect("a code")
        .expect("there is no admin");
    let browser = hub.anonymous().moved_to(HERE);
    let fields = [("username", "mal"), ("password", PASSWORD)];
    let path = format!("/hub/setup?code={}", code.expose());
    assert!(browser.post(&path, &fields).await.status.as_u16() < 400);

    let mut auditor = Auditor::new(&hub).await;
    auditor.seen = 0;
    let events = auditor.news().await;
    let of = |name: &str| events.iter().find(|event| event["event"] == name);
    let link = of("first_admin_link").expect("the link");
    assert_eq!(link["actor"], "operator");
    let admin = of("first_admin").expect("the account");
    assert_eq!(
        (&admin["actor"], &admin["user"]),
        (&json!("mal"), &json!("mal"))
    );
    assert_eq!(admin["detail"]["address"], "198.51.100.7");
}

#[tokio::test]
async fn somebody_who_asks_for_an_account_is_on_record() {
    let hub = TestWeb::with(|recipe| recipe.settings.sign_up = SignUpRule::Approval).await;
    let mut auditor = Auditor::new(&hub).await;
    let browser = hub.anonymous().moved_to(HERE);

    let fields = [("username", "badger"), ("password", PASSWORD)];
    assert!(browser.post("/hub/signup", &fields).await.status.as_u16() < 400);

    auditor.expect("sign_up_asked", "badger", "").await;
}

#[tokio::test]
async fn addresses_are_kept_for_a_time_and_the_trail_holds_without_them() {
    let hub = TestWeb::with(|recipe| {
        recipe.settings.poll_interval = Duration::from_millis(20);
    })
    .await;
    hub.account("river").await;
    let mut auditor = Auditor::new(&hub).await;
    let browser = hub.anonymous().moved_to(HERE);
    browser.type_password("river", PASSWORD).await.must_be(302);
    auditor.expect("sign_in", "river", "river").await;

    hub.clock.advance(Duration::from_hours(91 * 24));
    hub.hub.spawn_housekeeping();

    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    loop {
        let mut auditor = Auditor::new(&hub).await;
        auditor.seen = 0;
        let events = auditor.news().await;
        let old = events.iter().find(|event| event["actor"] == "river");
        let old = old.expect("the event stays");
        if old["detail"]["address"].is_null() {
            assert!(old["detail"]["address_seal"].is_string(), "{old}");
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "{old}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let check = jansky_hub::check_audit(hub.hub.store())
        .await
        .expect("the database");
    assert_eq!(check.broken, None);
    hub.hub.shut_down_process(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn an_operator_who_keeps_no_addresses_has_none() {
    let hub = TestWeb::with(|recipe| recipe.settings.keep_addresses = Duration::ZERO).await;
    hub.account("river").await;
    let mut auditor = Auditor::new(&hub).await;
    let browser = hub.anonymous().moved_to(HERE);
    browser.type_password("river", PASSWORD).await.must_be(302);

    let events = auditor.news().await;
    let entered = events.iter().find(|event| event["event"] == "sign_in");
    assert!(entered.is_some(), "{events:?}");
    assert!(
        !json!(events).to_string().contains("198.51.100.7"),
        "{events:?}"
    );
}
