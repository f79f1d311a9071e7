//! `ARRAY_GEOMETRY` and `ANTENNA`: the stations.

use std::io::{Read, Seek};

use super::rows::Rows;
use crate::error::FitsError;
use crate::file::Fits;

/// A station.
#[derive(Clone, Debug, PartialEq)]
pub struct Station {
    /// Its number, by which baselines name it.
    pub number: i64,
    /// Its name.
    pub name: String,
    /// Where it is, in metres from the centre of the Earth if the frame is geocentric.
    pub position: [f64; 3],
    /// How it is mounted: 0 alt-azimuth, 1 equatorial, 2 in orbit, 3 X-Y, 4 and 5 Nasmyth.
    pub mount: i64,
    /// The diameter of its dish in metres, if the file says so: 0 is not a diameter.
    pub diameter: Option<f64>,
    /// Its two polarizations, such as `R` and `L`.
    pub polarizations: [String; 2],
}

pub(super) fn read<R: Read + Seek>(fits: &mut Fits<R>) -> Result<Vec<Station>, FitsError> {
    let mut stations: Vec<Station> = Vec::new();
    for number in fits.named("ARRAY_GEOMETRY") {
        let mut rows = Rows::new(fits, number)?;
        let center = ["ARRAYX", "ARRAYY", "ARRAYZ"].map(|key| rows.header.real(key).unwrap_or(0.0));
        let names = rows.texts(&["ANNAME"])?;
        let numbers = rows.integers(&["NOSTA", "NOSTA_NO", "ANTENNA_NO"], 0)?;
        let mounts = rows.integers(&["MNTSTA"], 0)?;
        let diameters = rows.reals(&["DIAMETER"])?;
        let positions = rows.must(&["STABXYZ"])?;
        let coordinates = positions.reals();
        for (row, name) in names.into_iter().enumerate() {
            let offset = &coordinates[positions.cell(row)];
            let position =
                [0, 1, 2].map(|axis| center[axis] + offset.get(axis).copied().unwrap_or(0.0));
            // The same stations are there again for another array.
            if stations
                .iter()
                .any(|known| known.number == numbers[row] && known.name == name)
            {
                continue;
            }
            stations.push(Station {
                number: numbers[row],
                name,
                position,
                mount: mounts[row],
                diameter: diameters[row].filter(|diameter| *diameter > 0.0),
                polarizations: [String::new(), String::new()],
            });
        }
    }
    for number in fits.named("ANTENNA") {
        let mut rows = Rows::new(fits, number)?;
        let numbers = rows.integers(&["ANTENNA_NO"], 0)?;
        let first = rows.texts(&["POLTYA"])?;
        let second = rows.texts(&["POLTYB"])?;
        for (row, number) in numbers.iter().enumerate() {
            let station = stations
                .iter_mut()
                .find(|station| station.number == *number);
            if let Some(station) = station {
                station.polarizations = [first[row].clone(), second[row].clone()];
            }
        }
    }
    Ok(stations)
}
