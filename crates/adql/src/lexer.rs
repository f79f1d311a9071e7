//! From text to tokens, in one pass.
//!
//! What is no token ends the reading and becomes a token itself, so that an earlier mistake, which only the
//! parser sees, is told first.

use crate::Version;
use crate::error::Fault;
use crate::span::Span;
use crate::token::{Kind, Token};
use crate::word::Word;

/// The tokens of `text`; the last one is [`Kind::End`].
pub(crate) fn tokens(text: &str, version: Version) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        at: 0,
        line: 1,
        line_start: 0,
        continuations: 0,
    };
    // About what is right for queries as people write them.
    let mut tokens = Vec::with_capacity(text.len() / 4 + 2);
    loop {
        let token = lexer.token(version);
        tokens.push(token);
        match token.kind {
            Kind::End => return tokens,
            Kind::Wrong(_) => {
                let end = Span {
                    start: token.span.end,
                    ..token.span
                };
                tokens.push(Token {
                    kind: Kind::End,
                    span: end,
                });
                return tokens;
            }
            _ => {}
        }
    }
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: u32,
    line_start: usize,
    /// Bytes since the start of the line that begin no character.
    continuations: usize,
}

impl Lexer<'_> {
    fn token(&mut self, version: Version) -> Token {
        let fault = self.skip_blanks();
        let start = self.here();
        let kind = match fault {
            Some(fault) => Kind::Wrong(fault),
            None => self.kind(version),
        };
        let from = start.start as usize;
        self.count(from, self.at);
        Token {
            kind,
            span: Span {
                end: offset(self.at),
                ..start
            },
        }
    }

    fn here(&self) -> Span {
        Span {
            start: offset(self.at),
            end: offset(self.at),
            line: self.line,
            column: offset(self.at - self.line_start - self.continuations) + 1,
        }
    }

    /// Takes note of lines and characters between two offsets.
    fn count(&mut self, from: usize, to: usize) {
        for (index, byte) in self.text.as_bytes()[from..to].iter().enumerate() {
            if *byte == b'\n' {
                self.line += 1;
                self.line_start = from + index + 1;
                self.continuations = 0;
            } else if byte & 0xC0 == 0x80 {
                self.continuations += 1;
            }
        }
    }

    fn byte(&self, ahead: usize) -> u8 {
        let bytes = self.text.as_bytes();
        bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn skip_while(&mut self, is_part: impl Fn(u8) -> bool) {
        let rest = &self.text.as_bytes()[self.at..];
        let length = rest.iter().position(|byte| !is_part(*byte));
        self.at += length.unwrap_or(rest.len());
    }

    /// Skips white space and comments.
    fn skip_blanks(&mut self) -> Option<Fault> {
        let from = self.at;
        loop {
            self.skip_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0B | 0x0C));
            if self.byte(0) == b'-' && self.byte(1) == b'-' {
                self.skip_while(|byte| !matches!(byte, b'\n' | b'\r'));
            } else {
                break;
            }
        }
        self.count(from, self.at);
        (self.byte(0) == b'/' && self.byte(1) == b'*').then(|| {
            self.at += 2;
            Fault::BlockComment
        })
    }

    fn kind(&mut self, version: Version) -> Kind {
        let first = self.byte(0);
        match first {
            b'a'..=b'z' | b'A'..=b'Z' => return self.word(version),
            b'0'..=b'9' => return self.number(),
            b'.' if self.byte(1).is_ascii_digit() => return self.number(),
            b'\'' => return self.quoted(b'\'', Kind::Text, Fault::UnclosedText),
            b'"' => {
                if self.byte(1) == b'"' && self.byte(2) != b'"' {
                    self.at += 2;
                    return Kind::Wrong(Fault::EmptyName);
                }
                return self.quoted(b'"', Kind::Quoted, Fault::UnclosedName);
            }
            _ => {}
        }
        let (kind, length) = match (first, self.byte(1)) {
            (b'|', b'|') => (Kind::Concat, 2),
            (b'<', b'>') | (b'!', b'=') => (Kind::NotEqual, 2),
            (b'<', b'=') => (Kind::LessEqual, 2),
            (b'>', b'=') => (Kind::GreaterEqual, 2),
            (b'=', b'=') => (Kind::Wrong(Fault::DoubleEqual), 2),
            (b':', b':') => (Kind::Wrong(Fault::DoubleColon), 2),
            (b',', _) => (Kind::Comma, 1),
            (b'.', _) => (Kind::Dot, 1),
            (b'(', _) => (Kind::Open, 1),
            (b')', _) => (Kind::Close, 1),
            (b'*', _) => (Kind::Star, 1),
            (b'+', _) => (Kind::Plus, 1),
            (b'-', _) => (Kind::Minus, 1),
            (b'/', _) => (Kind::Slash, 1),
            (b'=', _) => (Kind::Equal, 1),
            (b'<', _) => (Kind::Less, 1),
            (b'>', _) => (Kind::Greater, 1),
            (b'&', _) => (Kind::Ampersand, 1),
            (b'|', _) => (Kind::Bar, 1),
            (b'^', _) => (Kind::Caret, 1),
            (b'~', _) => (Kind::Tilde, 1),
            _ => return self.wrong(),
        };
        self.at += length;
        kind
    }

    /// What begins no token, or the end.
    fn wrong(&mut self) -> Kind {
        let Some(character) = self.text[self.at..].chars().next() else {
            return Kind::End;
        };
        self.at += character.len_utf8();
        Kind::Wrong(Fault::of(character))
    }

    fn word(&mut self, version: Version) -> Kind {
        let start = self.at;
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        // A name with an accent is one name, not a name and something else.
        if !self.byte(0).is_ascii() {
            let rest = self.text[self.at..].chars();
            let length: usize = rest
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .map(char::len_utf8)
                .sum();
            if length > 0 {
                self.at += length;
                return Kind::Wrong(Fault::NameBeyondAscii);
            }
        }
        if matches!(self.byte(0), b'$' | b'#' | b'@') {
            self.at += 1;
            return Kind::Wrong(Fault::CharacterInName);
        }
        Word::find(&self.text[start..self.at], version).map_or(Kind::Name, Kind::Word)
    }

    fn number(&mut self) -> Kind {
        let is_hexadecimal = self.byte(0) == b'0' && matches!(self.byte(1), b'x' | b'X');
        let mut kind = Kind::Integer;
        if is_hexadecimal && self.byte(2).is_ascii_hexdigit() {
            self.at += 2;
            self.skip_while(|byte| byte.is_ascii_hexdigit());
            kind = Kind::Hexadecimal;
        } else {
            self.skip_while(|byte| byte.is_ascii_digit());
            if self.byte(0) == b'.' {
                self.at += 1;
                self.skip_while(|byte| byte.is_ascii_digit());
                kind = Kind::Decimal;
            }
            let sign = usize::from(matches!(self.byte(1), b'+' | b'-'));
            if matches!(self.byte(0), b'e' | b'E') && self.byte(1 + sign).is_ascii_digit() {
                self.at += 1 + sign;
                self.skip_while(|byte| byte.is_ascii_digit());
                kind = Kind::Approximate;
            }
        }
        let before = self.at;
        self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if self.at == before {
            kind
        } else {
            Kind::Wrong(Fault::NumberInName)
        }
    }

    /// A text or a name between `quote`s; two of them stand for one.
    fn quoted(&mut self, quote: u8, kind: Kind, fault: Fault) -> Kind {
        let start = self.at;
        self.at += 1;
        loop {
            self.skip_while(|byte| byte != quote);
            if self.byte(0) != quote {
                // A text processor may have changed its end.
                let typographic = self.text[start..]
                    .chars()
                    .find(|character| matches!(Fault::of(*character), Fault::TypographicQuote(_)));
                // What is not closed is shown by its first character alone.
                self.at = start + 1;
                return Kind::Wrong(typographic.map_or(fault, Fault::ClosedTypographically));
            }
            if self.byte(1) != quote {
                self.at += 1;
                return kind;
            }
            self.at += 2;
        }
    }
}

/// Texts are refused when they are longer than an offset can say.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        let tokens = tokens(text, Version::V2_1);
        tokens.iter().map(|token| token.kind).collect()
    }

    #[test]
    fn each_kind_of_token_is_read() {
        use Kind::{
            Approximate, Decimal, Dot, End, Hexadecimal, Integer, LessEqual, Minus, Name, NotEqual,
            Quoted, Text,
        };
        assert_eq!(kinds(""), [End]);
        assert_eq!(
            kinds("1 1. .5 1.5 0x1F"),
            [Integer, Decimal, Decimal, Decimal, Hexadecimal, End]
        );
        assert_eq!(
            kinds("1e5 1.E-5 .5e+05"),
            [Approximate, Approximate, Approximate, End]
        );
        assert_eq!(kinds("a.b1_\"c \"\"d\""), [Name, Dot, Name, Quoted, End]);
        assert_eq!(kinds("'it''s' ''"), [Text, Text, End]);
        assert_eq!(
            kinds("<> != <= - 3 -- 4\n5"),
            [NotEqual, NotEqual, LessEqual, Minus, Integer, Integer, End]
        );
    }

    #[test]
    fn a_place_is_a_line_and_a_column_of_characters() {
        let text = "'äöü\n€' -- ü\n  'é' x";
        let places: Vec<_> = tokens(text, Version::V2_1)
            .iter()
            .map(|token| {
                (
                    token.span.line,
                    token.span.column,
                    token.span.of(text).to_owned(),
                )
            })
            .collect();

        let expected = [(1, 1, "'äöü\n€'"), (3, 3, "'é'"), (3, 7, "x"), (3, 8, "")];
        assert_eq!(
            places,
            expected.map(|(line, column, text)| (line, column, text.to_owned()))
        );
    }

    #[test]
    fn what_is_no_token_ends_the_reading() {
        assert_eq!(
            kinds("a ; b"),
            [Kind::Name, Kind::Wrong(Fault::Semicolon), Kind::End]
        );
        assert_eq!(kinds("'abc"), [Kind::Wrong(Fault::UnclosedText), Kind::End]);
        assert_eq!(kinds("12ab"), [Kind::Wrong(Fault::NumberInName), Kind::End]);
        assert_eq!(
            kinds("\u{a0}"),
            [Kind::Wrong(Fault::Space('\u{a0}')), Kind::End]
        );
    }
}
