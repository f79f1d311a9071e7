//! `SOURCE`: what was looked at.

use std::io::{Read, Seek};

use super::rows::Rows;
use crate::error::FitsError;
use crate::file::Fits;

/// A source.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Its number, by which rows of visibilities name it.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// In degrees, in the frame of the equinox.
    pub right_ascension: f64,
    /// In degrees.
    pub declination: f64,
    /// What the file says that the position refers to, such as `J2000`; nothing is assumed where it says nothing.
    pub equinox: Option<String>,
    /// What kind of calibrator it is, as the file has it.
    pub calibrator: String,
}

pub(super) fn read<R: Read + Seek>(fits: &mut Fits<R>) -> Result<Vec<Source>, FitsError> {
    let mut sources: Vec<Source> = Vec::new();
    for number in fits.named("SOURCE") {
        let mut rows = Rows::new(fits, number)?;
        let ids = rows.integers(&["SOURCE_ID", "ID_NO.", "ID_NO"], 0)?;
        let names = rows.texts(&["SOURCE"])?;
        let right_ascensions = rows.reals(&["RAEPO"])?;
        let declinations = rows.reals(&["DECEPO"])?;
        let calibrators = rows.texts(&["CALCODE"])?;
        // A string in the standard, and a number in files of AIPS.
        let texts = rows.texts(&["EQUINOX"])?;
        let years = rows.reals(&["EQUINOX", "EPOCH"])?;
        let whole = rows.header.real("EQUINOX");
        for (row, name) in names.into_iter().enumerate() {
            // The same source may have a row for each set-up.
            if sources.iter().any(|known| known.id == ids[row]) {
                continue;
            }
            let (Some(right_ascension), Some(declination)) =
                (right_ascensions[row], declinations[row])
            else {
                return Err(FitsError::Column {
                    table: rows.table.name,
                    column: "RAEPO".to_owned(),
                    message: format!("source `{name}` has no position"),
                });
            };
            let equinox = match (texts[row].as_str(), years[row].or(whole)) {
                ("", Some(year)) if year > 0.0 => Some(if year < 1984.0 {
                    format!("B{year}")
                } else {
                    format!("J{year}")
                }),
                ("", _) => None,
                (text, _) => Some(text.to_owned()),
            };
            sources.push(Source {
                id: ids[row],
                name,
                right_ascension,
                declination,
                equinox,
                calibrator: calibrators[row].clone(),
            });
        }
    }
    Ok(sources)
}
