//! What a provider says about a person.

use jansky_model::{ProviderId, Secret, Timestamp};
use serde_json::Value;

use crate::error::TokenProblem;
use crate::oidc::{needed_text, time, token_claims};

/// Claims as the provider sent them.
pub type Claims = serde_json::Map<String, Value>;

/// A person as a provider knows them.
#[derive(Clone, Debug)]
pub struct ExternalIdentity {
    /// The configured provider that vouches for this.
    pub provider: ProviderId,
    /// The issuer; together with [`ExternalIdentity::subject`] the person's lasting identity.
    pub issuer: String,
    /// The issuer's name for the person, which never changes and is never given to another.
    pub subject: String,
    /// All claims, those of the ID token about itself (`iss`, `aud`, `exp`, `sid`…) included. The
    /// person may be able to edit some, the name among them: it is a wish, never a key.
    pub claims: Claims,
    /// The tokens that came with the sign-in.
    pub tokens: UpstreamTokens,
}

impl ExternalIdentity {
    /// When the person last showed the provider who they are (`auth_time`, OpenID Connect Core 2);
    /// `None` when it does not say so, or not as a time.
    pub fn signed_in_at(&self) -> Option<Timestamp> {
        time(&self.claims, "auth_time").ok()?
    }

    /// A person of whom a provider without tokens says a name and groups: these are put into the
    /// claims that a provider with tokens would send. `groups` is `None` where nothing is known
    /// about them.
    pub(crate) fn named(
        provider: &ProviderId,
        issuer: &str,
        subject: &str,
        username: Option<&str>,
        groups: Option<Value>,
    ) -> Self {
        let standard = [
            ("iss", Some(issuer.into())),
            ("sub", Some(subject.into())),
            ("preferred_username", Some(username.into())),
            ("groups", groups),
        ];
        let said = standard
            .into_iter()
            .filter_map(|(claim, value)| Some((claim.to_owned(), value?)));
        Self {
            provider: provider.clone(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            claims: said.collect(),
            tokens: UpstreamTokens::none(),
        }
    }

    /// Adds a claim with a text, if there is one.
    pub(crate) fn with_text(mut self, claim: &str, text: Option<&str>) -> Self {
        if let Some(text) = text {
            self.claims.insert(claim.to_owned(), text.into());
        }
        self
    }
}

/// Tokens of an upstream provider.
#[derive(Clone, Debug)]
pub struct UpstreamTokens {
    /// The access token.
    pub access: Secret,
    /// The refresh token, if the provider gave one.
    pub refresh: Option<Secret>,
    /// The ID token, which ends the session at the provider later (`id_token_hint`).
    pub id_token: Option<Secret>,
    /// When the access token ends, counted from before the request that brought it; `None` if the
    /// provider did not say.
    pub expires_at: Option<Timestamp>,
    /// The scope that was granted, if the provider named it.
    pub scope: Option<String>,
    /// Tokens for other services that came along, as Globus sends them.
    pub other: Vec<ServiceTokens>,
}

impl UpstreamTokens {
    /// What a provider brings that knows no tokens, such as a directory.
    pub fn none() -> Self {
        Self {
            access: Secret::new(""),
            refresh: None,
            id_token: None,
            expires_at: None,
            scope: None,
            other: Vec::new(),
        }
    }

    /// Whether there is nothing to keep.
    pub fn is_none(&self) -> bool {
        self.access.expose().is_empty() && self.refresh.is_none() && self.other.is_empty()
    }

    /// Checks that refreshed tokens still speak of `subject`, as far as they say: an ID token is
    /// read, without its signature, since it came from the provider itself over TLS (OpenID
    /// Connect Core 3.1.3.7, 6). Asks nobody, so that it can come before the tokens are stored.
    ///
    /// # Errors
    /// [`TokenProblem::OtherSubject`] when the ID token is about somebody else, and what else keeps
    /// one from telling whom it is about.
    pub fn check_subject(&self, subject: &str) -> Result<(), TokenProblem> {
        let Some(token) = &self.id_token else {
            return Ok(());
        };
        let claims = token_claims(token).ok_or(TokenProblem::Malformed)?;
        let found = needed_text(&claims, "sub")?;
        let is_same = found == subject;
        is_same.then_some(()).ok_or(TokenProblem::OtherSubject)
    }
}

/// Tokens for one more service, with a life of their own: each is refreshed by itself.
#[derive(Clone, Debug)]
pub struct ServiceTokens {
    /// The name of the service (`resource_server`), such as `transfer.api.globus.org`.
    pub service: String,
    /// The access token.
    pub access: Secret,
    /// The refresh token, if the provider gave one.
    pub refresh: Option<Secret>,
    /// When the access token ends, as in [`UpstreamTokens::expires_at`].
    pub expires_at: Option<Timestamp>,
    /// The scope that was granted, if the provider named it.
    pub scope: Option<String>,
}

/// Finds a claim by its name, or by a path with dots such as `realm_access.roles`. Names may hold
/// dots themselves, as URLs and the ids of clients do: the longest name that fits comes first.
pub fn claim_at<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    prefixes(path).find_map(|(name, rest)| claim_at(claims.get(name)?.as_object()?, rest))
}

/// The ways to cut a path in two at a dot, the longest first part first.
pub(crate) fn prefixes(path: &str) -> impl Iterator<Item = (&str, &str)> {
    path.rmatch_indices('.')
        .map(|(dot, _)| (&path[..dot], &path[dot + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_found_by_its_name_before_its_path() {
        let claims = serde_json::json!({
            "https://example.org/name": "river",
            "realm_access": { "roles": ["staff"] },
            "a.b": 1,
            "a": { "b": 2 },
        });
        let claims = claims.as_object().expect("it is an object");

        assert_eq!(
            claim_at(claims, "https://example.org/name"),
            Some(&"river".into())
        );
        assert_eq!(claim_at(claims, "realm_access.roles.0"), None);
        assert_eq!(
            claim_at(claims, "realm_access.roles"),
            Some(&serde_json::json!(["staff"]))
        );
        assert_eq!(claim_at(claims, "a.b"), Some(&1.into()));
        assert_eq!(claim_at(claims, "a.c"), None);
    }

    #[test]
    fn a_part_of_a_path_may_have_dots_itself() {
        let claims = serde_json::json!({
            "resource_access": { "jupyter.example.org": { "roles": ["staff"] }, "account": {} },
            "https://example.org/claims": { "groups": ["radio"] },
            "a": { "b.c": 1 },
            "a.b": { "d": 2 },
        });
        let claims = claims.as_object().expect("it is an object");

        for (path, value) in [
            (
                "resource_access.jupyter.example.org.roles",
                serde_json::json!(["staff"]),
            ),
            (
                "https://example.org/claims.groups",
                serde_json::json!(["radio"]),
            ),
            ("a.b.c", 1.into()),
            ("a.b.d", 2.into()),
        ] {
            assert_eq!(claim_at(claims, path), Some(&value), "{path}");
        }
        for path in ["resource_access.jupyter.example", "a.b.e", "", ".", "a."] {
            assert_eq!(claim_at(claims, path), None, "{path}");
        }
    }
}
