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
        some(&["3", "a", "b"])
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
}

#[test]
fn groups_that_cannot_be_read_are_told_by_their_shape_and_never_by_their_value() {
    for (value, shape) in [
        (json!({ "canary": 1 }), "is an object"),
        (json!(true), "is true or false"),
        (json!(1.5), "is a number that is not whole"),
        (json!([["canary"]]), "is a list with a list in it"),
        (
            json!(["a", { "name": "canary" }]),
            "is a list with an object in it",
        ),
        (json!(["a", null]), "is a list with null in it"),
        (
            json!(["a", 1.5]),
            "is a list with a number that is not whole in it",
        ),
        (json!("canary,radio"), "is one text with `,` in it"),
        (json!("canary; radio"), "is one text with `;` in it"),
        (json!("canary|radio"), "is one text with `|` in it"),
        (json!("cn=canary,ou=x;cn=b,ou=x"), "is one text with"),
    ] {
        let problem = groups(&rules(&["groups"]), json!({ "groups": value }));
        let problem = problem.expect_err("nobody can read it").to_string();

        assert!(problem.contains("the claim `groups` "), "{problem}");
        assert!(problem.contains(shape), "{problem}");
        assert!(
            problem.contains("where a list of texts is expected"),
            "{problem}"
        );
        assert!(!problem.contains("canary"), "{problem}");
        assert_eq!(
            problem.contains("`groups_separator`"),
            problem.contains("one text with"),
            "{problem}"
        );
    }
}

#[test]
fn numbers_are_groups_and_one_text_is_cut_where_the_operator_says() {
    let cut = |separator: &str, text: &str| {
        let rules = GroupRules {
            separator: Some(separator.to_owned()),
            ..rules(&["groups"])
        };
        groups(&rules, json!({ "groups": text }))
    };

    assert_eq!(
        groups(&rules(&["groups"]), json!({ "groups": [7, u64::MAX] })),
        some(&["18446744073709551615", "7"])
    );
    assert_eq!(
        groups(&rules(&["groups"]), json!({ "groups": 100 })),
        some(&["100"])
    );
    assert_eq!(cut(",", " radio , evn,,"), some(&["evn", "radio"]));
    assert_eq!(cut(";", "Radio, old;EVN"), some(&["EVN", "Radio, old"]));
    assert_eq!(cut(";", "Radio, old"), some(&["Radio, old"]));
    assert!(cut(",", "radio;evn").is_err(), "another separator");
    let name = "cn=Radio Astronomers,ou=groups,dc=example,dc=org";
    assert_eq!(
        groups(&rules(&["groups"]), json!({ "groups": name })),
        some(&[name])
    );
}

#[test]
fn one_claim_that_cannot_be_read_makes_all_groups_unknown() {
    let both = rules(&["roles", "groups"]);

    assert!(groups(&both, json!({ "roles": ["a"], "groups": {} })).is_err());
    assert!(groups(&both, json!({ "roles": {}, "groups": ["a"] })).is_err());
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
    let check = |email: Value, verified: Value| {
        home(&["good.org"], None).check(&claims(
            json!({ "email": email, "email_verified": verified }),
        ))
    };
    let not_said = |claim: &str| HomeProblem::NotSaid {
        rule: "hosted_domains",
        claim: claim.to_owned(),
    };

    assert_eq!(check(json!("A@GOOD.ORG"), json!(true)), Ok(()));
    assert_eq!(check(json!("a@good.org"), json!("True")), Ok(()));
    for no in [json!(false), json!("false"), json!("FALSE")] {
        let refused = check(json!("a@good.org"), no);
        assert_eq!(refused, Err(HomeProblem::UnverifiedEmail));
    }
    let unsaid = check(json!("a@good.org"), json!(null));
    assert_eq!(unsaid, Err(not_said("email_verified")));
    let unsaid = check(json!(""), json!(true));
    assert_eq!(unsaid, Err(not_said("email")));
    for strange in [
        "a@evil.org@good.org",
        "\"a@evil.org\"@good.org",
        "@good.org",
        "good.org",
        "a@good.org ",
    ] {
        assert_eq!(
            check(json!(strange), json!(true)),
            Err(HomeProblem::StrangeEmail),
            "{strange}"
        );
    }
    for email in ["a@evil.org", "a@sub.good.org", "a@xgood.org"] {
        assert_eq!(
            check(json!(email), json!(true)),
            Err(HomeProblem::Domain),
            "{email}"
        );
    }
    for (email, verified) in [
        (json!("a@good.org"), json!(1)),
        (json!("a@good.org"), json!("yes")),
        (json!("a@good.org"), json!([true])),
        (json!(["a@good.org"]), json!(true)),
        (json!({ "value": "a@good.org" }), json!(true)),
    ] {
        let refused = check(email, verified).expect_err("nobody can read it");
        assert!(
            matches!(refused, HomeProblem::Unreadable { .. }),
            "{refused}"
        );
        assert!(!refused.is_certain());
    }
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
    let unsaid = check(json!({})).expect_err("nobody vouches");
    assert_eq!(unsaid.to_string(), "the claim `hd` is missing");
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
    let check = |said: Value| rules.check(&claims(said));

    assert_eq!(check(json!({ "idp": "https://idp.good.org" })), Ok(()));
    assert_eq!(
        check(json!({ "idp": "https://idp.good.org.evil" })),
        Err(HomeProblem::IdentityProvider)
    );
    let unsaid = check(json!({})).expect_err("it is not said");
    let unreadable = check(json!({ "idp": [] })).expect_err("nobody can read it");
    assert_eq!(unsaid.to_string(), "the claim `idp` is missing");
    assert_eq!(
        unreadable.to_string(),
        "the claim `idp` is a list where a text is expected"
    );
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
