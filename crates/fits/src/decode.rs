//! The bytes of cells as their values.

use crate::cells::{Cells, Data};
use crate::form::Type;
use crate::table::Column;

/// The cells of a column: the bytes of each, and how many values are in them.
pub(crate) fn decode<'c>(
    column: &Column,
    is_ascii: bool,
    cells: impl Iterator<Item = (&'c [u8], u64)>,
) -> Result<Cells, String> {
    if is_ascii {
        return ascii(column, cells);
    }
    let kind = column.form.kind;
    if kind == Type::Character {
        let texts: Vec<String> = cells.map(|(bytes, _)| text(bytes)).collect();
        return Ok(Cells::of_values(Data::Text(texts)));
    }
    let mut offsets = vec![0];
    let mut data = empty(kind);
    for (bytes, count) in cells {
        push(&mut data, bytes, count)?;
        offsets.push(data.len());
    }
    let valid = match (column.null, &data) {
        (Some(null), Data::Byte(values)) => {
            Some(values.iter().map(|v| i64::from(*v) != null).collect())
        }
        (Some(null), Data::Short(values)) => {
            Some(values.iter().map(|v| i64::from(*v) != null).collect())
        }
        (Some(null), Data::Int(values)) => {
            Some(values.iter().map(|v| i64::from(*v) != null).collect())
        }
        (Some(null), Data::Long(values)) => Some(values.iter().map(|v| *v != null).collect()),
        _ => None,
    };
    Ok(Cells {
        data: scaled(data, column.scale, column.zero),
        offsets,
        valid,
    })
}

fn empty(kind: Type) -> Data {
    match kind {
        Type::Logical => Data::Logical(Vec::new()),
        Type::Bit => Data::Bit(Vec::new()),
        Type::Byte => Data::Byte(Vec::new()),
        Type::Short => Data::Short(Vec::new()),
        Type::Int => Data::Int(Vec::new()),
        Type::Long => Data::Long(Vec::new()),
        Type::Float => Data::Float(Vec::new()),
        Type::Double => Data::Double(Vec::new()),
        Type::FloatComplex => Data::FloatComplex(Vec::new()),
        Type::DoubleComplex => Data::DoubleComplex(Vec::new()),
        Type::Character => Data::Text(Vec::new()),
    }
}

macro_rules! numbers {
    ($values:ident, $bytes:ident, $type:ty) => {
        $values.extend(
            $bytes
                .as_chunks::<{ size_of::<$type>() }>()
                .0
                .iter()
                .map(|bytes| <$type>::from_be_bytes(*bytes)),
        )
    };
}

macro_rules! complex {
    ($values:ident, $bytes:ident, $type:ty) => {
        $values.extend(
            $bytes
                .as_chunks::<{ size_of::<$type>() }>()
                .0
                .as_chunks::<2>()
                .0
                .iter()
                .map(|pair| pair.map(<$type>::from_be_bytes)),
        )
    };
}

fn push(data: &mut Data, bytes: &[u8], count: u64) -> Result<(), String> {
    match data {
        Data::Logical(values) => {
            for byte in bytes {
                values.push(match byte {
                    b'T' => Some(true),
                    b'F' => Some(false),
                    0 | b' ' => None,
                    _ => return Err(format!("the byte {byte:#04x} is neither T nor F")),
                });
            }
        }
        Data::Bit(values) => {
            let bits = bytes
                .iter()
                .flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0));
            values.extend(bits.take(usize::try_from(count).unwrap_or(usize::MAX)));
        }
        Data::Byte(values) => values.extend_from_slice(bytes),
        Data::Short(values) => numbers!(values, bytes, i16),
        Data::Int(values) => numbers!(values, bytes, i32),
        Data::Long(values) => numbers!(values, bytes, i64),
        Data::Float(values) => numbers!(values, bytes, f32),
        Data::Double(values) => numbers!(values, bytes, f64),
        Data::FloatComplex(values) => complex!(values, bytes, f32),
        Data::DoubleComplex(values) => complex!(values, bytes, f64),
        Data::Text(values) => values.push(text(bytes)),
    }
    Ok(())
}

/// A string up to its first NUL, without blanks at its end. What is not UTF-8 is Latin-1, as it was written then.
fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    let bytes = bytes[..end].trim_ascii_end();
    match str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Values as they are meant.
fn scaled(data: Data, scale: f64, zero: f64) -> Data {
    #[expect(clippy::float_cmp, reason = "these are the values that change nothing")]
    if scale == 1.0 && zero == 0.0 {
        return data;
    }
    #[expect(
        clippy::float_cmp,
        reason = "only exactly this changes integers to integers"
    )]
    let is_shift = scale == 1.0 && zero.fract() == 0.0 && zero.abs() < 9.3e18;
    let integers: Option<Vec<i64>> = match &data {
        Data::Byte(values) => Some(values.iter().map(|value| i64::from(*value)).collect()),
        Data::Short(values) => Some(values.iter().map(|value| i64::from(*value)).collect()),
        Data::Int(values) => Some(values.iter().map(|value| i64::from(*value)).collect()),
        Data::Long(values) => Some(values.clone()),
        _ => None,
    };
    if let Some(integers) = integers {
        if is_shift {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "it has no fraction and fits"
            )]
            let zero = zero as i128;
            let shifted = integers
                .iter()
                .map(|value| i64::try_from(i128::from(*value) + zero).ok());
            if let Some(shifted) = shifted.collect() {
                return Data::Long(shifted);
            }
        }
        #[expect(clippy::cast_precision_loss, reason = "scaled values are real numbers")]
        return Data::Double(
            integers
                .iter()
                .map(|value| *value as f64 * scale + zero)
                .collect(),
        );
    }
    match data {
        Data::Float(values) => Data::Double(
            values
                .iter()
                .map(|value| f64::from(*value) * scale + zero)
                .collect(),
        ),
        Data::Double(values) => {
            Data::Double(values.iter().map(|value| value * scale + zero).collect())
        }
        // To these it does not apply.
        other => other,
    }
}

/// Cells of an ASCII table.
fn ascii<'c>(
    column: &Column,
    cells: impl Iterator<Item = (&'c [u8], u64)>,
) -> Result<Cells, String> {
    let texts: Vec<String> = cells.map(|(bytes, _)| text(bytes)).collect();
    let mut valid = Vec::new();
    let mut integers = Vec::new();
    let mut reals = Vec::new();
    let kind = column.form.kind;
    if kind == Type::Character {
        return Ok(Cells::of_values(Data::Text(texts)));
    }
    for text in &texts {
        let number = text.trim();
        let is_null =
            number.is_empty() || column.null.is_some_and(|null| number.parse() == Ok(null));
        valid.push(!is_null);
        let wrong = || format!("`{number}` is no number");
        if kind == Type::Long {
            integers.push(if is_null {
                0
            } else {
                number.parse().map_err(|_| wrong())?
            });
        } else {
            let number = number.replace(['D', 'd'], "E");
            reals.push(if is_null {
                f64::NAN
            } else {
                number.parse().map_err(|_| wrong())?
            });
        }
    }
    let data = if kind == Type::Long {
        Data::Long(integers)
    } else {
        Data::Double(reals)
    };
    let data = scaled(data, column.scale, column.zero);
    let mut cells = Cells::of_values(data);
    cells.valid = valid.contains(&false).then_some(valid);
    Ok(cells)
}
