//! `jansky config explain-login`: why somebody gets in or not, and with what.
//!
//! It asks the rules of the hub themselves; only reading the claims from a file and writing the
//! answer down is done here.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use jansky_config::{Config, Provider, SecondFactor, SignUp};
use jansky_hub::{Admission, ExternalIdentity, Verdict};
use jansky_identity::claim_rules::text_at;
use jansky_identity::{Claims, UpstreamTokens};
use jansky_model::{ProviderId, Timestamp, UserId};
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
