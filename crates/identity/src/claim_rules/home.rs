//! The home organization of a person, where a provider serves many organizations.

use super::reading::{Reading, Unreadable, text_at, truth_at};
use crate::identity::Claims;

/// Which organizations people must come from. These rules only refuse: a person who
/// passes them still needs a rule that admits them.
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HomeProblem {
    /// The provider does not say what a rule asks for.
    #[error("the claim `{claim}` is missing")]
    NotSaid {
        /// The key of the rule.
        rule: &'static str,
        /// The claim.
        claim: String,
    },
    /// The provider says it in a way that nobody can read.
    #[error("the claim {problem}")]
    Unreadable {
        /// The key of the rule.
        rule: &'static str,
        /// What came.
        problem: Unreadable,
    },
    /// The address is not verified, so it may belong to somebody else.
    #[error("the e-mail address is not verified")]
    UnverifiedEmail,
    /// It is not an address whose domain could be told for certain.
    #[error("the e-mail address is not of the plain form `name@domain`")]
    StrangeEmail,
    /// Another domain.
    #[error("the domain is not one of `hosted_domains`")]
    Domain,
    /// Another identity provider.
    #[error("the identity provider is not one of `identity_providers`")]
    IdentityProvider,
}

const DOMAINS: &str = "hosted_domains";
const PROVIDERS: &str = "identity_providers";

impl HomeProblem {
    /// The key of the rule that says no.
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::NotSaid { rule, .. } | Self::Unreadable { rule, .. } => rule,
            Self::UnverifiedEmail | Self::StrangeEmail | Self::Domain => DOMAINS,
            Self::IdentityProvider => PROVIDERS,
        }
    }

    /// Whether it is what the provider says, and not that it says nothing, or nothing clear.
    pub const fn is_certain(&self) -> bool {
        !matches!(self, Self::NotSaid { .. } | Self::Unreadable { .. })
    }
}

impl HomeRules {
    /// The keys of the rules that are set, in the order in which they are checked.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        let domains = (!self.hosted_domains.is_empty()).then_some(DOMAINS);
        let providers = (!self.identity_providers.is_empty()).then_some(PROVIDERS);
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
        let is_missing = |claim: &&str| text_at(claims, claim) == Reading::NotSaid;
        let missing = needed.into_iter().filter(is_missing);
        missing.map(str::to_owned).collect()
    }

    /// Checks where somebody comes from.
    ///
    /// # Errors
    /// [`HomeProblem`] with the first rule that says no.
    pub fn check(&self, claims: &Claims) -> Result<(), HomeProblem> {
        if !self.hosted_domains.is_empty() {
            let email = verified_domain(claims)?;
            let domain = match &self.hosted_domain_claim {
                Some(claim) => needed(DOMAINS, claim, text_at(claims, claim))?,
                None => email,
            };
            let mut own = self.hosted_domains.iter();
            let is_ours = own.any(|own| own.eq_ignore_ascii_case(&domain));
            is_ours.then_some(()).ok_or(HomeProblem::Domain)?;
        }
        if !self.identity_providers.is_empty() {
            // Without a claim that names it nobody comes from any of them.
            let claim = self.identity_provider_claim.as_deref();
            let claim = claim.ok_or(HomeProblem::IdentityProvider)?;
            let found = needed(PROVIDERS, claim, text_at(claims, claim))?;
            let is_ours = self.identity_providers.contains(&found);
            is_ours.then_some(()).ok_or(HomeProblem::IdentityProvider)?;
        }
        Ok(())
    }
}

/// What a rule cannot do without.
fn needed<T>(rule: &'static str, claim: &str, reading: Reading<T>) -> Result<T, HomeProblem> {
    match reading {
        Reading::Said(value) => Ok(value),
        Reading::NotSaid => Err(HomeProblem::NotSaid {
            rule,
            claim: claim.to_owned(),
        }),
        Reading::Unreadable(problem) => Err(HomeProblem::Unreadable { rule, problem }),
    }
}

/// The domain of the verified e-mail address; none if there is any doubt about the address.
fn verified_domain(claims: &Claims) -> Result<String, HomeProblem> {
    let email = needed(DOMAINS, "email", text_at(claims, "email"))?;
    let verified = needed(
        DOMAINS,
        "email_verified",
        truth_at(claims, "email_verified"),
    )?;
    if !verified {
        return Err(HomeProblem::UnverifiedEmail);
    }
    let is_plain = |domain: &str| {
        let mut characters = domain.chars();
        !domain.is_empty()
            && characters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
    };
    match email.split_once('@') {
        Some((name, domain)) if !name.is_empty() && is_plain(domain) => Ok(domain.to_owned()),
        _ => Err(HomeProblem::StrangeEmail),
    }
}
