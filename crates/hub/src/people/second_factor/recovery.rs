//! Recovery codes: for the day on which the app is gone. Each works once.

use jansky_crypto::{Random, digest};
use jansky_model::Secret;
use jansky_store::Digest;

/// How many there are.
const COUNT: usize = 10;

/// Letters and digits that nobody takes for each other, 32 of them.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// How many of them a code has: 80 random bits, so that a plain digest is enough.
const LENGTH: usize = 16;

/// Between so many there is a hyphen.
const GROUP: usize = 4;

/// Makes recovery codes, as people see them.
pub(super) fn generate(random: &dyn Random) -> Vec<Secret> {
    (0..COUNT).map(|_| one(random)).collect()
}

fn one(random: &dyn Random) -> Secret {
    let mut bytes = [0; LENGTH];
    random.fill(&mut bytes);
    let mut text = String::with_capacity(LENGTH + LENGTH / GROUP);
    for (index, byte) in bytes.into_iter().enumerate() {
        if index > 0 && index.is_multiple_of(GROUP) {
            text.push('-');
        }
        text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
    }
    Secret::new(text)
}

/// The digest of what somebody typed, if it looks like a recovery code.
pub(super) fn digest_of(typed: &Secret) -> Option<Digest> {
    let plain = typed.expose().chars();
    let plain = plain.filter(|c| !c.is_whitespace() && *c != '-');
    let plain = Secret::new(plain.collect::<String>().to_lowercase());
    (plain.expose().len() == LENGTH).then(|| digest(&plain))
}

/// The digests under which codes are kept.
pub(super) fn digests(codes: &[Secret]) -> Vec<Digest> {
    codes.iter().filter_map(digest_of).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jansky_crypto::SystemRandom;

    use super::*;

    #[test]
    fn ten_codes_differ_and_are_found_again_however_they_are_typed() {
        let codes = generate(&SystemRandom);

        let kept: BTreeSet<Digest> = digests(&codes).into_iter().collect();
        assert_eq!(kept.len(), 10);
        for code in &codes {
            let text = code.expose();
            assert_eq!(text.len(), 19, "{text}");
            for typed in [
                text.to_owned(),
                text.to_uppercase(),
                text.replace('-', " "),
                format!(" {} ", text.replace('-', "")),
            ] {
                let digest = digest_of(&Secret::new(typed)).expect("it looks like one");
                assert!(kept.contains(&digest));
            }
        }
    }

    #[test]
    fn the_code_of_an_app_does_not_look_like_one() {
        for typed in [
            "123456",
            "123 456",
            "",
            "abcd-efgh-ijkl-mno",
            &"x".repeat(1000),
        ] {
            assert_eq!(digest_of(&Secret::new(typed)), None, "{typed}");
        }
    }
}
