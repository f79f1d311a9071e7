//! `FREQUENCY`: the set-ups of the receivers.

use std::io::{Read, Seek};

use super::rows::Rows;
use crate::cells::Cells;
use crate::error::FitsError;
use crate::file::Fits;

/// A frequency set-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    /// Its number, by which rows of visibilities name it.
    pub id: i64,
    /// Its bands (IFs).
    pub bands: Vec<Band>,
}

/// A band of a set-up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// The frequency at its reference channel, in Hz.
    pub frequency: f64,
    /// The width of a channel in Hz.
    pub channel_width: f64,
    /// Its whole width in Hz.
    pub bandwidth: f64,
    /// 1 for the upper sideband, -1 for the lower one.
    pub sideband: i64,
}

impl Band {
    /// Its lowest and its highest frequency, in Hz. The reference is the middle of the first channel.
    pub fn range(self) -> (f64, f64) {
        let half = self.channel_width.abs() / 2.0;
        if self.sideband < 0 {
            (
                self.frequency + half - self.bandwidth,
                self.frequency + half,
            )
        } else {
            (
                self.frequency - half,
                self.frequency - half + self.bandwidth,
            )
        }
    }
}

pub(super) fn read<R: Read + Seek>(fits: &mut Fits<R>) -> Result<Vec<Setup>, FitsError> {
    let mut setups: Vec<Setup> = Vec::new();
    for number in fits.named("FREQUENCY") {
        let mut rows = Rows::new(fits, number)?;
        let reference = rows.header.real("REF_FREQ").unwrap_or(0.0);
        let ids = rows.integers(&["FREQID"], 1)?;
        let offsets = rows.must(&["BANDFREQ"])?;
        let widths = rows.must(&["CH_WIDTH"])?;
        let bandwidths = rows.must(&["TOTAL_BANDWIDTH"])?;
        let sidebands = rows.any(&["SIDEBAND"])?;
        let (offset, width, bandwidth) = (offsets.reals(), widths.reals(), bandwidths.reals());
        let sideband = sidebands.as_ref().map(Cells::integers);
        for (row, id) in ids.iter().enumerate() {
            if setups.iter().any(|known| known.id == *id) {
                continue;
            }
            let here = offsets.cell(row);
            let at = |all: &[f64], cells: std::ops::Range<usize>, band: usize| {
                all.get(cells)
                    .and_then(|cell| cell.get(band))
                    .copied()
                    .unwrap_or(f64::NAN)
            };
            // With one band these are no arrays.
            let bands = here.clone().enumerate().map(|(band, index)| Band {
                frequency: reference + offset[index],
                channel_width: at(&width, widths.cell(row), band),
                bandwidth: at(&bandwidth, bandwidths.cell(row), band),
                sideband: match (&sidebands, &sideband) {
                    (Some(cells), Some(all)) => {
                        let cell = all.get(cells.cell(row)).unwrap_or_default();
                        cell.get(band).copied().flatten().unwrap_or(1)
                    }
                    _ => 1,
                },
            });
            setups.push(Setup {
                id: *id,
                bands: bands.collect(),
            });
        }
    }
    Ok(setups)
}
