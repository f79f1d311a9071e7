//! `[provider.<id>]` with `kind = "pam"`.

use std::time::Duration;

use jansky_model::UserName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::written;
use crate::notation::Written;

/// Unix accounts of this machine, checked by PAM.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PamProvider {
    /// What people call these accounts on the sign-in page.
    #[schemars(example = &"Institute account")]
    pub title: String,

    /// The PAM service: the name of a file in `/etc/pam.d` with the rules for who may sign in.
    #[schemars(length(min = 1), example = &"jansky")]
    pub service: String,

    /// How long one check may take. PAM itself waits for some seconds after a wrong password.
    #[schemars(example = &"1m")]
    pub timeout: Written<Duration>,

    /// How many wrong passwords per minute are accepted for one name and from one address before
    /// further attempts are refused for a while.
    #[schemars(range(min = 1), example = 5)]
    pub attempts_per_minute: u32,

    /// Lets everybody in who can sign in to this machine.
    #[schemars(example = true)]
    pub allow_all: bool,

    /// The names of people who may come in.
    #[schemars(extend("examples" = [["river", "wash"]]))]
    pub allowed_users: Vec<Written<UserName>>,

    /// The Unix groups whose members may come in.
    #[schemars(extend("examples" = [["astronomers"]]))]
    pub allowed_groups: Vec<String>,

    /// The Unix groups whose members may come in and are administrators.
    #[schemars(extend("examples" = [["sudo"]]))]
    pub admin_groups: Vec<String>,

    /// The names of people who may not come in whatever the other rules say.
    #[schemars(extend("examples" = [["root"]]))]
    pub blocked_users: Vec<Written<UserName>>,
}

impl Default for PamProvider {
    fn default() -> Self {
        Self {
            title: "Unix account".to_owned(),
            service: "login".to_owned(),
            timeout: written("30s"),
            attempts_per_minute: 10,
            allow_all: false,
            allowed_users: Vec::new(),
            allowed_groups: Vec::new(),
            admin_groups: Vec::new(),
            blocked_users: Vec::new(),
        }
    }
}
