//! A document as it goes out: its head, rows in batches, and what is known only after them.

mod binary2;
mod elements;
mod tabledata;
mod xml;

use thiserror::Error;

use crate::column::{Batch, Column};
use crate::datatype::{Datatype, Elements, Length, Shape};
use crate::model::{Field, Info, Resource, Table, Votable};
use crate::null::Null;
use binary2::Binary2;

const NAMESPACE: &str = "http://www.ivoa.net/xml/VOTable/v1.3";

/// The version that a document says to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// Of 2019, which all clients know.
    #[default]
    V1_4,
    /// Of 2025: `refposition` of COOSYS is new.
    V1_5,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serialization {
    /// As elements. An empty string or array cannot be told from no value here, nor can a string hold characters that
    /// XML does not have.
    TableData,
    /// As bytes, in base64.
    Binary2,
}

/// Why something cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// A value does not fit its field.
    #[error("row {row}, field `{field}`: {message}")]
    Value {
        /// The row of the table, counted from 1.
        row: u64,
        /// The name of the field.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// A column of a batch is not what the field says.
    #[error("the column for the field `{field}` {message}")]
    Column {
        /// The name of the field.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// A batch has more or fewer columns than the table has fields.
    #[error("{found} columns for {expected} fields")]
    Columns {
        /// How many fields there are.
        expected: usize,
        /// How many columns there are.
        found: usize,
    },
    /// A field says what cannot be written.
    #[error("the field `{field}` {message}")]
    Field {
        /// Its name.
        field: String,
        /// What is wrong with it.
        message: String,
    },
    /// A character stands in a text beside the rows that XML does not have.
    #[error("XML cannot have the character U+{:04X}, which is in <{element}>", *character as u32)]
    Character {
        /// The element that it is in, or one around it.
        element: &'static str,
        /// The character.
        character: char,
    },
    /// Something comes before or after its time.
    #[error("{0}")]
    Order(&'static str),
}

/// What is known of a field while its cells are written.
struct Plan {
    name: String,
    shape: Shape,
    /// The value that stands for none.
    null: Option<Null>,
}

/// Writes one document, by adding to a buffer that the caller has. After an error the buffer has whole rows and
/// elements alone, so the document can still be ended with what went wrong.
pub struct Writer {
    version: Version,
    serialization: Serialization,
    state: State,
    resources: usize,
}

enum State {
    Beginning,
    Between,
    Rows(Rows),
    End,
}

struct Rows {
    plans: Vec<Plan>,
    row: u64,
    binary: Option<Binary2>,
}

impl Writer {
    /// A writer of one document.
    pub fn new(version: Version, serialization: Serialization) -> Self {
        Self {
            version,
            serialization,
            state: State::Beginning,
            resources: 0,
        }
    }

    /// Begins the document. Its resources are begun one by one.
    pub fn begin(&mut self, document: &Votable, out: &mut Vec<u8>) -> Result<(), WriteError> {
        if !matches!(self.state, State::Beginning) {
            return Err(WriteError::Order("the document has begun"));
        }
        let version = match self.version {
            Version::V1_4 => "1.4",
            Version::V1_5 => "1.5",
        };
        let head = Votable {
            version: Some(version.to_owned()),
            id: document.id.clone(),
            ..Votable::default()
        };
        whole("VOTABLE", out, |out| {
            out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
            xml::open(out, "VOTABLE", &head)?;
            out.extend_from_slice(format!(" xmlns=\"{NAMESPACE}\">\n").as_bytes());
            elements::document(out, document)
        })?;
        self.state = State::Between;
        Ok(())
    }

    /// Begins a resource. Its tables and the resources in it are begun one by one.
    pub fn begin_resource(
        &mut self,
        resource: &Resource,
        out: &mut Vec<u8>,
    ) -> Result<(), WriteError> {
        if !matches!(self.state, State::Between) {
            return Err(WriteError::Order(
                "a resource is in the document or in another one",
            ));
        }
        whole("RESOURCE", out, |out| elements::resource(out, resource))?;
        self.resources += 1;
        Ok(())
    }

    /// Begins a table in the resource that was begun last.
    pub fn begin_table(&mut self, table: &Table, out: &mut Vec<u8>) -> Result<(), WriteError> {
        if !matches!(self.state, State::Between) || self.resources == 0 {
            return Err(WriteError::Order("a table is in a resource"));
        }
        let plans: Vec<Plan> = table.fields.iter().map(plan).collect::<Result<_, _>>()?;
        whole("TABLE", out, |out| {
            elements::table(out, table)?;
            out.extend_from_slice(match self.serialization {
                Serialization::TableData => b"<DATA>\n<TABLEDATA>\n".as_slice(),
                Serialization::Binary2 => b"<DATA>\n<BINARY2>\n<STREAM encoding=\"base64\">\n",
            });
            Ok(())
        })?;
        let binary = (self.serialization == Serialization::Binary2).then(Binary2::default);
        self.state = State::Rows(Rows {
            plans,
            row: 0,
            binary,
        });
        Ok(())
    }

    /// Adds rows to the table that was begun. Of a batch with a value that does not fit, the rows before it are added.
    pub fn rows(&mut self, batch: &Batch, out: &mut Vec<u8>) -> Result<(), WriteError> {
        let State::Rows(rows) = &mut self.state else {
            return Err(WriteError::Order("rows are in a table"));
        };
        let columns = batch.columns();
        if columns.len() != rows.plans.len() {
            return Err(WriteError::Columns {
                expected: rows.plans.len(),
                found: columns.len(),
            });
        }
        for (plan, column) in rows.plans.iter().zip(columns) {
            fits(plan, column)?;
        }
        let (written, result) = match &mut rows.binary {
            None => tabledata::write(&rows.plans, batch, out),
            Some(binary) => binary.write(&rows.plans, batch, out),
        };
        let row = rows.row + written as u64 + 1;
        rows.row += written as u64;
        result.map_err(|(index, message)| WriteError::Value {
            row,
            field: rows.plans[index].name.clone(),
            message,
        })
    }

    /// Ends the table that was begun, if there is one.
    pub fn end_table(&mut self, out: &mut Vec<u8>) {
        let State::Rows(rows) = &mut self.state else {
            return;
        };
        match &mut rows.binary {
            None => out.extend_from_slice(b"</TABLEDATA>\n</DATA>\n</TABLE>\n"),
            Some(binary) => {
                binary.end(out);
                out.extend_from_slice(b"</STREAM>\n</BINARY2>\n</DATA>\n</TABLE>\n");
            }
        }
        self.state = State::Between;
    }

    /// Ends the resource that was begun last, with what is known only now.
    pub fn end_resource(&mut self, infos: &[Info], out: &mut Vec<u8>) -> Result<(), WriteError> {
        self.end_table(out);
        if self.resources == 0 {
            return Err(WriteError::Order("there is no resource to end"));
        }
        whole("INFO", out, |out| elements::infos(out, infos))?;
        xml::close(out, "RESOURCE");
        self.resources -= 1;
        Ok(())
    }

    /// Ends the document and all that is open in it. The notes are put into the resource that is open, as DALI wants
    /// `QUERY_STATUS`, or into the document if none is.
    pub fn end(&mut self, infos: &[Info], out: &mut Vec<u8>) -> Result<(), WriteError> {
        if matches!(self.state, State::Beginning | State::End) {
            return Err(WriteError::Order("there is no document to end"));
        }
        let mut infos = infos;
        while self.resources > 0 {
            self.end_resource(infos, out)?;
            infos = &[];
        }
        whole("INFO", out, |out| elements::infos(out, infos))?;
        xml::close(out, "VOTABLE");
        self.state = State::End;
        Ok(())
    }
}

/// Adds all of something, or nothing.
fn whole(
    element: &'static str,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), xml::Unwritable>,
) -> Result<(), WriteError> {
    let before = out.len();
    write(out).map_err(|xml::Unwritable(character)| {
        out.truncate(before);
        WriteError::Character { element, character }
    })
}

fn plan(field: &Field) -> Result<Plan, WriteError> {
    let wrong = |message: &str| WriteError::Field {
        field: field.name.clone(),
        message: message.to_owned(),
    };
    let shape = field.shape();
    if field.name.is_empty() {
        return Err(wrong("has no name"));
    }
    if shape.array.is_some()
        && matches!(
            shape.text,
            Some(Length::Fixed(0) | Length::AtMost(_) | Length::Any)
        )
    {
        return Err(wrong(
            "is an array of strings, whose length `arraysize` must say",
        ));
    }
    if shape.array.is_some_and(|array| array.multiple_of == 0) || shape.fixed_bytes() == Some(0) {
        return Err(wrong("has a size of 0"));
    }
    Ok(Plan {
        name: field.name.clone(),
        shape,
        null: Null::of(field, shape),
    })
}

/// Whether the cells of a column can be those of a field; their values are looked at one by one.
fn fits(plan: &Plan, column: &Column) -> Result<(), WriteError> {
    let wrong = |message: String| WriteError::Column {
        field: plan.name.clone(),
        message,
    };
    if !column.data().is_of(plan.shape.datatype) {
        let datatype = plan.shape.datatype.as_str();
        return Err(wrong(format!("has no values of the datatype {datatype}")));
    }
    match (plan.shape.array, column.offsets()) {
        (Some(_), None) => Err(wrong("has no arrays".to_owned())),
        (None, Some(_)) => Err(wrong("has arrays".to_owned())),
        _ => Ok(()),
    }
}

/// Refuses an array with a number of values that its field does not allow.
#[inline]
fn check_count(array: Option<Elements>, count: usize) -> Result<(), String> {
    match array {
        Some(array) if !array.allows(count) => Err(wrong_count(array, count)),
        _ => Ok(()),
    }
}

#[cold]
fn wrong_count(array: Elements, count: usize) -> String {
    let size = match array.count {
        Length::Fixed(all) => format!("{all}"),
        Length::AtMost(most) => format!("at most {most}"),
        Length::Any => "any number".to_owned(),
    };
    let times = match array.multiple_of {
        0 | 1 => String::new(),
        factor => format!(", and a multiple of {factor}"),
    };
    format!("{count} values, which must be {size}{times}")
}

/// Refuses a value that would be read as none.
#[inline]
fn check_null(plan: &Plan, column: &Column, row: usize) -> Result<(), String> {
    match &plan.null {
        Some(null) if null.is(column.data(), row) => {
            Err("the value is the one that stands for none (VALUES null)".to_owned())
        }
        _ => Ok(()),
    }
}

/// Refuses a string that its field does not allow; says how many units it takes.
#[inline]
fn check_text(shape: Shape, text: &str) -> Result<usize, String> {
    let units = match shape.datatype {
        Datatype::Char if text.is_ascii() => text.len(),
        Datatype::Char => return Err(not_ascii(text)),
        _ => text.encode_utf16().count(),
    };
    match shape.text {
        Some(Length::Fixed(most) | Length::AtMost(most)) if units > most => {
            Err(format!("a string of length {units}, which may have {most}"))
        }
        _ => Ok(units),
    }
}

#[cold]
fn not_ascii(text: &str) -> String {
    let other = text.chars().find(|one| !one.is_ascii()).unwrap_or_default();
    format!("{other:?} is not ASCII, which `char` must be; make it `unicodeChar`")
}
