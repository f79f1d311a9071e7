//! Whatever the text, the check answers.

use proptest::prelude::*;

use crate::{read, read_with};

/// Texts that look like a configuration, with values of all types in places of all kinds.
fn plausible() -> impl Strategy<Value = String> {
    let section = prop::sample::select(vec![
        "[hub]",
        "[database]",
        "[tls]",
        "[session]",
        "[provider]",
        "[provider.a]",
        "[provider.b]",
        "[provider.a.endpoints]",
        "[spawner]",
        "[spawner.environment]",
        "[proxy]",
        "[log]",
        "[[hub]]",
        "[other]",
    ]);
    let key = prop::sample::select(vec![
        "bind",
        "public_url",
        "api_url",
        "url",
        "kind",
        "issuer",
        "client_id",
        "client_secret",
        "scopes",
        "environment",
        "command",
        "cpu_limit",
        "memory_limit",
        "lifetime",
        "threads",
        "format",
        "admin_users",
        "endpoints",
        "a.b",
        "\"\"",
    ]);
    let value = prop::sample::select(vec![
        "true",
        "-1",
        "0",
        "1.5",
        "nan",
        "99999999999999999999",
        "0xffffffffffffffff",
        "\"\"",
        "\"local\"",
        "\"oidc\"",
        "\"json\"",
        "\"https://example.org/\"",
        "\"127.0.0.1:1\"",
        "\"1 GiB\"",
        "\"30s\"",
        "[]",
        "[[]]",
        "[1, \"a\", {}]",
        "[\"openid\"]",
        "{}",
        "{ env = \"A\" }",
        "{ file = \"/a\" }",
        "{ a = \"b\" }",
        "1979-05-27",
        "",
    ]);
    let line = prop_oneof![
        2 => section.prop_map(str::to_owned),
        5 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
    ];
    prop::collection::vec(line, 0..14).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        drop(read(&text));
    }

    #[test]
    fn arbitrary_toml_never_panics_and_is_never_the_fault_of_the_checks(text in plausible()) {
        let problems = match read(&text) {
            Ok(loaded) => {
                loaded.show();
                loaded.warnings
            }
            Err(problems) => problems,
        };
        for problem in problems {
            let message = problem.to_string();
            prop_assert!(!message.contains("please report"), "{}\n{}", message, text);
            prop_assert!(!message.contains('\n'), "{}", message);
        }
    }

    #[test]
    fn arbitrary_overrides_never_panic(
        name in "JANSKY_[A-Z_]{0,24}",
        key in "(hub|provider|spawner|log|)[a-z.]{0,20}",
        value in any::<String>(),
    ) {
        drop(read_with(crate::LOCAL, &[(&name, &value)], &[(&key, &value)]));
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_overflow() {
    let text = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));

    assert!(read(&text).is_err());
}
