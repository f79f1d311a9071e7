//! `jansky config explain-login`: why somebody gets in or not, and with what.
//!
//! It asks the rules of the hub themselves; only reading the claims from a file and writing the
//! answer down is done here.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use jansky_config::{Config, Provider, RunAs, SecondFactor, SignUp, Spawner};
use jansky_hub::{Admission, ExternalIdentity, Verdict};
use jansky_identity::claim_rules::text_at;
use jansky_identity::{Claims, UpstreamTokens};
use jansky_model::{ProviderId, Timestamp, UserId, UserName};
use serde_json::Value;

use crate::assemble;
use crate::cli::ConfigFile;
use crate::serve::load;
use crate::telemetry::say;

/// What to explain.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    file: ConfigFile,
    /// The provider that the claims are from, by its id in the configuration
    #[arg(long, value_name = "ID")]
    provider: ProviderId,
    /// A JSON file with claims, as the provider sends them in an ID token or from userinfo
    #[arg(long, value_name = "FILE")]
    claims: PathBuf,
}

/// Explains; the exit code says whether the person would get in.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let config = load(&options.file)?.config;
    let provider = config.provider.get(&options.provider).with_context(|| {
        let known: Vec<String> = config.provider.keys().map(|id| format!("`{id}`")).collect();
        format!(
            "no provider `{}` is configured; there are {}",
            options.provider,
            known.join(", ")
        )
    })?;
    let claims = read_claims(&options.claims)?;
    let (text, gets_in) = explain(&config, &options.provider, provider, claims)?;
    say(text.trim_end());
    Ok(if gets_in {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn read_claims(path: &PathBuf) -> anyhow::Result<Claims> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read the claims `{}`", path.display()))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(claims)) => Ok(claims),
        Ok(_) => anyhow::bail!(
            "`{}` holds no JSON object; write {{\"name\": value}}",
            path.display()
        ),
        Err(error) => {
            Err(anyhow::Error::new(error).context(format!("`{}` is not JSON", path.display())))
        }
    }
}

fn explain(
    config: &Config,
    id: &ProviderId,
    provider: &Provider,
    claims: Claims,
) -> anyhow::Result<(String, bool)> {
    anyhow::ensure!(
        provider.admission().is_some(),
        "provider `{id}` has no claims: {}",
        explain_local(provider)
    );
    let rules = assemble::rules(config, provider);
    let decision = rules.decide(&identity(id, claims));
    let mut lines = Vec::new();
    for step in &decision.steps {
        let mark = match step.verdict {
            Verdict::Noted => " ",
            Verdict::LetsIn => "+",
            Verdict::KeepsOut => "-",
        };
        let rule = match step.rule {
            "username_claim" => format!("username_claim `{}`", rules.name.claim),
            rule => rule.to_owned(),
        };
        lines.push(format!("{mark} {rule}: {}", step.words));
    }
    if !decision.missing.is_empty() {
        lines.push(format!("  not there: `{}`", decision.missing.join("`, `")));
    }
    for problem in &decision.unreadable {
        lines.push(format!("  cannot be read: {problem}"));
    }
    if !decision.is_certain {
        let words = "  not certain; somebody who is here already would keep their rights";
        lines.push(words.to_owned());
    }
    lines.push(String::new());
    let gets_in = decision.outcome.is_ok();
    match decision.outcome {
        Ok(admission) => describe(config, &admission, &mut lines),
        Err(refusal) => {
            lines.push("Result: does not get in.".to_owned());
            lines.push(format!("  They read: {refusal}"));
        }
    }
    Ok((lines.join("\n"), gets_in))
}

/// Who gets in where there are no claims.
fn explain_local(provider: &Provider) -> String {
    let Provider::Local(local) = provider else {
        return "whoever has an account gets in".to_owned();
    };
    let accounts = match local.sign_up {
        SignUp::Off => "whoever has an account with a password gets in",
        SignUp::Approval => {
            "whoever has an account with a password gets in; who signs up waits for an administrator"
        }
        SignUp::Open => "whoever signs up gets in",
    };
    let factor = match local.second_factor {
        SecondFactor::Off => "",
        SecondFactor::Optional => ", with the code of their second factor if they have set one up",
        SecondFactor::Required => ", with the code of a second factor, which everybody has to have",
    };
    format!("{accounts}{factor}")
}

/// What somebody comes in with, for a person who is new here.
fn describe(config: &Config, admission: &Admission, lines: &mut Vec<String>) {
    let is_listed = config
        .hub
        .admin_users
        .iter()
        .any(|name| **name == admission.name);
    let user = jansky_hub::User {
        id: UserId(0),
        name: admission.name.clone(),
        admin: is_listed || admission.admin == Some(true),
        created_at: Timestamp::from_micros(0),
        last_activity_at: None,
    };
    let groups = admission.groups.clone();
    let roles = assemble::roles(config);
    let names = roles.names(&user, groups.as_deref().unwrap_or_default());
    lines.push("Result: gets in.".to_owned());
    lines.push(format!(
        "  Name: {} (an account that is bound to this person keeps its own)",
        user.name
    ));
    lines.push(match (is_listed, admission.admin) {
        (true, _) => "  Admin: yes, by `hub.admin_users`".to_owned(),
        (false, Some(true)) => "  Admin: yes, by `admin_groups`".to_owned(),
        (false, Some(false)) => "  Admin: no".to_owned(),
        (false, None) => "  Admin: stays as it is; no rule decides".to_owned(),
    });
    lines.push(match &groups {
        Some(groups) if groups.is_empty() => "  Groups: none".to_owned(),
        Some(groups) => format!("  Groups: {}", groups.join(", ")),
        None => "  Groups: stay as they are; no claim says them".to_owned(),
    });
    lines.push(format!("  Roles: {}", names.join(", ")));
    if let Some(problem) = no_server(config, &user.name) {
        lines.push(format!("  Servers: cannot be started: {problem}"));
    }
}

/// Why nobody with this name can have a server, by the rule of the spawner itself; accounts that are
/// only missing are not looked for.
fn no_server(config: &Config, name: &UserName) -> Option<String> {
    match &config.spawner {
        Spawner::Process(process) if process.run_as == RunAs::UnixAccount => {
            jansky_spawn::problem_with_name(name.as_str())
        }
        _ => None,
    }
}

/// The claims as a sign-in would bring them.
fn identity(id: &ProviderId, claims: Claims) -> ExternalIdentity {
    let text = |name| text_at(&claims, name).said().unwrap_or_default();
    ExternalIdentity {
        provider: id.clone(),
        issuer: text("iss"),
        subject: text("sub"),
        tokens: UpstreamTokens::none(),
        claims,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jansky_hub::Decision;
    use jansky_model::{Clock, SystemClock};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn config(keys: &str) -> Config {
        let text = format!(
            "[hub]\nadmin_users = [\"zoe\"]\n[spawner]\nkind = \"process\"\n\
             run_as = \"unix-account\"\n[provider.op]\nkind = \"oidc\"\n\
             issuer = \"https://id.example.org\"\nclient_id = \"jansky\"\n\
             client_secret = {{ env = \"PATH\" }}\n{keys}"
        );
        let input = jansky_config::Input {
            file_name: "jansky.toml".to_owned(),
            text,
            environment: Vec::new(),
            settings: Vec::new(),
        };
        match jansky_config::load(&input) {
            Ok(loaded) => loaded.config,
            Err(problems) => panic!("{problems}"),
        }
    }

    /// What a sign-in decides, by the rules that the hub is made with.
    fn sign_in(config: &Config, claims: &Claims) -> Decision {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let providers = assemble::providers(config, &clock).expect("they can be made");
        let id = providers[0].provider.id().clone();
        providers[0].rules.decide(&identity(&id, claims.clone()))
    }

    fn any_keys() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop_oneof![
                Just("allowed_users = [\"River\", \"wash\"]\n"),
                Just("allowed_groups = [\"/radio\"]\n"),
                Just("admin_groups = [\"/operators\", \"7\"]\n"),
                Just("blocked_users = [\"mallory\"]\n"),
                Just("hosted_domains = [\"good.org\"]\n"),
                Just("username_case = \"keep\"\n"),
                Just("username_domain = \"good.org\"\n"),
                Just("username_map = { \"Wash@good.org\" = \"pilot\" }\n"),
                Just("groups_separator = \";\"\n"),
                Just("groups_claim = \"a.b.groups\"\n"),
                Just("username_claim = \"email\"\n"),
            ],
            0..6,
        )
        .prop_map(|mut keys| {
            keys.sort_unstable();
            keys.dedup();
            keys.concat()
        })
    }

    fn any_value() -> impl Strategy<Value = serde_json::Value> {
        prop_oneof![
            Just(json!(null)),
            Just(json!(true)),
            Just(json!("river")),
            Just(json!("River")),
            Just(json!("Wash@good.org")),
            Just(json!("mallory")),
            Just(json!("j\u{fc}rgen w")),
            Just(json!("true")),
            Just(json!(7)),
            Just(json!(["/radio"])),
            Just(json!(["/operators", 7])),
            Just(json!("/radio;/operators")),
            Just(json!("/radio,/operators")),
            Just(json!([["/radio"]])),
            Just(json!({ "/radio": 1 })),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn what_is_explained_is_what_a_sign_in_does(
            keys in any_keys(),
            name in any_value(),
            email in any_value(),
            verified in any_value(),
            groups in any_value(),
        ) {
            let config = config(&keys);
            let claims = json!({
                "preferred_username": name, "email": email, "email_verified": verified,
                "groups": groups, "a": { "b.groups": groups },
            });
            let claims = claims.as_object().expect("an object").clone();
            let decision = sign_in(&config, &claims);
            let (id, provider) = config.provider.iter().next().expect("there is one");

            let (told, gets_in) = explain(&config, id, provider, claims).expect("it is explained");

            prop_assert_eq!(gets_in, decision.outcome.is_ok(), "{}", told);
            match decision.outcome {
                Ok(admission) => {
                    let name = format!("  Name: {} (", admission.name);
                    prop_assert!(told.contains(&name), "{}", told);
                    let groups = match admission.groups {
                        Some(groups) if groups.is_empty() => "none".to_owned(),
                        Some(groups) => groups.join(", "),
                        None => "stay as they are".to_owned(),
                    };
                    prop_assert!(told.contains(&format!("  Groups: {groups}")), "{}", told);
                    let has_no_server =
                        jansky_spawn::problem_with_name(admission.name.as_str()).is_some();
                    let says_so = told.contains("  Servers: cannot be started");
                    prop_assert_eq!(says_so, has_no_server, "{}", told);
                }
                Err(refusal) => {
                    prop_assert!(told.contains(&format!("They read: {refusal}")), "{}", told);
                }
            }
            prop_assert_eq!(told.contains("not certain"), !decision.is_certain, "{}", told);
            for problem in decision.unreadable {
                prop_assert!(told.contains(&problem), "{}", told);
            }
        }
    }
}
