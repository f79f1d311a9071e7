//! `[provider.<id>]` with `kind = "github"`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::admission::{AdmissionKeys, say};
use super::written;
use crate::notation::{HttpUrl, SecretSources, Written};

/// Accounts at GitHub, the public one or one's own.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_terms_of_github)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct GithubProvider {
    /// The text on the sign-in button.
    #[serde(default)]
    #[schemars(extend("x-default" = "the id of the provider"), length(min = 1), example = &"GitHub")]
    pub title: Option<String>,

    /// Where GitHub is.
    #[serde(default = "github")]
    #[schemars(example = &"https://git.example.org")]
    pub url: Written<HttpUrl>,

    /// Where the API of GitHub is.
    #[serde(default)]
    #[schemars(extend("x-default" = "the usual place that belongs to `url`"), example = &"https://git.example.org/api/v3")]
    pub api_url: Option<Written<HttpUrl>>,

    /// The client id of the OAuth app or GitHub app.
    #[schemars(length(min = 1), example = &"Iv1.0123456789abcdef")]
    pub client_id: String,

    /// The client secret of the app, from a file or variable. During a change it may be a list of
    /// two, of which the first is tried first.
    #[schemars(extend("examples" = [{ "file": "/run/credentials/jansky.service/github" }]))]
    pub client_secret: SecretSources,

    /// The scopes to ask for. Without `read:org` nothing is known about organizations and teams.
    #[serde(default = "scopes")]
    #[schemars(extend("examples" = [["read:user", "user:email", "read:org"]]))]
    pub scopes: Vec<String>,

    /// Parameters that are added to each sign-in request.
    #[serde(default)]
    #[schemars(extend("examples" = [{ "allow_signup": "false" }]))]
    pub extra_authorize_parameters: BTreeMap<String, String>,

    /// Parameters that the address of the sign-in page may hand on to GitHub.
    #[serde(default)]
    #[schemars(extend("examples" = [["login"]]))]
    pub hint_parameters: Vec<String>,

    /// Where GitHub sends the browser back to, when it is not the usual address below
    /// `hub.public_url`.
    #[serde(default)]
    #[schemars(extend("x-default" = "an address below `hub.public_url`"), example = &"https://jupyter.example.org/hub/oauth_callback")]
    pub callback_url: Option<Written<HttpUrl>>,

    /// A file with the certificates of those who may vouch for GitHub, in PEM.
    #[serde(default)]
    #[schemars(extend("x-default" = "those that this machine believes"), example = &"/etc/ssl/institute-ca.pem")]
    pub ca_file: Option<Written<PathBuf>>,

    /// How long one request to GitHub may take.
    #[serde(default = "ten_seconds")]
    #[schemars(example = &"5s")]
    pub http_timeout: Written<Duration>,

    /// Sends people who are not signed in to GitHub at once, without a sign-in page. Only one
    /// provider can have it.
    #[serde(default)]
    #[schemars(example = true)]
    pub auto_login: bool,

    /// Who comes in.
    #[serde(flatten)]
    pub admission: AdmissionKeys,

    /// The domains of e-mail addresses that people must have; only the verified primary address
    /// counts. This keeps people out and lets nobody in by itself.
    #[serde(default)]
    #[schemars(extend("examples" = [["example.org"]]))]
    pub hosted_domains: Vec<String>,
}

fn in_terms_of_github(schema: &mut Schema) {
    say(
        schema,
        &json!({
            "allow_all": { "description": "Lets everybody in who has an account at GitHub." },
            "allowed_groups": {
                "description":
                    "The groups whose members may come in: organizations as `org`, teams as \
                     `org:team`.",
                "examples": [["observatory", "observatory:correlator"]],
            },
            "admin_groups": { "examples": [["observatory:operators"]] },
        }),
    );
}

fn github() -> Written<HttpUrl> {
    written("https://github.com")
}

fn scopes() -> Vec<String> {
    ["read:user", "user:email"].map(str::to_owned).to_vec()
}

fn ten_seconds() -> Written<Duration> {
    written("10s")
}
