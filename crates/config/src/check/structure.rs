//! Compares the tree with the schema: keys, types, allowed values and notations.

use super::Report;
use super::suggestion;
use crate::document::{Entry, Node, Table as Entries, Value};
use crate::presets;
use crate::problem::Origin;
use crate::shape::{Choice, KIND, Schema, Shape, Table};

/// What is found where a required key is missing.
pub(super) const NOTHING: &str = "found nothing";

const SECRET_ADVICE: &str = "a secret is given as { file = \"…\" } or { env = \"…\" }";

/// Longer values are cut in messages.
const LONGEST_SHOWN: usize = 60;

/// Reports what does not fit the schema, and takes it out of the tree.
pub(super) fn check(root: &mut Node, report: &mut Report<'_>) {
    Walk { report }.value(root, Schema::root(), "");
}

struct Walk<'a, 'b> {
    report: &'a mut Report<'b>,
}

impl Walk<'_, '_> {
    /// Checks one value; `false` means that it must be taken out.
    fn value(&mut self, node: &mut Node, schema: Schema, key: &str) -> bool {
        let confidential = schema.is_confidential();
        let advice = match (schema.shape(), &mut node.value) {
            (Shape::Table(table), Value::Table(entries)) => {
                return self.table(entries, &table, &node.origin, key);
            }
            (Shape::Kinds(kinds), Value::Table(entries)) => {
                return self.kinds(entries, &kinds, schema, &node.origin, key);
            }
            (Shape::Map { key: format, value }, Value::Table(entries)) => {
                entries.retain(|name, entry| {
                    let key = join(key, name);
                    if let Some(Err(advice)) = format.map(|format| (format.check)(name)) {
                        self.report.error(
                            &entry.key,
                            &key,
                            "found an id that is not allowed",
                            advice,
                        );
                        return false;
                    }
                    // A heading says more than the first key below it.
                    if matches!(entry.node.value, Value::Table(_)) {
                        entry.node.origin = entry.key.clone();
                    }
                    self.value(&mut entry.node, value, &key)
                });
                return true;
            }
            (Shape::List { item, may_be_empty }, Value::List(items)) => {
                let was_empty = items.is_empty();
                items.retain_mut(|node| self.value(node, item, key));
                if may_be_empty || !items.is_empty() {
                    return true;
                }
                if !was_empty {
                    return false;
                }
                self.report.error(
                    &node.origin,
                    key,
                    "found an empty list",
                    "at least one value is needed",
                );
                return false;
            }
            (Shape::Secret, Value::Table(entries)) => {
                return self.secret(entries, schema, &node.origin, key);
            }
            (Shape::Either(alternatives), _) => {
                let fitting = alternatives
                    .iter()
                    .find(|one| takes(&one.shape(), &node.value));
                if let Some(fitting) = fitting {
                    return self.value(node, *fitting, key);
                }
                if confidential && !matches!(alternatives[0].shape(), Shape::Text { .. }) {
                    SECRET_ADVICE.to_owned()
                } else {
                    let advice: Vec<_> = alternatives
                        .iter()
                        .map(|one| wanted(&one.shape()))
                        .collect();
                    advice.join(", or ")
                }
            }
            (
                Shape::Text {
                    format,
                    may_be_empty,
                },
                Value::Text(text),
            ) => {
                let checked = match format {
                    Some(format) => (format.check)(text),
                    None if text.is_empty() && !may_be_empty => {
                        Err("it cannot be empty".to_owned())
                    }
                    None => Ok(()),
                };
                match checked {
                    Ok(()) => return true,
                    Err(advice) => advice,
                }
            }
            (Shape::Choice(choices), Value::Text(text)) => {
                if choices.iter().any(|choice| choice.word == text) {
                    return true;
                }
                choice_advice(&choices, text)
            }
            (Shape::Boolean, Value::Boolean(_)) => return true,
            (Shape::Integer { minimum, maximum }, Value::Integer(number))
                if (minimum..=maximum).contains(number) =>
            {
                return true;
            }
            (Shape::Number { above }, Value::Integer(number)) => {
                // Integers this large are refused by no key and are exact enough for a limit.
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "only compared with a small bound"
                )]
                let number = *number as f64;
                if above.is_none_or(|above| number > above) {
                    return true;
                }
                wanted(&Shape::Number { above })
            }
            (Shape::Number { above }, Value::Float(number))
                if above.is_none_or(|above| *number > above) =>
            {
                return true;
            }
            (shape, _) => wanted(&shape),
        };
        let found = found(&node.value, confidential);
        self.report.error(&node.origin, key, found, advice);
        false
    }

    fn table(&mut self, entries: &mut Entries, table: &Table, origin: &Origin, key: &str) -> bool {
        let known: Vec<_> = table.keys.iter().map(|(name, _)| *name).collect();
        let mut missing = table.required.clone();
        let mut sound = true;
        entries.retain(|name, entry| {
            let key = join(key, name);
            missing.retain(|required| required != name);
            let Some(schema) = table.get(name) else {
                let advice = suggestion::for_key(name, &known);
                self.report
                    .error(&entry.key, &key, "found an unknown key", advice);
                return false;
            };
            if matches!(entry.node.value, Value::Table(_)) {
                entry.node.origin = entry.key.clone();
            }
            let fits = self.value(&mut entry.node, schema, &key);
            sound &= fits || !table.required.contains(&name.as_str());
            fits
        });
        for required in missing {
            let example = table.get(required).and_then(Schema::example);
            let advice = match example {
                Some(example) => format!(
                    "it is required; write for example {required} = {}",
                    crate::written_toml::value(example)
                ),
                None => "it is required".to_owned(),
            };
            self.report
                .error(origin, &join(key, required), NOTHING, advice);
            sound = false;
        }
        sound
    }

    fn kinds(
        &mut self,
        entries: &mut Entries,
        kinds: &[(&'static str, Schema)],
        schema: Schema,
        origin: &Origin,
        key: &str,
    ) -> bool {
        let words: Vec<_> = kinds.iter().map(|(word, _)| *word).collect();
        let default = schema.default().and_then(|value| value.get(KIND)?.as_str());
        if let (false, Some(default)) = (entries.contains_key(KIND), default) {
            let node = Node {
                value: Value::Text(default.to_owned()),
                origin: Origin::Default,
            };
            let key = Origin::Default;
            entries.insert(KIND.to_owned(), Entry { key, node });
        }
        let kind_key = join(key, KIND);
        let allowed = format!("allowed are {}", suggestion::listed(&words));
        let Some(entry) = entries.get(KIND) else {
            self.report.error(origin, &kind_key, NOTHING, allowed);
            return false;
        };
        let Value::Text(word) = &entry.node.value else {
            let found = found(&entry.node.value, false);
            self.report
                .error(&entry.node.origin, &kind_key, found, allowed);
            return false;
        };
        let Some((_, schema)) = kinds.iter().find(|(known, _)| known == word) else {
            let advice = match suggestion::closest(word, &words) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => allowed,
            };
            let found = found(&entry.node.value, false);
            self.report
                .error(&entry.node.origin, &kind_key, found, advice);
            return false;
        };
        let word = word.clone();
        for (name, default) in presets::defaults_of(&word).unwrap_or_default() {
            if !entries.contains_key(*name)
                && let Some(node) = Node::parse_value(default, &Origin::Default)
            {
                let key = Origin::Default;
                entries.insert((*name).to_owned(), Entry { key, node });
            }
        }
        match schema.shape() {
            Shape::Table(table) => self.table(entries, &table, origin, key),
            _ => true,
        }
    }

    fn secret(
        &mut self,
        entries: &mut Entries,
        schema: Schema,
        origin: &Origin,
        key: &str,
    ) -> bool {
        let known = schema.source_keys();
        let mut sound = true;
        for (name, entry) in entries.iter_mut() {
            let Some((_, schema)) = known.iter().find(|(known, _)| known == name) else {
                self.report.error(
                    &entry.key,
                    &join(key, name),
                    "found an unknown key",
                    SECRET_ADVICE,
                );
                sound = false;
                continue;
            };
            sound &= self.value(&mut entry.node, *schema, &join(key, name));
        }
        if sound && entries.len() != 1 {
            let found = if entries.is_empty() {
                "found an empty table"
            } else {
                "found both `file` and `env`"
            };
            self.report.error(origin, key, found, SECRET_ADVICE);
            sound = false;
        }
        sound
    }
}

/// Whether a shape takes values of this type, whatever their content.
fn takes(shape: &Shape, value: &Value) -> bool {
    match value {
        Value::Text(_) => matches!(shape, Shape::Text { .. } | Shape::Choice(_)),
        Value::Table(_) => matches!(
            shape,
            Shape::Secret | Shape::Table(_) | Shape::Kinds(_) | Shape::Map { .. }
        ),
        Value::List(_) => matches!(shape, Shape::List { .. }),
        Value::Boolean(_) => matches!(shape, Shape::Boolean),
        Value::Integer(_) => matches!(shape, Shape::Integer { .. } | Shape::Number { .. }),
        Value::Float(_) => matches!(shape, Shape::Number { .. }),
        Value::Odd(_) => false,
    }
}

/// What a value of the wrong type should have been.
fn wanted(shape: &Shape) -> String {
    match shape {
        Shape::Text {
            format: Some(format),
            ..
        } => format.advice.to_owned(),
        Shape::Text { format: None, .. } => "write a text in quotes".to_owned(),
        Shape::Choice(choices) => choice_advice(choices, ""),
        Shape::Boolean => "write true or false".to_owned(),
        Shape::Integer { minimum, maximum } => {
            format!("write a whole number from {minimum} to {maximum}")
        }
        Shape::Number { above: Some(above) } => format!("write a number greater than {above}"),
        Shape::Number { above: None } => "write a number".to_owned(),
        Shape::List { item, .. } => match item.shape() {
            Shape::Secret => "write a list of secrets".to_owned(),
            _ => "write a list in [ and ]".to_owned(),
        },
        Shape::Secret => SECRET_ADVICE.to_owned(),
        Shape::Map { .. } | Shape::Table(_) | Shape::Kinds(_) => {
            "write a section, or a table in { and }".to_owned()
        }
        Shape::Either(alternatives) => {
            let advice: Vec<_> = alternatives
                .iter()
                .map(|one| wanted(&one.shape()))
                .collect();
            advice.join(", or ")
        }
    }
}

fn choice_advice(choices: &[Choice], text: &str) -> String {
    let words: Vec<_> = choices.iter().map(|choice| choice.word).collect();
    match suggestion::closest(text, &words) {
        Some(meant) if !text.is_empty() => {
            format!(
                "did you mean `{meant}`? allowed are {}",
                suggestion::listed(&words)
            )
        }
        _ => format!("allowed are {}", suggestion::listed(&words)),
    }
}

/// What was found, without the content of what may be a secret.
fn found(value: &Value, confidential: bool) -> String {
    match value {
        Value::Text(_) if confidential => "found a text".to_owned(),
        Value::Text(text) => format!("found the text `{}`", shown(text)),
        Value::Integer(_) | Value::Float(_) if confidential => "found a number".to_owned(),
        Value::Integer(number) => format!("found the number `{number}`"),
        Value::Float(number) => format!("found the number `{number}`"),
        Value::Boolean(value) => format!("found `{value}`"),
        Value::List(_) => "found a list".to_owned(),
        Value::Table(_) => "found a table".to_owned(),
        Value::Odd(name) => format!("found {name}"),
    }
}

fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(LONGEST_SHOWN)
        .flat_map(|character| {
            let control = character.is_control();
            let escaped = control.then(|| character.escape_default());
            let plain = (!control).then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect();
    if text.chars().count() > LONGEST_SHOWN {
        shown.push('…');
    }
    shown
}

/// The path of a key in a table.
pub(super) fn join(parent: &str, key: &str) -> String {
    let key = crate::written_toml::key(key);
    if parent.is_empty() {
        key
    } else {
        format!("{parent}.{key}")
    }
}
