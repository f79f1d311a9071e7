//! What the agent takes of the machine. These are limits that were promised, not measurements.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::beside::Beside;
use crate::hub::Hub;

/// Bytes of the program as it is put into containers.
const LARGEST_FILE: u64 = 8 << 20;

/// Memory in KiB while it serves.
const MOST_MEMORY: u64 = 10 << 10;

/// The program as it is shipped: static and small.
fn shipped() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new(root.join("deploy/build-agent"))
        .output()
        .expect("the script is there");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

#[tokio::test]
async fn the_shipped_program_is_static_and_small_and_stays_small() {
    let program = shipped();
    let size = std::fs::metadata(&program).expect("it was built").len();
    assert!(size < LARGEST_FILE, "{size} bytes");
    // It needs no interpreter, so it runs in every image.
    let header = std::fs::read(&program).expect("readable");
    assert!(!has_interpreter(&header), "it is not static");

    let hub = Hub::start().await;
    let agent = Beside::of(&program, &hub).await;
    agent.listens(&hub).await;
    for number in 0..200 {
        agent.token(&format!("audience=a{number}")).await.token();
    }
    let memory = agent.memory();

    assert!(memory < MOST_MEMORY, "{memory} KiB");
}

/// Whether there is a program header `PT_INTERP` (elf(5), 64 bits, little endian).
fn has_interpreter(elf: &[u8]) -> bool {
    let number = |at: usize, bytes: usize| {
        elf[at..at + bytes]
            .iter()
            .rev()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (table, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    (0..count).any(|entry| number(table + entry * size, 4) == 3)
}
