//! Values: literals, columns, signs, operators and casts.

use super::scope::{Found, Scope};
use super::{Resolver, Result};
use crate::error::{ErrorKind, Hint};
use crate::plan::{Expr, ExprKind};
use crate::span::Span;
use crate::tree::{self, CastTarget, Number, Operator, Sign};
use crate::types::Type;

impl Resolver<'_> {
    /// What a value is.
    pub(super) fn value(&mut self, value: &tree::Expr, scope: &Scope<'_>) -> Result<Expr> {
        let span = value.span;
        match &value.it {
            tree::ExprKind::Null => Ok(literal(ExprKind::Null, Type::Null, span)),
            tree::ExprKind::Boolean(one) => {
                Ok(literal(ExprKind::Boolean(*one), Type::Boolean, span))
            }
            tree::ExprKind::Text(text) => {
                Ok(literal(ExprKind::Text(text.clone()), Type::Text, span))
            }
            tree::ExprKind::Number(number) => self::number(number, span),
            tree::ExprKind::Column(path) => Ok(match scope.find(path)? {
                Found::Column(id) => self.column(id, span),
                Found::Value(value) => Expr { span, ..value },
            }),
            tree::ExprKind::Sign(sign, inner) => {
                let inner = self.value(inner, scope)?;
                signed(*sign, inner, span)
            }
            tree::ExprKind::Chain(first, rest) => self.chain(first, rest, scope, span),
            tree::ExprKind::Call(function, arguments) => {
                self.call(*function, arguments, scope, span)
            }
            tree::ExprKind::UserCall(name, arguments) => {
                self.user_call(name, arguments, scope, span)
            }
            tree::ExprKind::Aggregate {
                function,
                distinct,
                argument,
            } => self.aggregate(*function, *distinct, argument.as_deref(), scope, span),
            tree::ExprKind::Cast(inner, target) => {
                let inner = self.value(inner, scope)?;
                cast(inner, *target, span)
            }
            // The parser puts no condition here.
            _ => Err(ErrorKind::ConditionForValue.at(span)),
        }
    }

    /// Some values.
    pub(super) fn values(&mut self, values: &[tree::Expr], scope: &Scope<'_>) -> Result<Vec<Expr>> {
        values.iter().map(|one| self.value(one, scope)).collect()
    }

    fn chain(
        &mut self,
        first: &tree::Expr,
        rest: &[(Operator, tree::Expr)],
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<Expr> {
        let first = self.value(first, scope)?;
        let operator = rest
            .first()
            .map_or(Operator::Add, |(operator, _)| *operator);
        check_operand(operator, &first)?;
        let mut ty = first.ty;
        let mut resolved = Vec::with_capacity(rest.len());
        for (operator, operand) in rest {
            let operand = self.value(operand, scope)?;
            check_operand(*operator, &operand)?;
            ty = match operator {
                Operator::Concat => Type::Text,
                _ => ty.promoted(operand.ty),
            };
            resolved.push((*operator, operand));
        }
        // What two small numbers make may be no small number.
        if matches!(ty, Type::Byte | Type::Short) {
            ty = Type::Integer;
        }
        let kind = ExprKind::Chain(Box::new(first), resolved);
        Ok(Expr { kind, ty, span })
    }
}

fn literal(kind: ExprKind, ty: Type, span: Span) -> Expr {
    Expr { kind, ty, span }
}

/// A whole number as small as it is written, or one with a fraction.
fn number(number: &Number, span: Span) -> Result<Expr> {
    let too_large = || ErrorKind::NumberTooLarge(number.text.clone()).at(span);
    if number.is_whole {
        let digits = number.text.strip_prefix("0x");
        let digits = digits.or_else(|| number.text.strip_prefix("0X"));
        let whole = match digits {
            Some(digits) => Some(i64::from_str_radix(digits, 16).map_err(|_| too_large())?),
            // What is larger is still a number.
            None => number.text.parse().ok(),
        };
        if let Some(whole) = whole {
            let is_small = i32::try_from(whole).is_ok();
            let ty = if is_small { Type::Integer } else { Type::Long };
            return Ok(literal(ExprKind::Integer(whole), ty, span));
        }
    }
    let real: f64 = number.text.parse().map_err(|_| too_large())?;
    if !real.is_finite() {
        return Err(too_large());
    }
    Ok(literal(ExprKind::Real(real), Type::Double, span))
}

fn signed(sign: Sign, value: Expr, span: Span) -> Result<Expr> {
    let is_right = match sign {
        Sign::Plus | Sign::Minus => value.ty.is_numeric(),
        Sign::BitNot => value.ty.is_whole(),
    };
    if !is_right {
        let expected = if sign == Sign::BitNot {
            "a whole number"
        } else {
            "a number"
        };
        return Err(wrong_type(sign.text(), expected, &value));
    }
    let ty = value.ty;
    let kind = match (sign, value.kind) {
        (Sign::Plus, kind) => kind,
        (Sign::Minus, ExprKind::Real(real)) => ExprKind::Real(-real),
        (Sign::Minus, ExprKind::Integer(whole)) if whole != i64::MIN => ExprKind::Integer(-whole),
        (_, kind) => {
            let value = Box::new(Expr {
                kind,
                ty,
                span: value.span,
            });
            match sign {
                Sign::BitNot => ExprKind::BitNot(value),
                _ => ExprKind::Negate(value),
            }
        }
    };
    Ok(Expr { kind, ty, span })
}

fn check_operand(operator: Operator, operand: &Expr) -> Result<()> {
    let (is_right, expected) = match operator {
        Operator::Concat => (operand.ty.is_text(), "a text"),
        Operator::BitAnd | Operator::BitOr | Operator::BitXor => {
            (operand.ty.is_whole(), "a whole number")
        }
        _ => (operand.ty.is_numeric(), "a number"),
    };
    if is_right {
        Ok(())
    } else {
        Err(wrong_type(operator.text(), expected, operand))
    }
}

/// A value of another type than its place needs.
pub(super) fn wrong_type(place: &str, expected: &'static str, found: &Expr) -> crate::Error {
    let may_be_cast = found.ty.is_numeric() || found.ty == Type::Text;
    let is_simple = matches!(expected, "a text" | "a number" | "a whole number");
    let hint = (may_be_cast && is_simple).then_some(Hint::UseCast);
    let kind = ErrorKind::WrongType {
        place: place.to_owned(),
        expected,
        found: found.ty,
        hint,
    };
    kind.at(found.span)
}

fn cast(value: Expr, target: CastTarget, span: Span) -> Result<Expr> {
    let (ty, length) = match target {
        CastTarget::Smallint => (Type::Short, None),
        CastTarget::Integer => (Type::Integer, None),
        CastTarget::Bigint => (Type::Long, None),
        CastTarget::Real => (Type::Float, None),
        CastTarget::Double => (Type::Double, None),
        CastTarget::Char(length) | CastTarget::Varchar(length) => (Type::Text, length),
        CastTarget::Timestamp => (Type::Timestamp, None),
        CastTarget::Point => (Type::Point, None),
        CastTarget::Circle => (Type::Circle, None),
        CastTarget::Polygon => (Type::Polygon, None),
    };
    if !value.ty.casts_to(ty) {
        let from = value.ty;
        return Err(ErrorKind::NoCast { from, to: ty }.at(span));
    }
    if ty == Type::Timestamp {
        return as_time(value, span);
    }
    let kind = ExprKind::Cast(Box::new(value), length);
    Ok(Expr { kind, ty, span })
}

/// A text as a time; one that is written there is looked at.
pub(super) fn as_time(value: Expr, span: Span) -> Result<Expr> {
    if let ExprKind::Text(text) = &value.kind
        && !is_time(text)
    {
        return Err(ErrorKind::NoTime(text.clone()).at(value.span));
    }
    Ok(Expr {
        kind: ExprKind::Cast(Box::new(value), None),
        ty: Type::Timestamp,
        span,
    })
}

/// Whether a text is a time as DALI writes it: `YYYY-MM-DD[Thh:mm:ss[.S…][Z]]`.
fn is_time(text: &str) -> bool {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let fits = |text: &str, shape: &str| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(byte, wanted)| match wanted {
                    b'0' => byte.is_ascii_digit(),
                    _ => byte == wanted,
                })
    };
    fits(date, "0000-00-00")
        && time.is_none_or(|time| {
            let time = time.strip_suffix('Z').unwrap_or(time);
            let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
            (fits(seconds, "00:00:00") || fits(seconds, "00:00"))
                && !fraction.is_empty()
                && fraction.bytes().all(|byte| byte.is_ascii_digit())
        })
}
