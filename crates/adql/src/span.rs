//! Where a thing stands in the text of a query.

use std::ops::{Deref, Range};

/// A stretch of a query's text, and where it begins for a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
    /// The line of the first character, from 1.
    pub line: u32,
    /// Its column in that line, from 1, counted in characters.
    pub column: u32,
}

impl Span {
    /// From the beginning of this to the end of `last`.
    #[must_use]
    pub fn to(self, last: Self) -> Self {
        Self {
            end: self.end.max(last.end),
            ..self
        }
    }

    /// The bytes that this covers.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// What stands there in `text`, and nothing if `text` is another one.
    pub fn of(self, text: &str) -> &str {
        text.get(self.range()).unwrap_or_default()
    }
}

/// A part of the tree with its place.
///
/// Two nodes are equal when they say the same, wherever they stand.
#[derive(Clone, Debug)]
pub struct Node<T> {
    /// What it is.
    pub it: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Node<T> {
    /// A node of its parts.
    pub fn new(it: T, span: Span) -> Self {
        Self { it, span }
    }
}

impl<T> Deref for Node<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.it
    }
}

impl<T: PartialEq> PartialEq for Node<T> {
    fn eq(&self, other: &Self) -> bool {
        self.it == other.it
    }
}

impl<T: Eq> Eq for Node<T> {}
