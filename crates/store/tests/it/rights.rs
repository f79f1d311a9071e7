//! Rights on a provider's word, and people whom the rules no longer let in.

use std::time::Duration;

use jansky_model::ProviderId;
use jansky_store::{Rights, RightsSource, SESSION_ENDED, USER_CHANGED};

use crate::harness::{TestStore, at, on_both, provider};

on_both! {
    one_answer_changes_everything_at_once_and_what_is_the_same_nothing,
    rights_follow_the_last_provider_that_says_something,
    an_exclusion_lasts_until_a_sign_in_is_accepted,
    a_session_that_ends_is_told_by_its_id,
}

async fn changes(store: &TestStore, topic: &str) -> usize {
    let all = store.changes_after(0, 1000).await.expect("they are read");
    all.iter().filter(|change| change.topic == topic).count()
}

async fn one_answer_changes_everything_at_once_and_what_is_the_same_nothing(store: TestStore) {
    let river = store.add_user("river").await;
    let groups = ["/radio".to_owned(), "/operators".to_owned()];
    let rights = Rights {
        admin: Some(true),
        groups: Some(&groups),
    };

    assert!(
        store
            .set_rights(river.id, rights, at(1))
            .await
            .expect("set")
    );
    assert!(
        !store
            .set_rights(river.id, rights, at(2))
            .await
            .expect("set")
    );

    let user = store.user(river.id).await.expect("read").expect("there");
    assert!(user.admin);
    let found = store.groups_of(river.id).await.expect("read");
    assert_eq!(found, ["/operators", "/radio"]);
    assert_eq!(changes(&store, USER_CHANGED).await, 1);
    // What is not said stays.
    let nothing = Rights::default();
    assert!(
        !store
            .set_rights(river.id, nothing, at(3))
            .await
            .expect("set")
    );
}

async fn rights_follow_the_last_provider_that_says_something(store: TestStore) {
    let river = store.add_user("river").await;
    let source = async || store.rights_source(river.id).await.expect("read");
    let both = |last: ProviderId, rights: Option<ProviderId>| RightsSource {
        last: Some(last),
        rights,
    };
    assert_eq!(source().await, RightsSource::default());

    let (campus, local) = (provider("campus"), provider("local"));
    store
        .note_sign_in(river.id, &local, false, at(1))
        .await
        .expect("noted");
    assert_eq!(source().await, both(local.clone(), None));
    store
        .note_sign_in(river.id, &campus, true, at(2))
        .await
        .expect("noted");
    store
        .note_sign_in(river.id, &local, false, at(3))
        .await
        .expect("noted");

    assert_eq!(source().await, both(local, Some(campus)));
}

async fn an_exclusion_lasts_until_a_sign_in_is_accepted(store: TestStore) {
    let river = store.add_user("river").await;
    let groups = ["/radio".to_owned()];
    let rights = Rights {
        admin: Some(true),
        groups: Some(&groups),
    };
    store
        .set_rights(river.id, rights, at(1))
        .await
        .expect("set");
    let campus = provider("campus");

    store
        .exclude(river.id, &campus, at(10), Some(at(20)))
        .await
        .expect("excluded");
    store
        .exclude(river.id, &campus, at(15), Some(at(99)))
        .await
        .expect("again");

    let user = store.user(river.id).await.expect("read").expect("there");
    assert!(!user.admin);
    assert!(store.groups_of(river.id).await.expect("read").is_empty());
    let found = store
        .exclusion(river.id)
        .await
        .expect("read")
        .expect("there");
    assert_eq!((found.since, found.ends_at), (at(10), Some(at(20))));
    assert!(store.due_exclusions(at(19)).await.expect("read").is_empty());
    assert_eq!(store.due_exclusions(at(20)).await.expect("read").len(), 1);
    store.finish_exclusion(river.id).await.expect("finished");
    assert!(store.due_exclusions(at(99)).await.expect("read").is_empty());
    let of_users = store.exclusions_of_users(&[river.id]).await.expect("read");
    assert_eq!(of_users.len(), 1);

    store
        .note_sign_in(river.id, &campus, true, at(30))
        .await
        .expect("noted");
    assert_eq!(store.exclusion(river.id).await.expect("read"), None);
}

async fn a_session_that_ends_is_told_by_its_id(store: TestStore) {
    let river = store.add_user("river").await;
    for name in ["first", "second"] {
        store.add_session(river.id, name).await;
    }
    let known = store
        .sessions_of_users(&[river.id], at(0))
        .await
        .expect("read");
    let first = known.iter().find(|one| one.session_id == "first");
    assert_eq!(
        first.and_then(|one| one.browser.as_deref()),
        Some("browser of first")
    );

    store
        .delete_session("first", at(5), None)
        .await
        .expect("ended");
    store
        .delete_sessions_of(river.id, at(6), None)
        .await
        .expect("ended");

    let ended = store
        .changed_since(SESSION_ENDED, at(5))
        .await
        .expect("read");
    assert_eq!(
        ended,
        [("first".to_owned(), at(5)), ("second".to_owned(), at(6))]
    );
    let later = at(5).plus(Duration::from_micros(1));
    let ended = store
        .changed_since(SESSION_ENDED, later)
        .await
        .expect("read");
    assert_eq!(ended.len(), 1);
}
