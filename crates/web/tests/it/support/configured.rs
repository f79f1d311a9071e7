//! Providers as the hub takes them.

use std::sync::Arc;

use jansky_hub::{AdmissionRules, ConfiguredProvider, SignOutAtProvider};
use jansky_identity::IdentityProvider;

/// A provider with its rules and nothing that is special about it. It has no page to leave for and
/// ends no session; tests change what they are about.
pub(crate) fn configured(
    provider: Arc<dyn IdentityProvider>,
    rules: AdmissionRules,
) -> ConfiguredProvider {
    ConfiguredProvider {
        provider,
        rules,
        callback_url: None,
        auto_login: false,
        hint_parameters: Vec::new(),
        client_id: String::new(),
        username_claim: "preferred_username".to_owned(),
        widens_logout: false,
        sign_out: SignOutAtProvider::Hub,
    }
}
