//! A table: its columns, and where its rows are.

use crate::error::FitsError;
use crate::file::Hdu;
use crate::form::{Form, Place, Type};
use crate::header::{Header, wrong};

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, or `COLn` if it has none.
    pub name: String,
    /// What its cells are.
    pub form: Form,
    /// Its unit.
    pub unit: Option<String>,
    /// The integer that stands for no value.
    pub null: Option<i64>,
    /// What stored numbers are multiplied with.
    pub scale: f64,
    /// What is added then.
    pub zero: f64,
    /// The lengths of its axes, the fastest first, where its cells are arrays of several dimensions.
    pub dims: Vec<u64>,
    /// How people want to see it.
    pub display: Option<String>,
    /// Where it begins in a row.
    pub(crate) offset: u64,
    /// How many bytes of a row it takes.
    pub(crate) width: u64,
}

/// A binary table or an ASCII table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// `EXTNAME`, without blanks at its end.
    pub name: String,
    /// How many rows there are.
    pub rows: u64,
    /// Its columns.
    pub columns: Vec<Column>,
    pub(crate) row_bytes: u64,
    pub(crate) data: u64,
    pub(crate) heap: u64,
    pub(crate) heap_bytes: u64,
    pub(crate) is_ascii: bool,
}

impl Table {
    /// What the header of a table says.
    pub(crate) fn new(hdu: &Hdu) -> Result<Self, FitsError> {
        let header = &hdu.header;
        let number = hdu.number;
        let is_ascii = match header.text("XTENSION") {
            Some("BINTABLE" | "A3DTABLE") => false,
            Some("TABLE") => true,
            other => {
                let other = other.unwrap_or("nothing");
                return Err(wrong(number, "XTENSION", &format!("`{other}` is no table")));
            }
        };
        let row_bytes = header.count(number, "NAXIS1")?;
        let rows = header.count(number, "NAXIS2")?;
        let fields = header.count(number, "TFIELDS")?;
        if fields > 999 {
            return Err(wrong(
                number,
                "TFIELDS",
                "there are no more than 999 columns",
            ));
        }
        let main = row_bytes
            .checked_mul(rows)
            .filter(|main| *main <= hdu.bytes);
        let Some(main) = main else {
            return Err(wrong(number, "NAXIS2", "the rows are not within the data"));
        };
        let heap = match header.value("THEAP") {
            Some(_) => header.count(number, "THEAP")?,
            None => main,
        };
        let all = hdu.bytes;
        if heap < main || heap > all {
            return Err(wrong(
                number,
                "THEAP",
                "the heap is not between the rows and the end",
            ));
        }
        let mut table = Self {
            name: header.text("EXTNAME").unwrap_or_default().trim().to_owned(),
            rows,
            columns: Vec::new(),
            row_bytes,
            data: hdu.data,
            heap: hdu.data + heap,
            heap_bytes: all - heap,
            is_ascii,
        };
        let mut offset = 0;
        for index in 1..=fields {
            let mut column = column(header, number, index, is_ascii)?;
            if !is_ascii {
                column.offset = offset;
            }
            let end = column.offset.checked_add(column.width);
            let Some(end) = end.filter(|end| *end <= row_bytes) else {
                let message = format!("it ends after byte {row_bytes}, where rows do");
                return Err(wrong(number, &format!("TFORM{index}"), &message));
            };
            offset = end;
            table.columns.push(column);
        }
        Ok(table)
    }

    /// The place of a column with this name, in any case of letters.
    pub fn column(&self, name: &str) -> Option<usize> {
        let mut columns = self.columns.iter();
        columns.position(|column| column.name.eq_ignore_ascii_case(name))
    }
}

fn column(header: &Header, hdu: usize, index: u64, is_ascii: bool) -> Result<Column, FitsError> {
    let key = |name: &str| format!("{name}{index}");
    let text = |name: &str| header.text(&key(name)).map(|text| text.trim().to_owned());
    let tform = text("TFORM").ok_or_else(|| wrong(hdu, &key("TFORM"), "this must be a string"))?;
    let unknown = || {
        wrong(
            hdu,
            &key("TFORM"),
            &format!("`{tform}` is no form of a column"),
        )
    };
    let (form, offset, width) = if is_ascii {
        let letter = tform.chars().next().unwrap_or(' ');
        let digits = tform.get(1..).unwrap_or_default();
        let width = digits
            .split('.')
            .next()
            .and_then(|text| text.parse::<u64>().ok());
        let width = width.ok_or_else(unknown)?;
        let kind = match letter {
            'A' => Type::Character,
            'I' => Type::Long,
            'F' | 'E' | 'D' => Type::Double,
            _ => return Err(unknown()),
        };
        let start = header.count(hdu, &key("TBCOL"))?;
        let start = start.checked_sub(1);
        let start = start.ok_or_else(|| wrong(hdu, &key("TBCOL"), "the first byte is 1"))?;
        (
            Form::new(if letter == 'A' { width } else { 1 }, kind),
            start,
            width,
        )
    } else {
        let form = Form::parse(&tform).ok_or_else(unknown)?;
        (form, 0, form.bytes().ok_or_else(unknown)?)
    };
    let dims = text("TDIM").unwrap_or_default();
    let dims = dims
        .trim_start_matches('(')
        .trim_end_matches(')')
        .split(',');
    let dims: Option<Vec<u64>> = dims.map(|text| text.trim().parse().ok()).collect();
    // What does not fit the cells says nothing of them.
    let dims = dims.filter(|dims| {
        let product = dims
            .iter()
            .try_fold(1_u64, |all, one| all.checked_mul(*one));
        form.place != Place::Row || product.is_some_and(|all| all <= form.repeat)
    });
    let scale = header.real(&key("TSCAL")).unwrap_or(1.0);
    Ok(Column {
        name: text("TTYPE")
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| key("COL")),
        form,
        unit: text("TUNIT").filter(|unit| !unit.is_empty()),
        null: header.integer(&key("TNULL")),
        // By nothing nothing can be scaled.
        scale: if scale == 0.0 { 1.0 } else { scale },
        zero: header.real(&key("TZERO")).unwrap_or(0.0),
        dims: dims.unwrap_or_default(),
        display: text("TDISP"),
        offset,
        width,
    })
}
