"""What all parts share: building, starting, watching and ending programs."""

import functools
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
CACHE = CACHE / "jansky" / "bench"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@functools.cache
def build():
    """Builds Jansky and the load generator as they are shipped; returns their directory."""
    cargo = ["cargo", "build", "--quiet", "--profile", "dist", "--locked"]
    subprocess.run([*cargo, "-p", "jansky", "-p", "jansky-bench-load"], cwd=ROOT, check=True)
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    metadata = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    return pathlib.Path(json.loads(metadata)["target_directory"]) / "dist"


def free_port():
    """A port of the loopback interface that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A running program with its children; ends them all at the end of its `with` block."""

    def __init__(self, command, log, **more):
        self.log = pathlib.Path(log)
        self.began = time.monotonic()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **more,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        family = self.family()
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            pass
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def family(self):
        """The process and its descendants."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                parents[int(entry.name)] = int(fields[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_seconds(self):
        """User and system time of the family."""
        fields = [fields for pid in self.family() if (fields := _stat(pid))]
        return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS

    def rss_mib(self):
        """Resident memory of the family; what its processes share counts in each of them."""
        fields = [fields for pid in self.family() if (fields := _stat(pid))]
        return sum(int(f[21]) for f in fields) * PAGE / 2**20

    def until_healthy(self, port, path, patience=60):
        """Waits for the first answer with status 200; returns the seconds since the start."""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        while time.monotonic() - self.began < patience:
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as connection:
                    connection.sendall(request)
                    if connection.recv(64).split(b" ")[1:2] == [b"200"]:
                        return time.monotonic() - self.began
            except OSError:
                pass
            time.sleep(0.002)
        tail = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"`{self.process.args[0]}` was never healthy:\n{tail}")


def _stat(pid):
    """The fields of /proc/PID/stat from the state on, or None when the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def load(kind, port, program, connections, seconds=1.0, **more):
    """Runs the load generator against a program and returns what it measured."""
    command = [build() / "jansky-bench-load", "load", kind, f"127.0.0.1:{port}"]
    command += ["--connections", str(connections), "--measure", str(seconds)]
    command += ["--pids", ",".join(map(str, program.family()))]
    for name, value in more.items():
        command += [f"--{name}", value]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60).stdout
    return json.loads(output)


def others_busy(seconds=0.3):
    """The share of this machine's CPUs that is in use while we do nothing."""

    def times():
        fields = pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
        fields = [int(field) for field in fields]
        return sum(fields), fields[3] + fields[4]

    (all_before, idle_before) = times()
    time.sleep(seconds)
    (all_after, idle_after) = times()
    return 1 - (idle_after - idle_before) / max(1, all_after - all_before)


def median(samples, key):
    """The median of one field."""
    return statistics.median(sample[key] for sample in samples)
