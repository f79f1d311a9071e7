//! A table that has every datatype in every shape, with and without values.

use jansky_votable::{ArraySize, Batch, Column, Data, Datatype, Field, Logical, Strings, Values};

/// Cells with their values, or none.
type Cells<T> = [Option<Vec<T>>];

fn arrays<T: Clone>(cells: &Cells<T>, make: impl Fn(Vec<T>) -> Data) -> Column {
    let mut offsets = vec![0];
    let mut values = Vec::new();
    for cell in cells {
        values.extend(cell.iter().flatten().cloned());
        offsets.push(values.len());
    }
    let column = Column::of_arrays(make(values), offsets).expect("they rise");
    valid(column, cells.iter().map(Option::is_some).collect())
}

fn scalars<T: Clone>(cells: &[Option<T>], nothing: &T, make: impl Fn(Vec<T>) -> Data) -> Column {
    let values = cells
        .iter()
        .map(|cell| cell.clone().unwrap_or_else(|| nothing.clone()));
    let column = Column::new(make(values.collect()));
    valid(column, cells.iter().map(Option::is_some).collect())
}

fn valid(column: Column, validity: Vec<bool>) -> Column {
    if validity.iter().all(|valid| *valid) {
        return column;
    }
    column.with_validity(validity).expect("as many as cells")
}

fn strings(texts: Vec<&'static str>) -> Data {
    Data::Text(texts.into_iter().collect::<Strings>())
}

/// The columns of a datatype: one value, then arrays of 2, of up to 3, of any number, and of pairs.
fn of_type<T: Clone>(
    datatype: Datatype,
    nothing: &T,
    values: [T; 3],
    make: impl Fn(Vec<T>) -> Data,
) -> Vec<(Field, Column)> {
    let [a, b, c] = values;
    let some = |all: &[&T]| Some(all.iter().map(|one| (*one).clone()).collect::<Vec<T>>());
    let field = |size: Option<&str>| {
        let name = format!("{}_{}", datatype.as_str(), size.unwrap_or("one"));
        let name = name.replace('*', "n");
        Field::new(
            name,
            datatype,
            size.map(|size| ArraySize::parse(size).expect("a size")),
        )
    };
    let one = [Some(a.clone()), None, Some(b.clone()), Some(c.clone())];
    vec![
        (field(None), scalars(&one, nothing, &make)),
        (
            field(Some("2")),
            arrays(
                &[some(&[&a, &b]), None, some(&[&b, &c]), some(&[&c, &a])],
                &make,
            ),
        ),
        (
            field(Some("3*")),
            arrays(
                &[some(&[&a]), None, some(&[&b, &a, &c]), some(&[&a, &b])],
                &make,
            ),
        ),
        (
            field(Some("*")),
            arrays(
                &[
                    some(&[&c, &c, &a, &b, &a, &a, &b, &c, &b]),
                    None,
                    some(&[&b]),
                    some(&[&a]),
                ],
                &make,
            ),
        ),
        (
            field(Some("2x*")),
            arrays(
                &[
                    some(&[&a, &b]),
                    None,
                    some(&[&b, &c, &a, &b]),
                    some(&[&c, &a]),
                ],
                &make,
            ),
        ),
    ]
}

/// Strings, which are arrays of characters.
fn texts(datatype: Datatype, special: &'static str) -> Vec<(Field, Column)> {
    let field = |size: Option<&str>| {
        let name = format!("{}_{}", datatype.as_str(), size.unwrap_or("one"));
        let name = name.replace('*', "n");
        Field::new(
            name,
            datatype,
            size.map(|size| ArraySize::parse(size).expect("a size")),
        )
    };
    let one = [Some("x"), None, Some("&"), Some("'")];
    let several = [
        Some("a<b>&\"c\"'"),
        None,
        Some(" two  blanks "),
        Some(special),
    ];
    let all = |cells: &[Option<&'static str>]| scalars(cells, &"", strings);
    vec![
        (field(None), all(&one)),
        (field(Some("14")), all(&several)),
        (field(Some("20*")), all(&several)),
        (field(Some("*")), all(&several)),
        (
            field(Some("5x2")),
            arrays(
                &[
                    Some(vec!["abc", "12345"]),
                    None,
                    Some(vec!["<&>", ""]),
                    Some(vec!["", " x"]),
                ],
                strings,
            ),
        ),
        (
            field(Some("5x*")),
            arrays(
                &[
                    Some(vec!["abc"]),
                    None,
                    Some(vec!["", "<&>", "b"]),
                    Some(vec!["xyz", "12345"]),
                ],
                strings,
            ),
        ),
    ]
}

/// Those whose fields are chosen, three rows or four: in the second of four none has a value.
pub(crate) fn chosen(has_nulls: bool, is_chosen: impl Fn(&Field) -> bool) -> (Vec<Field>, Batch) {
    let (fields, batch) = table();
    let all = fields.into_iter().zip(batch.columns());
    let (fields, columns) = all
        .filter(|(field, _)| is_chosen(field))
        .map(|(field, column)| {
            let column = if has_nulls {
                column.clone()
            } else {
                without_second(column)
            };
            (field, column)
        })
        .unzip();
    (fields, Batch::new(columns).expect("as many rows each"))
}

/// The column without its second cell, which has no value.
fn without_second(column: &Column) -> Column {
    macro_rules! kept {
        ($values:expr, $make:expr) => {{
            let values = $values;
            match column.offsets() {
                Some(offsets) => {
                    let offsets = [&offsets[..1], &offsets[2..]].concat();
                    Column::of_arrays($make(values.to_vec()), offsets).expect("they rise")
                }
                None => Column::new($make([&values[..1], &values[2..]].concat())),
            }
        }};
    }
    match column.data() {
        Data::Boolean(values) => kept!(values, Data::Boolean),
        Data::Bit(values) => kept!(values, Data::Bit),
        Data::UnsignedByte(values) => kept!(values, Data::UnsignedByte),
        Data::Short(values) => kept!(values, Data::Short),
        Data::Int(values) => kept!(values, Data::Int),
        Data::Long(values) => kept!(values, Data::Long),
        Data::Float(values) => kept!(values, Data::Float),
        Data::Double(values) => kept!(values, Data::Double),
        Data::FloatComplex(values) => kept!(values, Data::FloatComplex),
        Data::DoubleComplex(values) => kept!(values, Data::DoubleComplex),
        Data::Text(texts) => {
            let texts: Vec<&str> = (0..texts.len()).map(|index| texts.get(index)).collect();
            let make = |texts: Vec<&str>| Data::Text(texts.into_iter().collect::<Strings>());
            kept!(&texts, make)
        }
    }
}

/// All of them, four rows; the second one has no values at all.
pub(crate) fn table() -> (Vec<Field>, Batch) {
    let mut all = Vec::new();
    let truth = [Logical::True, Logical::False, Logical::True];
    all.extend(of_type(
        Datatype::Boolean,
        &Logical::Unknown,
        truth,
        Data::Boolean,
    ));
    all.extend(of_type(
        Datatype::Bit,
        &false,
        [true, false, true],
        Data::Bit,
    ));
    all.extend(of_type(
        Datatype::UnsignedByte,
        &0,
        [0, 254, 7],
        Data::UnsignedByte,
    ));
    all.extend(of_type(
        Datatype::Short,
        &0,
        [1 - i16::MAX, i16::MAX, -1],
        Data::Short,
    ));
    all.extend(of_type(
        Datatype::Int,
        &0,
        [1 - i32::MAX, i32::MAX, 0],
        Data::Int,
    ));
    all.extend(of_type(
        Datatype::Long,
        &0,
        [1 - i64::MAX, i64::MAX, 42],
        Data::Long,
    ));
    all.extend(of_type(
        Datatype::Float,
        &f32::NAN,
        [f32::MIN_POSITIVE, f32::MAX, -0.1],
        Data::Float,
    ));
    let doubles = [f64::MAX, 1.0 / 3.0, f64::NEG_INFINITY];
    all.extend(of_type(Datatype::Double, &f64::NAN, doubles, Data::Double));
    let complex = [[1.5, -2.5], [0.0, f32::INFINITY], [1e-30, 3e30]];
    all.extend(of_type(
        Datatype::FloatComplex,
        &[f32::NAN; 2],
        complex,
        Data::FloatComplex,
    ));
    let complex = [[1.5, -2.5], [0.0, 1e-300], [1e300, -0.0]];
    all.extend(of_type(
        Datatype::DoubleComplex,
        &[f64::NAN; 2],
        complex,
        Data::DoubleComplex,
    ));
    all.extend(texts(Datatype::Char, "tab\tline\nend\r"));
    all.extend(texts(Datatype::UnicodeChar, "Ærøskøbing Ω"));
    let (mut fields, mut columns): (Vec<Field>, Vec<Column>) = all.into_iter().unzip();

    // A value that stands for none, as BINARY needs it.
    let magic = Values {
        null: Some("-99".to_owned()),
        ..Values::default()
    };
    fields.push(Field {
        values: Some(magic),
        ..Field::new("magic", Datatype::Short, None)
    });
    let cells = [Some(-98), None, Some(99), Some(0)];
    columns.push(scalars(&cells, &0, Data::Short));
    (fields, Batch::new(columns).expect("four rows each"))
}
