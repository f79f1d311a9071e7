//! What tokens can be asked for, and who may have them.

use std::collections::BTreeSet;

use jansky_model::ProviderId;
use jansky_store::{Server, User};

use super::BrokerError;
use super::server_visitors::ServerVisitors;
use crate::shared::audience::{Audience, Source};

/// What a source needs of the person's sign-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs<'a> {
    /// Nothing.
    Nothing,
    /// What the last sign-in brought.
    LastGrant,
    /// What a sign-in with this provider brought.
    GrantOf(&'a ProviderId),
}

impl Source {
    /// What of the person's sign-ins it needs.
    pub(crate) const fn needs(&self) -> Needs<'_> {
        let provider = match self {
            Self::Jansky { .. } | Self::ClientCredentials { .. } => return Needs::Nothing,
            Self::Login { provider, .. }
            | Self::Exchange { provider, .. }
            | Self::IdentityBroker { provider, .. }
            | Self::Service { provider, .. } => provider,
        };
        match provider {
            Some(provider) => Needs::GrantOf(provider),
            None => Needs::LastGrant,
        }
    }
}

impl Audience {
    /// Whether the server of somebody may have tokens for it.
    pub(crate) fn permit(
        &self,
        user: &User,
        groups: &[String],
        server: &Server,
        others: &ServerVisitors,
    ) -> Result<(), BrokerError> {
        if !self.rules.allow(user, groups) {
            return Err(BrokerError::NotInPolicy {
                audience: self.id.clone(),
            });
        }
        if !self.rules.fit(Some(server)) {
            return Err(BrokerError::OtherServer {
                audience: self.id.clone(),
            });
        }
        if self.shared {
            return Ok(());
        }
        BrokerError::must_be_alone(others)
    }

    /// The scopes that a request means.
    pub(crate) fn scopes_for(&self, asked: Option<&str>) -> Result<Vec<String>, BrokerError> {
        let asked: BTreeSet<&str> = asked.unwrap_or_default().split_ascii_whitespace().collect();
        if asked.is_empty() {
            return Ok(self.scopes.clone());
        }
        let unknown = asked
            .iter()
            .find(|scope| !self.scopes.iter().any(|known| known == *scope));
        if let Some(unknown) = unknown {
            return Err(BrokerError::InvalidScope(format!(
                "the audience `{}` has no scope `{unknown}` here; possible are: {}",
                self.id,
                self.scopes.join(" ")
            )));
        }
        Ok(asked.into_iter().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::audience::AudienceRules;

    fn audience() -> Audience {
        Audience {
            id: "archive".to_owned(),
            title: "Archive".to_owned(),
            source: Source::Login {
                provider: None,
                audience: None,
            },
            scopes: vec!["read".to_owned(), "write".to_owned()],
            rules: AudienceRules::default(),
            shared: false,
            token_file: false,
        }
    }

    #[test]
    fn who_names_no_scope_gets_all_and_nobody_gets_another() {
        let audience = audience();

        assert_eq!(audience.scopes_for(None).expect("all"), ["read", "write"]);
        assert_eq!(audience.scopes_for(Some(" ")).expect("all").len(), 2);
        assert_eq!(
            audience.scopes_for(Some("write write")).expect("one"),
            ["write"]
        );
        let refused = audience.scopes_for(Some("read admin"));
        assert!(matches!(refused, Err(BrokerError::InvalidScope(text)) if text.contains("admin")));
    }
}
