//! Tests of the use cases with a spawner in memory: starts, stops, and what a restart of the hub
//! makes of them.

mod activity;
mod callers;
mod database_first;
mod other_services;
mod privileges;
mod resume;
mod schedule;
mod starts;
mod stops;
