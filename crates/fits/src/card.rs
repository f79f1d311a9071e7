//! One card of a header: 80 characters with a keyword, a value and a comment.

use std::fmt::Write as _;

/// How many bytes a card has.
pub(crate) const CARD: usize = 80;

/// The value of a keyword.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Comments, and what has no value.
    None,
    /// `T` or `F`.
    Logical(bool),
    /// A number without a point.
    Integer(i64),
    /// A number with a point or an exponent.
    Real(f64),
    /// Two numbers.
    Complex([f64; 2]),
    /// A string, without the blanks at its end.
    Text(String),
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Logical(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

/// A keyword with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// In upper case; for `HIERARCH`, the words after it.
    pub keyword: String,
    /// Its value.
    pub value: Value,
    /// What stands behind the value, or the text of a `COMMENT` or `HISTORY`.
    pub comment: String,
}

impl Card {
    /// A keyword with a value.
    pub fn new(keyword: &str, value: impl Into<Value>) -> Self {
        Self {
            keyword: keyword.to_owned(),
            value: value.into(),
            comment: String::new(),
        }
    }

    /// What 80 bytes say. What cannot be understood is a comment, as the standard lets programs have their own cards.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        // What is not ASCII has no meaning in a header.
        let text: String = bytes
            .iter()
            .map(|byte| {
                if byte.is_ascii() {
                    char::from(*byte)
                } else {
                    '?'
                }
            })
            .collect();
        let (keyword, rest) = text.split_at_checked(8).unwrap_or((&text, ""));
        let keyword = keyword.trim_end();
        if keyword == "HIERARCH"
            && let Some((words, value)) = rest.split_once('=')
        {
            let (value, comment) = value_and_comment(value);
            return Self {
                keyword: words.trim().to_ascii_uppercase(),
                value,
                comment,
            };
        }
        let after = match keyword {
            "CONTINUE" => Some(rest),
            "COMMENT" | "HISTORY" | "" => None,
            _ => rest.strip_prefix("= ").or_else(|| rest.strip_prefix('=')),
        };
        let (value, comment) = match after {
            Some(after) => value_and_comment(after),
            None => (Value::None, rest.trim_end().to_owned()),
        };
        Self {
            keyword: keyword.to_ascii_uppercase(),
            value,
            comment,
        }
    }

    /// Adds it to a header, with `CONTINUE` for a long string.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let clean = |text: &str| -> String {
            let characters = text.chars();
            characters
                .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
                .collect()
        };
        let value = match &self.value {
            Value::None => {
                let comment = clean(&self.comment);
                let bytes = comment.as_bytes();
                let mut parts = bytes.chunks(CARD - 8);
                let first = parts.next().unwrap_or_default();
                for part in std::iter::once(first).chain(parts) {
                    padded(
                        out,
                        &format!("{:<8}{}", self.keyword, String::from_utf8_lossy(part)),
                    );
                }
                return;
            }
            Value::Text(text) => {
                self.write_text(&clean(text), out);
                return;
            }
            Value::Logical(value) => format!("{:>20}", if *value { "T" } else { "F" }),
            Value::Integer(value) => format!("{value:>20}"),
            Value::Real(value) => format!("{:>20}", real(*value)),
            Value::Complex([re, im]) => format!("({}, {})", real(*re), real(*im)),
        };
        let mut text = self.beginning();
        text += &value;
        if !self.comment.is_empty() {
            let _ = write!(text, " / {}", clean(&self.comment));
        }
        text.truncate(CARD);
        padded(out, &text);
    }

    fn beginning(&self) -> String {
        if self.keyword.len() <= 8 {
            format!("{:<8}= ", self.keyword)
        } else {
            format!("HIERARCH {} = ", self.keyword)
        }
    }

    fn write_text(&self, text: &str, out: &mut Vec<u8>) {
        let mut rest: Vec<char> = text.chars().collect();
        let mut beginning = self.beginning();
        loop {
            // A quote takes two places, and one of two must not be left alone.
            let room = (CARD - beginning.len()).saturating_sub(3);
            let mut taken = 0;
            let mut length = 0;
            for character in &rest {
                let needs = if *character == '\'' { 2 } else { 1 };
                if length + needs > room {
                    break;
                }
                length += needs;
                taken += 1;
            }
            let is_last = taken == rest.len() || taken == 0;
            let part: String = rest.drain(..taken).collect();
            let mark = if is_last { "" } else { "&" };
            let quoted = part.replace('\'', "''");
            padded(out, &format!("{beginning}'{quoted:<8}{mark}'"));
            if is_last {
                return;
            }
            "CONTINUE  ".clone_into(&mut beginning);
        }
    }
}

/// A number as it stands in a header.
fn real(value: f64) -> String {
    // Headers have neither.
    let value = if value.is_finite() { value } else { 0.0 };
    let text = format!("{value:?}").replace('e', "E");
    if text.contains(['.', 'E']) {
        text
    } else {
        text + ".0"
    }
}

fn padded(out: &mut Vec<u8>, text: &str) {
    let mut bytes = text.as_bytes().to_vec();
    bytes.resize(CARD, b' ');
    out.extend_from_slice(&bytes);
}

fn value_and_comment(text: &str) -> (Value, String) {
    let text = text.trim_start();
    if let Some(quoted) = text.strip_prefix('\'') {
        let mut value = String::new();
        let mut characters = quoted.chars().peekable();
        while let Some(character) = characters.next() {
            if character != '\'' {
                value.push(character);
            } else if characters.peek() == Some(&'\'') {
                value.push('\'');
                characters.next();
            } else {
                break;
            }
        }
        let rest: String = characters.collect();
        let comment = rest.split_once('/').map_or("", |(_, comment)| comment);
        return (
            Value::Text(value.trim_end().to_owned()),
            comment.trim().to_owned(),
        );
    }
    let (value, comment) = text.split_once('/').unwrap_or((text, ""));
    (plain_value(value.trim()), comment.trim().to_owned())
}

fn plain_value(text: &str) -> Value {
    let number = |text: &str| -> Option<f64> {
        let text = text.trim().replace(['D', 'd'], "E");
        // Rust knows words, too.
        let is_number = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.Ee".contains(&byte));
        if is_number { text.parse().ok() } else { None }
    };
    match text {
        "T" => return Value::Logical(true),
        "F" => return Value::Logical(false),
        _ => {}
    }
    if let Ok(value) = text.parse() {
        return Value::Integer(value);
    }
    let inner = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'));
    if let Some((re, im)) = inner.and_then(|text| text.split_once(','))
        && let (Some(re), Some(im)) = (number(re), number(im))
    {
        return Value::Complex([re, im]);
    }
    number(text).map_or(Value::None, Value::Real)
}
