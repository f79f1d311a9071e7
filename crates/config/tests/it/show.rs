//! The effective configuration.

use crate::{OIDC, read, read_with};

#[test]
fn every_value_says_where_it_comes_from() {
    let text = format!("[hub]\nbind = \"127.0.0.1:8001\"\n{OIDC}");
    let loaded = read_with(
        &text,
        &[("JANSKY_PROXY__THREADS", "3")],
        &[("log.format", "json")],
    )
    .expect("valid");

    let shown = loaded.show();

    let line = |start: &str| {
        let line = shown.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no line `{start}` in\n{shown}"))
            .to_owned()
    };
    assert!(line("bind = \"127.0.0.1:8001\" ").ends_with("# jansky.toml:2"));
    assert!(line("threads = 3 ").ends_with("# environment variable JANSKY_PROXY__THREADS"));
    assert!(line("format = \"json\" ").ends_with("# --set"));
    assert!(line("data_dir = \"/var/lib/jansky\" ").ends_with("# default"));
    assert!(line("issuer = ").ends_with("# jansky.toml:5"));
    assert!(line("client_secret = { env = \"KEYCLOAK_SECRET\" }").ends_with("# jansky.toml:7"));
    assert_eq!(
        line("# public_url"),
        "# public_url: `subdomain_host`, or made from `bind`"
    );
    assert!(shown.contains("[provider.jive]\nkind = \"oidc\""));
}

#[test]
fn what_is_shown_can_be_read_again_and_is_the_same() {
    let text =
        format!("[spawner]\nenvironment = {{ A = \"1\", \"B C\" = {{ env = \"X\" }} }}\n{OIDC}");
    let loaded = read(&text).expect("valid");
    let shown = loaded.show();

    let again = read(&shown).unwrap_or_else(|problems| panic!("{problems:#?}\n{shown}"));

    assert_eq!(
        format!("{:?}", again.config),
        format!("{:?}", loaded.config)
    );
}

#[test]
fn secrets_are_neither_shown_nor_in_debug_output() {
    let text = format!(
        "[database]\nurl = \"postgres://jansky:hunter2@db.example.org/jansky\"\n\
         [spawner.environment]\nDB_PASSWORD = \"hunter2\"\nPLAIN = \"shown\"\n{OIDC}"
    );
    let loaded = read(&text).expect("valid");

    let shown = loaded.show();

    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(
        shown.contains("postgres://jansky:…@db.example.org/jansky"),
        "{shown}"
    );
    assert!(shown.contains("PLAIN = \"shown\""), "{shown}");
    assert!(!format!("{:?}", loaded.config).contains("hunter2"));
    assert!(!format!("{loaded:?}").contains("hunter2"));
}

#[test]
fn every_secret_that_cannot_be_read_is_reported_at_its_place() {
    let text = format!(
        "[database]\nurl = {{ env = \"JANSKY_TEST_THIS_IS_NOT_SET\" }}\n\
         [spawner.environment]\nA = {{ file = \"/nonexistent/a\" }}\nB = {{ env = \"PATH\" }}\n{}",
        OIDC.replace("KEYCLOAK_SECRET", "JANSKY_TEST_NOR_IS_THIS")
    );
    let loaded = read(&text).expect("valid");

    let problems = loaded.unreadable_secrets();

    let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].starts_with(
        "jansky.toml:2: database.url: the environment variable `JANSKY_TEST_THIS_IS_NOT_SET` is not set"
    ));
    assert!(found[1].starts_with(
        "jansky.toml:4: spawner.environment.A: could not read the secret file `/nonexistent/a`: "
    ));
    assert!(
        found[2].starts_with("jansky.toml:10: provider.jive.client_secret: "),
        "{found:#?}"
    );
}
