//! The order in which a section declares its keys, which its schema does not keep by itself.

use std::fmt;

use schemars::Schema;
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The key of a section's schema under which the names of its keys stand in their order.
pub const ORDER: &str = "x-order";

/// Writes the order of the keys of a section into its schema: as they come when it is written out. One
/// to write is made of the examples of what is required.
pub(crate) fn declared<T: DeserializeOwned + Serialize>(schema: &mut Schema) {
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
    schema.insert(ORDER.to_owned(), keys.into());
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
    use schemars::SchemaGenerator;

    use crate::{Audience, Tls};

    use super::*;

    #[test]
    fn a_section_says_the_order_of_its_keys_whatever_other_sections_have() {
        let order = |schema: Schema| schema.get(ORDER).cloned();
        let generator = SchemaGenerator::default;

        let tls = order(generator().into_root_schema_for::<Tls>());
        assert_eq!(tls, Some(serde_json::json!(["certificate", "key"])));
        // Some of its keys are required, and some are not written by everybody.
        let audience = order(generator().into_root_schema_for::<Audience>());
        let audience = audience.expect("it has one");
        assert_eq!(audience[0], "title");
        assert_eq!(audience[1], "source");
    }
}
