"""A program that runs for a part of a measure only, with all the processes that it starts."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Program:
    """Runs from its making to the end of its `with` block."""

    def __init__(self, command: list[str], log: pathlib.Path, **more):
        self.log = log
        self.began = time.monotonic()
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, **more
            )

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_) -> None:
        family = self.family()
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()

    def family(self) -> list[int]:
        """The process and its descendants."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := stat(int(entry.name))):
                parents[int(entry.name)] = int(fields[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_seconds(self) -> float:
        """User and system time of the family."""
        return sum(int(f[11]) + int(f[12]) for pid in self.family() if (f := stat(pid))) / TICKS

    def rss_mib(self) -> float:
        """Resident memory of the family; what its processes share counts in each of them."""
        return sum(int(f[21]) for pid in self.family() if (f := stat(pid))) * PAGE / 2**20

    def until_healthy(self, port: int, path: str = "/hub/health", patience: float = 60) -> float:
        """Waits for the first answer with status 200; returns the seconds since the start."""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        while time.monotonic() < self.began + patience and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", port), 5) as connection:
                    connection.sendall(request)
                    if connection.recv(64).split(b" ")[1:2] == [b"200"]:
                        return time.monotonic() - self.began
            except OSError:
                pass
            time.sleep(0.002)
        raise SystemExit(f"{self.process.args[0]} is not healthy:\n{self.log.read_text()[-2000:]}")


def stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on; None when the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
