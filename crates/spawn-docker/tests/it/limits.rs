use std::os::unix::fs::MetadataExt as _;

use jansky_model::ByteSize;
use jansky_settings::Written;
use jansky_spawn::Spawner as _;

use crate::bench::{Bench, SERVER, end_of, get, until};

#[tokio::test]
async fn limits_and_restrictions_land_at_the_engine_and_in_the_kernel() {
    let script = "
import http.server
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            answer = open(self.path).read()
        except OSError as error:
            answer = str(error)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer.encode())
http.server.HTTPServer(('', 8888), Handler).serve_forever()
";
    let mut bench = Bench::python(script);
    bench.settings.memory_limit = Some(Written(ByteSize(200 << 20)));
    bench.settings.cpu_limit = Some(0.5);
    bench.settings.pids_limit = 64;
    bench.settings.read_only_root = true;
    let spawner = bench.spawner();

    let started = bench.start(&spawner).await;

    let host = &bench.inspect(&started)["HostConfig"];
    assert_eq!(host["Memory"], 200 << 20);
    assert_eq!(host["MemorySwap"], 200 << 20);
    assert_eq!(host["NanoCpus"], 500_000_000);
    assert_eq!(host["PidsLimit"], 64);
    assert_eq!(host["ReadonlyRootfs"], true);
    assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
    until("it answers", async || get(&started, "/etc/passwd")).await;
    let status = get(&started, "/proc/self/status").expect("it answers");
    for line in ["NoNewPrivs:\t1", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(line), "{line} is missing in {status}");
    }
    let read = |path: &str| get(&started, path).map(|text| text.trim().to_owned());
    let memory = read("/sys/fs/cgroup/memory/memory.limit_in_bytes")
        .filter(|text| text.parse::<u64>().is_ok())
        .or_else(|| read("/sys/fs/cgroup/memory.max"));
    assert_eq!(memory, Some((200 << 20).to_string()));
    let mounts = read("/proc/self/mounts").expect("it answers");
    for place in ["/run/jansky", "/tmp", "/run"] {
        assert!(
            mounts.contains(&format!("tmpfs {place} tmpfs rw,nosuid,nodev")),
            "{place} is not in memory: {mounts}"
        );
    }
}

#[tokio::test]
async fn who_uses_too_much_memory_is_told_so() {
    let mut bench = Bench::python("import time; time.sleep(0.5); x = bytearray(300 << 20)");
    bench.settings.memory_limit = Some(Written(ByteSize(64 << 20)));
    let spawner = bench.spawner();
    let started = bench.start(&spawner).await;

    let reason = end_of(&spawner, &started.handle).await;

    assert_eq!(reason, "was killed by signal 9 (out of memory)");
}

#[tokio::test]
async fn a_volume_keeps_what_a_user_has_written() {
    let script = "
import pathlib
file = pathlib.Path('/home/jovyan/notes')
file.write_text(file.read_text() + 'x' if file.exists() else '')
print(file.stat().st_size, flush=True)
";
    let mut bench = Bench::python(&format!("{script}{SERVER}"));
    let shared = tempfile::tempdir().expect("a directory");
    bench.settings.volumes = vec![
        format!("{}-{{username}}:/home/jovyan", bench.settings.instance),
        format!("{}:/data:ro", shared.path().display()),
    ];
    let spawner = bench.spawner();
    for size in ["0", "1", "2"] {
        let started = bench.start(&spawner).await;
        until("it answers", async || get(&started, "/")).await;
        let log = jansky_spawn::Spawner::log_tail(&spawner, &started.handle).await;
        assert!(log.starts_with(size), "{log}");
        let inspected = bench.inspect(&started);
        let mounts = inspected["Mounts"].as_array().expect("a list");
        let data = mounts.iter().find(|one| one["Destination"] == "/data");
        assert_eq!(data.map(|one| &one["RW"]), Some(&false.into()));
        crate::bench::stop(&spawner, &started.handle).await;
    }
    let name = format!("{}-river", bench.settings.instance);
    let volume = bench.engine("GET", &format!("/volumes/{name}"));
    let place = volume["Mountpoint"].as_str().expect("a volume");
    let owner = std::fs::metadata(place).expect("it is there").uid();
    assert_eq!(owner, 1000, "a volume belongs to the user of the image");
    bench.engine_bytes("DELETE", &format!("/volumes/{name}?force=1"));
}

#[tokio::test]
async fn a_volume_that_is_left_belongs_to_the_name_in_it() {
    let mut bench = Bench::python(SERVER);
    let instance = bench.settings.instance.clone();
    bench.settings.volumes = vec![
        format!("{instance}-{{username}}.{{servername}}:/work"),
        "/data:/data:ro".to_owned(),
    ];
    let volume = format!("{instance}-r_40x.lab");
    let body = serde_json::json!({ "Name": volume });
    bench.engine_with("POST", "/volumes/create", &body);
    let spawner = bench.spawner();
    let belongings = async |name: &str| {
        let name = name.parse().expect("a user name");
        let found = spawner.belongings(&name).await;
        found.expect("the engine answers")
    };

    assert_eq!(belongings("r@x").await, [format!("the volume `{volume}`")]);
    for name in ["r", "x", "wash"] {
        assert_eq!(belongings(name).await, Vec::<String>::new(), "{name}");
    }
    bench.settings.volumes = vec!["/data/{username}:/data".to_owned()];
    let wash = "wash".parse().expect("a user name");
    let spawner = bench.spawner();
    let by_path = spawner.belongings(&wash).await.expect("no question");
    assert_eq!(by_path, ["the directory `/data/wash`"]);
    bench.engine_bytes("DELETE", &format!("/volumes/{volume}?force=1"));
}
