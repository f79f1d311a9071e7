//! Identity providers by name: the keys of `oidc` with other defaults.

use serde_json::{Map, Value};

/// A kind of provider and the defaults, in TOML, that differ from those of `oidc`.
type Preset = (&'static str, &'static [(&'static str, &'static str)]);

const PRESETS: [Preset; 6] = [
    (
        "keycloak",
        &[("hint_parameters", r#"["kc_idp_hint", "kc_action"]"#)],
    ),
    (
        "indigo-iam",
        &[("groups_claim", r#"["wlcg.groups", "groups"]"#)],
    ),
    (
        "globus",
        &[
            ("issuer", r#""https://auth.globus.org""#),
            ("idp_hint_parameter", r#""session_required_single_domain""#),
            ("identity_provider_claim", r#""identity_provider""#),
        ],
    ),
    (
        "google",
        &[
            ("issuer", r#""https://accounts.google.com""#),
            ("username_claim", r#""email""#),
            ("idp_hint_parameter", r#""hd""#),
            ("hosted_domain_claim", r#""hd""#),
        ],
    ),
    (
        "cilogon",
        &[
            ("issuer", r#""https://cilogon.org""#),
            (
                "scopes",
                r#"["openid", "profile", "email", "org.cilogon.userinfo"]"#,
            ),
            ("username_claim", r#""eppn""#),
            ("groups_claim", r#""isMemberOf""#),
            ("idp_hint_parameter", r#""selected_idp""#),
            ("identity_provider_claim", r#""idp""#),
        ],
    ),
    (
        "egi-checkin",
        &[
            ("issuer", r#""https://aai.egi.eu/auth/realms/egi""#),
            (
                "scopes",
                r#"["openid", "profile", "email", "entitlements"]"#,
            ),
            (
                "groups_claim",
                r#"["entitlements", "eduperson_entitlement"]"#,
            ),
            ("entitlement_namespace", r#""urn:mace:egi.eu""#),
            ("entitlement_authority", r#""aai.egi.eu""#),
        ],
    ),
];

/// The keys and values in TOML that a kind of provider has by default; `None` if it is no preset.
pub(crate) fn defaults_of(kind: &str) -> Option<&'static [(&'static str, &'static str)]> {
    let (_, defaults) = PRESETS.iter().find(|(name, _)| *name == kind)?;
    Some(defaults)
}

/// Writes the defaults into the schema of the providers, which has those of `oidc` in each kind.
pub(crate) fn complete(schema: &mut Value) {
    let kinds = schema.pointer_mut("/$defs/Provider/oneOf");
    for kind in kinds.and_then(Value::as_array_mut).into_iter().flatten() {
        let name = kind.pointer("/properties/kind/const");
        let Some(defaults) = name.and_then(Value::as_str).and_then(defaults_of) else {
            continue;
        };
        for (key, text) in defaults {
            if let Some(required) = kind["required"].as_array_mut() {
                required.retain(|name| name != key);
            }
            if let Some(property) = kind["properties"][key].as_object_mut() {
                set_default(property, text);
            }
        }
    }
}

fn set_default(property: &mut Map<String, Value>, text: &str) {
    let value = crate::document::Node::parse_value(text, &crate::Origin::Default)
        .expect("a default of this program can be read");
    property.insert("default".to_owned(), value.json());
    property.remove("x-default");
}
