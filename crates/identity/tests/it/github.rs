//! GitHub, played by the scripted provider.

use std::sync::Arc;

use jansky_identity::{
    CallbackProblem, ExternalIdentity, GitHub, GitHubSettings, IdentityError,
    IdentityProvider as _, RedirectLogin as _, RefreshOutcome, http_client,
};
use jansky_model::{ManualClock, Secret};
use serde_json::{Value, json};

use crate::rig::{REDIRECT_URI, attempt, manual_clock, query};
use jansky_testing::provider::{Instead, ScriptedProvider};

struct FakeGitHub {
    server: ScriptedProvider,
    github: GitHub,
}

impl FakeGitHub {
    async fn new() -> Self {
        let clock = manual_clock();
        let server = ScriptedProvider::start(clock.clone()).await;
        let github = client(&server, &clock, &["read:user", "user:email", "read:org"]);
        let fake = Self { server, github };
        fake.says(
            "/login/oauth/access_token",
            &json!({
                "access_token": "canary-access",
                "token_type": "bearer",
                "scope": "read:org,read:user,user:email",
            }),
        );
        fake.says(
            "/user",
            &json!({ "id": 583_231, "login": "River-T", "name": "River Tam" }),
        );
        fake.says(
            "/user/emails",
            &json!([
                { "email": "old@example.org", "verified": false, "primary": false },
                { "email": "river@example.org", "verified": true, "primary": true },
            ]),
        );
        fake.says("/user/orgs", &json!([{ "login": "jive" }]));
        fake.says(
            "/user/teams",
            &json!([{ "slug": "correlator", "organization": { "login": "jive" } }]),
        );
        fake
    }

    fn says(&self, path: &'static str, body: &Value) {
        self.answers(path, 200, body);
    }

    fn answers(&self, path: &'static str, status: u16, body: &Value) {
        let instead = Instead::Status(status, body.to_string());
        self.server.script().instead.insert(path, instead);
    }

    async fn login(&self) -> Result<ExternalIdentity, IdentityError> {
        let attempt = attempt();
        let callback = format!("code=canary-code&state={}", attempt.state);
        self.github.finish(attempt, query(&callback)).await
    }
}

fn client(server: &ScriptedProvider, clock: &Arc<ManualClock>, scopes: &[&str]) -> GitHub {
    let section = serde_json::from_value(json!({
        "title": "GitHub",
        "url": server.issuer,
        "api_url": server.issuer,
        "client_id": "jansky",
        "client_secret": { "file": "/handed/over/below" },
        "scopes": scopes,
        "extra_authorize_parameters": { "allow_signup": "false" },
        "hint_parameters": ["login"],
        "http_timeout": "5s",
    }));
    let settings = GitHubSettings {
        id: "github".parse().expect("it is a provider id"),
        section: section.expect("a section"),
        client_secrets: vec![Secret::new("canary-client-secret")],
    };
    let http = http_client().expect("the client is made");
    GitHub::new(settings, http, Arc::clone(clock) as Arc<_>)
}

#[tokio::test]
async fn a_person_is_their_number_and_not_their_name() {
    let fake = FakeGitHub::new().await;

    let identity = fake.login().await.expect("everything is right");

    assert_eq!(identity.issuer, fake.server.issuer);
    assert_eq!(identity.subject, "583231");
    assert_eq!(identity.claims["preferred_username"], "River-T");
    assert_eq!(identity.claims["login"], "River-T");
    assert_eq!(identity.claims["email"], "river@example.org");
    assert_eq!(identity.claims["email_verified"], true);
    assert_eq!(
        identity.claims["groups"],
        json!(["jive", "jive:correlator"])
    );
    let script = fake.server.script();
    let form = &script.calls[0].form;
    assert_eq!(form["code"], "canary-code");
    assert_eq!(form["code_verifier"], attempt().verifier.expose());
    assert_eq!(form["client_secret"], "canary-client-secret");
}

#[tokio::test]
async fn the_browser_is_sent_with_a_state_and_a_challenge() {
    let fake = FakeGitHub::new().await;
    let mut attempt = attempt();
    attempt.extra = [("login", "river"), ("scope", "repo")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();

    let url = fake.github.begin(&attempt).await.expect("nobody is asked");

    assert_eq!(url.path(), "/login/oauth/authorize");
    let values = |wanted: &str| -> Vec<String> {
        url.query_pairs()
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value.into_owned())
            .collect()
    };
    assert_eq!(values("redirect_uri"), [REDIRECT_URI]);
    assert_eq!(values("state"), [attempt.state.as_str()]);
    assert_eq!(
        values("scope"),
        ["read:user user:email read:org"],
        "ours alone"
    );
    assert_eq!(values("code_challenge")[0].len(), 43);
    assert_eq!(values("code_challenge_method"), ["S256"]);
    assert_eq!(values("login"), ["river"]);
    assert_eq!(values("allow_signup"), ["false"]);
}

#[tokio::test]
async fn a_callback_of_another_sign_in_asks_github_nothing() {
    let fake = FakeGitHub::new().await;
    let state = attempt().state;
    for (callback, expected) in [
        ("code=c&state=other".to_owned(), CallbackProblem::WrongState),
        ("code=c".to_owned(), CallbackProblem::WrongState),
        (format!("state={state}"), CallbackProblem::MissingCode),
        (
            format!("code=c&state={state}&iss=https://evil.example"),
            CallbackProblem::WrongIssuer,
        ),
    ] {
        let outcome = fake.github.finish(attempt(), query(&callback)).await;
        let refused = matches!(
            outcome,
            Err(IdentityError::InvalidCallback { reason }) if reason == expected
        );
        assert!(refused, "{callback}: {outcome:?}");
    }
    let denied = format!("error=access_denied&state={state}");
    let denied = fake.github.finish(attempt(), query(&denied)).await;
    assert_eq!(denied.expect_err("they said no").code(), "denied");
    assert_eq!(fake.server.script().calls.len(), 0);
}

#[tokio::test]
async fn errors_with_status_200_are_errors() {
    let fake = FakeGitHub::new().await;
    for (error, expected) in [
        ("bad_verification_code", "invalid_grant"),
        ("incorrect_client_credentials", "invalid_client"),
        ("redirect_uri_mismatch", "refused"),
    ] {
        let answer = json!({ "error": error, "error_description": "about canary-code" });
        fake.says("/login/oauth/access_token", &answer);

        let error = fake.login().await.expect_err("GitHub says no");

        assert_eq!(error.code(), expected);
        assert!(
            !format!("{error} {error:?}").contains("canary"),
            "{error:?}"
        );
    }
    fake.says("/login/oauth/access_token", &json!({}));
    assert_eq!(
        fake.login().await.expect_err("no token").code(),
        "answer_lost"
    );
}

#[tokio::test]
async fn without_the_scope_nothing_is_said_about_groups() {
    let fake = FakeGitHub::new().await;
    fake.says(
        "/login/oauth/access_token",
        &json!({ "access_token": "a", "token_type": "bearer", "scope": "read:user" }),
    );

    let identity = fake.login().await.expect("everything is right");

    assert!(!identity.claims.contains_key("groups"), "unknown, not none");
    assert!(!identity.claims.contains_key("email"));
    assert_eq!(fake.server.calls("/user/orgs"), 0);
}

#[tokio::test]
async fn long_lists_are_read_to_their_end_or_not_at_all() {
    let fake = FakeGitHub::new().await;
    let page = |count: usize| {
        let one = json!({ "login": "org" });
        Value::from(vec![one; count]).to_string()
    };
    let pages = Instead::Pages(vec![page(100), page(100), page(7)]);
    fake.server.script().instead.insert("/user/orgs", pages);

    let identity = fake.login().await.expect("everything is right");
    let endless = Instead::Pages(vec![page(100); 20]);
    fake.server.script().instead.insert("/user/orgs", endless);
    let too_many = fake.login().await.expect_err("a part is not the whole");

    let groups = identity.claims["groups"].as_array().map(Vec::len);
    assert_eq!(groups, Some(208));
    assert_eq!(too_many.code(), "bad_answer");
    assert_eq!(fake.server.calls("/user/orgs"), 3 + 10);
}

#[tokio::test]
async fn a_part_that_cannot_be_read_ends_the_sign_in() {
    for (path, status, expected) in [
        ("/user", 401, "invalid_grant"),
        ("/user/emails", 403, "bad_answer"),
        ("/user/teams", 503, "unavailable"),
    ] {
        let fake = FakeGitHub::new().await;
        fake.answers(path, status, &json!({ "message": "no" }));

        let error = fake.login().await.expect_err("a part is missing");

        assert_eq!(error.code(), expected, "{path}");
    }
}

#[tokio::test]
async fn tokens_are_refreshed_read_again_and_revoked() {
    let fake = FakeGitHub::new().await;
    fake.says(
        "/login/oauth/access_token",
        &json!({
            "access_token": "canary-new",
            "refresh_token": "canary-refresh-2",
            "expires_in": 28_800,
            "token_type": "bearer",
            "scope": "",
        }),
    );
    let session = fake.github.upstream_session().expect("it has sessions");

    let renewed = session
        .renew("583231", &Secret::new("canary-refresh-1"))
        .await;
    let RefreshOutcome::Renewed(tokens) = renewed else {
        panic!("not renewed: {renewed:?}");
    };
    let same = session.claims("583231", &tokens).await;
    let other = session.claims("1", &tokens).await;
    fake.says(
        "/login/oauth/access_token",
        &json!({ "error": "bad_refresh_token" }),
    );
    let dead = session
        .renew("583231", &Secret::new("canary-refresh-1"))
        .await;
    fake.answers("/applications/jansky/token", 204, &json!({}));
    let revoked = session.revoke(&tokens.access).await;
    fake.answers("/applications/jansky/token", 404, &json!({}));
    let unknown = session.revoke(&tokens.access).await;

    assert_eq!(
        tokens.refresh.as_ref().map(Secret::expose),
        Some("canary-refresh-2")
    );
    assert!(tokens.expires_at.is_some());
    assert!(matches!(same, Ok(Some(_))), "{same:?}");
    assert_eq!(other.expect_err("of another").code(), "invalid_token");
    assert!(matches!(dead, RefreshOutcome::SignInAgain(_)), "{dead:?}");
    assert!(
        revoked.is_ok() && unknown.is_ok(),
        "{revoked:?} {unknown:?}"
    );
    let script = fake.server.script();
    let call = script.calls.last().expect("it was called");
    assert!(
        call.authorization
            .as_ref()
            .is_some_and(|value| value.starts_with("Basic "))
    );
}
