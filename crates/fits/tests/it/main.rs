//! Tests of the FITS reader and writer.

mod foreign;
mod headers;
mod idi;
mod malformed;
mod tables;
