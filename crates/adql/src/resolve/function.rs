//! Functions of numbers and texts, and those of the service.

use std::sync::Arc;

use super::geometry::{arity as arity_of, check};
use super::scope::Scope;
use super::value::wrong_type;
use super::{Resolver, Result, common};
use crate::catalogue::Signature;
use crate::error::ErrorKind;
use crate::function::Builtin;
use crate::nearest;
use crate::plan::{Expr, ExprKind};
use crate::span::Span;
use crate::tree::{self, Name};
use crate::types::Type;
use crate::unit;

impl Resolver<'_> {
    /// A function of the language.
    pub(super) fn call(
        &mut self,
        function: Builtin,
        arguments: &[tree::Expr],
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<Expr> {
        let takes_frame = usize::from(function.takes_frame());
        let arity = function.arity();
        let most = arity.end().saturating_add(takes_frame);
        if !(*arity.start()..=most).contains(&arguments.len()) {
            return Err(arity_of(function, arguments.len(), span));
        }
        if function.is_spatial() {
            return self.geometry(function, arguments, scope, span);
        }
        let arguments = self.values(arguments, scope)?;
        let ty = match function {
            Builtin::Lower | Builtin::Upper => {
                check(function, "a text", &arguments, Type::is_text)?;
                Type::Text
            }
            Builtin::Coalesce => type_of_all(&arguments)?,
            Builtin::InUnit => return self.in_unit(arguments, span),
            Builtin::Rand => {
                check(function, "a whole number", &arguments, Type::is_whole)?;
                Type::Double
            }
            Builtin::Round | Builtin::Truncate => {
                check(function, "a number", &arguments, Type::is_numeric)?;
                if let Some(digits) = arguments.get(1).filter(|digits| !digits.ty.is_whole()) {
                    return Err(wrong_type(function.text(), "a whole number", digits));
                }
                Type::Double
            }
            _ => {
                check(function, "a number", &arguments, Type::is_numeric)?;
                Type::Double
            }
        };
        let kind = ExprKind::Call(function, arguments);
        Ok(Expr { kind, ty, span })
    }

    /// `IN_UNIT(value, 'unit')`.
    fn in_unit(&mut self, arguments: Vec<Expr>, span: Span) -> Result<Expr> {
        let Ok([value, target]) = <[Expr; 2]>::try_from(arguments) else {
            return Err(ErrorKind::Unit("two arguments are needed".to_owned()).at(span));
        };
        check(
            Builtin::InUnit,
            "a number",
            std::slice::from_ref(&value),
            Type::is_numeric,
        )?;
        let ExprKind::Text(target_unit) = &target.kind else {
            return Err(wrong_type("IN_UNIT", "a unit in single quotes", &target));
        };
        let Some(unit) = self.unit(&value) else {
            return Err(
                ErrorKind::Unit("the value has no unit that is known".to_owned()).at(value.span),
            );
        };
        let factor = unit::factor(&unit, target_unit);
        let factor = factor.map_err(|problem| ErrorKind::Unit(problem).at(target.span))?;
        let kind = ExprKind::Convert {
            value: Box::new(value),
            factor,
            unit: target_unit.as_str().into(),
        };
        let ty = Type::Double;
        Ok(Expr { kind, ty, span })
    }

    /// A function of the service: the form that fits best.
    pub(super) fn user_call(
        &mut self,
        name: &Name,
        arguments: &[tree::Expr],
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<Expr> {
        let forms = self.catalogue.functions(&name.text.to_lowercase());
        if forms.is_empty() {
            let names = self.catalogue.function_names();
            let kind = ErrorKind::UnknownFunction {
                name: name.text.clone(),
                nearest: nearest::names(&name.text, names.iter().map(String::as_str)),
            };
            return Err(kind.at(name.span));
        }
        let is_aggregate = forms.iter().all(|form| form.is_aggregate);
        let outer = if is_aggregate {
            Some(self.enter_aggregate("this aggregate", span)?)
        } else {
            None
        };
        let arguments = self.values(arguments, scope)?;
        if let Some(outer) = outer {
            self.refuse_aggregates(outer);
        }
        let found: Vec<Type> = arguments.iter().map(|one| one.ty).collect();
        let best = forms
            .iter()
            .filter_map(|form| Some((misfit(form, &found)?, form)));
        let Some((_, form)) = best.min_by_key(|(misfit, _)| *misfit) else {
            let kind = ErrorKind::NoSuchForm {
                name: name.text.clone(),
                found,
                forms: forms.iter().map(|form| form.declaration()).collect(),
            };
            return Err(kind.at(span));
        };
        let form: Arc<Signature> = form.clone();
        if form.is_aggregate {
            return Ok(self.user_aggregate(form, arguments, span));
        }
        let ty = form.result;
        let kind = ExprKind::UserCall(form, arguments);
        Ok(Expr { kind, ty, span })
    }
}

/// The type that all values have in common.
fn type_of_all(values: &[Expr]) -> Result<Type> {
    let mut ty = Type::Null;
    let mut first: Option<&Expr> = None;
    for value in values {
        let Some(both) = ty.common(value.ty) else {
            common("COALESCE", first.unwrap_or(value), value)?;
            continue;
        };
        ty = both;
        first = first.or(Some(value));
    }
    Ok(ty)
}

/// How many arguments are not of the very type that a form takes, if it takes them at all.
fn misfit(form: &Signature, found: &[Type]) -> Option<usize> {
    if form.parameters.len() != found.len() {
        return None;
    }
    let mut misfit = 0;
    for ((_, wanted), found) in form.parameters.iter().zip(found) {
        if wanted == found {
            continue;
        }
        let fits = *found == Type::Null
            || wanted.is_numeric()
                && found.is_numeric()
                && (!wanted.is_whole() || found.is_whole())
            || *wanted == Type::Region && found.is_geometry();
        if !fits {
            return None;
        }
        misfit += 1;
    }
    Some(misfit)
}
