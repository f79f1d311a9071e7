//! What is refreshed on schedule.

use jansky_testing::hub::OpenId;
use std::time::Duration;

/// The most urgent come first, and one round has an end: whoever cannot be helped must not stay at
/// its beginning.
#[tokio::test]
async fn a_grant_that_nobody_can_refresh_makes_room_for_others() {
    let (home, hub) = OpenId::with_hub(|_| {}).await;
    let (user, _) = home.sign_in(&hub, "subject-1").await;
    let server = hub.begin_start(&user).await;
    hub.settled(&server).await;
    let due = async || {
        let now = hub.now();
        let due = hub.store.due_grants(now, now, 100).await;
        due.expect("the database answers").len()
    };
    hub.clock.advance(Duration::from_mins(10));
    assert_eq!(due().await, 1);

    // Its provider is no longer in the configuration.
    hub.world.hub().refresh_due().await;

    assert_eq!(due().await, 0, "it is not looked at again at once");
    hub.clock.advance(Duration::from_mins(6));
    assert_eq!(due().await, 1, "the provider may be there again");
}
