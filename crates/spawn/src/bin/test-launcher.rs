//! The launcher alone, for the tests of this crate.

fn main() -> std::process::ExitCode {
    jansky_spawn::launcher::run()
}
