//! Calls of functions, aggregates and `CAST`.

use super::{Parser, Result};
use crate::error::ErrorKind;
use crate::function::{Aggregate, Builtin};
use crate::span::Node;
use crate::token::Kind;
use crate::tree::{CastTarget, Expr, ExprKind};
use crate::word::Word;

impl Parser<'_> {
    /// A function of the language; its name comes next.
    pub(super) fn call(&mut self, function: Builtin) -> Result<ExprKind> {
        let start = self.advance().span;
        let arguments = self.arguments()?;
        let found = arguments.len() - usize::from(function.has_frame(&arguments));
        if !function.arity().contains(&found) {
            let kind = ErrorKind::Arity {
                function: function.text().to_owned(),
                expected: function.takes().to_owned(),
                found,
            };
            return Err(kind.at(self.since(start)));
        }
        Ok(ExprKind::Call(function, arguments))
    }

    /// A function of the service; its name comes next.
    pub(super) fn user_call(&mut self) -> Result<Expr> {
        let name = self.name("a function")?;
        let start = name.span;
        let arguments = self.arguments()?;
        let kind = ExprKind::UserCall(name, arguments);
        Ok(Node::new(kind, self.since(start)))
    }

    fn arguments(&mut self) -> Result<Vec<Expr>> {
        self.expect(Kind::Open)?;
        if self.eat(Kind::Close) {
            return Ok(Vec::new());
        }
        let arguments = self.nested(|parser| parser.list(Self::value))?;
        self.expect(Kind::Close)?;
        Ok(arguments)
    }

    /// An aggregate; its name comes next.
    pub(super) fn aggregate(&mut self, function: Aggregate) -> Result<ExprKind> {
        self.advance();
        self.expect(Kind::Open)?;
        let mut distinct = false;
        let argument = if function == Aggregate::Count && self.eat(Kind::Star) {
            None
        } else {
            distinct = self.eat_word(Word::Distinct);
            if !distinct {
                self.eat_word(Word::All);
            }
            Some(Box::new(self.nested(Self::value)?))
        };
        self.expect(Kind::Close)?;
        Ok(ExprKind::Aggregate {
            function,
            distinct,
            argument,
        })
    }

    /// `CAST(value AS type)`; the word comes next.
    pub(super) fn cast(&mut self) -> Result<ExprKind> {
        self.advance();
        self.expect(Kind::Open)?;
        let value = Box::new(self.nested(Self::value)?);
        self.expect_word(Word::As)?;
        let target = self.cast_target()?;
        self.expect(Kind::Close)?;
        Ok(ExprKind::Cast(value, target))
    }

    fn cast_target(&mut self) -> Result<CastTarget> {
        let Kind::Word(word) = self.kind(0) else {
            return Err(self.no_target());
        };
        let target = match word {
            Word::Smallint => CastTarget::Smallint,
            Word::Integer | Word::Int => CastTarget::Integer,
            Word::Bigint => CastTarget::Bigint,
            Word::Real => CastTarget::Real,
            Word::Double | Word::Float => CastTarget::Double,
            Word::Char => CastTarget::Char(None),
            Word::Varchar => CastTarget::Varchar(None),
            Word::Timestamp => CastTarget::Timestamp,
            Word::Point => CastTarget::Point,
            Word::Circle => CastTarget::Circle,
            Word::Polygon => CastTarget::Polygon,
            _ => return Err(self.no_target()),
        };
        self.advance();
        Ok(match target {
            CastTarget::Double if word == Word::Double => {
                self.eat_word(Word::Precision);
                target
            }
            CastTarget::Char(_) => CastTarget::Char(self.length()?),
            CastTarget::Varchar(_) => CastTarget::Varchar(self.length()?),
            _ => target,
        })
    }

    fn no_target(&mut self) -> crate::Error {
        self.expected.extend([
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "REAL",
            "DOUBLE PRECISION",
            "CHAR(n)",
            "VARCHAR(n)",
            "TIMESTAMP",
            "POINT",
            "CIRCLE",
            "POLYGON",
        ]);
        self.unexpected()
    }

    /// A length in brackets.
    fn length(&mut self) -> Result<Option<u32>> {
        if !self.eat(Kind::Open) {
            return Ok(None);
        }
        let length = self.count()?;
        let Ok(short) = u32::try_from(*length) else {
            return Err(ErrorKind::NumberTooLarge(length.to_string()).at(length.span));
        };
        self.expect(Kind::Close)?;
        Ok(Some(short))
    }
}
