//! The order in which the section types declare their keys, which the schema does not keep.

use std::fmt;
use std::sync::LazyLock;

use schemars::{JsonSchema, SchemaGenerator};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::sections::{
    Audience, Broker, Client, Config, Database, DockerSpawner, Endpoints, FirecrestSpawner,
    GithubProvider, HeaderProvider, Hub, Issuer, LdapProvider, LocalProvider, Log, OidcProvider,
    PamProvider, ProcessSpawner, Proxy, SecurityEvents, Session, Tls,
};
use crate::shape::KIND;

static DECLARATIONS: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
    vec![
        keys::<Config>(),
        keys::<Hub>(),
        keys::<Database>(),
        keys::<Tls>(),
        keys::<Session>(),
        keys::<LocalProvider>(),
        keys::<OidcProvider>(),
        keys::<GithubProvider>(),
        keys::<HeaderProvider>(),
        keys::<PamProvider>(),
        keys::<LdapProvider>(),
        keys::<Endpoints>(),
        keys::<SecurityEvents>(),
        keys::<Audience>(),
        keys::<Broker>(),
        keys::<Issuer>(),
        keys::<Client>(),
        keys::<ProcessSpawner>(),
        keys::<DockerSpawner>(),
        keys::<FirecrestSpawner>(),
        keys::<Proxy>(),
        keys::<Log>(),
    ]
});

/// Sorts the keys of a table as its type declares them, with `kind` before all others.
pub(crate) fn as_declared<T>(keys: &mut [(&'static str, T)]) {
    let place = |declared: &[String], key: &str| declared.iter().position(|one| one == key);
    let declaration = DECLARATIONS.iter().find(|declared| {
        let others = keys.iter().filter(|(key, _)| *key != KIND);
        others.clone().count() == declared.len()
            && others
                .clone()
                .all(|(key, _)| place(declared, key).is_some())
    });
    if let Some(declared) = declaration {
        keys.sort_by_key(|(key, _)| place(declared, key));
    }
}

/// The keys of a section, as they come when it is written out. One to write is made of the examples
/// of what is required.
fn keys<T: DeserializeOwned + Serialize + JsonSchema>() -> Vec<String> {
    let schema = SchemaGenerator::default().into_root_schema_for::<T>();
    let required = schema.get("required").and_then(Value::as_array);
    let required = required.into_iter().flatten().filter_map(Value::as_str);
    let example = |key: &str| {
        let example = schema.pointer(&format!("/properties/{key}/examples/0"));
        (key.to_owned(), example.cloned().unwrap_or_default())
    };
    let section = T::deserialize(Value::Object(required.map(example).collect()));
    let written = section.and_then(|section| serde_json::to_string(&section));
    let keys = written.and_then(|text| serde_json::from_str(&text));
    let Keys(keys) = keys.expect("the examples of this program can be read");
    keys
}

/// The keys of an object in their order.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadKeys)
    }
}

struct ReadKeys;

impl<'de> Visitor<'de> for ReadKeys {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a section")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, IgnoredAny)) = map.next_entry()? {
            keys.push(key);
        }
        Ok(Keys(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declaration_is_found() {
        for keys in DECLARATIONS.iter() {
            assert!(!keys.is_empty());
        }
        assert_eq!(keys::<Tls>(), ["certificate", "key"]);
    }
}
