//! The configuration as operators meet it: a file goes in, messages and pages come out.

mod generated;
mod mistakes;
mod overrides;
mod presets;
mod robust;
mod rules;
mod show;

use jansky_config::{Input, Loaded, Problem, Severity, load};

/// Reads the text of a file named `jansky.toml`.
fn read(text: &str) -> Result<Loaded, Vec<Problem>> {
    read_with(text, &[], &[])
}

/// Reads the text of a file with variables and settings.
fn read_with(
    text: &str,
    environment: &[(&str, &str)],
    settings: &[(&str, &str)],
) -> Result<Loaded, Vec<Problem>> {
    let owned = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    };
    let input = Input {
        file_name: "jansky.toml".to_owned(),
        text: text.to_owned(),
        environment: owned(environment),
        settings: owned(settings),
    };
    load(&input).map_err(|problems| problems.0)
}

/// The messages about a text, errors and warnings alike.
fn messages(text: &str) -> Vec<String> {
    let problems = match read(text) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect()
}

/// The only message about a text.
fn message(text: &str) -> String {
    let mut messages = messages(text);
    assert_eq!(messages.len(), 1, "not one message: {messages:#?}\n{text}");
    messages.remove(0)
}

/// The only error about a text, which may not have another.
fn error(text: &str) -> String {
    let problems = read(text).expect_err("an error");
    let mut errors = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error);
    let first = errors.next().expect("an error").to_string();
    assert_eq!(errors.next(), None, "more than one error");
    first
}

/// A way to sign in, for texts that are about something else; it goes to the end.
const LOCAL: &str = "\n[provider.local]\nkind = \"local\"\n";

/// Servers as containers.
const DOCKER: &str = r#"[hub]
bind = "172.30.0.1:8000"
public_url = "https://jupyter.example.org/"
trusted_proxies = ["172.30.0.1"]
[provider.local]
kind = "local"
[spawner]
kind = "docker"
images = { lab = "lab@sha256:12" }
"#;

/// Servers as batch jobs.
const FIRECREST: &str = r#"[hub]
api_url = "https://jupyter.example.org/hub/api"
[audience.poller]
source = "client-credentials"
provider = "jive"
[audience.firecrest]
source = "exchange"
allow_all = true
[provider.jive]
kind = "oidc"
issuer = "https://sso.example.org/realms/jive"
client_id = "jupyterhub"
client_secret = { env = "KEYCLOAK_SECRET" }
allow_all = true
[spawner]
kind = "firecrest"
url = "https://firecrest.example.org/"
system = "daint"
"#;

/// A whole OpenID Connect provider with a rule that lets somebody in: 7 lines.
const OIDC: &str = r#"[provider.jive]
kind = "oidc"
issuer = "https://sso.example.org/realms/jive"
client_id = "jupyterhub"
client_secret = { env = "KEYCLOAK_SECRET" }
allowed_users = ["river"]
"#;
