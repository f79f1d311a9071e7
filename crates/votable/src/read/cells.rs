//! Rows that were read and not yet given.

use crate::column::{Batch, Column};
use crate::datatype::{Datatype, Shape};
use crate::limits::Limits;
use crate::model::Field;
use crate::null::Null;

/// What is known of a field before its cells are read.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// The value that stands for none.
    pub(super) null: Option<Null>,
    /// How many bytes a cell takes in the binary serializations, if all take as many.
    pub(super) fixed_bytes: Option<usize>,
}

impl Plan {
    pub(super) fn new(field: &Field) -> Self {
        let shape = field.shape();
        Self {
            name: field.name.clone(),
            shape,
            null: Null::of(field, shape),
            fixed_bytes: shape.fixed_bytes(),
        }
    }
}

/// The cells of the rows that are being read.
pub(super) struct Cells {
    pub(super) plans: Vec<Plan>,
    pub(super) columns: Vec<Column>,
    /// How many rows there were, those that were given included.
    pub(super) row: u64,
    rows: usize,
    bytes: usize,
    pub(super) limits: Limits,
}

impl Cells {
    pub(super) fn new(fields: &[Field], limits: Limits) -> Result<Self, String> {
        let plans: Vec<Plan> = fields.iter().map(Plan::new).collect();
        // Of these each row has as much, however short what was sent is.
        let mut fixed = 0_usize;
        for plan in &plans {
            let bits = if plan.shape.datatype == Datatype::Bit {
                8
            } else {
                1
            };
            let bytes = plan.fixed_bytes.unwrap_or(0).saturating_mul(bits);
            fixed = fixed.saturating_add(bytes);
            if fixed > limits.row_bytes {
                return Err(format!(
                    "with the field `{}` a row takes more than the limit of {} bytes",
                    plan.name, limits.row_bytes
                ));
            }
        }
        let columns = plans.iter().map(|plan| Column::empty(plan.shape));
        Ok(Self {
            columns: columns.collect(),
            plans,
            row: 0,
            rows: 0,
            bytes: 0,
            limits,
        })
    }

    /// Counts a row of so many bytes; says whether the rows are to be given.
    pub(super) fn end_row(&mut self, bytes: usize) -> bool {
        self.row += 1;
        self.rows += 1;
        self.bytes += bytes + 8 * self.columns.len();
        self.rows >= self.limits.batch_rows || self.bytes >= self.limits.batch_bytes
    }

    /// The rows that were read since the last time.
    pub(super) fn take(&mut self) -> Batch {
        let empty = self.plans.iter().map(|plan| Column::empty(plan.shape));
        let columns = std::mem::replace(&mut self.columns, empty.collect());
        self.rows = 0;
        self.bytes = 0;
        // All have as many cells, since only whole rows are counted.
        Batch::new(columns).unwrap_or_default()
    }
}
