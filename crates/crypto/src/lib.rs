//! The few cryptographic operations of Jansky, each in one place.
//!
//! Everything rests on aws-lc-rs (which rustls uses too), on argon2 for passwords and on totp-rs for the
//! codes of apps.
//!
//! May use `model` alone. No other crate calls a primitive; what TLS and tokens of others need stays in the
//! libraries for those.
//!
//! What holds everywhere: randomness is handed in; what is compared with a secret is compared in constant
//! time; and what is sealed opens in its own row and column only.

pub mod dpop;
pub mod mac;
pub mod password;
pub mod random;
pub mod sealed;
pub mod signing;
pub mod token;
pub mod totp;

// With its source, so that who needs the machine's randomness finds both in one place.
pub use jansky_model::Random;

pub use mac::MacKey;
pub use random::SystemRandom;
pub use sealed::{KeyRing, OpenError, Place};
pub use signing::{SignatureAlgorithm, SigningKey};
pub use token::{Digest, digest};
