//! What makes a proof good once and for a short time: the nonces that this process gives out, and
//! the proofs that it has seen.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use jansky_crypto::MacKey;
use jansky_crypto::token::digest_text;
use jansky_model::Timestamp;

/// How long one nonce is given out, in seconds. It is taken for as long again.
const BUCKET: i64 = 60;

/// How many proofs are remembered for one nonce; more than a hub can check in its time.
const MOST: usize = 2_000_000;

/// Half a digest: enough to tell proofs apart.
type ProofDigest = [u8; 16];

/// Nonces are signed times, so that none is kept. Proofs that came with one are remembered for as
/// long as it is taken.
pub(super) struct Nonces {
    key: MacKey,
    seen: Mutex<[UsedProofs; 2]>,
}

#[derive(Default)]
struct UsedProofs {
    bucket: i64,
    proofs: HashSet<ProofDigest>,
}

/// What is wrong with the nonce or the use of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NonceProblem {
    Nonce,
    Used,
}

impl Nonces {
    pub(super) fn new(key: MacKey) -> Self {
        Self {
            key,
            seen: Mutex::default(),
        }
    }

    /// The nonce that is given out now.
    pub(super) fn current(&self, now: Timestamp) -> String {
        self.of(now.seconds().div_euclid(BUCKET))
    }

    fn of(&self, bucket: i64) -> String {
        self.key.sign(&["dpop-nonce", &bucket.to_string()])
    }

    /// The bucket of a nonce that is taken now.
    fn bucket_of(&self, nonce: &str, now: Timestamp) -> Option<i64> {
        let bucket = now.seconds().div_euclid(BUCKET);
        [bucket, bucket - 1]
            .into_iter()
            .find(|bucket| jansky_crypto::token::equal(nonce, &self.of(*bucket)))
    }

    /// Takes a proof that holds otherwise, once. `key` is the fingerprint of its key.
    pub(super) fn take(
        &self,
        nonce: Option<&str>,
        key: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<(), NonceProblem> {
        let bucket = nonce.and_then(|nonce| self.bucket_of(nonce, now));
        let bucket = bucket.ok_or(NonceProblem::Nonce)?;
        let digest = digest_text(&format!("{key}\n{id}"));
        let mut trace = ProofDigest::default();
        trace.copy_from_slice(&digest[..16]);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let [even, odd] = &mut *seen;
        let place = if bucket % 2 == 0 { even } else { odd };
        if place.bucket < bucket {
            *place = UsedProofs {
                bucket,
                proofs: HashSet::new(),
            };
        }
        // A nonce of the time before, while the present one is used by others already.
        let is_new =
            place.bucket == bucket && place.proofs.len() < MOST && place.proofs.insert(trace);
        if is_new {
            Ok(())
        } else {
            Err(NonceProblem::Used)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 + seconds)
    }

    #[test]
    fn a_nonce_is_taken_for_one_to_two_minutes() {
        let nonces = Nonces::new(MacKey::from_bytes(&[1; 32]));
        let nonce = nonces.current(at(0));

        let take = |id: &str, seconds| nonces.take(Some(&nonce), "key", id, at(seconds));
        assert_eq!(take("1", 0), Ok(()));
        assert_eq!(take("2", 119), Ok(()));
        assert_eq!(take("3", 120), Err(NonceProblem::Nonce));
        let now = at(0);
        assert_eq!(nonces.take(None, "key", "4", now), Err(NonceProblem::Nonce));
        assert_eq!(
            nonces.take(Some(""), "key", "4", now),
            Err(NonceProblem::Nonce)
        );
        let other = Nonces::new(MacKey::from_bytes(&[2; 32]));
        let stale = other.take(Some(&nonce), "key", "4", now);
        assert_eq!(stale, Err(NonceProblem::Nonce), "another process");
    }

    #[test]
    fn a_proof_is_good_once_for_as_long_as_its_nonce_is() {
        let nonces = Nonces::new(MacKey::from_bytes(&[1; 32]));
        let nonce = nonces.current(at(0));

        let take = |key: &str, id: &str, seconds| nonces.take(Some(&nonce), key, id, at(seconds));
        assert_eq!(take("key", "1", 0), Ok(()));
        for seconds in [0, 30, 60, 119] {
            assert_eq!(
                take("key", "1", seconds),
                Err(NonceProblem::Used),
                "{seconds} s"
            );
        }
        assert_eq!(take("other", "1", 60), Ok(()));
        let next = nonces.current(at(60));
        assert_eq!(nonces.take(Some(&next), "key", "1", at(61)), Ok(()));
        assert_eq!(take("key", "1", 61), Err(NonceProblem::Used));
    }
}
