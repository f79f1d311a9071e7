//! FITS-IDI as it is written: enough for files that others read, such as demonstrations and tests.

use std::io::{Seek, Write};

use super::frequencies::Setup;
use super::sources::Source;
use super::stations::Station;
use crate::card::Card;
use crate::cells::{Cells, Data};
use crate::error::FitsError;
use crate::form::{Form, Type};
use crate::write::{FitsWriter, NewColumn};

/// A row of visibilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// In seconds of light.
    pub uvw: [f64; 3],
    /// The Julian date of the midnight before, a whole number and a half.
    pub date: f64,
    /// Days since then, at the middle of the integration.
    pub time: f64,
    /// The numbers of both stations.
    pub stations: (i32, i32),
    /// The number of the source.
    pub source: i32,
    /// The number of the set-up.
    pub setup: i32,
    /// The time of integration in seconds.
    pub integration: f32,
    /// For each band and polarization, the polarization fastest.
    pub weights: Vec<f32>,
    /// Real and imaginary parts: for each band, channel and polarization, the polarization fastest.
    pub visibilities: Vec<[f32; 2]>,
}

/// Writes one file: head, tables, then rows of visibilities.
#[derive(Debug)]
pub struct IdiWriter<W> {
    fits: FitsWriter<W>,
    common: Vec<Card>,
    polarizations: u32,
    bands: u32,
    channels: u32,
}

impl<W: Write + Seek> IdiWriter<W> {
    /// Begins a file for so many polarizations (`RR`, `LL`, `RL`, `LR`) and channels, with all tables that the
    /// visibilities refer to. All set-ups have as many bands. The day is that of the first row, as `YYYY-MM-DD`.
    pub fn new(
        output: W,
        observation: &str,
        day: &str,
        (polarizations, channels): (u32, u32),
        (stations, sources, setups): (&[Station], &[Source], &[Setup]),
    ) -> Result<Self, FitsError> {
        let bands = setups.first().map_or(0, |setup| setup.bands.len());
        if bands == 0 || setups.iter().any(|setup| setup.bands.len() != bands) {
            let message = "all set-ups need as many bands, and at least one";
            return Err(FitsError::Missing(message.to_owned()));
        }
        let bands = u32::try_from(bands).unwrap_or(u32::MAX);
        let first = setups.first().and_then(|setup| setup.bands.first());
        let reference = first.map_or(0.0, |band| band.frequency);
        let width = first.map_or(0.0, |band| band.channel_width);
        let common = vec![
            Card::new("TABREV", 1_i64),
            Card::new("OBSCODE", observation),
            Card::new("RDATE", day),
            Card::new("NO_STKD", i64::from(polarizations)),
            Card::new("STK_1", -1_i64),
            Card::new("NO_BAND", i64::from(bands)),
            Card::new("NO_CHAN", i64::from(channels)),
            Card::new("REF_FREQ", reference),
            Card::new("CHAN_BW", width),
            Card::new("REF_PIXL", 1.0),
        ];
        let head = [
            Card::new("GROUPS", true),
            Card::new("GCOUNT", 0_i64),
            Card::new("PCOUNT", 0_i64),
            Card::new("CORRELAT", "JANSKY"),
            Card::new("FXCORVER", "1"),
        ];
        let mut writer = Self {
            fits: FitsWriter::new(output, &head)?,
            common,
            polarizations,
            bands,
            channels,
        };
        writer.stations(day, stations)?;
        writer.antennas(stations)?;
        writer.frequencies(reference, setups)?;
        writer.sources(sources)?;
        writer.begin_visibilities(day)?;
        Ok(writer)
    }

    fn table(
        &mut self,
        name: &str,
        more: Vec<Card>,
        columns: Vec<(NewColumn, Cells)>,
    ) -> Result<(), FitsError> {
        let mut cards = vec![Card::new("EXTVER", 1_i64)];
        cards.extend_from_slice(&self.common);
        // What a table says itself stands before.
        cards.retain(|card| !more.iter().any(|other| other.keyword == card.keyword));
        cards.extend(more);
        let (columns, cells): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        self.fits.begin_table(name, &columns, &cards)?;
        self.fits.rows(&cells)
    }

    fn stations(&mut self, day: &str, stations: &[Station]) -> Result<(), FitsError> {
        let cards = vec![
            Card::new("ARRNAM", "JANSKY"),
            Card::new("FRAME", "GEOCENTRIC"),
            Card::new("ARRAYX", 0.0),
            Card::new("ARRAYY", 0.0),
            Card::new("ARRAYZ", 0.0),
            Card::new("NUMORB", 0_i64),
            Card::new("FREQ", 0.0),
            Card::new("TIMSYS", "UTC"),
            Card::new("RDATE", day),
            Card::new("GSTIA0", 0.0),
            Card::new("DEGPDY", 360.985_644_97),
            Card::new("UT1UTC", 0.0),
            Card::new("IATUTC", 0.0),
            Card::new("POLARX", 0.0),
            Card::new("POLARY", 0.0),
        ];
        let all = |of: fn(&Station) -> f64| stations.iter().map(of).collect::<Vec<f64>>();
        let positions = stations.iter().flat_map(|one| one.position).collect();
        let nothing = |length: usize| vec![0.0_f32; stations.len() * length];
        #[expect(clippy::cast_possible_truncation, reason = "diameters are small")]
        let diameters = all(|one| one.diameter.unwrap_or(0.0))
            .into_iter()
            .map(|one| one as f32);
        self.table(
            "ARRAY_GEOMETRY",
            cards,
            vec![
                text("ANNAME", 8, stations.iter().map(|one| one.name.clone())),
                arrays("STABXYZ", 3, Data::Double(positions), Some("METERS")),
                arrays("DERXYZ", 3, Data::Float(nothing(3)), Some("M/SEC")),
                arrays("ORBPARM", 0, Data::Double(Vec::new()), None),
                integers("NOSTA", stations.iter().map(|one| small(one.number))),
                integers("MNTSTA", stations.iter().map(|one| small(one.mount))),
                arrays("STAXOF", 3, Data::Float(nothing(3)), Some("METERS")),
                arrays(
                    "DIAMETER",
                    1,
                    Data::Float(diameters.collect()),
                    Some("METERS"),
                ),
            ]
            .into_iter()
            .map(|(column, cells)| rows_of(column, cells, stations.len()))
            .collect(),
        )
    }

    fn antennas(&mut self, stations: &[Station]) -> Result<(), FitsError> {
        let count = stations.len();
        let bands = self.bands as usize;
        let polarization = |which: usize| {
            stations
                .iter()
                .map(move |one| one.polarizations[which].clone())
        };
        self.table(
            "ANTENNA",
            vec![Card::new("NOPCAL", 0_i64), Card::new("POLTYPE", "APPROX")],
            vec![
                arrays("TIME", 1, Data::Double(vec![0.0; count]), Some("DAYS")),
                arrays(
                    "TIME_INTERVAL",
                    1,
                    Data::Float(vec![1.0; count]),
                    Some("DAYS"),
                ),
                text("ANNAME", 8, stations.iter().map(|one| one.name.clone())),
                integers("ANTENNA_NO", stations.iter().map(|one| small(one.number))),
                integers("ARRAY", vec![1; count].into_iter()),
                integers("FREQID", vec![1; count].into_iter()),
                integers("NO_LEVELS", vec![2; count].into_iter()),
                text("POLTYA", 1, polarization(0)),
                arrays(
                    "POLAA",
                    bands,
                    Data::Float(vec![0.0; count * bands]),
                    Some("DEGREES"),
                ),
                text("POLTYB", 1, polarization(1)),
                arrays(
                    "POLAB",
                    bands,
                    Data::Float(vec![0.0; count * bands]),
                    Some("DEGREES"),
                ),
            ],
        )
    }

    fn frequencies(&mut self, reference: f64, setups: &[Setup]) -> Result<(), FitsError> {
        let bands = self.bands as usize;
        let all = setups.iter().flat_map(|setup| setup.bands.iter());
        #[expect(clippy::cast_possible_truncation, reason = "the standard has them so")]
        let single = |value: f64| value as f32;
        let offsets = all.clone().map(|band| band.frequency - reference).collect();
        let widths = all.clone().map(|band| single(band.channel_width)).collect();
        let whole = all.clone().map(|band| single(band.bandwidth)).collect();
        let sidebands = all.map(|band| small(band.sideband)).collect();
        self.table(
            "FREQUENCY",
            Vec::new(),
            vec![
                integers("FREQID", setups.iter().map(|setup| small(setup.id))),
                arrays("BANDFREQ", bands, Data::Double(offsets), Some("HZ")),
                arrays("CH_WIDTH", bands, Data::Float(widths), Some("HZ")),
                arrays("TOTAL_BANDWIDTH", bands, Data::Float(whole), Some("HZ")),
                arrays("SIDEBAND", bands, Data::Int(sidebands), None),
            ],
        )
    }

    fn sources(&mut self, sources: &[Source]) -> Result<(), FitsError> {
        let count = sources.len();
        let bands = self.bands as usize;
        let doubles = |of: fn(&Source) -> f64| Data::Double(sources.iter().map(of).collect());
        let zeros = |length: usize| Data::Double(vec![0.0; count * length]);
        let flux = || Data::Float(vec![0.0; count * bands]);
        let fixed = |name: &str, length: usize, value: &str| {
            text(name, length, vec![value.to_owned(); count].into_iter())
        };
        let equinox = |one: &Source| one.equinox.clone().unwrap_or_default();
        self.table(
            "SOURCE",
            Vec::new(),
            vec![
                integers("SOURCE_ID", sources.iter().map(|one| small(one.id))),
                text("SOURCE", 16, sources.iter().map(|one| one.name.clone())),
                integers("QUAL", vec![0; count].into_iter()),
                text(
                    "CALCODE",
                    4,
                    sources.iter().map(|one| one.calibrator.clone()),
                ),
                integers("FREQID", vec![1; count].into_iter()),
                arrays("IFLUX", bands, flux(), Some("JY")),
                arrays("QFLUX", bands, flux(), Some("JY")),
                arrays("UFLUX", bands, flux(), Some("JY")),
                arrays("VFLUX", bands, flux(), Some("JY")),
                arrays("ALPHA", bands, flux(), None),
                arrays("FREQOFF", bands, flux(), Some("HZ")),
                arrays(
                    "RAEPO",
                    1,
                    doubles(|one| one.right_ascension),
                    Some("DEGREES"),
                ),
                arrays("DECEPO", 1, doubles(|one| one.declination), Some("DEGREES")),
                text("EQUINOX", 8, sources.iter().map(equinox)),
                arrays(
                    "RAAPP",
                    1,
                    doubles(|one| one.right_ascension),
                    Some("DEGREES"),
                ),
                arrays("DECAPP", 1, doubles(|one| one.declination), Some("DEGREES")),
                arrays("SYSVEL", bands, zeros(bands), Some("M/SEC")),
                fixed("VELTYP", 8, "GEOCENTR"),
                fixed("VELDEF", 8, "OPTICAL"),
                arrays("RESTFREQ", bands, zeros(bands), Some("HZ")),
                arrays("PMRA", 1, zeros(1), Some("DEG/DAY")),
                arrays("PMDEC", 1, zeros(1), Some("DEG/DAY")),
                arrays("PARALLAX", 1, Data::Float(vec![0.0; count]), Some("ARCSEC")),
            ],
        )
    }

    fn begin_visibilities(&mut self, day: &str) -> Result<(), FitsError> {
        let real = |name: &str| {
            self.common
                .iter()
                .find(|card| card.keyword == name)
                .map(|card| card.value.clone())
        };
        let (reference, width) = (real("REF_FREQ"), real("CHAN_BW"));
        let mut cards = self.common.clone();
        cards.extend([
            Card::new("DATE-OBS", day),
            Card::new("TELESCOP", "JANSKY"),
            Card::new("NMATRIX", 1_i64),
            Card::new("MAXIS", 6_i64),
            Card::new("TMATX11", true),
            Card::new("SORT", "T*"),
        ]);
        let stokes = (i64::from(self.polarizations), -1.0, -1.0);
        let axes = [
            ("COMPLEX", 2, 1.0.into(), 1.0.into()),
            ("STOKES", stokes.0, stokes.1.into(), stokes.2.into()),
            (
                "FREQ",
                i64::from(self.channels),
                reference.unwrap_or_else(|| 0.0.into()),
                width.unwrap_or_else(|| 0.0.into()),
            ),
            ("BAND", i64::from(self.bands), 1.0.into(), 1.0.into()),
            ("RA", 1, 0.0.into(), 1.0.into()),
            ("DEC", 1, 0.0.into(), 1.0.into()),
        ];
        for (index, (name, length, value, step)) in axes.into_iter().enumerate() {
            let key = |word: &str| format!("{word}{}", index + 1);
            cards.push(Card::new(&key("MAXIS"), length));
            cards.push(Card::new(&key("CTYPE"), name));
            cards.push(Card::new(&key("CRVAL"), value));
            cards.push(Card::new(&key("CDELT"), step));
            cards.push(Card::new(&key("CRPIX"), 1.0));
        }
        let one = |name: &str, kind| NewColumn::new(name, Form::new(1, kind));
        let weights = u64::from(self.bands) * u64::from(self.polarizations);
        let fluxes = weights * u64::from(self.channels) * 2;
        let columns = [
            one("UU---SIN", Type::Double).with_unit("SECONDS"),
            one("VV---SIN", Type::Double).with_unit("SECONDS"),
            one("WW---SIN", Type::Double).with_unit("SECONDS"),
            one("DATE", Type::Double).with_unit("DAYS"),
            one("TIME", Type::Double).with_unit("DAYS"),
            one("BASELINE", Type::Int),
            one("SOURCE_ID", Type::Int),
            one("FREQID", Type::Int),
            one("INTTIM", Type::Float).with_unit("SECONDS"),
            NewColumn::new("WEIGHT", Form::new(weights, Type::Float)),
            NewColumn::new("FLUX", Form::new(fluxes, Type::Float)).with_unit("UNCALIB"),
        ];
        self.fits.begin_table("UV_DATA", &columns, &cards)
    }

    /// Adds rows of visibilities.
    pub fn rows(&mut self, rows: &[Row]) -> Result<(), FitsError> {
        let doubles = |of: &dyn Fn(&Row) -> f64| {
            Cells::of_values(Data::Double(rows.iter().map(of).collect()))
        };
        let integers =
            |of: &dyn Fn(&Row) -> i32| Cells::of_values(Data::Int(rows.iter().map(of).collect()));
        let weights = (self.bands * self.polarizations) as usize;
        let visibilities = weights * self.channels as usize;
        if rows
            .iter()
            .any(|row| row.weights.len() != weights || row.visibilities.len() != visibilities)
        {
            let message = format!("a row has {weights} weights and {visibilities} visibilities");
            return Err(FitsError::Missing(message));
        }
        let weight = rows
            .iter()
            .flat_map(|row| row.weights.iter().copied())
            .collect();
        let flux = rows
            .iter()
            .flat_map(|row| row.visibilities.as_flattened().iter().copied());
        let cells = [
            doubles(&|row| row.uvw[0]),
            doubles(&|row| row.uvw[1]),
            doubles(&|row| row.uvw[2]),
            doubles(&|row| row.date),
            doubles(&|row| row.time),
            integers(&|row| row.stations.0 * 256 + row.stations.1),
            integers(&|row| row.source),
            integers(&|row| row.setup),
            Cells::of_values(Data::Float(
                rows.iter().map(|row| row.integration).collect(),
            )),
            Cells::of_arrays(Data::Float(weight), weights),
            Cells::of_arrays(Data::Float(flux.collect()), visibilities * 2),
        ];
        self.fits.rows(&cells)
    }

    /// Ends the visibilities, and gives the writer back for other tables.
    pub fn finish(self) -> Result<FitsWriter<W>, FitsError> {
        let mut fits = self.fits;
        fits.end_table()?;
        Ok(fits)
    }
}

type Written = (NewColumn, Cells);

fn text(name: &str, width: usize, texts: impl Iterator<Item = String>) -> Written {
    let form = Form::new(width as u64, Type::Character);
    (
        NewColumn::new(name, form),
        Cells::of_values(Data::Text(texts.collect())),
    )
}

fn integers(name: &str, values: impl Iterator<Item = i32>) -> Written {
    let form = Form::new(1, Type::Int);
    (
        NewColumn::new(name, form),
        Cells::of_values(Data::Int(values.collect())),
    )
}

fn arrays(name: &str, length: usize, data: Data, unit: Option<&str>) -> Written {
    let kind = match data {
        Data::Double(_) => Type::Double,
        Data::Int(_) => Type::Int,
        _ => Type::Float,
    };
    let column = NewColumn::new(name, Form::new(length as u64, kind));
    let column = match unit {
        Some(unit) => column.with_unit(unit),
        None => column,
    };
    (column, Cells::of_arrays(data, length))
}

/// As many cells as there are rows, also where cells have no values.
fn rows_of(column: NewColumn, cells: Cells, rows: usize) -> Written {
    if column.form.repeat > 0 {
        return (column, cells);
    }
    let nothing = Cells {
        offsets: vec![0; rows + 1],
        ..cells
    };
    (column, nothing)
}

fn small(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(0)
}
