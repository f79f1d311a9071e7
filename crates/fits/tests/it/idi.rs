//! FITS-IDI: what a file is about.

use std::io::{Cursor, Read, Seek, SeekFrom, Write as _};

use jansky_fits::idi::{
    Band, IdiWriter, Row, Setup, Source, Station, gain_curves, is_idi, summary,
};
use jansky_fits::{Card, Cells, Data, Fits, FitsWriter, Form, NewColumn, Type};

fn stations() -> Vec<Station> {
    let station = |number, name: &str, diameter| Station {
        number,
        name: name.to_owned(),
        position: [
            4_033_947.0 + 10.0 * f64::from(u8::try_from(number).expect("small")),
            486_990.8,
            4_900_431.0,
        ],
        mount: 0,
        diameter,
        polarizations: ["R".to_owned(), "L".to_owned()],
    };
    vec![
        station(1, "EF", Some(100.0)),
        station(2, "WB", None),
        station(3, "JB", Some(76.0)),
    ]
}

fn sources() -> Vec<Source> {
    let source = |id, name: &str, right_ascension, declination| Source {
        id,
        name: name.to_owned(),
        right_ascension,
        declination,
        equinox: Some("J2000".to_owned()),
        calibrator: String::new(),
    };
    vec![
        source(1, "3C84", 49.950_667, 41.511_695),
        source(2, "J0006-0623", 1.558_29, -6.393_148),
    ]
}

/// So many set-ups with so many bands.
fn setups(count: i64, bands: u32) -> Vec<Setup> {
    let band = |setup: i64, band: u32| Band {
        frequency: 1.6e9
            + 3e9 * f64::from(u8::try_from(setup - 1).expect("small"))
            + 16e6 * f64::from(band),
        channel_width: 500e3,
        bandwidth: 16e6,
        sideband: if band.is_multiple_of(2) { 1 } else { -1 },
    };
    (1..=count)
        .map(|id| Setup {
            id,
            bands: (0..bands).map(|number| band(id, number)).collect(),
        })
        .collect()
}

/// Rows that change between sources and set-ups from one to the next.
fn rows(count: u32, setups: u32, bands: usize, channels: usize) -> Vec<Row> {
    (0..count)
        .map(|number| Row {
            uvw: [0.0; 3],
            date: 2_460_000.5,
            time: 0.25 + f64::from(number) * 2.0 / 86_400.0,
            stations: [(1, 2), (1, 3), (2, 3)][number as usize % 3],
            source: i32::try_from(number % 2 + 1).expect("small"),
            setup: i32::try_from(number / 2 % setups + 1).expect("small"),
            integration: 2.0,
            weights: vec![1.0; bands * 2],
            visibilities: vec![[1.0, -1.0]; bands * channels * 2],
        })
        .collect()
}

fn begun(count: i64, bands: u32) -> IdiWriter<Cursor<Vec<u8>>> {
    let tables = (&stations()[..], &sources()[..], &setups(count, bands)[..]);
    IdiWriter::new(
        Cursor::new(Vec::new()),
        "EM085",
        "2023-02-25",
        (2, 32),
        tables,
    )
    .expect("memory takes all")
}

fn file(setups: u32, bands: u32) -> Vec<u8> {
    let mut writer = begun(i64::from(setups), bands);
    writer
        .rows(&rows(12, setups, bands as usize, 32))
        .expect("they fit");
    let fits = writer.finish().expect("memory takes all");
    fits.finish().expect("memory takes all").into_inner()
}

#[test]
fn a_file_says_who_observed_what_when_and_how() {
    let mut fits = Fits::open(Cursor::new(file(1, 4))).expect("a file");

    let summary = summary(&mut fits).expect("it is FITS-IDI");

    assert!(is_idi(&fits));
    assert_eq!(summary.observation.as_deref(), Some("EM085"));
    assert_eq!(
        (summary.frame.as_deref(), summary.time_system.as_deref()),
        (Some("GEOCENTRIC"), Some("UTC"))
    );
    assert_eq!(summary.stations, stations());
    assert_eq!(summary.sources, sources());
    assert_eq!(summary.setups, setups(1, 4));
    let [table] = &summary.visibilities[..] else {
        panic!("one table of visibilities");
    };
    assert_eq!((table.rows, table.channels, table.bands), (12, 32, 4));
    assert_eq!(table.polarizations, ["RR", "LL"]);
    let axes: Vec<(&str, u64)> = table
        .axes
        .iter()
        .map(|axis| (axis.name.as_str(), axis.length))
        .collect();
    assert_eq!(
        axes,
        [
            ("COMPLEX", 2),
            ("STOKES", 2),
            ("FREQ", 32),
            ("BAND", 4),
            ("RA", 1),
            ("DEC", 1)
        ]
    );
}

#[test]
fn times_are_those_of_the_rows_of_each_source_and_set_up() {
    let mut fits = Fits::open(Cursor::new(file(2, 2))).expect("a file");

    let observed = summary(&mut fits).expect("it is FITS-IDI").observed;

    let keys: Vec<(i64, i64, u64)> = observed
        .iter()
        .map(|one| (one.source, one.setup, one.rows))
        .collect();
    assert_eq!(keys, [(1, 1, 3), (1, 2, 3), (2, 1, 3), (2, 2, 3)]);
    // Rows 0, 4 and 8 are of the first; 3, 7 and 11 of the last.
    let second = 1.0 / 86_400.0;
    let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
    assert!(
        close(observed[0].start, 60_000.25 - second)
            && close(observed[0].end, 60_000.25 + 17.0 * second)
    );
    assert!(
        close(observed[3].start, 60_000.25 + 5.0 * second)
            && close(observed[3].end, 60_000.25 + 23.0 * second)
    );
    assert_eq!(observed[0].integration, (2.0, 2.0));
    assert!(close(observed[0].baseline_seconds, 6.0));
    let baselines: Vec<(i64, i64)> = observed[0].baselines.iter().copied().collect();
    assert_eq!(baselines, [(1, 2), (1, 3), (2, 3)]);
}

#[test]
fn one_band_is_read_like_several() {
    let mut fits = Fits::open(Cursor::new(file(1, 1))).expect("a file");

    let summary = summary(&mut fits).expect("it is FITS-IDI");

    assert_eq!(summary.setups, setups(1, 1));
    assert_eq!(summary.visibilities[0].bands, 1);
}

#[test]
fn the_sideband_says_where_a_band_lies() {
    let [upper, lower] = setups(1, 2)[0].bands[..] else {
        panic!("two bands");
    };

    assert_eq!(upper.range(), (1.6e9 - 250e3, 1.6e9 + 15.75e6));
    assert_eq!(lower.range(), (1.616e9 + 250e3 - 16e6, 1.616e9 + 250e3));
}

/// A table of gain curves for stations 1 and 2 with so many bands, and one of phase calibration.
fn add_calibration(fits: &mut FitsWriter<Cursor<Vec<u8>>>, bands: u64) {
    let size = usize::try_from(bands).expect("small");
    let ints = |name: &str, repeat: u64, values: Vec<i32>| {
        let length = usize::try_from(repeat).expect("small");
        (
            NewColumn::new(name, Form::new(repeat, Type::Int)),
            Cells::of_arrays(Data::Int(values), length),
        )
    };
    let floats = |name: &str, repeat: u64, values: Vec<f32>| {
        let length = usize::try_from(repeat).expect("small");
        (
            NewColumn::new(name, Form::new(repeat, Type::Float)),
            Cells::of_arrays(Data::Float(values), length),
        )
    };
    let terms: Vec<f32> = (0..2 * size * 3)
        .map(|term| f32::from(u8::try_from(term).expect("small")))
        .collect();
    let columns = [
        ints("ANTENNA_NO", 1, vec![1, 2]),
        ints("FREQID", 1, vec![1, 1]),
        ints("TYPE_1", bands, vec![2; 2 * size]),
        ints("NTERM_1", bands, vec![2; 2 * size]),
        ints("X_TYP_1", bands, vec![1; 2 * size]),
        ints("Y_TYP_1", bands, vec![0; 2 * size]),
        floats("GAIN_1", 3 * bands, terms),
        floats("SENS_1", bands, vec![0.5; 2 * size]),
    ];
    let (columns, cells): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let cards = [Card::new("NO_POL", 1_i64), Card::new("NO_TABS", 3_i64)];
    fits.begin_table("GAIN_CURVE", &columns, &cards)
        .expect("a table");
    fits.rows(&cells).expect("they fit");
    let columns = [ints("ANTENNA_NO", 1, vec![3]), ints("FREQID", 1, vec![1])];
    let (mut columns, mut cells): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    // Without tones there are columns that have nothing.
    columns.push(NewColumn::new("PC_REAL_1", Form::new(0, Type::Float)));
    cells.push(Cells {
        data: Data::Float(Vec::new()),
        offsets: vec![0, 0],
        valid: None,
    });
    fits.begin_table("PHASE-CAL", &columns, &[])
        .expect("a table");
    fits.rows(&cells).expect("they fit");
}

#[test]
fn what_there_is_to_calibrate_with_is_read_with_one_band_and_with_several() {
    for bands in [1, 4] {
        let mut fits = begun(1, bands).finish().expect("memory takes all");
        add_calibration(&mut fits, u64::from(bands));
        let file = fits.finish().expect("memory takes all").into_inner();
        let mut fits = Fits::open(Cursor::new(file)).expect("a file");

        let curves = gain_curves(&mut fits).expect("they can be read");
        let calibration = summary(&mut fits).expect("it is FITS-IDI").calibration;

        assert_eq!(curves.len(), 2);
        assert_eq!(curves[1].bands.len(), bands as usize);
        let last = curves[1].bands.last().expect("a band");
        let first_term = f64::from(bands * 2 * 3 - 3);
        assert_eq!(last.terms, [first_term, first_term + 1.0]);
        assert_eq!((last.kind, last.variable, last.sensitivity), (2, 1, 0.5));
        let found: Vec<(&str, Vec<i64>)> = calibration
            .iter()
            .map(|one| (one.table.as_str(), one.stations.iter().copied().collect()))
            .collect();
        assert_eq!(found, [("GAIN_CURVE", vec![1, 2]), ("PHASE-CAL", vec![3])]);
    }
}

#[test]
fn what_is_no_fits_idi_is_told_so() {
    let file = crate::tables::written(&crate::tables::every_type());
    let mut fits = Fits::open(Cursor::new(file)).expect("a file");

    assert!(!is_idi(&fits));
    assert!(
        summary(&mut fits)
            .expect_err("it is none")
            .to_string()
            .starts_with("this is no FITS-IDI")
    );
}

/// Counts what is read.
struct Counting<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

impl<R: Seek> Seek for Counting<R> {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.inner.seek(position)
    }
}

#[test]
fn of_a_file_of_ten_gigabytes_no_visibility_is_read() {
    const BANDS: u32 = 8;
    const CHANNELS: u32 = 64 << 10;
    const ROWS: u64 = 1_200;
    let tables = (&stations()[..], &sources()[..], &setups(1, BANDS)[..]);
    let head = IdiWriter::new(
        Cursor::new(Vec::new()),
        "EM085",
        "2023-02-25",
        (2, CHANNELS),
        tables,
    );
    let head = head
        .expect("memory takes all")
        .finish()
        .expect("memory takes all");
    let mut head = head.finish().expect("memory takes all").into_inner();
    // As if it had rows, of which the file system keeps nothing but holes.
    let place = head
        .windows(16)
        .rposition(|window| window == b"NAXIS2  =       ")
        .expect("it is there");
    head[place + 10..place + 30].copy_from_slice(format!("{ROWS:>20}").as_bytes());
    let row = 5 * 8 + 4 * 4 + u64::from(BANDS) * 2 * 4 * (1 + 2 * u64::from(CHANNELS));
    let mut sparse = tempfile::tempfile().expect("a file");
    sparse.write_all(&head).expect("it can be written");
    let length = (head.len() as u64 + row * ROWS).next_multiple_of(2880);
    sparse.set_len(length).expect("holes take no room");
    assert!(length > 10_000_000_000);
    sparse.rewind().expect("a file");

    let mut counting = Counting {
        inner: sparse,
        bytes: 0,
    };
    let mut fits = Fits::open(&mut counting).expect("a file");
    let summary = summary(&mut fits).expect("it is FITS-IDI");
    drop(fits);

    assert_eq!(summary.visibilities[0].rows, ROWS);
    assert!(
        counting.bytes < 200_000,
        "{} bytes were read",
        counting.bytes
    );
}

#[test]
fn casacore_reads_what_we_write() {
    let program = std::env::var("JANSKY_TEST_VO_CASACORE")
        .unwrap_or_else(|_| panic!("JANSKY_TEST_VO_CASACORE is not set: see tests/services/vo"));
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    for bands in [1, 4] {
        std::fs::write(path("x.idi"), file(1, bands)).expect("it can be written");
        let mut command = std::process::Command::new(&program);
        command.arg(path("x.idi")).arg(path(&format!("{bands}.ms")));

        let output = command
            .current_dir(directory.path())
            .output()
            .expect("it starts");

        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let found: Vec<&str> = said
            .lines()
            .filter_map(|line| line.strip_prefix("= "))
            .collect();
        let sum = 12 * bands * 32 * 2;
        let mut expected = vec![
            format!("rows {}", 12 * bands),
            // A MeasurementSet has the conjugates.
            format!("sum {sum} {sum}"),
            "times 5184021600 5184021622".to_owned(),
            "antenna EF 100".to_owned(),
            "antenna WB 0".to_owned(),
            "antenna JB 76".to_owned(),
            "source 3C84".to_owned(),
            "source J0006-0623".to_owned(),
        ];
        expected.extend(
            (0..bands).map(|band| format!("band {} 32", 1_600_000_000 + 16_000_000 * band)),
        );
        assert_eq!(found, expected, "{said}");
    }
}
