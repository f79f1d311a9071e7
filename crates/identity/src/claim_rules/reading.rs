//! A claim that was read: present, missing, or unreadable.
//!
//! The three are kept apart all the way to the decision. A claim that is missing or unreadable neither
//! gives nor takes rights. An unreadable one is logged with its JSON type, and never with its value, which
//! may be anything.

use std::fmt;

use serde_json::{Number, Value};

use crate::identity::{Claims, claim_at};

/// One claim of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// It says this.
    Said(T),
    /// It says nothing: there is no such claim, or `null` or an empty text in its place.
    NotSaid,
    /// It says something that cannot be read.
    Unreadable(Unreadable),
}

/// A value of a shape that is not the expected one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{claim}` is {shape} where {expected} is expected{}", advice(*.hint))]
pub struct Unreadable {
    /// The name of the claim, field or attribute.
    pub claim: String,
    /// What came.
    pub shape: Shape,
    /// What was expected, as a phrase such as "a text".
    pub expected: &'static str,
    /// What may help.
    pub hint: Option<&'static str>,
}

impl Unreadable {
    /// A value that is not of the expected shape.
    pub fn new(claim: &str, value: &Value, expected: &'static str) -> Self {
        Self {
            claim: claim.to_owned(),
            shape: Shape::of(value),
            expected,
            hint: None,
        }
    }
}

fn advice(hint: Option<&'static str>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

/// The shape of a value, without anything of the value itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `null`.
    Null,
    /// `true` or `false`.
    Truth,
    /// A whole number.
    Number,
    /// A number with a fraction, or one that is too large to be kept to the last digit.
    Fraction,
    /// A text.
    Text,
    /// A text in which one of the usual separators of lists stands.
    TextWith(char),
    /// A text that is empty.
    EmptyText,
    /// A list, all of whose elements could be read by themselves.
    List,
    /// A list with an element of this shape in it.
    ListWith(Box<Shape>),
    /// An object.
    Object,
}

impl Shape {
    /// The shape of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Truth,
            Value::Number(number) if is_whole(number) => Self::Number,
            Value::Number(_) => Self::Fraction,
            Value::String(text) if text.is_empty() => Self::EmptyText,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Truth => f.write_str("true or false"),
            Self::Number => f.write_str("a number"),
            Self::Fraction => f.write_str("a number that is not whole"),
            Self::Text => f.write_str("a text"),
            Self::TextWith(separator) => write!(f, "one text with `{separator}` in it"),
            Self::EmptyText => f.write_str("an empty text"),
            Self::List => f.write_str("a list"),
            Self::ListWith(element) => write!(f, "a list with {element} in it"),
            Self::Object => f.write_str("an object"),
        }
    }
}

impl<T> Reading<T> {
    /// A value that is not of the expected shape.
    pub fn unreadable(claim: &str, value: &Value, expected: &'static str) -> Self {
        Self::Unreadable(Unreadable::new(claim, value, expected))
    }

    /// What was said, if anything was.
    pub fn said(self) -> Option<T> {
        match self {
            Self::Said(value) => Some(value),
            Self::NotSaid | Self::Unreadable(_) => None,
        }
    }

    /// What was said, if it can be read.
    ///
    /// # Errors
    /// [`Unreadable`], for whoever cannot do without an answer.
    pub fn readable(self) -> Result<Option<T>, Unreadable> {
        match self {
            Self::Said(value) => Ok(Some(value)),
            Self::NotSaid => Ok(None),
            Self::Unreadable(problem) => Err(problem),
        }
    }

    /// Makes something else of what was said.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Said(value) => Reading::Said(change(value)),
            Self::NotSaid => Reading::NotSaid,
            Self::Unreadable(problem) => Reading::Unreadable(problem),
        }
    }
}

/// A text, such as a name: also a whole number, which some providers send for names of digits.
pub fn text_at(claims: &Claims, path: &str) -> Reading<String> {
    match claim_at(claims, path) {
        None | Some(Value::Null) => Reading::NotSaid,
        Some(Value::String(text)) if text.is_empty() => Reading::NotSaid,
        Some(value) => match element(value) {
            Some(text) => Reading::Said(text),
            None => Reading::unreadable(path, value, "a text"),
        },
    }
}

/// Yes or no: also as the text `true` or `false`, as some providers send it.
pub fn truth_at(claims: &Claims, path: &str) -> Reading<bool> {
    match claim_at(claims, path) {
        None | Some(Value::Null) => Reading::NotSaid,
        Some(Value::Bool(truth)) => Reading::Said(*truth),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Reading::Said(true),
        Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Reading::Said(false),
        Some(value) => Reading::unreadable(path, value, "true or false"),
    }
}

/// Several texts: a list of texts and whole numbers, or one text with `separator` between them, or
/// with white space if nothing is agreed.
pub fn texts_at(claims: &Claims, path: &str, separator: Option<&str>) -> Reading<Vec<String>> {
    const EXPECTED: &str = "a list of texts";
    match claim_at(claims, path) {
        None | Some(Value::Null) => Reading::NotSaid,
        Some(Value::Array(values)) => {
            let mut texts = Vec::new();
            for value in values {
                let Some(text) = element(value) else {
                    return Reading::Unreadable(Unreadable {
                        claim: path.to_owned(),
                        shape: Shape::ListWith(Box::new(Shape::of(value))),
                        expected: EXPECTED,
                        hint: None,
                    });
                };
                texts.push(text);
            }
            Reading::Said(texts)
        }
        Some(Value::String(text)) => split(path, text, separator, EXPECTED),
        Some(value) => match element(value) {
            Some(text) => Reading::Said(vec![text]),
            None => Reading::unreadable(path, value, EXPECTED),
        },
    }
}

fn split(
    path: &str,
    text: &str,
    separator: Option<&str>,
    expected: &'static str,
) -> Reading<Vec<String>> {
    if let Some(foreign) = foreign_separator(text, separator) {
        return Reading::Unreadable(Unreadable {
            claim: path.to_owned(),
            shape: Shape::TextWith(foreign),
            expected,
            hint: Some(
                "let the provider send a list, or say in `groups_separator` what stands between \
                 two groups",
            ),
        });
    }
    let pieces: Vec<&str> = match separator {
        Some(separator) => text.split(separator).map(str::trim).collect(),
        // The name of an entry of a directory has spaces in it, too.
        None if is_distinguished_name(text) => vec![text],
        None => text.split_whitespace().collect(),
    };
    let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
    Reading::Said(pieces.map(str::to_owned).collect())
}

/// A character that usually stands between two groups and that nobody has spoken of: the text may be
/// one group or several. What the operator names is the separator, and a comma is a part of names then.
fn foreign_separator(text: &str, agreed: Option<&str>) -> Option<char> {
    let usual: &[char] = match agreed {
        None if is_distinguished_name(text) => &[],
        None => &[',', ';', '|'],
        Some(agreed) if text.contains(agreed) => &[],
        Some(_) => &[';', '|'],
    };
    usual.iter().copied().find(|one| text.contains(*one))
}

/// Whether a text is the name of an entry of a directory, such as `cn=radio,ou=groups` (RFC 4514): it
/// has a `=` in each of its parts, and is one name.
fn is_distinguished_name(text: &str) -> bool {
    text.contains(',') && !text.contains([';', '|']) && text.split(',').all(|one| one.contains('='))
}

/// A value that stands for one text. A number that may have lost digits on its way does not: two
/// people could become one.
fn element(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if is_whole(number) => Some(number.to_string()),
        _ => None,
    }
}

fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64()
}
