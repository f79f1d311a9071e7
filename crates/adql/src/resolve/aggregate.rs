//! Aggregates: values of all rows of a group.

use std::sync::Arc;

use super::scope::Scope;
use super::{Resolver, Result};
use crate::catalogue::Signature;
use crate::error::{ErrorKind, Hint};
use crate::function::Aggregate;
use crate::plan::{AggregateCall, AggregateFunction, ColumnId, Expr, ExprKind, Field};
use crate::span::Span;
use crate::tree;
use crate::types::Type;

/// So many aggregates of a `SELECT` are compared, to compute equal ones once.
const COMPARED: usize = 64;

/// The aggregates of a `SELECT`.
pub(super) struct Grouping {
    /// The clause that is being read, if aggregates make no sense in it.
    refused_in: Option<&'static str>,
    pub(super) calls: Vec<(ColumnId, AggregateCall)>,
}

impl Grouping {
    /// Nothing may be aggregated in this clause.
    pub(super) fn refused(clause: &'static str) -> Self {
        Self {
            refused_in: Some(clause),
            calls: Vec::new(),
        }
    }
}

impl Resolver<'_> {
    /// Says which clause is read next, if aggregates make no sense in it.
    pub(super) fn refuse_aggregates(&mut self, clause: Option<&'static str>) {
        if let Some(grouping) = self.groupings.last_mut() {
            grouping.refused_in = clause;
        }
    }

    /// Begins an aggregate, in which there is no other; gives what was refused before.
    pub(super) fn enter_aggregate(
        &mut self,
        function: &'static str,
        span: Span,
    ) -> Result<Option<&'static str>> {
        let Some(grouping) = self.groupings.last_mut() else {
            return Ok(None);
        };
        if let Some(place) = grouping.refused_in {
            let hint = (place == "WHERE").then_some(Hint::UseHaving);
            let kind = ErrorKind::MisplacedAggregate {
                function,
                place,
                hint,
            };
            return Err(kind.at(span));
        }
        Ok(grouping.refused_in.replace("an aggregate"))
    }

    pub(super) fn aggregate(
        &mut self,
        function: Aggregate,
        distinct: bool,
        argument: Option<&tree::Expr>,
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<Expr> {
        let outer = self.enter_aggregate(function.text(), span)?;
        let argument = argument.map(|argument| self.value(argument, scope));
        let argument = argument.transpose()?;
        self.refuse_aggregates(outer);
        let (ty, unit) = match &argument {
            None => (Type::Long, None),
            Some(argument) => (
                type_of(function, argument)?,
                (function != Aggregate::Count)
                    .then(|| self.unit(argument))
                    .flatten(),
            ),
        };
        let call = AggregateCall {
            function: AggregateFunction::Builtin(function),
            distinct,
            arguments: argument.into_iter().collect(),
            ty,
        };
        let name = function.text().to_lowercase();
        Ok(self.call_of_group(call, &name, unit, span))
    }

    /// An aggregate of the service, whose arguments were resolved.
    pub(super) fn user_aggregate(
        &mut self,
        signature: Arc<Signature>,
        arguments: Vec<Expr>,
        span: Span,
    ) -> Expr {
        let name = signature.name.clone();
        let call = AggregateCall {
            ty: signature.result,
            function: AggregateFunction::User(signature),
            distinct: false,
            arguments,
        };
        self.call_of_group(call, &name, None, span)
    }

    fn call_of_group(
        &mut self,
        call: AggregateCall,
        name: &str,
        unit: Option<Arc<str>>,
        span: Span,
    ) -> Expr {
        let ty = call.ty;
        let known = self.groupings.last().and_then(|grouping| {
            let known = grouping.calls.iter().take(COMPARED);
            known.clone().find(|(_, known)| *known == call)
        });
        let id = if let Some((id, _)) = known {
            *id
        } else {
            let id = self.new_column(Field {
                name: name.into(),
                ty,
                unit,
                about: None,
            });
            if let Some(grouping) = self.groupings.last_mut() {
                grouping.calls.push((id, call));
            }
            id
        };
        let kind = ExprKind::Column(id);
        Expr { kind, ty, span }
    }
}

/// The type of an aggregate of the language.
fn type_of(function: Aggregate, argument: &Expr) -> Result<Type> {
    let ty = argument.ty;
    let wrong = |expected| {
        let kind = ErrorKind::WrongType {
            place: function.text().to_owned(),
            expected,
            found: ty,
            hint: None,
        };
        kind.at(argument.span)
    };
    match function {
        Aggregate::Count => Ok(Type::Long),
        Aggregate::Sum if ty.is_whole() => Ok(Type::Long),
        Aggregate::Avg | Aggregate::Sum if ty.is_numeric() => Ok(Type::Double),
        Aggregate::Avg | Aggregate::Sum => Err(wrong("a number")),
        Aggregate::Min | Aggregate::Max if ty.is_ordered() => Ok(ty),
        Aggregate::Min | Aggregate::Max => Err(wrong("a number, a text or a time")),
    }
}
