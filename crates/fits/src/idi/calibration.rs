//! What there is to calibrate with: `GAIN_CURVE`, `SYSTEM_TEMPERATURE`, `PHASE-CAL`, `FLAG` and others.

use std::collections::BTreeSet;
use std::io::{Read, Seek};
use std::ops::Range;

use super::rows::Rows;
use crate::cells::Cells;
use crate::error::FitsError;
use crate::file::Fits;

/// The tables that are looked for. AIPS and some correlators write other names.
const TABLES: [&str; 8] = [
    "GAIN_CURVE",
    "SYSTEM_TEMPERATURE",
    "PHASE-CAL",
    "PHASE_CAL",
    "FLAG",
    "WEATHER",
    "INTERFEROMETER_MODEL",
    "BANDPASS",
];

/// Rows that are looked at together.
const CHUNK: usize = 64 << 10;
/// There are no more stations or set-ups.
const MOST_NUMBERS: usize = 100_000;

/// A table to calibrate with.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Its name.
    pub table: String,
    /// How many rows it has.
    pub rows: u64,
    /// The numbers of the stations that it has something for.
    pub stations: BTreeSet<i64>,
    /// The set-ups that it has something for; -1 and 0 are all.
    pub setups: BTreeSet<i64>,
}

pub(super) fn read<R: Read + Seek>(fits: &mut Fits<R>) -> Result<Vec<Calibration>, FitsError> {
    let mut all = Vec::new();
    for name in TABLES {
        for number in fits.named(name) {
            // Of these there may be very many rows.
            let table = fits.table(number)?;
            let mut numbers = |names: &[&str]| -> Result<BTreeSet<i64>, FitsError> {
                let mut found = BTreeSet::new();
                let Some(column) = names.iter().find_map(|name| table.column(name)) else {
                    return Ok(found);
                };
                for start in (0..table.rows).step_by(CHUNK) {
                    let end = table.rows.min(start + CHUNK as u64);
                    for cells in fits.read(&table, &[column], start..end)? {
                        found.extend(cells.integers().into_iter().flatten());
                    }
                    if found.len() > MOST_NUMBERS {
                        let (what, limit) = ("stations or set-ups", MOST_NUMBERS as u64);
                        return Err(FitsError::Limit { what, limit });
                    }
                }
                Ok(found)
            };
            // In FLAG there are two for each baseline.
            let stations = numbers(&["ANTENNA_NO", "ANTS"])?;
            let setups = numbers(&["FREQID"])?;
            all.push(Calibration {
                table: name.to_owned(),
                rows: table.rows,
                stations,
                setups,
            });
        }
    }
    Ok(all)
}

/// How the gain of a station changes with its elevation, for one of its polarizations.
#[derive(Clone, Debug, PartialEq)]
pub struct GainCurve {
    /// The number of the station.
    pub station: i64,
    /// The number of the set-up.
    pub setup: i64,
    /// 1 or 2.
    pub polarization: u8,
    /// For each band.
    pub bands: Vec<BandGain>,
}

/// The gain in a band.
#[derive(Clone, Debug, PartialEq)]
pub struct BandGain {
    /// What kind of curve it is: 1 values in a table, 2 a polynomial, 3 spherical harmonics.
    pub kind: i64,
    /// What it is a function of: 1 the elevation, 2 the zenith distance.
    pub variable: i64,
    /// The sensitivity in K/Jy.
    pub sensitivity: f64,
    /// Its terms, as many as it has.
    pub terms: Vec<f64>,
}

/// The gain curves of a file. With one band, or one term, what is an array else is a single value here.
pub fn gain_curves<R: Read + Seek>(fits: &mut Fits<R>) -> Result<Vec<GainCurve>, FitsError> {
    let mut curves = Vec::new();
    for number in fits.named("GAIN_CURVE") {
        let mut rows = Rows::new(fits, number)?;
        let stations = rows.integers(&["ANTENNA_NO"], 0)?;
        let setups = rows.integers(&["FREQID"], 1)?;
        for polarization in [1_u8, 2] {
            let key = |name: &str| format!("{name}_{polarization}");
            let Some(kinds) = rows.any(&[&key("TYPE")])? else {
                continue;
            };
            let counts = rows.must(&[&key("NTERM")])?;
            let variables = rows.must(&[&key("X_TYP")])?;
            let gains = rows.must(&[&key("GAIN")])?;
            let sensitivities = rows.must(&[&key("SENS")])?;
            let (kind, count, variable) =
                (kinds.integers(), counts.integers(), variables.integers());
            let (gain, sensitivity) = (gains.reals(), sensitivities.reals());
            for (row, station) in stations.iter().enumerate() {
                let here = kinds.cell(row);
                let all = gains.cell(row);
                // As many terms are kept for each band as the longest curve has.
                let each = all.len().checked_div(here.len()).unwrap_or(0);
                let bands = (0..here.len()).map(|band| {
                    let terms = count_at(&count, &counts.cell(row), band).min(each);
                    let start = all.start + band * each;
                    BandGain {
                        kind: integer_at(&kind, &here, band),
                        variable: integer_at(&variable, &variables.cell(row), band),
                        sensitivity: real_at(&sensitivity, &sensitivities, row, band),
                        terms: gain.get(start..start + terms).unwrap_or_default().to_vec(),
                    }
                });
                curves.push(GainCurve {
                    station: *station,
                    setup: setups[row],
                    polarization,
                    bands: bands.collect(),
                });
            }
        }
    }
    Ok(curves)
}

fn integer_at(values: &[Option<i64>], cell: &Range<usize>, band: usize) -> i64 {
    let cell = values.get(cell.clone()).unwrap_or_default();
    // One for all bands, where there are fewer.
    cell.get(band)
        .or(cell.last())
        .copied()
        .flatten()
        .unwrap_or(0)
}

fn count_at(values: &[Option<i64>], cell: &Range<usize>, band: usize) -> usize {
    usize::try_from(integer_at(values, cell, band)).unwrap_or(0)
}

fn real_at(values: &[f64], cells: &Cells, row: usize, band: usize) -> f64 {
    let cell = values.get(cells.cell(row)).unwrap_or_default();
    cell.get(band).or(cell.last()).copied().unwrap_or(f64::NAN)
}
