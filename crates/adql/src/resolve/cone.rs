//! Cones in all the forms that people write, in one normal form.
//!
//! A cone is a position within a distance from another one:
//!
//! - `1 = CONTAINS(point, CIRCLE(…))`, the other way round, with `0`, or with another comparison;
//! - `CONTAINS(constant point, CIRCLE(columns, r))`, which asks the same from the other side;
//! - `1 = INTERSECTS(…)` with a point, which ADQL 2.0 allowed;
//! - `DISTANCE(a, b) < r`, the other way round, with `<=`, `>` or `>=`, and with four numbers.

use crate::function::Builtin;
use crate::plan::{Cone, Expr, ExprKind};
use crate::span::Span;
use crate::tree::Comparison;
use crate::types::Type;

/// Two values compared, as a cone if that is what it means.
pub(super) fn comparison(comparison: Comparison, left: Expr, right: Expr, span: Span) -> Expr {
    // The function stands on the left.
    let (comparison, left, right) = if is_spatial(&right) && !is_spatial(&left) {
        (comparison.mirrored(), right, left)
    } else {
        (comparison, left, right)
    };
    match &left.kind {
        ExprKind::Call(Builtin::Distance, _) => distance(comparison, left, right, span),
        ExprKind::Call(Builtin::Contains | Builtin::Intersects, _) => {
            contains(comparison, left, right, span)
        }
        _ => compare(comparison, left, right, span),
    }
}

fn compare(comparison: Comparison, left: Expr, right: Expr, span: Span) -> Expr {
    let kind = ExprKind::Compare(comparison, Box::new(left), Box::new(right));
    Expr::condition(kind, span)
}

fn not(condition: Expr) -> Expr {
    let span = condition.span;
    Expr::condition(ExprKind::Not(Box::new(condition)), span)
}

fn is_spatial(value: &Expr) -> bool {
    matches!(
        value.kind,
        ExprKind::Call(
            Builtin::Contains | Builtin::Distance | Builtin::Intersects,
            _
        )
    )
}

/// `DISTANCE(a, b)` compared with a radius.
fn distance(comparison: Comparison, left: Expr, right: Expr, span: Span) -> Expr {
    let (inclusive, is_outside) = match comparison {
        Comparison::Less => (false, false),
        Comparison::LessEqual => (true, false),
        Comparison::Greater => (true, true),
        Comparison::GreaterEqual => (false, true),
        Comparison::Equal | Comparison::NotEqual => return compare(comparison, left, right, span),
    };
    match points(left) {
        Ok((a, b)) => {
            let cone = cone(a, b, right, inclusive, span);
            if is_outside { not(cone) } else { cone }
        }
        Err(left) => compare(comparison, left, right, span),
    }
}

fn points(distance: Expr) -> Result<(Expr, Expr), Expr> {
    let Expr { kind, ty, span } = distance;
    match kind {
        ExprKind::Call(Builtin::Distance, arguments) => match <[Expr; 2]>::try_from(arguments) {
            Ok([a, b]) => Ok((a, b)),
            Err(arguments) => Err(Expr {
                kind: ExprKind::Call(Builtin::Distance, arguments),
                ty,
                span,
            }),
        },
        kind => Err(Expr { kind, ty, span }),
    }
}

/// `CONTAINS(a, b)`, which is 0 or 1, compared with a whole number.
fn contains(comparison: Comparison, left: Expr, right: Expr, span: Span) -> Expr {
    let ExprKind::Integer(number) = right.kind else {
        return compare(comparison, left, right, span);
    };
    let holds = |value: i64| match comparison {
        Comparison::Equal => value == number,
        Comparison::NotEqual => value != number,
        Comparison::Less => value < number,
        Comparison::LessEqual => value <= number,
        Comparison::Greater => value > number,
        Comparison::GreaterEqual => value >= number,
    };
    let is_outside = match (holds(0), holds(1)) {
        (false, true) => false,
        (true, false) => true,
        _ => return compare(comparison, left, right, span),
    };
    let one = Expr {
        kind: ExprKind::Integer(1),
        ..right
    };
    let inside = match circle_around(left) {
        Ok((position, center, radius)) => cone(position, center, radius, true, span),
        Err(left) => compare(Comparison::Equal, left, one, span),
    };
    if is_outside { not(inside) } else { inside }
}

/// Point, centre and radius of `CONTAINS(point, CIRCLE(center, radius))`.
fn circle_around(call: Expr) -> Result<(Expr, Expr, Expr), Expr> {
    let is_cone = match &call.kind {
        ExprKind::Call(Builtin::Contains, arguments) => {
            matches!(arguments.as_slice(), [point, circle]
                if point.ty == Type::Point
                    && matches!(&circle.kind, ExprKind::Call(Builtin::Circle, parts) if parts.len() == 2))
        }
        _ => false,
    };
    if !is_cone {
        return Err(call);
    }
    let Expr { kind, ty, span } = call;
    if let ExprKind::Call(function, mut arguments) = kind {
        let circle = arguments.pop();
        let point = arguments.pop();
        if let (Some(point), Some(circle)) = (point, circle)
            && let ExprKind::Call(_, mut parts) = circle.kind
            && let (Some(radius), Some(center)) = (parts.pop(), parts.pop())
        {
            return Ok((point, center, radius));
        }
        let kind = ExprKind::Call(function, Vec::new());
        return Err(Expr { kind, ty, span });
    }
    Err(Expr { kind, ty, span })
}

fn cone(a: Expr, b: Expr, radius: Expr, inclusive: bool, span: Span) -> Expr {
    // The distance is the same from either side.
    let (position, center) = if a.is_constant() && !b.is_constant() {
        (b, a)
    } else {
        (a, b)
    };
    let cone = Cone {
        position,
        center,
        radius,
        inclusive,
    };
    Expr::condition(ExprKind::Cone(Box::new(cone)), span)
}
