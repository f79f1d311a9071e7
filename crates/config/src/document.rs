//! The configuration as a tree in which every value knows where it comes from.
//!
//! The tree has no `Debug`: the URL of a database may hold a password.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::problem::Origin;

/// What `toml` says about a key that is given twice, without saying which.
const DUPLICATE: &str = "duplicate key";

/// A value and where it comes from.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// A value of TOML.
#[derive(Clone)]
pub(crate) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Table),
    /// Something that no key takes, by its name: a date, or a number that is too large.
    Odd(&'static str),
}

/// The keys of a table.
pub(crate) type Table = BTreeMap<String, Entry>;

/// What stands behind a key.
#[derive(Clone)]
pub(crate) struct Entry {
    /// Where the key is written; of a table, its heading.
    pub(crate) key: Origin,
    pub(crate) node: Node,
}

/// A mistake in the writing of TOML itself.
pub(crate) struct SyntaxError {
    pub(crate) origin: Origin,
    pub(crate) message: String,
}

impl Node {
    /// An empty table from `origin`.
    pub(crate) fn empty_table(origin: Origin) -> Self {
        Self {
            value: Value::Table(Table::new()),
            origin,
        }
    }

    /// Reads a TOML document as far as it can be read.
    pub(crate) fn parse(text: &str) -> (Self, Vec<SyntaxError>) {
        let places = Places::new(text);
        let (tree, errors) = DeTable::parse_recoverable(text);
        let errors = errors
            .into_iter()
            .map(|error| {
                let span = error.span().unwrap_or_default();
                SyntaxError {
                    origin: places.origin(&span),
                    message: match (error.message(), text.get(span)) {
                        // Of a section that is there twice, each key is.
                        (DUPLICATE, Some(key)) => {
                            format!("found the key `{key}` a second time in the same section")
                        }
                        (message, _) => message.to_owned(),
                    },
                }
            })
            .collect();
        let origin = places.origin(&(0..0));
        let value = Value::Table(table(tree.get_ref(), &places));
        (Self { value, origin }, errors)
    }

    /// Reads one TOML value, such as a list, that does not come from the file.
    pub(crate) fn parse_value(text: &str, origin: &Origin) -> Option<Self> {
        let tree = DeValue::parse(text).ok()?;
        let mut node = node(&tree, &Places::new(text));
        node.come_from(origin);
        Some(node)
    }

    fn come_from(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.come_from(origin)),
            Value::Table(table) => {
                for entry in table.values_mut() {
                    entry.key = origin.clone();
                    entry.node.come_from(origin);
                }
            }
            _ => {}
        }
    }

    /// The entry at a path of keys.
    pub(crate) fn entry(&self, path: &[&str]) -> Option<&Entry> {
        let (first, rest) = path.split_first()?;
        let Value::Table(table) = &self.value else {
            return None;
        };
        let entry = table.get(*first)?;
        if rest.is_empty() {
            Some(entry)
        } else {
            entry.node.entry(rest)
        }
    }

    /// The value as JSON, for deserialization.
    pub(crate) fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Text(text) => text.as_str().into(),
            Value::Integer(number) => (*number).into(),
            Value::Float(number) => (*number).into(),
            Value::Boolean(value) => (*value).into(),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Table(table) => table
                .iter()
                .map(|(key, entry)| (key.clone(), entry.node.json()))
                .collect(),
            Value::Odd(_) => serde_json::Value::Null,
        }
    }
}

fn table(tree: &DeTable<'_>, places: &Places) -> Table {
    tree.iter()
        .map(|(key, value)| {
            let entry = Entry {
                key: places.origin(&key.span()),
                node: node(value, places),
            };
            (key.get_ref().clone().into_owned(), entry)
        })
        .collect()
}

fn node(tree: &Spanned<DeValue<'_>>, places: &Places) -> Node {
    let value = match tree.get_ref() {
        DeValue::String(text) => Value::Text(text.clone().into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Odd("a number that is too large"), Value::Integer),
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => Value::Odd("a number that is not finite"),
        },
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => Value::Odd("a date or time"),
        DeValue::Array(items) => Value::List(items.iter().map(|item| node(item, places)).collect()),
        DeValue::Table(tree) => Value::Table(table(tree, places)),
    };
    Node {
        value,
        origin: places.origin(&tree.span()),
    }
}

/// Turns offsets into lines and columns.
struct Places<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Places<'a> {
    fn new(text: &'a str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(index, _)| index + 1);
        Self {
            text,
            line_starts: std::iter::once(0).chain(after_breaks).collect(),
        }
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        let offset = span.start.min(self.text.len());
        let line = self.line_starts.partition_point(|start| *start <= offset);
        let start = self.line_starts[line - 1];
        let before = self.text.as_bytes()[start..offset].iter();
        // Bytes that continue a character do not count.
        let column = before.filter(|byte| **byte & 0xC0 != 0x80).count() + 1;
        Origin::File { line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_headings_know_their_lines() {
        let (tree, errors) = Node::parse(
            "# ü\n[hub]\nbind = \"x\"\n\n[provider.jive]\nkind = 1\nlist = [\n  1,\n  2,\n]\n",
        );

        assert!(errors.is_empty());
        let at = |path: &[&str]| {
            let entry = tree.entry(path).expect("it is there");
            (entry.key.clone(), entry.node.origin.clone())
        };
        let place = |line, column| Origin::File { line, column };
        assert_eq!(at(&["hub"]).0, place(2, 2));
        assert_eq!(at(&["hub", "bind"]), (place(3, 1), place(3, 8)));
        assert_eq!(at(&["provider", "jive"]).0, place(5, 11));
        let Value::List(items) = &tree
            .entry(&["provider", "jive", "list"])
            .expect("list")
            .node
            .value
        else {
            panic!("not a list");
        };
        assert_eq!(items[1].origin, place(9, 3));
    }

    #[test]
    fn columns_are_counted_in_characters() {
        let (tree, _) = Node::parse("\"äöü\" = 1");

        let entry = tree.entry(&["äöü"]).expect("it is there");

        assert_eq!(entry.node.origin, Origin::File { line: 1, column: 9 });
    }
}
