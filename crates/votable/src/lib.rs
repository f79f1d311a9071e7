//! VOTable, the IVOA's format for tables: [`Reader`] reads versions 1.1 to 1.6, [`Writer`] writes 1.4 and 1.5.
//!
//! Both are streams. A reader gives the head of each table and then its rows in batches; a writer takes batches and
//! has the first bytes of its document before the first row. Neither keeps more than one batch, whatever the length
//! of the table.
//!
//! May use none of our crates, and knows nothing of what tables are for.
//!
//! What holds everywhere: a value that cannot be written or read as what its field says is an error that names field
//! and row, never another value. Nothing that somebody sends makes the reader panic, wait for ever, or take more
//! memory than [`Limits`] allow.

mod attribute;
mod column;
mod datatype;
mod integer;
mod limits;
mod model;
mod null;
mod read;
mod write;

pub use column::{Batch, Column, ColumnError, Data, Logical, Strings};
pub use datatype::{ArraySize, Datatype, Elements, Length, Shape};
pub use limits::Limits;
pub use model::{
    Bound, Choice, CooSys, Field, FieldRef, Group, Info, Link, Param, ParamRef, QueryStatus,
    Resource, Table, TimeSys, Values, Votable,
};
pub use read::{Part, Problem, ReadError, Reader};
pub use write::{Serialization, Version, WriteError, Writer};
