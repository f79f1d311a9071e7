//! The randomness of the machine.

use jansky_model::Random;

/// The randomness of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the machine for randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the machine's random generator does not fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_secrets_differ_and_keep_their_prefix() {
        let first = SystemRandom.secret("jky_");
        let second = SystemRandom.secret("jky_");

        assert!(first.expose().starts_with("jky_"));
        assert_eq!(first.expose().len(), 47);
        assert!(first != second);
        assert_eq!(SystemRandom.hex_id().len(), 32);
    }
}
