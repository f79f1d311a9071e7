//! What the endpoints read and answer.

use axum::Json;
use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jansky_hub::{ClientCredentials, IssuerError};
use jansky_model::Secret;
use percent_encoding::percent_decode_str;
use serde_json::json;

use crate::error::{log, retry_after, status_of};

/// The fields of a posted form.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form. A parameter that is there twice makes it unusable (RFC 6749 section 3.2).
    pub(super) fn read(body: &Bytes) -> Result<Self, IssuerError> {
        let fields: Vec<(String, String)> =
            url::form_urlencoded::parse(body).into_owned().collect();
        for (index, (name, _)) in fields.iter().enumerate() {
            if fields[..index].iter().any(|(earlier, _)| earlier == name) {
                // A stranger's text is not said again.
                let is_plain =
                    name.len() <= 40 && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
                let what = if is_plain {
                    format!("`{name}`")
                } else {
                    "a parameter".to_owned()
                };
                let message = format!("{what} is given more than once");
                return Err(IssuerError::InvalidRequest(message));
            }
        }
        Ok(Self(fields))
    }

    /// A field, if it is there and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        let (_, value) = fields.find(|(own, value)| own == name && !value.is_empty())?;
        Some(value)
    }

    /// A field that has to be there.
    pub(super) fn required(&self, name: &str) -> Result<&str, IssuerError> {
        self.get(name)
            .ok_or_else(|| IssuerError::InvalidRequest(format!("`{name}` is missing")))
    }

    /// The client that the request names, in the header or else in the form (RFC 6749 section 2.3.1).
    pub(super) fn client(&self, headers: &HeaderMap) -> Result<ClientCredentials, IssuerError> {
        match headers.get(AUTHORIZATION) {
            Some(value) => basic(value).ok_or(IssuerError::InvalidClient),
            None => Ok(ClientCredentials {
                id: self.get("client_id").map(str::to_owned),
                secret: self.get("client_secret").map(Secret::new),
            }),
        }
    }
}

/// HTTP Basic, in which OAuth clients form-encode both halves before they join them.
fn basic(value: &HeaderValue) -> Option<ClientCredentials> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = pair.split_once(':')?;
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        let decoded = percent_decode_str(&text).decode_utf8();
        decoded.ok().map(std::borrow::Cow::into_owned)
    };
    Some(ClientCredentials {
        id: decode(id),
        secret: decode(secret).map(Secret::new),
    })
}

/// An error in OAuth's words.
pub(super) fn refusal(error: &IssuerError) -> Response {
    let (status, description) = match error {
        IssuerError::InvalidClient => (StatusCode::UNAUTHORIZED, error.to_string()),
        IssuerError::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, error.to_string()),
        IssuerError::Hub(inner) => {
            log(inner);
            (status_of(inner), crate::error::public_message(inner))
        }
        other => (StatusCode::BAD_REQUEST, other.to_string()),
    };
    let body = json!({ "error": error.code(), "error_description": description });
    let mut response = Json(body).into_response();
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(r#"Basic realm="Jansky", charset="UTF-8""#);
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    let seconds = match error {
        IssuerError::Busy { retry_after } => Some(retry_after.as_secs().max(1)),
        IssuerError::Hub(inner) => retry_after(inner),
        _ => None,
    };
    if let Some(seconds) = seconds {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_is_there_twice_is_named_unless_it_is_a_strangers_text() {
        for (form, expected) in [
            ("code=a&scope=b&code=c", "`code` is given more than once"),
            ("%22=a&%22=b", "a parameter is given more than once"),
        ] {
            let refused = Form::read(&Bytes::from_static(form.as_bytes())).err();
            let told = refused.expect("it is there twice").to_string();
            assert_eq!(told, expected, "{form}");
        }
    }
}
