//! From tokens to the tree, by recursive descent without ever going back.
//!
//! What may follow is collected while the parser looks for it, so that an error can name it.

mod condition;
mod from;
mod function;
mod query;
mod value;

use crate::Version;
use crate::error::{Error, ErrorKind, Fault, Hint, unexpected};
use crate::lexer;
use crate::nearest;
use crate::span::{Node, Span};
use crate::token::{Kind, Token};
use crate::tree::{Ident, Name, Query};
use crate::word::Word;

/// A longer query is refused. Lists of identifiers are long; nothing else is.
pub const MAX_LENGTH: usize = 4 << 20;
/// How many brackets, sub-queries and negations may stand inside each other.
pub const MAX_DEPTH: u32 = 64;
/// How many tables a query may name. Engines join fewer.
pub const MAX_TABLES: u32 = 100;
/// How many queries may be put together.
pub const MAX_OPERANDS: u32 = 100;

/// Reads a query of ADQL 2.1.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse(text: &str) -> Result<Query, Error> {
    parse_as(Version::V2_1, text)
}

/// Reads a query of either version.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn parse_as(version: Version, text: &str) -> Result<Query, Error> {
    if text.len() > MAX_LENGTH {
        let start = Span {
            line: 1,
            column: 1,
            ..Span::default()
        };
        return Err(ErrorKind::TooLong(MAX_LENGTH).at(start));
    }
    let tokens = lexer::tokens(text, version);
    let mut parser = Parser {
        text,
        closings: closings(&tokens),
        tokens,
        at: 0,
        depth: 0,
        tables: 0,
        operands: 0,
        expected: Vec::new(),
        bare_alias: None,
    };
    parser.query()
}

type Result<T, E = Error> = std::result::Result<T, E>;

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Token>,
    /// For each opening bracket, which token closes it.
    closings: Vec<u32>,
    at: usize,
    depth: u32,
    tables: u32,
    operands: u32,
    /// What was looked for at this place in vain.
    expected: Vec<&'static str>,
    /// The last name that was taken for an alias without `AS`: it may be a word that is misspelt.
    bare_alias: Option<usize>,
}

/// For each opening bracket the token that closes it, or the last token.
fn closings(tokens: &[Token]) -> Vec<u32> {
    let last = tokens.len() - 1;
    let mut closings = vec![u32::try_from(last).unwrap_or(u32::MAX); tokens.len()];
    let mut open = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => open.push(at),
            Kind::Close => {
                if let Some(opening) = open.pop() {
                    closings[opening] = u32::try_from(at).unwrap_or(u32::MAX);
                }
            }
            _ => {}
        }
    }
    closings
}

impl Parser<'_> {
    /// The kind of the token that is `ahead` of the next one.
    fn kind(&self, ahead: usize) -> Kind {
        self.kind_at(self.at + ahead)
    }

    fn kind_at(&self, at: usize) -> Kind {
        self.tokens.get(at).map_or(Kind::End, |token| token.kind)
    }

    fn span(&self) -> Span {
        let last = self.tokens.len() - 1;
        self.tokens[self.at.min(last)].span
    }

    /// From the beginning of a token to the end of the last one that was read.
    fn since(&self, start: Span) -> Span {
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        before.map_or(start, |token| start.to(token.span))
    }

    fn advance(&mut self) -> Token {
        let last = self.tokens.len() - 1;
        let token = self.tokens[self.at.min(last)];
        self.at = (self.at + 1).min(last);
        self.expected.clear();
        token
    }

    /// Whether the next token is this one. If not, it was expected.
    fn is(&mut self, kind: Kind) -> bool {
        let found = self.kind(0) == kind;
        if !found {
            self.expected.push(kind.text());
        }
        found
    }

    fn eat(&mut self, kind: Kind) -> bool {
        let found = self.is(kind);
        if found {
            self.advance();
        }
        found
    }

    fn is_word(&mut self, word: Word) -> bool {
        self.is(Kind::Word(word))
    }

    fn eat_word(&mut self, word: Word) -> bool {
        self.eat(Kind::Word(word))
    }

    fn expect(&mut self, kind: Kind) -> Result<Token> {
        if self.is(kind) {
            Ok(self.advance())
        } else {
            Err(self.unexpected())
        }
    }

    fn expect_word(&mut self, word: Word) -> Result<Token> {
        self.expect(Kind::Word(word))
    }

    /// Reads something that may hold the same kind of thing.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == MAX_DEPTH {
            return Err(ErrorKind::TooDeep(MAX_DEPTH).at(self.span()));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    /// A name; `what` says of what.
    fn name(&mut self, what: &'static str) -> Result<Name> {
        let span = self.span();
        let text = span.of(self.text);
        let it = match self.kind(0) {
            Kind::Name => Ident {
                text: text.to_owned(),
                quoted: false,
            },
            Kind::Quoted => Ident {
                text: unquoted(text, '"'),
                quoted: true,
            },
            Kind::Word(word) if !word.has_a_place() => {
                let word = text.to_owned();
                return Err(ErrorKind::Reserved { word }.at(span));
            }
            _ => {
                self.expected.push(what);
                return Err(self.unexpected());
            }
        };
        self.advance();
        Ok(Node::new(it, span))
    }

    /// Names with points between them, at most `most` and at least one.
    fn path(&mut self, most: usize, what: &'static str) -> Result<Vec<Name>> {
        let mut path = vec![self.name(what)?];
        while path.len() < most && self.kind(0) == Kind::Dot && self.kind(1) != Kind::Star {
            self.advance();
            path.push(self.name("a name")?);
        }
        Ok(path)
    }

    /// A number of rows.
    fn count(&mut self) -> Result<Node<u64>> {
        let token = self.expect(Kind::Integer)?;
        let text = token.span.of(self.text);
        let Ok(count) = text.parse() else {
            return Err(ErrorKind::NumberTooLarge(text.to_owned()).at(token.span));
        };
        Ok(Node::new(count, token.span))
    }

    /// An error about the next token.
    fn unexpected(&mut self) -> Error {
        self.unexpected_with(None)
    }

    fn unexpected_with(&mut self, hint: Option<Hint>) -> Error {
        let token = self.tokens[self.at.min(self.tokens.len() - 1)];
        if let Kind::Wrong(fault) = token.kind {
            return ErrorKind::Fault(fault).at(token.span);
        }
        let mut expected = std::mem::take(&mut self.expected);
        let mut seen = Vec::new();
        expected.retain(|one| {
            !seen.contains(one) && {
                seen.push(*one);
                true
            }
        });
        // A name before it that was taken for an alias may be the word that is missing.
        if let Some(alias) = self.bare_alias.filter(|alias| alias + 1 == self.at) {
            let span = self.tokens[alias].span;
            let text = span.of(self.text);
            if let Some(hint) = hint_at_name(text) {
                return unexpected(text.to_owned(), true, expected, Some(hint)).at(span);
            }
            let words = CLAUSES.iter().map(|word| word.text());
            if let Some(nearest) = nearest::word(text, words) {
                let kind = ErrorKind::Misspelt {
                    found: text.to_owned(),
                    expected,
                    nearest,
                };
                return kind.at(span);
            }
        }
        let text = token.span.of(self.text);
        let is_name = token.kind == Kind::Name;
        let hint = hint.or_else(|| self.hint_at(token, text));
        unexpected(text.to_owned(), is_name, expected, hint).at(token.span)
    }

    /// What helps somebody who wrote this token here.
    fn hint_at(&self, token: Token, text: &str) -> Option<Hint> {
        let before = self.at.checked_sub(1).map(|at| self.kind_at(at));
        match token.kind {
            Kind::Name => hint_at_name(text),
            Kind::Word(Word::Fetch) => Some(Hint::UseTop),
            Kind::Word(Word::Top) => Some(Hint::PlaceOfTop),
            Kind::Word(Word::With) => Some(Hint::PlaceOfWith),
            Kind::Word(Word::Case) => Some(Hint::NoCase),
            Kind::Word(Word::Cross) => Some(Hint::CrossJoin),
            Kind::Word(Word::Select) if before == Some(Kind::Open) => Some(Hint::PlaceOfSubquery),
            Kind::Word(word) if word.has_a_place() && before == Some(Kind::Comma) => {
                Some(Hint::ExtraComma)
            }
            Kind::Close if before == Some(Kind::Comma) => Some(Hint::ExtraComma),
            Kind::Word(
                Word::Insert
                | Word::Update
                | Word::Delete
                | Word::Drop
                | Word::Create
                | Word::Alter
                | Word::Grant
                | Word::Revoke
                | Word::Set
                | Word::Execute
                | Word::Declare,
            ) if self.at == 0 => Some(Hint::OnlyQueries),
            Kind::Word(word) if !word.has_a_place() => Some(Hint::QuoteReserved),
            _ => None,
        }
    }

    /// An error about what the last token that was read was.
    fn fault(&self) -> Option<Fault> {
        match self.kind(0) {
            Kind::Wrong(fault) => Some(fault),
            _ => None,
        }
    }
}

/// Words that begin a part of a query, so that a name near to one of them is most likely meant as it.
const CLAUSES: [Word; 16] = [
    Word::From,
    Word::Where,
    Word::Group,
    Word::Having,
    Word::Order,
    Word::Offset,
    Word::Union,
    Word::Except,
    Word::Intersect,
    Word::Join,
    Word::Inner,
    Word::Left,
    Word::Right,
    Word::Full,
    Word::Natural,
    Word::Using,
];

/// What helps somebody who wrote a name that other languages have a meaning for.
fn hint_at_name(text: &str) -> Option<Hint> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    if is("limit") {
        Some(Hint::UseTop)
    } else if is("over") || is("window") {
        Some(Hint::NoWindows)
    } else if is("explain") || is("pragma") || is("merge") || is("truncate") {
        Some(Hint::OnlyQueries)
    } else {
        None
    }
}

/// What stands between quotes, with two quotes for each one inside.
fn unquoted(text: &str, quote: char) -> String {
    let inside = text.strip_prefix(quote).unwrap_or(text);
    let inside = inside.strip_suffix(quote).unwrap_or(inside);
    let mut doubled = String::new();
    doubled.push(quote);
    doubled.push(quote);
    inside.replace(&doubled, &doubled[..quote.len_utf8()])
}
