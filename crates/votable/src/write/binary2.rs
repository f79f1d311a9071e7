//! Rows in BINARY2, in base64.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{Plan, check_count, check_null, check_text};
use crate::column::{Batch, Column, Data};
use crate::datatype::{Datatype, Length, Shape};
use crate::null::Null;

/// How many bytes are encoded at once, a multiple of 3.
const CHUNK: usize = 48 << 10;

/// What was not encoded yet.
#[derive(Default)]
pub(super) struct Binary2 {
    bytes: Vec<u8>,
}

impl Binary2 {
    /// Adds the rows of a batch; how many were added, and which column had a value that does not fit.
    pub(super) fn write(
        &mut self,
        plans: &[Plan],
        batch: &Batch,
        out: &mut Vec<u8>,
    ) -> (usize, Result<(), (usize, String)>) {
        for row in 0..batch.rows() {
            let before = self.bytes.len();
            if let Err(problem) = self.row(plans, batch, row) {
                self.bytes.truncate(before);
                return (row, Err(problem));
            }
            if self.bytes.len() >= CHUNK {
                self.encode(out);
            }
        }
        self.encode(out);
        (batch.rows(), Ok(()))
    }

    fn row(&mut self, plans: &[Plan], batch: &Batch, row: usize) -> Result<(), (usize, String)> {
        let flags = self.bytes.len();
        self.bytes.resize(flags + plans.len().div_ceil(8), 0);
        for (index, (plan, column)) in plans.iter().zip(batch.columns()).enumerate() {
            if !cell(plan, column, row, &mut self.bytes).map_err(|message| (index, message))? {
                self.bytes[flags + index / 8] |= 0x80 >> (index % 8);
            }
        }
        Ok(())
    }

    /// Encodes as many bytes as make whole groups, and keeps the others.
    fn encode(&mut self, out: &mut Vec<u8>) {
        let whole = self.bytes.len() / 3 * 3;
        if whole > 0 {
            encode(&self.bytes[..whole], out);
            self.bytes.drain(..whole);
        }
    }

    /// Encodes what is left.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if !self.bytes.is_empty() {
            encode(&self.bytes, out);
            self.bytes.clear();
        }
    }
}

fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let before = out.len();
    out.resize(before + bytes.len().div_ceil(3) * 4 + 1, b'\n');
    // There is room for all of it.
    let end = out.len() - 1;
    let encoded = BASE64_STANDARD.encode_slice(bytes, &mut out[before..end]);
    debug_assert_eq!(encoded, Ok(end - before));
}

macro_rules! numbers {
    ($values:expr, $out:ident) => {
        for value in $values {
            $out.extend_from_slice(&value.to_be_bytes());
        }
    };
}

/// Adds a cell; says whether it has a value.
#[inline]
fn cell(plan: &Plan, column: &Column, row: usize, out: &mut Vec<u8>) -> Result<bool, String> {
    let shape = plan.shape;
    let Some(range) = column.cell(row) else {
        nothing(plan, out);
        return Ok(false);
    };
    check_null(plan, column, row)?;
    if let Some(array) = shape.array {
        check_count(shape.array, range.len())?;
        if !matches!(array.count, Length::Fixed(_)) {
            let units = match shape.text {
                Some(Length::Fixed(width)) => range.len().checked_mul(width),
                _ => Some(range.len()),
            };
            count(units, out)?;
        }
    }
    match column.data() {
        Data::Double(values) => numbers!(&values[range], out),
        Data::Float(values) => numbers!(&values[range], out),
        Data::Long(values) => numbers!(&values[range], out),
        Data::Int(values) => numbers!(&values[range], out),
        Data::Short(values) => numbers!(&values[range], out),
        Data::UnsignedByte(values) => out.extend_from_slice(&values[range]),
        Data::FloatComplex(values) => numbers!(values[range].as_flattened(), out),
        Data::DoubleComplex(values) => numbers!(values[range].as_flattened(), out),
        Data::Boolean(values) => out.extend(values[range].iter().map(|value| *value as u8)),
        Data::Bit(values) => {
            for bits in values[range].chunks(8) {
                let each = bits.iter().enumerate();
                out.push(each.fold(0, |byte, (at, bit)| byte | (u8::from(*bit) << (7 - at))));
            }
        }
        Data::Text(values) if shape.array.is_none() => string(shape, values.get(row), out)?,
        Data::Text(values) => {
            for index in range {
                string(shape, values.get(index), out)?;
            }
        }
    }
    Ok(true)
}

fn count(units: Option<usize>, out: &mut Vec<u8>) -> Result<(), String> {
    let units = units.and_then(|units| i32::try_from(units).ok());
    let units = units.ok_or_else(|| "more values than BINARY2 can count".to_owned())?;
    out.extend_from_slice(&units.to_be_bytes());
    Ok(())
}

/// A string, with NULs up to the length that all have, or with its length before it.
#[inline]
fn string(shape: Shape, value: &str, out: &mut Vec<u8>) -> Result<(), String> {
    let units = check_text(shape, value)?;
    if memchr::memchr(0, value.as_bytes()).is_some() {
        return Err("a NUL in a string ends it".to_owned());
    }
    let missing = if let Some(Length::Fixed(width)) = shape.text {
        width - units
    } else {
        count(Some(units), out)?;
        0
    };
    if shape.datatype == Datatype::Char {
        out.extend_from_slice(value.as_bytes());
    } else {
        for unit in value.encode_utf16() {
            out.extend_from_slice(&unit.to_be_bytes());
        }
    }
    if missing > 0 {
        out.resize(out.len() + missing * shape.datatype.size(), 0);
    }
    Ok(())
}

/// What stands where there is no value.
fn nothing(plan: &Plan, out: &mut Vec<u8>) {
    let Some(bytes) = plan.shape.fixed_bytes() else {
        out.extend_from_slice(&[0; 4]);
        return;
    };
    let before = out.len();
    out.resize(before + bytes, 0);
    let cell = &mut out[before..];
    let integer;
    let nothing: &[u8] = match (&plan.null, plan.shape.datatype) {
        (Some(Null::Integer(null)), datatype) => {
            integer = null.to_be_bytes();
            &integer[integer.len() - datatype.size()..]
        }
        (_, Datatype::Float | Datatype::FloatComplex) => &f32::NAN.to_be_bytes(),
        (_, Datatype::Double | Datatype::DoubleComplex) => &f64::NAN.to_be_bytes(),
        (_, Datatype::Boolean) => b"?",
        _ => return,
    };
    for value in cell.chunks_exact_mut(nothing.len()) {
        value.copy_from_slice(nothing);
    }
}
