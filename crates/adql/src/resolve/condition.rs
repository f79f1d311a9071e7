//! Conditions.

use super::scope::Scope;
use super::value::{as_time, wrong_type};
use super::{Resolver, Result, cone};
use crate::error::{ErrorKind, Hint};
use crate::plan::{Expr, ExprKind, Rel};
use crate::span::Span;
use crate::tree::{self, QueryExpression};
use crate::types::Type;

impl Resolver<'_> {
    /// What a condition is.
    pub(super) fn condition(&mut self, condition: &tree::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let span = condition.span;
        let (kind, negated) = match &condition.it {
            tree::ExprKind::Compare(comparison, left, right) => {
                let (left, right) = self.pair(comparison.text(), left, right, scope)?;
                return Ok(cone::comparison(*comparison, left, right, span));
            }
            tree::ExprKind::Between {
                value,
                negated,
                low,
                high,
            } => (self.between(value, low, high, scope)?, *negated),
            tree::ExprKind::InList {
                value,
                negated,
                list,
            } => (self.in_list(value, list, scope)?, *negated),
            tree::ExprKind::InQuery {
                value,
                negated,
                query,
            } => (self.in_query(value, query, scope, span)?, *negated),
            tree::ExprKind::Like {
                value,
                negated,
                ignores_case,
                pattern,
            } => (self.like(value, pattern, *ignores_case, scope)?, *negated),
            tree::ExprKind::IsNull { value, negated } => {
                let value = self.value(value, scope)?;
                (ExprKind::IsNull(Box::new(value)), *negated)
            }
            tree::ExprKind::Exists(query) => {
                let rel = self.query_expression(query, Some(scope))?.rel;
                (ExprKind::Exists(Box::new(rel)), false)
            }
            tree::ExprKind::Not(inner) => {
                let inner = self.condition(inner, scope)?;
                (ExprKind::Not(Box::new(inner)), false)
            }
            tree::ExprKind::And(list) => (ExprKind::And(self.conditions(list, scope)?), false),
            tree::ExprKind::Or(list) => (ExprKind::Or(self.conditions(list, scope)?), false),
            // The parser puts no value here.
            _ => {
                let example = "value > 1";
                return Err(ErrorKind::ValueForCondition { example }.at(span));
            }
        };
        let condition = Expr::condition(kind, span);
        if negated {
            return Ok(Expr::condition(ExprKind::Not(Box::new(condition)), span));
        }
        Ok(condition)
    }

    fn conditions(&mut self, list: &[tree::Expr], scope: &Scope<'_>) -> Result<Vec<Expr>> {
        list.iter().map(|one| self.condition(one, scope)).collect()
    }

    /// Two values that are compared.
    fn pair(
        &mut self,
        place: &str,
        left: &tree::Expr,
        right: &tree::Expr,
        scope: &Scope<'_>,
    ) -> Result<(Expr, Expr)> {
        let left = self.value(left, scope)?;
        let right = self.value(right, scope)?;
        self.comparable(place, left, right)
    }

    /// Checks that two values can be compared; a text beside a time becomes one.
    #[expect(clippy::unused_self, reason = "it is called as the others are")]
    pub(super) fn comparable(&self, place: &str, left: Expr, right: Expr) -> Result<(Expr, Expr)> {
        let (one, other) = (left.ty, right.ty);
        match (one, other) {
            (Type::Timestamp, Type::Text) => {
                let span = right.span;
                return Ok((left, as_time(right, span)?));
            }
            (Type::Text, Type::Timestamp) => {
                let span = left.span;
                return Ok((as_time(left, span)?, right));
            }
            _ => {}
        }
        let is_simple = |ty: Type| ty == Type::Boolean || ty.is_ordered();
        if one.common(other).is_some() && is_simple(one) && is_simple(other) {
            return Ok((left, right));
        }
        let is_geometry = |ty: Type| ty != Type::Null && ty.is_geometry();
        let hint = if is_geometry(one) || is_geometry(other) {
            Some(Hint::CompareGeometries)
        } else if is_simple(one) && is_simple(other) {
            Some(Hint::UseCast)
        } else {
            None
        };
        let kind = ErrorKind::Incomparable {
            place: format!("`{place}`"),
            left: one,
            right: other,
            hint,
        };
        Err(kind.at(left.span.to(right.span)))
    }

    fn between(
        &mut self,
        value: &tree::Expr,
        low: &tree::Expr,
        high: &tree::Expr,
        scope: &Scope<'_>,
    ) -> Result<ExprKind> {
        let (value, low) = self.pair("BETWEEN", value, low, scope)?;
        let high = self.value(high, scope)?;
        let (value, high) = self.comparable("BETWEEN", value, high)?;
        Ok(ExprKind::Between(Box::new(value), Box::new([low, high])))
    }

    fn in_list(
        &mut self,
        value: &tree::Expr,
        list: &[tree::Expr],
        scope: &Scope<'_>,
    ) -> Result<ExprKind> {
        let mut value = self.value(value, scope)?;
        let mut resolved = Vec::with_capacity(list.len());
        for one in list {
            let one = self.value(one, scope)?;
            let (left, one) = self.comparable("IN", value, one)?;
            value = left;
            resolved.push(one);
        }
        Ok(ExprKind::InList(Box::new(value), resolved))
    }

    fn in_query(
        &mut self,
        value: &tree::Expr,
        query: &QueryExpression,
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<ExprKind> {
        let value = self.value(value, scope)?;
        let rows = self.query_expression(query, Some(scope))?;
        let [column] = rows.columns.as_slice() else {
            return Err(ErrorKind::ColumnsOfSubquery(rows.columns.len()).at(query.body.span));
        };
        let column = self.column(column.id, span);
        let (value, _) = self.comparable("IN", value, column)?;
        let rel: Rel = rows.rel;
        Ok(ExprKind::InQuery(Box::new(value), Box::new(rel)))
    }

    fn like(
        &mut self,
        value: &tree::Expr,
        pattern: &tree::Expr,
        ignores_case: bool,
        scope: &Scope<'_>,
    ) -> Result<ExprKind> {
        let place = if ignores_case { "ILIKE" } else { "LIKE" };
        let value = self.value(value, scope)?;
        let pattern = self.value(pattern, scope)?;
        for one in [&value, &pattern] {
            if !one.ty.is_text() {
                return Err(wrong_type(place, "a text", one));
            }
        }
        Ok(ExprKind::Like {
            value: Box::new(value),
            pattern: Box::new(pattern),
            ignores_case,
        })
    }
}
