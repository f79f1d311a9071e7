//! Decoding of request paths for matching. What is forwarded is always the path as received.

use std::borrow::Cow;

/// The path has a `%` without two hexadecimal digits, or does not decode to UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the percent-encoding of the path is malformed")]
pub struct MalformedPath;

/// Decodes a path; it costs nothing if nothing is encoded.
pub(crate) fn decode(path: &str) -> Result<Cow<'_, str>, MalformedPath> {
    let bytes = path.as_bytes();
    let Some(first) = bytes.iter().position(|byte| *byte == b'%') else {
        return Ok(Cow::Borrowed(path));
    };
    let mut decoded = Vec::with_capacity(bytes.len());
    decoded.extend_from_slice(&bytes[..first]);
    let mut rest = &bytes[first..];
    while let [byte, tail @ ..] = rest {
        rest = if *byte == b'%' {
            let [high, low, tail @ ..] = tail else {
                return Err(MalformedPath);
            };
            decoded.push(digit(*high)? << 4 | digit(*low)?);
            tail
        } else {
            decoded.push(*byte);
            tail
        };
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| MalformedPath)
}

fn digit(byte: u8) -> Result<u8, MalformedPath> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(MalformedPath),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    #[test]
    fn malformed_encoding_is_an_error() {
        for bad in ["/%", "/%2", "/%zz", "/a%g0", "/%ff", "/%C3%28"] {
            assert_eq!(decode(bad), Err(MalformedPath), "{bad} was accepted");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in ".*") {
            let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();

            prop_assert_eq!(decode(&encoded).expect("well formed"), text);
        }

        #[test]
        fn decoding_never_panics(text in "[%0-9a-fA-F/]{0,40}") {
            let _ = decode(&text);
        }
    }
}
