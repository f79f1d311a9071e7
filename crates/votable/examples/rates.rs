//! How fast tables are written and read, in MB of the document per second of processor time.
//!
//! The table is like those of archives: 38 columns, half of them text. The last line of the output is JSON;
//! `bench/run tables` shows it.

#![expect(clippy::print_stdout, reason = "it is what this program is for")]

use std::error::Error;

use jansky_votable::{
    ArraySize, Batch, Column, Data, Datatype, Field, Limits, Part, Reader, Resource, Serialization,
    Strings, Table, Version, Votable, Writer,
};

/// In each batch.
const ROWS: u16 = 1000;
const BATCHES: usize = 300;

fn main() -> Result<(), Box<dyn Error>> {
    let (fields, batch) = table()?;
    let mut figures = Vec::new();
    for (name, serialization) in [
        ("tabledata", Serialization::TableData),
        ("binary2", Serialization::Binary2),
    ] {
        // Twice, the first time for the memory.
        let mut document = Vec::new();
        let mut seconds = 0.0;
        for _ in 0..2 {
            document.clear();
            let began = cpu_seconds()?;
            write(serialization, &fields, &batch, &mut document)?;
            seconds = cpu_seconds()? - began;
        }
        let megabytes = f64::from(u32::try_from(document.len())?) / 1e6;
        figures.push(format!("\"{name} written\": {:.0}", megabytes / seconds));

        let began = cpu_seconds()?;
        let rows = read(&document)?;
        let seconds = cpu_seconds()? - began;
        assert_eq!(rows, usize::from(ROWS) * BATCHES);
        figures.push(format!("\"{name} read\": {:.0}", megabytes / seconds));
    }
    println!("{{{}}}", figures.join(", "));
    Ok(())
}

fn read(document: &[u8]) -> Result<usize, Box<dyn Error>> {
    let mut reader = Reader::new(document, Limits::default());
    let mut rows = 0;
    while let Some(part) = reader.read()? {
        if let Part::Rows(batch) = part {
            rows += batch.rows();
        }
    }
    Ok(rows)
}

fn write(
    serialization: Serialization,
    fields: &[Field],
    batch: &Batch,
    out: &mut Vec<u8>,
) -> Result<(), jansky_votable::WriteError> {
    let mut writer = Writer::new(Version::V1_4, serialization);
    writer.begin(&Votable::default(), out)?;
    writer.begin_resource(&Resource::default(), out)?;
    let table = Table {
        fields: fields.to_vec(),
        ..Table::default()
    };
    writer.begin_table(&table, out)?;
    for _ in 0..BATCHES {
        writer.rows(batch, out)?;
    }
    writer.end(&[], out)
}

/// Of this thread.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split(' ').next().unwrap_or_default();
    Ok(nanoseconds.parse::<f64>()? / 1e9)
}

fn table() -> Result<(Vec<Field>, Batch), Box<dyn Error>> {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    let text = Some(ArraySize::ANY);
    for number in 0..38_u8 {
        let (datatype, size, data) = match number % 8 {
            0 | 4 => {
                let texts = (0..ROWS).map(|row| {
                    let minutes = u32::from(row) * 7919;
                    format!("ivo://example/~?EM085_{row}_{number}_1_J0{minutes}+05")
                });
                (
                    Datatype::Char,
                    text.clone(),
                    Data::Text(texts.collect::<Strings>()),
                )
            }
            1 | 2 => {
                let values = (0..ROWS)
                    .map(|row| (f64::from(row) + 0.37) * 0.123_456_789 + f64::from(number));
                (Datatype::Double, None, Data::Double(values.collect()))
            }
            3 => {
                let values = (0..ROWS).map(|row| f32::from(row) / 7.0);
                (Datatype::Float, None, Data::Float(values.collect()))
            }
            5 => {
                let values = (0..ROWS).map(|row| i32::from(row) * 31);
                (Datatype::Int, None, Data::Int(values.collect()))
            }
            6 => {
                let texts = (0..ROWS).map(|row| if row % 3 == 0 { "visibility" } else { "EVN" });
                (
                    Datatype::Char,
                    text.clone(),
                    Data::Text(texts.collect::<Strings>()),
                )
            }
            _ => {
                let values = (0..ROWS).map(|row| i64::from(row) * 1_000_003);
                (Datatype::Long, None, Data::Long(values.collect()))
            }
        };
        fields.push(Field::new(format!("column_{number}"), datatype, size));
        columns.push(Column::new(data));
    }
    Ok((fields, Batch::new(columns)?))
}
