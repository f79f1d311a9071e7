//! Geometries in their final form: points and shapes without coordinate systems.

use super::scope::Scope;
use super::value::wrong_type;
use super::{Resolver, Result};
use crate::error::ErrorKind;
use crate::function::Builtin;
use crate::plan::{Expr, ExprKind};
use crate::span::Span;
use crate::tree;
use crate::types::Type;

/// Coordinate systems whose coordinates are taken as they are.
const FRAMES: [&str; 3] = ["", "ICRS", "UNKNOWNFRAME"];

impl Resolver<'_> {
    /// A function of geometries.
    pub(super) fn geometry(
        &mut self,
        function: Builtin,
        arguments: &[tree::Expr],
        scope: &Scope<'_>,
        span: Span,
    ) -> Result<Expr> {
        let arguments = self.without_frame(function, arguments)?;
        let arguments = self.values(arguments, scope)?;
        match function {
            Builtin::Point if arguments.len() == 2 => {
                check(function, "a number", &arguments, Type::is_numeric)?;
                Ok(call(function, arguments, Type::Point, span))
            }
            Builtin::Point => Err(arity(function, arguments.len(), span)),
            Builtin::Circle => self.shape(function, arguments, 1, Type::Circle, span),
            Builtin::Box => {
                self.note("BOX is deprecated in ADQL 2.1; use POLYGON", span);
                self.shape(function, arguments, 2, Type::Polygon, span)
            }
            Builtin::Polygon => polygon(arguments, span),
            Builtin::Region => {
                let is_literal =
                    matches!(&arguments[..], [one] if matches!(one.kind, ExprKind::Text(_)));
                if !is_literal {
                    let found = arguments.first().map_or(Type::Null, |one| one.ty);
                    let kind = ErrorKind::WrongType {
                        place: "REGION".to_owned(),
                        expected: "a text in single quotes",
                        found,
                        hint: None,
                    };
                    return Err(kind.at(span));
                }
                Ok(call(function, arguments, Type::Region, span))
            }
            Builtin::Area | Builtin::Centroid | Builtin::Coordsys => {
                check(function, "a geometry", &arguments, Type::is_geometry)?;
                match function {
                    Builtin::Area => Ok(call(function, arguments, Type::Double, span)),
                    Builtin::Centroid => Ok(call(function, arguments, Type::Point, span)),
                    _ => {
                        self.note(
                            "COORDSYS is deprecated in ADQL 2.1; coordinates are ICRS",
                            span,
                        );
                        Ok(call(function, arguments, Type::Text, span))
                    }
                }
            }
            Builtin::Coord1 | Builtin::Coord2 => {
                check(function, "a point", &arguments, is_point)?;
                Ok(call(function, arguments, Type::Double, span))
            }
            Builtin::Distance => distance(arguments, span),
            _ => self.relation(function, arguments, span),
        }
    }

    /// The arguments without the name of a coordinate system.
    fn without_frame<'t>(
        &mut self,
        function: Builtin,
        arguments: &'t [tree::Expr],
    ) -> Result<&'t [tree::Expr]> {
        let Some((first, rest)) = arguments.split_first() else {
            return Ok(arguments);
        };
        if !function.has_frame(arguments) {
            return Ok(arguments);
        }
        let frame = match &first.it {
            tree::ExprKind::Text(frame) => frame.as_str(),
            _ => "",
        };
        // A reference position may follow, as in `ICRS GEOCENTER`.
        let name = frame.split_whitespace().next().unwrap_or_default();
        let is_known = FRAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
        if !is_known {
            return Err(ErrorKind::UnknownFrame(frame.to_owned()).at(first.span));
        }
        let text = "the coordinate system is deprecated in ADQL 2.1; coordinates are ICRS";
        self.note(text, first.span);
        Ok(rest)
    }

    /// A shape around a centre, which is a point or two numbers, with some numbers more.
    #[expect(clippy::unused_self, reason = "it is called as the others are")]
    fn shape(
        &self,
        function: Builtin,
        mut arguments: Vec<Expr>,
        numbers: usize,
        ty: Type,
        span: Span,
    ) -> Result<Expr> {
        let Some(center) = arguments
            .len()
            .checked_sub(numbers)
            .filter(|center| *center > 0)
        else {
            return Err(arity(function, arguments.len(), span));
        };
        let sizes = arguments.split_off(center);
        let mut parts = vec![match arguments.len() {
            1 => {
                check(function, "a point", &arguments, is_point)?;
                arguments.remove(0)
            }
            _ => point_of(function, arguments)?,
        }];
        check(function, "a number", &sizes, Type::is_numeric)?;
        parts.extend(sizes);
        Ok(call(function, parts, ty, span))
    }

    /// `CONTAINS` and `INTERSECTS`.
    fn relation(
        &mut self,
        function: Builtin,
        mut arguments: Vec<Expr>,
        span: Span,
    ) -> Result<Expr> {
        check(function, "a geometry", &arguments, Type::is_geometry)?;
        let has_point = arguments.iter().any(|one| one.ty == Type::Point);
        if function == Builtin::Intersects && has_point {
            self.note("INTERSECTS with a point is ADQL 2.0; use CONTAINS", span);
            if arguments.first().is_some_and(|one| one.ty != Type::Point) {
                arguments.reverse();
            }
            return Ok(call(Builtin::Contains, arguments, Type::Integer, span));
        }
        Ok(call(function, arguments, Type::Integer, span))
    }
}

fn is_point(ty: Type) -> bool {
    matches!(ty, Type::Point | Type::Null)
}

fn call(function: Builtin, arguments: Vec<Expr>, ty: Type, span: Span) -> Expr {
    let kind = ExprKind::Call(function, arguments);
    Expr { kind, ty, span }
}

/// Checks that all of some arguments are of a kind.
pub(super) fn check(
    function: Builtin,
    expected: &'static str,
    arguments: &[Expr],
    is_right: impl Fn(Type) -> bool,
) -> Result<()> {
    match arguments.iter().find(|one| !is_right(one.ty)) {
        Some(wrong) => Err(wrong_type(function.text(), expected, wrong)),
        None => Ok(()),
    }
}

/// A point of two numbers.
fn point_of(function: Builtin, numbers: Vec<Expr>) -> Result<Expr> {
    check(function, "a number", &numbers, Type::is_numeric)?;
    let span = match (numbers.first(), numbers.last()) {
        (Some(first), Some(last)) => first.span.to(last.span),
        _ => Span::default(),
    };
    Ok(call(Builtin::Point, numbers, Type::Point, span))
}

fn distance(mut arguments: Vec<Expr>, span: Span) -> Result<Expr> {
    let function = Builtin::Distance;
    let points = match arguments.len() {
        2 => {
            check(function, "a point", &arguments, is_point)?;
            arguments
        }
        4 => {
            let second = arguments.split_off(2);
            vec![point_of(function, arguments)?, point_of(function, second)?]
        }
        found => return Err(arity(function, found, span)),
    };
    Ok(call(function, points, Type::Double, span))
}

fn polygon(arguments: Vec<Expr>, span: Span) -> Result<Expr> {
    let function = Builtin::Polygon;
    let is_of_points = arguments.first().is_some_and(|one| one.ty == Type::Point);
    let points = if is_of_points {
        check(function, "a point", &arguments, is_point)?;
        arguments
    } else {
        let found = arguments.len();
        check(function, "a number", &arguments, Type::is_numeric)?;
        if found % 2 == 1 || found < 6 {
            return Err(arity(function, found, span));
        }
        let mut points = Vec::with_capacity(found / 2);
        let mut numbers = arguments.into_iter();
        while let (Some(x), Some(y)) = (numbers.next(), numbers.next()) {
            points.push(point_of(function, vec![x, y])?);
        }
        points
    };
    Ok(call(function, points, Type::Polygon, span))
}

pub(super) fn arity(function: Builtin, found: usize, span: Span) -> crate::Error {
    let kind = ErrorKind::Arity {
        function: function.text().to_owned(),
        expected: function.takes().to_owned(),
        found,
    };
    kind.at(span)
}
