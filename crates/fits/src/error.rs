//! What can be wrong with a file.

use std::io;

use thiserror::Error;

/// Why a file cannot be read or written.
#[derive(Debug, Error)]
pub enum FitsError {
    /// What is read from or written to failed.
    #[error("the file cannot be read or written")]
    Io(#[from] io::Error),
    /// It does not begin as a FITS file does.
    #[error("this is no FITS file: it does not begin with SIMPLE")]
    NotFits,
    /// A header has something wrong in it.
    #[error("header {hdu}, {keyword}: {message}")]
    Header {
        /// The number of the header, 0 for the primary one.
        hdu: usize,
        /// The keyword.
        keyword: String,
        /// What is wrong with it.
        message: String,
    },
    /// A table has something wrong in it.
    #[error("table {table}, column `{column}`: {message}")]
    Column {
        /// Its name, or the number of its header.
        table: String,
        /// The name of the column.
        column: String,
        /// What is wrong with it.
        message: String,
    },
    /// There is more of something than is taken.
    #[error("{what}: more than the limit of {limit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// Something is asked for that is not there.
    #[error("{0}")]
    Missing(String),
}
