//! Rows in BINARY and BINARY2, which come in base64.

use std::io::{BufRead as _, Read};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::cells::{Cells, Plan};
use super::error::{Problem, ReadError};
use super::text::size;
use super::tokens::{Token, Tokens};
use crate::column::{Column, Data, Logical};
use crate::datatype::{Datatype, Length};

/// The bytes in a STREAM, as far as they were decoded.
pub(super) struct Bytes {
    /// Whether a row begins with a flag for each cell: BINARY2.
    has_flags: bool,
    encoded: Vec<u8>,
    decoded: Vec<u8>,
    /// Up to where they were taken.
    taken: usize,
    is_over: bool,
    flags: Vec<u8>,
}

impl Bytes {
    pub(super) fn new(has_flags: bool) -> Self {
        Self {
            has_flags,
            encoded: Vec::new(),
            decoded: Vec::new(),
            taken: 0,
            is_over: false,
            flags: Vec::new(),
        }
    }

    /// Decodes some more; says whether there was more.
    fn more<R: Read>(&mut self, tokens: &mut Tokens<R>) -> Result<bool, ReadError> {
        if self.is_over {
            return Ok(false);
        }
        self.decoded.drain(..self.taken);
        self.taken = 0;
        tokens.begin(usize::MAX);
        let mut stream = tokens.xml.stream();
        let available = match stream.fill_buf() {
            Ok(available) => available,
            Err(error) => return Err(tokens.error(Problem::Io(error))),
        };
        let (text, is_over) = match memchr::memchr(b'<', available) {
            Some(end) => (&available[..end], true),
            None => (available, false),
        };
        let at_end = available.is_empty();
        let mut rest = text;
        while let Some(at) = memchr::memchr3(b'\n', b'\r', b' ', rest) {
            self.encoded.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
        }
        self.encoded.extend_from_slice(rest);
        let count = text.len();
        stream.consume(count);
        if at_end {
            return Err(tokens.unexpected_end());
        }
        if memchr::memchr(b'\t', &self.encoded).is_some() {
            self.encoded.retain(|byte| *byte != b'\t');
        }
        self.is_over = is_over;
        let whole = self.encoded.len() / 4 * 4;
        if is_over && whole != self.encoded.len() {
            return Err(
                tokens.element_error("STREAM", "the base64 ends in the middle of four letters")
            );
        }
        let before = self.decoded.len();
        self.decoded.resize(before + whole / 4 * 3, 0);
        let into = &mut self.decoded[before..];
        let Ok(count) = BASE64_STANDARD.decode_slice(&self.encoded[..whole], into) else {
            let message = "there is something in it that is not base64";
            return Err(tokens.element_error("STREAM", message));
        };
        self.decoded.truncate(before + count);
        self.encoded.drain(..whole);
        Ok(true)
    }

    /// Whether all bytes were taken.
    fn are_over<R: Read>(&mut self, tokens: &mut Tokens<R>) -> Result<bool, ReadError> {
        while self.taken == self.decoded.len() {
            if !self.more(tokens)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes sure that so many bytes are there; says whether they are.
    #[inline]
    fn have<R: Read>(&mut self, tokens: &mut Tokens<R>, count: usize) -> Result<bool, ReadError> {
        while self.decoded.len() - self.taken < count {
            if !self.more(tokens)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next bytes, which are there.
    #[inline]
    fn take(&mut self, count: usize) -> &[u8] {
        let start = self.taken;
        self.taken += count;
        &self.decoded[start..start + count]
    }
}

/// Reads rows until there are enough of them; says whether there are no more.
pub(super) fn read<R: Read>(
    tokens: &mut Tokens<R>,
    cells: &mut Cells,
    bytes: &mut Bytes,
) -> Result<bool, ReadError> {
    while !bytes.are_over(tokens)? {
        let taken = row(tokens, cells, bytes)?;
        if taken == 0 {
            let message = "there are bytes in it, and the rows of this table take none";
            return Err(tokens.element_error("STREAM", message));
        }
        if cells.end_row(taken) {
            return Ok(false);
        }
    }
    // What is left is the end of STREAM; that of BINARY or BINARY2 is read by the caller.
    loop {
        match tokens.next()? {
            Token::Text(text) if text.trim().is_empty() => {}
            Token::End => return Ok(true),
            _ => {
                let message = "there is something else in it than base64";
                return Err(tokens.element_error("STREAM", message));
            }
        }
    }
}

fn row<R: Read>(
    tokens: &mut Tokens<R>,
    cells: &mut Cells,
    bytes: &mut Bytes,
) -> Result<usize, ReadError> {
    let mut left = cells.limits.row_bytes;
    let ended = |tokens: &Tokens<R>, plan: Option<&Plan>, row: u64| {
        let at = plan.map_or(String::new(), |plan| {
            format!(", at the field `{}`", plan.name)
        });
        let message = format!("the bytes end in the middle of row {row}{at}");
        tokens.element_error("STREAM", message)
    };
    let row = cells.row + 1;
    let mut taken = 0;
    if bytes.has_flags {
        let count = cells.plans.len().div_ceil(8);
        if !bytes.have(tokens, count)? {
            return Err(ended(tokens, None, row));
        }
        let mut flags = std::mem::take(&mut bytes.flags);
        flags.clear();
        flags.extend_from_slice(bytes.take(count));
        bytes.flags = flags;
        taken += count;
    }
    for (index, plan) in cells.plans.iter().enumerate() {
        let wrong = |message: String| Problem::Value {
            element: "STREAM",
            field: plan.name.clone(),
            row,
            message,
        };
        let mut count = 0;
        let size = if plan.fixed_bytes.is_some() {
            plan.fixed_bytes
        } else {
            if !bytes.have(tokens, 4)? {
                return Err(ended(tokens, Some(plan), row));
            }
            taken += 4;
            let says = bytes.take(4).try_into().map_or(0, u32::from_be_bytes);
            count = usize::try_from(says).unwrap_or(usize::MAX);
            variable_size(plan, count)
        };
        // Bits take more memory than bytes of the document.
        let is_bits = plan.shape.datatype == Datatype::Bit;
        let cost = size.map(|size| size.saturating_mul(if is_bits { 8 } else { 1 }));
        let (Some(size), Some(rest)) = (size, cost.and_then(|cost| left.checked_sub(cost))) else {
            let limit = cells.limits.row_bytes;
            let message = format!(
                "with {count} values here the row has more than the limit of {limit} bytes"
            );
            return Err(tokens.error(wrong(message)));
        };
        left = rest;
        if !bytes.have(tokens, size)? {
            return Err(ended(tokens, Some(plan), row));
        }
        taken += size;
        let is_null = bytes.has_flags && bytes.flags[index / 8] & (0x80 >> (index % 8)) != 0;
        let column = &mut cells.columns[index];
        let cell = bytes.take(size);
        if is_null {
            column.push_null();
        } else {
            push(column, plan, cell, count).map_err(|message| tokens.error(wrong(message)))?;
        }
    }
    Ok(taken)
}

/// How many bytes a cell has that says how many values are in it.
fn variable_size(plan: &Plan, count: usize) -> Option<usize> {
    match plan.shape.datatype {
        Datatype::Bit => Some(count.div_ceil(8)),
        datatype => count.checked_mul(datatype.size()),
    }
}

macro_rules! numbers {
    ($values:ident, $cell:ident, $type:ty) => {
        $values.extend(
            $cell
                .as_chunks::<{ size_of::<$type>() }>()
                .0
                .iter()
                .map(|bytes| <$type>::from_be_bytes(*bytes)),
        )
    };
}

macro_rules! complex {
    ($values:ident, $cell:ident, $type:ty) => {
        $values.extend(
            $cell
                .as_chunks::<{ size_of::<$type>() }>()
                .0
                .as_chunks::<2>()
                .0
                .iter()
                .map(|pair| pair.map(<$type>::from_be_bytes)),
        )
    };
}

/// Adds a cell that has a value. Where it said how many values it has, that is their count.
fn push(column: &mut Column, plan: &Plan, cell: &[u8], count: usize) -> Result<(), String> {
    let array = plan.shape.array;
    let is_scalar = array.is_none();
    let before = column.data().len();
    match column.data_mut() {
        Data::Double(values) => numbers!(values, cell, f64),
        Data::Float(values) => numbers!(values, cell, f32),
        Data::Long(values) => numbers!(values, cell, i64),
        Data::Int(values) => numbers!(values, cell, i32),
        Data::Short(values) => numbers!(values, cell, i16),
        Data::UnsignedByte(values) => values.extend_from_slice(cell),
        Data::FloatComplex(values) => complex!(values, cell, f32),
        Data::DoubleComplex(values) => complex!(values, cell, f64),
        Data::Boolean(values) => {
            for byte in cell {
                values.push(logical(*byte)?);
            }
            if is_scalar && values.last() == Some(&Logical::Unknown) {
                values.pop();
                column.push_null();
                return Ok(());
            }
        }
        // Where there is but one, some writers have it at the other end of the byte.
        Data::Bit(values) if is_scalar => values.push(cell.iter().any(|byte| *byte != 0)),
        Data::Bit(values) => {
            let count = match array.map(|array| array.count) {
                Some(Length::Fixed(count)) => count,
                _ => count,
            };
            let bits = cell
                .iter()
                .flat_map(|byte| (0..8).map(move |bit| byte & (0x80 >> bit) != 0));
            values.extend(bits.take(count));
        }
        Data::Text(values) => {
            let datatype = plan.shape.datatype;
            match (array, plan.shape.text) {
                (None, _) => values.push(&string(cell, datatype)?),
                (Some(_), Some(Length::Fixed(width))) if width > 0 => {
                    for one in cell.chunks(width * datatype.size()) {
                        values.push(string(one, datatype)?.trim_end_matches(' '));
                    }
                }
                (Some(_), _) if cell.is_empty() => {}
                (Some(_), _) => {
                    return Err("an array of strings needs their length in `arraysize`".to_owned());
                }
            }
        }
    }
    if let Some(array) = array {
        let count = column.data().len() - before;
        if !array.allows(count) {
            return Err(format!("{count} values, which must be {}", size(plan)));
        }
    } else if matches!(&plan.null, Some(null) if null.is(column.data(), before)) {
        // What was added stands for what is not there.
        column.nullify_last();
        return Ok(());
    }
    column.end_cell();
    Ok(())
}

fn logical(byte: u8) -> Result<Logical, String> {
    match byte {
        b'T' | b't' | b'1' => Ok(Logical::True),
        b'F' | b'f' | b'0' => Ok(Logical::False),
        b'?' | b' ' | 0 => Ok(Logical::Unknown),
        _ => Err(format!("the byte {byte:#04x} is not a boolean")),
    }
}

/// A string up to its first NUL.
fn string(cell: &[u8], datatype: Datatype) -> Result<std::borrow::Cow<'_, str>, String> {
    if datatype == Datatype::UnicodeChar {
        let units = cell
            .as_chunks::<2>()
            .0
            .iter()
            .map(|unit| u16::from_be_bytes(*unit));
        let units = units.take_while(|unit| *unit != 0);
        let text: Result<String, _> = char::decode_utf16(units).collect();
        return text
            .map(Into::into)
            .map_err(|_| "this is not UTF-16".to_owned());
    }
    let end = memchr::memchr(0, cell).unwrap_or(cell.len());
    let text = str::from_utf8(&cell[..end]);
    text.map(Into::into)
        .map_err(|_| "this is neither ASCII nor UTF-8".to_owned())
}
