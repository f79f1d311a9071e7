//! VOTables: whatever comes, nothing panics or goes beyond the limits, and what was read is read again as the same
//! once it was written.
#![no_main]

use jansky_votable::{
    Batch, Column, Data, Limits, Part, Reader, Resource, Serialization, Table, Version, Votable,
    Writer,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let limits = Limits {
        depth: 16,
        tag_bytes: 4096,
        metadata_bytes: 256 << 10,
        fields: 100,
        row_bytes: 64 << 10,
        batch_rows: 16,
        batch_bytes: 256 << 10,
    };
    for (table, batches) in tables(data, limits) {
        for serialization in [Serialization::TableData, Serialization::Binary2] {
            let Some(document) = document(&table, &batches, serialization) else {
                continue;
            };
            let again = tables(&document, Limits::default());
            let [(head, rows)] = &again[..] else {
                panic!("it was written and cannot be read: {}", shown(&document));
            };
            assert_eq!(head.fields, table.fields);
            let is_text = serialization == Serialization::TableData;
            assert_eq!(cells(rows, is_text), cells(&batches, is_text), "{}", shown(&document));
        }
    }
});

/// Tables as far as they could be read.
fn tables(data: &[u8], limits: Limits) -> Vec<(Table, Vec<Batch>)> {
    let mut reader = Reader::new(data, limits);
    let mut tables: Vec<(Table, Vec<Batch>)> = Vec::new();
    while let Ok(Some(part)) = reader.read() {
        match part {
            Part::Table(table) => tables.push((*table, Vec::new())),
            Part::Rows(batch) => {
                assert!(batch.rows() > 0 && batch.rows() <= limits.batch_rows);
                tables.last_mut().expect("a table began").1.push(batch);
            }
        }
    }
    tables
}

/// The table with all rows that can be written.
fn document(table: &Table, batches: &[Batch], serialization: Serialization) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut writer = Writer::new(Version::V1_4, serialization);
    writer.begin(&Votable::default(), &mut out).ok()?;
    writer.begin_resource(&Resource::default(), &mut out).ok()?;
    let head = Table {
        fields: table.fields.clone(),
        ..Table::default()
    };
    writer.begin_table(&head, &mut out).ok()?;
    for batch in batches {
        writer.rows(batch, &mut out).ok()?;
    }
    writer.end(&[], &mut out).expect("it has begun");
    Some(out)
}

/// All cells, field by field. In TABLEDATA what is empty is nothing.
fn cells(batches: &[Batch], is_text: bool) -> Vec<String> {
    let columns = batches.first().map_or(0, |batch| batch.columns().len());
    let column = |index: usize| {
        let columns = batches.iter().map(|batch| &batch.columns()[index]);
        columns.flat_map(|column| (0..column.len()).map(move |row| cell(column, row, is_text))).collect()
    };
    (0..columns).map(column).collect()
}

fn cell(column: &Column, row: usize, is_text: bool) -> String {
    let Some(range) = column.cell(row).filter(|range| !is_text || !range.is_empty()) else {
        return "nothing;".to_owned();
    };
    let values = match column.data() {
        Data::Boolean(values) => format!("{:?}", &values[range]),
        Data::Bit(values) => format!("{:?}", &values[range]),
        Data::UnsignedByte(values) => format!("{:?}", &values[range]),
        Data::Short(values) => format!("{:?}", &values[range]),
        Data::Int(values) => format!("{:?}", &values[range]),
        Data::Long(values) => format!("{:?}", &values[range]),
        Data::Float(values) => format!("{:?}", &values[range]),
        Data::Double(values) => format!("{:?}", &values[range]),
        Data::FloatComplex(values) => format!("{:?}", &values[range]),
        Data::DoubleComplex(values) => format!("{:?}", &values[range]),
        Data::Text(values) => {
            let texts: Vec<&str> = range.map(|index| values.get(index)).collect();
            if is_text && texts.iter().all(|text| text.is_empty()) {
                return "nothing;".to_owned();
            }
            format!("{texts:?}")
        }
    };
    values + ";"
}

fn shown(document: &[u8]) -> String {
    String::from_utf8_lossy(document).into_owned()
}
