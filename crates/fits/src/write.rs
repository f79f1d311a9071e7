//! Binary tables as they are written.

use std::io::{Seek, SeekFrom, Write};

use crate::card::{Card, Value};
use crate::cells::{Cells, Data};
use crate::error::FitsError;
use crate::form::{Form, Place, Type};
use crate::header::{BLOCK, Header};

/// The heap of a table is kept until the table ends.
const MOST_HEAP: usize = 1 << 30;

/// A column that is going to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct NewColumn {
    /// Its name.
    pub name: String,
    /// What its cells are.
    pub form: Form,
    /// Its unit.
    pub unit: Option<String>,
    /// The integer that stands for no value.
    pub null: Option<i64>,
    /// The lengths of its axes, the fastest first, if there are several.
    pub dims: Vec<u64>,
}

impl NewColumn {
    /// A column with a name and a form.
    pub fn new(name: &str, form: Form) -> Self {
        Self {
            name: name.to_owned(),
            form,
            unit: None,
            null: None,
            dims: Vec::new(),
        }
    }

    /// With a unit.
    #[must_use]
    pub fn with_unit(mut self, unit: &str) -> Self {
        self.unit = Some(unit.to_owned());
        self
    }
}

/// Writes a file: a primary header without data, and tables.
#[derive(Debug)]
pub struct FitsWriter<W> {
    output: W,
    table: Option<Open>,
}

/// A table that is being written.
#[derive(Debug)]
struct Open {
    name: String,
    columns: Vec<NewColumn>,
    /// Where its header is, which is written again at its end.
    position: u64,
    header: Header,
    row_bytes: u64,
    rows: u64,
    heap: Vec<u8>,
}

impl<W: Write + Seek> FitsWriter<W> {
    /// Begins a file. These cards are added to its primary header.
    pub fn new(mut output: W, cards: &[Card]) -> Result<Self, FitsError> {
        let mut header = Header::default();
        header.cards.push(Card::new("SIMPLE", true));
        header.cards.push(Card::new("BITPIX", 8_i64));
        header.cards.push(Card::new("NAXIS", 0_i64));
        header.cards.push(Card::new("EXTEND", true));
        header.cards.extend_from_slice(cards);
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        output.write_all(&bytes)?;
        Ok(Self {
            output,
            table: None,
        })
    }

    /// Begins a table, and ends the one before it. These cards are added to its header.
    pub fn begin_table(
        &mut self,
        name: &str,
        columns: &[NewColumn],
        cards: &[Card],
    ) -> Result<(), FitsError> {
        self.end_table()?;
        let widths = columns.iter().map(|column| column.form.bytes());
        let row_bytes = widths
            .into_iter()
            .try_fold(0_u64, |all, width| all.checked_add(width?));
        let row_bytes = row_bytes.filter(|bytes| *bytes < i64::MAX as u64);
        let (Some(row_bytes), true) = (row_bytes, columns.len() < 1000) else {
            let (what, limit) = ("columns of a table", 999);
            return Err(FitsError::Limit { what, limit });
        };
        let position = self.output.stream_position()?;
        let table = Open {
            name: name.to_owned(),
            columns: columns.to_vec(),
            position,
            header: header_of(name, columns, row_bytes, cards),
            row_bytes,
            rows: 0,
            heap: Vec::new(),
        };
        let mut bytes = Vec::new();
        table.header.write(&mut bytes);
        self.output.write_all(&bytes)?;
        self.table = Some(table);
        Ok(())
    }

    /// Adds rows: the cells of each column, as many of each.
    pub fn rows(&mut self, columns: &[Cells]) -> Result<(), FitsError> {
        let Some(table) = &mut self.table else {
            return Err(FitsError::Missing("no table was begun".to_owned()));
        };
        let rows = columns.first().map_or(0, Cells::len);
        if columns.len() != table.columns.len() || columns.iter().any(|cells| cells.len() != rows) {
            let message = format!(
                "`{}` has {} columns of one length",
                table.name,
                table.columns.len()
            );
            return Err(FitsError::Missing(message));
        }
        let mut bytes = Vec::new();
        for row in 0..rows {
            for (column, cells) in table.columns.iter().zip(columns) {
                cell(column, cells, row, &mut bytes, &mut table.heap).map_err(|message| {
                    FitsError::Column {
                        table: table.name.clone(),
                        column: column.name.clone(),
                        message: format!("row {}: {message}", table.rows + row as u64 + 1),
                    }
                })?;
            }
        }
        self.output.write_all(&bytes)?;
        table.rows += rows as u64;
        Ok(())
    }

    /// Ends the table that was begun, if there is one.
    pub fn end_table(&mut self) -> Result<(), FitsError> {
        let Some(mut table) = self.table.take() else {
            return Ok(());
        };
        self.output.write_all(&table.heap)?;
        let heap = table.heap.len() as u64;
        let data = table
            .row_bytes
            .saturating_mul(table.rows)
            .saturating_add(heap);
        let fill = data.next_multiple_of(BLOCK as u64) - data;
        let fill = usize::try_from(fill).unwrap_or(0);
        self.output.write_all(&vec![0; fill])?;
        let end = self.output.stream_position()?;
        for card in &mut table.header.cards {
            let count = match card.keyword.as_str() {
                "NAXIS2" => table.rows,
                "PCOUNT" => heap,
                _ => continue,
            };
            card.value = Value::Integer(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut bytes = Vec::new();
        table.header.write(&mut bytes);
        self.output.seek(SeekFrom::Start(table.position))?;
        self.output.write_all(&bytes)?;
        self.output.seek(SeekFrom::Start(end))?;
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self) -> Result<W, FitsError> {
        self.end_table()?;
        self.output.flush()?;
        Ok(self.output)
    }
}

fn header_of(name: &str, columns: &[NewColumn], row_bytes: u64, cards: &[Card]) -> Header {
    let integer = |value: u64| Value::Integer(i64::try_from(value).unwrap_or(i64::MAX));
    let mut all = vec![
        Card::new("XTENSION", "BINTABLE"),
        Card::new("BITPIX", 8_i64),
        Card::new("NAXIS", 2_i64),
        Card::new("NAXIS1", integer(row_bytes)),
        Card::new("NAXIS2", 0_i64),
        Card::new("PCOUNT", 0_i64),
        Card::new("GCOUNT", 1_i64),
        Card::new("TFIELDS", integer(columns.len() as u64)),
        Card::new("EXTNAME", name),
    ];
    for (index, column) in columns.iter().enumerate() {
        let key = |name: &str| format!("{name}{}", index + 1);
        all.push(Card::new(&key("TTYPE"), column.name.as_str()));
        all.push(Card::new(&key("TFORM"), column.form.to_string().as_str()));
        if let Some(unit) = &column.unit {
            all.push(Card::new(&key("TUNIT"), unit.as_str()));
        }
        if let Some(null) = column.null {
            all.push(Card::new(&key("TNULL"), null));
        }
        if column.dims.len() > 1 {
            let dims: Vec<String> = column.dims.iter().map(u64::to_string).collect();
            let dims = format!("({})", dims.join(","));
            all.push(Card::new(&key("TDIM"), dims.as_str()));
        }
    }
    all.extend_from_slice(cards);
    Header { cards: all }
}

fn cell(
    column: &NewColumn,
    cells: &Cells,
    row: usize,
    out: &mut Vec<u8>,
    heap: &mut Vec<u8>,
) -> Result<(), String> {
    let form = column.form;
    if form.place == Place::Row {
        let before = out.len();
        let count = values(column, cells, row, out)?;
        let width = form
            .bytes()
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(0);
        if form.kind == Type::Character {
            if count as u64 > form.repeat {
                return Err(format!(
                    "a string of {count} bytes, which may have {}",
                    form.repeat
                ));
            }
            out.resize(before + width, b' ');
        } else if count as u64 != form.repeat {
            return Err(format!("{count} values, which must be {}", form.repeat));
        }
        return Ok(());
    }
    let place = heap.len();
    let count = values(column, cells, row, heap)?;
    if heap.len() > MOST_HEAP {
        return Err(format!(
            "the heap has more than the limit of {MOST_HEAP} bytes"
        ));
    }
    if form.repeat == 0 {
        return if count == 0 {
            Ok(())
        } else {
            Err("a column that has nothing".to_owned())
        };
    }
    if form.place == Place::Heap64 {
        out.extend_from_slice(&(count as u64).to_be_bytes());
        out.extend_from_slice(&(place as u64).to_be_bytes());
    } else {
        for number in [count, place] {
            let number =
                i32::try_from(number).map_err(|_| "too far for a `P`; use a `Q`".to_owned())?;
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
    Ok(())
}

macro_rules! numbers {
    ($values:expr, $out:ident) => {
        for value in $values {
            $out.extend_from_slice(&value.to_be_bytes());
        }
    };
}

macro_rules! integers {
    ($values:ident, $range:ident, $valid:ident, $column:ident, $type:ty, $out:ident) => {
        for index in $range.clone() {
            let value = if $valid(index) {
                if $column.null == Some(i64::from($values[index])) {
                    return Err("the value is the one that stands for none (TNULL)".to_owned());
                }
                $values[index]
            } else {
                let null = $column.null.and_then(|null| <$type>::try_from(null).ok());
                null.ok_or_else(|| {
                    "there is no value, and no number that stands for none (TNULL)".to_owned()
                })?
            };
            $out.extend_from_slice(&value.to_be_bytes());
        }
    };
}

/// Adds the values of a cell; how many they are.
fn values(
    column: &NewColumn,
    cells: &Cells,
    row: usize,
    out: &mut Vec<u8>,
) -> Result<usize, String> {
    let range = cells.cell(row);
    let kind = column.form.kind;
    let valid = |index: usize| match &cells.valid {
        Some(valid) => valid.get(index).copied().unwrap_or(false),
        None => true,
    };
    match (&cells.data, kind) {
        (Data::Logical(values), Type::Logical) => {
            out.extend(
                range
                    .clone()
                    .map(|index| match values[index].filter(|_| valid(index)) {
                        Some(true) => b'T',
                        Some(false) => b'F',
                        None => 0,
                    }),
            );
        }
        (Data::Bit(values), Type::Bit) => {
            for bits in values[range.clone()].chunks(8) {
                let each = bits.iter().enumerate();
                out.push(each.fold(0, |byte, (at, bit)| byte | (u8::from(*bit) << (7 - at))));
            }
        }
        (Data::Byte(values), Type::Byte) => integers!(values, range, valid, column, u8, out),
        (Data::Short(values), Type::Short) => integers!(values, range, valid, column, i16, out),
        (Data::Int(values), Type::Int) => integers!(values, range, valid, column, i32, out),
        (Data::Long(values), Type::Long) => integers!(values, range, valid, column, i64, out),
        (Data::Float(values), Type::Float) => {
            numbers!(
                range
                    .clone()
                    .map(|at| if valid(at) { values[at] } else { f32::NAN }),
                out
            );
        }
        (Data::Double(values), Type::Double) => {
            numbers!(
                range
                    .clone()
                    .map(|at| if valid(at) { values[at] } else { f64::NAN }),
                out
            );
        }
        (Data::FloatComplex(values), Type::FloatComplex) => {
            numbers!(values[range.clone()].as_flattened(), out);
        }
        (Data::DoubleComplex(values), Type::DoubleComplex) => {
            numbers!(values[range.clone()].as_flattened(), out);
        }
        (Data::Text(values), Type::Character) => {
            let Some(text) = values.get(range.start).filter(|_| range.len() == 1) else {
                return Err("a cell has one string".to_owned());
            };
            if !text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return Err(format!("{text:?} is not ASCII, which FITS needs"));
            }
            out.extend_from_slice(text.as_bytes());
            return Ok(text.len());
        }
        _ => return Err(format!("these are no values of the form {}", column.form)),
    }
    Ok(range.len())
}
