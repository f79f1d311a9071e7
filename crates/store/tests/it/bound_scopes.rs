//! Scopes mean what they were given for, whatever that is called later, and end with it.

use jansky_store::{Code, NewShareCode, ShareWith, Store, StoreError, TokenKind, User};

use crate::harness::{TestStore, at, digest, on_both, server_name, token, user_name};

on_both! {
    a_token_follows_what_its_scopes_were_given_for,
    what_is_made_again_under_an_old_name_is_open_to_no_old_token,
    a_share_and_its_code_follow_their_server,
    a_scope_for_nobody_is_refused,
    what_earlier_versions_wrote_is_bound_once,
}

async fn make_token(store: &TestStore, seed: &str, user: &User, scopes: &[&str]) {
    let mut new = token(seed, TokenKind::Api, user.id);
    new.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
    store
        .create_token(new)
        .await
        .expect("what it names is there");
}

async fn scopes_of(store: &Store, seed: &str) -> Vec<String> {
    let found = store.token_by_digest(&digest(seed), at(1)).await;
    let (token, user) = found.expect("read").expect("it is there");
    let listed = store.tokens_of(user.id, at(1)).await.expect("read");
    let listed = listed.into_iter().find(|one| one.id == token.id);
    assert_eq!(listed.expect("it is listed").scopes, token.scopes);
    token.scopes
}

async fn a_token_follows_what_its_scopes_were_given_for(store: TestStore) {
    let river = store.add_user("river").await;
    let gpu = store.add_server_of(&river, "gpu").await;
    let wash = store.add_user("wash").await;
    let crew = ["crew".to_owned()];
    store.create_groups(&crew, &[], at(0)).await.expect("made");
    let scopes = [
        "access:servers!server=river/gpu",
        "access:servers!server=river/",
        "read:users!user=river",
        "read:groups!group=crew",
        "self",
        "users:activity!user",
        "access:services!service=x",
    ];
    make_token(&store, "t", &wash, &scopes).await;
    assert_eq!(scopes_of(&store, "t").await, scopes);
    store.add_session(wash.id, "s").await;
    let code = Code {
        client_id: "jupyterhub-user-river!gpu".to_owned(),
        user_id: wash.id,
        session_id: "s".to_owned(),
        redirect_uri: "/".to_owned(),
        scopes: vec!["access:servers!server=river/gpu".to_owned()],
        challenge: None,
        expires_at: at(100),
    };
    store.add_code("c", &code).await;

    let renamed = store.rename_user(river.id, &user_name("tam"), at(1)).await;
    renamed.expect("the name is free");
    let lab = server_name("lab");
    store.rename_server(gpu.id, &lab, "x").await.expect("free");
    let other = store.add_user("river").await;
    store.add_server_of(&other, "gpu").await;

    let now = [
        "access:servers!server=tam/lab",
        "access:servers!server=tam/",
        "read:users!user=tam",
    ];
    assert_eq!(scopes_of(&store, "t").await[..3], now);
    let read = store.code(&digest("c"), at(1)).await.expect("read");
    assert_eq!(read.expect("it is there").scopes, [now[0]]);
}

async fn what_is_made_again_under_an_old_name_is_open_to_no_old_token(store: TestStore) {
    let river = store.add_user("river").await;
    let gpu = store.add_server_of(&river, "gpu").await;
    let kaylee = store.add_user("kaylee").await;
    let wash = store.add_user("wash").await;
    let crew = ["crew".to_owned()];
    let made = store.create_groups(&crew, &[], at(0)).await.expect("made");
    let scopes = [
        "access:servers!server=river/gpu",
        "servers!user=kaylee",
        "servers!server=kaylee/",
        "read:groups!group=crew",
        "list:users",
    ];
    make_token(&store, "t", &wash, &scopes).await;

    store.delete_server(gpu.id, at(1)).await.expect("deleted");
    store.delete_user(kaylee.id, at(1)).await.expect("deleted");
    store
        .delete_group(made[0].id, at(1))
        .await
        .expect("deleted");
    store.add_server_of(&river, "gpu").await;
    store.add_user("kaylee").await;
    store.create_groups(&crew, &[], at(2)).await.expect("made");

    assert_eq!(scopes_of(&store, "t").await, ["list:users"]);
}

async fn a_share_and_its_code_follow_their_server(store: TestStore) {
    let river = store.add_user("river").await;
    let gpu = store.add_server_of(&river, "gpu").await;
    let wash = store.add_user("wash").await;
    let scopes = ["access:servers!server=river/gpu".to_owned()];
    let with = ShareWith::User(&wash.name);
    store
        .share(gpu.id, with, &scopes, at(1))
        .await
        .expect("shared");
    let code = NewShareCode {
        digest: &[1; 32],
        server: gpu.id,
        scopes: &scopes,
        created_at: at(1),
        expires_at: at(100),
    };
    store.create_share_code(code).await.expect("made");

    let renamed = store.rename_user(river.id, &user_name("tam"), at(2)).await;
    renamed.expect("the name is free");
    let same = server_name("gpu");
    let renamed = store.rename_server(gpu.id, &same, "x").await;
    renamed.expect("the client id is free");
    let other = store.add_user("river").await;
    store.add_server_of(&other, "gpu").await;

    let now = ["access:servers!server=tam/gpu"];
    let shares = store.shares_with_user(wash.id).await.expect("read");
    assert_eq!(shares[0].scopes, now);
    let code = store.share_code(&[1; 32], at(2)).await.expect("read");
    assert_eq!(code.expect("it is there").scopes, now);
    let accepted = store.accept_share_code(&[1; 32], &wash.name, at(2)).await;
    let accepted = accepted.expect("done").expect("there is a code");
    assert_eq!(accepted.scopes, now, "one scope, not the same one twice");
    let gone = now.map(str::to_owned);
    let left = store.unshare(gpu.id, with, Some(&gone), at(3)).await;
    assert_eq!(left.expect("done"), None);
}

async fn a_scope_for_nobody_is_refused(store: TestStore) {
    let wash = store.add_user("wash").await;
    for scope in [
        "servers!user=nobody",
        "servers!server=nobody/gpu",
        "servers!group=nobody",
    ] {
        let mut new = token("t", TokenKind::Api, wash.id);
        new.scopes = vec![scope.to_owned()];
        let refused = store.create_token(new).await.expect_err(scope);
        assert!(matches!(refused, StoreError::NotFound { .. }), "{refused}");
        assert!(refused.to_string().contains(scope), "{refused}");
    }
}

async fn what_earlier_versions_wrote_is_bound_once(store: TestStore) {
    let river = store.add_user("river").await;
    store.add_server_of(&river, "gpu").await;
    let wash = store.add_user("wash").await;
    make_token(&store, "t", &wash, &[]).await;
    let earlier = "UPDATE tokens SET scopes = '[\"access:servers!server=river/gpu\",\
         \"servers!user=nobody\",\"inherit\"]'";
    store.meddle(earlier).await;
    assert_eq!(
        scopes_of(&store, "t").await,
        ["inherit"],
        "a name alone opens nothing"
    );
    let again = "DELETE FROM settings WHERE name = 'scopes_are_bound'";
    store.meddle(again).await;
    store.close().await;

    let store = Store::open(&store.url).await.expect("it opens");
    let now = ["access:servers!server=river/gpu", "inherit"];
    assert_eq!(scopes_of(&store, "t").await, now);
    let renamed = store.rename_user(river.id, &user_name("tam"), at(2)).await;
    renamed.expect("the name is free");

    let now = ["access:servers!server=tam/gpu", "inherit"];
    assert_eq!(scopes_of(&store, "t").await, now);
}
