//! The hub as an issuer: what a service sees, and a program on a command line.
//!
//! Tokens are checked here with a library that has no part in making them.

use std::collections::BTreeSet;
use std::time::Duration;

use jansky_crypto::SignatureAlgorithm;
use jansky_crypto::dpop::token_hash;
use jansky_crypto::token::s256;
use jansky_hub::{Audience, AudienceRules, AuditQuery, IssuerClient, Source};
use jansky_model::{Clock as _, Secret};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::support::{Answer, Client, Recipe, TestWeb};

const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
const ISSUER: &str = "http://127.0.0.1:8000/hub/oidc";

/// Members of the crew may have tokens for the archive.
fn archive(recipe: &mut Recipe) {
    let rules = AudienceRules {
        allowed_users: ["river".to_owned()].into(),
        ..AudienceRules::default()
    };
    recipe.settings.broker.audiences = vec![Audience {
        id: "archive".to_owned(),
        title: "EVN archive".to_owned(),
        source: Source::Jansky {
            audience: "https://archive.test".to_owned(),
            lifetime: Duration::from_mins(10),
        },
        scopes: vec!["read".to_owned(), "write".to_owned()],
        rules,
        shared: false,
        token_file: false,
    }];
    let service = IssuerClient {
        title: None,
        secrets: vec![Secret::new("canary-secret"), Secret::new("canary-old")],
    };
    let clients = &mut recipe.settings.issuer.clients;
    clients.insert("archive".to_owned(), service);
}

async fn hub() -> TestWeb {
    TestWeb::with(archive).await
}

/// A program, which has no cookies.
struct Program<'h> {
    hub: &'h TestWeb,
    client: Client,
}

impl<'h> Program<'h> {
    fn of(hub: &'h TestWeb) -> Self {
        Self {
            hub,
            client: hub.anonymous(),
        }
    }

    async fn post(&self, endpoint: &str, fields: &[(&str, &str)]) -> Answer {
        let path = format!("/hub/oidc/{endpoint}");
        self.client.call("POST", &path).form(fields).send().await
    }

    async fn begin(&self, more: &[(&str, &str)]) -> Value {
        let fields = [
            &[("client_id", "jansky-cli"), ("audience", "archive")],
            more,
        ]
        .concat();
        let answer = self.post("device_authorization", &fields).await;
        answer.must_be(200).json()
    }

    async fn ask(&self, begun: &Value, more: &[(&str, &str)]) -> Answer {
        let code = begun["device_code"].as_str().expect("a code");
        let fields = [
            ("grant_type", DEVICE_CODE),
            ("client_id", "jansky-cli"),
            ("device_code", code),
        ];
        self.post("token", &[&fields, more].concat()).await
    }

    /// Asks, and expects an error.
    async fn error(&self, begun: &Value) -> String {
        let answer = self.ask(begun, &[]).await.must_be(400);
        answer.json()["error"].as_str().expect("a code").to_owned()
    }

    fn wait(&self, seconds: u64) {
        self.hub.clock.advance(Duration::from_secs(seconds));
    }

    /// A token, with the person at the browser saying yes.
    async fn token(&self, browser: &Client) -> String {
        let begun = self.begin(&[]).await;
        answer(browser, &begun, "allow").await.must_be(200);
        let answered = self.ask(&begun, &[]).await.must_be(200).json();
        answered["access_token"]
            .as_str()
            .expect("a token")
            .to_owned()
    }

    async fn introspect(&self, token: &str) -> Value {
        let fields = [
            ("client_id", "archive"),
            ("client_secret", "canary-secret"),
            ("token", token),
        ];
        self.post("introspect", &fields).await.must_be(200).json()
    }
}

async fn answer(browser: &Client, begun: &Value, answer: &str) -> Answer {
    let code = begun["user_code"].as_str().expect("a code");
    let fields = [("user_code", code), ("answer", answer)];
    browser.post("/hub/oidc/device", &fields).await
}

/// Checks a token as a service does: with the metadata and the keys and nothing else.
async fn verified(hub: &TestWeb, token: &str, algorithm: Algorithm) -> Value {
    let anyone = hub.anonymous();
    let document = anyone
        .get("/hub/oidc/.well-known/openid-configuration")
        .await
        .must_be(200)
        .json();
    let path = document["jwks_uri"].as_str().expect("an address");
    let path = path.strip_prefix("http://127.0.0.1:8000").expect("ours");
    let keys: JwkSet =
        serde_json::from_value(anyone.get(path).await.must_be(200).json()).expect("a key set");
    let header = jsonwebtoken::decode_header(token).expect("a header");
    assert_eq!(header.typ.as_deref(), Some("at+jwt"), "RFC 9068");
    let key = keys
        .find(&header.kid.expect("a key id"))
        .expect("it is published");
    let key = DecodingKey::from_jwk(key).expect("a usable key");
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&["https://archive.test"]);
    validation.set_issuer(&[document["issuer"].as_str().expect("a name")]);
    // The clock of the test stands still, years away.
    validation.validate_exp = false;
    let decoded = jsonwebtoken::decode::<Value>(token, &key, &validation);
    decoded.expect("it is valid").claims
}

#[tokio::test]
async fn a_program_gets_a_token_that_a_service_can_check() {
    for (algorithm, expected) in [
        (SignatureAlgorithm::Es256, Algorithm::ES256),
        (SignatureAlgorithm::Rs256, Algorithm::RS256),
    ] {
        let hub = TestWeb::with(|recipe| {
            archive(recipe);
            recipe.settings.issuer.algorithm = algorithm;
        })
        .await;
        let browser = hub.session("river").await;

        let token = Program::of(&hub).token(&browser).await;
        let claims = verified(&hub, &token, expected).await;

        let now = hub.clock.now().seconds();
        let river = hub.user("river").await;
        assert_eq!(claims["iss"], ISSUER);
        assert_eq!(claims["sub"], json!(river.id.to_string()));
        assert_eq!(claims["aud"], "https://archive.test");
        assert_eq!(claims["client_id"], "jansky-cli");
        assert_eq!(claims["scope"], "read write");
        assert_eq!(claims["preferred_username"], "river");
        assert_eq!(claims["groups"], json!([]));
        assert_eq!(
            (&claims["iat"], &claims["exp"]),
            (&json!(now), &json!(now + 600))
        );
        assert!(claims["jti"].is_string());
    }
}

#[tokio::test]
async fn the_metadata_stand_at_both_addresses_and_hold_no_private_key() {
    let hub = hub().await;
    let anyone = hub.anonymous();

    let openid = anyone
        .get("/hub/oidc/.well-known/openid-configuration")
        .await;
    let oauth = anyone
        .get("/.well-known/oauth-authorization-server/hub/oidc")
        .await;
    let keys = anyone.get("/hub/oidc/jwks").await.must_be(200).json();

    assert_eq!(openid.must_be(200).json(), oauth.must_be(200).json());
    let key = keys["keys"][0].as_object().expect("a key");
    let members: BTreeSet<&str> = key.keys().map(String::as_str).collect();
    assert_eq!(
        members,
        ["alg", "crv", "kid", "kty", "use", "x", "y"].into(),
        "and no `d`"
    );
}

#[tokio::test]
async fn a_program_waits_until_the_person_has_answered_and_gets_one_token() {
    let hub = hub().await;
    let browser = hub.session("river").await;
    let program = Program::of(&hub);
    let begun = program.begin(&[("scope", "read")]).await;
    assert_eq!(begun["interval"], 5);
    assert_eq!(begun["expires_in"], 600);
    assert_eq!(begun["verification_uri"], format!("{ISSUER}/device"));

    assert_eq!(program.error(&begun).await, "authorization_pending");
    assert_eq!(program.error(&begun).await, "slow_down");
    program.wait(9);
    assert_eq!(program.error(&begun).await, "slow_down", "ten seconds now");
    program.wait(60);
    answer(&browser, &begun, "allow").await.must_be(200);
    let token = program.ask(&begun, &[]).await.must_be(200);
    assert_eq!(token.header("cache-control"), "no-store");
    let token = token.json();
    program.wait(60);

    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["expires_in"], 600);
    assert_eq!(token["scope"], "read");
    assert!(token.get("refresh_token").is_none());
    assert_eq!(program.error(&begun).await, "invalid_grant", "one token");
}

#[tokio::test]
async fn no_answer_a_no_and_somebody_who_may_not_give_no_token() {
    let hub = hub().await;
    let program = Program::of(&hub);
    let river = hub.session("river").await;
    let wash = hub.session("wash").await;

    let refused = program.begin(&[]).await;
    answer(&river, &refused, "deny").await.must_be(200);
    assert_eq!(program.error(&refused).await, "access_denied");

    let of_wash = program.begin(&[]).await;
    answer(&wash, &of_wash, "allow").await.must_be(403);
    assert_eq!(program.error(&of_wash).await, "authorization_pending");

    let late = program.begin(&[]).await;
    program.wait(600);
    answer(&river, &late, "allow").await.must_be(404);
    assert_eq!(program.error(&late).await, "expired_token");
}

#[tokio::test]
async fn what_people_answer_and_what_programs_get_stands_in_the_audit_trail() {
    let hub = hub().await;
    let program = Program::of(&hub);
    let river = hub.session("river").await;
    let wash = hub.session("wash").await;

    let begun = program.begin(&[("scope", "read")]).await;
    answer(&river, &begun, "allow").await.must_be(200);
    let token = program.ask(&begun, &[]).await.must_be(200).json();
    let refused = program.begin(&[]).await;
    answer(&river, &refused, "deny").await.must_be(200);
    let of_wash = program.begin(&[]).await;
    answer(&wash, &of_wash, "allow").await.must_be(403);

    let query = AuditQuery {
        limit: 10,
        ..AuditQuery::default()
    };
    let mut events = hub.hub.audit().events(&query).await.expect("the trail");
    events.reverse();
    events.retain(|event| event.event.starts_with("device_"));
    let seen: Vec<_> = events
        .iter()
        .map(|event| {
            let (event, outcome) = (event.event.as_str(), event.outcome.as_str());
            (event, outcome)
        })
        .collect();
    let expected = [
        ("device_answer", "ok"),
        ("device_token", "ok"),
        ("device_answer", "denied"),
        ("device_answer", "not_in_policy"),
    ];
    assert_eq!(seen, expected);
    assert_eq!(
        (&*events[0].actor, &*events[0].user_name),
        ("river", "river")
    );
    assert_eq!(events[3].user_name, "wash");
    let token = token["access_token"].as_str().expect("a token");
    let detail: Value = serde_json::from_str(&events[1].detail).expect("JSON");
    assert_eq!(detail["client"], "jansky-cli");
    assert_eq!(detail["audience"], "archive");
    assert_eq!(detail["scope"], "read");
    assert_eq!(detail["token"], token_hash(token));
    let page = river.get("/hub/account/audit").await.must_be(200).text();
    assert!(
        page.contains("Token for archive on a command line"),
        "{page}"
    );
    assert!(!page.contains("Default server"), "{page}");
    assert!(!page.contains("wash"), "{page}");
}

#[tokio::test]
async fn a_code_needs_its_program_and_its_verifier() {
    let hub = hub().await;
    let browser = hub.session("river").await;
    let program = Program::of(&hub);
    let verifier = "canary-verifier-0123456789abcdef0123456789abcdef";
    let challenge = s256(verifier);
    let pkce = [
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let begun = program.begin(&pkce).await;
    answer(&browser, &begun, "allow").await.must_be(200);

    let without = program.ask(&begun, &[]).await.must_be(400).json();
    let wrong = program.ask(&begun, &[("code_verifier", "other")]).await;
    let fields = [
        ("grant_type", DEVICE_CODE),
        ("client_id", "archive"),
        ("client_secret", "canary-secret"),
        (
            "device_code",
            begun["device_code"].as_str().expect("a code"),
        ),
        ("code_verifier", verifier),
    ];
    let by_other = program.post("token", &fields).await.must_be(400).json();
    program.wait(60);
    let right = program.ask(&begun, &[("code_verifier", verifier)]).await;

    assert_eq!(without["error"], "invalid_grant");
    assert_eq!(wrong.must_be(400).json()["error"], "invalid_grant");
    assert_eq!(by_other["error"], "invalid_grant");
    right.must_be(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_in_the_words_of_the_standards() {
    let hub = hub().await;
    let program = Program::of(&hub);
    for (fields, status, error) in [
        (vec![("audience", "archive")], 401, "invalid_client"),
        (vec![("client_id", "nobody")], 401, "invalid_client"),
        (
            vec![("client_id", "jansky-cli"), ("audience", "nothing")],
            400,
            "invalid_target",
        ),
        (
            vec![("client_id", "jansky-cli"), ("scope", "admin")],
            400,
            "invalid_scope",
        ),
        (
            vec![("client_id", "jansky-cli"), ("code_challenge", "x")],
            400,
            "invalid_request",
        ),
        (
            vec![("client_id", "jansky-cli"), ("client_id", "jansky-cli")],
            400,
            "invalid_request",
        ),
        (
            vec![("client_id", "archive"), ("client_secret", "wrong")],
            401,
            "invalid_client",
        ),
    ] {
        let answer = program.post("device_authorization", &fields).await;
        let answer = answer.must_be(status).json();
        assert_eq!(answer["error"], error, "{fields:?}: {answer}");
    }
    let other = [
        ("grant_type", "client_credentials"),
        ("client_id", "jansky-cli"),
    ];
    let answer = program.post("token", &other).await.must_be(400).json();
    assert_eq!(answer["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn only_clients_with_a_secret_may_ask_about_tokens() {
    let hub = hub().await;
    let browser = hub.session("river").await;
    let program = Program::of(&hub);
    let token = program.token(&browser).await;

    let by_header = hub.anonymous();
    let by_header = by_header
        .call("POST", "/hub/oidc/introspect")
        .header("authorization", "Basic YXJjaGl2ZTpjYW5hcnktb2xk")
        .form(&[("token", &token)])
        .send()
        .await;
    let known = program.introspect(&token).await;

    assert_eq!(
        by_header.must_be(200).json(),
        known,
        "the old secret works, too"
    );
    assert_eq!(known["active"], true);
    assert_eq!(known["username"], "river");
    assert_eq!(known["aud"], "https://archive.test");
    for fields in [
        vec![("token", token.as_str())],
        vec![("token", &token), ("client_id", "jansky-cli")],
        vec![("token", &token), ("client_id", "archive")],
        vec![
            ("token", token.as_str()),
            ("client_id", "archive"),
            ("client_secret", "canary"),
        ],
    ] {
        let refused = program.post("introspect", &fields).await.must_be(401);
        assert!(refused.header("www-authenticate").starts_with("Basic"));
    }
    let by_cookie = browser
        .post("/hub/oidc/introspect", &[("token", &token)])
        .await;
    by_cookie.must_be(401);
}

#[tokio::test]
async fn a_token_that_has_ended_was_taken_back_or_is_not_ours_is_not_active() {
    let hub = hub().await;
    let browser = hub.session("river").await;
    let program = Program::of(&hub);
    let inactive = json!({ "active": false });
    let first = program.token(&browser).await;
    let second = program.token(&browser).await;
    let (message, signature) = first.rsplit_once('.').expect("three parts");
    let other = if signature.starts_with('A') { 'B' } else { 'A' };
    let changed = format!("{message}.{other}{}", &signature[1..]);

    let own = [("client_id", "jansky-cli"), ("token", first.as_str())];
    program.post("revoke", &own).await.must_be(200);
    program.post("revoke", &own).await.must_be(200);

    assert_eq!(program.introspect(&first).await, inactive, "taken back");
    assert_eq!(program.introspect(&second).await["active"], true);
    for stranger in [changed.as_str(), "garbage", "a.b.c"] {
        assert_eq!(program.introspect(stranger).await, inactive, "{stranger}");
    }
    program.wait(600);
    assert_eq!(program.introspect(&second).await, inactive, "it has ended");
}

#[tokio::test]
async fn a_client_without_a_secret_gives_back_only_its_own_tokens() {
    let hub = TestWeb::with(|recipe| {
        archive(recipe);
        let public = IssuerClient::default();
        let clients = &mut recipe.settings.issuer.clients;
        clients.insert("tool".to_owned(), public);
    })
    .await;
    let browser = hub.session("river").await;
    let program = Program::of(&hub);
    let token = program.token(&browser).await;

    let by_other = [("client_id", "tool"), ("token", token.as_str())];
    let by_other = program.post("revoke", &by_other).await.must_be(400).json();
    assert_eq!(by_other["error"], "unauthorized_client");
    assert_eq!(program.introspect(&token).await["active"], true);

    let by_service = [
        ("client_id", "archive"),
        ("client_secret", "canary-secret"),
        ("token", token.as_str()),
    ];
    program.post("revoke", &by_service).await.must_be(200);
    assert_eq!(program.introspect(&token).await["active"], false);
}

#[tokio::test]
async fn tokens_of_a_deleted_user_are_not_active() {
    let hub = hub().await;
    let browser = hub.session("river").await;
    let program = Program::of(&hub);
    let token = program.token(&browser).await;

    let river = hub.user("river").await;
    hub.hub
        .delete_user(&hub.hub.permit_of(river.clone()))
        .await
        .expect("deleted");

    assert_eq!(program.introspect(&token).await["active"], false);
}

#[tokio::test]
async fn the_page_asks_before_it_gives_and_says_what_for() {
    let hub = hub().await;
    let program = Program::of(&hub);
    let begun = program.begin(&[("scope", "read")]).await;
    let code = begun["user_code"].as_str().expect("a code");
    let complete = begun["verification_uri_complete"]
        .as_str()
        .expect("an address");
    let path = complete
        .strip_prefix("http://127.0.0.1:8000")
        .expect("ours");

    let stranger = hub.anonymous().get(path).await.must_be(302);
    let login = stranger.location().to_owned();
    let browser = hub.session("river").await;
    let empty = browser.get("/hub/oidc/device").await.must_be(200).text();
    let asked = browser.get(path).await.must_be(200).text();
    let lower = code.to_lowercase();
    let typed = browser
        .post("/hub/oidc/device", &[("user_code", &lower)])
        .await;
    let wrong = browser.get("/hub/oidc/device?user_code=XXXX-XXXX").await;

    assert!(
        login.contains("login?next=") && login.contains("device"),
        "{login}"
    );
    assert!(empty.contains("Type the code"), "{empty}");
    for page in [&asked, &typed.must_be(200).text()] {
        for word in ["EVN archive", code, "read", "just started"] {
            assert!(page.contains(word), "`{word}` is not in {page}");
        }
        assert!(!page.contains("write"), "{page}");
    }
    wrong.must_be(404);
    assert_eq!(program.error(&begun).await, "authorization_pending");
}

#[tokio::test]
async fn whoever_tries_codes_or_fills_the_table_is_held_up() {
    let hub = hub().await;
    let browser = hub.session("river").await;
    let program = Program::of(&hub);

    let mut statuses = BTreeSet::new();
    for _ in 0..40 {
        let page = browser.get("/hub/oidc/device?user_code=XXXX-XXXX").await;
        statuses.insert(page.status.as_u16());
    }
    assert_eq!(statuses, [404, 429].into());
    let mut statuses = BTreeSet::new();
    for _ in 0..40 {
        let fields = [("client_id", "jansky-cli")];
        let begun = program.post("device_authorization", &fields).await;
        statuses.insert(begun.status.as_u16());
    }
    assert_eq!(statuses, [200, 429].into());
}
