//! The spawner in front of a FirecREST that misbehaves on request and really runs jobs. The real agent
//! in a job is tried by the checks of the program.

mod answers;
mod conformance;
mod jobs;
mod rig;
mod secrets;
mod tokens;
