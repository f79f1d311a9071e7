//! Why a sign-in did not work: one text for the log, another for the person.

use std::time::Duration;

use crate::claim_rules::Unreadable;
use crate::oidc::SigningAlgorithm;

/// Why a provider could not say who is at the browser.
///
/// The display text is for the operator's log and never holds a token, a code or a secret; text
/// that came from outside is cleaned first. [`IdentityError::public`] is for the person.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The provider cannot be reached or is in trouble; trying again may help.
    #[error("identity provider is unavailable: {context}")]
    Unavailable {
        /// What happened.
        context: String,
        /// When trying again makes sense.
        retry: Duration,
        /// The cause, if it was the network.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The provider did not answer in time.
    #[error("{endpoint} endpoint of the identity provider did not answer in time")]
    Timeout {
        /// Which endpoint.
        endpoint: &'static str,
        /// The cause.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The provider publishes another issuer than the configuration names.
    #[error("issuer is `{found}` where `{expected}` is configured; make them equal to the letter")]
    IssuerMismatch {
        /// The issuer in the configuration.
        expected: String,
        /// The issuer that the provider published.
        found: String,
    },
    /// The person or the provider said no (`access_denied`, `login_required`…).
    #[error("provider answered `{code}` to the authorize request ({context})")]
    Denied {
        /// The provider's error code, cleaned.
        code: String,
        /// Its description, cleaned.
        context: String,
    },
    /// The provider does not accept our request (`invalid_scope`, `unauthorized_client`…): the
    /// configuration has to change.
    #[error("{endpoint} endpoint answered `{code}` ({context})")]
    Refused {
        /// Which endpoint.
        endpoint: &'static str,
        /// The provider's error code, cleaned.
        code: String,
        /// Its description, cleaned.
        context: String,
    },
    /// What the browser brought back does not belong to this sign-in.
    #[error("callback refused: {reason}")]
    InvalidCallback {
        /// What is wrong with it.
        reason: CallbackProblem,
    },
    /// A token or the userinfo answer failed a check.
    #[error("token of the provider refused: {reason}")]
    InvalidToken {
        /// Which check.
        reason: TokenProblem,
    },
    /// The provider does not know our client id or any of our secrets.
    #[error("provider refused the client's credentials; check `client_id` and `client_secret`")]
    InvalidClient,
    /// The code or refresh token is used up, expired or revoked: the person signs in again.
    #[error("provider answered `invalid_grant` ({context})")]
    InvalidGrant {
        /// The provider's description, cleaned.
        context: String,
    },
    /// The provider's answer is not what the standard says.
    #[error("{endpoint} endpoint gave an unusable answer: {reason}")]
    BadAnswer {
        /// Which endpoint.
        endpoint: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The provider did what was asked, as far as one can tell, and its answer is unusable.
    #[error("{endpoint} endpoint gave an answer that is lost: {reason}")]
    AnswerLost {
        /// Which endpoint.
        endpoint: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// Wrong name or wrong password (form sign-in).
    #[error("wrong name or password")]
    InvalidCredentials,
    /// Name and password are right, but the account may not be used: expired or locked, or the
    /// password has to be changed first.
    #[error("account cannot be used: {context}")]
    AccountUnusable {
        /// Why, for the operator.
        context: String,
    },
    /// Somebody who is not the trusted proxy says who is there.
    #[error(
        "request from {peer} says in `{header}` who is there, and {peer} is not trusted to; add it \
         to `trusted_addresses` if it is your proxy"
    )]
    UntrustedProxy {
        /// The other end of the connection.
        peer: std::net::IpAddr,
        /// The header with the name.
        header: String,
    },
    /// The trusted proxy did not say who is there, or not clearly.
    #[error("trusted proxy does not say who is there: {reason}")]
    NotTold {
        /// What is wrong.
        reason: String,
    },
}

impl IdentityError {
    /// A sentence for the person. Holds nothing that came from outside.
    pub fn public(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => {
                "The sign-in service cannot be reached at the moment. Please try again in a minute."
            }
            Self::Timeout { .. } => {
                "The sign-in service took too long to answer. Please try again."
            }
            Self::IssuerMismatch { .. } | Self::InvalidClient | Self::Refused { .. } => {
                "This way to sign in is not set up correctly. Please tell the administrator."
            }
            Self::Denied { .. } => {
                "The sign-in was cancelled or refused by the sign-in service. You can try again."
            }
            Self::InvalidCallback { .. } | Self::InvalidGrant { .. } => {
                "This sign-in is no longer valid. Please start again from the sign-in page."
            }
            Self::InvalidToken {
                reason: TokenProblem::UnknownKey | TokenProblem::OtherKey { .. },
            } => {
                "The answer of the sign-in service is signed with a key that does not fit those \
                 that it publishes. Please try again in half a minute, and tell the administrator \
                 if it happens again."
            }
            Self::InvalidToken { .. } | Self::BadAnswer { .. } | Self::AnswerLost { .. } => {
                "The answer of the sign-in service could not be trusted. Please tell the \
                 administrator if this happens again."
            }
            Self::InvalidCredentials => "Wrong name or password.",
            Self::AccountUnusable { .. } => {
                "This account cannot be used at the moment: it may have expired, or its password \
                 must be changed first. Please ask the people who run it."
            }
            Self::UntrustedProxy { .. } | Self::NotTold { .. } => {
                "This way to sign in works only through the front door of this site, which did not \
                 say clearly who you are. Please begin at its usual address, or tell the \
                 administrator."
            }
        }
    }

    /// One word for metrics, tests and audit.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Timeout { .. } => "timeout",
            Self::IssuerMismatch { .. } => "issuer_mismatch",
            Self::Denied { .. } => "denied",
            Self::Refused { .. } => "refused",
            Self::InvalidCallback { .. } => "invalid_callback",
            Self::InvalidToken { .. } => "invalid_token",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant { .. } => "invalid_grant",
            Self::BadAnswer { .. } => "bad_answer",
            Self::AnswerLost { .. } => "answer_lost",
            Self::InvalidCredentials => "invalid_credentials",
            Self::AccountUnusable { .. } => "account_unusable",
            Self::UntrustedProxy { .. } => "untrusted_proxy",
            Self::NotTold { .. } => "not_told",
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Timeout { .. })
    }
}

impl From<CallbackProblem> for IdentityError {
    fn from(reason: CallbackProblem) -> Self {
        Self::InvalidCallback { reason }
    }
}

impl From<TokenProblem> for IdentityError {
    fn from(reason: TokenProblem) -> Self {
        Self::InvalidToken { reason }
    }
}

/// What is wrong with a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackProblem {
    /// A parameter is there twice.
    #[error("a parameter is given more than once")]
    RepeatedParameter,
    /// `state` is missing or is that of another attempt.
    #[error("`state` is missing or belongs to another sign-in")]
    WrongState,
    /// `iss` is missing although the provider advertises it.
    #[error("`iss` is missing although the provider announces it (RFC 9207)")]
    MissingIssuer,
    /// `iss` names another issuer: the answer of one provider was sent to another's callback.
    #[error("`iss` names another issuer (RFC 9207)")]
    WrongIssuer,
    /// Neither `code` nor `error` is there.
    #[error("`code` is missing")]
    MissingCode,
}

/// Which check a token or userinfo answer failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// The provider sent no ID token.
    #[error("the provider sent none")]
    Missing,
    /// It is not a signed JWT with a JSON object in it.
    #[error(
        "it is not a signed JWT: three parts in base64url, of which the first two are JSON objects"
    )]
    Malformed,
    /// It is longer than anything that is read.
    #[error("it has {bytes} bytes where at most {most} are read")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        most: usize,
    },
    /// Something in it is not of the expected type.
    #[error("{0}")]
    Unreadable(Unreadable),
    /// Something that has to be there is not.
    #[error("`{0}` is missing")]
    NotSaid(&'static str),
    /// Its algorithm is not accepted: `none`, `HS*` or one that the settings leave out.
    #[error("its algorithm is not accepted")]
    Algorithm,
    /// It has header fields that change its meaning (`crit`) or the `typ` of another kind of token.
    #[error("its header is that of another kind of token")]
    Header,
    /// No key of the provider fits its `kid` and algorithm.
    #[error("the provider publishes no key for it")]
    UnknownKey,
    /// The key with its `kid` is for something else.
    #[error(
        "it is signed with {token}, and the provider publishes the key that it names for {key}"
    )]
    OtherKey {
        /// The algorithm of the token.
        token: SigningAlgorithm,
        /// What the key is for, cleaned.
        key: String,
    },
    /// The signature is wrong.
    #[error("its signature is wrong")]
    Signature,
    /// `iss` is not the configured issuer.
    #[error("`iss` is not the configured issuer")]
    Issuer,
    /// `aud` does not hold our client id.
    #[error("`aud` does not hold the client id")]
    Audience,
    /// `azp` is missing beside several audiences, or is not our client id.
    #[error("`azp` is not the client id")]
    AuthorizedParty,
    /// `exp` is in the past, or `iat` is too long ago.
    #[error("it has expired")]
    Expired,
    /// `nbf` or `iat` is in the future.
    #[error("`nbf` or `iat` lies in the future; compare the clocks")]
    NotYetValid,
    /// `nonce` is missing or that of another attempt.
    #[error("`nonce` is not that of this sign-in")]
    Nonce,
    /// `at_hash` does not fit the access token.
    #[error("`at_hash` does not fit the access token")]
    AccessTokenHash,
    /// A logout token has a `nonce`, which only ID tokens have.
    #[error("it has a `nonce`, which logout tokens must not have")]
    NonceInLogoutToken,
    /// `events` does not say that it is a logout token.
    #[error("`events` does not hold the logout event")]
    NoLogoutEvent,
    /// `events` of a security event token is not a JSON object with something in it.
    #[error("`events` is missing or no object with events in it")]
    NoEvents,
    /// A security event is about something that cannot be found here.
    #[error("the subject of the event is missing or of a form that is not supported")]
    EventSubject,
    /// A token without `jti` could be used again and again.
    #[error("`jti` is missing")]
    NoTokenId,
    /// A logout token names neither a person nor a session.
    #[error("neither `sub` nor `sid` is there")]
    NobodyToLogOut,
    /// `sub` cannot name a person.
    #[error("`sub` is empty, longer than 255 bytes, or has a control character")]
    Subject,
    /// `sub` names somebody else than the sign-in did.
    #[error("`sub` is another one than that of the sign-in")]
    OtherSubject,
}

/// Makes text from outside fit for a log: one line, printable, short, `secrets` and everything that
/// looks like a token masked.
pub(crate) fn clean(text: &str, secrets: &[&str]) -> String {
    const LONGEST_WORD: usize = 24;
    const LONGEST_TEXT: usize = 200;
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "…");
    }
    let mut cleaned = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        if cleaned.len() > LONGEST_TEXT {
            cleaned.push('…');
            break;
        }
        if !cleaned.is_empty() {
            cleaned.push(' ');
        }
        if word.chars().count() > LONGEST_WORD {
            cleaned.push('…');
        } else {
            cleaned.extend(word.chars().map(|c| {
                if c.is_ascii_graphic() || c == '…' {
                    c
                } else {
                    '?'
                }
            }));
        }
    }
    cleaned
}

/// Makes a URL from outside fit for a log: one line, printable, short.
pub(crate) fn clean_url(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_graphic)
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_one_short_line_without_tokens() {
        let text = "bad\r\ncode eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.c2ln for s3cret \u{1b}[31m";

        assert_eq!(clean(text, &["s3cret"]), "bad code … for … [31m");
        assert!(clean(&"word ".repeat(1000), &[]).len() < 250);
    }
}
