//! All rows of the small tables, column by column.

use std::io::{Read, Seek};

use crate::cells::Cells;
use crate::error::FitsError;
use crate::file::Fits;
use crate::header::Header;
use crate::table::Table;

/// More rows than this has no table of stations, sources or set-ups.
const MOST_ROWS: u64 = 10_000;

/// A table whose columns are read whole.
pub(super) struct Rows<'f, R> {
    fits: &'f mut Fits<R>,
    pub(super) table: Table,
    pub(super) header: Header,
}

impl<'f, R: Read + Seek> Rows<'f, R> {
    pub(super) fn new(fits: &'f mut Fits<R>, number: usize) -> Result<Self, FitsError> {
        let table = fits.table(number)?;
        if table.rows > MOST_ROWS {
            let (what, limit) = ("rows of a table of stations, sources or set-ups", MOST_ROWS);
            return Err(FitsError::Limit { what, limit });
        }
        let header = fits.hdus()[number].header.clone();
        Ok(Self {
            fits,
            table,
            header,
        })
    }

    /// The cells of the column that has the first of these names; none if there is none.
    pub(super) fn any(&mut self, names: &[&str]) -> Result<Option<Cells>, FitsError> {
        let Some(column) = names.iter().find_map(|name| self.table.column(name)) else {
            return Ok(None);
        };
        let cells = self.fits.read(&self.table, &[column], 0..self.table.rows)?;
        Ok(cells.into_iter().next())
    }

    /// The cells of a column that must be there.
    pub(super) fn must(&mut self, names: &[&str]) -> Result<Cells, FitsError> {
        let cells = self.any(names)?;
        cells.ok_or_else(|| {
            FitsError::Missing(format!(
                "`{}` has no column `{}`",
                self.table.name, names[0]
            ))
        })
    }

    /// The first integer of each cell; the same for all where there is no such column.
    pub(super) fn integers(
        &mut self,
        names: &[&str],
        otherwise: i64,
    ) -> Result<Vec<i64>, FitsError> {
        let Some(cells) = self.any(names)? else {
            return Ok(vec![otherwise; self.rows()]);
        };
        let all = cells.integers();
        let first = |row| {
            all.get(cells.cell(row))
                .and_then(|cell| cell.first().copied().flatten())
        };
        Ok((0..cells.len())
            .map(|row| first(row).unwrap_or(otherwise))
            .collect())
    }

    /// The first number of each cell.
    pub(super) fn reals(&mut self, names: &[&str]) -> Result<Vec<Option<f64>>, FitsError> {
        let Some(cells) = self.any(names)? else {
            return Ok(vec![None; self.rows()]);
        };
        let all = cells.reals();
        let first = |row| {
            all.get(cells.cell(row))
                .and_then(|cell| cell.first().copied())
        };
        Ok((0..cells.len())
            .map(|row| first(row).filter(|value| value.is_finite()))
            .collect())
    }

    /// The string of each cell.
    pub(super) fn texts(&mut self, names: &[&str]) -> Result<Vec<String>, FitsError> {
        let Some(cells) = self.any(names)? else {
            return Ok(vec![String::new(); self.rows()]);
        };
        Ok(cells
            .texts()
            .into_iter()
            .map(|text| text.trim().to_owned())
            .collect())
    }

    pub(super) fn rows(&self) -> usize {
        usize::try_from(self.table.rows).unwrap_or(usize::MAX)
    }
}
