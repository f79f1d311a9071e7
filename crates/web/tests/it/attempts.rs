//! Guessing passwords: how often, and whom it holds up.

use jansky_hub::Settings;

use crate::support::{Client, PASSWORD, TestWeb};

/// With the limit that is the default.
async fn hub() -> TestWeb {
    TestWeb::with(|recipe| {
        let usual = Settings::default().sign_in_attempts_per_minute;
        recipe.settings.sign_in_attempts_per_minute = usual;
    })
    .await
}

async fn tries(browser: &Client, password: &str) -> u16 {
    browser
        .type_password("river", password)
        .await
        .status
        .as_u16()
}

fn sign_out(browser: &Client) {
    browser.drop_cookie("jupyterhub-hub-login");
    browser.drop_cookie("_xsrf");
}

/// Wrong passwords from one network until it has to wait; how many were looked at.
async fn guess_from(hub: &TestWeb, address: [u8; 4]) -> u32 {
    let stranger = hub.anonymous().moved_to(address);
    for guessed in 0..1000 {
        match tries(&stranger, "a guess").await {
            403 => {}
            429 => return guessed,
            other => panic!("status {other}"),
        }
    }
    panic!("nothing stops it");
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_does_not_lock_anybody_out_elsewhere() {
    let hub = hub().await;
    hub.account("river").await;

    let guessed = guess_from(&hub, [192, 0, 2, 1]).await;

    assert!((10..=12).contains(&guessed), "{guessed}");
    let owner = hub.anonymous().moved_to([198, 51, 100, 1]);
    assert_eq!(tries(&owner, PASSWORD).await, 302);
}

#[tokio::test]
async fn guessing_from_many_networks_ends_and_known_browsers_come_in_all_the_same() {
    let hub = hub().await;
    hub.account("river").await;
    let known = hub.anonymous();
    assert_eq!(tries(&known, PASSWORD).await, 302);
    let of_another = hub.browser("wash").await;

    let mut guessed = 0;
    for network in 0..30 {
        guessed += guess_from(&hub, [203, 0, 113, network]).await;
    }

    assert!((95..=110).contains(&guessed), "{guessed} in all");
    let unknown = hub.anonymous().moved_to([198, 51, 100, 1]);
    assert_eq!(tries(&unknown, PASSWORD).await, 429);
    // Neither does a cookie help that another name got, or that is not ours.
    assert_eq!(tries(&of_another, PASSWORD).await, 429);
    let cookie = known.cookie("jansky-device").expect("it was given");
    let forged = hub.anonymous();
    forged.keep("jansky-device", &cookie.replace('.', ".0"), "/hub/");
    assert_eq!(tries(&forged, PASSWORD).await, 429);

    let known = known.moved_to([198, 51, 100, 2]);
    sign_out(&known);
    assert_eq!(tries(&known, PASSWORD).await, 302);
}

#[tokio::test]
async fn a_known_browser_guesses_no_more_often_than_a_stranger() {
    let hub = hub().await;
    hub.account("river").await;
    let known = hub.anonymous();
    assert_eq!(tries(&known, PASSWORD).await, 302);

    let mut guessed = 0;
    while tries(&known, "a guess").await == 403 {
        guessed += 1;
        assert!(guessed < 100, "nothing stops it");
    }

    assert!((9..=12).contains(&guessed), "{guessed}");
}

#[tokio::test]
async fn whoever_is_signed_in_can_change_their_password_while_strangers_guess_it() {
    let hub = hub().await;
    let owner = hub.browser("river").await;
    for network in 0..30 {
        guess_from(&hub, [203, 0, 113, network]).await;
    }

    let fields = [
        ("current", PASSWORD),
        ("password", "another good one"),
        ("again", "another good one"),
    ];
    let answer = owner.post("/hub/account/password", &fields).await;

    assert!(answer.status.as_u16() < 400, "{}", answer.text());
}

#[tokio::test]
async fn a_device_cookie_is_kept_from_scripts_and_ends() {
    let hub = hub().await;
    hub.account("river").await;
    let browser = hub.anonymous();

    let answer = browser.type_password("river", PASSWORD).await.must_be(302);

    let cookie = answer.cookie("jansky-device");
    let attributes = "; Path=/hub/; SameSite=Lax; Max-Age=15552000; HttpOnly";
    assert!(cookie.ends_with(attributes), "{cookie}");
    assert!(!cookie.contains("river"), "{cookie}");
    let again = browser.type_password("river", PASSWORD).await.must_be(302);
    assert_eq!(again.cookie("jansky-device"), "", "it keeps the young one");
    sign_out(&browser);
    hub.clock.advance(std::time::Duration::from_hours(181 * 24));
    let late = browser.type_password("river", PASSWORD).await.must_be(302);
    assert_ne!(late.cookie("jansky-device"), "");
}
