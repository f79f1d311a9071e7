//! The agent as a program of its own, small enough for every container image.

fn main() -> std::process::ExitCode {
    jansky_agent::run()
}
