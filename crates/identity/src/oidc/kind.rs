//! Providers by name, for what each does in its own way.

use super::settings::OidcSettings;

/// Which provider it is. What an operator can set is in [`OidcSettings`]; here is what only the
/// protocol sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OidcKind {
    /// Any that keeps to the standards.
    #[default]
    Generic,
    /// Keycloak.
    Keycloak,
    /// INDIGO IAM, as ESCAPE and WLCG run it.
    IndigoIam,
    /// Globus Auth.
    Globus,
    /// Google.
    Google,
    /// `CILogon`.
    CiLogon,
    /// EGI Check-in.
    EgiCheckin,
}

/// The scope that asks for a refresh token which outlives the session (OpenID Connect Core 11).
pub(crate) const OFFLINE_ACCESS: &str = "offline_access";

impl OidcKind {
    /// The parameters that ask for a lasting refresh token where the scope of the standard is not
    /// known; `None` where it is.
    fn offline_parameters(self) -> Option<&'static [(&'static str, &'static str)]> {
        match self {
            Self::Globus => Some(&[("access_type", "offline")]),
            // Without fresh consent only the very first sign-in of a person brings one.
            Self::Google => Some(&[("access_type", "offline"), ("prompt", "consent")]),
            _ => None,
        }
    }

    /// Whether it knows `prompt=login` and `max_age` (OpenID Connect Core 3.1.2.1).
    pub(crate) fn can_ask_again(self) -> bool {
        // It refuses sign-ins with a `prompt` that it does not know.
        self != Self::Google
    }

    /// Whether its token answers hold tokens for other services (`other_tokens`).
    pub(crate) fn sends_other_tokens(self) -> bool {
        self == Self::Globus
    }
}

impl OidcSettings {
    /// The `scope` of the authorize request and what goes along with it.
    pub(crate) fn scope_parameters(&self) -> Vec<(&'static str, String)> {
        let wants_offline = self.scopes.iter().any(|scope| scope == OFFLINE_ACCESS);
        let Some(offline) = self.kind.offline_parameters().filter(|_| wants_offline) else {
            return vec![("scope", self.scopes.join(" "))];
        };
        let known: Vec<_> = self
            .scopes
            .iter()
            .map(String::as_str)
            .filter(|scope| *scope != OFFLINE_ACCESS)
            .collect();
        let given = |name: &str| self.extra_authorize_parameters.contains_key(name);
        let asked = offline
            .iter()
            .filter(|(name, _)| !given(name))
            .map(|(name, value)| (*name, (*value).to_owned()));
        std::iter::once(("scope", known.join(" ")))
            .chain(asked)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(kind: OidcKind, scopes: &[&str]) -> Vec<(&'static str, String)> {
        let id = "op".parse().expect("it is a provider id");
        let mut settings = OidcSettings::new(
            id,
            &"https://id.example.org".parse().expect("a URL"),
            "jansky",
        );
        settings.kind = kind;
        settings.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        settings.scope_parameters()
    }

    #[test]
    fn offline_access_is_asked_for_in_the_way_of_the_provider_and_only_on_request() {
        let scope = |text: &str| ("scope", text.to_owned());
        let access_type = ("access_type", "offline".to_owned());
        let consent = ("prompt", "consent".to_owned());
        let offline = ["openid", "offline_access"];

        assert_eq!(
            parameters(OidcKind::Keycloak, &offline),
            [scope("openid offline_access")]
        );
        assert_eq!(
            parameters(OidcKind::Globus, &offline),
            [scope("openid"), access_type.clone()]
        );
        assert_eq!(
            parameters(OidcKind::Google, &offline),
            [scope("openid"), access_type, consent]
        );
        assert_eq!(parameters(OidcKind::Google, &["openid"]), [scope("openid")]);
    }
}
