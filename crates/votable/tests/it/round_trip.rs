//! What is written is read again as the same.

use jansky_votable::{Batch, Column, Data, Datatype, Field, Serialization, Strings};

use crate::every_type;
use crate::support::{document, read};

/// The same cells: what stands where there is no value may differ, and it may be any of the numbers that are not one.
pub(crate) fn same_cells(left: &Column, right: &Column) -> bool {
    left.len() == right.len()
        && (0..left.len()).all(|row| match (left.cell(row), right.cell(row)) {
            (None, None) => true,
            (Some(a), Some(b)) => values(left, a) == values(right, b),
            _ => false,
        })
}

fn values(column: &Column, range: std::ops::Range<usize>) -> String {
    match column.data() {
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
            format!(
                "{:?}",
                range.map(|index| values.get(index)).collect::<Vec<_>>()
            )
        }
    }
}

pub(crate) fn assert_same(fields: &[Field], expected: &[Column], found: &[Column]) {
    assert_eq!(expected.len(), found.len());
    for ((field, expected), found) in fields.iter().zip(expected).zip(found) {
        assert!(
            same_cells(expected, found),
            "`{}`: {expected:?}\nbecame {found:?}",
            field.name
        );
    }
}

#[test]
fn every_type_in_every_shape_comes_back_with_and_without_values() {
    let (fields, batch) = every_type::table();

    for serialization in [Serialization::TableData, Serialization::Binary2] {
        let document = document(serialization, &fields, &batch).expect("it can be written");
        let read = read(document.as_bytes()).expect("it can be read");

        assert_eq!(read.tables[0].fields, fields);
        assert_same(&fields, batch.columns(), read.columns());
    }
}

#[test]
fn what_stands_for_nothing_in_tabledata_is_told_apart_in_binary2() {
    let text = Column::new(Data::Text(Strings::from_iter(["", "x"])));
    let array = Column::of_arrays(Data::Int(vec![1]), vec![0, 0, 1]).expect("offsets");
    let fields = [
        Field::new(
            "text",
            Datatype::Char,
            jansky_votable::ArraySize::parse("*"),
        ),
        Field::new(
            "array",
            Datatype::Int,
            jansky_votable::ArraySize::parse("*"),
        ),
    ];
    let batch = Batch::new(vec![text, array]).expect("two rows");

    for (serialization, is_valid) in [
        (Serialization::TableData, false),
        (Serialization::Binary2, true),
    ] {
        let document = document(serialization, &fields, &batch).expect("it can be written");
        let read = read(document.as_bytes()).expect("it can be read");

        for column in read.columns() {
            assert_eq!(column.is_valid(0), is_valid, "{serialization:?}");
            assert!(column.is_valid(1));
        }
    }
}

#[test]
fn numbers_that_are_none_are_values() {
    let column = Column::new(Data::Double(vec![f64::NAN, f64::INFINITY, -0.0]));
    let fields = [Field::new("x", Datatype::Double, None)];
    let batch = Batch::new(vec![column.clone()]).expect("three rows");

    for serialization in [Serialization::TableData, Serialization::Binary2] {
        let document = document(serialization, &fields, &batch).expect("it can be written");
        let read = read(document.as_bytes()).expect("it can be read");

        assert!(same_cells(read.column(), &column));
    }
}

#[test]
fn characters_that_take_two_units_of_utf_16_come_back() {
    let column = Column::new(Data::Text(Strings::from_iter(["𝄞", "a𝄞b", ""])));
    for size in ["*", "4", "4*"] {
        let size = jansky_votable::ArraySize::parse(size);
        let fields = [Field::new("x", Datatype::UnicodeChar, size)];
        let batch = Batch::new(vec![column.clone()]).expect("three rows");

        let document = document(Serialization::Binary2, &fields, &batch).expect("it fits");
        let read = read(document.as_bytes()).expect("it can be read");

        assert!(same_cells(read.column(), &column));
    }
}

#[test]
fn the_ends_of_all_integers_come_back() {
    for (datatype, data) in [
        (
            Datatype::UnsignedByte,
            Data::UnsignedByte(vec![u8::MIN, u8::MAX]),
        ),
        (Datatype::Short, Data::Short(vec![i16::MIN, i16::MAX])),
        (Datatype::Int, Data::Int(vec![i32::MIN, i32::MAX])),
        (Datatype::Long, Data::Long(vec![i64::MIN, i64::MAX])),
    ] {
        let fields = [Field::new("x", datatype, None)];
        let batch = Batch::new(vec![Column::new(data)]).expect("two rows");
        for serialization in [Serialization::TableData, Serialization::Binary2] {
            let document = document(serialization, &fields, &batch).expect("it fits");
            let read = read(document.as_bytes()).expect("it can be read");

            assert_same(&fields, batch.columns(), read.columns());
        }
    }
}
