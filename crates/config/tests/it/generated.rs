//! Files that are made from the code, and the examples.

use std::fs::read_to_string;
use std::path::PathBuf;

use crate::read;

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn is_up_to_date(path: &str, generated: &str, command: &str) {
    let committed = read_to_string(repository().join(path)).unwrap_or_default();

    // Not `assert_eq`, which would print both files.
    assert!(
        committed == generated,
        "{path} is stale; run: jansky config {command} > {path}"
    );
}

#[test]
fn the_reference_page_is_up_to_date() {
    is_up_to_date(
        "docs/reference/configuration.md",
        &jansky_config::reference(),
        "reference",
    );
}

#[test]
fn the_schema_is_up_to_date() {
    is_up_to_date(
        "docs/reference/jansky.schema.json",
        &jansky_config::schema(),
        "schema",
    );
}

#[test]
fn every_example_checks_clean() {
    let directory = repository().join("deploy/examples");
    let mut count = 0;
    for file in directory.read_dir().expect("the examples are there") {
        let path = file.expect("readable").path();
        let text = read_to_string(&path).expect("readable");

        let loaded =
            read(&text).unwrap_or_else(|problems| panic!("{}: {problems:#?}", path.display()));

        assert_eq!(loaded.warnings, [], "{}", path.display());
        count += 1;
    }
    assert!(count >= 2, "only {count} examples were found");
}

/// The smallest provider of each further kind.
const HEADER: &str = "[provider.jive]\nkind = \"header\"\nuser_header = \"X-Remote-User\"\n\
     trusted_addresses = [\"10.1.2.3\"]\n";

/// The indented blocks of a page that are configurations: those that begin with a section.
fn configurations(page: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in page.lines() {
        let Some(line) = line.strip_prefix("    ").or(line.is_empty().then_some("")) else {
            blocks.push(String::new());
            continue;
        };
        let block = blocks.last_mut().expect("there is always one");
        block.push_str(line);
        block.push('\n');
    }
    let blocks = blocks.into_iter();
    blocks
        .filter(|block| block.trim_start().starts_with('['))
        .collect()
}

/// What the page about Keycloak leads to, for the pages that go on from there.
const KEYCLOAK: &str = "\n[provider.keycloak]\nkind = \"keycloak\"\n\
     issuer = \"https://sso.example.org/realms/jive\"\nclient_id = \"jansky\"\n\
     client_secret = { env = \"KEYCLOAK_SECRET\" }\nallow_all = true\n";

#[test]
fn every_configuration_in_a_how_to_page_checks_clean() {
    let directory = repository().join("docs/how-to");
    let mut pages = 0;
    for file in directory.read_dir().expect("the pages are there") {
        let path = file.expect("readable").path();
        let page = read_to_string(&path).expect("readable");
        for mut text in configurations(&page) {
            // A page about something else has a part of a configuration.
            if !text.contains("[provider.") {
                text.push_str(crate::LOCAL);
            }
            if text.contains("provider = \"keycloak\"") {
                text.push_str(KEYCLOAK);
            }

            let loaded = read(&text)
                .unwrap_or_else(|problems| panic!("{}: {problems:#?}\n{text}", path.display()));

            assert_eq!(loaded.warnings, [], "{}\n{text}", path.display());
            pages += usize::from(text.contains("[provider."));
        }
    }
    assert!(pages >= 9, "only {pages} configurations were found");
}

#[test]
fn every_toml_example_of_the_reference_is_accepted() {
    let page = jansky_config::reference();
    let mut key: Vec<String> = Vec::new();
    let mut checked = 0;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("### `") {
            let path = heading.trim_end_matches('`').replace("<id>", "jive");
            key = path.split('.').map(str::to_owned).collect();
        } else if line == "```toml" && !key.is_empty() {
            let (_, value) = lines
                .next()
                .and_then(|example| example.split_once(" = "))
                .expect("a key and a value");
            let text = match key[0].as_str() {
                // A provider may refuse a key of another kind, which is tried then.
                "provider" => vec![
                    crate::OIDC.to_owned(),
                    "[provider.jive]\nkind = \"local\"\n".to_owned(),
                    crate::OIDC
                        .replace("oidc", "github")
                        .replace("issuer", "url"),
                    HEADER.to_owned(),
                    "[provider.jive]\nkind = \"pam\"\n".to_owned(),
                    "[provider.jive]\nkind = \"ldap\"\nurl = \"ldap://127.0.0.1\"\n\
                     user_dn = \"uid={username}\"\n"
                        .to_owned(),
                ],
                // Some keys belong to others.
                "spawner" => vec![
                    crate::LOCAL.to_owned(),
                    crate::DOCKER.to_owned(),
                    crate::FIRECREST.replace("poller", "firecrest-service"),
                    format!("{}service_account = \"poller\"\n", crate::FIRECREST),
                    format!(
                        "{}[spawner]\nkind = \"process\"\nrun_as = \"hub\"\n\
                         users_are_trusted_with_everything = true\n",
                        crate::LOCAL
                    ),
                ],
                // Some name a provider.
                "hub" => vec![
                    crate::LOCAL.to_owned(),
                    format!("{}{KEYCLOAK}", crate::LOCAL),
                ],
                _ => vec![crate::LOCAL.to_owned()],
            };
            let problems: Vec<_> = text
                .iter()
                .map(|text| {
                    // Overrides read text as it is.
                    let value = value
                        .strip_prefix('"')
                        .map_or(value, |text| text.trim_end_matches('"'));
                    match crate::read_with(text, &[], &[(&key.join("."), value)]) {
                        Ok(_) => Vec::new(),
                        Err(problems) => problems,
                    }
                })
                .collect();
            let about_key = |problems: &[jansky_config::Problem]| {
                problems.iter().any(|problem| problem.key == key.join("."))
            };
            assert!(
                problems.iter().any(|problems| !about_key(problems)),
                "{}: {problems:#?}",
                key.join(".")
            );
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} examples were found");
}
