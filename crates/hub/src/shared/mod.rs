//! What all parts stand on: settings, errors, the record of what happened, and the signal of changes.
//! It uses none of the parts.

pub(crate) mod audience;
pub(crate) mod ended;
pub(crate) mod error;
pub(crate) mod metrics;
pub(crate) mod rate_limit;
pub(crate) mod record;
pub(crate) mod request_context;
pub(crate) mod settings;
pub(crate) mod signals;
pub(crate) mod subdomains;
