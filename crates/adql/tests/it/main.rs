//! The language from outside: queries and what becomes of them.

mod data;
mod hostile;
mod meaning;
mod restriction;
mod round_trip;
mod syntax;
mod valid;
