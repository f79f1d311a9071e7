//! Files that are wrong.

use std::io::Cursor;

use jansky_fits::{Fits, FitsError};

use crate::tables::{every_type, written};

/// What is wrong with a file in which one text was replaced by another as long.
fn error(from: &str, to: &str) -> String {
    assert_eq!(from.len(), to.len());
    let mut file = written(&every_type());
    let place = file
        .windows(from.len())
        .position(|window| window == from.as_bytes());
    let place = place.expect("it is there");
    file[place..place + to.len()].copy_from_slice(to.as_bytes());
    match read(file) {
        Ok(()) => "it was read".to_owned(),
        Err(error) => error.to_string(),
    }
}

fn read(file: Vec<u8>) -> Result<(), FitsError> {
    let mut fits = Fits::open(Cursor::new(file))?;
    let table = fits.table(1)?;
    let all: Vec<usize> = (0..table.columns.len()).collect();
    fits.read(&table, &all, 0..table.rows).map(drop)
}

#[test]
fn what_is_wrong_with_a_header_is_said_with_its_keyword() {
    for (from, to, expected) in [
        (
            "NAXIS   =                    2",
            "NAXIS   =                    0",
            "NAXIS2: the rows are not within the data",
        ),
        (
            "SIMPLE  =",
            "SAMPLE  =",
            "this is no FITS file: it does not begin with SIMPLE",
        ),
        (
            "NAXIS1  =                  ",
            "NAXIS1  =  9000000000000000",
            "the data would be larger than any file",
        ),
        (
            "NAXIS2  =                    2",
            "NAXIS2  =                   -2",
            "NAXIS2: this must not be negative",
        ),
        (
            "NAXIS2  =                    2",
            "NAXIS2  =                    x",
            "NAXIS2: this must be a number",
        ),
        (
            "NAXIS   =                    2",
            "NAXIS   =                 1000",
            "there are no more than 999 axes",
        ),
        (
            "'2L      '",
            "'2Z      '",
            "TFORM1: `2Z` is no form of a column",
        ),
        (
            "'2L      '",
            "'99999999'",
            "TFORM1: `99999999` is no form of a column",
        ),
        ("'2L      '", "'9999999L'", "where rows do"),
        (
            "'1PL     '",
            "'2PL     '",
            "TFORM2: `2PL` is no form of a column",
        ),
        (
            "'BINTABLE'",
            "'BONTABLE'",
            "XTENSION: `BONTABLE` is no table",
        ),
        (
            "TFIELDS =                   3",
            "TFIELDS =                9993",
            "there are no more than 999 columns",
        ),
    ] {
        let found = error(from, to);
        assert!(found.ends_with(expected), "{to}: {found}");
    }
}

#[test]
fn a_file_that_breaks_off_anywhere_is_an_error_and_nothing_else() {
    let file = written(&every_type());
    for length in (0..file.len()).step_by(37) {
        let is_short = read(file[..length].to_vec()).is_err();
        // The last block is filled with what nobody reads.
        assert!(is_short || length + 2880 > file.len(), "{length}");
    }
}

#[test]
fn the_rows_that_are_there_can_be_read_of_a_file_that_breaks_off() {
    let columns = every_type();
    let mut file = written(&columns);
    let heap_and_second_row = 400;
    let fits = Fits::open(Cursor::new(file.clone())).expect("a file");
    assert!(!fits.hdus()[1].is_truncated());
    // The data are within one block.
    file.truncate(file.len() - 2880 + heap_and_second_row);

    let mut fits = Fits::open(Cursor::new(file)).expect("a file");

    assert!(fits.hdus()[1].is_truncated());
    let table = fits.table(1).expect("a table");
    assert!(fits.read(&table, &[0], 0..1).is_ok());
    let error = fits.read(&table, &[0], 0..3).expect_err("there are two");
    assert_eq!(error.to_string(), "`TEST` has 2 rows, not 3");
}

#[test]
fn a_value_outside_of_the_heap_is_refused() {
    let file = written(&every_type());
    let fits = Fits::open(Cursor::new(file.clone())).expect("a file");
    let table = fits.table(1).expect("a table");
    drop(fits);
    assert_eq!(table.columns[1].name, "L_p");
    let mut file = file;
    let data = file.len() - 2880;
    // The count of the first cell of the second column.
    file[data + 2] = 0x7F;

    let error = read(file).expect_err("it is outside");

    assert_eq!(
        error.to_string(),
        "table TEST, column `L_p`: 2130706433 values at byte 0 are outside of the heap"
    );
}
