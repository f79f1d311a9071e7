//! `[provider.<id>]` with `kind = "header"`.

use ipnet::IpNet;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::admission::{AdmissionKeys, say};
use crate::notation::{SecretSource, Written};

/// A reverse proxy that has signed people in and says in headers who they are.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = in_terms_of_header)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct HeaderProvider {
    /// The text on the sign-in button.
    #[serde(default)]
    #[schemars(extend("x-default" = "the id of the provider"), length(min = 1), example = &"Institute account")]
    pub title: Option<String>,

    /// The header with the name of the person. The proxy must replace it in what clients send.
    #[schemars(length(min = 1), example = &"X-Remote-User")]
    pub user_header: String,

    /// The addresses from which the proxy connects. The header is believed from nowhere else; what
    /// `X-Forwarded-For` says does not count.
    #[schemars(length(min = 1), extend("examples" = [["10.1.2.3"]]))]
    pub trusted_addresses: Vec<Written<IpNet>>,

    /// A secret that the proxy sends along, so that other programs on the same address are not
    /// believed. Needed when this machine itself is trusted and servers run on it.
    #[serde(default)]
    #[schemars(extend("x-default" = "none", "examples" = [{ "file": "/etc/jansky/proxy-secret" }]))]
    pub secret: Option<SecretSource>,

    /// The header in which the proxy sends `secret`.
    #[serde(default = "secret_header")]
    #[schemars(length(min = 1), example = &"X-Gateway-Secret")]
    pub secret_header: String,

    /// The header with the e-mail address of the person.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), length(min = 1), example = &"X-Remote-Email")]
    pub email_header: Option<String>,

    /// The header with the groups of the person.
    #[serde(default)]
    #[schemars(extend("x-default" = "none"), length(min = 1), example = &"X-Remote-Groups")]
    pub groups_header: Option<String>,

    /// What stands between two groups in that header.
    #[serde(default = "comma")]
    #[schemars(length(min = 1), example = &";")]
    pub groups_separator: String,

    /// Lets people in at once, without a sign-in page. Only one provider can have it.
    #[serde(default)]
    #[schemars(example = true)]
    pub auto_login: bool,

    /// Who comes in.
    #[serde(flatten)]
    pub admission: AdmissionKeys,
}

fn in_terms_of_header(schema: &mut Schema) {
    say(
        schema,
        &json!({
            "allow_all": { "description": "Lets everybody in whom the proxy names." },
        }),
    );
}

fn secret_header() -> String {
    "X-Proxy-Secret".to_owned()
}

fn comma() -> String {
    ",".to_owned()
}
