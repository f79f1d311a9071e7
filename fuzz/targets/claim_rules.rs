//! Rules on claims: whatever a provider sends, nothing panics, no group has the name of another, and
//! an entitlement means the same when it is written again.
//!
//! The first line is the path of a claim, the second a namespace, the rest claims as JSON; if that is
//! none, it is the text of one entitlement.
#![no_main]

use jansky_identity::claim_rules::{Entitlement, EntitlementRules, GroupRules, HomeRules};
use jansky_identity::{Claims, claim_at};
use libfuzzer_sys::fuzz_target;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

/// What stands for itself in a part of an entitlement neither decoded nor encoded.
const MEANINGFUL: &AsciiSet = &CONTROLS.add(b' ').add(b'=');

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut lines = text.splitn(3, '\n');
    let (path, namespace) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let rest = lines.next().unwrap_or("");
    let claims = match serde_json::from_str(rest) {
        Ok(Value::Object(claims)) => claims,
        _ => wrapped(path, rest),
    };
    groups(path, namespace, &claims);
    home(&claims);
    entitlement(rest);
});

/// A text as the claim at a path.
fn wrapped(path: &str, text: &str) -> Claims {
    let mut value = json!([text]);
    // A path may have any number of dots; claims are only read to a certain depth.
    for name in path.rsplit('.').take(100) {
        value = json!({ name: value });
    }
    value.as_object().cloned().unwrap_or_default()
}

fn groups(path: &str, namespace: &str, claims: &Claims) {
    let plain = GroupRules {
        absent_is_none: false,
        separator: None,
        claims: vec![path.to_owned(), "groups".to_owned()],
        entitlements: None,
    };
    let strict = GroupRules {
        entitlements: Some(EntitlementRules {
            namespaces: vec![namespace.to_owned()],
            authorities: Vec::new(),
        }),
        ..plain.clone()
    };
    let (all, ours) = (plain.groups(claims), strict.groups(claims));
    assert_eq!(all.is_ok(), ours.is_ok());
    let (Ok(all), Ok(ours)) = (all, ours) else {
        return;
    };
    // Nothing known and no groups are two things, and the same two with any rules.
    assert_eq!(all.is_some(), ours.is_some());
    for groups in [&all, &ours].into_iter().flatten() {
        assert!(groups.is_sorted_by(|a, b| a < b), "each once, in order");
        assert!(groups.iter().all(|group| !group.is_empty()));
    }
    let is_there = |path: &str| claim_at(claims, path).is_some_and(|value| !value.is_null());
    assert_eq!(all.is_some(), is_there(path) || is_there("groups"));
    // Without the right namespace no entitlement is a group.
    for group in ours.iter().flatten() {
        assert!(!Entitlement::is_urn(group), "`{group}` passed as it stands");
    }
}

fn home(claims: &Claims) {
    let rules = HomeRules {
        hosted_domains: vec!["good.org".to_owned()],
        ..HomeRules::default()
    };
    if rules.check(claims).is_ok() {
        let email = claims["email"].as_str().expect("an address");
        let (_, domain) = email.rsplit_once('@').expect("an address");
        assert!(domain.eq_ignore_ascii_case("good.org"), "{email}");
        assert_ne!(claims["email_verified"], false);
    }
}

fn entitlement(text: &str) {
    let Some(found) = Entitlement::parse(text) else {
        return;
    };
    assert!(!found.groups.is_empty());
    let parts = found.groups.iter().chain(&found.role);
    for part in parts {
        assert!(!part.is_empty());
        assert!(!part.contains(['/', ':', '#']), "`{part}` looks like two");
    }
    // The text of the group says where each part ends, so no two have the same.
    let group = found.group();
    let (path, role) = match group.split_once(':') {
        Some((path, role)) => (path, role.strip_prefix("role=")),
        None => (group.as_str(), None),
    };
    let path = path.strip_prefix('/').expect("it begins at the root");
    assert!(path.split('/').eq(&found.groups));
    assert_eq!(role, found.role.as_deref());

    // A part that is not wholly encoded stands as it came; written again it may mean something else.
    if found.groups.iter().chain(&found.role).any(|part| part.contains('%')) {
        return;
    }
    let again = written(&found);
    assert_eq!(Entitlement::parse(&again).as_ref(), Some(&found), "{again}");
}

/// Writes an entitlement. What was left encoded stays so.
fn written(entitlement: &Entitlement) -> String {
    let encode = |part: &str| -> String {
        let part = utf8_percent_encode(part, MEANINGFUL).to_string();
        // Only ASCII is encoded there; other spaces would end the text, too.
        part.chars()
            .map(|c| {
                if c.is_whitespace() || c.is_control() {
                    utf8_percent_encode(c.encode_utf8(&mut [0; 4]), percent_encoding::NON_ALPHANUMERIC)
                        .to_string()
                } else {
                    c.to_string()
                }
            })
            .collect()
    };
    let mut text = format!("{}:group", entitlement.namespace);
    for group in &entitlement.groups {
        text.push(':');
        text.push_str(&encode(group));
    }
    if let Some(role) = &entitlement.role {
        text.push_str(":role=");
        text.push_str(&encode(role));
    }
    if let Some(authority) = &entitlement.authority {
        text.push('#');
        text.push_str(authority);
    }
    text
}
