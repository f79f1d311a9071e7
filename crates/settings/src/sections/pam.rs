//! `[provider.<id>]` with `kind = "pam"`.

use std::time::Duration;

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::admission::{AdmissionKeys, say};
use super::written;
use crate::notation::Written;

/// Unix accounts of this machine, checked by PAM.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(transform = in_terms_of_pam)]
#[schemars(transform = crate::order::declared::<Self>)]
pub struct PamProvider {
    /// What people call these accounts on the sign-in page.
    #[schemars(length(min = 1), example = &"Institute account")]
    pub title: String,

    /// The PAM service: the name of a file in `/etc/pam.d` with the rules for who may sign in.
    #[schemars(length(min = 1), example = &"jansky")]
    pub service: String,

    /// How long one check may take. PAM itself waits for some seconds after a wrong password.
    #[schemars(example = &"1m")]
    pub timeout: Written<Duration>,

    /// How many times a minute somebody may try to sign in with one name from one network (an IPv4
    /// address, or 64 bits of an IPv6 one).
    ///
    /// A network may try twenty times as often with different names. All networks together may try ten
    /// times as often with one name, and after that as often as one of them; a browser in which
    /// somebody has signed in with the name in the last 180 days is counted for itself and does not
    /// wait for that.
    #[schemars(range(min = 1), example = 5)]
    pub attempts_per_minute: u32,

    /// Who comes in.
    #[serde(flatten)]
    pub admission: AdmissionKeys,
}

fn in_terms_of_pam(schema: &mut Schema) {
    say(
        schema,
        &json!({
            "allow_all": { "description": "Lets everybody in who can sign in to this machine." },
            "allowed_groups": { "description": "The Unix groups whose members may come in." },
            "admin_groups": {
                "description":
                    "The Unix groups whose members may come in and are administrators.",
                "examples": [["sudo"]],
            },
            "blocked_users": { "examples": [["root"]] },
        }),
    );
}

impl Default for PamProvider {
    fn default() -> Self {
        Self {
            title: "Unix account".to_owned(),
            service: "login".to_owned(),
            timeout: written("30s"),
            attempts_per_minute: 10,
            admission: AdmissionKeys::default(),
        }
    }
}
