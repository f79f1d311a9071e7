//! Answers of providers as values of our own, with words for what does not fit.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use crate::claim_rules::Shape;

/// Reads an answer.
///
/// # Errors
/// What came where what was expected, by the name of the field; never the value, which may be secret.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let value: Value = serde_json::from_slice(body).map_err(|_| "it is not JSON".to_owned())?;
    fitting(&value)
}

/// Makes a value of our own of a part of an answer.
///
/// # Errors
/// As [`read_json`].
pub(crate) fn fitting<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| describe(value, &error))
}

fn describe(value: &Value, error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let text = error.inner().to_string();
    let (path, found) = found_at(value, error.path());
    if let Some(field) = text.strip_prefix("missing field ") {
        return match path.as_str() {
            "" => format!("{field} is missing"),
            path => format!("{field} is missing in `{path}`"),
        };
    }
    // Words about a URL hold nothing of it.
    let is_of_serde = ["invalid type", "invalid value", "invalid length"];
    let is_of_serde = is_of_serde.iter().any(|start| text.starts_with(start));
    if let Some((words, _)) = text.split_once(": \"").filter(|_| !is_of_serde) {
        return format!("`{path}`: {words}");
    }
    // What follows is the program's own word for the type, and comes from nowhere else.
    let expected = text.rsplit_once("expected ").map(|(_, expected)| expected);
    let expected = match expected {
        Some(expected) if expected.starts_with("struct ") => "an object",
        Some(expected) if expected.starts_with(['u', 'i']) => "a whole number",
        Some("a sequence") => "a list",
        Some("a map") => "an object",
        Some("a string") => "a text",
        Some("a boolean") => "true or false",
        Some(expected) if expected.contains("URL") => "a URL",
        _ => "something else",
    };
    let what = if path.is_empty() {
        "it".to_owned()
    } else {
        format!("`{path}`")
    };
    format!(
        "{what} is {} where {expected} is expected",
        Shape::of(found)
    )
}

/// The path of the place in words, and what is there.
fn found_at<'v>(value: &'v Value, path: &serde_path_to_error::Path) -> (String, &'v Value) {
    let mut found = value;
    let mut words = String::new();
    for segment in path {
        let (word, next) = match segment {
            Segment::Map { key } => (key.clone(), found.get(key)),
            Segment::Seq { index } => (index.to_string(), found.get(index)),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        if !words.is_empty() {
            words.push('.');
        }
        words.push_str(&word);
        found = next.unwrap_or(&Value::Null);
    }
    (words, found)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only reading it matters")]
    struct Answer {
        access_token: String,
        id: Option<u64>,
        ok: Option<bool>,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only reading it matters")]
    struct Inner {
        login: String,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only reading it matters")]
    struct Place {
        endpoint: url::Url,
    }

    #[test]
    fn what_is_no_url_is_told_without_it() {
        for (body, expected) in [
            (
                r#"{"endpoint": "/canary"}"#,
                "`endpoint`: relative URL without a base",
            ),
            (
                r#"{"endpoint": "http://canary:x"}"#,
                "`endpoint`: invalid port number",
            ),
            (
                r#"{"endpoint": 7}"#,
                "`endpoint` is a number where a URL is expected",
            ),
        ] {
            let problem = read_json::<Place>(body.as_bytes()).expect_err("it does not fit");
            assert_eq!(problem, expected, "{body}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told_by_its_field_and_shape_and_never_by_its_value() {
        for (body, expected) in [
            ("<html>", "it is not JSON"),
            ("[]", "it is a list where an object is expected"),
            ("{}", "`access_token` is missing"),
            (
                r#"{"access_token": 4711}"#,
                "`access_token` is a number where a text is expected",
            ),
            (
                r#"{"access_token": {"canary": 1}}"#,
                "`access_token` is an object where a text is expected",
            ),
            (
                r#"{"access_token": "t", "id": "canary"}"#,
                "`id` is a text where a whole number is expected",
            ),
            (
                r#"{"access_token": "t", "ok": "canary"}"#,
                "`ok` is a text where true or false is expected",
            ),
            (
                r#"{"access_token": "t", "inner": "expected canary"}"#,
                "`inner` is a text where a list is expected",
            ),
            (
                r#"{"access_token": "t", "inner": [{"login": null}]}"#,
                "`inner.0.login` is null where a text is expected",
            ),
            (
                r#"{"access_token": "t", "inner": [{"login": "a"}, {}]}"#,
                "`login` is missing in `inner.1`",
            ),
        ] {
            let problem = read_json::<Answer>(body.as_bytes()).expect_err("it does not fit");
            assert_eq!(problem, expected, "{body}");
        }
    }
}
