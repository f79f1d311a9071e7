//! What astropy wrote, and what it reads of ours.

use std::process::Command;

use jansky_fits::{Data, Fits, Place, Type};
use tempfile::TempDir;

use crate::tables::{every_type, written};

fn python(arguments: &[&str]) -> String {
    let python = std::env::var("JANSKY_TEST_VO_PYTHON")
        .unwrap_or_else(|_| panic!("JANSKY_TEST_VO_PYTHON is not set: see tests/services/vo"));
    let output = Command::new(python)
        .args(arguments)
        .output()
        .expect("Python starts");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &complaint
}

const WRITES: &str = "
import sys
import numpy as np
from astropy.io import fits
primary = fits.PrimaryHDU()
primary.header['LONGTEXT'] = 'word ' * 40 + 'end'
primary.header['HIERARCH a long keyword'] = 7
image = fits.ImageHDU(np.zeros((300, 200), dtype='f4'))
column = fits.Column
columns = [
    column('shifted', 'I', bzero=32768, array=np.array([0, 40000, 65535], dtype='u2')),
    column('scaled', 'J', array=np.array([0, 3, -2])),
    column('null', 'J', null=-1, array=np.array([1, -1, 3])),
    column('bits', '11X', array=np.array([[i % 2 == 0 for i in range(11)]] * 3)),
    column('text', '5A', array=['a', 'bcd', 'efghi']),
    column('many', 'PD()', array=np.array([[1.0], [2.0, 3.0], []], dtype=object)),
    column('cube', '6E', dim='(3,2)', unit='Jy', array=np.arange(18.0).reshape(3, 2, 3)),
    column('complex', 'M', array=np.array([1 + 2j, 3j, -4.0])),
]
table = fits.BinTableHDU.from_columns(columns, name='BINARY')
words = fits.TableHDU.from_columns([
    fits.Column('name', 'A8', array=['one', 'two']),
    fits.Column('count', 'I6', array=[1, -20]),
    fits.Column('value', 'E15.7', array=[1.5, -2e10]),
], name='TEXT')
fits.HDUList([primary, image, table, words]).writeto(sys.argv[1])
fits.setval(sys.argv[1], 'TSCAL2', value=0.5, ext=('BINARY', 1))
fits.setval(sys.argv[1], 'TZERO2', value=10.0, ext=('BINARY', 1))
";

#[test]
fn what_astropy_writes_is_read() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("theirs.fits");
    python(&["-W", "ignore", "-c", WRITES, path.to_str().expect("ASCII")]);

    let mut fits = Fits::open(std::fs::File::open(path).expect("it is there")).expect("a file");

    let header = &fits.hdus()[0].header;
    assert_eq!(
        header.text("LONGTEXT"),
        Some(("word ".repeat(40) + "end").as_str())
    );
    assert_eq!(header.integer("A LONG KEYWORD"), Some(7));
    let table = fits.table(fits.named("BINARY")[0]).expect("a table");
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let cells = fits.read(&table, &all, 0..3).expect("it can be read");
    assert_eq!(cells[0].data, Data::Long(vec![0, 40_000, 65_535]));
    assert_eq!(cells[1].data, Data::Double(vec![10.0, 11.5, 9.0]));
    assert_eq!(cells[2].integers(), [Some(1), None, Some(3)]);
    let bits: Vec<bool> = (0..33).map(|bit| bit % 11 % 2 == 0).collect();
    assert_eq!(cells[3].data, Data::Bit(bits));
    assert_eq!(cells[4].texts(), ["a", "bcd", "efghi"]);
    assert_eq!(
        (&cells[5].data, &cells[5].offsets),
        (&Data::Double(vec![1.0, 2.0, 3.0]), &vec![0, 1, 3, 3])
    );
    assert_eq!(
        cells[6].reals(),
        (0..18).map(f64::from).collect::<Vec<f64>>()
    );
    assert_eq!(
        (
            table.columns[6].dims.as_slice(),
            table.columns[6].unit.as_deref()
        ),
        (&[3, 2][..], Some("Jy"))
    );
    assert_eq!(
        cells[7].data,
        Data::DoubleComplex(vec![[1.0, 2.0], [0.0, 3.0], [-4.0, 0.0]])
    );
    let table = fits.table(fits.named("TEXT")[0]).expect("a table");
    let cells = fits.read(&table, &[0, 1, 2], 0..2).expect("it can be read");
    assert_eq!(cells[0].texts(), ["one", "two"]);
    assert_eq!(cells[1].integers(), [Some(1), Some(-20)]);
    assert_eq!(cells[2].reals(), [1.5, -2e10]);
}

const READS: &str = "
import sys
from astropy import log
from astropy.io import fits
log.setLevel('ERROR')
with fits.open(sys.argv[1]) as file:
    file.verify('exception')
    table = file['TEST']
    for column in table.columns:
        cells = [cell.tolist() if hasattr(cell, 'tolist') else cell for cell in table.data[column.name]]
        print(column.name, column.format, column.unit, column.null, cells)
";

#[test]
fn astropy_reads_what_we_write() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("ours.fits");
    // It knows no bits in a heap.
    let mut columns = every_type();
    columns.retain(|(column, _)| column.form.kind != Type::Bit || column.form.place == Place::Row);
    std::fs::write(&path, written(&columns)).expect("it can be written");

    let read = python(&["-W", "ignore", "-c", READS, path.to_str().expect("ASCII")]);

    let lines: Vec<&str> = read.lines().collect();
    assert_eq!(lines.len(), 31, "{read}");
    for expected in [
        "X_pair 2X None None [[True, False], [True, True]]",
        "B_pair 2B None None [[0, 255], [7, 8]]",
        "J_pair 2J None None [[-2147483648, 2147483647], [0, -1]]",
        "K_p 1PK None None [[-9223372036854775808], [9223372036854775807, 0, -1]]",
        "D_q 1QD None None [[0.1], [-1e+300, 0.0, 1.0]]",
        "M_pair 2M None None [[(0.1+1j), (2-3j)], [0j, (5.5+6j)]]",
        "A 12A none None ['J0006-0623', 'x y']",
        "magic 1I None -99 [5, -99]",
        "image 6J None None [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]",
    ] {
        let name = expected.split(' ').next().unwrap_or_default();
        let found = lines
            .iter()
            .find(|line| line.split(' ').next() == Some(name));
        assert_eq!(found, Some(&expected));
    }
}
