//! `[role.<name>]`: named sets of scopes.

use jansky_model::UserName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::notation::Written;

/// A named set of scopes for some people, as JupyterHub's roles are.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    /// What it allows: scopes of JupyterHub, with filters such as `!user` or `!group=/staff`, and
    /// `service-account`, with which a program drives servers of its user by an API token alone.
    #[schemars(extend("examples" = [["list:users", "servers!group=/radio"]]))]
    pub scopes: Vec<String>,

    /// The names of people who have it.
    #[schemars(extend("examples" = [["river", "wash"]]))]
    pub users: Vec<Written<UserName>>,

    /// The groups whose members have it.
    #[schemars(extend("examples" = [["/operators"]]))]
    pub groups: Vec<String>,
}
