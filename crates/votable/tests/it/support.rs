//! Documents written and read in one go.

use jansky_votable::{
    Batch, Column, Field, Info, Limits, Part, ReadError, Reader, Resource, Serialization, Table,
    Version, Votable, WriteError, Writer,
};

/// What was read of a document.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Read {
    pub(crate) tables: Vec<Table>,
    /// The batches of each table.
    pub(crate) batches: Vec<Vec<Batch>>,
    pub(crate) document: Votable,
}

impl Read {
    /// The columns of the first table, if its rows came at once.
    pub(crate) fn columns(&self) -> &[Column] {
        match &self.batches[0][..] {
            [batch] => batch.columns(),
            other => panic!("{} batches", other.len()),
        }
    }

    /// The first column of the first table.
    pub(crate) fn column(&self) -> &Column {
        &self.columns()[0]
    }
}

pub(crate) fn read(document: &[u8]) -> Result<Read, ReadError> {
    read_within(document, Limits::default())
}

pub(crate) fn read_within(document: &[u8], limits: Limits) -> Result<Read, ReadError> {
    let mut reader = Reader::new(document, limits);
    let mut read = Read::default();
    while let Some(part) = reader.read()? {
        match part {
            Part::Table(table) => {
                assert!(reader.resource().is_some());
                read.tables.push(*table);
                read.batches.push(Vec::new());
            }
            Part::Rows(batch) => read
                .batches
                .last_mut()
                .expect("rows of a table")
                .push(batch),
        }
    }
    read.document = reader.document().clone();
    Ok(read)
}

/// A table with these fields, one batch, and an `OK` before and nothing after it.
pub(crate) fn document(
    serialization: Serialization,
    fields: &[Field],
    batch: &Batch,
) -> Result<String, WriteError> {
    let mut out = Vec::new();
    let mut writer = begun(serialization, fields, &mut out);
    let written = writer.rows(batch, &mut out);
    writer.end(&[], &mut out).expect("there is a document");
    written?;
    Ok(String::from_utf8(out).expect("XML is text"))
}

/// A document up to the rows of its table.
pub(crate) fn begun(serialization: Serialization, fields: &[Field], out: &mut Vec<u8>) -> Writer {
    let mut writer = Writer::new(Version::V1_4, serialization);
    writer.begin(&Votable::default(), out).expect("a document");
    let resource = Resource {
        kind: Some("results".to_owned()),
        infos: vec![Info::new("QUERY_STATUS", "OK")],
        ..Resource::default()
    };
    writer.begin_resource(&resource, out).expect("a resource");
    let table = Table {
        fields: fields.to_vec(),
        ..Table::default()
    };
    writer.begin_table(&table, out).expect("a table");
    writer
}

/// A document with rows in TABLEDATA below fields that are written as they are.
pub(crate) fn tabledata(fields: &str, rows: &str) -> String {
    format!(
        "<VOTABLE version=\"1.4\"><RESOURCE><TABLE>{fields}\n<DATA><TABLEDATA>{rows}</TABLEDATA></DATA>\
         </TABLE></RESOURCE></VOTABLE>"
    )
}
