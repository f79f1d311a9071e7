//! Conditions: what is true, false or unknown.

use super::{Parser, Result};
use crate::error::ErrorKind;
use crate::span::Node;
use crate::token::Kind;
use crate::tree::{Comparison, Expr, ExprKind};
use crate::word::Word;

impl Parser<'_> {
    /// A condition.
    pub(super) fn condition(&mut self) -> Result<Expr> {
        let expression = self.expression()?;
        self.check_condition(expression)
    }

    /// A value.
    pub(super) fn value(&mut self) -> Result<Expr> {
        let expression = self.expression()?;
        check_value(expression)
    }

    fn check_condition(&self, expression: Expr) -> Result<Expr> {
        // What cannot be read is told before what it might have been.
        if expression.is_condition() {
            return Ok(expression);
        }
        if let Some(fault) = self.fault() {
            return Err(ErrorKind::Fault(fault).at(self.span()));
        }
        let example = match &expression.it {
            ExprKind::Call(function, _) => match function.text() {
                "CONTAINS" => "1 = CONTAINS(…)",
                "INTERSECTS" => "1 = INTERSECTS(…)",
                "DISTANCE" => "DISTANCE(…) < 0.1",
                _ => "value > 1",
            },
            ExprKind::UserCall(..) => "1 = function(…)",
            ExprKind::Column(_) => "column = 1",
            _ => "value > 1",
        };
        Err(ErrorKind::ValueForCondition { example }.at(expression.span))
    }

    /// A value or a condition.
    pub(super) fn expression(&mut self) -> Result<Expr> {
        let first = self.conjunction()?;
        if self.kind(0) != Kind::Word(Word::Or) {
            return Ok(first);
        }
        let start = first.span;
        let mut list = vec![self.check_condition(first)?];
        while self.eat_word(Word::Or) {
            let next = self.conjunction()?;
            list.push(self.check_condition(next)?);
        }
        Ok(Node::new(ExprKind::Or(list), self.since(start)))
    }

    fn conjunction(&mut self) -> Result<Expr> {
        let first = self.negation()?;
        if self.kind(0) != Kind::Word(Word::And) {
            return Ok(first);
        }
        let start = first.span;
        let mut list = vec![self.check_condition(first)?];
        while self.eat_word(Word::And) {
            let next = self.negation()?;
            list.push(self.check_condition(next)?);
        }
        Ok(Node::new(ExprKind::And(list), self.since(start)))
    }

    fn negation(&mut self) -> Result<Expr> {
        if self.kind(0) != Kind::Word(Word::Not) {
            return self.predicate();
        }
        let start = self.advance().span;
        let condition = self.nested(Self::negation)?;
        let condition = self.check_condition(condition)?;
        let kind = ExprKind::Not(Box::new(condition));
        Ok(Node::new(kind, self.since(start)))
    }

    fn predicate(&mut self) -> Result<Expr> {
        if self.kind(0) == Kind::Word(Word::Exists) {
            let start = self.advance().span;
            let query = Box::new(self.subquery()?);
            return Ok(Node::new(ExprKind::Exists(query), self.since(start)));
        }
        let left = self.chain()?;
        let start = left.span;
        if let Some(comparison) = comparison(self.kind(0)) {
            self.advance();
            let left = Box::new(check_value(left)?);
            let right = Box::new(check_value(self.chain()?)?);
            let kind = ExprKind::Compare(comparison, left, right);
            return Ok(Node::new(kind, self.since(start)));
        }
        let kind = match self.kind(0) {
            Kind::Word(Word::Is) => {
                self.advance();
                let negated = self.eat_word(Word::Not);
                self.expect_word(Word::Null)?;
                let value = Box::new(check_value(left)?);
                ExprKind::IsNull { value, negated }
            }
            Kind::Word(Word::Not | Word::Between | Word::In | Word::Like | Word::Ilike) => {
                let negated = self.eat_word(Word::Not);
                self.membership(Box::new(check_value(left)?), negated)?
            }
            _ => {
                self.expected.push("an operator");
                return Ok(left);
            }
        };
        Ok(Node::new(kind, self.since(start)))
    }

    /// What follows a value, and perhaps `NOT`.
    fn membership(&mut self, value: Box<Expr>, negated: bool) -> Result<ExprKind> {
        if self.eat_word(Word::Between) {
            let low = Box::new(check_value(self.chain()?)?);
            self.expect_word(Word::And)?;
            let high = Box::new(check_value(self.chain()?)?);
            return Ok(ExprKind::Between {
                value,
                negated,
                low,
                high,
            });
        }
        if self.eat_word(Word::In) {
            if self.kind(0) == Kind::Open && self.begins_query(self.at + 1) {
                let query = Box::new(self.subquery()?);
                return Ok(ExprKind::InQuery {
                    value,
                    negated,
                    query,
                });
            }
            self.expect(Kind::Open)?;
            let list = self.nested(|parser| parser.list(Self::value))?;
            self.expect(Kind::Close)?;
            return Ok(ExprKind::InList {
                value,
                negated,
                list,
            });
        }
        let ignores_case = self.eat_word(Word::Ilike);
        if ignores_case || self.eat_word(Word::Like) {
            let pattern = Box::new(check_value(self.chain()?)?);
            return Ok(ExprKind::Like {
                value,
                negated,
                ignores_case,
                pattern,
            });
        }
        Err(self.unexpected())
    }
}

pub(super) fn check_value(expression: Expr) -> Result<Expr> {
    if expression.is_condition() {
        return Err(ErrorKind::ConditionForValue.at(expression.span));
    }
    Ok(expression)
}

fn comparison(kind: Kind) -> Option<Comparison> {
    Some(match kind {
        Kind::Equal => Comparison::Equal,
        Kind::NotEqual => Comparison::NotEqual,
        Kind::Less => Comparison::Less,
        Kind::LessEqual => Comparison::LessEqual,
        Kind::Greater => Comparison::Greater,
        Kind::GreaterEqual => Comparison::GreaterEqual,
        _ => return None,
    })
}
