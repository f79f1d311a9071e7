//! ADQL, the query language of the Virtual Observatory, in its versions 2.1 (2023-12-15) and 2.0.
//!
//! [`parse`] reads a text and gives its [tree], which prints as normal ADQL again. [`resolve()`] finds out what
//! the names of a tree mean in a [catalogue] and gives a typed [plan]; it is all that an engine
//! needs, and [`plan::Plan::scans`] is where rows are hidden. Nothing here does I/O, none of it panics, and a query
//! takes time in proportion to its length, however it is nested. This crate knows nothing of archives or of
//! Jansky and may use none of our crates.
//!
//! # Where it is more generous than the grammar
//!
//! A query of the standard means what the standard says. Beyond it, because people write it and nothing
//! else can be meant:
//!
//! - `NULL` may stand for the coordinate system, where it is one argument too many.
//! - `IS NULL` follows any value, not columns alone.
//! - `TRUE` and `FALSE` are values, as tables have boolean columns.
//! - `INT`, `DOUBLE` and `FLOAT` are targets of `CAST` beside `INTEGER` and `DOUBLE PRECISION`.
//! - Whole numbers may be written in base 16 (`0x1F`), and `&`, `|`, `^` and `~` work on bits, as drafts of
//!   2.1 had them. `~` binds like a sign; `&`, `^` and `|` bind less than `||`, `+` and `-`, in this order.
//! - `GROUP BY` takes positions, and `GROUP BY`, `HAVING` and expressions in `ORDER BY` the names of columns of the
//!   result, where no column of a table has that name.
//! - A text beside a time is a time (`obs_release_date > '2026-01-01'`), without `CAST`.
//! - A table needs its schema only where several have one of that name.
//! - `INTERSECTS` takes points, as 2.0 had it.
//! - A query of 2.0 may use everything that 2.1 has, except the words that only 2.1 reserves (`BIGINT`,
//!   `ILIKE`, `IN_UNIT` and `OFFSET`): they are names there.
//!
//! # Where it is stricter
//!
//! - `EXISTS (a JOIN b)` and `IN (a JOIN b)`, which the grammar has for want of a better rule, are refused:
//!   a sub-query is a `SELECT`.
//! - Texts in single quotes that stand on two lines are two texts, and no number touches a name (`89x`, `2desc`).
//! - Joins whose conditions come after several of them (`a JOIN b JOIN c ON … ON …`) need brackets.
//! - Only ICRS is taken for a coordinate system (or nothing, or `UNKNOWNFRAME`): another one is refused, not ignored.
//! - `SUM(x)` of a text, `LIKE` of a number and the like are refused before an engine sees them.
//! - A name before a function (`prefix.function(…)`) is refused; the prefix is a part of the function's name.

pub mod catalogue;
mod check;
mod error;
mod explain;
mod function;
mod lexer;
mod nearest;
mod parser;
pub mod plan;
mod print;
mod resolve;
mod span;
mod token;
pub mod tree;
mod types;
mod unit;
mod word;

pub use error::{Error, ErrorKind, Fault, Hint};
pub use function::{Aggregate, Builtin};
pub use parser::{MAX_DEPTH, MAX_LENGTH, MAX_OPERANDS, MAX_TABLES, parse, parse_as};
pub use resolve::{MAX_COLUMNS, MAX_KEYS, resolve};
pub use span::{Node, Span};
pub use types::Type;
pub use word::Word;

/// A version of the language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// 2.0, of 2008.
    V2_0,
    /// 2.1, of 2023.
    #[default]
    V2_1,
}
