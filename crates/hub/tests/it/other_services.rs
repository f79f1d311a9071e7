//! D32: tokens for other services that came along with a sign-in live and end each by itself.

use std::collections::BTreeSet;
use std::time::Duration;

use jansky_hub::NoToken;
use jansky_identity::oidc::OidcKind;
use jansky_testing::provider::Service;

use crate::upstream::Upstream;

const TRANSFER: &str = "transfer.api.globus.org";
const GROUPS: &str = "groups.api.globus.org";
const SECRET: &str = "secret.api.globus.org";

/// Transfer tokens are short, those for groups longer, and one service is not to be kept.
async fn globus() -> Upstream {
    let upstream = Upstream::with(OidcKind::Globus, |settings| {
        settings.exclude_services = vec![SECRET.to_owned()];
    })
    .await;
    let service = |name: &str, lifetime| Service {
        name: name.to_owned(),
        lifetime,
    };
    let services = vec![
        service(TRANSFER, 120),
        service(GROUPS, 600),
        service(SECRET, 120),
    ];
    {
        let mut script = upstream.op.script();
        script.services = services;
        script.lifetimes.access = 3600;
        script.rotates = true;
    }
    upstream
}

impl Upstream {
    async fn token(&self, user: &jansky_hub::User, service: &str) -> Result<String, NoToken> {
        let least = Duration::from_secs(30);
        let fresh = self
            .hub()
            .people
            .other_service_token(self.hub().operator(), user, &self.provider, service, least)
            .await?;
        Ok(fresh.token.expose().to_owned())
    }

    /// The refresh tokens that were sent, as often as each was.
    fn refresh_tokens_sent(&self) -> Vec<String> {
        let calls = self.op.calls_of("/token").into_iter();
        calls
            .filter_map(|call| call.form.get("refresh_token").cloned())
            .collect()
    }
}

#[tokio::test]
async fn each_service_is_refreshed_with_its_own_token_when_it_needs_it() {
    let upstream = globus().await;
    let (user, _) = upstream.sign_in().await;

    let mut of_transfer = BTreeSet::new();
    let mut of_groups = BTreeSet::new();
    for _ in 0..3 {
        of_transfer.insert(upstream.token(&user, TRANSFER).await.expect("a token"));
        of_groups.insert(upstream.token(&user, GROUPS).await.expect("a token"));
        upstream.world.clock.advance(Duration::from_secs(100));
    }

    assert_eq!(of_transfer.len(), 3, "two refreshes");
    assert_eq!(of_groups.len(), 1, "none yet");
    let sent = upstream.refresh_tokens_sent();
    assert_eq!(sent.len(), 2);
    assert_ne!(
        sent[0], sent[1],
        "its own token, and the new one after that"
    );
}

#[tokio::test]
async fn an_excluded_service_is_nowhere() {
    let upstream = globus().await;
    let (user, _) = upstream.sign_in().await;

    let excluded = upstream.token(&user, SECRET).await;
    let kept = upstream.world.store.grants_of(user.id).await;

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
    let upstream = globus().await;
    let (user, session) = upstream.sign_in().await;
    let dead = {
        let script = upstream.op.script();
        let mut issued = script.records.all_issued().iter();
        // The second refresh token: after that of the login comes that of the first service.
        let found = issued
            .by_ref()
            .filter(|(kind, _)| *kind == "refresh")
            .nth(1);
        found.expect("it was given out").1.clone()
    };
    upstream.op.script().records.revoke(&dead);
    upstream.world.clock.advance(Duration::from_secs(100));

    let transfer = upstream.token(&user, TRANSFER).await;
    let groups = upstream.token(&user, GROUPS).await;
    let login = upstream
        .hub()
        .people
        .login_token(
            upstream.hub().operator(),
            &user,
            &upstream.provider,
            Duration::ZERO,
        )
        .await;
    let session = upstream
        .hub()
        .access()
        .by_session(session.cookie.expose())
        .await;

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
    let upstream = globus().await;
    let (user, session) = upstream.sign_in().await;
    let actor = upstream
        .hub()
        .access()
        .by_session(session.cookie.expose())
        .await;
    let actor = actor.expect("the database answers").expect("signed in");

    upstream
        .hub()
        .people
        .sign_out(&actor, "http://127.0.0.1:8000/hub/login", false)
        .await
        .expect("it works");

    crate::support::until("three revocations", async || {
        upstream.op.calls("/revoke") == 3
    })
    .await;
    let revoked: BTreeSet<_> = upstream
        .op
        .calls_of("/revoke")
        .into_iter()
        .map(|call| call.form["token"].clone())
        .collect();
    assert_eq!(revoked.len(), 3, "the login, and each service");
    let left = upstream.world.store.grants_of(user.id).await;
    assert!(left.expect("the database answers").is_empty());
}
