//! Sign-in against a real directory: Debian's slapd, as `tests/services/slapd` starts it.

use std::sync::Arc;

use jansky_identity::{
    ExternalIdentity, FormLogin as _, IdentityError, IdentityProvider as _, LdapProvider,
    LdapSettings,
};
use jansky_model::{Random as _, Secret};
use jansky_testing::MachineRandom;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

/// A name in which every character means something in filters and names of entries.
const AWKWARD: &str = "a,b+(c)*\\";

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run the tests through tests/run"))
}

fn base() -> String {
    variable("JANSKY_TEST_LDAP_BASE")
}

/// How the entry of a person is found.
#[derive(Clone)]
enum LdapLookup {
    Template(String),
    Search {
        base: String,
        filter: String,
        bind: Option<(String, Secret)>,
    },
}

fn template() -> LdapLookup {
    LdapLookup::Template(format!("uid={{username}},ou=people,{}", base()))
}

fn search() -> LdapLookup {
    LdapLookup::Search {
        base: format!("ou=people,{}", base()),
        filter: "(uid={username})".to_owned(),
        bind: Some((
            variable("JANSKY_TEST_LDAP_BIND_DN"),
            Secret::new(variable("JANSKY_TEST_LDAP_BIND_PASSWORD")),
        )),
    }
}

fn settings(lookup: LdapLookup) -> LdapSettings {
    let section = serde_json::from_value(json!({
        "title": "Institute",
        "url": variable("JANSKY_TEST_LDAP_URL"),
        "timeout": "20s",
    }));
    let mut settings = LdapSettings {
        id: "institute".parse().expect("a valid id"),
        section: section.expect("a section"),
        tls: None,
        bind_password: None,
    };
    match lookup {
        LdapLookup::Template(template) => settings.user_dn = Some(template),
        LdapLookup::Search { base, filter, bind } => {
            settings.search_base = Some(base);
            settings.search_filter = filter;
            (settings.bind_dn, settings.bind_password) = bind.unzip();
        }
    }
    settings
}

fn directory(lookup: LdapLookup, change: impl FnOnce(&mut LdapSettings)) -> LdapProvider {
    let mut settings = settings(lookup);
    change(&mut settings);
    LdapProvider::new(settings)
}

fn with_groups(settings: &mut LdapSettings) {
    settings.groups_base = Some(format!("ou=groups,{}", base()));
}

async fn verify(
    provider: &LdapProvider,
    name: &str,
    password: &str,
) -> Result<ExternalIdentity, IdentityError> {
    provider.verify(name, &Secret::new(password)).await
}

#[tokio::test]
async fn a_person_is_found_by_name_and_by_search_and_is_the_same_one() {
    let by_name = verify(&directory(template(), |_| {}), "river", "right-river").await;
    let by_search = verify(&directory(search(), |_| {}), "RIVER", "right-river").await;

    let (one, other) = (
        by_name.expect("the password is right"),
        by_search.expect("names do not tell cases apart"),
    );
    assert_eq!(one.subject, other.subject);
    assert_eq!(one.subject.len(), 36, "an entryUUID");
    assert_eq!(one.issuer, "ldap:institute");
    for person in [one, other] {
        assert_eq!(
            person.claims["preferred_username"], "river",
            "as the entry says"
        );
        assert_eq!(person.claims["email"], "someone@example.org");
        assert!(!person.claims.contains_key("groups"), "nobody looked");
    }
}

#[tokio::test]
async fn whoever_is_wrong_does_not_come_in() {
    for lookup in [template(), search()] {
        let provider = directory(lookup, |_| {});
        for (name, password) in [
            ("river", "wrong"),
            ("river", "right-wash"),
            ("ghost", "right-river"),
            ("river", ""),
            ("", "right-river"),
            ("", ""),
        ] {
            let refused = verify(&provider, name, password).await;
            assert!(
                matches!(refused, Err(IdentityError::InvalidCredentials)),
                "`{name}` with `{password}`: {refused:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_in_the_way_of_all_sign_ins_is_not_called_a_wrong_password() {
    let changed = |change: fn(&mut String, &mut (String, Secret))| {
        let mut lookup = search();
        if let LdapLookup::Search {
            base,
            bind: Some(bind),
            ..
        } = &mut lookup
        {
            change(base, bind);
        }
        directory(lookup, |_| {})
    };
    for (provider, expected) in [
        (
            changed(|base, _| base.insert_str(3, "no")),
            "the directory does not show `ou=nopeople,",
        ),
        (
            changed(|_, bind| bind.0.insert_str(3, "no")),
            "the directory refuses `bind_dn` or its password",
        ),
        (
            changed(|_, bind| bind.1 = Secret::new("wrong")),
            "the directory refuses `bind_dn` or its password",
        ),
    ] {
        let refused = verify(&provider, "river", "right-river").await;
        let found = provider.check().await;

        for error in [refused.expect_err("nobody"), found.expect_err("a reason")] {
            assert_eq!(error.code(), "refused", "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
    for lookup in [template(), search()] {
        let found = directory(lookup, |_| {}).check().await;
        assert!(found.is_ok(), "{found:?}");
    }
}

#[test]
fn a_filter_that_nobody_can_read_is_found_before_somebody_signs_in() {
    let settings = |people: &str, groups: &str| {
        let base = "dc=example,dc=org".to_owned();
        let filter = people.to_owned();
        let mut settings = settings(LdapLookup::Search {
            base,
            filter,
            bind: None,
        });
        with_groups(&mut settings);
        settings.groups_filter = groups.to_owned();
        settings
    };
    let (people, groups) = ("(uid={username})", "(|(member={dn})(memberUid={username}))");

    assert_eq!(settings(people, groups).unreadable_filter(), None);
    assert_eq!(settings("uid={username}", groups).unreadable_filter(), None);
    assert_eq!(
        settings("(uid={username}", groups).unreadable_filter(),
        Some(("search_filter", "(uid={username}"))
    );
    assert_eq!(
        settings(people, "(&(member={dn}))x").unreadable_filter(),
        Some(("groups_filter", "(&(member={dn}))x"))
    );
}

#[tokio::test]
async fn what_is_typed_stays_a_name() {
    for lookup in [template(), search()] {
        let provider = directory(lookup, with_groups);
        for name in [
            "*",
            "riv*",
            "river)(uid=*",
            "*)(|(uid=*",
            "river,ou=people",
            "wash,ou=people,dc=example,dc=org",
            "river+cn=x",
            "\\72iver",
            "{username}",
            "river\0",
        ] {
            let refused = verify(&provider, name, "right-river").await;
            assert!(
                matches!(refused, Err(IdentityError::InvalidCredentials)),
                "`{name}`: {refused:?}"
            );
        }
        let password = format!("right-{AWKWARD}");
        let person = verify(&provider, AWKWARD, &password).await;
        let person = person.expect("this is somebody's name");
        assert_eq!(person.claims["preferred_username"], AWKWARD);
        assert_eq!(person.claims["groups"], json!(["radio"]));
    }
}

#[tokio::test]
async fn groups_come_from_a_search_or_from_the_entry() {
    let searched = directory(search(), with_groups);
    let told = directory(search(), |settings| {
        settings.groups_from = Some("memberOf".to_owned());
    });

    let river = verify(&searched, "river", "right-river").await;
    let wash = verify(&searched, "wash", "right-wash").await;
    let entry = verify(&told, "river", "right-river").await;

    assert_eq!(river.expect("right").claims["groups"], json!(["radio"]));
    assert_eq!(wash.expect("right").claims["groups"], json!(["operators"]));
    let group = format!("cn=radio,ou=groups,{}", base());
    assert_eq!(entry.expect("right").claims["groups"], json!([group]));
}

/// Changes the directory as its administrator: `ldapadd`, `ldapmodify` or `ldapdelete`.
fn administer(program: &str, arguments: &[&str], text: &str) {
    use std::io::Write as _;

    let url = variable("JANSKY_TEST_LDAP_URL");
    let (name, password) = (
        variable("JANSKY_TEST_LDAP_ADMIN_DN"),
        variable("JANSKY_TEST_LDAP_ADMIN_PASSWORD"),
    );
    let mut child = std::process::Command::new(program)
        .args(["-x", "-H", &url, "-D", &name, "-w", &password])
        .args(arguments)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it is installed");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(text.as_bytes()).expect("it reads");
    drop(input);
    assert!(child.wait().expect("it ends").success(), "{program} {text}");
}

#[tokio::test]
async fn a_person_is_looked_up_again_without_their_password() {
    let base = base();
    let mut mark = [0; 4];
    MachineRandom.fill(&mut mark);
    let name = format!("kaylee-{:08x}", u32::from_be_bytes(mark));
    let dn = format!("uid={name},ou=people,{base}");
    administer(
        "ldapadd",
        &[],
        &format!(
            "dn: {dn}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: Kaylee\nsn: Frye\n\
             employeeType: staff\nuserPassword: right\n"
        ),
    );
    let only_staff = LdapLookup::Search {
        base: format!("ou=people,{base}"),
        filter: "(&(uid={username})(employeeType=staff))".to_owned(),
        bind: Some((
            variable("JANSKY_TEST_LDAP_BIND_DN"),
            Secret::new(variable("JANSKY_TEST_LDAP_BIND_PASSWORD")),
        )),
    };
    let provider = directory(only_staff.clone(), with_groups);
    let people = provider.people().expect("it searches");
    let first = verify(&provider, &name, "right")
        .await
        .expect("the password is right");

    let again = people.look_up(&first.subject).await.expect("she is there");
    assert_eq!(again.subject, first.subject);
    assert_eq!(again.claims, first.claims);
    assert_eq!(again.claims["groups"], json!([]));
    let by_dn = directory(only_staff.clone(), |settings| {
        settings.subject_attribute = "dn".to_owned();
    });
    let by_dn = by_dn.people().expect("it searches").look_up(&dn).await;
    assert_eq!(
        by_dn.expect("she is there").claims["preferred_username"],
        json!(name)
    );

    // Groups that are taken away, or that cannot be seen.
    let change = |text: String| administer("ldapmodify", &[], &text);
    let member =
        |how: &str| format!("dn: cn=radio,ou=groups,{base}\n{how}: member\nmember: {dn}\n");
    change(member("add"));
    let with_group = people.look_up(&first.subject).await.expect("she is there");
    assert_eq!(with_group.claims["groups"], json!(["radio"]));
    change(member("delete"));
    let elsewhere = directory(only_staff, |settings| {
        with_groups(settings);
        settings.groups_base = Some(format!("ou=moved,{base}"));
    });
    let elsewhere = elsewhere.people().expect("it searches");
    let unseen = elsewhere.look_up(&first.subject).await;
    assert_eq!(unseen.expect_err("no groups to be seen").code(), "refused");

    // Who does not fit the filter any more is as gone as who is.
    let gone = async || {
        let looked = people.look_up(&first.subject).await;
        assert_eq!(looked.expect_err("she is gone").code(), "account_unusable");
    };
    change(format!(
        "dn: {dn}\nchangetype: modify\nreplace: employeeType\nemployeeType: guest\n"
    ));
    gone().await;
    administer("ldapdelete", &[&dn], "");
    gone().await;
}

#[tokio::test]
async fn a_directory_that_shows_nothing_has_not_said_that_somebody_is_gone() {
    let nothing = LdapLookup::Search {
        base: format!("ou=nowhere,{}", base()),
        filter: "(uid={username})".to_owned(),
        bind: Some((
            variable("JANSKY_TEST_LDAP_BIND_DN"),
            Secret::new(variable("JANSKY_TEST_LDAP_BIND_PASSWORD")),
        )),
    };
    let nothing = directory(nothing, |_| {});
    let down = directory(search(), |settings| {
        settings.url = "ldap://127.0.0.1:1".to_owned();
    });

    for (provider, code) in [(nothing, "refused"), (down, "unavailable")] {
        let people = provider.people().expect("it searches");
        let failed = people.look_up("some-subject").await;
        assert_eq!(failed.expect_err("it cannot tell").code(), code);
    }
    assert!(directory(template(), |_| {}).people().is_none());
}

#[tokio::test]
async fn the_connection_is_encrypted_and_the_certificate_counts() {
    let trusted = {
        let mut roots = rustls::RootCertStore::empty();
        let certificate = CertificateDer::from_pem_file(variable("JANSKY_TEST_LDAP_CA"));
        roots
            .add(certificate.expect("a certificate"))
            .expect("of a CA");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the usual versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    };
    for (variable_of_url, start_tls) in [
        ("JANSKY_TEST_LDAP_TLS_URL", false),
        ("JANSKY_TEST_LDAP_URL", true),
    ] {
        let with = |tls| {
            directory(template(), |settings| {
                settings.url = variable(variable_of_url);
                settings.start_tls = start_tls;
                settings.tls = tls;
            })
        };
        let known = verify(&with(Some(Arc::clone(&trusted))), "river", "right-river").await;
        let unknown = verify(&with(None), "river", "right-river").await;

        assert!(known.is_ok(), "{variable_of_url}: {known:?}");
        assert!(
            matches!(unknown, Err(IdentityError::Unavailable { .. })),
            "{variable_of_url}: {unknown:?}"
        );
    }
}

#[tokio::test]
async fn what_the_operator_got_wrong_is_not_blamed_on_the_person() {
    let code = async |provider: LdapProvider| {
        let failed = verify(&provider, "river", "right-river").await;
        failed.expect_err("it cannot work").code()
    };
    let wrong_bind = LdapLookup::Search {
        base: base(),
        filter: "(uid={username})".to_owned(),
        bind: Some((
            variable("JANSKY_TEST_LDAP_BIND_DN"),
            Secret::new("of last year"),
        )),
    };
    let everybody = LdapLookup::Search {
        filter: "(|(uid={username})(uid=*))".to_owned(),
        base: base(),
        bind: Some((
            variable("JANSKY_TEST_LDAP_BIND_DN"),
            Secret::new(variable("JANSKY_TEST_LDAP_BIND_PASSWORD")),
        )),
    };

    assert_eq!(code(directory(wrong_bind, |_| {})).await, "refused");
    assert_eq!(code(directory(everybody, |_| {})).await, "refused");
    let no_subject = directory(template(), |settings| {
        settings.subject_attribute = "objectGUID".to_owned();
    });
    assert_eq!(code(no_subject).await, "refused");
    let nobody_there = directory(template(), |settings| {
        settings.url = "ldap://127.0.0.1:1".to_owned();
    });
    assert_eq!(code(nobody_there).await, "unavailable");
}

/// A directory that refuses the account that searches has said nothing about anybody.
#[tokio::test]
async fn a_directory_that_refuses_to_be_asked_says_of_nobody_that_they_are_gone() {
    for password in ["", "wrong"] {
        let lookup = LdapLookup::Search {
            base: format!("ou=people,{}", base()),
            filter: "(uid={username})".to_owned(),
            bind: Some((variable("JANSKY_TEST_LDAP_BIND_DN"), Secret::new(password))),
        };
        let provider = directory(lookup, |settings| {
            settings.subject_attribute = "uid".to_owned();
        });

        let people = provider.people().expect("it searches");
        let looked = people.look_up("river").await.expect_err("it is refused");
        let signed_in = verify(&provider, "river", "right-river").await;

        for error in [looked, signed_in.expect_err("it is refused")] {
            assert_eq!(error.code(), "refused", "{error}");
        }
    }
}

/// That a group has no name to be seen is not the same as that there is no group.
#[tokio::test]
async fn groups_and_names_that_the_directory_does_not_show_are_not_none() {
    let nameless = directory(search(), |settings| {
        with_groups(settings);
        settings.groups_name = "telexNumber".to_owned();
    });
    let by_hidden_name = directory(search(), |settings| {
        with_groups(settings);
        settings.username_attribute = "telexNumber".to_owned();
        settings.groups_filter = "(member=uid={username},ou=people)".to_owned();
    });

    for provider in [nameless, by_hidden_name] {
        let refused = verify(&provider, "river", "right-river").await;

        let error = refused.expect_err("nobody can tell her groups").to_string();
        assert!(error.contains("the attribute `telexNumber` of "), "{error}");
    }
}
