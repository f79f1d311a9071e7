//! Rules that let everybody in, for tests that are about something else.

use jansky_hub::{AdmissionRules, Audience, AudienceRules, Source};

/// Everybody may come in whom the provider vouches for.
pub fn everybody() -> AdmissionRules {
    AdmissionRules {
        allow_all: true,
        ..AdmissionRules::default()
    }
}

/// An audience of the broker for which everybody gets tokens.
pub fn audience(id: &str, source: Source) -> Audience {
    Audience {
        id: id.to_owned(),
        title: format!("The {id}"),
        source,
        scopes: Vec::new(),
        rules: AudienceRules {
            allow_all: true,
            ..AudienceRules::default()
        },
        shared: false,
        token_file: false,
    }
}
