//! Writes values as TOML.

use serde_json::Value;

/// A key, in quotes if it needs them.
pub(crate) fn key(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !key.is_empty() && key.bytes().all(bare) {
        key.to_owned()
    } else {
        text(key)
    }
}

/// A value on one line.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(content) => text(content),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) if entries.is_empty() => "{}".to_owned(),
        Value::Object(entries) => {
            let entries: Vec<_> = entries
                .iter()
                .map(|(name, item)| format!("{} = {}", key(name), self::value(item)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
    }
}

fn text(content: &str) -> String {
    // Everything that JSON escapes is escaped alike in TOML, which refuses one character more.
    Value::from(content)
        .to_string()
        .replace('\u{7f}', "\\u007F")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_toml_reads_them() {
        let json = serde_json::json!({ "a b": ["x\"y\n\u{7f}\u{1}ü", 1, 1.5, true], "c": {} });

        let written = value(&json);

        let read: toml::Table = toml::from_str(&format!("v = {written}")).expect("valid TOML");
        assert_eq!(serde_json::to_value(&read["v"]).expect("JSON"), json);
    }
}
