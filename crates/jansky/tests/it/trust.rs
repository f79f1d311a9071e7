//! What people are trusted with who run code beside the hub, and what they cannot do.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::house::{House, told, until};

/// Accounts that nobody has: that of a hub, and another one.
const HUB: u32 = 4242;
const OTHER: u32 = 4243;

/// Tries to get at what a process has in memory, and says what worked.
const ATTACK: &str = "
import ctypes, os, sys
pid = int(sys.argv[1])
libc = ctypes.CDLL(None, use_errno=True)
def works(what):
    try: return bool(what())
    except OSError: return False
def attach():
    if libc.ptrace(16, pid, None, None) != 0: return False
    os.waitpid(pid, 0x40000000)
    return True
class Vector(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('length', ctypes.c_size_t)]
def copy():
    into = ctypes.create_string_buffer(8)
    here, there = Vector(ctypes.addressof(into), 8), Vector(0x400000, 8)
    libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    # A refusal looks at the process first, and at the address after that.
    return ctypes.get_errno() != 1
print(' '.join(name for name, what in {
    'environ': lambda: open(f'/proc/{pid}/environ', 'rb').read(),
    'mem': lambda: open(f'/proc/{pid}/mem', 'rb'),
    'maps': lambda: open(f'/proc/{pid}/maps', 'rb').read(),
    'fd': lambda: os.listdir(f'/proc/{pid}/fd'),
    'copy': copy,
    'attach': attach,
    **{path: (lambda path=path: open(path, 'rb').read()) for path in sys.argv[2:]},
}.items() if works(what)))
";

async fn attack(uid: u32, pid: u32, files: &[&Path]) -> String {
    let mut command = Command::new("python3");
    command.args(["-c", ATTACK, &pid.to_string()]).args(files);
    let output = command.uid(uid).gid(uid).output().await;
    let output = output.expect("Python runs");
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The program, at a path that all accounts can go.
fn program(folder: &Path) -> PathBuf {
    let built = PathBuf::from(env!("CARGO_BIN_EXE_jansky"));
    let is_open = |above: &Path| above.metadata().is_ok_and(|it| it.mode() & 0o001 != 0);
    if built.ancestors().skip(1).all(is_open) {
        return built;
    }
    let copy = folder.join("jansky");
    std::fs::copy(&built, &copy).expect("there is space for it");
    copy
}

#[tokio::test]
async fn code_of_the_hubs_own_account_cannot_read_its_memory_nor_attach_to_it() {
    if !rustix::process::geteuid().is_root() {
        // Only root can be several accounts.
        return;
    }
    let house = House::new();
    chown(house.path(), Some(HUB), Some(HUB)).expect("root may");
    let log = |name: &str| std::fs::File::create(house.path().join(name)).expect("ours");
    let mut hub = Command::new(program(house.path()))
        .args(["serve", "--config"])
        .arg(house.config())
        .args(["--set", "spawner.servers_may_run_as_root=false"])
        .args(["--set", "hub.bind=127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(log("stdout"))
        .stderr(log("stderr"))
        .current_dir("/")
        .uid(HUB)
        .gid(HUB)
        .kill_on_drop(true)
        .spawn()
        .expect("it was built");
    let pid = hub.id().expect("it runs");
    until("the hub did not start", async || {
        let ended = hub.try_wait().expect("it is our child");
        assert!(ended.is_none(), "{ended:?} {}", house.said("stderr"));
        house.said("stdout").contains("running at").then_some(())
    })
    .await;
    let mut control = Command::new("sleep");
    let mut control = control
        .arg("600")
        .current_dir("/")
        .uid(HUB)
        .gid(HUB)
        .kill_on_drop(true)
        .spawn();
    let control = control.as_mut().expect("it runs").id().expect("it runs");

    let data = house.path().join("data");
    let secrets = [data.join("sealing.keys"), data.join("jansky.db")];
    let secrets = [secrets[0].as_path(), secrets[1].as_path()];

    // What is done here works with programs that do nothing about it.
    let usual = attack(HUB, control, &[]).await;
    assert!(
        usual.contains("environ") && usual.contains("mem"),
        "{usual}"
    );
    assert_eq!(attack(HUB, pid, &[]).await, "", "by the same account");
    assert_eq!(attack(OTHER, pid, &secrets).await, "", "by another account");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core"));
    let core: Vec<_> = core.unwrap_or_default().split_whitespace().collect();
    assert_eq!(core.get(4), Some(&"0"), "{limits}");
}

#[tokio::test]
async fn the_account_of_the_hub_is_not_shared_until_users_are_trusted_with_everything() {
    let house = House::new();

    let output = house
        .refused(&["spawner.users_are_trusted_with_everything=false"])
        .await;

    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("spawner.run_as: found `hub`"), "{told}");
    assert!(told.contains("the tokens of everybody"), "{told}");
    assert!(!house.path().join("data").exists(), "it was touched");
}

#[tokio::test]
async fn a_root_hub_starts_no_server_as_root_without_being_told() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let house = House::new();

    let output = house
        .refused(&["spawner.servers_may_run_as_root=false"])
        .await;

    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("all code in notebooks would be root"),
        "{told}"
    );
}

#[test]
fn the_unit_lets_no_memory_be_written_into_a_file() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/jansky.service");
    let unit = std::fs::read_to_string(unit).expect("it is there");

    assert!(unit.lines().any(|line| line == "LimitCORE=0"));
}
