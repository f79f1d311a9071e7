//! The order in which the section types declare their keys, which the schema does not keep.

use std::sync::LazyLock;

use serde::de::{Deserialize, Deserializer, Visitor, value::Error};

use crate::sections::{
    Audience, Broker, Client, Config, Database, DockerSpawner, Endpoints, FirecrestSpawner,
    GithubProvider, HeaderProvider, Hub, Issuer, LdapProvider, LocalProvider, Log, OidcProvider,
    PamProvider, ProcessSpawner, Proxy, SecurityEvents, Session, Tls,
};
use crate::shape::KIND;

static DECLARATIONS: LazyLock<Vec<&'static [&'static str]>> = LazyLock::new(|| {
    vec![
        fields::<Config>(),
        fields::<Hub>(),
        fields::<Database>(),
        fields::<Tls>(),
        fields::<Session>(),
        fields::<LocalProvider>(),
        fields::<OidcProvider>(),
        fields::<GithubProvider>(),
        fields::<HeaderProvider>(),
        fields::<PamProvider>(),
        fields::<LdapProvider>(),
        fields::<Endpoints>(),
        fields::<SecurityEvents>(),
        fields::<Audience>(),
        fields::<Broker>(),
        fields::<Issuer>(),
        fields::<Client>(),
        fields::<ProcessSpawner>(),
        fields::<DockerSpawner>(),
        fields::<FirecrestSpawner>(),
        fields::<Proxy>(),
        fields::<Log>(),
    ]
});

/// Sorts the keys of a table as its type declares them, with `kind` before all others.
pub(crate) fn as_declared<T>(keys: &mut [(&'static str, T)]) {
    let declaration = DECLARATIONS.iter().find(|fields| {
        let others = keys.iter().filter(|(key, _)| *key != KIND);
        others.clone().count() == fields.len()
            && others.clone().all(|(key, _)| fields.contains(key))
    });
    if let Some(fields) = declaration {
        keys.sort_by_key(|(key, _)| fields.iter().position(|field| field == key));
    }
}

/// The names of the fields of a struct: serde tells them to the deserializer before it reads.
fn fields<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // The error is always there: there is nothing to read.
    drop(T::deserialize(FieldNames(&mut fields)));
    fields
}

struct FieldNames<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for FieldNames<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(serde::de::Error::custom(
            "only the names of fields are wanted",
        ))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declaration_is_found() {
        for fields in DECLARATIONS.iter() {
            assert!(!fields.is_empty());
        }
        assert_eq!(fields::<Tls>(), ["certificate", "key"]);
    }
}
