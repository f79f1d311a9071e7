//! The tokens of a query.

use crate::error::Fault;
use crate::span::Span;
use crate::word::Word;

/// A token: what kind it is, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// What it is.
    pub(crate) kind: Kind,
    /// Where it stands.
    pub(crate) span: Span,
}

/// What a token is. Its text is where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A reserved word.
    Word(Word),
    /// A regular identifier.
    Name,
    /// An identifier in double quotes.
    Quoted,
    /// A text in single quotes.
    Text,
    /// Digits alone.
    Integer,
    /// Digits with a point.
    Decimal,
    /// A number with an exponent.
    Approximate,
    /// An integer in base 16: `0x1F`.
    Hexadecimal,
    Comma,
    Dot,
    Open,
    Close,
    Star,
    Plus,
    Minus,
    Slash,
    /// `||`
    Concat,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Ampersand,
    Bar,
    Caret,
    Tilde,
    /// What is no token, and why. Nothing after it was read.
    Wrong(Fault),
    /// The end of the query.
    End,
}

impl Kind {
    /// How the language writes it, or what it is.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Word(word) => word.text(),
            Self::Name | Self::Quoted => "a name",
            Self::Text => "a text in single quotes",
            Self::Integer => "a whole number",
            Self::Decimal | Self::Approximate | Self::Hexadecimal => "a number",
            Self::Comma => ",",
            Self::Dot => ".",
            Self::Open => "(",
            Self::Close => ")",
            Self::Star => "*",
            Self::Plus => "+",
            Self::Minus => "-",
            Self::Slash => "/",
            Self::Concat => "||",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::Ampersand => "&",
            Self::Bar => "|",
            Self::Caret => "^",
            Self::Tilde => "~",
            Self::Wrong(_) => "something else",
            Self::End => "the end of the query",
        }
    }
}
