//! The rules by examples, and what must hold for any claims.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn claims(value: Value) -> Claims {
    match value {
        Value::Object(claims) => claims,
        _ => panic!("the test writes an object"),
    }
}

fn rules(paths: &[&str]) -> GroupRules {
    GroupRules {
        claims: paths.iter().map(|path| (*path).to_owned()).collect(),
        ..GroupRules::default()
    }
}

fn egi() -> GroupRules {
    GroupRules {
        entitlements: Some(EntitlementRules {
            namespaces: vec!["urn:mace:egi.eu".to_owned()],
            authorities: vec!["aai.egi.eu".to_owned()],
        }),
        ..rules(&["entitlements"])
    }
}

fn groups(rules: &GroupRules, value: Value) -> Result<Option<Vec<String>>, GroupsProblem> {
    rules.groups(&claims(value))
}

#[test]
fn a_claim_that_is_missing_says_nothing_unless_the_provider_leaves_out_empty_ones() {
    let keycloak = GroupRules {
        absent_is_none: true,
        ..rules(&["groups"])
    };

    assert_eq!(groups(&rules(&["groups"]), json!({})), Ok(None));
    assert_eq!(groups(&keycloak, json!({})), Ok(Some(Vec::new())));
}

/// What is found when all is well.
type Found = Result<Option<Vec<String>>, GroupsProblem>;

#[expect(
    clippy::unnecessary_wraps,
    reason = "it is compared with what is found"
)]
fn some(groups: &[&str]) -> Found {
    Found::Ok(Some(
        groups.iter().map(|group| (*group).to_owned()).collect(),
    ))
}

#[test]
fn groups_are_found_in_every_notation() {
    let all = json!({
        "realm_access": { "roles": ["b", "a", 3] },
        "groups": ["/radio/evn", "/staff", "two words"],
        "wlcg.groups": ["/escape/vlbi"],
        "scope": "one  two",
    });

    assert_eq!(
        groups(&rules(&["realm_access.roles"]), all.clone()),
        some(&["a", "b"])
    );
    assert_eq!(
        groups(&rules(&["groups"]), all.clone()),
        some(&["/radio/evn", "/staff", "two words"])
    );
    assert_eq!(
        groups(&rules(&["wlcg.groups", "groups"]), all.clone()),
        some(&["/escape/vlbi", "/radio/evn", "/staff", "two words"])
    );
    assert_eq!(groups(&rules(&["scope"]), all), some(&["one", "two"]));
}

#[test]
fn no_claim_is_not_the_same_as_no_groups() {
    assert_eq!(groups(&rules(&["groups"]), json!({})), Ok(None));
    assert_eq!(
        groups(&rules(&["groups"]), json!({ "groups": null })),
        Ok(None)
    );
    assert_eq!(
        groups(&rules(&["groups"]), json!({ "groups": [] })),
        some(&[])
    );
    assert_eq!(
        groups(&rules(&["groups"]), json!({ "groups": "" })),
        some(&[])
    );
    assert_eq!(
        groups(&rules(&["groups"]), json!({ "groups": { "a": 1 } })),
        Err(GroupsProblem::NotTexts("groups".to_owned()))
    );
}

#[test]
fn groups_that_were_left_out_are_an_error() {
    let overage = json!({
        "_claim_names": { "groups": "src1" },
        "_claim_sources": { "src1": { "endpoint": "https://graph.example.org/me" } },
    });

    for path in ["groups", "groups.names"] {
        assert_eq!(
            groups(&rules(&[path]), overage.clone()),
            Err(GroupsProblem::LeftOut(path.to_owned()))
        );
    }
    assert_eq!(groups(&rules(&["roles"]), overage), Ok(None));
}

#[test]
fn entitlements_count_only_from_the_namespace_and_authority_that_are_expected() {
    let all = json!({ "entitlements": [
        "urn:mace:egi.eu:group:radio:evn#aai.egi.eu",
        "URN:MACE:egi.eu:group:radio:role=chief#aai.egi.eu",
        "urn:mace:egi.eu:group:with%20space:a%2Fb#aai.egi.eu",
        "urn:mace:egi.eu:group:forged#evil.example",
        "urn:mace:egi.eu:group:forged",
        "urn:mace:evil.eu:group:forged#aai.egi.eu",
        "urn:mace:egi.eu:evil:group:forged#aai.egi.eu",
        "urn:mace:evil.eu:x:urn:mace:egi.eu:group:forged#aai.egi.eu",
        "urn:mace:egi.eu:group:forged#evil.example#aai.egi.eu",
        "urn:mace:egi.eu:res:forged#aai.egi.eu",
        "urn:mace:egi.eu:group:#aai.egi.eu",
        "urn:mace:egi.eu:group:role=chief#aai.egi.eu",
        "urn:mace:egi.eu:group:a:role=#aai.egi.eu",
    ] });

    assert_eq!(
        groups(&egi(), all),
        some(&["/radio/evn", "/radio:role=chief", "/with space/a%2Fb"])
    );
}

#[test]
fn without_rules_an_entitlement_is_a_text_like_any_other() {
    let urn = "urn:mace:egi.eu:group:radio#aai.egi.eu";

    assert_eq!(
        groups(&rules(&["entitlements"]), json!({ "entitlements": urn })),
        some(&[urn])
    );
}

fn home(domains: &[&str], claim: Option<&str>) -> HomeRules {
    HomeRules {
        hosted_domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
        hosted_domain_claim: claim.map(str::to_owned),
        ..HomeRules::default()
    }
}

#[test]
fn a_domain_counts_only_with_a_verified_and_plain_address() {
    let check = |email: &str, verified: Value| {
        home(&["good.org"], None).check(&claims(
            json!({ "email": email, "email_verified": verified }),
        ))
    };

    assert_eq!(check("A@GOOD.ORG", json!(true)), Ok(()));
    assert_eq!(check("a@good.org", json!("true")), Ok(()));
    for (email, verified) in [
        ("a@good.org", json!(false)),
        ("a@good.org", json!(null)),
        ("a@good.org", json!(1)),
        ("a@evil.org@good.org", json!(true)),
        ("\"a@evil.org\"@good.org", json!(true)),
        ("@good.org", json!(true)),
        ("good.org", json!(true)),
        ("a@good.org ", json!(true)),
    ] {
        assert_eq!(
            check(email, verified),
            Err(HomeProblem::UnverifiedEmail),
            "{email}"
        );
    }
    for email in ["a@evil.org", "a@sub.good.org", "a@xgood.org"] {
        assert_eq!(
            check(email, json!(true)),
            Err(HomeProblem::Domain),
            "{email}"
        );
    }
    assert_eq!(
        home(&["good.org"], None).check(&claims(json!({ "email": "a@good.org" }))),
        Err(HomeProblem::UnverifiedEmail)
    );
    assert_eq!(home(&[], None).check(&Claims::new()), Ok(()));
}

#[test]
fn where_the_provider_vouches_for_the_domain_the_address_does_not() {
    let check = |more: Value| {
        let mut claims = claims(json!({ "email": "a@good.org", "email_verified": true }));
        claims.extend(self::claims(more));
        home(&["good.org"], Some("hd")).check(&claims)
    };

    assert_eq!(check(json!({ "hd": "good.org" })), Ok(()));
    assert_eq!(check(json!({})), Err(HomeProblem::Domain));
    assert_eq!(check(json!({ "hd": "evil.org" })), Err(HomeProblem::Domain));
    assert_eq!(
        check(json!({ "hd": "good.org", "email_verified": false })),
        Err(HomeProblem::UnverifiedEmail)
    );
}

#[test]
fn another_identity_provider_is_refused() {
    let rules = HomeRules {
        identity_providers: vec!["https://idp.good.org".to_owned()],
        identity_provider_claim: Some("idp".to_owned()),
        ..HomeRules::default()
    };

    assert_eq!(
        rules.check(&claims(json!({ "idp": "https://idp.good.org" }))),
        Ok(())
    );
    for other in [
        json!({}),
        json!({ "idp": "https://idp.good.org.evil" }),
        json!({ "idp": [] }),
    ] {
        assert_eq!(
            rules.check(&claims(other)),
            Err(HomeProblem::IdentityProvider)
        );
    }
}

/// Any JSON, not too deep.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "urn:[a-z:#=%]{0,24}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z._]{1,8}|_claim_names", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A part of an entitlement as it may stand there.
const PART: &str = "[A-Za-z0-9._-]{1,8}";

proptest! {
    #[test]
    fn any_claims_are_read_without_a_panic(value in any_json(), path in "[a-z._]{0,8}") {
        let claims = claims(json!({ "groups": value.clone(), "a": value }));
        let mut rules = egi();
        rules.claims = vec!["groups".to_owned(), path];
        if let Ok(Some(groups)) = rules.groups(&claims) {
            prop_assert!(groups.windows(2).all(|pair| pair[0] < pair[1]), "sorted, each once");
            prop_assert!(groups.iter().all(|group| !Entitlement::is_urn(group)));
        }
    }

    #[test]
    fn an_entitlement_is_taken_apart_as_it_was_put_together(
        groups in prop::collection::vec(PART, 1..4),
        role in prop::option::of(PART),
        authority in prop::option::of(PART),
    ) {
        let mut urn = format!("urn:mace:egi.eu:group:{}", groups.join(":"));
        if let Some(role) = &role {
            urn = format!("{urn}:role={role}");
        }
        if let Some(authority) = &authority {
            urn = format!("{urn}#{authority}");
        }
        let namespace = "urn:mace:egi.eu".to_owned();
        prop_assert_eq!(
            Entitlement::parse(&urn),
            Some(Entitlement { namespace, groups, role, authority })
        );
    }

    #[test]
    fn no_encoding_makes_a_group_look_like_another(text in "[a-z%0-9A-F/:#=.]{0,24}") {
        let urn = format!("urn:mace:egi.eu:group:outside:{text}#aai.egi.eu");
        if let Some(entitlement) = Entitlement::parse(&urn) {
            let shown = entitlement.group();
            prop_assert!(shown.starts_with("/outside"));
            let slashes = shown.matches('/').count();
            prop_assert!(slashes >= entitlement.groups.len());
            let of_role = entitlement.role.as_deref().unwrap_or_default().matches('/').count();
            prop_assert_eq!(slashes - of_role, entitlement.groups.len(), "{}", shown);
        }
    }

    #[test]
    fn a_foreign_authority_never_counts(
        groups in prop::collection::vec(PART, 1..3),
        authority in "[a-z.#:/]{0,20}",
    ) {
        prop_assume!(authority != "aai.egi.eu");
        let urn = format!("urn:mace:egi.eu:group:{}#{authority}", groups.join(":"));
        let found = super::tests::groups(&egi(), json!({ "entitlements": [urn] }));
        prop_assert_eq!(found, some(&[]));
    }
}
