//! Rows in TABLEDATA.

use super::{Plan, check_count, check_null, check_text, xml};
use crate::column::{Batch, Column, Data};
use crate::datatype::{Length, Shape};

/// Adds the rows of a batch; how many were added, and which column had a value that does not fit.
pub(super) fn write(
    plans: &[Plan],
    batch: &Batch,
    out: &mut Vec<u8>,
) -> (usize, Result<(), (usize, String)>) {
    for row in 0..batch.rows() {
        let before = out.len();
        out.extend_from_slice(b"<TR>");
        for (index, (plan, column)) in plans.iter().zip(batch.columns()).enumerate() {
            if let Err(message) = cell(plan, column, row, out) {
                out.truncate(before);
                return (row, Err((index, message)));
            }
        }
        out.extend_from_slice(b"</TR>\n");
    }
    (batch.rows(), Ok(()))
}

#[inline]
fn cell(plan: &Plan, column: &Column, row: usize, out: &mut Vec<u8>) -> Result<(), String> {
    let shape = plan.shape;
    let Some(range) = column.cell(row) else {
        out.extend_from_slice(b"<TD/>");
        return Ok(());
    };
    out.extend_from_slice(b"<TD>");
    check_count(shape.array, range.len())?;
    check_null(plan, column, row)?;
    match column.data() {
        Data::Double(values) => each(&values[range], out, |value, out| double(*value, out)),
        Data::Float(values) => each(&values[range], out, |value, out| float(*value, out)),
        Data::Long(values) => each(&values[range], out, |value, out| integer(*value, out)),
        Data::Int(values) => each(&values[range], out, |value, out| integer(*value, out)),
        Data::Short(values) => each(&values[range], out, |value, out| integer(*value, out)),
        Data::UnsignedByte(values) => each(&values[range], out, |value, out| integer(*value, out)),
        Data::FloatComplex(values) => each(&values[range], out, |[real, imaginary], out| {
            float(*real, out);
            out.push(b' ');
            float(*imaginary, out);
        }),
        Data::DoubleComplex(values) => each(&values[range], out, |[real, imaginary], out| {
            double(*real, out);
            out.push(b' ');
            double(*imaginary, out);
        }),
        Data::Boolean(values) => each(&values[range], out, |value, out| out.push(*value as u8)),
        Data::Bit(values) => each(&values[range], out, |bit, out| {
            out.push(b'0' + u8::from(*bit));
        }),
        Data::Text(values) if shape.array.is_none() => {
            let value = values.get(row);
            check_text(shape, value)?;
            xml::text(out, value).map_err(unwritable)?;
        }
        Data::Text(values) => {
            for index in range {
                padded(shape, values.get(index), out)?;
            }
        }
    }
    out.extend_from_slice(b"</TD>");
    Ok(())
}

#[cold]
fn unwritable(xml::Unwritable(character): xml::Unwritable) -> String {
    format!(
        "XML cannot have the character U+{:04X}; BINARY2 can",
        character as u32
    )
}

/// A string of an array: with blanks up to the length that all have.
fn padded(shape: Shape, value: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let units = check_text(shape, value)?;
    if value.ends_with(' ') {
        return Err(
            "a string of an array that ends with a blank cannot be told from one without it"
                .to_owned(),
        );
    }
    xml::text(out, value).map_err(unwritable)?;
    if let Some(Length::Fixed(width)) = shape.text {
        out.resize(out.len() + width.saturating_sub(units), b' ');
    }
    Ok(())
}

#[inline]
fn each<T>(values: &[T], out: &mut Vec<u8>, write: impl Fn(&T, &mut Vec<u8>)) {
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        write(value, out);
    }
}

#[inline]
fn integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

#[inline]
fn double(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        special(value.is_nan(), value > 0.0, out);
    }
}

#[inline]
fn float(value: f32, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    } else {
        special(value.is_nan(), value > 0.0, out);
    }
}

#[cold]
fn special(is_nan: bool, is_positive: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(match (is_nan, is_positive) {
        (true, _) => b"NaN",
        (false, true) => b"+Inf",
        (false, false) => b"-Inf",
    });
}
