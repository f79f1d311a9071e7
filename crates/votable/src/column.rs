//! Rows as columns: what a writer is given, and what a reader gives.

use std::ops::Range;

use thiserror::Error;

use crate::datatype::{Datatype, Shape};

/// A value of the datatype `boolean`, as its byte in the binary serializations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Logical {
    /// `T`
    True = b'T',
    /// `F`
    False = b'F',
    /// Neither: within an array, where a cell as a whole has its validity.
    Unknown = b'?',
}

impl From<bool> for Logical {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// Strings, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strings {
    text: String,
    ends: Vec<usize>,
}

impl Default for Strings {
    fn default() -> Self {
        Self::new()
    }
}

impl Strings {
    /// None.
    pub fn new() -> Self {
        Self {
            text: String::new(),
            ends: vec![0],
        }
    }

    /// Adds one.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The one at this place, counted from 0; the empty string where there is none.
    pub fn get(&self, index: usize) -> &str {
        match self.ends.get(index..index + 2) {
            Some(&[start, end]) => self.text.get(start..end).unwrap_or_default(),
            _ => "",
        }
    }
}

impl<T: AsRef<str>> FromIterator<T> for Strings {
    fn from_iter<I: IntoIterator<Item = T>>(strings: I) -> Self {
        let mut all = Self::new();
        for one in strings {
            all.push(one.as_ref());
        }
        all
    }
}

/// The values of a column, those of all cells one after the other.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is what its datatype is")]
pub enum Data {
    Boolean(Vec<Logical>),
    Bit(Vec<bool>),
    UnsignedByte(Vec<u8>),
    Short(Vec<i16>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    FloatComplex(Vec<[f32; 2]>),
    DoubleComplex(Vec<[f64; 2]>),
    /// Of `char` and of `unicodeChar`.
    Text(Strings),
}

impl Data {
    /// Nothing yet, of a datatype.
    pub fn empty(datatype: Datatype) -> Self {
        match datatype {
            Datatype::Boolean => Self::Boolean(Vec::new()),
            Datatype::Bit => Self::Bit(Vec::new()),
            Datatype::UnsignedByte => Self::UnsignedByte(Vec::new()),
            Datatype::Short => Self::Short(Vec::new()),
            Datatype::Int => Self::Int(Vec::new()),
            Datatype::Long => Self::Long(Vec::new()),
            Datatype::Float => Self::Float(Vec::new()),
            Datatype::Double => Self::Double(Vec::new()),
            Datatype::FloatComplex => Self::FloatComplex(Vec::new()),
            Datatype::DoubleComplex => Self::DoubleComplex(Vec::new()),
            Datatype::Char | Datatype::UnicodeChar => Self::Text(Strings::new()),
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Boolean(values) => values.len(),
            Self::Bit(values) => values.len(),
            Self::UnsignedByte(values) => values.len(),
            Self::Short(values) => values.len(),
            Self::Int(values) => values.len(),
            Self::Long(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Double(values) => values.len(),
            Self::FloatComplex(values) => values.len(),
            Self::DoubleComplex(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether values of a field with this datatype are kept so.
    pub fn is_of(&self, datatype: Datatype) -> bool {
        match self {
            Self::Boolean(_) => datatype == Datatype::Boolean,
            Self::Bit(_) => datatype == Datatype::Bit,
            Self::UnsignedByte(_) => datatype == Datatype::UnsignedByte,
            Self::Short(_) => datatype == Datatype::Short,
            Self::Int(_) => datatype == Datatype::Int,
            Self::Long(_) => datatype == Datatype::Long,
            Self::Float(_) => datatype == Datatype::Float,
            Self::Double(_) => datatype == Datatype::Double,
            Self::FloatComplex(_) => datatype == Datatype::FloatComplex,
            Self::DoubleComplex(_) => datatype == Datatype::DoubleComplex,
            Self::Text(_) => datatype.is_text(),
        }
    }

    /// Adds what stands where there is no value.
    pub(crate) fn push_nothing(&mut self) {
        match self {
            Self::Boolean(values) => values.push(Logical::Unknown),
            Self::Bit(values) => values.push(false),
            Self::UnsignedByte(values) => values.push(0),
            Self::Short(values) => values.push(0),
            Self::Int(values) => values.push(0),
            Self::Long(values) => values.push(0),
            Self::Float(values) => values.push(f32::NAN),
            Self::Double(values) => values.push(f64::NAN),
            Self::FloatComplex(values) => values.push([f32::NAN; 2]),
            Self::DoubleComplex(values) => values.push([f64::NAN; 2]),
            Self::Text(values) => values.push(""),
        }
    }
}

/// Why columns do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ColumnError {
    /// Where cells begin and end does not fit the values.
    #[error("the offsets of a column do not rise from 0 to the number of its values")]
    Offsets,
    /// Validity or another column has another number of cells.
    #[error("{found} cells where there are {expected}")]
    Cells {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
}

/// The cells of one column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    data: Data,
    /// Where each cell begins and the last one ends, for arrays.
    offsets: Option<Vec<usize>>,
    /// Whether each cell has a value.
    validity: Option<Vec<bool>>,
}

impl Column {
    /// A column with one value in each cell.
    pub fn new(data: Data) -> Self {
        Self {
            data,
            offsets: None,
            validity: None,
        }
    }

    /// A column of arrays: cell `i` has the values from `offsets[i]` up to `offsets[i + 1]`.
    pub fn of_arrays(data: Data, offsets: Vec<usize>) -> Result<Self, ColumnError> {
        let rise = offsets.is_sorted();
        if !rise || offsets.first() != Some(&0) || offsets.last() != Some(&data.len()) {
            return Err(ColumnError::Offsets);
        }
        Ok(Self {
            data,
            offsets: Some(offsets),
            validity: None,
        })
    }

    /// Says which cells have a value; without this, all have.
    pub fn with_validity(mut self, validity: Vec<bool>) -> Result<Self, ColumnError> {
        if validity.len() != self.len() {
            return Err(ColumnError::Cells {
                expected: self.len(),
                found: validity.len(),
            });
        }
        self.validity = Some(validity);
        Ok(self)
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        match &self.offsets {
            Some(offsets) => offsets.len() - 1,
            None => self.data.len(),
        }
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values of all cells. What stands for a cell without a value means nothing.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Where the cells of a column of arrays begin and end.
    pub fn offsets(&self) -> Option<&[usize]> {
        self.offsets.as_deref()
    }

    /// Whether this cell has a value.
    pub fn is_valid(&self, row: usize) -> bool {
        match &self.validity {
            Some(validity) => validity.get(row).copied().unwrap_or(false),
            None => row < self.len(),
        }
    }

    /// Where the values of a cell are; none if it has no value.
    pub fn cell(&self, row: usize) -> Option<Range<usize>> {
        if !self.is_valid(row) {
            return None;
        }
        match &self.offsets {
            Some(offsets) => Some(offsets[row]..offsets[row + 1]),
            None => Some(row..row + 1),
        }
    }

    /// A column without cells, for a field of this shape.
    pub(crate) fn empty(shape: Shape) -> Self {
        Self {
            data: Data::empty(shape.datatype),
            offsets: shape.array.is_some().then(|| vec![0]),
            validity: None,
        }
    }

    pub(crate) fn data_mut(&mut self) -> &mut Data {
        &mut self.data
    }

    /// Ends a cell after its values were added.
    #[inline]
    pub(crate) fn end_cell(&mut self) {
        if let Some(offsets) = &mut self.offsets {
            offsets.push(self.data.len());
        }
        if let Some(validity) = &mut self.validity {
            validity.push(true);
        }
    }

    /// Makes the value that was added last one that is not there; it ends the cell.
    pub(crate) fn nullify_last(&mut self) {
        let before = self.data.len().saturating_sub(1);
        let validity = self.validity.get_or_insert_with(|| vec![true; before]);
        validity.push(false);
    }

    /// Adds a cell without a value.
    pub(crate) fn push_null(&mut self) {
        let before = self.len();
        match &mut self.offsets {
            Some(offsets) => offsets.push(self.data.len()),
            None => self.data.push_nothing(),
        }
        let validity = self.validity.get_or_insert_with(|| vec![true; before]);
        validity.push(false);
    }
}

/// Some rows of a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    columns: Vec<Column>,
    rows: usize,
}

impl Batch {
    /// Rows of these columns, which all have as many cells.
    pub fn new(columns: Vec<Column>) -> Result<Self, ColumnError> {
        let rows = columns.first().map_or(0, Column::len);
        if let Some(other) = columns.iter().find(|column| column.len() != rows) {
            return Err(ColumnError::Cells {
                expected: rows,
                found: other.len(),
            });
        }
        Ok(Self { columns, rows })
    }

    /// Its columns, in the order of the fields.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }
}
