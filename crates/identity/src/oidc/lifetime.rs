//! How long a token is valid, read in the same way from every kind of answer.
//!
//! A lifetime of 0 or below means that the token has expired, and it is never handed out. One that
//! cannot be read counts as missing, and the operator finds it in the log.

use std::time::Duration;

use jansky_model::Timestamp;
use serde_json::Value;

use crate::claim_rules::Reading;

pub(crate) const NUMBER_OF_SECONDS: &str = "a number of seconds";

/// A lifetime (`expires_in`, RFC 6749 5.1), as a number or, as some providers write it, as a text.
pub(crate) fn lifetime(field: &str, value: Option<&Value>) -> Reading<Duration> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "parts of a second do not matter, and it saturates: below zero it has ended"
    )]
    seconds(field, value).map(|seconds| Duration::from_secs(seconds as u64))
}

/// A time, in seconds since 1970 with or without a fraction.
pub(crate) fn moment(field: &str, value: Option<&Value>) -> Reading<Timestamp> {
    if let Some(seconds) = value.and_then(Value::as_i64) {
        return Reading::Said(Timestamp::from_seconds(seconds));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it saturates, and so do timestamps"
    )]
    seconds(field, value).map(|seconds| Timestamp::from_micros((seconds * 1e6) as i64))
}

/// When a token ends that was asked for at a time; `None` if nobody said, or not clearly.
pub(crate) fn end_of(lifetime: Reading<Duration>, asked_at: Timestamp) -> Option<Timestamp> {
    if let Reading::Unreadable(problem) = &lifetime {
        tracing::warn!("the lifetime of a token cannot be read: {problem}");
    }
    lifetime.said().map(|lifetime| asked_at.plus(lifetime))
}

fn seconds(field: &str, value: Option<&Value>) -> Reading<f64> {
    let number = match value {
        None | Some(Value::Null) => return Reading::NotSaid,
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    };
    match (number.filter(|number| number.is_finite()), value) {
        (Some(number), _) => Reading::Said(number),
        (None, Some(value)) => Reading::unreadable(field, value, NUMBER_OF_SECONDS),
        (None, None) => Reading::NotSaid,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_000);

    fn end(value: &Value) -> Option<i64> {
        let read = lifetime("expires_in", Some(value));
        end_of(read, NOW).map(Timestamp::seconds)
    }

    #[test]
    fn lifetimes_are_read_as_number_and_as_text() {
        for (value, expected) in [
            (json!(300), Some(1_300)),
            (json!("300"), Some(1_300)),
            (json!(300.0), Some(1_300)),
            (json!(" 299.9 "), Some(1_299)),
            // It has ended, and is not a token without an end.
            (json!(0), Some(1_000)),
            (json!("0"), Some(1_000)),
            (json!(-1), Some(1_000)),
            (json!("-1.5"), Some(1_000)),
            (json!(0.4), Some(1_000)),
            (json!(null), None),
            (json!("soon"), None),
            (json!("NaN"), None),
            (json!("inf"), None),
            (json!([300]), None),
        ] {
            assert_eq!(end(&value), expected, "{value}");
        }
    }

    #[test]
    fn a_lifetime_that_cannot_be_read_names_its_field_and_shape() {
        let problem = lifetime("expires_in", Some(&json!("canary"))).readable();

        let problem = problem.expect_err("nobody can read it").to_string();
        assert_eq!(
            problem,
            "`expires_in` is a text where a number of seconds is expected"
        );
    }

    proptest! {
        #[test]
        fn no_lifetime_at_or_below_zero_ever_makes_a_token_that_lives(
            seconds in -1e12_f64..=0.0,
            as_text: bool,
        ) {
            let value = if as_text { json!(seconds.to_string()) } else { json!(seconds) };
            prop_assert_eq!(end(&value), Some(1_000));
        }
    }
}
