//! Who else than its owner has entered a server.

use jansky_model::StartId;
use jansky_store::USER_CHANGED;

use crate::harness::{TestStore, at, on_both};

on_both! {
    an_entry_holds_for_its_start_and_outlives_who_entered,
}

async fn an_entry_holds_for_its_start_and_outlives_who_entered(store: TestStore) {
    let server = store.add_server("river").await;
    let (wash, zoe) = (store.add_user("wash").await, store.add_user("zoe").await);
    let (first, second) = (StartId(1), StartId(2));
    let before = store.last_change().await.expect("read");

    let mut new = Vec::new();
    for (start, who, second) in [(first, &wash, 5), (first, &wash, 6), (first, &zoe, 7)] {
        let recorded = store.record_server_visit(&server, start, who, at(second));
        new.push(recorded.await.expect("recorded"));
    }
    store.delete_user(wash.id, at(8)).await.expect("deleted");

    assert_eq!(new, [true, false, true]);
    let entries = store.entries(server.id, first).await.expect("read");
    let entries: Vec<_> = entries.iter().map(|e| (e.user.as_str(), e.at)).collect();
    assert_eq!(entries, [("wash", at(5)), ("zoe", at(7))]);
    let changes = store.changes_after(before, 100).await.expect("read");
    let owner = server.user_id.0.to_string();
    let told = changes
        .iter()
        .filter(|c| c.topic == USER_CHANGED && c.key == owner);
    assert_eq!(told.count(), 2, "the owner's tokens depend on it");

    let later = store
        .record_server_visit(&server, second, &zoe, at(9))
        .await;
    assert!(later.expect("recorded"));
    assert!(
        store
            .entries(server.id, first)
            .await
            .expect("read")
            .is_empty()
    );
    assert_eq!(
        store.entries(server.id, second).await.expect("read").len(),
        1
    );

    // One that was on its way while the server was started anew.
    let late = store
        .record_server_visit(&server, first, &zoe, at(10))
        .await;
    assert!(late.expect("recorded"));
    let now = store.entries(server.id, second).await.expect("read");
    assert_eq!(now.len(), 1);
}
