//! What STILTS and astropy say to our documents, and what we read of theirs.

use std::path::{Path, PathBuf};
use std::process::Command;

use jansky_votable::{
    Batch, Column, Data, Datatype, Field, Length, Logical, Serialization, Strings, Version,
};
use tempfile::TempDir;

use crate::every_type;
use crate::round_trip::assert_same;
use crate::support::{Read, document, read};
use crate::writing::document_with_metadata;

const BOTH: [Serialization; 2] = [Serialization::TableData, Serialization::Binary2];

/// Runs a program of tests/services/vo; what it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("`{program}`, see tests/services/vo: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {complaint}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned() + &complaint
}

fn python() -> String {
    std::env::var("JANSKY_TEST_VO_PYTHON")
        .unwrap_or_else(|_| panic!("JANSKY_TEST_VO_PYTHON is not set: see tests/services/vo"))
}

/// A file with a document.
fn written(directory: &TempDir, name: &str, document: impl AsRef<[u8]>) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, document).expect("it can be written");
    path
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ASCII")
}

fn is_array(field: &Field, allowed: fn(Length) -> bool) -> bool {
    field
        .shape()
        .array
        .is_some_and(|array| allowed(array.count))
}

fn is_fixed(field: &Field) -> bool {
    is_array(field, |count| matches!(count, Length::Fixed(_)))
}

fn is_variable(field: &Field) -> bool {
    is_array(field, |count| !matches!(count, Length::Fixed(_)))
}

fn is_complex(field: &Field) -> bool {
    matches!(
        field.datatype,
        Datatype::FloatComplex | Datatype::DoubleComplex
    )
}

/// What votlint understands: it notes that a `char` without `arraysize` is a single character.
fn is_linted(field: &Field, serialization: Serialization) -> bool {
    let is_single = field.datatype.is_text() && field.arraysize.is_none();
    // In BINARY2 it takes a byte for each bit and half of each complex number, unlike the rest of STILTS.
    let is_misread = serialization == Serialization::Binary2
        && is_variable(field)
        && (field.datatype == Datatype::Bit || is_complex(field));
    !is_single && !is_misread
}

#[test]
fn votlint_is_silent_about_every_type() {
    let directory = TempDir::new().expect("a directory");
    for serialization in BOTH {
        let linted = |field: &Field| is_linted(field, serialization);
        // It wants all values in an array of a fixed size also where there is none, which the standard does not; and to
        // it a bit and a complex number are such arrays.
        let is_wanted = |field: &Field| {
            is_fixed(field)
                || field.arraysize.is_none()
                    && (field.datatype == Datatype::Bit || is_complex(field))
        };
        for (has_nulls, (fields, batch)) in [
            (false, every_type::chosen(false, linted)),
            (
                true,
                every_type::chosen(true, |field| linted(field) && !is_wanted(field)),
            ),
        ] {
            let document = document(serialization, &fields, &batch).expect("it can be written");
            let path = written(&directory, "x.xml", document);

            let said = run("stilts", &["votlint", &format!("votable={}", text(&path))]);

            assert_eq!(
                said, "",
                "{serialization:?}, with cells without a value: {has_nulls}"
            );
        }
    }
}

#[test]
fn votlint_is_silent_about_every_element() {
    let directory = TempDir::new().expect("a directory");
    let path = written(&directory, "x.xml", document_with_metadata(Version::V1_4));

    assert_eq!(
        run("stilts", &["votlint", &format!("votable={}", text(&path))]),
        ""
    );
}

/// A column as far as others keep it: to STILTS bits are booleans; it writes the end of a line as it is, and astropy
/// takes blanks away from the ends of a cell.
fn as_others_have_it(column: &Column) -> Column {
    let data = match column.data() {
        Data::Bit(bits) => Data::Boolean(bits.iter().map(|bit| Logical::from(*bit)).collect()),
        Data::Text(texts) => {
            let texts = (0..texts.len()).map(|index| texts.get(index).trim());
            Data::Text(texts.collect::<Strings>())
        }
        _ => return column.clone(),
    };
    let validity = (0..column.len()).map(|row| column.is_valid(row)).collect();
    let column = match column.offsets() {
        Some(offsets) => Column::of_arrays(data, offsets.to_vec()).expect("they rise"),
        None => Column::new(data),
    };
    column.with_validity(validity).expect("as many cells")
}

fn assert_same_to_others(fields: &[Field], expected: &Batch, found: &Read) {
    let expected: Vec<Column> = expected.columns().iter().map(as_others_have_it).collect();
    let found: Vec<Column> = found.columns().iter().map(as_others_have_it).collect();
    assert_same(fields, &expected, &found);
}

#[test]
fn what_stilts_reads_of_ours_and_writes_in_each_serialization_is_what_we_wrote() {
    let directory = TempDir::new().expect("a directory");
    // To it complex numbers are pairs of others, and it fails on a bit that is alone.
    let is_lone_bit = |field: &Field| field.datatype == Datatype::Bit && field.arraysize.is_none();
    let is_chosen = |field: &Field| !is_complex(field) && !is_lone_bit(field);
    let (fields, batch) = every_type::chosen(false, is_chosen);
    for (serialization, formats) in [
        (Serialization::TableData, &["binary-inline"][..]),
        (Serialization::Binary2, &["binary2-inline", "tabledata"]),
    ] {
        let document = document(serialization, &fields, &batch).expect("it can be written");
        let path = written(&directory, "ours.xml", document);
        for format in formats {
            let theirs = directory.path().join("theirs.xml");
            let output = format!("out={}", text(&theirs));
            let input = format!("in={}", text(&path));
            let format = format!("ofmt=votable-{format}");
            run(
                "stilts",
                &["tcopy", "ifmt=votable", &input, &output, &format],
            );

            let theirs = std::fs::read(theirs).expect("it was written");
            let read = read(&theirs).unwrap_or_else(|error| panic!("{format}: {error}"));

            assert_same_to_others(&fields, &batch, &read);
        }
    }
}

const ASTROPY: &str = "
import sys
from astropy.io import votable
source, target, *formats = sys.argv[1:]
for format in formats:
    votable.parse(source).to_xml(target + format, tabledata_format=format)
";

/// What astropy reads of ours and writes in each of these serializations is what we wrote.
fn through_astropy(fields: &[Field], batch: &Batch, formats: &[&str]) {
    let directory = TempDir::new().expect("a directory");
    for serialization in BOTH {
        let document = document(serialization, fields, batch).expect("it can be written");
        let ours = written(&directory, "ours.xml", document);
        let theirs = directory.path().join("theirs.xml");
        let mut arguments = vec!["-W", "ignore", "-c", ASTROPY, text(&ours), text(&theirs)];
        arguments.extend(formats);
        run(&python(), &arguments);
        for format in formats {
            let path = format!("{}{format}", text(&theirs));
            let document = std::fs::read(path).expect("it was written");
            let read = read(&document).unwrap_or_else(|error| panic!("{format}: {error}"));

            assert_same_to_others(fields, batch, &read);
        }
    }
}

/// What astropy understands of the standard.
fn is_known_to_astropy(field: &Field) -> bool {
    let is_string_array = field.datatype.is_text() && field.shape().array.is_some();
    // It counts what the standard does not: rows of a table instead of its values, and a byte for each bit.
    let is_miscounted = field
        .shape()
        .array
        .is_some_and(|array| array.multiple_of > 1)
        && !matches!(
            field.shape().array.map(|array| array.count),
            Some(Length::Fixed(_))
        );
    let is_misread = field.datatype == Datatype::Bit && !is_fixed(field);
    !is_string_array && !is_miscounted && !is_misread
}

#[test]
fn what_astropy_reads_of_ours_and_writes_in_each_serialization_is_what_we_wrote() {
    let (fields, batch) = every_type::chosen(false, is_known_to_astropy);

    through_astropy(&fields, &batch, &["tabledata"]);

    // It writes eight bytes for each number in an array of any length.
    let is_widened = |field: &Field| {
        use Datatype::{Float, Int, Short, UnsignedByte};
        is_variable(field) && matches!(field.datatype, UnsignedByte | Short | Int | Float)
    };
    let is_chosen = |field: &Field| is_known_to_astropy(field) && !is_widened(field);
    let (fields, batch) = every_type::chosen(false, is_chosen);

    through_astropy(&fields, &batch, &["binary", "binary2"]);
}

#[test]
fn astropy_sees_where_there_is_no_value() {
    // It has no strings without a value.
    let is_chosen = |field: &Field| {
        is_known_to_astropy(field) && field.arraysize.is_none() && !field.datatype.is_text()
    };
    let (fields, batch) = every_type::chosen(true, is_chosen);

    through_astropy(&fields, &batch, &["tabledata", "binary2"]);
}
