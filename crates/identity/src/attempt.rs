//! One sign-in on its way: what is remembered when the browser leaves, and what it brings back.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jansky_model::Secret;

use crate::error::{CallbackProblem, IdentityError};

/// A sign-in that the hub began. The hub makes it, keeps it server-side bound to the browser, and
/// gives it back once; the random strings hold at least 256 bits each.
#[derive(Clone)]
pub struct LoginAttempt {
    /// Names this attempt in the callback.
    pub state: String,
    /// Binds the ID token to this attempt.
    pub nonce: String,
    /// The PKCE verifier, 43 to 128 unreserved characters (RFC 7636).
    pub verifier: Secret,
    /// Where the browser comes back to; sent twice and compared by the provider.
    pub redirect_uri: String,
    /// What this attempt adds to the authorize request, such as `kc_idp_hint`. Only names that the
    /// provider's settings allow are sent.
    pub extra: BTreeMap<String, String>,
    /// Whether the provider is to ask the person to prove who they are, whatever session it has.
    pub reauthenticate: bool,
}

impl fmt::Debug for LoginAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginAttempt")
            .field("redirect_uri", &self.redirect_uri)
            .field("extra", &self.extra)
            .field("reauthenticate", &self.reauthenticate)
            .finish_non_exhaustive()
    }
}

/// What the browser brought back to the callback URL (RFC 6749 4.1.2, RFC 9207).
#[derive(Clone, Debug, Default)]
pub struct CallbackQuery {
    /// The authorization code.
    pub code: Option<Secret>,
    /// The state of the attempt that it answers.
    pub state: Option<String>,
    /// The issuer that answered.
    pub iss: Option<String>,
    /// The provider's error code.
    pub error: Option<String>,
    /// The provider's words about it: never shown, and only cleaned in a log.
    pub error_description: Option<String>,
}

impl CallbackQuery {
    /// Reads the query part of the callback URL; unknown parameters are ignored.
    ///
    /// # Errors
    /// [`IdentityError::InvalidCallback`] when a parameter is there twice.
    pub fn parse(query: &str) -> Result<Self, IdentityError> {
        let mut callback = Self::default();
        let mut code = None;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let slot = match &*name {
                "code" => &mut code,
                "state" => &mut callback.state,
                "iss" => &mut callback.iss,
                "error" => &mut callback.error,
                "error_description" => &mut callback.error_description,
                _ => continue,
            };
            if slot.replace(value.into_owned()).is_some() {
                return Err(CallbackProblem::RepeatedParameter.into());
            }
        }
        callback.code = code.map(Secret::new);
        Ok(callback)
    }
}

/// The S256 challenge of a PKCE verifier (RFC 7636 4.2): 43 characters.
pub fn code_challenge(verifier: &Secret) -> String {
    let hash = digest::digest(&digest::SHA256, verifier.expose().as_bytes());
    BASE64_URL_SAFE_NO_PAD.encode(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636_appendix_b() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

        assert_eq!(
            code_challenge(&verifier),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn a_callback_with_a_repeated_parameter_is_refused() {
        let twice = CallbackQuery::parse("code=a&state=b&code=c");

        assert!(matches!(
            twice,
            Err(IdentityError::InvalidCallback {
                reason: CallbackProblem::RepeatedParameter
            })
        ));
    }

    #[test]
    fn a_callback_is_decoded_and_its_code_hidden() {
        let query =
            CallbackQuery::parse("code=c%2B1&state=s+t&iss=https%3A%2F%2Fop&session_state=x")
                .expect("it is well formed");

        assert_eq!(query.code.as_ref().map(Secret::expose), Some("c+1"));
        assert_eq!(query.state.as_deref(), Some("s t"));
        assert_eq!(query.iss.as_deref(), Some("https://op"));
        assert!(!format!("{query:?}").contains("c+1"));
    }
}
