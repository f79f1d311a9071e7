//! `jansky config` on the command line.

use crate::house::{House, run, told};

const WRONG: &str = "[hub]
bind = \"nowhere\"
pubic_url = \"https://example.org/\"

[session]
lifetime = \"a while\"

[provider.keycloak]
kind = \"oidc\"
client_id = \"jansky\"
client_secret = \"in-the-open\"

[spawner]
kind = \"pigeon\"
";

fn write(house: &House, text: &str) -> String {
    let path = house.path().join("tested.toml");
    std::fs::write(&path, text).expect("the directory is ours");
    path.display().to_string()
}

#[tokio::test]
async fn check_reports_every_mistake_with_its_line() {
    let house = House::new();
    let file = write(&house, WRONG);

    let output = run(&["config", "check", "--config", &file]).await;

    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for (line, word) in [
        (2, "hub.bind"),
        (3, "public_url"),
        (6, "session.lifetime"),
        (8, "issuer"),
        (11, "client_secret"),
        (14, "spawner.kind"),
    ] {
        let place = format!("{file}:{line}: ");
        let found = told
            .lines()
            .any(|text| text.contains(&place) && text.contains(word));
        assert!(found, "nothing about `{word}` in line {line}:\n{told}");
    }
    assert!(!told.contains("in-the-open"), "{told}");
}

#[tokio::test]
async fn check_says_that_a_good_file_has_no_mistakes() {
    let house = House::new();
    let file = house.config().display().to_string();

    let output = run(&["config", "check", "--config", &file]).await;

    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("no mistakes"), "{}", told(&output));
}

#[tokio::test]
async fn a_key_on_the_command_line_is_checked_like_one_in_the_file() {
    let house = House::new();
    let file = house.config().display().to_string();

    let arguments = ["config", "check", "--config", &file, "--set"];
    let unknown = run(&[&arguments[..], &["hub.colour=green"]].concat()).await;
    let wrong = run(&[&arguments[..], &["hub.bind=nowhere"]].concat()).await;
    let malformed = run(&[&arguments[..], &["hub.bind"]].concat()).await;

    for (output, word) in [(unknown, "colour"), (wrong, "nowhere"), (malformed, "KEY")] {
        assert!(!output.status.success(), "{}", told(&output));
        assert!(told(&output).contains(word), "{}", told(&output));
    }
}

#[tokio::test]
async fn a_missing_file_is_named() {
    let output = run(&["config", "check", "--config", "/nowhere/jansky.toml"]).await;

    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let told = told(&output);
    assert!(told.contains("`/nowhere/jansky.toml`"), "{told}");
    assert!(told.contains("--config FILE"), "{told}");
}

#[tokio::test]
async fn show_tells_where_a_value_comes_from_and_no_secret() {
    let house = House::new();
    let file = write(
        &house,
        "[database]\nurl = \"postgres://jansky:Grote-Reber-1911@db.example.org/jansky\"\n\
         [provider.local]\nkind = \"local\"\n",
    );

    let set = "hub.data_dir=/srv/jansky";
    let output = run(&["config", "show", "--config", &file, "--set", set]).await;

    let told = told(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("/srv/jansky"), "{told}");
    assert!(told.contains("db.example.org"), "{told}");
    assert!(!told.contains("Grote-Reber-1911"), "{told}");
}

#[tokio::test]
async fn the_schema_is_json_and_the_reference_is_the_one_in_the_documentation() {
    let schema = run(&["config", "schema"]).await;
    let reference = run(&["config", "reference"]).await;

    let schema: serde_json::Value =
        serde_json::from_slice(&schema.stdout).expect("the schema is JSON");
    assert!(schema["properties"]["hub"].is_object(), "{schema}");
    let written = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/configuration.md"
    );
    let written = std::fs::read_to_string(written).expect("the reference is in the repository");
    assert_eq!(
        String::from_utf8_lossy(&reference.stdout).trim(),
        written.trim()
    );
}

const RULES: &str = "[hub]
admin_users = [\"grote\"]

[provider.keycloak]
kind = \"keycloak\"
issuer = \"https://sso.example.org/realms/a\"
client_id = \"jansky\"
client_secret = { env = \"NOT_NEEDED_FOR_THIS\" }
allowed_groups = [\"/radio\"]
admin_groups = [\"/operators\"]
blocked_users = [\"mallory\"]

[role.observers]
scopes = [\"list:users\"]
groups = [\"/radio\"]
";

async fn explain(claims: &str) -> (Option<i32>, String) {
    let house = House::new();
    let file = write(&house, RULES);
    let path = house.path().join("claims.json");
    std::fs::write(&path, claims).expect("the directory is ours");
    let path = path.display().to_string();
    let arguments = ["config", "explain-login", "--config", &file];
    let more = ["--provider", "keycloak", "--claims", &path];
    let output = run(&[&arguments[..], &more[..]].concat()).await;
    (output.status.code(), told(&output))
}

#[tokio::test]
async fn explain_login_walks_through_the_rules_to_what_somebody_comes_in_with() {
    let (code, told) =
        explain("{\"sub\": \"1\", \"preferred_username\": \"River\", \"groups\": [\"/radio\"]}")
            .await;

    assert_eq!(code, Some(0), "{told}");
    for line in [
        "  username_claim `preferred_username`: the name of a new user would be `river`",
        "  blocked_users: `river` is not among them",
        "  groups_claim: the groups are `/radio`",
        "+ allowed_groups: `river` is in `/radio`",
        "  admin_groups: `river` is in none of them",
        "Result: gets in.",
        "  Admin: no",
        "  Groups: /radio",
        "  Roles: user, observers",
    ] {
        assert!(
            told.lines().any(|found| found == line),
            "no `{line}` in:\n{told}"
        );
    }
}

#[tokio::test]
async fn explain_login_says_which_rule_keeps_somebody_out() {
    let (code, told) = explain(
        "{\"sub\": \"2\", \"preferred_username\": \"mallory\", \"groups\": [\"/operators\"]}",
    )
    .await;
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("- blocked_users: `mallory` is among them"),
        "{told}"
    );
    assert!(told.contains("Result: does not get in."), "{told}");

    let (code, told) = explain("[]").await;
    assert_eq!(code, Some(1));
    assert!(told.contains("holds no JSON object"), "{told}");
}

#[tokio::test]
async fn explain_login_says_what_cannot_be_read_and_by_which_shape() {
    let (code, told) =
        explain("{\"sub\": \"1\", \"preferred_username\": 1042, \"groups\": \"/radio,/canary\"}")
            .await;

    assert_eq!(code, Some(1), "{told}");
    for line in [
        "the name of a new user would be `1042`",
        "cannot be read: the claim `groups` is one text with `,` in it where a list of texts is \
         expected; let the provider send a list, or say in `groups_separator`",
        "not certain; somebody who is here already would keep their rights",
    ] {
        assert!(told.contains(line), "no `{line}` in:\n{told}");
    }
    assert!(!told.contains("canary"), "{told}");
}

#[tokio::test]
async fn who_gets_in_with_a_local_account_is_explained_without_claims() {
    let house = House::new();
    let file = write(
        &house,
        "[provider.local]\nkind = \"local\"\nsign_up = \"open\"\nsecond_factor = \"required\"\n\
         [spawner]\nkind = \"process\"\nrun_as = \"hub\"\n\
         users_are_trusted_with_everything = true\n",
    );
    let claims = house.path().join("claims.json");
    std::fs::write(&claims, "{}").expect("the directory is ours");
    let claims = claims.display().to_string();
    let arguments = ["config", "explain-login", "--config", &file];
    let more = ["--provider", "local", "--claims", &claims];

    let output = run(&[&arguments[..], &more[..]].concat()).await;

    let told = told(&output);
    assert!(!output.status.success());
    assert!(
        told.contains(
            "provider `local` has no claims: whoever signs up gets in, with the code of a second \
             factor, which everybody has to have"
        ),
        "{told}"
    );
}
