//! Values from the environment and from `--set`, which take the place of those in the file.

use crate::document::{Entry, Node, Value};
use crate::problem::Origin;
use crate::shape::{Schema, Shape};

/// What the names of variables begin with.
const PREFIX: &str = "JANSKY_";

/// Stands between the parts of a key in the name of a variable.
const SEPARATOR: &str = "__";

/// A value that was given outside of the file.
pub(crate) struct Override {
    pub(crate) origin: Origin,
    pub(crate) key: Vec<String>,
    pub(crate) text: String,
}

impl Override {
    /// The override that a variable is, if its name says so: `JANSKY_HUB__BIND` is `hub.bind`.
    pub(crate) fn from_variable(name: &str, value: &str) -> Option<Self> {
        let key = name.strip_prefix(PREFIX)?;
        if !key.contains(SEPARATOR) {
            return None;
        }
        Some(Self {
            origin: Origin::Environment {
                variable: name.to_owned(),
            },
            key: key_of_variable(key),
            text: value.to_owned(),
        })
    }

    /// The override that `--set hub.bind=…` is.
    pub(crate) fn from_setting(key: &str, value: &str) -> Self {
        Self {
            origin: Origin::CommandLine,
            key: key.split('.').map(|part| part.trim().to_owned()).collect(),
            text: value.to_owned(),
        }
    }

    /// Puts the value into the tree; what does not fit the schema is found by the checks.
    pub(crate) fn apply(self, root: &mut Node) {
        let schema = schema_at(Schema::root(), &self.key);
        let value = read(&self.text, schema, &self.origin);
        insert(root, &self.key, value, &self.origin);
    }
}

/// The name of the variable for a key, for example `JANSKY_HUB__BIND` for `hub` and `bind`.
pub(crate) fn variable_of_key(key: &[&str]) -> String {
    let parts: Vec<_> = key
        .iter()
        .map(|part| part.replace('-', "_").to_uppercase())
        .collect();
    format!("{PREFIX}{}", parts.join(SEPARATOR))
}

/// Lowers the parts of a key. Ids of providers have hyphens, which variables cannot have; keys of
/// free tables keep their case.
fn key_of_variable(name: &str) -> Vec<String> {
    let mut schema = Some(Schema::root());
    let mut key = Vec::new();
    for part in name.split(SEPARATOR) {
        let lower = part.to_lowercase();
        let part = match schema.map(Schema::shape) {
            Some(Shape::Map { key: Some(_), .. }) => lower.replace('_', "-"),
            Some(Shape::Map { key: None, .. }) => part.to_owned(),
            _ => lower,
        };
        schema = schema.and_then(|schema| child(schema, &part));
        key.push(part);
    }
    key
}

fn schema_at(root: Schema, key: &[String]) -> Option<Schema> {
    key.iter()
        .try_fold(root, |schema, part| child(schema, part))
}

fn child(schema: Schema, key: &str) -> Option<Schema> {
    match schema.shape() {
        Shape::Table(table) => table.get(key),
        Shape::Map { value, .. } => Some(value),
        Shape::Kinds(kinds) => kinds.iter().find_map(|(_, table)| child(*table, key)),
        _ => None,
    }
}

/// Reads a text as the schema wants it. A text that cannot be read so stays a text, and the checks
/// say what is wrong with it.
fn read(text: &str, schema: Option<Schema>, origin: &Origin) -> Node {
    let as_is = || Value::Text(text.to_owned());
    let as_toml = || Node::parse_value(text, origin).map_or_else(as_is, |node| node.value);
    let value = match schema.map(Schema::shape) {
        Some(Shape::Boolean) => text.parse().map_or_else(|_| as_is(), Value::Boolean),
        Some(Shape::Integer { .. }) => text.parse().map_or_else(|_| as_is(), Value::Integer),
        Some(Shape::Number { .. }) => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => as_is(),
        },
        Some(Shape::Either(_)) if !text.starts_with(['{', '[']) => as_is(),
        None | Some(Shape::Text { .. } | Shape::Choice(_)) => as_is(),
        Some(_) => as_toml(),
    };
    Node {
        value,
        origin: origin.clone(),
    }
}

fn insert(parent: &mut Node, key: &[String], node: Node, origin: &Origin) {
    let (Value::Table(table), Some((first, rest))) = (&mut parent.value, key.split_first()) else {
        return;
    };
    if rest.is_empty() {
        let key = origin.clone();
        table.insert(first.clone(), Entry { key, node });
        return;
    }
    let entry = table.entry(first.clone()).or_insert_with(|| Entry {
        key: origin.clone(),
        node: Node::empty_table(origin.clone()),
    });
    insert(&mut entry.node, rest, node, origin);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_name_keys() {
        for (variable, key) in [
            ("JANSKY_HUB__PUBLIC_URL", Some("hub.public_url")),
            (
                "JANSKY_PROVIDER__ESCAPE_IAM__CLIENT_ID",
                Some("provider.escape-iam.client_id"),
            ),
            (
                "JANSKY_SPAWNER__ENVIRONMENT__DATA_DIR",
                Some("spawner.environment.DATA_DIR"),
            ),
            ("JANSKY_CONFIG", None),
            ("JANSKY_SERVICE_HOST", None),
            ("PATH", None),
        ] {
            let found = Override::from_variable(variable, "x").map(|found| found.key.join("."));
            assert_eq!(found.as_deref(), key, "{variable}");
        }
    }

    #[test]
    fn the_variable_of_a_key_names_that_key() {
        let name = variable_of_key(&["provider", "escape-iam", "client_id"]);

        assert_eq!(name, "JANSKY_PROVIDER__ESCAPE_IAM__CLIENT_ID");
        let found = Override::from_variable(&name, "x").expect("it names a key");
        assert_eq!(found.key.join("."), "provider.escape-iam.client_id");
    }
}
