//! What a proof is good for, and all that it is not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jansky_model::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::SystemRandom;

const URL: &str = "https://hub.test/hub/broker/v1/token";
const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

fn request() -> Request<'static> {
    Request {
        method: "POST",
        url: URL,
        token: Some("session"),
        nonce: Some("nonce"),
        at: NOW,
    }
}

fn judge(proof: &str) -> Result<CheckedProof, ProofProblem> {
    judge_at(proof, NOW)
}

fn judge_at(proof: &str, now: Timestamp) -> Result<CheckedProof, ProofProblem> {
    let urls = ["http://127.0.0.1:8000/other".to_owned(), URL.to_owned()];
    check(
        proof,
        &Expected {
            method: "POST",
            urls: &urls,
            token: Some("session"),
            now,
        },
    )
}

fn claims() -> Value {
    json!({
        "jti": "one", "htm": "POST", "htu": URL, "iat": NOW.seconds(),
        "ath": token_hash("session"), "nonce": "nonce",
    })
}

#[test]
fn a_proof_shows_the_key_its_name_and_its_nonce() {
    let key = ProofKey::generate();

    let checked = judge(&key.prove(&SystemRandom, request())).expect("it holds");

    assert_eq!(checked.thumbprint, key.thumbprint());
    assert_eq!(checked.nonce.as_deref(), Some("nonce"));
    assert_eq!(checked.id.len(), 32);
    assert!(ProofKey::generate().thumbprint() != key.thumbprint());
}

#[test]
fn query_and_fragment_and_the_case_of_the_host_do_not_matter() {
    let key = ProofKey::generate();
    for url in [
        "https://hub.test/hub/broker/v1/token?audience=a#b",
        "HTTPS://HUB.test/hub/broker/v1/token",
    ] {
        let proof = key.prove(&SystemRandom, Request { url, ..request() });
        assert!(judge(&proof).is_ok(), "{url}");
    }
}

#[test]
fn a_proof_is_for_one_method_one_address_one_token_and_one_minute() {
    let key = ProofKey::generate();
    let prove = |request| key.prove(&SystemRandom, request);
    let other = |url| Request { url, ..request() };
    let cases = [
        (
            Request {
                method: "GET",
                ..request()
            },
            ProofProblem::Method,
        ),
        (
            other("https://hub.test/hub/broker/v1/enroll"),
            ProofProblem::Address,
        ),
        (
            other("https://hub.test/HUB/broker/v1/token"),
            ProofProblem::Address,
        ),
        (
            other("http://hub.test/hub/broker/v1/token"),
            ProofProblem::Address,
        ),
        (
            other("https://hub.test:1/hub/broker/v1/token"),
            ProofProblem::Address,
        ),
        (other("token"), ProofProblem::Address),
        (
            Request {
                token: Some("another"),
                ..request()
            },
            ProofProblem::Token,
        ),
        (
            Request {
                token: None,
                ..request()
            },
            ProofProblem::Token,
        ),
    ];
    for (request, problem) in cases {
        assert_eq!(judge(&prove(request)), Err(problem), "{request:?}");
    }
    let proof = prove(request());
    for (seconds, holds) in [(-61, false), (-60, true), (60, true), (61, false)] {
        let now = Timestamp::from_seconds(NOW.seconds() + seconds);
        assert_eq!(judge_at(&proof, now).is_ok(), holds, "{seconds} s");
    }
}

#[test]
fn what_is_changed_after_signing_does_not_hold() {
    let key = ProofKey::generate();
    let proof = key.prove(&SystemRandom, request());
    let parts: Vec<&str> = proof.split('.').collect();
    let mut changed = claims();
    changed["jti"] = json!("two");
    let payload = URL_SAFE_NO_PAD.encode(changed.to_string());
    let other = ProofKey::generate().prove(&SystemRandom, request());
    let others: Vec<&str> = other.split('.').collect();

    for forged in [
        format!("{}.{payload}.{}", parts[0], parts[2]),
        format!("{}.{}.{}", others[0], parts[1], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], others[2]),
    ] {
        assert_eq!(judge(&forged), Err(ProofProblem::Signature));
    }
}

#[test]
fn only_public_keys_on_p256_with_es256_are_taken() {
    let key = ProofKey::generate();
    let proof = key.prove(&SystemRandom, request());
    let header = URL_SAFE_NO_PAD
        .decode(proof.split('.').next().expect("a header"))
        .expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut header = header.clone();
        change(&mut header);
        key.sign_with(&URL_SAFE_NO_PAD.encode(header.to_string()), &claims())
    };

    assert!(judge(&with(&|_| {})).is_ok());
    for change in [
        &(|h: &mut Value| h["alg"] = json!("none")) as &dyn Fn(&mut Value),
        &|h: &mut Value| h["alg"] = json!("HS256"),
        &|h: &mut Value| h["typ"] = json!("jwt"),
        &|h: &mut Value| h["crit"] = json!(["b64"]),
        &|h: &mut Value| h["jwk"]["kty"] = json!("oct"),
        &|h: &mut Value| h["jwk"]["crv"] = json!("P-384"),
        &|h: &mut Value| h["jwk"]["d"] = json!("AAAA"),
    ] {
        assert_eq!(judge(&with(change)), Err(ProofProblem::Kind));
    }
    for change in [
        &(|h: &mut Value| h["jwk"]["x"] = json!("AAAA")) as &dyn Fn(&mut Value),
        &|h: &mut Value| h["jwk"] = json!({}),
        &|h: &mut Value| h["jwk"]["y"] = json!(7),
    ] {
        assert_eq!(judge(&with(change)), Err(ProofProblem::Malformed));
    }
    // A point that is not on the curve.
    let zero = URL_SAFE_NO_PAD.encode([0; 32]);
    let off_curve = with(&|h: &mut Value| h["jwk"]["x"] = json!(zero));
    assert_eq!(judge(&off_curve), Err(ProofProblem::Signature));
}

#[test]
fn a_fingerprint_is_that_of_rfc_7638() {
    // The key of RFC 7517 appendix A.1, whose fingerprint others computed, too.
    let made = thumbprint(
        "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    );

    assert_eq!(made, "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
}

proptest::proptest! {
    #[test]
    fn nonsense_is_refused_without_a_panic(text in "[ -~]{0,200}") {
        proptest::prop_assert!(judge(&text).is_err());
    }

    #[test]
    fn nonsense_in_three_parts_is_refused(a in "\\PC{0,60}", b in "\\PC{0,60}", c in "[A-Za-z0-9_-]{0,90}") {
        let text = format!("{}.{}.{c}", URL_SAFE_NO_PAD.encode(a), URL_SAFE_NO_PAD.encode(b));
        proptest::prop_assert!(judge(&text).is_err());
    }
}
