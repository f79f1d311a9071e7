//! Values: operators, signs, literals, columns and brackets.

use super::condition::check_value;
use super::{Parser, Result, unquoted};
use crate::error::{ErrorKind, Hint};
use crate::function::{Aggregate, Builtin};
use crate::span::Node;
use crate::token::Kind;
use crate::tree::{Expr, ExprKind, Number, Operator, Sign};
use crate::word::Word;

/// A chain that is not at its end.
struct Open {
    first: Expr,
    rest: Vec<(Operator, Expr)>,
    /// The operator before the value that comes next.
    pending: Operator,
}

impl Parser<'_> {
    /// Values with operators between them.
    ///
    /// All operators of one rank make one list. What binds looser waits in `open` for what binds tighter, so
    /// that the stack does not grow with the ranks.
    pub(super) fn chain(&mut self) -> Result<Expr> {
        let mut open: Vec<Open> = Vec::new();
        let mut value = self.signed()?;
        while let Some(next) = operator(self.kind(0)) {
            value = self.closed(&mut open, check_value(value)?, next.rank() + 1);
            match open.last_mut() {
                Some(chain) if chain.pending.rank() == next.rank() => {
                    chain.rest.push((chain.pending, value));
                    chain.pending = next;
                }
                _ => open.push(Open {
                    first: value,
                    rest: Vec::new(),
                    pending: next,
                }),
            }
            self.advance();
            value = self.signed()?;
        }
        if !open.is_empty() {
            value = self.closed(&mut open, check_value(value)?, 0);
        }
        Ok(value)
    }

    /// Closes the chains of at least `rank`, of which `value` is the last one.
    fn closed(&self, open: &mut Vec<Open>, mut value: Expr, rank: u8) -> Expr {
        while let Some(mut chain) = open.pop_if(|chain| chain.pending.rank() >= rank) {
            chain.rest.push((chain.pending, value));
            let span = self.since(chain.first.span);
            let kind = ExprKind::Chain(Box::new(chain.first), chain.rest);
            value = Node::new(kind, span);
        }
        value
    }

    fn signed(&mut self) -> Result<Expr> {
        let sign = match self.kind(0) {
            Kind::Plus => Sign::Plus,
            Kind::Minus => Sign::Minus,
            Kind::Tilde => Sign::BitNot,
            _ => return self.primary(),
        };
        let start = self.advance().span;
        // The grammar has one sign only: another one needs brackets. More than one `~` makes sense.
        let value = if sign == Sign::BitNot {
            self.nested(Self::signed)?
        } else {
            self.primary()?
        };
        let value = check_value(value)?;
        let kind = ExprKind::Sign(sign, Box::new(value));
        Ok(Node::new(kind, self.since(start)))
    }

    fn primary(&mut self) -> Result<Expr> {
        let start = self.span();
        let text = start.of(self.text);
        let kind = match self.kind(0) {
            Kind::Integer | Kind::Decimal | Kind::Approximate | Kind::Hexadecimal => {
                let is_whole = matches!(self.kind(0), Kind::Integer | Kind::Hexadecimal);
                let text = text.to_owned();
                self.advance();
                ExprKind::Number(Number { text, is_whole })
            }
            Kind::Text => {
                let text = unquoted(text, '\'');
                self.advance();
                ExprKind::Text(text)
            }
            Kind::Open => {
                if self.kind(1) == Kind::Word(Word::Select) {
                    self.advance();
                    self.expected.push("a value");
                    return Err(self.unexpected_with(Some(Hint::PlaceOfSubquery)));
                }
                self.advance();
                let mut inside = self.nested(Self::expression)?;
                self.expect(Kind::Close)?;
                inside.span = self.since(start);
                return Ok(inside);
            }
            Kind::Name if self.kind(1) == Kind::Open => return self.user_call(),
            Kind::Name | Kind::Quoted => ExprKind::Column(self.path(4, "a column")?),
            Kind::Word(word) => self.value_of_word(word)?,
            _ => {
                self.expected.push("a value");
                return Err(self.unexpected());
            }
        };
        Ok(Node::new(kind, self.since(start)))
    }

    /// A value that begins with a reserved word.
    fn value_of_word(&mut self, word: Word) -> Result<ExprKind> {
        let constant = match word {
            Word::Null => Some(ExprKind::Null),
            Word::True => Some(ExprKind::Boolean(true)),
            Word::False => Some(ExprKind::Boolean(false)),
            _ => None,
        };
        if let Some(constant) = constant {
            self.advance();
            return Ok(constant);
        }
        if self.kind(1) == Kind::Open {
            if let Some(function) = Builtin::of(word) {
                return self.call(function);
            }
            if let Some(function) = Aggregate::of(word) {
                return self.aggregate(function);
            }
            if word == Word::Cast {
                return self.cast();
            }
            if !word.has_a_place() && word != Word::Case {
                let span = self.span();
                let name = span.of(self.text).to_owned();
                let nearest = Vec::new();
                return Err(ErrorKind::UnknownFunction { name, nearest }.at(span));
            }
        }
        if word == Word::Case {
            self.expected.push("a value");
            return Err(self.unexpected_with(Some(Hint::NoCase)));
        }
        if word.has_a_place() {
            self.expected.push("a value");
            return Err(self.unexpected());
        }
        let span = self.span();
        let word = span.of(self.text).to_owned();
        Err(ErrorKind::Reserved { word }.at(span))
    }
}

fn operator(kind: Kind) -> Option<Operator> {
    Some(match kind {
        Kind::Plus => Operator::Add,
        Kind::Minus => Operator::Subtract,
        Kind::Star => Operator::Multiply,
        Kind::Slash => Operator::Divide,
        Kind::Concat => Operator::Concat,
        Kind::Ampersand => Operator::BitAnd,
        Kind::Bar => Operator::BitOr,
        Kind::Caret => Operator::BitXor,
        _ => return None,
    })
}
