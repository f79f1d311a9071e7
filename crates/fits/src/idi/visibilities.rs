//! `UV_DATA`: what was observed when, without the visibilities themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use super::modified;
use crate::cells::Cells;
use crate::error::FitsError;
use crate::file::Fits;
use crate::header::Header;

/// Rows that are looked at together.
const ROWS: u64 = 16 << 10;
/// More sources and set-ups than this are no observation.
const MOST_OBSERVED: usize = 100_000;

/// A table of visibilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Visibilities {
    /// How many rows it has.
    pub rows: u64,
    /// The axes of each row, the fastest first.
    pub axes: Vec<Axis>,
    /// The polarizations, such as `RR` and `LL`.
    pub polarizations: Vec<String>,
    /// How many channels a band has.
    pub channels: u64,
    /// How many bands there are.
    pub bands: u64,
}

/// An axis of the visibilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it is: `COMPLEX`, `STOKES`, `FREQ`, `BAND`, `RA`, `DEC`.
    pub name: String,
    /// How long it is.
    pub length: u64,
    /// The value at the reference pixel.
    pub value: f64,
    /// From one pixel to the next.
    pub step: f64,
    /// The pixel that has that value, counted from 1.
    pub pixel: f64,
}

/// What was observed of one source with one set-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// The number of the source; 0 where the table does not say.
    pub source: i64,
    /// The number of the set-up.
    pub setup: i64,
    /// The beginning of the first integration, as a modified Julian date.
    pub start: f64,
    /// The end of the last integration.
    pub end: f64,
    /// How many rows there are.
    pub rows: u64,
    /// The numbers of both stations of each baseline.
    pub baselines: BTreeSet<(i64, i64)>,
    /// The shortest and the longest time of integration, in seconds.
    pub integration: (f64, f64),
    /// The times of integration of all rows together, in seconds: divided by the number of baselines, the time on source.
    pub baseline_seconds: f64,
}

pub(super) fn read<R: Read + Seek>(
    fits: &mut Fits<R>,
    number: usize,
    observed: &mut BySourceAndSetup,
) -> Result<Visibilities, FitsError> {
    let table = fits.table(number)?;
    let header = fits.hdus()[number].header.clone();
    let names = ["DATE", "TIME", "BASELINE", "INTTIM", "FREQID"];
    let places: Vec<Option<usize>> = names.iter().map(|name| table.column(name)).collect();
    let [Some(date), Some(time), Some(baseline), interval, setup] = places[..] else {
        let message = format!("`{}` needs the columns DATE, TIME and BASELINE", table.name);
        return Err(FitsError::Missing(message));
    };
    let source = table.column("SOURCE_ID").or_else(|| table.column("SOURCE"));
    let optional = [interval, setup, source];
    let columns: Vec<usize> = [date, time, baseline]
        .into_iter()
        .chain(optional.into_iter().flatten())
        .collect();
    let mut row = 0;
    while row < table.rows {
        let until = table.rows.min(row + ROWS);
        let mut cells = fits.read(&table, &columns, row..until)?.into_iter();
        let mut next = |wanted: Option<usize>| wanted.and_then(|_| cells.next());
        let (dates, times) = (next(Some(date)), next(Some(time)));
        let baselines = next(Some(baseline));
        let [intervals, setups, sources] = optional.map(next);
        let count = usize::try_from(until - row).unwrap_or(0);
        let reals = |cells: Option<Cells>| cells.map(|cells| cells.reals()).unwrap_or_default();
        let integers = |cells: Option<Cells>, otherwise: i64| -> Vec<i64> {
            let found = cells.map(|cells| cells.integers());
            let found = found.unwrap_or_else(|| vec![None; count]);
            found
                .into_iter()
                .map(|value| value.unwrap_or(otherwise))
                .collect()
        };
        let chunk = Chunk {
            dates: reals(dates),
            times: reals(times),
            baselines: integers(baselines, 0),
            intervals: reals(intervals),
            setups: integers(setups, 1),
            sources: integers(sources, 0),
        };
        chunk.add(count, observed)?;
        row = until;
    }
    let axes = axes(&header);
    let length = |name: &str, key: &str| {
        let axis = axes
            .iter()
            .find(|axis| axis.name == name)
            .map(|axis| axis.length);
        let said = || {
            header
                .integer(key)
                .and_then(|value| u64::try_from(value).ok())
        };
        axis.or_else(said).unwrap_or(1)
    };
    Ok(Visibilities {
        rows: table.rows,
        channels: length("FREQ", "NO_CHAN"),
        bands: length("BAND", "NO_BAND"),
        polarizations: polarizations(&axes, &header),
        axes,
    })
}

/// What was observed, by source and set-up.
pub(super) type BySourceAndSetup = BTreeMap<(i64, i64), Observed>;

/// What some rows say.
struct Chunk {
    dates: Vec<f64>,
    times: Vec<f64>,
    baselines: Vec<i64>,
    intervals: Vec<f64>,
    setups: Vec<i64>,
    sources: Vec<i64>,
}

impl Chunk {
    fn add(&self, count: usize, observed: &mut BySourceAndSetup) -> Result<(), FitsError> {
        for row in 0..count {
            let number = |values: &[f64]| values.get(row).copied().unwrap_or(f64::NAN);
            let middle = modified(number(&self.dates)) + number(&self.times);
            if !middle.is_finite() {
                continue;
            }
            let seconds = number(&self.intervals);
            let seconds = if seconds.is_finite() && seconds > 0.0 {
                seconds
            } else {
                0.0
            };
            let half = seconds / 2.0 / 86_400.0;
            // The source of this row, not of the one before.
            let source = self.sources.get(row).copied().unwrap_or(0);
            let setup = self.setups.get(row).copied().unwrap_or(1);
            if observed.len() == MOST_OBSERVED && !observed.contains_key(&(source, setup)) {
                let (what, limit) = ("sources and set-ups", MOST_OBSERVED as u64);
                return Err(FitsError::Limit { what, limit });
            }
            let one = observed.entry((source, setup)).or_insert_with(|| Observed {
                source,
                setup,
                start: middle - half,
                end: middle + half,
                rows: 0,
                baselines: BTreeSet::new(),
                integration: (seconds, seconds),
                baseline_seconds: 0.0,
            });
            one.start = one.start.min(middle - half);
            one.end = one.end.max(middle + half);
            one.rows += 1;
            one.integration = (
                one.integration.0.min(seconds),
                one.integration.1.max(seconds),
            );
            let pair = stations_of(self.baselines.get(row).copied().unwrap_or(0));
            one.baselines.insert(pair);
            one.baseline_seconds += seconds;
        }
        Ok(())
    }
}

/// The stations of a baseline; beyond 255 stations, as AIPS has it.
pub(super) fn stations_of(baseline: i64) -> (i64, i64) {
    if baseline > 65_536 {
        let rest = baseline - 65_536;
        (rest / 2048, rest % 2048)
    } else {
        (baseline / 256, baseline % 256)
    }
}

fn axes(header: &Header) -> Vec<Axis> {
    let count = header.integer("MAXIS").unwrap_or(0).clamp(0, 9);
    let axes = (1..=count).map(|number| {
        let key = |name: &str| format!("{name}{number}");
        let real = |name: &str, otherwise| header.real(&key(name)).unwrap_or(otherwise);
        let length = header.integer(&key("MAXIS")).unwrap_or(1);
        Axis {
            name: header
                .text(&key("CTYPE"))
                .unwrap_or_default()
                .trim()
                .to_owned(),
            length: u64::try_from(length).unwrap_or(0),
            value: real("CRVAL", 0.0),
            step: real("CDELT", 1.0),
            pixel: real("CRPIX", 1.0),
        }
    });
    axes.collect()
}

fn polarizations(axes: &[Axis], header: &Header) -> Vec<String> {
    let axis = axes.iter().find(|axis| axis.name == "STOKES");
    let (first, step, count) = if let Some(axis) = axis {
        let first = axis.value + axis.step * (1.0 - axis.pixel);
        (first, axis.step, axis.length)
    } else {
        let count = header
            .integer("NO_STKD")
            .and_then(|count| u64::try_from(count).ok());
        (
            header.real("STK_1").unwrap_or(1.0),
            -1.0,
            count.unwrap_or(0),
        )
    };
    let names = (0..count.min(8)).scan(first, |value, _| {
        let this = *value;
        *value += step;
        Some(this)
    });
    names.map(polarization).collect()
}

fn polarization(value: f64) -> String {
    const NAMES: [(f64, &str); 12] = [
        (1.0, "I"),
        (2.0, "Q"),
        (3.0, "U"),
        (4.0, "V"),
        (-1.0, "RR"),
        (-2.0, "LL"),
        (-3.0, "RL"),
        (-4.0, "LR"),
        (-5.0, "XX"),
        (-6.0, "YY"),
        (-7.0, "XY"),
        (-8.0, "YX"),
    ];
    let mut names = NAMES.iter();
    let found = names.find(|(number, _)| (number - value).abs() < 0.1);
    found.map_or_else(|| format!("{value}"), |(_, name)| (*name).to_owned())
}
