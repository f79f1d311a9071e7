//! What is about jobs, whoever submits them.

mod names;
mod nodes;
mod script;
mod state;

pub(crate) use names::{Marker, job_name};
pub(crate) use nodes::first_node;
pub(crate) use script::{DOCUMENT, Script, is_plain};
pub(crate) use state::{Life, end_in_words, life, waiting_in_words};
