//! FITS files: whatever comes, nothing panics, and no cell has more than its file has.
#![no_main]

use std::io::Cursor;

use jansky_fits::{Fits, Table, idi};
use libfuzzer_sys::fuzz_target;

/// Cards are 80 bytes and blocks 2880, which is much to find by chance: lines are cards, and what follows an empty line
/// is data; after a line with `%` comes the next header.
fn file(text: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    for part in text.split(|byte| *byte == b'%').take(8) {
        let split = part.windows(2).position(|two| two == b"\n\n");
        let (cards, data) = match split {
            Some(at) => (&part[..at], &part[at + 2..]),
            None => (part, &b""[..]),
        };
        for card in cards.split(|byte| *byte == b'\n') {
            let mut card = card.to_vec();
            card.resize(80, b' ');
            file.extend_from_slice(&card);
        }
        file.extend_from_slice(b"END     ");
        file.resize(file.len().next_multiple_of(2880), b' ');
        file.extend_from_slice(data);
        file.resize(file.len().next_multiple_of(2880), 0);
    }
    file
}

fuzz_target!(|data: &[u8]| {
    look(data);
    look(&file(data));
});

fn look(file: &[u8]) {
    let Ok(mut fits) = Fits::open(Cursor::new(file)) else {
        return;
    };
    for number in 0..fits.hdus().len() {
        let Ok(table) = fits.table(number) else {
            continue;
        };
        let rows = table.rows.min(100);
        for column in 0..table.columns.len() {
            cells(&mut fits, &table, column, rows);
        }
    }
    if let Ok(summary) = idi::summary(&mut fits) {
        assert!(idi::is_idi(&fits));
        for one in &summary.observed {
            assert!(one.start <= one.end && one.rows > 0);
        }
    }
    let _ = idi::gain_curves(&mut fits);
}

fn cells(fits: &mut Fits<Cursor<&[u8]>>, table: &Table, column: usize, rows: u64) {
    let Ok(found) = fits.read(table, &[column], 0..rows) else {
        return;
    };
    let cells = &found[0];
    assert_eq!(cells.len() as u64, rows);
    assert!(cells.offsets.is_sorted() && cells.offsets.last() == Some(&cells.data.len()));
    assert_eq!(cells.reals().len(), cells.data.len());
    assert_eq!(cells.integers().len(), cells.data.len());
    let _ = cells.texts();
}
