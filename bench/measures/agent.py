"""The agent beside a server: tokens per second over its socket, and what it takes of the machine.

One audience is asked for by several connections; after the first answer all come from memory. The
agent is the one that is put into containers, with one CPU for itself, and the load generator has the
other. Behind it is a gateway that believes everything.
"""

import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

from machine import LOAD_CPU, PEER_CPU, Machine
from peers import gateway

CONNECTIONS = (1, 8, 64)
GOAL = 20_000


def run(machine: Machine, options) -> dict:
    load = machine.build("jansky-bench-load")
    built = subprocess.run(
        [machine.source / "deploy/build-agent"], check=True, stdout=subprocess.PIPE, text=True
    )
    agent = built.stdout.strip()
    with gateway.Gateway() as hub, tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        socket = os.path.join(directory, "agent.sock")
        process = begin(machine, agent, socket, hub.url)
        try:
            results = {
                connections: [
                    sample(machine, load, socket, connections, options.seconds, process.pid)
                    for _ in range(options.rounds)
                ]
                for connections in CONNECTIONS
            }
            memory = resident_kib(process.pid)
        finally:
            process.terminate()
            process.wait(10)
    size = os.path.getsize(agent)
    show(results, size, memory)
    return {"samples": results, "bytes": size, "resident_kib": memory}


def begin(machine: Machine, agent: str, socket: str, url: str) -> subprocess.Popen:
    process = subprocess.Popen(machine.pinned(PEER_CPU, [agent]), stdin=subprocess.PIPE)
    document = {"ticket": "t", "broker_url": url, "socket": socket}
    process.stdin.write(json.dumps(document).encode())
    process.stdin.close()
    deadline = time.monotonic() + 20
    while not os.path.exists(socket):
        if time.monotonic() > deadline or process.poll() is not None:
            raise SystemExit("the agent does not listen")
        time.sleep(0.01)
    return process


def sample(machine, load, socket, connections, seconds, pid) -> dict:
    command = [load, "unix", socket, "--path", "/v1/token?audience=archive"]
    command += ["--connections", str(connections), "--seconds", str(seconds)]
    before = cpu_seconds(pid)
    done = subprocess.run(machine.pinned(LOAD_CPU, command), check=True, stdout=subprocess.PIPE)
    figures = json.loads(done.stdout)
    figures["cpu_us"] = (cpu_seconds(pid) - before) * 1e6 / figures["answers"]
    return figures


def cpu_seconds(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kib(pid: int) -> int:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def show(results: dict, size: int, memory: int) -> None:
    busy = pathlib.Path("/proc/loadavg").read_text().split()[0]
    print(f"\n### agent\n\nMedians; load average at the end {busy}; goal {GOAL:,}/s.\n")
    print("| connections | tokens per second | p50, µs | CPU per token, µs |\n|---|---|---|---|")
    for connections, samples in results.items():
        middle = {
            name: statistics.median(one[name] for one in samples)
            for name in ("per_second", "p50_us", "cpu_us")
        }
        print(
            f"| {connections} | {middle['per_second']:,.0f} | {middle['p50_us']:.0f} "
            f"| {middle['cpu_us']:.1f} |"
        )
    print(f"\n{size / 2**20:.1f} MiB on disk, {memory / 1024:.1f} MiB resident.", flush=True)
