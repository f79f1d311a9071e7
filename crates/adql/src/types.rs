//! The types of values (ADQL 2.1, section 3), and which go together.

use std::fmt::{self, Display, Formatter};

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// `NULL` itself, which goes with everything.
    Null,
    /// True or false.
    Boolean,
    /// What `unsignedByte` is in a VOTable.
    Byte,
    /// 16 bits.
    Short,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    /// 32 bits with an exponent.
    Float,
    /// 64 bits with an exponent.
    Double,
    /// A text, of `char` or of `unicodeChar`.
    Text,
    /// A time.
    Timestamp,
    /// A place on the sky.
    Point,
    /// A circle on the sky.
    Circle,
    /// A polygon on the sky; boxes are some.
    Polygon,
    /// Any shape on the sky.
    Region,
    /// Two numbers, from and to.
    Interval,
    /// A text that no operator applies to.
    Clob,
    /// Bytes that no operator applies to.
    Blob,
    /// Several numbers.
    Array,
}

impl Type {
    /// Whether one can calculate with it.
    pub fn is_numeric(self) -> bool {
        self.size().is_some() || self == Self::Null
    }

    /// Whether it is a number without a fraction.
    pub fn is_whole(self) -> bool {
        matches!(
            self,
            Self::Byte | Self::Short | Self::Integer | Self::Long | Self::Null
        )
    }

    /// Whether it is a place or a shape.
    pub fn is_geometry(self) -> bool {
        matches!(
            self,
            Self::Point | Self::Circle | Self::Polygon | Self::Region | Self::Null
        )
    }

    /// Whether one value may be less than another.
    pub fn is_ordered(self) -> bool {
        self.is_numeric() || matches!(self, Self::Text | Self::Timestamp)
    }

    /// Whether it is a text or nothing.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Null)
    }

    /// Numbers in the order in which one becomes the other.
    fn size(self) -> Option<u8> {
        Some(match self {
            Self::Byte => 0,
            Self::Short => 1,
            Self::Integer => 2,
            Self::Long => 3,
            Self::Float => 4,
            Self::Double => 5,
            _ => return None,
        })
    }

    /// The type of two numbers that are calculated with.
    pub(crate) fn promoted(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, Self::Null) => Self::Null,
            (Self::Null, one) | (one, Self::Null) => one,
            // 24 bits of a fraction do not hold 32 bits of a whole number.
            (Self::Float, Self::Integer | Self::Long)
            | (Self::Integer | Self::Long, Self::Float) => Self::Double,
            _ if self.size() >= other.size() => self,
            _ => other,
        }
    }

    /// The type of a column that holds both.
    pub(crate) fn common(self, other: Self) -> Option<Self> {
        match (self, other) {
            _ if self == other => Some(self),
            (Self::Null, one) | (one, Self::Null) => Some(one),
            _ if self.size().is_some() && other.size().is_some() => Some(self.promoted(other)),
            (
                Self::Circle | Self::Polygon | Self::Region,
                Self::Circle | Self::Polygon | Self::Region,
            ) => Some(Self::Region),
            _ => None,
        }
    }

    /// Whether `CAST` leads from here to there: the table of section 4.6, and geometries from texts.
    pub(crate) fn casts_to(self, target: Self) -> bool {
        let is_text = matches!(self, Self::Text | Self::Clob);
        match target {
            _ if self == Self::Null || self == target => true,
            Self::Short | Self::Integer | Self::Long | Self::Float | Self::Double => {
                is_text || self.is_numeric() || self == Self::Boolean
            }
            Self::Text => {
                is_text || self.is_numeric() || matches!(self, Self::Boolean | Self::Timestamp)
            }
            Self::Timestamp => is_text,
            Self::Point | Self::Circle | Self::Polygon => is_text || self == Self::Array,
            _ => false,
        }
    }
}

impl Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Null => "NULL",
            Self::Boolean => "BOOLEAN",
            Self::Byte => "BYTE",
            Self::Short => "SMALLINT",
            Self::Integer => "INTEGER",
            Self::Long => "BIGINT",
            Self::Float => "REAL",
            Self::Double => "DOUBLE PRECISION",
            Self::Text => "VARCHAR",
            Self::Timestamp => "TIMESTAMP",
            Self::Point => "POINT",
            Self::Circle => "CIRCLE",
            Self::Polygon => "POLYGON",
            Self::Region => "REGION",
            Self::Interval => "INTERVAL",
            Self::Clob => "CLOB",
            Self::Blob => "BLOB",
            Self::Array => "ARRAY",
        })
    }
}
