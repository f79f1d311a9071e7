//! What the hub answered.

use axum::body::Bytes;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::html::Document;

/// An answer with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) asked: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Fails the test when the status is another one.
    #[track_caller]
    pub(crate) fn must_be(self, status: u16) -> Self {
        assert_eq!(
            self.status.as_u16(),
            status,
            "{} answered: {}",
            self.asked,
            self.text()
        );
        self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} gave no JSON: {error}", self.asked))
    }

    #[track_caller]
    pub(crate) fn html(&self) -> Document {
        Document::parse(&self.text())
    }

    /// One header as text, empty when it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("a header in ASCII"))
    }

    /// Where the browser is sent, empty when it is not.
    pub(crate) fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }

    /// The line that sets a cookie, empty when there is none.
    pub(crate) fn cookie(&self, name: &str) -> &str {
        self.cookies()
            .find(|line| line.starts_with(&format!("{name}=")))
            .unwrap_or_default()
    }

    /// All cookies that are set.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = &str> {
        let lines = self.headers.get_all(SET_COOKIE).iter();
        lines.map(|line| line.to_str().expect("a cookie in ASCII"))
    }

    /// The events of an event stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
        lines
            .map(|json| serde_json::from_str(json).expect("an event is JSON"))
            .collect()
    }
}
