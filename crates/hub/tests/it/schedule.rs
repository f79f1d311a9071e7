//! What is refreshed on schedule.

use std::time::Duration;

use jansky_identity::oidc::OidcKind;

use crate::upstream::Upstream;

/// The most urgent come first, and one round has an end: whoever cannot be helped must not stay at
/// its beginning.
#[tokio::test]
async fn a_grant_that_nobody_can_refresh_makes_room_for_others() {
    let upstream = Upstream::with(OidcKind::Generic, |_| {}).await;
    let (user, _) = upstream.sign_in().await;
    let server = upstream.test.start(&user).await;
    upstream.test.settled(&server).await;
    let world = &upstream.world;
    let due = async || {
        let now = world.now();
        let due = world.store.due_grants(now, now, 100).await;
        due.expect("the database answers").len()
    };
    world.clock.advance(Duration::from_mins(10));
    assert_eq!(due().await, 1);

    // Its provider is no longer in the configuration.
    let hub = world.hub().hub;
    hub.people
        .refresh_due()
        .await
        .expect("the database answers");

    assert_eq!(due().await, 0, "it is not looked at again at once");
    world.clock.advance(Duration::from_mins(6));
    assert_eq!(due().await, 1, "the provider may be there again");
}
