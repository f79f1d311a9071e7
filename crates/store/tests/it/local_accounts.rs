//! Local accounts: passwords that replace each other, links, second factors and sign-ups.

use std::time::Duration;

use jansky_model::UserId;
use jansky_store::{CodeAttempt, NewSignUp, Sealed, SecondFactor, StoreError, UserQuery};

use crate::harness::{TestStore, at, digest, on_both, user_name};

on_both! {
    a_password_is_replaced_only_by_who_knew_the_last_one,
    a_new_password_ends_links_and_sign_ins_under_way,
    a_link_of_a_user_works_once_and_only_the_last_one,
    what_others_may_know_of_local_accounts_is_listed,
    a_second_factor_counts_once_it_is_confirmed,
    a_code_is_taken_once_by_two_at_the_same_time,
    an_older_code_than_the_last_one_is_not_taken,
    many_wrong_codes_make_pauses_that_grow,
    no_pause_is_longer_than_a_quarter_of_an_hour,
    a_recovery_code_works_once,
    a_second_factor_goes_with_everything_of_it,
    what_another_key_sealed_is_found_page_by_page,
    a_second_step_is_taken_once_and_in_time,
    a_name_is_asked_for_once,
    two_at_once_with_the_same_name_are_one,
    so_many_may_wait_and_no_more,
    who_waits_is_accepted_or_refused_once,
    a_name_that_was_given_away_meanwhile_is_not_given_twice,
    an_account_is_made_whole_or_not_at_all,
    what_is_late_is_purged,
}

fn sealed(text: &str) -> Sealed {
    Sealed(text.as_bytes().to_vec())
}

/// A second factor that counts, with two recovery codes.
async fn confirmed(store: &TestStore, user: UserId) -> SecondFactor {
    let factor = store
        .begin_second_factor(
            user,
            &digest(&user.0.to_string()),
            |_| sealed("key1 secret"),
            at(0),
        )
        .await
        .expect("begun");
    let recovery = [digest("one"), digest("two")];
    let counts = store.confirm_second_factor(factor.id, 10, &recovery, at(1));
    assert!(counts.await.expect("confirmed"));
    store
        .second_factor(user)
        .await
        .expect("found")
        .expect("there")
}

fn sign_up(name: &str) -> NewSignUp {
    NewSignUp {
        name: user_name(name),
        hash: format!("hash of {name}"),
        email: format!("{name}@example.org"),
        reason: "a course".to_owned(),
        requested_at: at(5),
        expires_at: at(1000),
    }
}

async fn a_password_is_replaced_only_by_who_knew_the_last_one(store: TestStore) {
    let river = store.add_user("river").await;
    store
        .set_password(river.id, "one", at(0))
        .await
        .expect("set");

    let replace = async |old: &str, new: &str| {
        let replaced = store
            .replace_password(river.id, old, new, at(1), None)
            .await;
        replaced.expect("an answer")
    };
    assert!(replace("one", "two").await);
    assert!(!replace("one", "three").await);

    let found = store.password_hash(&user_name("river")).await;
    assert_eq!(found.expect("found").expect("there").1, "two");
}

async fn a_new_password_ends_links_and_sign_ins_under_way(store: TestStore) {
    let river = store.add_user("river").await;
    let begin = async || {
        store
            .create_user_link(&digest("link"), "new", river.id, at(100), None)
            .await
            .expect("kept");
        store
            .create_second_step(&digest("step"), river.id, None, at(100))
            .await
            .expect("kept");
    };
    let is_over = async || {
        let link = store.user_of_link(&digest("link"), "new", at(1)).await;
        let step = store.second_step(&digest("step"), at(1)).await;
        link.expect("an answer").is_none() && step.expect("an answer").is_none()
    };

    begin().await;
    assert!(!is_over().await);
    store
        .set_password(river.id, "one", at(1))
        .await
        .expect("set");
    assert!(is_over().await);

    begin().await;
    store
        .replace_password(river.id, "one", "two", at(1), None)
        .await
        .expect("set");
    assert!(is_over().await);
}

async fn a_link_of_a_user_works_once_and_only_the_last_one(store: TestStore) {
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;
    for (seed, user) in [("first", &river), ("of wash", &wash), ("second", &river)] {
        store
            .create_user_link(&digest(seed), "new", user.id, at(100), None)
            .await
            .expect("kept");
    }
    let whose = async |seed: &str, purpose: &str, now| {
        let user = store.user_of_link(&digest(seed), purpose, now).await;
        user.expect("an answer").map(|user| user.name.to_string())
    };

    assert_eq!(whose("first", "new", at(1)).await, None);
    assert_eq!(
        whose("second", "new", at(1)).await.as_deref(),
        Some("river")
    );
    assert_eq!(
        whose("of wash", "new", at(1)).await.as_deref(),
        Some("wash")
    );
    assert_eq!(whose("second", "other", at(1)).await, None);
    assert_eq!(whose("second", "new", at(100)).await, None);
    let take = async || {
        let link = (&digest("second"), "new");
        let taken = store.set_password_with_link(link, river.id, "hash", at(1), None);
        taken.await.expect("an answer")
    };
    assert!(take().await);
    assert!(!take().await);
    let nobody = store
        .create_user_link(&digest("x"), "new", UserId(999), at(100), None)
        .await;
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })));
}

async fn what_others_may_know_of_local_accounts_is_listed(store: TestStore) {
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;
    let zoe = store.add_user("zoe").await;
    for user in [&river, &wash] {
        store.set_password(user.id, "x", at(7)).await.expect("set");
    }
    confirmed(&store, river.id).await;
    store
        .begin_second_factor(wash.id, &digest("other"), |_| sealed("x"), at(0))
        .await
        .expect("begun");

    let all = store.local_accounts(&[river.id, wash.id, zoe.id]).await;
    let all = all.expect("listed");

    assert_eq!(all.len(), 2);
    assert_eq!(
        (all[&river.id].changed_at, all[&river.id].has_second_factor),
        (at(7), true)
    );
    assert!(!all[&wash.id].has_second_factor);
    assert!(store.local_accounts(&[]).await.expect("listed").is_empty());
}

async fn a_second_factor_counts_once_it_is_confirmed(store: TestStore) {
    let river = store.add_user("river").await;
    let counts = async || store.has_second_factor(river.id).await.expect("an answer");
    let begin = async |browser: &str, text: &str| {
        let seal = |row| sealed(&format!("{row} {text}"));
        let browser = digest(browser);
        let begun = store.begin_second_factor(river.id, &browser, seal, at(0));
        begun.await.expect("begun")
    };
    let confirm = async |factor: &SecondFactor| {
        store
            .confirm_second_factor(factor.id, 10, &[digest("code")], at(2))
            .await
    };

    let first = begin("one", "a").await;
    assert_eq!(first.secret, sealed(&format!("{} a", first.id)));
    assert_eq!(
        begin("one", "b").await,
        first,
        "the one that is there stays"
    );
    let other = begin("two", "c").await;
    assert_ne!(
        other.secret, first.secret,
        "another browser, another secret"
    );
    assert!(!counts().await);
    let attempt = store.count_code_attempt(river.id, at(1)).await;
    assert_eq!(attempt.expect("an answer"), CodeAttempt::NoFactor);

    assert!(confirm(&first).await.expect("confirmed"));
    assert!(!confirm(&first).await.expect("an answer"), "once");
    assert!(!confirm(&other).await.expect("an answer"), "it went away");
    assert!(counts().await);
    let now = store.second_factor(river.id).await.expect("read");
    let now = now.expect("there");
    assert_eq!(
        (now.id, now.confirmed_at, now.last_step),
        (first.id, Some(at(2)), 10)
    );
    store
        .drop_pending_second_factor(now.id)
        .await
        .expect("an answer");
    assert!(counts().await, "what counts is not dropped so");
    // A second one never counts beside it.
    let late = begin("three", "d").await;
    let refused = confirm(&late).await;
    assert!(matches!(refused, Err(StoreError::AlreadyExists { .. })));
}

async fn a_code_is_taken_once_by_two_at_the_same_time(store: TestStore) {
    let river = store.add_user("river").await;
    let factor = confirmed(&store, river.id).await;

    let takes = (0..8).map(|_| store.take_code(factor.id, 11));
    let mut taken = 0;
    for outcome in futures(takes).await {
        taken += u32::from(outcome.expect("an answer"));
    }

    assert_eq!(taken, 1);
}

/// Runs all of them at the same time.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pinned: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = pinned.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, outcome) in pinned.iter_mut().zip(&mut done) {
            if outcome.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *outcome = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

async fn an_older_code_than_the_last_one_is_not_taken(store: TestStore) {
    let river = store.add_user("river").await;
    let factor = confirmed(&store, river.id).await;

    for (step, is_taken) in [
        (10, false),
        (12, true),
        (11, false),
        (12, false),
        (13, true),
    ] {
        let taken = store.take_code(factor.id, step).await.expect("an answer");
        assert_eq!(taken, is_taken, "{step}");
    }
}

async fn many_wrong_codes_make_pauses_that_grow(store: TestStore) {
    let river = store.add_user("river").await;
    let factor = confirmed(&store, river.id).await;
    let attempt = async |now| {
        let attempt = store.count_code_attempt(river.id, now).await;
        attempt.expect("an answer")
    };

    for number in 0..5 {
        let counted = attempt(at(10)).await;
        assert!(matches!(counted, CodeAttempt::Counted(_)), "{number}");
    }
    assert_eq!(attempt(at(10)).await, CodeAttempt::TooEarly(at(40)));
    assert_eq!(attempt(at(39)).await, CodeAttempt::TooEarly(at(40)));
    assert!(matches!(attempt(at(40)).await, CodeAttempt::Counted(_)));
    assert_eq!(attempt(at(41)).await, CodeAttempt::TooEarly(at(100)));

    assert!(matches!(attempt(at(100)).await, CodeAttempt::Counted(_)));
    assert!(store.take_code(factor.id, 11).await.expect("an answer"));
    for _ in 0..5 {
        assert!(matches!(attempt(at(101)).await, CodeAttempt::Counted(_)));
    }
}

async fn no_pause_is_longer_than_a_quarter_of_an_hour(store: TestStore) {
    let river = store.add_user("river").await;
    confirmed(&store, river.id).await;
    store
        .meddle("UPDATE second_factors SET failures = 1000")
        .await;
    let attempt = async || {
        let attempt = store.count_code_attempt(river.id, at(10)).await;
        attempt.expect("an answer")
    };

    assert!(matches!(attempt().await, CodeAttempt::Counted(_)));
    assert_eq!(attempt().await, CodeAttempt::TooEarly(at(10 + 15 * 60)));
}

async fn a_recovery_code_works_once(store: TestStore) {
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;
    let factor = confirmed(&store, river.id).await;
    let other = confirmed(&store, wash.id).await;
    let left = async || {
        let left = store.recovery_codes_left(factor.id).await;
        left.expect("an answer")
    };
    let take = async |seed: &str| {
        let taken = store.take_recovery_code(factor.id, &digest(seed)).await;
        taken.expect("an answer")
    };

    assert_eq!(left().await, 2);
    let both = futures((0..4).map(|_| take("one"))).await;
    assert_eq!(both.into_iter().filter(|taken| *taken).count(), 1);
    assert!(!take("three").await);
    assert_eq!(left().await, 1);
    let of_wash = store.recovery_codes_left(other.id).await;
    assert_eq!(of_wash.expect("an answer"), 2, "those of others stay");

    store
        .replace_recovery_codes(factor.id, &[digest("four"), digest("five"), digest("six")])
        .await
        .expect("replaced");
    assert!(!take("two").await);
    assert!(take("five").await);
    assert_eq!(left().await, 2);
}

async fn a_second_factor_goes_with_everything_of_it(store: TestStore) {
    let river = store.add_user("river").await;
    let factor = confirmed(&store, river.id).await;
    store
        .create_second_step(&digest("step"), river.id, None, at(100))
        .await
        .expect("kept");
    let before = store.last_change().await.expect("an answer");
    let delete = async || {
        let deleted = store.delete_second_factor(river.id, at(3)).await;
        deleted.expect("an answer")
    };

    assert!(delete().await);
    assert!(!delete().await);

    let changes = store.changes_after(before, 10).await.expect("read");
    assert_eq!(changes.len(), 1, "other processes forget their sessions");
    let step = store.second_step(&digest("step"), at(1)).await;
    assert_eq!(step.expect("an answer"), None);
    let left = store.recovery_codes_left(factor.id).await;
    assert_eq!(left.expect("an answer"), 0);
    // One that never counted is nothing to speak of.
    store
        .begin_second_factor(river.id, &digest("browser"), |_| sealed("x"), at(0))
        .await
        .expect("begun");
    assert!(!delete().await);
    confirmed(&store, river.id).await;
    assert!(store.delete_user(river.id, at(5)).await.expect("deleted"));
}

async fn what_another_key_sealed_is_found_page_by_page(store: TestStore) {
    let mut factors = Vec::new();
    for (name, text) in [("a", "key1 a"), ("b", "key2 b"), ("c", "key1 c")] {
        let user = store.add_user(name).await;
        let browser = digest(name);
        let factor = store.begin_second_factor(user.id, &browser, |_| sealed(text), at(0));
        factors.push(factor.await.expect("begun"));
    }
    let page = async |after, limit| {
        let page = store
            .second_factors_not_sealed_with(b"key2", after, limit)
            .await
            .expect("listed");
        page.into_iter().map(|factor| factor.id).collect::<Vec<_>>()
    };

    assert_eq!(page(0, 10).await, [factors[0].id, factors[2].id]);
    assert_eq!(page(0, 1).await, [factors[0].id]);
    assert_eq!(page(factors[0].id, 1).await, [factors[2].id]);
    let replace = async |old: &str| {
        let replaced = store
            .replace_second_factor_seal(factors[0].id, &sealed(old), &sealed("key2 a"))
            .await;
        replaced.expect("an answer")
    };
    assert!(!replace("something else").await);
    assert!(replace("key1 a").await);
    assert_eq!(page(0, 10).await, [factors[2].id]);
}

async fn a_second_step_is_taken_once_and_in_time(store: TestStore) {
    let river = store.add_user("river").await;
    store
        .create_second_step(&digest("step"), river.id, Some("/hub/token"), at(100))
        .await
        .expect("kept");

    let step = store.second_step(&digest("step"), at(99)).await;
    let step = step.expect("an answer").expect("there");
    assert_eq!(step.user, river);
    assert_eq!(step.next.as_deref(), Some("/hub/token"));
    let late = store.second_step(&digest("step"), at(100)).await;
    assert_eq!(late.expect("an answer"), None);
    let take = async |now| {
        let taken = store.take_second_step(&digest("step"), now).await;
        taken.expect("an answer")
    };
    assert!(!take(at(100)).await);
    assert!(take(at(99)).await);
    assert!(!take(at(99)).await);

    store
        .create_second_step(&digest("more"), river.id, None, at(100))
        .await
        .expect("kept");
    store
        .delete_second_steps_of(river.id)
        .await
        .expect("deleted");
    let step = store.second_step(&digest("more"), at(1)).await;
    assert_eq!(step.expect("an answer"), None);
}

async fn a_name_is_asked_for_once(store: TestStore) {
    store.add_user("wash").await;
    let ask = async |name: &str| store.create_sign_up(&sign_up(name), 10).await;

    assert!(ask("river").await.expect("there is a place"));
    for name in ["river", "wash"] {
        let error = ask(name).await.expect_err("the name is not free");
        assert_eq!(error.to_string(), format!("user `{name}` already exists"));
    }
    let made = store.create_account(&user_name("river"), "x", at(6)).await;
    assert!(matches!(made, Err(StoreError::AlreadyExists { .. })));

    // After a while the name is free again, purged or not.
    let again = NewSignUp {
        requested_at: at(1000),
        expires_at: at(2000),
        ..sign_up("river")
    };
    assert!(store.create_sign_up(&again, 10).await.expect("a place"));
}

async fn two_at_once_with_the_same_name_are_one(store: TestStore) {
    let requests: Vec<_> = (0..6).map(|_| sign_up("river")).collect();
    let asked = futures(requests.iter().map(|new| store.create_sign_up(new, 10))).await;
    let waiting = asked.iter().filter(|asked| matches!(asked, Ok(true)));
    assert_eq!(waiting.count(), 1, "{asked:?}");

    let name = user_name("wash");
    let made = futures((0..6).map(|_| store.create_account(&name, "x", at(5)))).await;
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1);
    for outcome in made.into_iter().filter_map(Result::err) {
        assert!(matches!(outcome, StoreError::AlreadyExists { .. }));
    }
}

async fn so_many_may_wait_and_no_more(store: TestStore) {
    let requests: Vec<_> = (0..8).map(|n| sign_up(&format!("user-{n}"))).collect();

    let asked = futures(requests.iter().map(|new| store.create_sign_up(new, 3))).await;

    let places = asked.into_iter().map(|asked| asked.expect("an answer"));
    assert_eq!(places.filter(|place| *place).count(), 3);
    assert_eq!(store.count_sign_ups(at(6)).await.expect("counted"), 3);
    assert_eq!(store.sign_ups(at(6)).await.expect("listed").len(), 3);
    assert_eq!(store.count_sign_ups(at(1000)).await.expect("counted"), 0);
}

async fn who_waits_is_accepted_or_refused_once(store: TestStore) {
    for name in ["river", "wash"] {
        let asked = store.create_sign_up(&sign_up(name), 10).await;
        assert!(asked.expect("a place"));
    }
    let waiting = store.sign_ups(at(6)).await.expect("listed");
    assert_eq!(waiting[0].email, "river@example.org");
    assert_eq!(waiting[0].reason, "a course");
    let hash = store.sign_up_hash(&user_name("river"), at(6)).await;
    assert_eq!(hash.expect("found").as_deref(), Some("hash of river"));

    let accept = async |id| store.accept_sign_up(id, at(7)).await.expect("an answer");
    let river = accept(waiting[0].id).await.expect("a user");
    assert!(!river.admin);
    assert_eq!(accept(waiting[0].id).await, None);
    let found = store.password_hash(&user_name("river")).await;
    assert_eq!(
        found.expect("found"),
        Some((river, "hash of river".to_owned()))
    );
    let refuse = async |id| store.refuse_sign_up(id).await.expect("an answer");
    assert_eq!(refuse(waiting[1].id).await, Some(user_name("wash")));
    assert_eq!(refuse(waiting[1].id).await, None);
    assert!(store.sign_ups(at(6)).await.expect("listed").is_empty());
}

async fn a_name_that_was_given_away_meanwhile_is_not_given_twice(store: TestStore) {
    let asked = store.create_sign_up(&sign_up("river"), 10).await;
    assert!(asked.expect("a place"));
    let id = store.sign_ups(at(6)).await.expect("listed")[0].id;
    store.add_user("river").await;

    let accepted = store.accept_sign_up(id, at(7)).await;

    assert!(matches!(accepted, Err(StoreError::AlreadyExists { .. })));
    let waiting = store.sign_ups(at(8)).await.expect("listed");
    assert_eq!(waiting.len(), 1, "the request can still be refused");
    let hash = store.password_hash(&user_name("river")).await;
    assert_eq!(hash.expect("an answer"), None, "the user got no password");
}

async fn an_account_is_made_whole_or_not_at_all(store: TestStore) {
    store.add_user("wash").await;

    let taken = store.create_account(&user_name("wash"), "x", at(5)).await;
    let made = store.create_account(&user_name("river"), "y", at(5)).await;

    assert!(matches!(taken, Err(StoreError::AlreadyExists { .. })));
    let made = made.expect("the name is free");
    let found = store.password_hash(&user_name("river")).await;
    assert_eq!(found.expect("found"), Some((made, "y".to_owned())));
    let (_, total) = store
        .list_users(&UserQuery::default())
        .await
        .expect("counted");
    assert_eq!(total, 2);
}

async fn what_is_late_is_purged(store: TestStore) {
    let river = store.add_user("river").await;
    let wash = store.add_user("wash").await;
    confirmed(&store, river.id).await;
    store
        .begin_second_factor(wash.id, &digest("other"), |_| sealed("x"), at(0))
        .await
        .expect("begun");
    store
        .create_second_step(&digest("step"), river.id, None, at(100))
        .await
        .expect("kept");
    store
        .create_sign_up(&sign_up("zoe"), 10)
        .await
        .expect("a place");
    let late = at(0).plus(Duration::from_hours(1));

    let purged = store.purge_expired(late).await.expect("purged");

    assert_eq!(purged, 3);
    let page = store.second_factors_not_sealed_with(b"none", 0, 10).await;
    let left: Vec<_> = page.expect("listed").iter().map(|f| f.user_id).collect();
    assert_eq!(left, [river.id]);
    assert!(store.has_second_factor(river.id).await.expect("read"));
}
