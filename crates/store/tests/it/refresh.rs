//! Refreshing grants: one at a time, and nothing is lost.

use jansky_store::{
    Grant, GrantId, GrantState, Lease, RefreshFailure, RefreshedTokens, SealedTokens, StoreError,
};
use tokio::task::JoinSet;

use crate::grants::{sealed, sign_in, tokens};
use crate::harness::{TestStore, at, on_both};

on_both! {
    of_fifty_who_claim_a_grant_one_does,
    a_lease_is_free_when_it_lapsed_or_was_given_back,
    a_refresh_replaces_the_tokens_and_gives_the_lease_back,
    what_a_refresh_does_not_bring_stays,
    only_the_holder_of_the_lease_stores_a_refresh,
    a_lapsed_lease_counts_until_somebody_takes_it,
    a_sign_in_beats_a_refresh_under_way,
    a_failure_keeps_the_tokens,
    only_the_holder_of_the_lease_records_a_failure,
    no_refresh_token_is_lost_or_sent_twice_while_seals_change,
}

fn refreshed(number: i64) -> RefreshedTokens {
    RefreshedTokens {
        access: sealed(&format!("k1 access {number}")),
        refresh: Some(sealed(&format!("k1 refresh {number}"))),
        id: Some(sealed(&format!("k1 id {number}"))),
        scope: Some("openid".to_owned()),
        access_expires_at: Some(at(600)),
        refresh_expires_at: Some(at(7200)),
        at: at(10),
    }
}

fn failure(state: GrantState) -> RefreshFailure<'static> {
    RefreshFailure {
        state,
        outcome: "the provider answered 503",
        next_try_at: Some(at(60)),
        at: at(10),
    }
}

impl TestStore {
    /// A grant of a new user whose lease `owner` has from second 1 until second 16.
    async fn add_claimed(&self, owner: &str) -> Grant {
        let user = self.add_user("river").await.id;
        let grant = self.add_grant(user).await;
        self.claim(grant.id, owner, 1).await.expect("it is free")
    }

    async fn claim(&self, id: GrantId, owner: &str, now: i64) -> Option<Grant> {
        let claimed = self.claim_grant(id, owner, at(now), at(now + 15)).await;
        claimed.expect("an answer")
    }
}

fn is_conflict<T>(outcome: &Result<T, StoreError>) -> bool {
    matches!(outcome, Err(StoreError::Conflict { .. }))
}

async fn of_fifty_who_claim_a_grant_one_does(store: TestStore) {
    let user = store.add_user("river").await.id;
    let grant = store.add_grant(user).await;

    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let (store, id) = ((*store).clone(), grant.id);
        tasks.spawn(async move {
            let owner = format!("owner {number}");
            let claimed = store.claim_grant(id, &owner, at(1), at(16)).await;
            claimed.expect("an answer").map(|grant| (owner, grant))
        });
    }
    let winners = tasks.join_all().await.into_iter().flatten();

    let winners = winners.collect::<Vec<_>>();
    assert_eq!(winners.len(), 1);
    let (owner, claimed) = winners.into_iter().next().expect("one");
    let until = at(16);
    assert_eq!(claimed.lease, Some(Lease { owner, until }));
    assert_eq!(store.read_grant(grant.id).await, claimed);
    let missing = store.claim(GrantId(999), "a", 1).await;
    assert_eq!(missing, None);
}

async fn a_lease_is_free_when_it_lapsed_or_was_given_back(store: TestStore) {
    let grant = store.add_claimed("a").await;

    assert_eq!(store.claim(grant.id, "b", 15).await, None);
    assert_eq!(store.claim(grant.id, "a", 15).await, None);
    assert!(store.claim(grant.id, "b", 16).await.is_some());

    let release = async |owner| store.release_grant(grant.id, owner).await;
    assert!(!release("a").await.expect("it lost its turn"));
    assert!(release("b").await.expect("it has its turn"));
    assert!(!release("b").await.expect("no longer"));
    assert_eq!(store.read_grant(grant.id).await.lease, None);
    assert!(store.claim(grant.id, "a", 17).await.is_some());
}

async fn a_refresh_replaces_the_tokens_and_gives_the_lease_back(store: TestStore) {
    let grant = store.add_claimed("a").await;

    let after = store.store_refreshed(grant.id, "a", 0, &refreshed(7)).await;

    let expected = Grant {
        tokens: SealedTokens {
            access: Some(sealed("k1 access 7")),
            refresh: Some(sealed("k1 refresh 7")),
            id: Some(sealed("k1 id 7")),
        },
        scope: "openid".to_owned(),
        access_expires_at: Some(at(600)),
        refresh_expires_at: Some(at(7200)),
        version: 1,
        lease: None,
        last_outcome: Some("ok".to_owned()),
        refreshed_at: at(10),
        ..grant
    };
    assert_eq!(after.expect("stored"), expected);
    assert_eq!(store.read_grant(expected.id).await, expected);
}

async fn what_a_refresh_does_not_bring_stays(store: TestStore) {
    let grant = store.add_claimed("a").await;
    let only_access = RefreshedTokens {
        refresh: None,
        id: None,
        scope: None,
        access_expires_at: None,
        refresh_expires_at: None,
        ..refreshed(7)
    };

    let after = store.store_refreshed(grant.id, "a", 0, &only_access).await;

    let after = after.expect("stored");
    assert_eq!(after.tokens.access, Some(sealed("k1 access 7")));
    assert_eq!(after.tokens.refresh, grant.tokens.refresh);
    assert_eq!(after.tokens.id, grant.tokens.id);
    assert_eq!(after.scope, grant.scope);
    assert_eq!(after.access_expires_at, None);
    assert_eq!(after.refresh_expires_at, Some(at(3600)));

    let endless = RefreshedTokens {
        refresh: Some(sealed("k1 refresh 8")),
        ..only_access
    };
    store.claim(grant.id, "b", 20).await.expect("it is free");
    let after = store.store_refreshed(grant.id, "b", 1, &endless).await;
    let expires_at = after.expect("stored").refresh_expires_at;
    assert_eq!(expires_at, None, "the end of another token tells nothing");
}

async fn only_the_holder_of_the_lease_stores_a_refresh(store: TestStore) {
    let grant = store.add_claimed("a").await;

    let outcomes = [
        store.store_refreshed(grant.id, "b", 0, &refreshed(7)).await,
        store.store_refreshed(grant.id, "a", 1, &refreshed(7)).await,
        store
            .store_refreshed(GrantId(999), "a", 0, &refreshed(7))
            .await,
    ];

    assert!(outcomes.iter().all(is_conflict));
    assert_eq!(store.read_grant(grant.id).await, grant);
    let stored = store.store_refreshed(grant.id, "a", 0, &refreshed(7)).await;
    stored.expect("it is its turn");
    let twice = store.store_refreshed(grant.id, "a", 1, &refreshed(8)).await;
    assert!(is_conflict(&twice), "the lease was given back");
}

async fn a_lapsed_lease_counts_until_somebody_takes_it(store: TestStore) {
    let grant = store.add_claimed("a").await;
    let late = RefreshedTokens {
        at: at(1000),
        ..refreshed(7)
    };

    let stored = store.store_refreshed(grant.id, "a", 0, &late).await;

    assert_eq!(stored.expect("nobody else took it").version, 1);
    store.claim(grant.id, "a2", 1001).await.expect("free");
    store.claim(grant.id, "b", 1016).await.expect("lapsed");
    let too_late = store.store_refreshed(grant.id, "a2", 1, &late).await;
    assert!(is_conflict(&too_late));
}

async fn a_sign_in_beats_a_refresh_under_way(store: TestStore) {
    let grant = store.add_claimed("a").await;
    let signed_in = store.keep_grant(&sign_in(grant.user_id), tokens).await;
    let signed_in = signed_in.expect("kept");

    let stored = store.store_refreshed(grant.id, "a", 0, &refreshed(7)).await;
    let failed = store.record_failure(grant.id, "a", failure(GrantState::Reauth));

    assert!(is_conflict(&stored));
    assert!(is_conflict(&failed.await));
    assert_eq!(store.read_grant(grant.id).await, signed_in);
}

async fn a_failure_keeps_the_tokens(store: TestStore) {
    let grant = store.add_claimed("a").await;

    let failed = store.record_failure(grant.id, "a", failure(GrantState::Backoff));

    let expected = Grant {
        state: GrantState::Backoff,
        failures: 1,
        next_try_at: Some(at(60)),
        last_outcome: Some("the provider answered 503".to_owned()),
        lease: None,
        ..grant
    };
    assert_eq!(failed.await.expect("recorded"), expected);
    for (count, state) in [(2, GrantState::Uncertain), (3, GrantState::Reauth)] {
        store.claim(grant.id, "b", 20).await.expect("it is free");
        let failed = store.record_failure(grant.id, "b", failure(state)).await;
        let failed = failed.expect("recorded");
        assert_eq!((failed.failures, failed.state), (count, state));
    }
    store.claim(grant.id, "c", 20).await.expect("it is free");
    let after = store.store_refreshed(grant.id, "c", 0, &refreshed(7)).await;
    let after = after.expect("stored");
    assert_eq!((after.failures, after.state), (0, GrantState::Ok));
    assert_eq!(after.next_try_at, None);
}

async fn only_the_holder_of_the_lease_records_a_failure(store: TestStore) {
    let grant = store.add_claimed("a").await;

    let failed = store.record_failure(grant.id, "b", failure(GrantState::Reauth));

    assert!(is_conflict(&failed.await));
    assert_eq!(store.read_grant(grant.id).await, grant);
}

/// The number of the refresh token, whatever its seal is.
fn number(grant: &Grant) -> i64 {
    let sealed = grant.tokens.refresh.as_ref().expect("it has one");
    let text = std::str::from_utf8(&sealed.0).expect("it is text");
    let (_, number) = text.rsplit_once(' ').expect("it ends in a number");
    number.parse().expect("it is a number")
}

async fn no_refresh_token_is_lost_or_sent_twice_while_seals_change(store: TestStore) {
    const REFRESHERS: usize = 4;
    const ROUNDS: i64 = 200;
    let user = store.add_user("river").await.id;
    let first = |_| SealedTokens {
        refresh: Some(sealed("k1 refresh 0")),
        ..SealedTokens::default()
    };
    let grant = store.keep_grant(&sign_in(user), first).await;
    let id = grant.expect("kept").id;

    let mut refreshers = JoinSet::new();
    for task in 0..REFRESHERS {
        let store = (*store).clone();
        refreshers.spawn(async move {
            let mut sent = Vec::new();
            for attempt in 0.. {
                let owner = format!("{task} {attempt}");
                let claimed = store.claim_grant(id, &owner, at(1), at(16)).await;
                let Some(grant) = claimed.expect("an answer") else {
                    tokio::task::yield_now().await;
                    continue;
                };
                let number = number(&grant);
                if number >= ROUNDS {
                    let released = store.release_grant(id, &owner).await;
                    assert!(released.expect("an answer"));
                    break;
                }
                sent.push(number);
                let new = refreshed(number + 1);
                let stored = store.store_refreshed(id, &owner, grant.version, &new).await;
                stored.expect("a new seal is no conflict");
            }
            sent
        });
    }
    let sealer = {
        let store = (*store).clone();
        tokio::spawn(async move {
            let mut replaced = 0;
            loop {
                let grant = store.grant(id).await.expect("read").expect("there");
                let number = number(&grant);
                if number >= ROUNDS {
                    return replaced;
                }
                let tokens = SealedTokens {
                    refresh: Some(sealed(&format!("k2 refresh {number}"))),
                    ..grant.tokens
                };
                match store.replace_sealed(id, grant.version, &tokens).await {
                    Ok(()) => replaced += 1,
                    outcome => assert!(is_conflict(&outcome), "{outcome:?}"),
                }
            }
        })
    };
    let mut sent = refreshers.join_all().await.concat();
    let replaced = sealer.await.expect("it ends");

    sent.sort_unstable();
    assert!(sent.iter().copied().eq(0..ROUNDS), "each once: {sent:?}");
    assert!(replaced > 0, "seals were changed in between");
    assert_eq!(store.read_grant(id).await.version, ROUNDS);
}
