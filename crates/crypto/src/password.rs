//! Password hashes: argon2id with the parameters that OWASP asks for.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use jansky_model::Secret;

use crate::Random;

/// Memory in KiB, passes and lanes: 19 MiB, 2, 1.
const PARAMETERS: (u32, u32, u32) = (19 * 1024, 2, 1);

fn hasher() -> Argon2<'static> {
    let (memory, passes, lanes) = PARAMETERS;
    let parameters =
        Params::new(memory, passes, lanes, None).expect("the constants are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
}

/// Hashes a password with a fresh salt, as a PHC string. Takes some 20 ms: call it off the event
/// loop.
pub fn hash(password: &Secret, random: &dyn Random) -> String {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    hasher()
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .expect("a salt of 16 bytes and a password of any length can be hashed")
        .to_string()
}

/// Whether `password` has this hash. Without a hash it takes as long and is false, so that the
/// time of the answer does not tell whether an account exists.
pub fn verify(password: &Secret, hash: Option<&str>, random: &dyn Random) -> bool {
    let Some(parsed) = hash.and_then(|hash| PasswordHash::new(hash).ok()) else {
        let _ = self::hash(password, random);
        return false;
    };
    hasher()
        .verify_password(password.expose().as_bytes(), &parsed)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemRandom;

    #[test]
    fn only_the_right_password_verifies() {
        let hash = hash(&Secret::new("sea shanty"), &SystemRandom);

        assert!(hash.starts_with("$argon2id$"));
        assert!(verify(
            &Secret::new("sea shanty"),
            Some(&hash),
            &SystemRandom
        ));
        assert!(!verify(
            &Secret::new("sea shanties"),
            Some(&hash),
            &SystemRandom
        ));
        assert!(!verify(&Secret::new("sea shanty"), None, &SystemRandom));
        assert!(!verify(
            &Secret::new("sea shanty"),
            Some("nonsense"),
            &SystemRandom
        ));
    }
}
