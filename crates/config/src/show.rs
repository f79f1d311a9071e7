//! The effective configuration, with the origin of each value.

use std::fmt::Write;

use serde_json::Value;

use crate::check::Loaded;
use crate::document::Node;
use crate::problem::Origin;
use crate::shape::{KIND, Schema, Shape};
use crate::{looks_secret, written_toml};

impl Loaded {
    /// Writes the effective configuration as TOML in which a comment says where each value comes
    /// from. Of secrets there is only the source.
    pub fn show(&self) -> String {
        let mut page = Page {
            loaded: self,
            text: String::new(),
        };
        page.sections();
        page.text
    }
}

struct Page<'a> {
    loaded: &'a Loaded,
    text: String,
}

impl Page<'_> {
    fn sections(&mut self) {
        let json = serde_json::to_value(&self.loaded.config)
            .expect("sections are made of texts, numbers, lists and tables");
        let Shape::Table(root) = Schema::root().shape() else {
            return;
        };
        for (name, schema) in root.keys {
            match (schema.shape(), &json[name]) {
                (_, Value::Null) => self.line(&format!("\n# [{name}] is not used")),
                (Shape::Map { value, .. }, Value::Object(entries)) => {
                    for (id, entry) in entries {
                        self.table(&[name, id], value, entry);
                    }
                }
                (_, section) => self.table(&[name], schema, section),
            }
        }
    }

    fn table(&mut self, path: &[&str], schema: Schema, json: &Value) {
        self.heading(path);
        let table = match schema.shape() {
            Shape::Table(table) => table,
            Shape::Kinds(kinds) => {
                let kind = json[KIND].as_str();
                let found = kinds.into_iter().find(|(word, _)| Some(*word) == kind);
                match found.map(|(_, schema)| schema.shape()) {
                    Some(Shape::Table(table)) => table,
                    _ => return,
                }
            }
            _ => return,
        };
        let mut below = Vec::new();
        for (name, schema) in table.keys {
            let path = [path, &[name]].concat();
            match (schema.shape(), &json[name]) {
                (_, Value::Null) => {
                    let words = schema.default_in_words().unwrap_or("none");
                    self.line(&format!("# {name}: {words}"));
                }
                (Shape::Table(_) | Shape::Kinds(_), value) => below.push((path, schema, value)),
                (Shape::Map { .. }, value @ Value::Object(entries)) if !entries.is_empty() => {
                    below.push((path, schema, value));
                }
                (_, value) => self.value(&path, value),
            }
        }
        for (path, schema, value) in below {
            match (schema.shape(), value) {
                (Shape::Map { .. }, Value::Object(entries)) => {
                    self.heading(&path);
                    for (name, value) in entries {
                        self.value(&[&path[..], &[name]].concat(), value);
                    }
                }
                _ => self.table(&path, schema, value),
            }
        }
    }

    fn value(&mut self, path: &[&str], value: &Value) {
        let name = path.last().copied().unwrap_or_default();
        let hidden = path.len() > 2 && looks_secret(name) && value.is_string();
        let value = if hidden {
            "\"…\"".to_owned()
        } else {
            written_toml::value(value)
        };
        let line = format!("{} = {value}", written_toml::key(name));
        let origin = self.origin(path);
        self.line(&format!("{line:<50}  # {origin}"));
    }

    fn origin(&self, path: &[&str]) -> String {
        let node: Option<&Node> = self.loaded.document.entry(path).map(|entry| &entry.node);
        match node.map(|node| &node.origin) {
            Some(Origin::File { line, .. }) => format!("{}:{line}", self.loaded.file_name),
            Some(Origin::Environment { variable }) => format!("environment variable {variable}"),
            Some(Origin::CommandLine) => "--set".to_owned(),
            Some(Origin::Default) | None => "default".to_owned(),
        }
    }

    fn heading(&mut self, path: &[&str]) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        let path: Vec<_> = path.iter().map(|part| written_toml::key(part)).collect();
        self.line(&format!("[{}]", path.join(".")));
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("writing to a text cannot fail");
    }
}
