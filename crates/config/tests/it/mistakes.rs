//! Every kind of mistake has its message, its line and its advice.

use crate::{LOCAL, OIDC, error, message, messages, read};

#[test]
fn config_with_three_mistakes_reports_three() {
    let text = r#"[hub]
bind = "localhost"
publik_url = "https://jupyter.example.org/"

[provider.jive]
kind = "oidc"
issuer = "https://sso.example.org/realms/jive"
client_id = "jupyterhub"
client_secret = "07f-this-is-secret"
"#;

    assert_eq!(
        messages(text),
        [
            "jansky.toml:2: hub.bind: found the text `localhost`; write an IP address and a port, \
             for example \"127.0.0.1:8000\" or \"[::]:8000\"",
            "jansky.toml:3: hub.publik_url: found an unknown key; did you mean `public_url`?",
            "jansky.toml:9: provider.jive.client_secret: found a text; a secret is given as \
             { file = \"…\" } or { env = \"…\" }",
        ]
    );
}

#[test]
fn an_inline_secret_is_refused_and_not_repeated() {
    for value in [
        "\"hunter2\"",
        "[\"hunter2\"]",
        "12345",
        "{ value = \"hunter2\" }",
    ] {
        let text = OIDC.replace("{ env = \"KEYCLOAK_SECRET\" }", value);

        let found = error(&text);

        assert!(
            found.starts_with("jansky.toml:5: provider.jive.client_secret"),
            "{found}"
        );
        assert!(
            found.contains("{ file = \"…\" } or { env = \"…\" }"),
            "{found}"
        );
        assert!(
            !found.contains("hunter2") && !found.contains("12345"),
            "{found}"
        );
    }
}

#[test]
fn a_secret_has_exactly_one_source() {
    for (value, expected) in [
        ("{}", "provider.jive.client_secret: found an empty table"),
        (
            "{ env = \"A\", file = \"/b\" }",
            "provider.jive.client_secret: found both `file` and `env`",
        ),
        (
            "{ env = \"\" }",
            "provider.jive.client_secret.env: found the text ``; it cannot be empty",
        ),
        (
            "{ env = 1 }",
            "provider.jive.client_secret.env: found the number `1`",
        ),
        (
            "{ file = \"secret\" }",
            "provider.jive.client_secret.file: found the text `secret`",
        ),
        ("[]", "provider.jive.client_secret: found an empty list"),
        (
            "[{ file = \"/a\" }, {}]",
            "provider.jive.client_secret: found an empty table",
        ),
    ] {
        let found = error(&OIDC.replace("{ env = \"KEYCLOAK_SECRET\" }", value));

        assert!(
            found.starts_with(&format!("jansky.toml:5: {expected}")),
            "{value}: {found}"
        );
    }
}

#[test]
fn two_secrets_may_live() {
    let list = "[{ file = \"/new\" }, { file = \"/old\" }]";
    let loaded = read(&OIDC.replace("{ env = \"KEYCLOAK_SECRET\" }", list)).expect("valid");

    let (_, provider) = loaded
        .config
        .provider
        .first_key_value()
        .expect("one provider");
    let jansky_config::Provider::Oidc(oidc) = provider else {
        panic!("not an oidc provider");
    };
    assert_eq!(
        oidc.client_secret.as_ref().map(|all| all.sources().len()),
        Some(2)
    );
}

#[test]
fn an_unknown_key_leads_to_what_was_meant() {
    for (line, expected) in [
        (
            "[hubb]\nbind = \"127.0.0.1:1\"",
            "jansky.toml:1: hubb: found an unknown key; did you mean `hub`?",
        ),
        (
            "[hub]\nallow-named-servers = true",
            "jansky.toml:2: hub.allow-named-servers: found an unknown key; did you mean `allow_named_servers`?",
        ),
        (
            "[hub]\nmemory_limit = \"1 GiB\"",
            "jansky.toml:2: hub.memory_limit: found an unknown key; it belongs to `[spawner]`",
        ),
        (
            "[database]\ndb_url = \"sqlite:///x\"",
            "jansky.toml:2: database.db_url: found an unknown key; did you mean `database.url`?",
        ),
        (
            "[session]\n\n\n\"what is this\" = 1",
            "jansky.toml:4: session.\"what is this\": found an unknown key; known are `lifetime`, `token_lifetime`, `rights_refresh`, `token_lifetime_at_start`, `sign_in_timeout`",
        ),
        (
            "[spawner]\nkind = \"process\"\nmem_limit = \"1G\"",
            "jansky.toml:3: spawner.mem_limit: found an unknown key; did you mean `memory_limit`?",
        ),
        (
            "bind = \"127.0.0.1:1\"",
            "jansky.toml:1: bind: found an unknown key; it belongs to `[hub]`",
        ),
    ] {
        assert_eq!(message(&format!("{line}{LOCAL}")), expected);
    }
}

#[test]
fn a_value_of_the_wrong_type_names_the_right_one() {
    for (line, expected) in [
        (
            "[hub]\nallow_named_servers = \"yes\"",
            "hub.allow_named_servers: found the text `yes`; write true or false",
        ),
        (
            "[hub]\nactive_server_limit = -1",
            "hub.active_server_limit: found the number `-1`; write a whole number from 0 to 4294967295",
        ),
        (
            "[hub]\nactive_server_limit = 1.5",
            "hub.active_server_limit: found the number `1.5`; write a whole number from 0 to 4294967295",
        ),
        (
            "[hub]\nactive_server_limit = 99999999999999999999",
            "hub.active_server_limit: found a number that is too large; write a whole number from 0 to 4294967295",
        ),
        (
            "[hub]\nadmin_users = \"ada\"",
            "hub.admin_users: found the text `ada`; write a list in [ and ]",
        ),
        (
            "[hub]\ndata_dir = 1979-05-27",
            "hub.data_dir: found a date or time; write a path that begins with \"/\"",
        ),
        (
            "[session]\nlifetime = 60",
            "session.lifetime: found the number `60`; write a whole number and a unit (ms, s, m, h or d), for example \"30s\" or \"14d\"",
        ),
        (
            "[spawner]\ncpu_limit = 0",
            "spawner.cpu_limit: found the number `0`; write a number greater than 0",
        ),
        (
            "[spawner]\ncpu_limit = nan",
            "spawner.cpu_limit: found a number that is not finite; write a number greater than 0",
        ),
        (
            "[spawner]\nenvironment = \"A=1\"",
            "spawner.environment: found the text `A=1`; write a section, or a table in { and }",
        ),
        (
            "[spawner]\nenvironment = { A = 1 }",
            "spawner.environment.A: found a number; write a text in quotes, or a secret is given as { file = \"…\" } or { env = \"…\" }",
        ),
        (
            "[spawner]\ncommand = []",
            "spawner.command: found an empty list; at least one value is needed",
        ),
        (
            "\nlog = \"debug\"",
            "log: found the text `debug`; write a section, or a table in { and }",
        ),
    ] {
        assert_eq!(
            message(&format!("{line}{LOCAL}")),
            format!("jansky.toml:2: {expected}")
        );
    }
}

#[test]
fn a_value_in_the_wrong_notation_shows_the_right_one() {
    for (line, expected) in [
        (
            "[session]\nlifetime = \"2 weeks\"",
            "session.lifetime: found the text `2 weeks`; write a whole number and a unit",
        ),
        (
            "[proxy]\nmax_header_size = \"much\"",
            "proxy.max_header_size: found the text `much`; write a size such as \"512 MiB\"",
        ),
        (
            "[hub]\npublic_url = \"jupyter.example.org\"",
            "hub.public_url: found the text `jupyter.example.org`; write a URL that begins with",
        ),
        (
            "[hub]\npublic_url = \"ftp://example.org\"",
            "hub.public_url: found the text `ftp://example.org`; write a URL that begins with",
        ),
        (
            "[hub]\nsubdomain_host = \"https://hub.example.org/x\"\ntrusted_proxies = [\"::1\"]",
            "hub.subdomain_host: found the URL `https://hub.example.org/x`; write scheme, host and",
        ),
        (
            "[hub]\nsubdomain_host = \"http://127.0.0.1:8000\"",
            "hub.subdomain_host: found the URL `http://127.0.0.1:8000`; nothing can be below",
        ),
        (
            "[hub]\nsubdomain_host = \"https://a.org\"\npublic_url = \"https://b.org\"\ntrusted_proxies = [\"::1\"]",
            "hub.subdomain_host: found another host than in `hub.public_url`; the hub is on this",
        ),
        (
            "[hub]\ntrusted_proxies = [\"10.1.1.1/8\"]",
            "hub.trusted_proxies: found the text `10.1.1.1/8`; the network is written \"10.0.0.0/8\"",
        ),
        (
            "[hub]\ndata_dir = \"data\"",
            "hub.data_dir: found the text `data`; write a path that begins with",
        ),
        (
            "[hub]\nadmin_users = [\"a/b\"]",
            "hub.admin_users: found the text `a/b`; not a name of a user: it contains `/`",
        ),
    ] {
        let found = message(&format!("{line}{LOCAL}"));
        assert!(
            found.starts_with(&format!("jansky.toml:2: {expected}")),
            "{found}"
        );
    }
}

#[test]
fn a_word_that_is_not_allowed_shows_the_allowed_ones() {
    assert_eq!(
        message(&format!("[log]\nformat = \"jsn\"{LOCAL}")),
        "jansky.toml:2: log.format: found the text `jsn`; did you mean `json`? \
         allowed are `text`, `json`"
    );
    assert_eq!(
        message(&format!("[spawner]\nrun_as = \"root\"{LOCAL}")),
        "jansky.toml:2: spawner.run_as: found the text `root`; allowed are `hub`, `unix-account`"
    );
}

#[test]
fn a_mistake_in_a_list_is_on_the_line_of_its_item() {
    let text = format!("[hub]\nadmin_users = [\n  \"ada\",\n  \"\",\n  \"grace\",\n]\n{LOCAL}");

    assert_eq!(
        message(&text),
        "jansky.toml:4: hub.admin_users: found the text ``; not a name of a user: it is empty"
    );
}

#[test]
fn a_provider_needs_a_kind_that_exists() {
    assert_eq!(
        message("\n[provider.jive]\ntitle = \"JIVE\"\n"),
        "jansky.toml:2: provider.jive.kind: found nothing; allowed are `local`, `oidc`, \
         `keycloak`, `indigo-iam`, `globus`, `google`, `cilogon`, `egi-checkin`, `github`, \
         `header`, `pam`, `ldap`"
    );
    assert_eq!(
        message("[provider.jive]\nkind = \"oidcc\"\n"),
        "jansky.toml:2: provider.jive.kind: found the text `oidcc`; did you mean `oidc`?"
    );
    assert_eq!(
        message("[provider.jive]\nkind = 3\n"),
        "jansky.toml:2: provider.jive.kind: found the number `3`; allowed are `local`, `oidc`, \
         `keycloak`, `indigo-iam`, `globus`, `google`, `cilogon`, `egi-checkin`, `github`, \
         `header`, `pam`, `ldap`"
    );
}

#[test]
fn every_required_key_that_is_missing_is_reported_with_an_example() {
    assert_eq!(
        messages("# one\n# two\n[provider.jive]\nkind = \"oidc\"\n"),
        [
            "jansky.toml:3: provider.jive.issuer: found nothing; it is required; write for example \
             issuer = \"https://sso.example.org/realms/astronomy\"",
            "jansky.toml:3: provider.jive.client_id: found nothing; it is required; write for \
             example client_id = \"jupyterhub\"",
        ]
    );
    let without = OIDC.replace("client_secret = { env = \"KEYCLOAK_SECRET\" }\n", "");
    assert_eq!(
        message(&without),
        "jansky.toml:1: provider.jive.client_secret: found nothing; it is required unless there is \
         a `client_key`; write for example client_secret = { file = \
         \"/run/credentials/jansky.service/keycloak\" }"
    );
}

#[test]
fn a_certificate_needs_its_key() {
    assert_eq!(
        message(&format!(
            "[tls]\ncertificate = \"/etc/jansky/cert.pem\"{LOCAL}"
        )),
        "jansky.toml:1: tls.key: found nothing; it is required; write for example \
         key = \"/run/credentials/jansky.service/tls-key\""
    );
}

#[test]
fn the_id_of_a_provider_is_a_name() {
    assert_eq!(
        message("[provider.\"Jive Account\"]\nkind = \"local\"\n"),
        "jansky.toml:1: provider.\"Jive Account\": found an id that is not allowed; write 1 to \
         40 characters of a-z, 0-9 and hyphens"
    );
}

#[test]
fn a_mistake_in_the_toml_has_its_line() {
    let found = messages("[hub]\nbind = \"127.0.0.1:8000\nallow_named_servers = true\n");

    assert!(found[0].starts_with("jansky.toml:2: "), "{found:?}");
    assert!(
        found[0].ends_with("; correct the TOML of this line"),
        "{found:?}"
    );
}

#[test]
fn a_key_that_is_given_twice_is_a_mistake() {
    let found = messages(&format!(
        "[hub]\nallow_named_servers = true\nallow_named_servers = false{LOCAL}"
    ));

    assert_eq!(
        found,
        [
            "jansky.toml:3: found the key `allow_named_servers` a second time in the same section; \
             correct the TOML of this line"
        ]
    );
}

#[test]
fn a_mistake_in_the_toml_does_not_hide_the_others() {
    let found = messages("[hub\nbind = \"x\"\n[log]\nformat = \"xml\"\n");

    assert!(found[0].starts_with("jansky.toml:1: "), "{found:?}");
    assert!(
        found
            .iter()
            .any(|one| one.starts_with("jansky.toml:4: log.format: ")),
        "{found:?}"
    );
    assert!(
        !found
            .iter()
            .any(|one| one.contains("found no way to sign in")),
        "{found:?}"
    );
}

#[test]
fn long_values_are_cut_and_control_characters_are_escaped() {
    let found = message(&format!(
        "[hub]\ndata_dir = \"\\u0007{}\"{LOCAL}",
        "x".repeat(500)
    ));

    assert!(found.contains("`\\u{7}xxx"), "{found}");
    assert!(found.contains("xxx…`"), "{found}");
    assert!(found.len() < 200, "{found}");
}

#[test]
fn the_password_of_a_database_is_not_repeated() {
    let found = message(&format!(
        "[database]\nurl = \"mysql://jansky:hunter2@db/jansky\"{LOCAL}"
    ));

    assert_eq!(
        found,
        "jansky.toml:2: database.url: found a text; write \"sqlite:///path/of/the/file\" or \
         \"postgres://user@host/name\""
    );
}

#[test]
fn a_problem_knows_its_column() {
    let problems = read(&format!("[hub]\n  bind = \"x\"{LOCAL}")).expect_err("an error");

    assert_eq!(
        (problems[0].line(), problems[0].column()),
        (Some(2), Some(10))
    );
    assert_eq!(problems[0].key, "hub.bind");
}
