//! What the JSON schema says, in the terms of this crate.
//!
//! schemars makes the schema from the section types; everything else (checks, effective
//! configuration, reference) reads it through [`Schema`] and [`Shape`], so a key exists in all of
//! them or in none.

use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::presets;
use jansky_settings::notation::{Format, format_named};
use jansky_settings::{Config, ORDER};

static ROOT: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = SchemaSettings::draft2020_12()
        .into_generator()
        .into_root_schema_for::<Config>();
    schema.insert("title".to_owned(), "jansky.toml".into());
    let mut schema = schema.to_value();
    presets::complete(&mut schema);
    schema
});

/// The schema of one value.
#[derive(Clone, Copy)]
pub(crate) struct Schema(&'static Value);

/// What a schema asks for.
#[derive(Clone)]
pub(crate) enum Shape {
    /// A text, perhaps in a notation of ours.
    Text {
        format: Option<Format>,
        may_be_empty: bool,
    },
    /// One of a few words.
    Choice(Vec<Choice>),
    Boolean,
    Integer {
        minimum: i64,
        maximum: i64,
    },
    /// A number with or without a fraction, above a bound if there is one.
    Number {
        above: Option<f64>,
    },
    List {
        item: Schema,
        may_be_empty: bool,
    },
    /// A table whose keys the operator chooses.
    Map {
        key: Option<Format>,
        value: Schema,
    },
    /// A table with known keys.
    Table(Table),
    /// A table whose keys depend on its `kind`.
    Kinds(Vec<(&'static str, Schema)>),
    /// `{ file = "…" }` or `{ env = "…" }`.
    Secret,
    /// One of several shapes, told apart by the type of the value.
    Either(Vec<Schema>),
}

/// One of the words that a [`Shape::Choice`] allows.
#[derive(Clone, Copy)]
pub(crate) struct Choice {
    pub(crate) word: &'static str,
    pub(crate) meaning: &'static str,
}

/// A table with known keys, in the order in which the section type declares them.
#[derive(Clone)]
pub(crate) struct Table {
    pub(crate) keys: Vec<(&'static str, Schema)>,
    pub(crate) required: Vec<&'static str>,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<Schema> {
        let (_, schema) = self.keys.iter().find(|(name, _)| *name == key)?;
        Some(*schema)
    }
}

/// The key that selects among [`Shape::Kinds`].
pub(crate) const KIND: &str = "kind";

impl Schema {
    /// The schema of the whole file.
    pub(crate) fn root() -> Self {
        Self(&ROOT)
    }

    /// The JSON itself.
    pub(crate) fn json(self) -> &'static Value {
        self.0
    }

    /// What the key means, for operators; of the key itself or else of its type.
    pub(crate) fn description(self) -> &'static str {
        let own = self.0.get("description").and_then(Value::as_str);
        own.or_else(|| self.target().get("description")?.as_str())
            .unwrap_or_default()
    }

    /// The default, if it is a value; `null` means that there is none.
    pub(crate) fn default(self) -> Option<&'static Value> {
        self.0.get("default").filter(|value| !value.is_null())
    }

    /// What happens without the key, in words.
    pub(crate) fn default_in_words(self) -> Option<&'static str> {
        self.0.get("x-default")?.as_str()
    }

    /// An example of the value.
    pub(crate) fn example(self) -> Option<&'static Value> {
        self.0.get("examples")?.get(0)
    }

    /// What the schema asks for.
    pub(crate) fn shape(self) -> Shape {
        let target = self.target();
        let Some(alternatives) = alternatives(target) else {
            return shape_of_type(target);
        };
        match alternatives[..] {
            [only] if only.kind().is_none() => only.shape(),
            _ if alternatives.iter().all(|one| one.word().is_some()) => {
                Shape::Choice(alternatives.iter().filter_map(|one| one.choice()).collect())
            }
            _ if alternatives.iter().all(|one| one.kind().is_some()) => Shape::Kinds(
                alternatives
                    .iter()
                    .filter_map(|one| Some((one.kind()?, *one)))
                    .collect(),
            ),
            _ => Shape::Either(alternatives),
        }
    }

    /// Whether the value, or a part of it, may be a secret or come from one.
    pub(crate) fn is_confidential(self) -> bool {
        match self.shape() {
            Shape::Secret => true,
            Shape::Text { format, .. } => format.is_some_and(|format| format.confidential),
            Shape::Either(alternatives) => alternatives.iter().any(|one| one.is_confidential()),
            Shape::List { item, .. } => item.is_confidential(),
            _ => false,
        }
    }

    /// The keys of a [`Shape::Secret`].
    pub(crate) fn source_keys(self) -> Vec<(&'static str, Self)> {
        match alternatives(self.target()).as_deref() {
            // Of a key that may be left out.
            Some([only]) => only.source_keys(),
            _ => table(self.target()).keys,
        }
    }

    /// The schema after following references.
    fn target(self) -> &'static Value {
        let mut target = self.0;
        while let Some(reference) = target.get("$ref").and_then(Value::as_str) {
            let Some(next) = ROOT.pointer(reference.trim_start_matches('#')) else {
                break;
            };
            target = next;
        }
        target
    }

    fn word(self) -> Option<&'static str> {
        self.0.get("const")?.as_str()
    }

    fn choice(self) -> Option<Choice> {
        Some(Choice {
            word: self.word()?,
            meaning: self.description(),
        })
    }

    fn kind(self) -> Option<&'static str> {
        self.0.pointer("/properties/kind/const")?.as_str()
    }
}

/// The alternatives of a schema without `null`, which TOML does not have.
fn alternatives(target: &'static Value) -> Option<Vec<Schema>> {
    let list = target.get("anyOf").or_else(|| target.get("oneOf"))?;
    let without_null = list
        .as_array()?
        .iter()
        .filter(|one| one.get("type").and_then(Value::as_str) != Some("null"));
    Some(without_null.map(Schema).collect())
}

fn shape_of_type(target: &'static Value) -> Shape {
    if let Some(choice) = Schema(target).choice() {
        return Shape::Choice(vec![choice]);
    }
    if target.get("properties").is_some() {
        if target.get("format").and_then(Value::as_str) == Some("secret") {
            return Shape::Secret;
        }
        return Shape::Table(table(target));
    }
    let integer = |key: &str| target.get(key).and_then(Value::as_i64);
    let at_least_one = |key: &str| integer(key).is_some_and(|minimum| minimum > 0);
    let format = target.get("format").and_then(Value::as_str);
    match type_of(target) {
        "boolean" => Shape::Boolean,
        "integer" => Shape::Integer {
            minimum: integer("minimum").unwrap_or(i64::MIN),
            maximum: integer("maximum").unwrap_or(match format {
                Some("uint16") => i64::from(u16::MAX),
                Some("uint32") => i64::from(u32::MAX),
                _ => i64::MAX,
            }),
        },
        "number" => Shape::Number {
            above: target.get("exclusiveMinimum").and_then(Value::as_f64),
        },
        "array" => Shape::List {
            item: Schema(target.get("items").unwrap_or(&Value::Null)),
            may_be_empty: !at_least_one("minItems"),
        },
        "object" => match target.get("additionalProperties") {
            Some(value @ Value::Object(_)) => Shape::Map {
                key: target
                    .pointer("/propertyNames/format")
                    .and_then(Value::as_str)
                    .and_then(format_named),
                value: Schema(value),
            },
            _ => Shape::Table(table(target)),
        },
        _ => Shape::Text {
            format: format.and_then(format_named),
            may_be_empty: !at_least_one("minLength"),
        },
    }
}

/// The type, without the `null` of a key that may be left out.
fn type_of(target: &'static Value) -> &'static str {
    let named = match target.get("type") {
        Some(Value::Array(names)) => names.iter().find(|name| *name != "null"),
        other => other,
    };
    named.and_then(Value::as_str).unwrap_or_default()
}

fn table(target: &'static Value) -> Table {
    let mut keys: Vec<_> = target
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.as_str(), Schema(schema)))
        .collect();
    let order = target.get(ORDER).and_then(Value::as_array);
    let order: Vec<_> = order
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    // What is not declared, `kind` that is, comes before all others.
    keys.sort_by_key(|(key, _)| order.iter().position(|declared| declared == key));
    let required = target.get("required").and_then(Value::as_array);
    Table {
        keys,
        required: required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `visit` with every key of the schema and its path.
    fn every_key(schema: Schema, path: &str, visit: &mut dyn FnMut(&str, Schema)) {
        match schema.shape() {
            Shape::Table(table) => {
                for (key, schema) in table.keys {
                    let path = format!("{path}.{key}");
                    visit(&path, schema);
                    every_key(schema, &path, visit);
                }
            }
            Shape::Kinds(kinds) => {
                for (kind, schema) in kinds {
                    every_key(schema, &format!("{path}({kind})"), visit);
                }
            }
            Shape::Map { value, .. } => every_key(value, &format!("{path}.<name>"), visit),
            _ => {}
        }
    }

    #[test]
    fn every_key_is_described_and_has_an_example() {
        let mut poor = Vec::new();
        every_key(Schema::root(), "", &mut |path, schema| {
            let is_section = matches!(
                schema.shape(),
                Shape::Table(_) | Shape::Kinds(_) | Shape::Map { .. }
            );
            let is_kind = path.rsplit('.').next() == Some(KIND);
            let described = is_kind || !schema.description().is_empty();
            let shown = is_kind || is_section || schema.example().is_some();
            if !described || !shown {
                poor.push(path.to_owned());
            }
        });

        assert_eq!(
            poor,
            Vec::<String>::new(),
            "without a description or example"
        );
    }

    #[test]
    fn every_format_of_a_text_is_one_of_ours() {
        let mut unknown = Vec::new();
        every_key(Schema::root(), "", &mut |path, schema| {
            let named = schema.json().get("format").and_then(Value::as_str);
            let is_text = matches!(schema.shape(), Shape::Text { .. });
            if let (true, Some(name)) = (is_text, named)
                && format_named(name).is_none()
            {
                unknown.push(path.to_owned());
            }
        });

        assert_eq!(unknown, Vec::<String>::new());
    }
}
