//! What open connections to a server hang on ends with it, whoever ended it and in whichever process.

use std::time::Duration;

use jansky_hub::{Revocation, SharePartner, VisitorCredentials};
use jansky_model::{Secret, UserName};
use jansky_store::ShareWith;

use crate::support::{Client, Database, PASSWORD, TestWeb};

/// What the documentation promises.
const BOUND: Duration = Duration::from_secs(1);

/// A connection of somebody to the server of river.
struct Open(Option<Revocation>);

impl Open {
    fn of(hub: &TestWeb, brought: VisitorCredentials) -> Self {
        let runtime = tokio::runtime::Handle::current();
        Self(hub.hub.servers.revocation("river", "", brought, &runtime))
    }

    fn of_browser(hub: &TestWeb, browser: &Client) -> Self {
        let id = browser.cookie("jupyterhub-session-id").expect("a cookie");
        Self::of_browser_with(hub, &id)
    }

    fn of_browser_with(hub: &TestWeb, session_id: &str) -> Self {
        let session_ids = vec![session_id.to_owned()];
        Self::of(
            hub,
            VisitorCredentials {
                session_ids,
                ..VisitorCredentials::default()
            },
        )
    }

    fn of_token(hub: &TestWeb, token: &str) -> Self {
        let tokens = vec![token.to_owned()];
        Self::of(
            hub,
            VisitorCredentials {
                tokens,
                ..VisitorCredentials::default()
            },
        )
    }

    async fn is_cut(&mut self, within: Duration) -> bool {
        let line = self.0.as_mut().expect("it hangs on something");
        tokio::time::timeout(within, line).await.is_ok()
    }
}

/// Two processes on one database, or one alone.
async fn processes(database: Database, both: bool) -> (TestWeb, Option<TestWeb>) {
    let shared = both.then(|| database.clone());
    let one = TestWeb::on(database, |_| {}).await;
    one.hub.spawn_listening().await.expect("it listens");
    let Some(shared) = shared else {
        return (one, None);
    };
    let other = TestWeb::on(shared, |_| {}).await;
    other.hub.spawn_listening().await.expect("it listens");
    (one, Some(other))
}

/// Each way to end what a connection hangs on, told by its name.
const ENDINGS: [&str; 8] = [
    "sign out",
    "sign out everywhere",
    "ended in another browser",
    "demanded by an administrator",
    "password changed",
    "user deleted",
    "token revoked",
    "share revoked",
];

async fn each_ending_cuts_in(
    both: bool,
    database: fn() -> futures_util::future::BoxFuture<'static, Database>,
) {
    for ending in ENDINGS {
        let (one, other) = processes(database().await, both).await;
        let watching = other.as_ref().unwrap_or(&one);
        let browser = one.browser("river").await;
        one.start("river").await;
        let river = one.user("river").await;
        let wash = one.browser("wash").await;
        let partner: UserName = "wash".parse().expect("a name");
        let server = one.server("river", "").await.expect("it runs");
        let scope = "access:servers!server=river/".to_owned();
        let shared = one.hub.store().share(
            server.id,
            ShareWith::User(&partner),
            std::slice::from_ref(&scope),
            one.now(),
        );
        shared.await.expect("it is shared");
        let share = SharePartner::User(partner.clone());
        let token = one.new_token("river", &["access:servers!user=river"]).await;

        let mut open = match ending {
            "share revoked" => Open::of_browser(watching, &wash),
            "token revoked" => Open::of_token(watching, &token),
            _ => Open::of_browser(watching, &browser),
        };
        let mut others = match ending {
            "share revoked" => Open::of_browser(watching, &browser),
            _ => Open::of_browser(watching, &wash),
        };
        assert!(!open.is_cut(Duration::from_millis(200)).await, "{ending}");

        match ending {
            "sign out" => {
                browser.post("/hub/logout", &[]).await;
            }
            "sign out everywhere" => {
                one.hub
                    .people
                    .sign_out_everywhere(&one.hub.permit_of(river.clone()))
                    .await
                    .expect("out");
            }
            "ended in another browser" => {
                let second = one.browser("river").await;
                let id = browser.cookie("jupyterhub-session-id").expect("a cookie");
                let cookie = second.cookie("jupyterhub-hub-login").expect("a cookie");
                let actor = one.hub.access().by_session(&cookie).await.expect("known");
                let actor = actor.expect("signed in");
                let ended = one.hub.people.end_own_session(&actor, &id);
                ended.await.expect("ended");
            }
            "demanded by an administrator" => {
                one.hub
                    .people
                    .demand_sign_in(&one.hub.permit_of(river.clone()))
                    .await
                    .expect("demanded");
            }
            "password changed" => {
                let second = one.browser("river").await;
                let cookie = second.cookie("jupyterhub-hub-login").expect("a cookie");
                let actor = one.hub.access().by_session(&cookie).await.expect("known");
                let actor = actor.expect("signed in");
                let new = Secret::new("twelve names of other stars");
                let old = Secret::new(PASSWORD);
                let changed = one
                    .hub
                    .people
                    .change_password(&actor, old, new, "127.0.0.1");
                changed.await.expect("changed");
            }
            "user deleted" => {
                one.admin("zoe").await;
                let zoe = one.token("zoe", &["inherit"]).await;
                let stopped = zoe.api("DELETE", "/hub/api/users/river/server", None).await;
                assert!(stopped.status.is_success(), "{stopped:?}");
                let settled = one.hub.servers.settled(&server, Duration::from_secs(10));
                settled.await.expect("stopped");
                let deleted = zoe.api("DELETE", "/hub/api/users/river", None).await;
                deleted.must_be(204);
            }
            "token revoked" => {
                let tokens = one
                    .hub
                    .people
                    .tokens_of(&one.hub.permit_of(river.clone()))
                    .await
                    .expect("a list");
                let of = tokens
                    .iter()
                    .find(|t| t.scopes == ["access:servers!user=river"]);
                let id = of.expect("it is there").id;
                one.hub
                    .people
                    .revoke_token(&one.hub.permit_of(river.clone()), id)
                    .await
                    .expect("revoked");
            }
            "share revoked" => {
                one.hub
                    .servers
                    .unshare(&one.hub.permit_of(server.clone()), &share, None)
                    .await
                    .expect("revoked");
            }
            other => unreachable!("{other}"),
        }

        assert!(open.is_cut(BOUND).await, "{ending}, two processes: {both}");
        if ending != "user deleted" {
            let cut = others.is_cut(Duration::from_millis(100)).await;
            assert!(!cut, "{ending}: of somebody else");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_cut_within_a_second_whoever_ends_what_it_hangs_on() {
    each_ending_cuts_in(false, || Box::pin(async { Database::sqlite() })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_through_another_process_is_cut_within_a_second_too() {
    each_ending_cuts_in(true, || Box::pin(Database::postgres())).await;
}

/// What the hub does not know, such as the token of a server that asks nobody, holds nothing up and
/// cuts nothing; what it knows beside that does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_of_no_hub_cuts_nothing_and_any_of_several_is_enough() {
    let hub = TestWeb::new().await;
    let browser = hub.browser("river").await;
    hub.start("river").await;
    let id = browser.cookie("jupyterhub-session-id").expect("a cookie");

    assert!(Open::of(&hub, VisitorCredentials::default()).0.is_none());
    let mut strange = Open::of_token(&hub, "made up");
    let mut both = Open::of(
        &hub,
        VisitorCredentials {
            session_ids: vec![id.clone()],
            tokens: vec!["made up".to_owned()],
        },
    );
    assert!(!both.is_cut(Duration::from_millis(200)).await);
    browser.post("/hub/logout", &[]).await;

    assert!(both.is_cut(BOUND).await);
    assert!(!strange.is_cut(Duration::from_millis(1_500)).await);
    // One that comes with an ended session, as from a copied cookie, does not stay either.
    let mut late = Open::of_browser_with(&hub, &id);
    assert!(late.is_cut(BOUND).await);
}
