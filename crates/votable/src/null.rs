//! The value of a field that stands for none (`VALUES null`).

use crate::column::Data;
use crate::datatype::{Datatype, Shape};
use crate::integer::integer;
use crate::model::Field;

/// A value that stands for none, as its datatype has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Null {
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Null {
    /// That of a field. What cannot be a value cannot occur either; and in arrays it stands for an element, which
    /// has no validity.
    pub(crate) fn of(field: &Field, shape: Shape) -> Option<Self> {
        let text = field.null().filter(|text| !text.is_empty())?;
        if shape.array.is_some() {
            return None;
        }
        let number = text.trim_ascii();
        match shape.datatype {
            Datatype::UnsignedByte => integer::<u8>(number).map(|n| Self::Integer(n.into())),
            Datatype::Short => integer::<i16>(number).map(|n| Self::Integer(n.into())),
            Datatype::Int => integer::<i32>(number).map(|n| Self::Integer(n.into())),
            Datatype::Long => integer::<i64>(number).map(Self::Integer),
            // As it is read, or it would not be found again.
            Datatype::Float => number.parse::<f32>().ok().map(|n| Self::Float(n.into())),
            Datatype::Double => number.parse().ok().map(Self::Float),
            Datatype::Char | Datatype::UnicodeChar => Some(Self::Text(text.to_owned())),
            Datatype::Boolean
            | Datatype::Bit
            | Datatype::FloatComplex
            | Datatype::DoubleComplex => None,
        }
    }

    /// Whether the value at this place is it.
    pub(crate) fn is(&self, data: &Data, index: usize) -> bool {
        let value = match data {
            Data::UnsignedByte(values) => values.get(index).map(|n| Self::Integer((*n).into())),
            Data::Short(values) => values.get(index).map(|n| Self::Integer((*n).into())),
            Data::Int(values) => values.get(index).map(|n| Self::Integer((*n).into())),
            Data::Long(values) => values.get(index).map(|n| Self::Integer(*n)),
            Data::Float(values) => values.get(index).map(|n| Self::Float((*n).into())),
            Data::Double(values) => values.get(index).map(|n| Self::Float(*n)),
            Data::Text(values) => {
                return matches!(self, Self::Text(null) if null == values.get(index));
            }
            _ => None,
        };
        value.as_ref() == Some(self)
    }
}
