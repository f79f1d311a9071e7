//! Tests of the VOTable reader and writer.

mod every_type;
mod foreign;
mod limits;
mod reading;
mod refused;
mod round_trip;
mod support;
mod writing;
