//! Who somebody is, whatever they call themselves (D10, D11).

use jansky_testing::Person;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::person::PROVIDER;
use crate::site::{EVERYBODY, Site, scripted_provider};

/// D10
#[tokio::test]
async fn a_name_leads_nobody_into_the_account_of_somebody_else() {
    let site = Site::new().await;
    let other = scripted_provider().await;
    site.add_provider("b", &other, EVERYBODY);
    site.op.script().people = vec![Person::new("sub-1", "alice"), Person::new("sub-2", "alice")];
    other.script().people = vec![Person::new("sub-1", "alice")];
    let hub = site.start().await;
    let alice = Browser::new(&hub.url);
    alice.sign_in(&site.op, "sub-1").await;
    alice.start_server("alice").await;

    for (id, provider, subject) in [(PROVIDER, &site.op, "sub-2"), ("b", &other, "sub-1")] {
        let thief = Browser::new(&hub.url);
        let refused = thief.sign_in_at(id, provider, subject).await;

        assert_eq!(refused.status, 403, "{id} {subject}: {refused:#?}");
        assert!(thief.get("hub/home").await.asks_to_sign_in());
        let servers = thief.api("GET", "hub/api/users/alice", None).await;
        assert!(matches!(servers.status, 401 | 403), "{servers:#?}");
    }
    let renamed = Person::new("sub-1", "alicia");
    *site.op.script().person("sub-1") = renamed;
    let again = Browser::new(&hub.url);
    again.sign_in(&site.op, "sub-1").await;

    let who = again.whoami().await;
    assert_eq!(who["name"], "alice", "she keeps her account");
    assert_eq!(who["servers"][""]["ready"], true, "and her server");
}

/// D11
#[tokio::test]
async fn only_verified_addresses_of_the_right_domain_come_in() {
    let site = Site::with("allow_all = true\nhosted_domains = [\"good.org\"]\n").await;
    let google = scripted_provider().await;
    let vouched =
        "allow_all = true\nhosted_domains = [\"good.org\"]\nhosted_domain_claim = \"hd\"\n";
    site.add_provider("google", &google, vouched);
    let hub = site.start().await;
    let person = |subject: &str, email: &str, verified: Value| {
        Person::new(subject, subject)
            .with("email", json!(email))
            .with("email_verified", verified)
    };

    for (provider, someone, expected) in [
        (
            PROVIDER,
            person("unverified", "a@good.org", json!(false)),
            403,
        ),
        (PROVIDER, person("unsaid", "a@good.org", json!(null)), 403),
        (
            PROVIDER,
            person("twice", "a@evil.org@good.org", json!(true)),
            403,
        ),
        (
            PROVIDER,
            person("elsewhere", "a@evil.org", json!(true)),
            403,
        ),
        (PROVIDER, person("loud", "A@GOOD.ORG", json!(true)), 302),
        (
            "google",
            person("unvouched", "a@good.org", json!(true)),
            403,
        ),
        (
            "google",
            person("vouched", "a@good.org", json!(true)).with("hd", json!("good.org")),
            302,
        ),
    ] {
        let op = if provider == PROVIDER {
            &site.op
        } else {
            &google
        };
        let subject = someone.subject.clone();
        op.script().people.push(someone);

        let browser = Browser::new(&hub.url);
        let answer = browser.sign_in_at(provider, op, &subject).await;

        assert_eq!(answer.status, expected, "{subject}: {answer:#?}");
    }
}
