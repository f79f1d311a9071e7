//! FITS: headers and tables of files, read and written; and on top of them FITS-IDI ([`idi`]), the form in which
//! correlators of VLBI give visibilities.
//!
//! A file is opened by its headers; of its data only what is asked for is read, so a file of any size opens as fast as
//! a small one.
//!
//! May use none of our crates, and knows nothing of what files are for.
//!
//! What holds everywhere: nothing that stands in a file makes the reader panic, wait for ever, or take more memory
//! than what is asked for needs, within limits; what cannot be understood is an error that names header and keyword, or
//! table and column.

mod card;
mod cells;
mod decode;
mod error;
mod file;
mod form;
mod header;
pub mod idi;
mod table;
mod write;

pub use card::{Card, Value};
pub use cells::{Cells, Data};
pub use error::FitsError;
pub use file::{Fits, Hdu};
pub use form::{Form, Place, Type};
pub use header::Header;
pub use table::{Column, Table};
pub use write::{FitsWriter, NewColumn};
