//! D32: tokens for other services that came along with a sign-in live and end each by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use jansky_hub::{NewBrowserSession, NoToken, User};
use jansky_identity::oidc::OidcKind;
use jansky_testing::hub::{OpenId, TestHub};
use jansky_testing::provider::Service;

const TRANSFER: &str = "transfer.api.globus.org";
const GROUPS: &str = "groups.api.globus.org";
const SECRET: &str = "secret.api.globus.org";

/// Somebody who has signed in where that brings tokens for other services, too.
struct Scene {
    home: OpenId,
    hub: TestHub,
    user: User,
    session: NewBrowserSession,
}

impl Scene {
    /// Transfer tokens are short, those for groups longer, and one service is not to be kept.
    async fn new() -> Self {
        let (home, hub) = OpenId::with_hub(|home| {
            home.settings.kind = OidcKind::Globus;
            home.settings.exclude_services = vec![SECRET.to_owned()];
            let service = |name: &str, lifetime| Service {
                name: name.to_owned(),
                lifetime,
            };
            let mut script = home.op.script();
            script.services = vec![
                service(TRANSFER, 120),
                service(GROUPS, 600),
                service(SECRET, 120),
            ];
            script.lifetimes.access = 3600;
            script.rotates = true;
        })
        .await;
        let (user, session) = home.sign_in(&hub, "subject-1").await;
        Self {
            home,
            hub,
            user,
            session,
        }
    }

    async fn token(&self, service: &str) -> Result<String, NoToken> {
        let (hub, least) = (&self.hub.hub, Duration::from_secs(30));
        let provider = &self.home.settings.id;
        let fresh = hub
            .people
            .other_service_token(hub.operator(), &self.user, provider, service, least)
            .await?;
        Ok(fresh.token.expose().to_owned())
    }

    /// The refresh tokens that were sent, as often as each was.
    fn refresh_tokens_sent(&self) -> Vec<String> {
        let calls = self.home.op.calls_of("/token").into_iter();
        calls
            .filter_map(|call| call.form.get("refresh_token").cloned())
            .collect()
    }
}

#[tokio::test]
async fn each_service_is_refreshed_with_its_own_token_when_it_needs_it() {
    let scene = Scene::new().await;

    let mut of_transfer = BTreeSet::new();
    let mut of_groups = BTreeSet::new();
    for _ in 0..3 {
        of_transfer.insert(scene.token(TRANSFER).await.expect("a token"));
        of_groups.insert(scene.token(GROUPS).await.expect("a token"));
        scene.hub.clock.advance(Duration::from_secs(100));
    }

    assert_eq!(of_transfer.len(), 3, "two refreshes");
    assert_eq!(of_groups.len(), 1, "none yet");
    let sent = scene.refresh_tokens_sent();
    assert_eq!(sent.len(), 2);
    assert_ne!(
        sent[0], sent[1],
        "its own token, and the new one after that"
    );
}

#[tokio::test]
async fn an_excluded_service_is_nowhere() {
    let scene = Scene::new().await;

    let excluded = scene.token(SECRET).await;
    let kept = scene.hub.store.grants_of(scene.user.id).await;

    assert!(
        matches!(excluded, Err(NoToken::SignInAgain)),
        "{excluded:?}"
    );
    let services: Vec<_> = kept
        .expect("the database answers")
        .into_iter()
        .filter_map(|grant| grant.service)
        .collect();
    assert_eq!(services, [TRANSFER, GROUPS]);
}

#[tokio::test]
async fn one_dead_service_takes_nothing_else_along() {
    let scene = Scene::new().await;
    let dead = {
        let script = scene.home.op.script();
        let mut issued = script.records.all_issued().iter();
        // The second refresh token: after that of the login comes that of the first service.
        let found = issued
            .by_ref()
            .filter(|(kind, _)| *kind == "refresh")
            .nth(1);
        found.expect("it was given out").1.clone()
    };
    scene.home.op.script().records.revoke(&dead);
    scene.hub.clock.advance(Duration::from_secs(100));

    let transfer = scene.token(TRANSFER).await;
    let groups = scene.token(GROUPS).await;
    let hub = &scene.hub.hub;
    let provider = &scene.home.settings.id;
    let login = hub
        .people
        .login_token(hub.operator(), &scene.user, provider, Duration::ZERO)
        .await;
    let cookie = scene.session.cookie.expose();
    let session = hub.access().by_session(cookie).await;

    assert!(
        matches!(transfer, Err(NoToken::SignInAgain)),
        "{transfer:?}"
    );
    assert!(groups.is_ok() && login.is_ok(), "{groups:?} {login:?}");
    assert!(
        session.expect("the database answers").is_some(),
        "signed in"
    );
}

#[tokio::test]
async fn signing_out_revokes_each_of_them() {
    let scene = Scene::new().await;
    let hub = &scene.hub.hub;
    let cookie = scene.session.cookie.expose();
    let actor = hub.access().by_session(cookie).await;
    let actor = actor.expect("the database answers").expect("signed in");

    hub.people
        .sign_out(&actor, "http://127.0.0.1:8000/hub/login", false)
        .await
        .expect("it works");

    jansky_testing::hub::until("three revocations", async || {
        scene.home.op.calls("/revoke") == 3
    })
    .await;
    let revoked: BTreeSet<_> = scene
        .home
        .op
        .calls_of("/revoke")
        .into_iter()
        .map(|call| call.form["token"].clone())
        .collect();
    assert_eq!(revoked.len(), 3, "the login, and each service");
    let left = scene.hub.store.grants_of(scene.user.id).await;
    assert!(left.expect("the database answers").is_empty());
}
