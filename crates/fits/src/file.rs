//! A file: its headers are read, its data only as far as they are asked for.

use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;

use crate::cells::Cells;
use crate::decode::decode;
use crate::error::FitsError;
use crate::form::Place;
use crate::header::{BLOCK, Header};
use crate::table::{Column, Table};

/// More headers than this are not looked for.
const MOST_HDUS: usize = 10_000;
/// All headers of a file together.
const MOST_HEADER_BYTES: u64 = 64 << 20;
/// What is read at once.
const MOST_BYTES: u64 = 64 << 20;
/// Rows that are read at once: each cell takes memory beside its bytes.
const MOST_ROWS: u64 = 1 << 20;
/// Rows that are shorter are read one after the other, whatever is wanted of them.
const SHORT_ROW: u64 = 8 << 10;
const CHUNK: u64 = 1 << 20;

/// A header and its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Hdu {
    /// Its number, 0 for the primary one.
    pub number: usize,
    /// What it says.
    pub header: Header,
    /// Where its data begin.
    pub(crate) data: u64,
    /// How many there are, as the header says.
    pub(crate) bytes: u64,
    /// How many of them the file has.
    pub(crate) present: u64,
}

impl Hdu {
    /// Whether the file ends before these data do.
    pub fn is_truncated(&self) -> bool {
        self.present < self.bytes
    }
}

/// An open FITS file.
#[derive(Debug)]
pub struct Fits<R> {
    input: R,
    length: u64,
    hdus: Vec<Hdu>,
}

impl<R: Read + Seek> Fits<R> {
    /// Reads all headers and passes over the data.
    pub fn open(mut input: R) -> Result<Self, FitsError> {
        let length = input.seek(SeekFrom::End(0))?;
        let mut hdus = Vec::new();
        let mut position = 0;
        let mut header_bytes = 0;
        while position < length {
            input.seek(SeekFrom::Start(position))?;
            let number = hdus.len();
            let Some((header, bytes)) = Header::read(&mut input, number)? else {
                break;
            };
            header_bytes += bytes;
            let limits = [
                ("headers", hdus.len() as u64, MOST_HDUS as u64),
                ("bytes of headers", header_bytes, MOST_HEADER_BYTES),
            ];
            for (what, count, limit) in limits {
                if count >= limit {
                    return Err(FitsError::Limit { what, limit });
                }
            }
            let data = position + bytes;
            let bytes = header.data_bytes(number)?;
            let present = bytes.min(length.saturating_sub(data));
            hdus.push(Hdu {
                number,
                header,
                data,
                bytes,
                present,
            });
            position = data + bytes.next_multiple_of(BLOCK as u64);
        }
        if hdus.is_empty() {
            return Err(FitsError::NotFits);
        }
        Ok(Self {
            input,
            length,
            hdus,
        })
    }

    /// All headers, the primary one first.
    pub fn hdus(&self) -> &[Hdu] {
        &self.hdus
    }

    /// The table with this number.
    pub fn table(&self, number: usize) -> Result<Table, FitsError> {
        let hdu = self.hdus.get(number);
        Table::new(hdu.ok_or_else(|| FitsError::Missing(format!("there is no header {number}")))?)
    }

    /// The numbers of all headers whose `EXTNAME` this is.
    pub fn named(&self, name: &str) -> Vec<usize> {
        let is_it = |hdu: &&Hdu| {
            hdu.header
                .text("EXTNAME")
                .is_some_and(|found| found.trim() == name)
        };
        self.hdus
            .iter()
            .filter(is_it)
            .map(|hdu| hdu.number)
            .collect()
    }

    /// Reads the cells of some columns in some rows, and of the rows nothing that lies outside of these columns, unless
    /// the rows are short.
    pub fn read(
        &mut self,
        table: &Table,
        columns: &[usize],
        rows: Range<u64>,
    ) -> Result<Vec<Cells>, FitsError> {
        let chosen: Option<Vec<&Column>> =
            columns.iter().map(|at| table.columns.get(*at)).collect();
        let chosen =
            chosen.ok_or_else(|| FitsError::Missing("there is no such column".to_owned()))?;
        if rows.end > table.rows || rows.start > rows.end {
            let message = format!("`{}` has {} rows, not {}", table.name, table.rows, rows.end);
            return Err(FitsError::Missing(message));
        }
        let start = chosen.iter().map(|column| column.offset).min().unwrap_or(0);
        let end = chosen
            .iter()
            .map(|column| column.offset + column.width)
            .max()
            .unwrap_or(0);
        let raw = self.spans(table, &rows, start..end)?;
        let width = usize::try_from(end - start).unwrap_or(usize::MAX);
        let count = usize::try_from(rows.end - rows.start).unwrap_or(usize::MAX);
        let mut all = Vec::new();
        let mut heap_left = MOST_BYTES;
        for column in chosen {
            let wrong = |message: String| FitsError::Column {
                table: table.name.clone(),
                column: column.name.clone(),
                message,
            };
            let at = usize::try_from(column.offset - start).unwrap_or(0);
            let length = usize::try_from(column.width).unwrap_or(0);
            let cells = (0..count).map(|row| &raw[row * width + at..row * width + at + length]);
            let decoded = if column.form.place == Place::Row {
                decode(
                    column,
                    table.is_ascii,
                    cells.map(|cell| (cell, column.form.repeat)),
                )
            } else {
                let mut bodies = Vec::new();
                for cell in cells {
                    bodies.push(self.heap_values(table, column, cell, &mut heap_left)?);
                }
                decode(
                    column,
                    false,
                    bodies
                        .iter()
                        .map(|(bytes, count)| (bytes.as_slice(), *count)),
                )
            };
            all.push(decoded.map_err(wrong)?);
        }
        Ok(all)
    }

    /// These bytes of each row.
    fn spans(
        &mut self,
        table: &Table,
        rows: &Range<u64>,
        span: Range<u64>,
    ) -> Result<Vec<u8>, FitsError> {
        let width = span.end - span.start;
        let count = rows.end - rows.start;
        let wanted = width
            .checked_mul(count)
            .filter(|bytes| *bytes <= MOST_BYTES);
        let Some(wanted) = wanted.filter(|_| count <= MOST_ROWS) else {
            let (what, limit) = ("bytes of a table at once", MOST_BYTES);
            return Err(FitsError::Limit { what, limit });
        };
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let last = table.data + (rows.end - 1) * table.row_bytes + span.end;
        if last > self.length {
            let row = self.length.saturating_sub(table.data) / table.row_bytes + 1;
            let message = format!("the file ends in row {row} of `{}`", table.name);
            return Err(FitsError::Missing(message));
        }
        let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let mut raw = Vec::with_capacity(size(wanted));
        if table.row_bytes > SHORT_ROW && width < table.row_bytes {
            for row in rows.clone() {
                let position = table.data + row * table.row_bytes + span.start;
                let before = raw.len();
                raw.resize(before + size(width), 0);
                self.input.seek(SeekFrom::Start(position))?;
                self.input.read_exact(&mut raw[before..])?;
            }
            return Ok(raw);
        }
        let at_once = (CHUNK / table.row_bytes).max(1);
        let mut chunk = Vec::new();
        let mut row = rows.start;
        while row < rows.end {
            let until = rows.end.min(row + at_once);
            // Not to the end of the last row, which may be missing.
            let bytes = (until - row - 1) * table.row_bytes + span.end;
            chunk.resize(size(bytes), 0);
            self.input
                .seek(SeekFrom::Start(table.data + row * table.row_bytes))?;
            self.input.read_exact(&mut chunk)?;
            for row in chunk.chunks(size(table.row_bytes)) {
                raw.extend_from_slice(&row[size(span.start)..size(span.end)]);
            }
            row = until;
        }
        Ok(raw)
    }

    /// The values of a cell that are in the heap, and how many they are.
    fn heap_values(
        &mut self,
        table: &Table,
        column: &Column,
        cell: &[u8],
        left: &mut u64,
    ) -> Result<(Vec<u8>, u64), FitsError> {
        let wrong = |message: String| FitsError::Column {
            table: table.name.clone(),
            column: column.name.clone(),
            message,
        };
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0_u64, |all, byte| (all << 8) | u64::from(*byte))
        };
        let (count, place) = cell.split_at(cell.len() / 2);
        let (count, place) = (number(count), number(place));
        let bytes = column.form.kind.bytes(count);
        let end = bytes.and_then(|bytes| place.checked_add(bytes));
        let (Some(bytes), Some(_)) = (bytes, end.filter(|end| *end <= table.heap_bytes)) else {
            return Err(wrong(format!(
                "{count} values at byte {place} are outside of the heap"
            )));
        };
        if bytes == 0 {
            return Ok((Vec::new(), 0));
        }
        let Some(rest) = left.checked_sub(bytes) else {
            let (what, limit) = ("bytes of a heap at once", MOST_BYTES);
            return Err(FitsError::Limit { what, limit });
        };
        *left = rest;
        if table.heap + place + bytes > self.length {
            return Err(wrong("the file ends in its heap".to_owned()));
        }
        let mut body = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        self.input.seek(SeekFrom::Start(table.heap + place))?;
        self.input.read_exact(&mut body)?;
        Ok((body, count))
    }
}
