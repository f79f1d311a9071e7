//! Local accounts beyond the first: passwords, second factors and sign-ups.

use std::time::Duration;

use jansky_crypto::{KeyRing, SystemRandom, totp};
use jansky_hub::{Role, SecondFactorRule, SignUpRule};
use jansky_model::Secret;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Database, PASSWORD, TestWeb, World};

/// Another good password.
const OTHER: &str = "a dish behind the house";

/// The time that an app shows one code.
const STEP: Duration = Duration::from_secs(30);

async fn hub_with(rule: SecondFactorRule) -> TestWeb {
    TestWeb::with(|recipe| recipe.settings.second_factor = rule).await
}

async fn type_password(browser: &Client, name: &str, password: &str) -> Answer {
    browser.type_password(name, password).await
}

async fn is_in(browser: &Client) -> bool {
    browser.get("/hub/home").await.status.as_u16() == 200
}

/// The secret on a page that sets a second factor up.
fn secret_on(page: &Answer) -> Secret {
    let document = page.html();
    let text = &document.by_id("secret").expect("the secret is shown").text;
    Secret::new(text.replace(' ', ""))
}

/// The recovery codes on the page that shows them.
fn codes_on(page: &Answer) -> Vec<String> {
    let document = page.html();
    let text = &document.by_id("codes").expect("the codes are shown").text;
    text.split_whitespace().map(str::to_owned).collect()
}

/// Whether a link or a form on a page leads there.
fn leads_to(page: &Answer, path: &str) -> bool {
    let document = page.html();
    let mut tags = document.0.iter();
    tags.any(|tag| [tag.get("href"), tag.get("action")].contains(&Some(path)))
}

fn error_at(page: &Answer, id: &str) -> String {
    let document = page.html();
    let found = document.by_id(id).map(|tag| tag.text.clone());
    found.unwrap_or_else(|| panic!("no `{id}` on {}", page.text()))
}

/// What an app shows.
fn code(hub: &TestWeb, secret: &Secret) -> String {
    let code = totp::code_at(secret, hub.now()).expect("a good secret");
    code.expose().to_owned()
}

/// Sets the second factor of somebody up who is signed in; the secret and the recovery codes.
async fn set_up(hub: &TestWeb, browser: &Client) -> (Secret, Vec<String>) {
    let path = "/hub/account/second-factor";
    let secret = secret_on(&browser.get(path).await.must_be(200));
    let otp = code(hub, &secret);
    let fields = [("current", PASSWORD), ("otp", otp.as_str())];
    let page = browser.post(path, &fields).await.must_be(200);
    hub.clock.advance(STEP);
    (secret, codes_on(&page))
}

async fn events(hub: &TestWeb) -> Vec<(String, String, String)> {
    hub.admin("auditor").await;
    let auditor = hub.token("auditor", &["inherit"]).await;
    let answer = auditor.api("GET", "/hub/api/audit", None).await;
    let found = answer.must_be(200).json();
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let list = found.as_array().or_else(|| found["events"].as_array());
    list.expect("a list of events")
        .iter()
        .map(|event| {
            (
                text(event, "event"),
                text(event, "actor"),
                text(event, "user"),
            )
        })
        .collect()
}

fn event(name: &str, actor: &str, user: &str) -> (String, String, String) {
    (name.to_owned(), actor.to_owned(), user.to_owned())
}

// ---- passwords ----------------------------------------------------------------------------------

#[tokio::test]
async fn a_changed_password_ends_the_other_browsers_and_is_written_down() {
    let hub = TestWeb::new().await;
    let here = hub.browser("river").await;
    let there = hub.browser("river").await;
    let account = here.get("/hub/account").await.must_be(200);
    assert!(leads_to(&account, "/hub/account/password"));
    here.get("/hub/account/password").await.must_be(200);

    let fields = [("current", PASSWORD), ("password", OTHER)];
    let answer = here.post("/hub/account/password", &fields).await;

    assert_eq!(answer.must_be(302).location(), "/hub/account?done=password");
    let account = here.get("/hub/account?done=password").await.must_be(200);
    assert!(account.text().contains("Your password is changed"));
    assert!(!is_in(&there).await);
    type_password(&hub.anonymous(), "river", PASSWORD)
        .await
        .must_be(403);
    type_password(&hub.anonymous(), "river", OTHER)
        .await
        .must_be(302);
    let events = events(&hub).await;
    assert!(
        events.contains(&event("password_changed", "river", "river")),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_password_is_not_changed_without_the_present_one_or_to_a_bad_one() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let post = async |current: &str, password: &str| {
        let fields = [("current", current), ("password", password)];
        browser.post("/hub/account/password", &fields).await
    };

    let wrong = post("wrong", OTHER).await.must_be(403);
    assert_eq!(
        error_at(&wrong, "current-error"),
        "This is not your password."
    );
    let short = post(PASSWORD, "short").await.must_be(400);
    assert!(error_at(&short, "password-error").contains("too short"));
    let same = post(PASSWORD, PASSWORD).await.must_be(400);
    assert!(error_at(&same, "password-error").contains("the password that you have"));
    browser
        .call("POST", "/hub/account/password")
        .form(&[("current", PASSWORD), ("password", OTHER)])
        .send()
        .await
        .must_be(403);

    type_password(&hub.anonymous(), "river", PASSWORD)
        .await
        .must_be(302);
}

#[tokio::test]
async fn guessing_the_present_password_has_to_wait_like_signing_in() {
    let hub = TestWeb::with(|recipe| recipe.settings.sign_in_attempts_per_minute = 3).await;
    hub.account("river").await;
    let browser = hub.session("river").await;
    let fields = [("current", "wrong"), ("password", OTHER)];
    for _ in 0..3 {
        let answer = browser.post("/hub/account/password", &fields).await;
        answer.must_be(403);
    }

    let right = [("current", PASSWORD), ("password", OTHER)];
    let answer = browser.post("/hub/account/password", &right).await;

    assert_ne!(answer.must_be(429).header("retry-after"), "");
}

#[tokio::test]
async fn who_has_no_password_changes_none() {
    let hub = TestWeb::new().await;
    let wash = hub.session("wash").await;

    wash.get("/hub/account/password").await.must_be(404);
    let account = wash.get("/hub/account").await.must_be(200);
    assert!(!leads_to(&account, "/hub/account/password"));
}

/// The link on the page that an administrator gets, without scheme and host.
fn link_on(page: &Answer) -> String {
    let document = page.html();
    let link = &document.by_id("link").expect("the link is shown").text;
    let path = link.find("/hub/").expect("it leads to the hub");
    link[path..].to_owned()
}

#[tokio::test]
async fn a_link_of_an_administrator_gives_a_password_once() {
    let hub = TestWeb::new().await;
    let river = hub.browser("river").await;
    hub.admin("zoe").await;
    let zoe = hub.session("zoe").await;
    let list = zoe.get("/hub/admin").await.must_be(200);
    let make = "/hub/admin/users/river/password-link";
    assert!(leads_to(&list, make), "{}", list.text());
    let first = link_on(&zoe.post(make, &[]).await.must_be(200));
    let link = link_on(&zoe.post(make, &[]).await.must_be(200));
    let browser = hub.anonymous();

    browser.get(&first).await.must_be(404);
    let page = browser.get(&link).await.must_be(200).text();
    assert!(page.contains("river"), "{page}");
    let short = browser.post(&link, &[("password", "short")]).await;
    assert!(error_at(&short.must_be(400), "password-error").contains("too short"));
    let answer = browser.post(&link, &[("password", OTHER)]).await;

    assert_eq!(answer.must_be(302).location(), "/hub/login?done=password");
    let page = browser.get("/hub/login?done=password").await.must_be(200);
    assert!(page.text().contains("You have a new password"));
    assert!(
        !is_in(&river).await,
        "whoever was signed in is not any more"
    );
    assert!(!is_in(&browser).await, "a link signs nobody in");
    type_password(&browser, "river", OTHER).await.must_be(302);
    browser.get(&link).await.must_be(404);
    let again = browser.post(&link, &[("password", PASSWORD)]).await;
    again.must_be(404);
    let events = events(&hub).await;
    for expected in [
        event("password_link", "zoe", "river"),
        event("password_chosen", "river", "river"),
    ] {
        assert!(events.contains(&expected), "{events:?}");
    }
}

#[tokio::test]
async fn a_link_is_worth_nothing_after_a_day_or_another_change() {
    let hub = TestWeb::new().await;
    let river = hub.browser("river").await;
    hub.admin("zoe").await;
    let zoe = hub.session("zoe").await;
    let make = async || {
        let made = zoe.post("/hub/admin/users/river/password-link", &[]).await;
        link_on(&made.must_be(200))
    };

    let late = make().await;
    hub.clock.advance(Duration::from_hours(24));
    river.get(&late).await.must_be(404);
    let link = make().await;
    let fields = [("current", PASSWORD), ("password", OTHER)];
    let changed = river.post("/hub/account/password", &fields).await;
    changed.must_be(302);
    river.get(&link).await.must_be(404);
}

#[tokio::test]
async fn who_manages_users_does_not_become_an_administrator_by_a_link() {
    let hub = TestWeb::with(|recipe| {
        let role = Role {
            scopes: vec!["admin:users".to_owned(), "admin-ui".to_owned()],
            users: ["helper".to_owned(), "deputy".to_owned()].into(),
            ..Role::default()
        };
        // Whoever makes a link can become that person, so they need what people have.
        let everything = [
            "servers",
            "tokens",
            "access:servers",
            "read:shares",
            "users:shares",
        ];
        let people = Role {
            scopes: everything.map(str::to_owned).into(),
            users: ["helper".to_owned()].into(),
            ..Role::default()
        };
        recipe.settings.roles.0.insert("help".to_owned(), role);
        recipe.settings.roles.0.insert("people".to_owned(), people);
    })
    .await;
    hub.admin("zoe").await;
    hub.account("zoe").await;
    hub.account("river").await;
    let helper = hub.session("helper").await;
    let deputy = hub.session("deputy").await;

    let by_less = deputy
        .post("/hub/admin/users/river/password-link", &[])
        .await;
    let of_admin = helper.post("/hub/admin/users/zoe/password-link", &[]).await;
    let of_river = helper
        .post("/hub/admin/users/river/password-link", &[])
        .await;
    let reset = helper
        .post("/hub/admin/users/zoe/reset-second-factor", &[])
        .await;

    let words = by_less.must_be(403).text();
    assert!(words.contains("which you do not hold"), "{words}");
    let offers = async |browser: &Client, name: &str| {
        let page = browser.get("/hub/admin").await.must_be(200).text();
        let page = page.replace("&#x2f;", "/");
        page.contains(&format!("/admin/users/{name}/password-link"))
    };
    assert!(!offers(&deputy, "river").await);
    assert!(offers(&helper, "river").await && !offers(&helper, "zoe").await);
    of_admin.must_be(403);
    of_river.must_be(200);
    reset.must_be(403);
}

// ---- second factors -----------------------------------------------------------------------------

#[tokio::test]
async fn a_second_factor_counts_after_a_code_and_is_asked_for_from_then_on() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let there = hub.browser("river").await;
    let path = "/hub/account/second-factor";
    let page = browser.get(path).await.must_be(200);
    let secret = secret_on(&page);
    assert_eq!(
        secret_on(&browser.get(path).await).expose(),
        secret.expose(),
        "the same after a reload"
    );
    assert_eq!(page.header("cache-control"), "no-store");
    assert_ne!(
        secret_on(&there.get(path).await).expose(),
        secret.expose(),
        "nobody sees the secret that somebody else brings into their app"
    );
    assert!(
        page.html()
            .all("svg")
            .any(|(_, svg)| svg.get("class") == Some("picture"))
    );

    let good = code(&hub, &secret);
    for (current, otp, at) in [
        (PASSWORD, "000000", "otp-error"),
        ("wrong", good.as_str(), "current-error"),
    ] {
        let fields = [("current", current), ("otp", otp)];
        let answer = browser.post(path, &fields).await.must_be(403);
        assert_ne!(error_at(&answer, at), "");
        assert_eq!(secret_on(&answer).expose(), secret.expose());
    }
    // Nothing has changed so far.
    type_password(&hub.anonymous(), "river", PASSWORD)
        .await
        .must_be(302);
    let answer = browser
        .post(path, &[("current", PASSWORD), ("otp", &good)])
        .await
        .must_be(200);

    let codes = codes_on(&answer);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(codes.len(), 10);
    assert!(is_in(&browser).await);
    assert!(!is_in(&there).await, "it came in without a second factor");
    let on = browser.get(path).await.must_be(200).text();
    assert!(on.contains("10 are left"), "{on}");
    for code in &codes {
        assert!(!on.contains(code), "codes are shown once");
    }
    assert!(!on.contains(&secret.expose()[..4]));

    let new = hub.anonymous();
    let answer = type_password(&new, "river", PASSWORD).await.must_be(302);
    assert_eq!(answer.location(), "/hub/login/second-step");
    assert!(!is_in(&new).await);
    new.get("/hub/login/second-step").await.must_be(200);
    let events = events(&hub).await;
    assert!(events.contains(&event("second_factor_on", "river", "river")));
}

#[tokio::test]
async fn the_second_step_belongs_to_one_browser_and_does_not_last() {
    let hub = TestWeb::new().await;
    let (secret, _) = set_up(&hub, &hub.browser("river").await).await;
    let step = "/hub/login/second-step";
    let browser = hub.anonymous();
    let fields = [
        ("username", "river"),
        ("password", PASSWORD),
        ("next", "/hub/token"),
    ];
    let answer = browser.post("/hub/login", &fields).await.must_be(302);
    let cookie = answer.cookie("jansky-second-step");
    assert!(
        cookie.ends_with("; Path=/hub/login; SameSite=Lax; HttpOnly"),
        "{cookie}"
    );

    // Somebody else's browser has no such step, and a reload ends nothing.
    let other = hub.anonymous();
    assert_eq!(other.get(step).await.must_be(302).location(), "/hub/login");
    let otp = code(&hub, &secret);
    other.post(step, &[("otp", &otp)]).await.must_be(403);
    for _ in 0..2 {
        browser.get(step).await.must_be(200);
    }
    let wrong = browser.post(step, &[("otp", "000000")]).await.must_be(403);
    assert!(error_at(&wrong, "otp-error").contains("The code is wrong"));
    let forged = browser.call("POST", step).form(&[("otp", &otp)]).send();
    forged.await.must_be(403);

    let answer = browser.post(step, &[("otp", &otp)]).await.must_be(302);
    assert_eq!(answer.location(), "/hub/token");
    assert!(is_in(&browser).await);
    assert_eq!(browser.cookie("jansky-second-step"), None);

    // Who takes too long types the password again.
    let slow = hub.anonymous();
    type_password(&slow, "river", PASSWORD).await.must_be(302);
    hub.clock.advance(Duration::from_mins(15));
    let late = slow.post(step, &[("otp", &code(&hub, &secret))]).await;
    assert!(late.must_be(403).text().contains("This took too long"));
    assert_eq!(slow.get(step).await.must_be(302).location(), "/hub/login");
    assert!(!is_in(&slow).await);
}

#[tokio::test]
async fn a_code_works_once() {
    let hub = TestWeb::new().await;
    let (secret, _) = set_up(&hub, &hub.browser("river").await).await;
    let (one, two) = (hub.anonymous(), hub.anonymous());
    type_password(&one, "river", PASSWORD).await.must_be(302);
    type_password(&two, "river", PASSWORD).await.must_be(302);
    let otp = code(&hub, &secret);
    let fields = [("otp", otp.as_str())];
    let step = "/hub/login/second-step";

    one.post(step, &fields).await.must_be(302);
    let again = two.post(step, &fields).await.must_be(403);

    assert!(error_at(&again, "otp-error").contains("used already"));
    assert!(!is_in(&two).await);
    hub.clock.advance(STEP);
    let next = code(&hub, &secret);
    two.post(step, &[("otp", &next)]).await.must_be(302);
    assert!(is_in(&two).await);
}

#[tokio::test]
async fn a_recovery_code_works_once_and_new_ones_replace_the_rest() {
    let hub = TestWeb::new().await;
    let owner = hub.browser("river").await;
    let (secret, codes) = set_up(&hub, &owner).await;
    let step = "/hub/login/second-step";
    let try_code = async |typed: &str| {
        let browser = hub.anonymous();
        type_password(&browser, "river", PASSWORD)
            .await
            .must_be(302);
        browser.post(step, &[("otp", typed)]).await.status.as_u16()
    };

    let typed = format!(" {} ", codes[0].to_uppercase().replace('-', " "));
    assert_eq!(try_code(&typed).await, 302);
    assert_eq!(try_code(&codes[0]).await, 403);
    let page = owner.get("/hub/account/second-factor").await.text();
    assert!(page.contains("9 are left"), "{page}");
    let path = "/hub/account/second-factor/recovery-codes";
    owner.post(path, &[("otp", "000000")]).await.must_be(403);
    let otp = code(&hub, &secret);
    let page = owner.post(path, &[("otp", &otp)]).await.must_be(200);

    let new = codes_on(&page);
    assert_eq!(try_code(&codes[1]).await, 403);
    assert_eq!(try_code(&new[0]).await, 302);
    let events = events(&hub).await;
    let used = events.iter().filter(|(name, ..)| name == "recovery_code");
    assert_eq!(used.count(), 2);
}

#[tokio::test]
async fn guessing_codes_has_to_wait() {
    let hub = TestWeb::new().await;
    let (secret, _) = set_up(&hub, &hub.browser("river").await).await;
    let browser = hub.anonymous();
    type_password(&browser, "river", PASSWORD)
        .await
        .must_be(302);
    let step = "/hub/login/second-step";
    for _ in 0..5 {
        let wrong = browser.post(step, &[("otp", "000000")]).await;
        wrong.must_be(403);
    }

    let otp = code(&hub, &secret);
    let waits = browser.post(step, &[("otp", &otp)]).await.must_be(429);
    assert_eq!(waits.header("retry-after"), "31");
    hub.clock.advance(STEP);
    let otp = code(&hub, &secret);
    browser.post(step, &[("otp", &otp)]).await.must_be(302);
}

/// JupyterHub's form asks for both at once if it is told to.
#[tokio::test]
async fn the_sign_in_form_takes_the_code_with_the_password() {
    let hub = TestWeb::new().await;
    let (secret, _) = set_up(&hub, &hub.browser("river").await).await;
    hub.account("wash").await;
    let sign_in = async |name: &str, password: &str, otp: &str| {
        let browser = hub.anonymous();
        let fields = [("username", name), ("password", password), ("otp", otp)];
        let answer = browser.post("/hub/login", &fields).await;
        (answer, is_in(&browser).await)
    };
    let otp = code(&hub, &secret);

    let (wrong, came_in) = sign_in("river", PASSWORD, "000000").await;
    assert!(error_at(&wrong.must_be(403), "local-error").contains("The code is wrong"));
    assert!(!came_in);
    let (guess, came_in) = sign_in("river", "wrong", &otp).await;
    assert!(error_at(&guess.must_be(403), "local-error").contains("password is wrong"));
    assert!(!came_in);
    assert!(sign_in("river", PASSWORD, &otp).await.1);
    assert!(sign_in("wash", PASSWORD, "").await.1);
    assert!(sign_in("wash", PASSWORD, "123456").await.1);
}

#[tokio::test]
async fn a_token_for_a_password_needs_the_code_too() {
    let hub = TestWeb::new().await;
    let (secret, codes) = set_up(&hub, &hub.browser("river").await).await;
    let stranger = hub.anonymous();
    let ask = async |password: &str, otp: Option<&str>| {
        let mut auth = json!({ "username": "river", "password": password });
        if let Some(otp) = otp {
            auth["otp"] = json!(otp);
        }
        let body = json!({ "auth": auth });
        let call = stranger.call("POST", "/hub/api/users/river/tokens");
        call.json(&body).send().await
    };
    let otp = code(&hub, &secret);

    for empty in [None, Some(""), Some(" ")] {
        let missing = ask(PASSWORD, empty).await.must_be(403).text();
        assert!(missing.contains("send its code as `otp`"), "{missing}");
    }
    let unknown = ask("wrong", Some(&otp)).await.must_be(403).text();
    assert!(
        !unknown.contains("otp") && !unknown.contains("second"),
        "{unknown}"
    );
    ask(PASSWORD, Some("000000")).await.must_be(403);
    ask(PASSWORD, Some(&otp)).await.must_be(201);
    ask(PASSWORD, Some(&otp)).await.must_be(403);
    ask(PASSWORD, Some(&codes[0])).await.must_be(201);
}

#[tokio::test]
async fn turning_it_off_takes_password_and_code() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    let (secret, _) = set_up(&hub, &browser).await;
    let off = "/hub/account/second-factor/off";
    let otp = code(&hub, &secret);
    let post = async |current: &str, otp: &str| {
        let fields = [("current", current), ("otp", otp)];
        browser.post(off, &fields).await
    };

    let wrong = post("wrong", &otp).await.must_be(403);
    assert_ne!(error_at(&wrong, "off-current-error"), "");
    let wrong = post(PASSWORD, "000000").await.must_be(403);
    assert_ne!(error_at(&wrong, "off-otp-error"), "");
    let answer = post(PASSWORD, &otp).await.must_be(302);

    assert_eq!(answer.location(), "/hub/account?done=second-factor-off");
    assert!(is_in(&browser).await);
    let new = hub.anonymous();
    type_password(&new, "river", PASSWORD).await.must_be(302);
    assert!(is_in(&new).await);
    let events = events(&hub).await;
    assert!(events.contains(&event("second_factor_off", "river", "river")));
}

#[tokio::test]
async fn who_has_lost_everything_is_helped_by_an_administrator() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    set_up(&hub, &browser).await;
    let waiting = hub.anonymous();
    type_password(&waiting, "river", PASSWORD)
        .await
        .must_be(302);
    hub.admin("zoe").await;
    let zoe = hub.session("zoe").await;
    let list = zoe.get("/hub/admin").await.must_be(200);
    let reset = "/hub/admin/users/river/reset-second-factor";
    assert!(leads_to(&list, reset), "{}", list.text());

    zoe.post(reset, &[]).await.must_be(302);

    let list = zoe.get("/hub/admin").await.must_be(200);
    assert!(!leads_to(&list, reset));
    zoe.post(reset, &[]).await.must_be(404);
    let step = waiting.get("/hub/login/second-step").await.must_be(302);
    assert_eq!(step.location(), "/hub/login", "it begins anew");
    let new = hub.anonymous();
    type_password(&new, "river", PASSWORD).await.must_be(302);
    assert!(is_in(&new).await);
    let events = events(&hub).await;
    assert!(events.contains(&event("second_factor_reset", "zoe", "river")));
}

#[tokio::test]
async fn where_everybody_has_to_have_one_nobody_gets_anywhere_without() {
    let hub = hub_with(SecondFactorRule::Required).await;
    // A session from the time before.
    let early = hub.session("river").await;
    assert!(!is_in(&early).await);
    hub.account("river").await;
    let browser = hub.anonymous();
    let fields = [
        ("username", "river"),
        ("password", PASSWORD),
        ("next", "/hub/token"),
        ("otp", "123456"),
    ];
    let answer = browser.post("/hub/login", &fields).await.must_be(302);
    assert_eq!(answer.location(), "/hub/login/second-step");
    for path in ["/hub/home", "/hub/token", "/hub/account/second-factor"] {
        let answer = browser.get(path).await.must_be(302);
        assert!(answer.location().starts_with("/hub/login?"), "{path}");
    }
    let auth = json!({ "auth": { "username": "river", "password": PASSWORD, "otp": "123456" } });
    let token = browser.call("POST", "/hub/api/users/river/tokens");
    let refused = token.json(&auth).send().await.must_be(403).text();
    assert!(refused.contains("Sign in with a browser"), "{refused}");

    let step = "/hub/login/second-step";
    let page = browser.get(step).await.must_be(200);
    let secret = secret_on(&page);
    let thief = hub.anonymous();
    type_password(&thief, "river", PASSWORD).await.must_be(302);
    let other = secret_on(&thief.get(step).await.must_be(200));
    assert_ne!(other.expose(), secret.expose());
    let wrong = browser.post(step, &[("otp", "000000")]).await.must_be(403);
    assert_eq!(secret_on(&wrong).expose(), secret.expose());
    let otp = code(&hub, &secret);
    let done = browser.post(step, &[("otp", &otp)]).await.must_be(200);

    assert_eq!(codes_on(&done).len(), 10);
    assert!(leads_to(&done, "/hub/token"));
    assert!(is_in(&browser).await);
    assert!(!is_in(&early).await, "it never showed a code");
    let late = thief.get(step).await.must_be(302);
    assert_eq!(late.location(), "/hub/login");

    // Another app: the old one is taken away and a new one set up in one go.
    hub.clock.advance(STEP);
    let otp = code(&hub, &secret);
    let fields = [("current", PASSWORD), ("otp", otp.as_str())];
    let answer = browser
        .post("/hub/account/second-factor/off", &fields)
        .await;
    assert_eq!(answer.must_be(302).location(), step);
    assert!(!is_in(&browser).await);
    let new = secret_on(&browser.get(step).await.must_be(200));
    assert_ne!(new.expose(), secret.expose());
    let otp = code(&hub, &new);
    browser.post(step, &[("otp", &otp)]).await.must_be(200);
    assert!(is_in(&browser).await);
}

#[tokio::test]
async fn the_first_administrator_sets_one_up_too() {
    let hub = hub_with(SecondFactorRule::Required).await;
    let code = hub
        .hub
        .people
        .first_admin_code(hub.hub.operator())
        .await
        .expect("it answers");
    let link = format!("/hub/setup?code={}", code.expect("no admin yet").expose());
    let browser = hub.anonymous();

    let fields = [("username", "zoe"), ("password", PASSWORD)];
    let answer = browser.post(&link, &fields).await.must_be(302);

    assert_eq!(answer.location(), "/hub/login/second-step");
    assert!(!is_in(&browser).await);
}

#[tokio::test]
async fn where_nobody_is_asked_for_one_there_are_no_pages_about_it() {
    let hub = hub_with(SecondFactorRule::Off).await;
    let browser = hub.browser("river").await;

    browser.get("/hub/account/second-factor").await.must_be(404);
    let account = browser.get("/hub/account").await.must_be(200);
    assert!(leads_to(&account, "/hub/account/password"));
    assert!(!leads_to(&account, "/hub/account/second-factor"));
}

/// Two hubs on one database, the second with the keys that `rings` makes of those of the first.
async fn two_hubs(rings: impl Fn(&str) -> String) -> (TestWeb, TestWeb) {
    let database = Database::postgres().await;
    let again = World::on(database.clone()).await;
    let keys = KeyRing::generate(&SystemRandom).to_text();
    let ring = |text: &str| KeyRing::parse(text).expect("a key file");
    let first = TestWeb::on(database, |recipe| recipe.keys = ring(keys.expose())).await;
    let second = World {
        clock: std::sync::Arc::clone(&first.clock),
        ..again
    };
    let second = second.hub_with(|recipe| recipe.keys = ring(&rings(keys.expose())));
    (first, TestWeb::of(second))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_works_once_across_processes() {
    let (first, second) = two_hubs(str::to_owned).await;
    let (secret, codes) = set_up(&first, &first.browser("river").await).await;
    let step = "/hub/login/second-step";
    for typed in [code(&first, &secret), codes[0].clone()] {
        let (here, there) = (first.anonymous(), second.anonymous());
        type_password(&here, "river", PASSWORD).await.must_be(302);
        type_password(&there, "river", PASSWORD).await.must_be(302);
        let fields = [("otp", typed.as_str())];

        let answers = tokio::join!(here.post(step, &fields), there.post(step, &fields));

        let mut statuses = [answers.0.status.as_u16(), answers.1.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [302, 403], "{typed}");
    }
    // The step itself can be finished at another process than the one where it began.
    let browser = first.anonymous();
    type_password(&browser, "river", PASSWORD)
        .await
        .must_be(302);
    let moved = second.anonymous();
    let cookie = browser.cookie("jansky-second-step").expect("a step");
    moved.keep("jansky-second-step", &cookie, "/hub/login");
    first.clock.advance(STEP);
    let otp = code(&first, &secret);
    moved.post(step, &[("otp", &otp)]).await.must_be(302);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_key_is_said_and_recovery_codes_still_work() {
    let other = |_: &str| {
        KeyRing::generate(&SystemRandom)
            .to_text()
            .expose()
            .to_owned()
    };
    let (before, after) = two_hubs(other).await;
    let (secret, codes) = set_up(&before, &before.browser("river").await).await;
    let step = "/hub/login/second-step";
    let browser = after.anonymous();
    type_password(&browser, "river", PASSWORD)
        .await
        .must_be(302);

    let otp = code(&after, &secret);
    let lost = browser.post(step, &[("otp", &otp)]).await.must_be(403);
    assert!(error_at(&lost, "otp-error").contains("has lost the key"));
    browser.post(step, &[("otp", &codes[0])]).await.must_be(302);

    let path = "/hub/account/second-factor";
    let page = browser.get(path).await.must_be(200).text();
    assert!(page.contains("Cannot be checked"), "{page}");
    let fields = [("current", PASSWORD), ("otp", codes[1].as_str())];
    let off = browser.post(&format!("{path}/off"), &fields).await;
    off.must_be(302);
    let (secret, _) = set_up(&after, &browser).await;
    let new = after.anonymous();
    type_password(&new, "river", PASSWORD).await.must_be(302);
    let otp = code(&after, &secret);
    new.post(step, &[("otp", &otp)]).await.must_be(302);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_key_seals_the_secrets_again_and_the_old_one_can_go() {
    let rotated = |text: &str| {
        let mut ring = KeyRing::parse(text).expect("a key file");
        ring.rotate(&SystemRandom);
        ring.to_text().expose().to_owned()
    };
    let (before, after) = two_hubs(rotated).await;
    let (secret, _) = set_up(&before, &before.browser("river").await).await;
    let river = after.user("river").await;
    let old = after.hub.store().second_factor(river.id).await;
    let old = old.expect("it answers").expect("there").secret;

    after.hub.spawn_sealing_again();

    let sealed = async || {
        let factor = after.hub.store().second_factor(river.id).await;
        factor.expect("it answers").expect("there").secret
    };
    let again = async {
        while sealed().await == old {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), again).await;
    in_time.expect("it is sealed again");
    let step = "/hub/login/second-step";
    let otp = code(&after, &secret);
    for (hub, status) in [(&before, 403), (&after, 302)] {
        let browser = hub.anonymous();
        type_password(&browser, "river", PASSWORD)
            .await
            .must_be(302);
        browser.post(step, &[("otp", &otp)]).await.must_be(status);
    }
}

// ---- sign-ups -----------------------------------------------------------------------------------

async fn hub_for(rule: SignUpRule) -> TestWeb {
    TestWeb::with(|recipe| {
        recipe.settings.sign_up = rule;
        recipe.settings.admin_users = ["boss".to_owned()].into();
    })
    .await
}

async fn sign_up(browser: &Client, name: &str) -> Answer {
    let fields = [
        ("username", name),
        ("password", PASSWORD),
        ("email", "somebody@example.org"),
        ("reason", "the <course>"),
    ];
    browser.post("/hub/signup", &fields).await
}

#[tokio::test]
async fn nobody_signs_up_unless_the_operator_wants_it() {
    let hub = TestWeb::new().await;
    let browser = hub.anonymous();

    sign_up(&browser, "river").await.must_be(404);
    let page = browser.get("/hub/login").await.must_be(200);
    assert!(!leads_to(&page, "/hub/signup"));
    let without = TestWeb::with(|recipe| {
        recipe.has_local_accounts = false;
        recipe.settings.sign_up = SignUpRule::Open;
    })
    .await;
    sign_up(&without.anonymous(), "river").await.must_be(404);
}

#[tokio::test]
async fn who_signs_up_waits_until_an_administrator_says_yes() {
    let hub = hub_for(SignUpRule::Approval).await;
    hub.admin("zoe").await;
    let browser = hub.anonymous();
    let page = browser.get("/hub/login").await.must_be(200);
    assert!(leads_to(&page, "/hub/signup"));
    browser.get("/hub/signup").await.must_be(200);

    let asked = sign_up(&browser, "River").await.must_be(200).text();
    assert!(asked.contains("Your request is there"), "{asked}");
    assert!(!is_in(&browser).await);
    assert!(
        hub.hub
            .people
            .user("river")
            .await
            .expect("it answers")
            .is_none()
    );
    let waits = type_password(&browser, "river", PASSWORD)
        .await
        .must_be(403);
    assert!(waits.text().contains("waits for approval"));
    let wrong = type_password(&browser, "river", "wrong").await.must_be(403);
    assert!(error_at(&wrong, "local-error").contains("password is wrong"));

    let zoe = hub.session("zoe").await;
    let home = zoe.get("/hub/home").await.must_be(200).text();
    assert!(home.contains("waiting for an account"), "{home}");
    let admin = zoe.get("/hub/admin").await.must_be(200).text();
    assert!(admin.contains("Approve accounts (1)"), "{admin}");
    let list = zoe.get("/hub/admin/approvals").await.must_be(200);
    let text = list.text();
    assert!(
        text.contains("somebody@example.org") && text.contains("the &lt;course&gt;"),
        "{text}"
    );
    let document = list.html();
    let mut actions = document.all("form").filter_map(|(_, f)| f.get("action"));
    let approve = actions.find(|action| action.ends_with("/approve"));
    let approve = approve.expect("a button");
    let done = zoe.post(approve, &[]).await.must_be(200).text();
    assert!(done.contains("river has an account now"), "{done}");
    let again = zoe.post(approve, &[]).await.must_be(404).text();
    assert!(again.contains("somebody else has answered"), "{again}");

    type_password(&browser, "river", PASSWORD)
        .await
        .must_be(302);
    assert!(is_in(&browser).await);
    let home = zoe.get("/hub/home").await.text();
    assert!(!home.contains("waiting for an account"));
    let events = events(&hub).await;
    assert!(events.contains(&event("sign_up_approved", "zoe", "river")));
}

#[tokio::test]
async fn who_is_refused_can_ask_again() {
    let hub = hub_for(SignUpRule::Approval).await;
    hub.admin("zoe").await;
    let browser = hub.anonymous();
    sign_up(&browser, "river").await.must_be(200);
    let id = hub
        .hub
        .people
        .sign_ups(&hub.hub.permit_of(jansky_hub::TheHub))
        .await
        .expect("listed")[0]
        .id;
    let zoe = hub.session("zoe").await;

    let refuse = format!("/hub/admin/approvals/{id}/refuse");
    zoe.post(&refuse, &[]).await.must_be(200);

    let answer = type_password(&browser, "river", PASSWORD)
        .await
        .must_be(403);
    assert!(error_at(&answer, "local-error").contains("password is wrong"));
    sign_up(&browser, "river").await.must_be(200);
    let events = events(&hub).await;
    assert!(events.contains(&event("sign_up_refused", "zoe", "")));
}

#[tokio::test]
async fn an_open_hub_gives_accounts_at_once() {
    let hub = hub_for(SignUpRule::Open).await;
    let browser = hub.anonymous();

    let answer = sign_up(&browser, "river").await.must_be(302);

    assert_eq!(answer.location(), "/hub/");
    assert!(is_in(&browser).await);
    assert!(!hub.user("river").await.admin);
    hub.admin("zoe").await;
    let zoe = hub.session("zoe").await;
    let admin = zoe.get("/hub/admin").await.must_be(200);
    assert!(!leads_to(&admin, "/hub/admin/approvals"));
}

#[tokio::test]
async fn who_signs_up_where_a_second_factor_is_required_sets_it_up_first() {
    let hub = TestWeb::with(|recipe| {
        recipe.settings.sign_up = SignUpRule::Open;
        recipe.settings.second_factor = SecondFactorRule::Required;
    })
    .await;
    let browser = hub.anonymous();

    let answer = sign_up(&browser, "river").await.must_be(302);

    assert_eq!(answer.location(), "/hub/login/second-step");
    assert!(!is_in(&browser).await);
}

#[tokio::test]
async fn a_name_that_is_taken_or_means_something_is_not_free() {
    for rule in [SignUpRule::Approval, SignUpRule::Open] {
        let hub = hub_for(rule).await;
        hub.user("wash").await;
        sign_up(&hub.anonymous(), "river").await;
        let said = async |name: &str| {
            let answer = sign_up(&hub.anonymous(), name).await;
            assert_eq!(answer.status.as_u16(), 409, "{name}");
            error_at(&answer, "username-error")
        };

        for name in ["wash", "river", "RIVER "] {
            assert!(said(name).await.contains("The name"), "{name}");
        }
        if rule == SignUpRule::Open {
            said("boss").await;
        } else {
            // An administrator decides, and is told that this name comes with rights.
            sign_up(&hub.anonymous(), "boss").await.must_be(200);
            hub.admin("zoe").await;
            let zoe = hub.session("zoe").await;
            let list = zoe.get("/hub/admin/approvals").await.text();
            assert!(list.contains("gives rights to this name"), "{list}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_taken_is_said_beside_its_field() {
    let hub = hub_for(SignUpRule::Approval).await;
    let long = "x".repeat(501);
    for (field, value, id) in [
        ("username", "a/b", "username-error"),
        ("username", "река", "username-error"),
        ("password", "short", "password-error"),
        ("email", "nobody", "email-error"),
        ("reason", &long, "reason-error"),
    ] {
        let mut fields = vec![
            ("username", "river"),
            ("password", PASSWORD),
            ("email", "river@example.org"),
            ("reason", "a course"),
        ];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));

        let answer = hub.anonymous().post("/hub/signup", &fields).await;

        let answer = answer.must_be(400);
        error_at(&answer, id);
        assert!(!answer.text().contains(PASSWORD));
    }
    assert!(
        hub.hub
            .people
            .sign_ups(&hub.hub.permit_of(jansky_hub::TheHub))
            .await
            .expect("listed")
            .is_empty()
    );
}

#[tokio::test]
async fn one_network_does_not_ask_for_everything() {
    let hub = hub_for(SignUpRule::Approval).await;
    let browser = hub.anonymous();
    for _ in 0..60 {
        sign_up(&browser, "a/b").await.must_be(400);
    }

    let answer = sign_up(&browser, "river").await.must_be(429);

    assert_ne!(answer.header("retry-after"), "");
    assert!(answer.text().contains("from your network"));
}
