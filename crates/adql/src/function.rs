//! The functions that ADQL itself has.

use std::ops::RangeInclusive;

use crate::tree::{Expr, ExprKind};
use crate::word::Word;

macro_rules! builtins {
    ($($name:ident $arity:expr, $takes:literal;)*) => {
        /// A function of the language. Its name is a reserved word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "each is the function that it says")]
        pub enum Builtin { $($name,)* }

        impl Builtin {
            /// The function that a reserved word is.
            pub(crate) fn of(word: Word) -> Option<Self> {
                match word {
                    $(Word::$name => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// How it is written.
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => Word::$name.text(),)*
                }
            }

            /// How many arguments it takes, a coordinate system not counted.
            pub(crate) fn arity(self) -> RangeInclusive<usize> {
                match self {
                    $(Self::$name => $arity,)*
                }
            }

            /// What it takes, in words.
            pub(crate) fn takes(self) -> &'static str {
                match self {
                    $(Self::$name => $takes,)*
                }
            }
        }
    };
}

builtins! {
    Abs 1..=1, "a number";
    Acos 1..=1, "a number";
    Asin 1..=1, "a number";
    Atan 1..=1, "a number";
    Atan2 2..=2, "two numbers";
    Ceiling 1..=1, "a number";
    Cos 1..=1, "a number";
    Cot 1..=1, "a number";
    Degrees 1..=1, "a number";
    Exp 1..=1, "a number";
    Floor 1..=1, "a number";
    Log 1..=1, "a number";
    Log10 1..=1, "a number";
    Mod 2..=2, "two numbers";
    Pi 0..=0, "nothing";
    Power 2..=2, "two numbers";
    Radians 1..=1, "a number";
    Rand 0..=1, "nothing, or a whole number";
    Round 1..=2, "a number, and perhaps a whole number of digits";
    Sin 1..=1, "a number";
    Sqrt 1..=1, "a number";
    Tan 1..=1, "a number";
    Truncate 1..=2, "a number, and perhaps a whole number of digits";

    Lower 1..=1, "a text";
    Upper 1..=1, "a text";
    Coalesce 1..=usize::MAX, "values of one type";
    InUnit 2..=2, "a number and a unit in single quotes";

    Area 1..=1, "a geometry";
    Box 3..=4, "a centre, a width and a height";
    Centroid 1..=1, "a geometry";
    Circle 2..=3, "a centre and a radius";
    Contains 2..=2, "two geometries";
    Coord1 1..=1, "a point";
    Coord2 1..=1, "a point";
    Coordsys 1..=1, "a geometry";
    Distance 2..=4, "two points, or four numbers";
    Intersects 2..=2, "two geometries";
    Point 2..=2, "two numbers";
    Polygon 3..=usize::MAX, "three points or more, or twice as many numbers";
    Region 1..=1, "a text in single quotes";
}

impl Builtin {
    /// Whether it is about places or shapes on the sky.
    pub fn is_spatial(self) -> bool {
        use Builtin::{
            Area, Box, Centroid, Circle, Contains, Coord1, Coord2, Coordsys, Distance, Intersects,
            Point, Polygon, Region,
        };
        matches!(
            self,
            Area | Box
                | Centroid
                | Circle
                | Contains
                | Coord1
                | Coord2
                | Coordsys
                | Distance
                | Intersects
                | Point
                | Polygon
                | Region
        )
    }

    /// Whether its first argument may be the name of a coordinate system, which ADQL 2.1 deprecates.
    pub fn takes_frame(self) -> bool {
        matches!(self, Self::Box | Self::Circle | Self::Point | Self::Polygon)
    }

    /// Whether the first of these arguments is a coordinate system: a text, or `NULL` that is one too many.
    pub(crate) fn has_frame(self, arguments: &[Expr]) -> bool {
        let is_too_many = match self {
            Self::Polygon => arguments.len() > 6 && arguments.len() % 2 == 1,
            _ => arguments.len() > *self.arity().end(),
        };
        self.takes_frame()
            && match arguments.first().map(|first| &first.it) {
                Some(ExprKind::Text(_)) => true,
                Some(ExprKind::Null) => is_too_many,
                _ => false,
            }
    }
}

/// A value of all rows of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the function that it says")]
pub enum Aggregate {
    Avg,
    Count,
    Max,
    Min,
    Sum,
}

impl Aggregate {
    /// The aggregate that a reserved word is.
    pub(crate) fn of(word: Word) -> Option<Self> {
        match word {
            Word::Avg => Some(Self::Avg),
            Word::Count => Some(Self::Count),
            Word::Max => Some(Self::Max),
            Word::Min => Some(Self::Min),
            Word::Sum => Some(Self::Sum),
            _ => None,
        }
    }

    /// How it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Avg => "AVG",
            Self::Count => "COUNT",
            Self::Max => "MAX",
            Self::Min => "MIN",
            Self::Sum => "SUM",
        }
    }
}
