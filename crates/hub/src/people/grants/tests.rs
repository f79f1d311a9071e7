//! One refresh for all, whatever happens in between.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use async_trait::async_trait;
use jansky_crypto::SystemRandom;
use jansky_identity::{Claims, IdentityError, UpstreamSession};
use jansky_model::{ManualClock, ProviderId, Timestamp};
use jansky_store::NewSession;
use url::Url;

use super::*;

const LIFETIME: Duration = Duration::from_mins(3);

/// For how long a process that died still has the turn.
const LEASE_OF_THE_DEAD: Duration = Duration::from_secs(30);

/// A provider whose refresh tokens are good once; using one again kills the whole grant.
#[derive(Default)]
struct Upstream {
    clock: Option<Arc<ManualClock>>,
    state: Mutex<State>,
    calls: AtomicUsize,
    revoked: Mutex<Vec<String>>,
    /// Where it can see whose turn it is.
    turn: Option<(Arc<Store>, GrantId)>,
}

#[derive(Default)]
struct State {
    current: String,
    issued: u32,
    is_dead: bool,
    reuses: u32,
    /// A refresh token came when the lease of the sender was over.
    came_late: bool,
    mode: Mode,
    /// It answers at once, where what counts is how often it is asked.
    is_fast: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    #[default]
    AddressOwner,
    Down,
    /// Carries the refresh out and loses the answer.
    LosesAnswers,
    /// Takes the refresh and does nothing with it.
    Hangs,
}

impl Upstream {
    fn new(clock: &Arc<ManualClock>) -> Self {
        let upstream = Self {
            clock: Some(Arc::clone(clock)),
            ..Self::default()
        };
        upstream.state().current = "refresh-0".to_owned();
        upstream
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, mode: Mode) {
        self.state().mode = mode;
    }

    fn revoked(&self) -> Vec<String> {
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.clone()
    }

    fn calls(&self) -> usize {
        self.calls.load(SeqCst)
    }

    fn tokens(&self, number: u32) -> UpstreamTokens {
        let clock = self.clock.as_ref().expect("an upstream with a clock");
        let mut tokens = tokens(number, clock.now());
        tokens.id_token = None;
        tokens
    }
}

fn tokens(number: u32, now: Timestamp) -> UpstreamTokens {
    UpstreamTokens {
        access: Secret::new(format!("access-{number}")),
        refresh: Some(Secret::new(format!("refresh-{number}"))),
        id_token: Some(Secret::new("id")),
        expires_at: Some(now.plus(LIFETIME)),
        scope: None,
        other: Vec::new(),
    }
}

#[async_trait]
impl UpstreamSession for Upstream {
    async fn refresh(&self, token: &Secret) -> Result<UpstreamTokens, IdentityError> {
        self.calls.fetch_add(1, SeqCst);
        if let (Some((store, id)), Some(clock)) = (&self.turn, &self.clock) {
            let grant = store.grant(*id).await.expect("the database");
            let lease = grant.and_then(|grant| grant.lease);
            let is_late = lease.is_none_or(|lease| lease.until <= clock.now());
            self.state().came_late |= is_late;
        }
        if !self.state().is_fast {
            // Others get the time to do it, too, if nothing keeps them from it.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut state = self.state();
        if state.mode == Mode::Down {
            return Err(IdentityError::Unavailable {
                context: "down".to_owned(),
                retry: Duration::from_secs(1),
                source: None,
            });
        }
        if state.mode == Mode::Hangs {
            return Err(IdentityError::Timeout {
                endpoint: "token",
                source: None,
            });
        }
        if state.is_dead || token.expose() != state.current {
            state.is_dead = true;
            state.reuses += 1;
            return Err(IdentityError::InvalidGrant {
                context: String::new(),
            });
        }
        state.issued += 1;
        let number = state.issued;
        state.current = format!("refresh-{number}");
        if state.mode == Mode::LosesAnswers {
            return Err(IdentityError::Timeout {
                endpoint: "token",
                source: None,
            });
        }
        drop(state);
        Ok(self.tokens(number))
    }

    async fn claims(
        &self,
        _subject: &str,
        _tokens: &UpstreamTokens,
    ) -> Result<Option<Claims>, IdentityError> {
        Ok(None)
    }

    async fn revoke(&self, token: &Secret) -> Result<(), IdentityError> {
        let mut revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        revoked.push(token.expose().to_owned());
        Ok(())
    }

    fn end_session_url(
        &self,
        _hint: Option<&Secret>,
        _back_to: Option<&str>,
        _state: Option<&str>,
    ) -> Option<Url> {
        None
    }
}

/// A grant on a database of its own.
struct Scene {
    clock: Arc<ManualClock>,
    upstream: Arc<Upstream>,
    store: Arc<Store>,
    keys: String,
    grant: Grant,
    _directory: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("grants.db").display());
        let store = Arc::new(Store::open(&url).await.expect("a database"));
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_000_000)));
        let keys = KeyRing::generate(&SystemRandom)
            .to_text()
            .expose()
            .to_owned();
        let upstream = Arc::new(Upstream::new(&clock));
        let grant = Self::sign_in(&store, &clock, &keys, "river").await;
        Self {
            clock,
            upstream,
            store,
            keys,
            grant,
            _directory: directory,
        }
    }

    async fn sign_in(
        store: &Arc<Store>,
        clock: &Arc<ManualClock>,
        keys: &str,
        name: &str,
    ) -> Grant {
        let name = name.parse().expect("a name");
        let user = store
            .create_user(&name, false, clock.now())
            .await
            .expect("a user");
        let identity = identity(name.as_str(), tokens(0, clock.now()));
        let grants = process(store, clock, keys);
        grants
            .keep(&user, &identity, "jansky")
            .await
            .expect("a grant")
    }

    /// The same person signs in once more.
    async fn sign_in_again(&self) -> Grant {
        let user = self.store.user(self.grant.user_id).await;
        let user = user.expect("the database").expect("the user");
        let mut tokens = tokens(90, self.clock.now());
        tokens.other = vec![jansky_identity::ServiceTokens {
            service: "transfer".to_owned(),
            access: Secret::new("access-91"),
            refresh: None,
            expires_at: None,
            scope: None,
        }];
        let identity = identity(user.name.as_str(), tokens);
        let kept = self.process().keep(&user, &identity, "jansky").await;
        kept.expect("a grant")
    }

    /// Waits until somebody refreshes the grant.
    async fn until_refreshing(&self) {
        while self.upstream.calls() == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// The part of one process that refreshes grants.
    fn process(&self) -> Arc<Grants> {
        process(&self.store, &self.clock, &self.keys)
    }

    async fn token(&self, grants: &Grants, least: Duration) -> Result<String, NoToken> {
        let served = grants
            .fresh(self.grant.id, least, None, &*self.upstream)
            .await?;
        Ok(served.token.token.expose().to_owned())
    }
}

fn identity(name: &str, tokens: UpstreamTokens) -> ExternalIdentity {
    ExternalIdentity {
        provider: "keycloak".parse::<ProviderId>().expect("an id"),
        issuer: "https://sso.test".to_owned(),
        subject: name.to_owned(),
        claims: Claims::new(),
        tokens,
    }
}

fn process(store: &Arc<Store>, clock: &Arc<ManualClock>, keys: &str) -> Arc<Grants> {
    let clock: Arc<dyn Clock> = Arc::clone(clock) as _;
    let keys = KeyRing::parse(keys).expect("a key file");
    Arc::new(Grants::new(
        Arc::clone(store),
        clock,
        Arc::new(SystemRandom),
        keys,
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_callers_in_two_processes_cause_one_refresh_in_each_cycle() {
    let scene = Arc::new(Scene::new().await);
    let processes = [scene.process(), scene.process()];

    for cycle in 1..=3_usize {
        scene.clock.advance(LIFETIME + Duration::from_secs(1));
        let callers: Vec<_> = (0..100)
            .map(|number: usize| {
                let (scene, grants) = (Arc::clone(&scene), Arc::clone(&processes[number % 2]));
                tokio::spawn(async move { scene.token(&grants, Duration::ZERO).await })
            })
            .collect();
        for caller in callers {
            let token = caller
                .await
                .expect("the caller did not panic")
                .expect("a token");
            assert_eq!(token, format!("access-{cycle}"));
        }
        assert_eq!(
            scene.upstream.calls(),
            cycle,
            "refreshes after cycle {cycle}"
        );
    }
    assert_eq!(scene.upstream.state().reuses, 0);
}

#[tokio::test]
async fn a_caller_gets_a_token_that_is_good_for_as_long_as_asked() {
    let scene = Scene::new().await;
    let grants = scene.process();
    scene.clock.advance(Duration::from_mins(1));

    let short = scene
        .token(&grants, Duration::from_secs(30))
        .await
        .expect("a token");
    let long = scene
        .token(&grants, Duration::from_secs(150))
        .await
        .expect("a token");

    assert_eq!((short.as_str(), long.as_str()), ("access-0", "access-1"));
}

#[tokio::test]
async fn an_outage_takes_nothing_away_that_is_valid_and_heals_by_itself() {
    let scene = Scene::new().await;
    let grants = scene.process();
    scene.upstream.set(Mode::Down);

    let mut served = 0;
    for _ in 0..600 {
        scene.clock.advance(Duration::from_secs(1));
        let now = scene.clock.now();
        let is_valid = scene.grant.access_expires_at.is_some_and(|at| at > now);
        match scene.token(&grants, Duration::ZERO).await {
            Ok(token) => {
                assert!(is_valid, "{token} was given out after its end");
                served += 1;
            }
            Err(NoToken::Later { retry_after }) => {
                assert!(!is_valid && retry_after > Duration::ZERO);
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(served, 179, "one for each second of the token's life");
    assert!(
        scene.upstream.calls() < 30,
        "{} requests",
        scene.upstream.calls()
    );

    scene.upstream.set(Mode::AddressOwner);
    scene.clock.advance(Duration::from_mins(1));
    assert_eq!(
        scene.token(&grants, Duration::ZERO).await.expect("a token"),
        "access-1"
    );
}

#[tokio::test]
async fn a_refused_grant_asks_for_a_sign_in_and_gives_nothing_that_it_still_has() {
    let scene = Scene::new().await;
    let grants = scene.process();
    scene.upstream.state().is_dead = true;
    scene
        .clock
        .advance(LIFETIME.saturating_sub(Duration::from_secs(20)));

    let still_valid = scene.token(&grants, Duration::from_secs(10)).await;
    let too_long = scene.token(&grants, Duration::from_secs(30)).await;
    scene.clock.advance(Duration::from_secs(30));
    let ended = scene.token(&grants, Duration::ZERO).await;

    assert!(
        matches!(still_valid, Err(NoToken::SignInAgain)),
        "{still_valid:?}"
    );
    assert!(
        matches!(too_long, Err(NoToken::SignInAgain)),
        "{too_long:?}"
    );
    assert!(matches!(ended, Err(NoToken::SignInAgain)), "{ended:?}");
    assert_eq!(
        scene.upstream.calls(),
        1,
        "a grant that was refused is not tried again"
    );
}

#[tokio::test]
async fn a_lost_answer_costs_one_more_try_and_then_a_sign_in() {
    let scene = Scene::new().await;
    let grants = scene.process();
    scene.upstream.set(Mode::LosesAnswers);
    scene.clock.advance(LIFETIME + Duration::from_secs(1));

    let lost = scene.token(&grants, Duration::ZERO).await;
    scene.upstream.set(Mode::AddressOwner);
    scene.clock.advance(Duration::from_secs(2));
    let tried_again = scene.token(&grants, Duration::ZERO).await;

    assert!(matches!(lost, Err(NoToken::Later { .. })), "{lost:?}");
    assert!(
        matches!(tried_again, Err(NoToken::SignInAgain)),
        "{tried_again:?}"
    );
    assert_eq!(scene.upstream.calls(), 2);
}

#[tokio::test]
async fn a_provider_that_hangs_signs_nobody_out_however_long_and_heals_by_itself() {
    let scene = Scene::new().await;
    let grants = scene.process();
    scene.upstream.set(Mode::Hangs);
    scene.clock.advance(LIFETIME + Duration::from_secs(1));

    for second in 0..600 {
        let waiting = scene.token(&grants, Duration::ZERO).await;
        assert!(
            matches!(waiting, Err(NoToken::Later { .. })),
            "after {second} s: {waiting:?}"
        );
        scene.clock.advance(Duration::from_secs(1));
    }
    assert!(
        scene.upstream.calls() < 30,
        "{} calls",
        scene.upstream.calls()
    );

    scene.upstream.set(Mode::AddressOwner);
    scene.clock.advance(Duration::from_mins(1));
    let token = scene.token(&grants, Duration::ZERO).await;
    assert_eq!(token.expect("a token"), "access-1");
    assert_eq!(scene.upstream.state().reuses, 0);
}

#[tokio::test]
async fn a_process_that_died_with_the_lease_holds_nobody_up_for_long() {
    let scene = Scene::new().await;
    let now = scene.clock.now();
    let until = now.plus(Duration::from_secs(30));
    scene
        .store
        .claim_grant(scene.grant.id, "dead", now, until)
        .await
        .expect("a lease");
    scene.clock.advance(LIFETIME + Duration::from_secs(1));

    let token = scene.token(&scene.process(), Duration::ZERO).await;

    assert_eq!(token.expect("a token"), "access-1");
}

#[tokio::test]
async fn what_a_refresh_brings_for_a_grant_that_was_taken_back_meanwhile_is_revoked() {
    for is_deleted in [true, false] {
        let scene = Scene::new().await;
        let grants = scene.process();
        scene.clock.advance(LIFETIME + Duration::from_secs(1));
        let now = scene.clock.now();

        let (token, ()) = tokio::join!(scene.token(&grants, Duration::ZERO), async {
            scene.until_refreshing().await;
            let id = scene.grant.id;
            if is_deleted {
                scene.store.forget_grant(id, now).await.expect("deleted");
            } else {
                let demanded = scene.store.demand_sign_in(id, "demanded", now).await;
                demanded.expect("demanded");
            }
        });

        assert!(matches!(token, Err(NoToken::SignInAgain)), "{token:?}");
        assert_eq!(scene.upstream.revoked(), ["refresh-1"]);
    }
}

#[tokio::test]
async fn a_sign_in_during_a_refresh_wins_and_nothing_is_revoked() {
    let scene = Scene::new().await;
    let grants = scene.process();
    scene.clock.advance(LIFETIME + Duration::from_secs(1));

    let (token, _) = tokio::join!(scene.token(&grants, Duration::ZERO), async {
        scene.until_refreshing().await;
        scene.sign_in_again().await
    });

    assert_eq!(token.expect("that of the sign-in"), "access-90");
    // It may be of the same session at the provider.
    assert_eq!(scene.upstream.revoked(), Vec::<String>::new());
}

/// Taking a grant back waits for whoever has the lease, and the person may be back by then.
#[tokio::test]
async fn taking_a_grant_back_does_not_take_what_a_later_sign_in_brought() {
    let scene = Scene::new().await;
    let grants = scene.process();
    let now = scene.clock.now();
    let until = now.plus(LEASE_OF_THE_DEAD);
    let claimed = scene.store.claim_grant(scene.grant.id, "dead", now, until);
    claimed.await.expect("a lease");

    let (revoked, kept) =
        tokio::join!(grants.revoke(&scene.grant, Some(&*scene.upstream)), async {
            let mut waits = String::new();
            while !waits.ends_with("waits_total 1\n") {
                tokio::task::yield_now().await;
                waits.clear();
                grants.counts.write(&mut waits);
            }
            scene.sign_in_again().await
        });

    revoked.expect("the database");
    let found = scene.store.grant(scene.grant.id).await;
    assert_eq!(found.expect("the database"), Some(kept));
    assert_eq!(scene.upstream.revoked(), Vec::<String>::new());
}

/// The work of taking a grant back goes on in the background, and may come late.
#[tokio::test]
async fn what_came_along_with_a_later_sign_in_is_not_taken_back_either() {
    let scene = Scene::new().await;
    let kept = scene.sign_in_again().await;

    let grants = scene.process();
    let revoked = grants.revoke(&scene.grant, Some(&*scene.upstream)).await;

    revoked.expect("the database");
    let found = scene.store.grants_of(kept.user_id).await;
    assert_eq!(found.expect("the database").len(), 2);
    assert_eq!(scene.upstream.revoked(), Vec::<String>::new());
}

/// A process can be stopped at any moment for longer than its lease: by a debugger, a snapshot of its
/// machine, or a machine that sleeps.
#[tokio::test]
async fn a_process_that_lost_its_turn_without_knowing_sends_no_refresh_token() {
    /// Lets time pass in between, when it is asked for so many values.
    struct Interrupted(Arc<ManualClock>, AtomicUsize);

    impl Random for Interrupted {
        fn fill(&self, bytes: &mut [u8]) {
            if self.1.fetch_sub(1, SeqCst) == 0 {
                self.0.advance(LEASE_OF_THE_DEAD);
            }
            SystemRandom.fill(bytes);
        }
    }

    for values in 0..6 {
        let scene = Scene::new().await;
        scene.clock.advance(LIFETIME + Duration::from_secs(1));
        let mut upstream = Upstream::new(&scene.clock);
        upstream.turn = Some((Arc::clone(&scene.store), scene.grant.id));
        let random = Interrupted(Arc::clone(&scene.clock), AtomicUsize::new(values));
        let grants = Grants::new(
            Arc::clone(&scene.store),
            Arc::clone(&scene.clock) as _,
            Arc::new(random),
            KeyRing::parse(&scene.keys).expect("a key file"),
        );
        let now = scene.clock.now();
        let issuer = &scene.grant.issuer;
        // A provider that failed lately is what takes a value in the middle.
        grants
            .breakers
            .failed(issuer, now, Duration::ZERO, &SystemRandom);
        scene.clock.advance(Duration::from_secs(2));

        let fresh = grants.fresh(scene.grant.id, Duration::ZERO, None, &upstream);
        let _ = fresh.await;

        assert!(!upstream.state().came_late, "after {values} values");
    }
}

/// Two processes with the same keys in the two orders: each seals again what the other has just sealed,
/// so both always have something to do while a third one refreshes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sealing_again_under_load_never_brings_an_old_token_back() {
    const ROUNDS: usize = 1_000;
    let scene = Arc::new(Scene::new().await);
    scene.upstream.state().is_fast = true;
    let mut ring = KeyRing::parse(&scene.keys).expect("a key file");
    ring.rotate(&SystemRandom);
    let text = ring.to_text().expose().to_owned();
    let turned: Vec<_> = text.lines().rev().collect();
    let sealed = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let has_enough = |rows: &[AtomicUsize; 2]| rows.iter().all(|n| n.load(SeqCst) >= ROUNDS);
    let sealing = [text.clone(), turned.join("\n")].map(|keys| {
        let process = process(&scene.store, &scene.clock, &keys);
        let (number, sealed) = (usize::from(keys != text), Arc::clone(&sealed));
        tokio::spawn(async move {
            while !has_enough(&sealed) {
                let rows = process.seal_again().await.expect("sealed again");
                sealed[number].fetch_add(usize::try_from(rows).expect("few"), SeqCst);
                tokio::task::yield_now().await;
            }
        })
    });
    let refreshing = process(&scene.store, &scene.clock, &text);

    let mut round = 0;
    while round < ROUNDS || !has_enough(&sealed) {
        round += 1;
        scene.clock.advance(LIFETIME + Duration::from_secs(1));
        let token = scene.token(&refreshing, Duration::ZERO).await;
        assert_eq!(token.expect("a token"), format!("access-{round}"));
    }

    for process in sealing {
        process.await.expect("it did not panic");
    }
    assert_eq!(scene.upstream.state().reuses, 0);
}

#[tokio::test]
async fn what_was_sealed_again_opens_with_the_new_key_alone() {
    let scene = Scene::new().await;
    let mut ring = KeyRing::parse(&scene.keys).expect("a key file");
    ring.rotate(&SystemRandom);
    let sealing = process(&scene.store, &scene.clock, ring.to_text().expose());
    let before = scene.process();

    assert_eq!(sealing.seal_again().await.expect("sealed again"), 1);

    let grant = scene.store.grant(scene.grant.id).await;
    let grant = grant.expect("the database").expect("the grant");
    assert!(
        before.access_token_of(&grant).is_none(),
        "the old ring cannot open it any more"
    );
    assert!(sealing.access_token_of(&grant).is_some());
}

/// A process may have been started with another key file, by a mistake or before the file with the
/// new key has reached its machine.
#[tokio::test]
async fn sealing_again_without_the_key_leaves_what_it_cannot_open() {
    let scene = Scene::new().await;
    let other = KeyRing::generate(&SystemRandom).to_text();
    let stranger = process(&scene.store, &scene.clock, other.expose());

    assert_eq!(stranger.seal_again().await.expect("the database"), 0);

    let kept = scene.token(&scene.process(), Duration::ZERO).await;
    assert_eq!(kept.expect("a token"), "access-0");
}

#[tokio::test]
async fn the_id_token_of_a_session_is_sealed_for_it_and_sealed_again_with_a_new_key() {
    let scene = Scene::new().await;
    let old = scene.process();
    let open = async |grants: &Grants, session: &str| {
        let opened = grants.id_token_of_session(session).await;
        opened
            .expect("the database")
            .map(|token| token.expose().to_owned())
    };
    for session in ["s1", "s2"] {
        let token = old.seal_for_session("s1", &Secret::new("id token"));
        let new = NewSession {
            session_id: session.to_owned(),
            digest: jansky_crypto::token::digest_text(session),
            user_id: scene.grant.user_id,
            identity: None,
            provider: scene.grant.provider.clone(),
            created_at: scene.clock.now(),
            expires_at: scene.clock.now().plus(LIFETIME),
            provider_session: None,
            grant_id: None,
            id_token: Some(token),
            browser: None,
        };
        scene
            .store
            .create_session(new, None)
            .await
            .expect("a session");
    }
    assert_eq!(open(&old, "s1").await.as_deref(), Some("id token"));
    assert_eq!(
        open(&old, "s2").await,
        None,
        "it was sealed for another one"
    );

    let mut ring = KeyRing::parse(&scene.keys).expect("a key file");
    ring.rotate(&SystemRandom);
    let new = process(&scene.store, &scene.clock, ring.to_text().expose());
    let count = new.seal_again().await.expect("sealed again");

    assert_eq!(count, 2, "the grant and the session that opens");
    assert_eq!(open(&new, "s1").await.as_deref(), Some("id token"));
    assert_eq!(open(&old, "s1").await, None);
}

#[tokio::test]
async fn a_token_that_was_moved_to_another_row_or_whose_key_is_gone_means_a_sign_in() {
    let scene = Scene::new().await;
    let grants = scene.process();
    let other = Scene::sign_in(&scene.store, &scene.clock, &scene.keys, "wash").await;
    let moved = SealedTokens {
        access: other.tokens.access.clone(),
        ..other.tokens.clone()
    };
    let version = scene.grant.version;
    scene
        .store
        .replace_sealed(scene.grant.id, version, &moved)
        .await
        .expect("replaced");

    let swapped = scene.token(&grants, Duration::ZERO).await;
    let new_keys = KeyRing::generate(&SystemRandom)
        .to_text()
        .expose()
        .to_owned();
    let without_key = process(&scene.store, &scene.clock, &new_keys);
    let lost = without_key
        .fresh(other.id, Duration::ZERO, None, &*scene.upstream)
        .await;

    assert!(matches!(swapped, Err(NoToken::SignInAgain)), "{swapped:?}");
    assert!(matches!(lost, Err(NoToken::SignInAgain)));
    assert_eq!(scene.upstream.calls(), 0);
}
