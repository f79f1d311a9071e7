//! The cells of a column that were read, or that are to be written.

use std::ops::Range;

/// Values, those of all cells one after the other. Scaled values are real numbers, but for integers that were only
/// shifted, as unsigned ones are.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub enum Data {
    /// None where it is neither true nor false.
    Logical(Vec<Option<bool>>),
    Bit(Vec<bool>),
    Byte(Vec<u8>),
    Short(Vec<i16>),
    Int(Vec<i32>),
    Long(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    FloatComplex(Vec<[f32; 2]>),
    DoubleComplex(Vec<[f64; 2]>),
    /// One string for each cell, without the blanks at its end.
    Text(Vec<String>),
}

impl Data {
    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Logical(values) => values.len(),
            Self::Bit(values) => values.len(),
            Self::Byte(values) => values.len(),
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
}

/// The cells of some rows of a column.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    /// All values.
    pub data: Data,
    /// Where each cell begins in them, and where the last one ends.
    pub offsets: Vec<usize>,
    /// Whether each value is there, where the column has a number that stands for none (`TNULLn`).
    pub valid: Option<Vec<bool>>,
}

impl Cells {
    /// One value in each cell.
    pub fn of_values(data: Data) -> Self {
        Self {
            offsets: (0..=data.len()).collect(),
            data,
            valid: None,
        }
    }

    /// As many values in each cell; what is left over is in none.
    pub fn of_arrays(data: Data, length: usize) -> Self {
        let cells = data.len().checked_div(length).unwrap_or(0);
        Self {
            offsets: (0..=cells).map(|cell| cell * length).collect(),
            data,
            valid: None,
        }
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no cell.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the values of a cell are.
    pub fn cell(&self, row: usize) -> Range<usize> {
        match self.offsets.get(row..row + 2) {
            Some(&[start, end]) if start <= end && end <= self.data.len() => start..end,
            _ => 0..0,
        }
    }

    /// All values as real numbers; what is not there or has no number is NaN.
    #[expect(
        clippy::cast_precision_loss,
        reason = "this is asked for as real numbers"
    )]
    pub fn reals(&self) -> Vec<f64> {
        let mut reals: Vec<f64> = match &self.data {
            Data::Byte(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Data::Short(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Data::Int(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Data::Long(values) => values.iter().map(|value| *value as f64).collect(),
            Data::Float(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Data::Double(values) => values.clone(),
            other => vec![f64::NAN; other.len()],
        };
        if let Some(valid) = &self.valid {
            for (value, valid) in reals.iter_mut().zip(valid) {
                if !valid {
                    *value = f64::NAN;
                }
            }
        }
        reals
    }

    /// All values as integers; none where one is not there or is no integer.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "they have no fraction and are small"
    )]
    pub fn integers(&self) -> Vec<Option<i64>> {
        let whole =
            |value: f64| (value.fract() == 0.0 && value.abs() < 1e15).then_some(value as i64);
        let mut integers: Vec<Option<i64>> = match &self.data {
            Data::Byte(values) => values.iter().map(|value| Some(i64::from(*value))).collect(),
            Data::Short(values) => values.iter().map(|value| Some(i64::from(*value))).collect(),
            Data::Int(values) => values.iter().map(|value| Some(i64::from(*value))).collect(),
            Data::Long(values) => values.iter().map(|value| Some(*value)).collect(),
            Data::Float(values) => values
                .iter()
                .map(|value| whole(f64::from(*value)))
                .collect(),
            Data::Double(values) => values.iter().map(|value| whole(*value)).collect(),
            other => vec![None; other.len()],
        };
        if let Some(valid) = &self.valid {
            for (value, valid) in integers.iter_mut().zip(valid) {
                *value = value.filter(|_| *valid);
            }
        }
        integers
    }

    /// The strings of all cells; empty ones where there are none.
    pub fn texts(&self) -> Vec<String> {
        match &self.data {
            Data::Text(values) => values.clone(),
            _ => vec![String::new(); self.len()],
        }
    }
}
