//! When servers, users and tokens were last used.

use std::time::Duration;

use jansky_hub::NewApiToken;
use jansky_testing::hub::World;

#[tokio::test]
async fn what_the_proxy_saw_is_written_down_and_moves_forward_only() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();
    let server = hub.begin_start(&user).await;
    hub.settled(&server).await;
    let late = world.now().plus(Duration::from_mins(10));

    hub.routes.note_use(&server, late);
    hub.hub.write_activity().await.expect("it is written");
    hub.routes.note_use(&server, world.now());
    hub.hub.write_activity().await.expect("it is written");

    assert_eq!(world.reread(&server).await.last_activity_at, Some(late));
    let user = world
        .store
        .user(user.id)
        .await
        .expect("the database answers");
    assert_eq!(user.expect("river exists").last_activity_at, Some(late));
}

#[tokio::test]
async fn the_use_of_a_token_is_written_down_also_when_its_owner_is_remembered() {
    let world = World::new().await;
    let (user, _) = world.server_of("river").await;
    let hub = world.hub();
    let made = hub
        .hub
        .people
        .create_token(&hub.hub.permit_of(user.clone()), NewApiToken::default())
        .await;
    let (_, token) = made.expect("a token can be made");

    for _ in 0..2 {
        world.clock.advance(Duration::from_mins(1));
        assert!(hub.knows(&token).await);
    }
    // The process ends in good order.
    hub.hub.shut_down_process(jansky_testing::hub::SOON).await;

    let tokens = hub
        .hub
        .people
        .tokens_of(&hub.hub.permit_of(user.clone()))
        .await
        .expect("tokens are listed");
    assert_eq!(tokens[0].last_used_at, Some(world.now()));
}

#[tokio::test]
async fn a_server_that_was_removed_meanwhile_does_not_matter() {
    let world = World::new().await;
    let (user, server) = world.server_of("river").await;
    let hub = world.hub();
    hub.routes.note_use(&server, world.now());
    world
        .store
        .delete_user(user.id, world.now())
        .await
        .expect("it is deleted");

    hub.hub
        .write_activity()
        .await
        .expect("nothing is to be written");
}
