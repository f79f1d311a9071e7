//! What can be wrong with a document, and where.

use std::io;

use thiserror::Error;

/// Why reading ended, and where that was.
#[derive(Debug, Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct ReadError {
    /// The line, counted from 1.
    pub line: u64,
    /// The byte in the line, counted from 1.
    pub column: u64,
    /// What is wrong there.
    #[source]
    pub problem: Problem,
}

/// What is wrong with a document.
#[derive(Debug, Error)]
pub enum Problem {
    /// What is read from failed.
    #[error("cannot be read on")]
    Io(#[source] io::Error),
    /// It is in another encoding.
    #[error("the document is {found}; send it in UTF-8")]
    Encoding {
        /// What it seems to be in.
        found: String,
    },
    /// It is no XML.
    #[error("not well-formed XML: {0}")]
    Xml(String),
    /// XML that is refused because documents can be made huge with it.
    #[error("{0}")]
    Refused(String),
    /// An element stands where it cannot, or lacks something.
    #[error("<{element}>: {message}")]
    Element {
        /// Its name.
        element: String,
        /// What is wrong with it.
        message: String,
    },
    /// A cell does not fit its field.
    #[error("<{element}> of row {row}, field `{field}`: {message}")]
    Value {
        /// `TD`, or `STREAM` in the binary serializations.
        element: &'static str,
        /// The name of the field.
        field: String,
        /// The row, counted from 1.
        row: u64,
        /// What is wrong with it.
        message: String,
    },
    /// There is more of something than the limits allow.
    #[error("{what}: more than the limit of {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// Reading goes on after an error.
    #[error("reading has ended with an error before")]
    Ended,
}

/// A text for an error: its beginning, if it is long.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
