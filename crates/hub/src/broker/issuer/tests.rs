//! The keys of the issuer, over time and across processes.

use jansky_crypto::SystemRandom;
use jansky_model::{ManualClock, Timestamp};

use jansky_crypto::SignatureAlgorithm;

use super::*;

const HOUR: Duration = Duration::from_hours(1);
const LIFETIME: Duration = Duration::from_hours(40);

/// One database and one time for several processes.
struct Scene {
    store: Arc<Store>,
    clock: Arc<ManualClock>,
    ring: String,
    _directory: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let url = format!("sqlite://{}", directory.path().join("keys.db").display());
        let ring = KeyRing::generate(&SystemRandom).to_text();
        Self {
            store: Arc::new(Store::open(&url).await.expect("a database")),
            clock: Arc::new(ManualClock::new(Timestamp::from_seconds(1_000_000))),
            ring: ring.expose().to_owned(),
            _directory: directory,
        }
    }

    fn process(&self) -> Issuer {
        self.process_with(&self.ring, SignatureAlgorithm::Es256)
    }

    fn process_with(&self, ring: &str, algorithm: SignatureAlgorithm) -> Issuer {
        let settings = IssuerSettings {
            key_lifetime: LIFETIME,
            algorithm,
            ..IssuerSettings::default()
        };
        Issuer::new(
            Arc::clone(&self.store),
            Arc::clone(&self.clock) as _,
            Arc::new(SystemRandom),
            Arc::new(KeyRing::parse(ring).expect("a key file")),
            settings,
        )
    }
}

async fn signs(issuer: &Issuer) -> String {
    let key = issuer.signing_key().await.expect("there is a key");
    key.id().to_owned()
}

async fn published(issuer: &Issuer) -> Vec<String> {
    let keys = issuer.published_keys().await.expect("there are keys");
    let ids = keys.iter().map(|key| key["kid"].as_str().expect("an id"));
    ids.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_begin_at_the_same_time_share_one_key() {
    let scene = Scene::new().await;
    let processes: Vec<_> = (0..4).map(|_| Arc::new(scene.process())).collect();

    let tasks = processes.iter().map(|process| {
        let process = Arc::clone(process);
        tokio::spawn(async move { signs(&process).await })
    });
    let mut ids = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        ids.push(task.await.expect("it did not panic"));
    }

    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(published(&scene.process()).await, ids);
}

#[tokio::test]
async fn the_next_key_is_published_before_it_signs_and_the_old_one_until_its_tokens_have_ended() {
    let scene = Scene::new().await;
    let (one, other) = (scene.process(), scene.process());
    let first = signs(&one).await;

    scene.clock.advance(LIFETIME.saturating_sub(HOUR));
    let second = published(&one).await.remove(0);
    let still = signs(&one).await;
    let known_elsewhere = published(&other).await;
    scene.clock.advance(HOUR);
    let now = [signs(&one).await, signs(&other).await];
    scene
        .clock
        .advance(LONGEST_TOKEN_LIFETIME.saturating_sub(Duration::from_secs(1)));
    let old_is_there = published(&other).await.contains(&first);
    scene.clock.advance(Duration::from_mins(2));
    let old_is_gone = !published(&other).await.contains(&first);

    assert_ne!(first, second);
    assert_eq!(still, first, "its time has not come");
    assert!(known_elsewhere.contains(&second), "in every process");
    assert_eq!(now, [second.clone(), second]);
    assert!(old_is_there && old_is_gone);
}

#[tokio::test]
async fn another_algorithm_and_a_lost_key_ring_make_a_new_key_and_break_no_token() {
    let scene = Scene::new().await;
    let first = signs(&scene.process()).await;

    let rsa = scene.process_with(&scene.ring, SignatureAlgorithm::Rs256);
    let second = signs(&rsa).await;
    let other_ring = KeyRing::generate(&SystemRandom).to_text();
    let lost = scene.process_with(other_ring.expose(), SignatureAlgorithm::Rs256);
    let third = signs(&lost).await;

    let ids = published(&lost).await;
    for id in [first, second, third] {
        assert!(ids.contains(&id), "{id} is published");
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_key_that_another_process_has_just_made_is_found_soon() {
    let scene = Scene::new().await;
    let (one, other) = (scene.process(), scene.process());
    signs(&one).await;
    let rsa = scene.process_with(&scene.ring, SignatureAlgorithm::Rs256);
    let new = signs(&rsa).await;

    signs(&other).await;
    scene.clock.advance(Duration::from_secs(6));
    let found = one.published_key(&new).await.expect("an answer");
    let unknown = one.published_key("nobody's").await.expect("an answer");

    assert!(found.is_some());
    assert!(unknown.is_none());
}

#[tokio::test]
async fn keys_are_sealed_again_with_the_active_key_of_the_ring() {
    let scene = Scene::new().await;
    let first = signs(&scene.process()).await;
    let mut ring = KeyRing::parse(&scene.ring).expect("a key file");
    ring.rotate(&SystemRandom);
    let active = ring.active_prefix();
    let text = ring.to_text().expose().to_owned();
    let process = scene.process_with(&text, SignatureAlgorithm::Es256);

    let count = process.seal_again().await.expect("sealed again");
    let again = process.seal_again().await.expect("sealed again");

    assert_eq!((count, again), (1, 0));
    let kept = scene.store.issuer_keys(Timestamp::from_seconds(0)).await;
    let sealed = kept.expect("an answer").remove(0).private_key;
    assert!(sealed.expect("a key").0.starts_with(&active));
    assert_eq!(signs(&process).await, first, "the same key");
}
