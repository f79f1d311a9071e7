//! The environment and `--set` take the place of the file.

use crate::{LOCAL, OIDC, read_with};

#[test]
fn the_command_line_goes_before_the_environment_and_that_before_the_file() {
    let text = format!("[hub]\nbind = \"127.0.0.1:1\"\n[log]\nfilter = \"warn\"{LOCAL}");

    let loaded = read_with(
        &text,
        &[
            ("JANSKY_HUB__BIND", "127.0.0.1:2"),
            ("JANSKY_LOG__FILTER", "debug"),
        ],
        &[("hub.bind", "127.0.0.1:3")],
    )
    .expect("valid");

    assert_eq!(loaded.config.hub.bind.port(), 3);
    assert_eq!(loaded.config.log.filter, "debug");
}

#[test]
fn values_are_read_as_the_key_wants_them() {
    let loaded = read_with(
        LOCAL,
        &[
            ("JANSKY_HUB__ALLOW_NAMED_SERVERS", "false"),
            ("JANSKY_HUB__ACTIVE_SERVER_LIMIT", "7"),
            ("JANSKY_SPAWNER__CPU_LIMIT", "1.5"),
            ("JANSKY_SPAWNER__NOTEBOOK_DIR", "123"),
            ("JANSKY_SPAWNER__ENVIRONMENT__DATA_DIR", "/data"),
            ("JANSKY_DATABASE__URL", "{ env = \"DATABASE\" }"),
        ],
        &[("hub.admin_users", "[\"ada\", \"grace\"]")],
    )
    .expect("valid");

    let jansky_config::Spawner::Process(process) = &loaded.config.spawner else {
        panic!("{:?}", loaded.config.spawner);
    };
    assert!(!loaded.config.hub.allow_named_servers);
    assert_eq!(loaded.config.hub.active_server_limit, 7);
    assert_eq!(loaded.config.hub.admin_users.len(), 2);
    assert_eq!(process.cpu_limit, Some(1.5));
    assert_eq!(process.notebook_dir.as_deref(), Some("123"));
    assert!(process.environment.contains_key("DATA_DIR"));
    assert!(matches!(
        loaded.config.database.url,
        Some(jansky_config::DatabaseUrl::Source(_))
    ));
}

#[test]
fn a_mistake_outside_of_the_file_names_its_place() {
    let problems = read_with(
        LOCAL,
        &[("JANSKY_HUB__BIND", "nowhere"), ("JANSKY_HUBB__BIND", "x")],
        &[
            ("spawner.start_timeout", "soon"),
            ("spawner.cpu_limit", "all"),
        ],
    )
    .expect_err("mistakes");

    let found: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "environment variable JANSKY_HUBB__BIND: hubb: found an unknown key; did you mean `hub`?",
            "environment variable JANSKY_HUB__BIND: hub.bind: found the text `nowhere`; write an \
             IP address and a port, for example \"127.0.0.1:8000\" or \"[::]:8000\"",
            "--set: spawner.cpu_limit: found the text `all`; write a number greater than 0",
            "--set: spawner.start_timeout: found the text `soon`; write a whole number and a unit \
             (ms, s, m, h or d), for example \"30s\" or \"14d\"",
        ]
    );
}

#[test]
fn an_inline_secret_in_the_environment_is_not_repeated() {
    let problems = read_with(
        OIDC,
        &[("JANSKY_PROVIDER__JIVE__CLIENT_SECRET", "hunter2")],
        &[],
    )
    .expect_err("a mistake");

    assert_eq!(
        problems[0].to_string(),
        "environment variable JANSKY_PROVIDER__JIVE__CLIENT_SECRET: provider.jive.client_secret: \
         found a text; a secret is given as { file = \"…\" } or { env = \"…\" }"
    );
}

#[test]
fn a_provider_can_come_from_outside_alone() {
    let loaded =
        read_with("", &[("JANSKY_PROVIDER__MY_ACCOUNTS__KIND", "local")], &[]).expect("valid");

    let ids: Vec<_> = loaded
        .config
        .provider
        .keys()
        .map(ToString::to_string)
        .collect();
    assert_eq!(ids, ["my-accounts"]);
}

#[test]
fn other_variables_are_left_alone() {
    let environment = [
        ("JANSKY_CONFIG", "/x"),
        ("PATH", "/bin"),
        ("HUB__BIND", "x"),
    ];

    assert!(read_with(LOCAL, &environment, &[]).is_ok());
}

#[test]
fn a_value_can_replace_one_with_a_mistake() {
    let text = format!("[hub]\nbind = \"nowhere\"{LOCAL}");

    assert!(read_with(&text, &[], &[("hub.bind", "127.0.0.1:8000")]).is_ok());
}
