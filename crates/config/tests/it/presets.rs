//! Identity providers by name.

use jansky_config::Provider;

use crate::{message, messages, read};

const WHO: &str = "client_id = \"hub\"\nclient_secret = { env = \"SECRET\" }\nallow_all = true\n";

fn provider(kind: &str, more: &str) -> Provider {
    let text = format!("[provider.p]\nkind = \"{kind}\"\n{WHO}{more}");
    let loaded = read(&text).unwrap_or_else(|problems| panic!("{kind}: {problems:#?}"));
    let (_, provider) = loaded.config.provider.into_iter().next().expect("one");
    provider
}

#[test]
fn a_named_provider_has_the_defaults_of_its_name() {
    let google = provider("google", "");
    let google = google.oidc().expect("it speaks OpenID Connect");
    assert_eq!(google.issuer.as_written(), "https://accounts.google.com");
    assert_eq!(google.hosted_domain_claim.as_deref(), Some("hd"));
    assert_eq!(google.username_claim, "email");

    let egi = provider("egi-checkin", "");
    let egi = egi.oidc().expect("it speaks OpenID Connect");
    assert_eq!(
        egi.groups_claim.all(),
        ["entitlements", "eduperson_entitlement"]
    );
    let namespace = egi.entitlement_namespace.as_ref().expect("it has one");
    assert_eq!(namespace.all(), ["urn:mace:egi.eu"]);

    let own = provider(
        "cilogon",
        "issuer = \"https://test.cilogon.org\"\nidp_hint = \"x\"\n",
    );
    let own = own.oidc().expect("it speaks OpenID Connect");
    assert_eq!(
        own.issuer.as_written(),
        "https://test.cilogon.org",
        "what is written counts"
    );
    assert_eq!(own.authorize_parameters()["selected_idp"], "x");
}

#[test]
fn only_a_provider_with_one_home_needs_no_issuer() {
    for kind in ["globus", "google", "cilogon", "egi-checkin", "github"] {
        provider(kind, "");
    }
    for kind in ["keycloak", "indigo-iam"] {
        let found = message(&format!("[provider.p]\nkind = \"{kind}\"\n{WHO}"));
        assert!(
            found.contains("provider.p.issuer: found nothing"),
            "{found}"
        );
    }
}

#[test]
fn what_is_shown_of_a_named_provider_are_its_own_defaults() {
    let text = format!("[provider.p]\nkind = \"globus\"\n{WHO}");

    let shown = read(&text).expect("it is valid").show();

    let line = shown
        .lines()
        .find(|line| line.starts_with("issuer"))
        .expect("it is shown");
    assert!(
        line.starts_with("issuer = \"https://auth.globus.org\""),
        "{line}"
    );
    assert!(line.ends_with("# default"), "{line}");
}

#[test]
fn a_client_has_a_secret_or_a_key() {
    let with = |lines: &str| {
        messages(&format!(
            "[provider.p]\nkind = \"google\"\nclient_id = \"hub\"\nallow_all = true\n{lines}"
        ))
    };
    let secret = "client_secret = { env = \"SECRET\" }\n";
    let key = "client_key = { env = \"KEY\" }\n";

    assert_eq!(with(&format!("{key}client_key_id = \"1\"\n")), [""; 0]);
    for (lines, place) in [
        (String::new(), "client_secret: found nothing"),
        (
            format!("{secret}{key}"),
            "client_secret: found a secret beside",
        ),
        (
            format!("{secret}client_key_id = \"1\"\n"),
            "client_key: found nothing",
        ),
        (
            format!("{secret}client_authentication = \"private-key-jwt\"\n"),
            "client_authentication: found `private-key-jwt`",
        ),
        (
            format!("{key}client_authentication = \"basic\"\n"),
            "client_authentication: found a way to send a secret",
        ),
    ] {
        let found = with(&lines);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(place), "{found:?}");
    }
}

#[test]
fn rules_that_could_never_hold_are_mistakes() {
    for (kind, lines, place) in [
        (
            "github",
            "admin_groups = [\"org:team\"]\n",
            "scopes: found rules that name groups",
        ),
        (
            "github",
            "hosted_domains = [\"example.org\"]\nscopes = [\"read:user\"]\n",
            "scopes: found `hosted_domains`",
        ),
        (
            "github",
            "url = \"http://git.example.org\"\n",
            "url: found a URL with http",
        ),
        (
            "github",
            "hint_parameters = [\"state\"]\n",
            "found the parameter `state`",
        ),
        (
            "google",
            "entitlement_authority = \"a\"\n",
            "entitlement_namespace: found nothing",
        ),
        (
            "keycloak",
            "issuer = \"https://a.example\"\nidentity_providers = [\"a\"]\n",
            "identity_provider_claim: found nothing",
        ),
        (
            "google",
            "idp_hint_parameter = \"nonce\"\n",
            "found the parameter `nonce`",
        ),
    ] {
        let who = WHO.replace("allow_all", "auto_login");
        let who = format!("{who}allowed_users = [\"a\"]\n");
        let found = message(&format!("[provider.p]\nkind = \"{kind}\"\n{who}{lines}"));
        assert!(found.contains(place), "{found}");
    }
}
