use std::os::unix::fs::PermissionsExt as _;

use tokio::io::AsyncReadExt as _;

use crate::beside::{Beside, directory};
use crate::hub::Hub;

#[tokio::test]
async fn browsers_and_proxies_are_refused() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;

    for header in [
        "Origin: https://hub.test",
        "Cookie: _xsrf=1",
        "X-Forwarded-For: 10.0.0.1",
        "Referer: https://hub.test/",
    ] {
        let told = agent
            .send("GET", "/v1/token?audience=a", &format!("{header}\r\n"))
            .await;
        assert_eq!(told.refusal(), (403, "access_denied"), "{header}");
    }
    let told = agent.send("POST", "/v1/token?audience=a", "").await;
    assert_eq!(told.status, 405);
    assert_eq!(agent.get("/v1/other").await.status, 404);
    assert_eq!(
        agent.token("scope=x").await.refusal(),
        (400, "invalid_request")
    );
    assert!(hub.script().requests.is_empty());
}

#[tokio::test]
async fn another_account_gets_nothing() {
    if !rustix::process::geteuid().is_root() {
        // Only root can act as another account.
        return;
    }
    let hub = Hub::start().await;
    let agent = Beside::with(&hub, |document| document["uid"] = 4242.into()).await;

    // As if the files were open to all: the kernel's word about the peer is what counts.
    std::fs::set_permissions(
        agent.directory.path(),
        std::fs::Permissions::from_mode(0o777),
    )
    .expect("ours");
    std::fs::set_permissions(&agent.socket, std::fs::Permissions::from_mode(0o777)).expect("ours");
    let ask = |uid: u32| {
        let script = "import socket, sys\n\
             s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n\
             s.sendall(b'GET /v1/token?audience=a HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n')\n\
             try: print(s.recv(15).decode())\n\
             except ConnectionResetError: print('reset')";
        let mut command = tokio::process::Command::new("python3");
        command.args(["-c", script]).arg(&agent.socket).uid(uid);
        async move { command.output().await.expect("Python runs").stdout }
    };

    let (own, allowed, other) = (ask(0).await, ask(4242).await, ask(4243).await);

    assert_eq!(own, b"HTTP/1.1 200 OK\n");
    assert_eq!(allowed, b"HTTP/1.1 200 OK\n");
    assert!(!other.starts_with(b"HTTP"), "{other:?}");
}

#[tokio::test]
async fn a_socket_is_not_made_where_others_can_come_in() {
    let hub = Hub::start().await;
    let open = directory();
    std::fs::set_permissions(open.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let document = serde_json::json!({
        "ticket": "t", "broker_url": hub.url(), "socket": open.path().join("agent.sock"),
    });
    let mut agent = std::process::Command::new(env!("CARGO_BIN_EXE_jansky-agent"))
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("it was built");
    std::io::Write::write_all(
        &mut agent.stdin.take().expect("a pipe"),
        document.to_string().as_bytes(),
    )
    .expect("it reads");

    let output = agent.wait_with_output().expect("it ends");

    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("not closed to others"), "{said}");
}

#[tokio::test]
async fn nonsense_ends_only_its_own_connection() {
    let hub = Hub::start().await;
    let agent = Beside::start(&hub).await;

    for nonsense in [
        &b"\x16\x03\x01"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        &vec![b'A'; 100_000],
    ] {
        let mut stream = tokio::net::UnixStream::connect(&agent.socket)
            .await
            .expect("it listens");
        // It may hang up before it has read all.
        let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, nonsense).await;
        let _ = tokio::io::AsyncWriteExt::shutdown(&mut stream).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }

    agent.token("audience=archive").await.token();
}

/// Asks for a token from a process of the same account that `wrap` starts, and says what came back.
async fn ask_from(wrap: &[&str], socket: &std::path::Path) -> String {
    let script = "import socket, sys\n\
         s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n\
         try:\n\
         \x20 s.sendall(b'GET /v1/token?audience=a HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n')\n\
         \x20 print(s.recv(15).decode().strip())\n\
         except OSError: print('refused')";
    let mut words = wrap.iter().copied().chain(["python3", "-c", script]);
    let mut command = tokio::process::Command::new(words.next().expect("a program"));
    let output = command.args(words).arg(socket).output().await;
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    said.trim().to_owned()
}

/// A control group beside that of this test, if one can be made.
struct Group(Vec<std::path::PathBuf>);

impl Group {
    fn beside_ours() -> Option<Self> {
        let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
        let mut made = Vec::new();
        for line in own.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (tree, path) = (fields.next()?, fields.next()?);
            // Others want more than a directory before they take a process.
            if !["", "pids", "memory"].contains(&tree) {
                continue;
            }
            let base = std::path::Path::new("/sys/fs/cgroup").join(tree);
            let group = base
                .join(path.trim_start_matches('/'))
                .join(format!("agent-test-{}", std::process::id()));
            if std::fs::create_dir(&group).is_ok() {
                made.push(group);
            }
        }
        (!made.is_empty()).then_some(Self(made))
    }

    fn entering(&self) -> String {
        let enter =
            |group: &std::path::PathBuf| format!("echo $$ > {}/cgroup.procs", group.display());
        let all: Vec<String> = self.0.iter().map(enter).collect();
        format!("{} && exec \"$@\"", all.join(" && "))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for group in &self.0 {
            let _ = std::fs::remove_dir(group);
        }
    }
}

#[tokio::test]
async fn a_process_of_the_account_on_the_outside_of_the_agents_pid_namespace_gets_nothing() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let hub = Hub::start().await;
    let unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let agent = Beside::within(&unshare, &hub).await;

    let outside = ask_from(&["env"], &agent.socket).await;

    assert!(!outside.starts_with("HTTP"), "{outside}");
    assert!(
        agent.log().contains("another PID namespace"),
        "{}",
        agent.log()
    );
    assert!(hub.script().requests.is_empty());
}

#[tokio::test]
async fn a_process_of_the_account_in_another_control_group_gets_nothing() {
    let Some(group) = Group::beside_ours() else {
        // Only who may make control groups can try.
        return;
    };
    let hub = Hub::start().await;
    // The agent is in the new group, as beside a server of its own.
    let entering = group.entering();
    let agent = Beside::within(&["sh", "-c", &entering, "sh"], &hub).await;

    let outside = ask_from(&["env"], &agent.socket).await;
    let inside = ask_from(&["sh", "-c", &entering, "sh"], &agent.socket).await;
    let nested = ["sh", "-c", &entering, "sh", "unshare", "--mount", "--"];
    let in_a_container_of_its_own = ask_from(&nested, &agent.socket).await;

    assert!(!outside.starts_with("HTTP"), "{outside}");
    assert_eq!(inside, "HTTP/1.1 200 OK");
    assert_eq!(in_a_container_of_its_own, "HTTP/1.1 200 OK");
    assert!(
        agent.log().contains("another control group"),
        "{}",
        agent.log()
    );
}
