"""What every measure needs of the machine: programs, ports, processes on one CPU each."""

import copy
import json
import os
import pathlib
import socket
import subprocess
import time

PEER_CPU = 0
LOAD_CPU = 1


class Machine:
    """Starts programs for a benchmark and ends those, and only those, that it started."""

    def __init__(self, source: pathlib.Path, cache: pathlib.Path, scratch: pathlib.Path):
        self.source = source
        self.cache = cache
        self.scratch = scratch
        self.processes: list[subprocess.Popen] = []
        self.programs: pathlib.Path | None = None
        self.can_pin = len(os.sched_getaffinity(0)) > 1

    def __enter__(self) -> "Machine":
        return self

    def __exit__(self, *_) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def with_programs(self, directory: pathlib.Path | None) -> "Machine":
        """The same machine with programs that were built before."""
        other = copy.copy(self)
        other.programs = directory and directory.resolve()
        return other

    def build(self, package: str, *what: str) -> str:
        """Builds a program as it is shipped, unless there is one already; returns its path."""
        if self.programs:
            return str(self.programs / (what[-1] if what else package))
        command = ["cargo", "build", "--profile", "dist", "-p", package, *what]
        done = subprocess.run(
            [*command, "--message-format=json"], cwd=self.source, check=True, stdout=subprocess.PIPE
        )
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        return [message["executable"] for message in messages if message.get("executable")][-1]

    def pinned(self, cpu: int | None, command: list[str]) -> list[str]:
        pin = self.can_pin and cpu is not None
        return ["taskset", "-c", str(cpu), *command] if pin else command

    def start(self, cpu: int, command: list[str], port: int) -> int:
        """Starts a server on one CPU and waits until it listens; returns its process id."""
        log = self.scratch / f"{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.pinned(cpu, command), stdout=output, stderr=output, cwd=self.scratch
            )
        self.processes.append(process)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return process.pid
            time.sleep(0.05)
        raise SystemExit(f"{command[0]} does not listen on port {port}:\n{log.read_text()}")

    def with_children(self, pid: int) -> list[int]:
        """A process and those that it started."""
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(inner for child in children for inner in self.with_children(int(child)))]

    @staticmethod
    def free_port() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]
