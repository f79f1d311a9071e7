//! What somebody may have meant by a key that does not exist.

use crate::shape::{Schema, Shape};

/// Names in JupyterHub and its authenticators and spawners that are different here.
const FOREIGN_NAMES: [(&str, &str); 28] = [
    ("admin_access", "hub.admin_users"),
    ("args", "arguments"),
    ("authenticate_prometheus", "hub.authenticate_metrics"),
    ("authenticator_class", "provider.<id>.kind"),
    ("authorize_url", "endpoints.authorization"),
    ("base_url", "hub.public_url"),
    ("bind_url", "hub.bind"),
    ("claim_groups_key", "groups_claim"),
    ("cmd", "command"),
    ("cookie_max_age_days", "session.lifetime"),
    ("db_url", "database.url"),
    ("env_keep", "keep_environment"),
    ("extra_authorize_params", "extra_authorize_parameters"),
    ("hub_bind_url", "hub.api_url"),
    ("hub_connect_url", "hub.api_url"),
    ("ip", "hub.bind"),
    ("login_service", "title"),
    ("mem_limit", "memory_limit"),
    ("oauth_callback_url", "callback_url"),
    ("oidc_issuer", "issuer"),
    ("port", "hub.bind"),
    ("scope", "scopes"),
    ("shutdown_on_logout", "hub.shutdown_on_sign_out"),
    ("ssl_cert", "tls.certificate"),
    ("ssl_key", "tls.key"),
    ("token_url", "endpoints.token"),
    ("userdata_url", "endpoints.userinfo"),
    ("username_key", "username_claim"),
];

/// The advice for an unknown key in a table that has `known` keys.
pub(super) fn for_key(key: &str, known: &[&str]) -> String {
    if let Some((_, ours)) = FOREIGN_NAMES.iter().find(|(foreign, _)| *foreign == key) {
        return format!("did you mean `{ours}`?");
    }
    if let Some(meant) = closest(key, known) {
        return format!("did you mean `{meant}`?");
    }
    let elsewhere = sections_with(key);
    if !elsewhere.is_empty() {
        return format!("it belongs to {}", elsewhere.join(" or "));
    }
    format!("known are {}", listed(known))
}

/// The known word that is most like `word`, if one is.
pub(super) fn closest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let same = |text: &str| text.to_lowercase().replace('-', "_");
    let word = same(word);
    let distance = |candidate: &str| strsim::damerau_levenshtein(&word, &same(candidate));
    // One slip in every three characters.
    let allowed = word.chars().count().div_ceil(3).min(4);
    known
        .iter()
        .copied()
        .map(|candidate| (distance(candidate), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Words as a list for a sentence.
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

fn sections_with(key: &str) -> Vec<String> {
    let Shape::Table(root) = Schema::root().shape() else {
        return Vec::new();
    };
    root.keys
        .iter()
        .filter_map(|(section, schema)| {
            let (name, schema) = match schema.shape() {
                Shape::Map { value, .. } => (format!("`[{section}.<id>]`"), value),
                _ => (format!("`[{section}]`"), *schema),
            };
            has_key(schema, key).then_some(name)
        })
        .collect()
}

fn has_key(schema: Schema, key: &str) -> bool {
    match schema.shape() {
        Shape::Table(table) => table.get(key).is_some(),
        Shape::Kinds(kinds) => kinds.iter().any(|(_, table)| has_key(*table, key)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_lead_to_the_key_that_was_meant() {
        let known = ["bind", "public_url", "data_dir", "allow_named_servers"];

        assert_eq!(closest("publicurl", &known), Some("public_url"));
        assert_eq!(closest("public-url", &known), Some("public_url"));
        assert_eq!(closest("bnid", &known), Some("bind"));
        assert_eq!(closest("colour", &known), None);
    }

    #[test]
    fn a_key_of_another_section_is_sent_there() {
        assert_eq!(
            for_key("memory_limit", &["bind"]),
            "it belongs to `[spawner]`"
        );
        assert_eq!(
            for_key("issuer", &["bind"]),
            "it belongs to `[provider.<id>]`"
        );
    }

    #[test]
    fn names_of_jupyterhub_lead_to_ours() {
        assert_eq!(
            for_key("username_key", &["issuer"]),
            "did you mean `username_claim`?"
        );
    }

    #[test]
    fn every_name_of_ours_in_the_list_exists() {
        for (foreign, ours) in FOREIGN_NAMES {
            let last = ours.rsplit('.').next().expect("a name");
            let first = ours.split('.').next().expect("a name");
            let exists = last == "kind" || first == "endpoints" || !sections_with(last).is_empty();
            assert!(exists, "{foreign} leads to {ours}");
        }
    }
}
