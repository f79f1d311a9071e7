//! Tables that are written and read.

use std::io::Cursor;

use jansky_fits::{Cells, Data, Fits, FitsWriter, Form, NewColumn, Place, Type};

/// Every type: a value, an array, and an array in the heap, two rows each.
pub(crate) fn every_type() -> Vec<(NewColumn, Cells)> {
    let logical = [Some(true), Some(false), None, Some(true)];
    let all = [
        (Type::Logical, Data::Logical(logical.to_vec())),
        (Type::Bit, Data::Bit(vec![true, false, true, true])),
        (Type::Byte, Data::Byte(vec![0, 255, 7, 8])),
        (Type::Short, Data::Short(vec![i16::MIN, i16::MAX, 0, -1])),
        (Type::Int, Data::Int(vec![i32::MIN, i32::MAX, 0, -1])),
        (Type::Long, Data::Long(vec![i64::MIN, i64::MAX, 0, -1])),
        (
            Type::Float,
            Data::Float(vec![0.1, -1e30, f32::INFINITY, 0.0]),
        ),
        (Type::Double, Data::Double(vec![0.1, -1e300, 0.0, 1.0])),
        (
            Type::FloatComplex,
            Data::FloatComplex(vec![[0.1, 1.0], [2.0, -3.0], [0.0, 0.0], [5.5, 6.0]]),
        ),
        (
            Type::DoubleComplex,
            Data::DoubleComplex(vec![[0.1, 1.0], [2.0, -3.0], [0.0, 0.0], [5.5, 6.0]]),
        ),
    ];
    let mut columns = Vec::new();
    for (kind, data) in all {
        let name = |what: &str| format!("{}_{what}", kind.letter());
        let cells = Cells::of_arrays(data.clone(), 2);
        columns.push((NewColumn::new(&name("pair"), Form::new(2, kind)), cells));
        for (what, place) in [("p", Place::Heap32), ("q", Place::Heap64)] {
            let cells = Cells {
                data: data.clone(),
                offsets: vec![0, 1, 4],
                valid: None,
            };
            let form = Form {
                repeat: 1,
                kind,
                place,
            };
            columns.push((NewColumn::new(&name(what), form), cells));
        }
    }
    let texts = Data::Text(vec!["J0006-0623".to_owned(), "x y".to_owned()]);
    let column = NewColumn::new("A", Form::new(12, Type::Character)).with_unit("none");
    columns.push((column, Cells::of_values(texts)));
    let mut magic = NewColumn::new("magic", Form::new(1, Type::Short));
    magic.null = Some(-99);
    let mut cells = Cells::of_values(Data::Short(vec![5, -99]));
    cells.valid = Some(vec![true, false]);
    columns.push((magic, cells));
    let mut image = NewColumn::new("image", Form::new(6, Type::Int));
    image.dims = vec![3, 2];
    let pixels = Data::Int((0..12).collect());
    columns.push((image, Cells::of_arrays(pixels, 6)));
    columns
}

pub(crate) fn written(columns: &[(NewColumn, Cells)]) -> Vec<u8> {
    let mut writer = FitsWriter::new(Cursor::new(Vec::new()), &[]).expect("memory takes all");
    let (columns, cells): (Vec<_>, Vec<_>) = columns.iter().cloned().unzip();
    writer.begin_table("TEST", &columns, &[]).expect("a table");
    writer.rows(&cells).expect("they fit");
    writer.finish().expect("memory takes all").into_inner()
}

#[test]
fn every_type_comes_back() {
    let columns = every_type();
    let mut fits = Fits::open(Cursor::new(written(&columns))).expect("a file");
    let table = fits.table(1).expect("a table");
    assert_eq!((table.name.as_str(), table.rows), ("TEST", 2));

    for (column, expected) in &columns {
        let place = table.column(&column.name).expect("it is there");
        let found = fits.read(&table, &[place], 0..2).expect("it can be read");

        assert_eq!(found[0].data, expected.data, "{}", column.name);
        assert_eq!(found[0].offsets, expected.offsets, "{}", column.name);
        assert_eq!(found[0].valid, expected.valid, "{}", column.name);
    }
    assert_eq!(
        table.columns[table.column("image").expect("it is there")].dims,
        [3, 2]
    );
    assert_eq!(
        table.columns[table.column("A").expect("it is there")]
            .unit
            .as_deref(),
        Some("none")
    );
}

#[test]
fn some_rows_of_some_columns_are_read_in_the_order_that_is_asked_for() {
    let columns = every_type();
    let mut fits = Fits::open(Cursor::new(written(&columns))).expect("a file");
    let table = fits.table(1).expect("a table");
    let places = ["A", "J_p"].map(|name| table.column(name).expect("it is there"));

    let found = fits.read(&table, &places, 1..2).expect("they can be read");

    assert_eq!(found[0].texts(), ["x y"]);
    assert_eq!(found[1].data, Data::Int(vec![i32::MAX, 0, -1]));
}

#[test]
fn what_does_not_fit_is_refused_with_its_row() {
    let of = |column: NewColumn, cells: Cells| {
        let mut writer = FitsWriter::new(Cursor::new(Vec::new()), &[]).expect("memory takes all");
        writer.begin_table("T", &[column], &[]).expect("a table");
        writer
            .rows(&[cells])
            .expect_err("it does not fit")
            .to_string()
    };
    let text = |text: &str| Cells::of_values(Data::Text(vec![text.to_owned()]));
    let column = |repeat, kind| NewColumn::new("x", Form::new(repeat, kind));

    assert_eq!(
        of(column(2, Type::Character), text("abc")),
        "table T, column `x`: row 1: a string of 3 bytes, which may have 2"
    );
    assert_eq!(
        of(column(9, Type::Character), text("Ærø")),
        "table T, column `x`: row 1: \"Ærø\" is not ASCII, which FITS needs"
    );
    assert_eq!(
        of(
            column(3, Type::Int),
            Cells::of_arrays(Data::Int(vec![1, 2]), 2)
        ),
        "table T, column `x`: row 1: 2 values, which must be 3"
    );
    assert_eq!(
        of(column(1, Type::Int), Cells::of_values(Data::Short(vec![1]))),
        "table T, column `x`: row 1: these are no values of the form 1J"
    );
    let mut nothing = Cells::of_values(Data::Int(vec![0]));
    nothing.valid = Some(vec![false]);
    assert_eq!(
        of(column(1, Type::Int), nothing),
        "table T, column `x`: row 1: there is no value, and no number that stands for none (TNULL)"
    );
}
