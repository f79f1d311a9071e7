//! FITS-IDI (AIPS memo 114): stations, sources, frequencies, and what was observed when, without the visibilities.

mod calibration;
mod frequencies;
mod rows;
mod sources;
mod stations;
mod visibilities;
mod write;

use std::io::{Read, Seek};

pub use calibration::{BandGain, Calibration, GainCurve, gain_curves};
pub use frequencies::{Band, Setup};
pub use sources::Source;
pub use stations::Station;
pub use visibilities::{Axis, Observed, Visibilities};
pub use write::{IdiWriter, Row};

use crate::error::FitsError;
use crate::file::Fits;
use crate::header::Header;

/// What a file is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The code of the observation (`OBSCODE`).
    pub observation: Option<String>,
    /// The name of the array.
    pub array: Option<String>,
    /// What the coordinates of stations refer to (`FRAME`).
    pub frame: Option<String>,
    /// The scale of times (`TIMSYS`, usually UTC).
    pub time_system: Option<String>,
    /// All stations.
    pub stations: Vec<Station>,
    /// All sources.
    pub sources: Vec<Source>,
    /// All frequency set-ups: a file may have several.
    pub setups: Vec<Setup>,
    /// The tables of visibilities: a file may have several.
    pub visibilities: Vec<Visibilities>,
    /// What was observed, by source and set-up, of all those tables.
    pub observed: Vec<Observed>,
    /// What there is to calibrate with.
    pub calibration: Vec<Calibration>,
}

/// Whether a file is FITS-IDI: it has the tables that say so, whatever it is called.
pub fn is_idi<R: Read + Seek>(fits: &Fits<R>) -> bool {
    let has = |name: &str| !fits.named(name).is_empty();
    has("ARRAY_GEOMETRY") && (has("UV_DATA") || has("FREQUENCY"))
}

/// Reads everything about a file but its visibilities.
pub fn summary<R: Read + Seek>(fits: &mut Fits<R>) -> Result<Summary, FitsError> {
    if !is_idi(fits) {
        let message = "this is no FITS-IDI: it has no ARRAY_GEOMETRY with UV_DATA or FREQUENCY";
        return Err(FitsError::Missing(message.to_owned()));
    }
    let text = |key: &str| {
        let mut headers = fits.hdus().iter().map(|hdu| &hdu.header);
        let found = headers.find_map(|header: &Header| header.text(key));
        found
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    let mut summary = Summary {
        observation: text("OBSCODE"),
        array: text("ARRNAM"),
        frame: text("FRAME"),
        time_system: text("TIMSYS").or_else(|| text("TIMESYS")),
        ..Summary::default()
    };
    summary.stations = stations::read(fits)?;
    summary.sources = sources::read(fits)?;
    summary.setups = frequencies::read(fits)?;
    let mut observed = visibilities::BySourceAndSetup::new();
    for number in fits.named("UV_DATA") {
        let table = visibilities::read(fits, number, &mut observed)?;
        summary.visibilities.push(table);
    }
    summary.observed = observed.into_values().collect();
    summary.calibration = calibration::read(fits)?;
    Ok(summary)
}

/// A Julian date as a modified one.
pub(crate) fn modified(julian: f64) -> f64 {
    julian - 2_400_000.5
}
