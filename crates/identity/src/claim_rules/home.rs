//! Whose people somebody is: the organization behind a provider that serves many.

use serde_json::Value;

use crate::identity::{Claims, claim_at};

/// Which organizations people must come from. These rules only keep people out: whoever passes
/// still needs a rule that lets them in.
#[derive(Clone, Debug, Default)]
pub struct HomeRules {
    /// The domains that people may come from; empty for any.
    pub hosted_domains: Vec<String>,
    /// The claim in which the provider itself vouches for the domain, as Google's `hd`. Without it
    /// the domain is that of the e-mail address. The address must be verified in either case.
    pub hosted_domain_claim: Option<String>,
    /// The identity providers behind the provider that people may come from; empty for any.
    pub identity_providers: Vec<String>,
    /// The claim that names the identity provider.
    pub identity_provider_claim: Option<String>,
}

/// Why somebody is not of the right organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HomeProblem {
    /// Whoever typed the address may not own it.
    #[error("the e-mail address is missing or not verified")]
    UnverifiedEmail,
    /// Another domain, or none.
    #[error("the domain is not one of `hosted_domains`")]
    Domain,
    /// Another identity provider, or none.
    #[error("the identity provider is not one of `identity_providers`")]
    IdentityProvider,
}

impl HomeProblem {
    /// The key of the rule that says no.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::UnverifiedEmail | Self::Domain => "hosted_domains",
            Self::IdentityProvider => "identity_providers",
        }
    }
}

impl HomeRules {
    /// The keys of the rules that are set, in the order in which they are checked.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        let domains = (!self.hosted_domains.is_empty()).then_some("hosted_domains");
        let providers = (!self.identity_providers.is_empty()).then_some("identity_providers");
        domains.into_iter().chain(providers)
    }

    /// The claims that the rules need and that are not there.
    pub fn missing(&self, claims: &Claims) -> Vec<String> {
        let mut needed = Vec::new();
        if !self.hosted_domains.is_empty() {
            needed.extend(["email", "email_verified"]);
            needed.extend(self.hosted_domain_claim.as_deref());
        }
        if !self.identity_providers.is_empty() {
            needed.extend(self.identity_provider_claim.as_deref());
        }
        let is_missing = |claim: &&str| claim_at(claims, claim).is_none_or(Value::is_null);
        let missing = needed.into_iter().filter(is_missing);
        missing.map(str::to_owned).collect()
    }

    /// Checks where somebody comes from.
    ///
    /// # Errors
    /// [`HomeProblem`] with the first rule that says no.
    pub fn check(&self, claims: &Claims) -> Result<(), HomeProblem> {
        if !self.hosted_domains.is_empty() {
            let email = verified_domain(claims).ok_or(HomeProblem::UnverifiedEmail)?;
            let domain = match &self.hosted_domain_claim {
                Some(claim) => claim_at(claims, claim).and_then(Value::as_str),
                None => Some(email),
            };
            let is_ours = domain.is_some_and(|domain| {
                self.hosted_domains
                    .iter()
                    .any(|own| own.eq_ignore_ascii_case(domain))
            });
            is_ours.then_some(()).ok_or(HomeProblem::Domain)?;
        }
        if !self.identity_providers.is_empty() {
            let found = self
                .identity_provider_claim
                .as_ref()
                .and_then(|claim| claim_at(claims, claim)?.as_str());
            let is_ours =
                found.is_some_and(|found| self.identity_providers.iter().any(|own| own == found));
            is_ours.then_some(()).ok_or(HomeProblem::IdentityProvider)?;
        }
        Ok(())
    }
}

/// The domain of the verified e-mail address; none if there is any doubt about the address.
fn verified_domain(claims: &Claims) -> Option<&str> {
    // Some providers write the truth value as a text.
    let verified = match claims.get("email_verified")? {
        Value::Bool(verified) => *verified,
        Value::String(text) => text == "true",
        _ => false,
    };
    let (name, domain) = claims.get("email")?.as_str()?.split_once('@')?;
    let is_plain = !name.is_empty()
        && !domain.is_empty()
        && domain
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    (verified && is_plain).then_some(domain)
}
