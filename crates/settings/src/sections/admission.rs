//! The keys that decide who comes in, which all providers but local accounts have.

use std::collections::BTreeMap;

use jansky_model::UserName;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::notation::Written;

/// The keys that decide who comes in. A kind of provider may say them in its own terms: see [`say`].
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct AdmissionKeys {
    /// Lets everybody in who can sign in there.
    #[schemars(example = true)]
    pub allow_all: bool,

    /// The names of people who may come in.
    #[schemars(extend("examples" = [["river", "wash"]]))]
    pub allowed_users: Vec<Written<UserName>>,

    /// The groups whose members may come in.
    #[schemars(extend("examples" = [["astronomers"]]))]
    pub allowed_groups: Vec<String>,

    /// The groups whose members may come in and are administrators.
    #[schemars(extend("examples" = [["operators"]]))]
    pub admin_groups: Vec<String>,

    /// The names of people who may not come in whatever the other rules say.
    #[schemars(extend("examples" = [["mallory"]]))]
    pub blocked_users: Vec<Written<UserName>>,

    /// Whether user names keep the case in which they come, as Unix accounts and directories may
    /// need it. Names in rules are then compared with their case, too.
    #[schemars(example = UsernameCase::Keep)]
    pub username_case: UsernameCase,

    /// The domain that is taken off user names: of `river@example.org` the name is `river`. Names of
    /// other domains stay whole, and one without a domain is refused, since it could be that of
    /// somebody else.
    #[schemars(extend("x-default" = "none"), length(min = 1), example = &"example.org")]
    pub username_domain: Option<String>,

    /// User names for some, by what comes from the provider, in place of what the other keys would
    /// make of it. Nobody else gets such a name.
    #[schemars(extend("examples" = [{ "rtam@example.org": "river" }]))]
    pub username_map: BTreeMap<String, Written<UserName>>,
}

/// What happens to the case of user names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum UsernameCase {
    /// Capital letters become small ones.
    #[default]
    Lower,
    /// It stays as it comes.
    Keep,
}

impl AdmissionKeys {
    /// Whether somebody may come in because of a group.
    pub fn name_groups(&self) -> bool {
        !self.allowed_groups.is_empty() || !self.admin_groups.is_empty()
    }
}

/// Puts other descriptions and examples of some keys into the schema of a section.
pub(super) fn say(schema: &mut Schema, words: &Value) {
    let keys = schema.get_mut("properties").and_then(Value::as_object_mut);
    let words = words.as_object();
    for (name, key) in keys.into_iter().flatten() {
        let said = words.and_then(|words| words.get(name)?.as_object());
        if let (Some(key), Some(said)) = (key.as_object_mut(), said) {
            key.extend(said.clone());
        }
    }
}
