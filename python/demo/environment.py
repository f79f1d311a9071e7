#!/usr/bin/env python3
"""Makes the Python environment of the demo's servers.

    environment.py fetch              gets all that it needs into the cache
    environment.py make DIRECTORY     makes it, of what is in the cache where that is enough

What is downloaded is in ${XDG_CACHE_HOME:-~/.cache}/jansky, once for all demos of an account. uv does the
work, since it is several times as fast as pip; pip gets uv, and pip's settings say where from.
"""

import argparse
import ast
import hashlib
import os
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent

REQUIREMENTS = HERE / "requirements.txt"

UV = "uv==0.13.9"

# These lie in an environment that is complete and say of what: of which packages, and of which state of ours.
PACKAGES_MARKER = "jansky-packages.txt"
OWN_MARKER = "jansky-own-package.txt"

# pip's settings and what uv calls them. uv reads none of pip's.
SETTINGS = {
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "index-url": "UV_DEFAULT_INDEX",
    "no-index": "UV_NO_INDEX",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "trusted-host": "UV_INSECURE_HOST",
}


# How much that is in MiB.
MEBIBYTES = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}


class Failure(Exception):
    """What went wrong, and what to do."""


class Progress:
    """One line that moves on a terminal; elsewhere a line for each step, and now and then one between."""

    SECONDS_BETWEEN_LINES = 10

    def __init__(self) -> None:
        self._moves = sys.stdout.isatty()
        self._began = time.monotonic()
        self._said = ("", "", 0.0)

    def show(self, step: str, rest: str = "") -> None:
        now = time.monotonic()
        text = f"Preparing JupyterLab: {step}" + (f", {rest}" if rest else "")
        if self._moves:
            width = shutil.get_terminal_size().columns - 1
            self._write("\r\033[K" + f"{text} ({now - self._began:.0f} s)"[:width])
        else:
            said_step, said_rest, when = self._said
            if step != said_step or (
                rest != said_rest and now - when >= self.SECONDS_BETWEEN_LINES
            ):
                self._said = (step, rest, now)
                self._write(text + "\n")

    def end(self, text: str) -> None:
        seconds = time.monotonic() - self._began
        self._write(("\r\033[K" if self._moves else "") + f"{text} ({seconds:.0f} s)\n")

    def interrupt(self) -> None:
        """Leaves the line as it is, so that something else can be said."""
        if self._moves:
            self._write("\n")

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


class Downloads:
    """What uv says about its downloads: it names the larger ones, with their size."""

    def __init__(self) -> None:
        self.packages = 0
        self._sizes: dict[str, float] = {}
        self._left: set[str] = set()

    def read(self, line: str) -> None:
        if found := re.match(r"Resolved (\d+) packages", line):
            self.packages = int(found[1])
        elif found := re.match(r"Downloading (\S+) \(([\d.]+)([KMG]iB)\)", line):
            self._sizes[found[1]] = float(found[2]) * MEBIBYTES[found[3]]
            self._left.add(found[1])
        elif found := re.match(r" Downloaded (\S+)", line):
            self._left.discard(found[1])

    def __str__(self) -> str:
        if not self._sizes:
            return ""
        left = sum(self._sizes[name] for name in self._left)
        return f"{left:.0f} of {sum(self._sizes.values()):.0f} MiB left" if left else "unpacking"


def cache() -> Path:
    """Where what is downloaded is kept."""
    if above := os.environ.get("XDG_CACHE_HOME"):
        return Path(above) / "jansky"
    if not os.environ.get("HOME"):
        raise Failure("HOME is not set; say with XDG_CACHE_HOME where downloads may be kept")
    return Path.home() / ".cache" / "jansky"


def lines_of(command: list[str], environment: dict[str, str]) -> Iterator[str | None]:
    """What a program says, line by line, and nothing twice a second while it says nothing.

    Raises a `CalledProcessError` with the lines at the end when it fails.
    """
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    said: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in process.stdout or ():
            said.put(line.rstrip("\n"))
        said.put(None)

    threading.Thread(target=read, daemon=True).start()
    lines: list[str] = []
    while True:
        try:
            line = said.get(timeout=0.5)
        except queue.Empty:
            yield None
            continue
        if line is None:
            break
        lines.append(line)
        yield line
    if process.wait() != 0:
        raise subprocess.CalledProcessError(process.returncode, command, "\n".join(lines[-8:]))


def run(progress: Progress, step: str, command: Iterable[str | Path], **variables: str) -> None:
    """Runs a program and shows that it is at work."""
    downloads = Downloads()
    progress.show(step)
    for line in lines_of([str(part) for part in command], os.environ | variables):
        downloads.read(line or "")
        progress.show(step, str(downloads))


def settings_from_pip(listing: str) -> dict[str, str]:
    """What `pip config list` says, in variables for uv."""
    found: dict[str, str] = {}
    # What is set for installations goes before what is set for everything, and variables go before both.
    for section in ("global", "install", ":env:"):
        for line in listing.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(section + ".") and (
                variable := SETTINGS.get(key.removeprefix(section + "."))
            ):
                words = str(ast.literal_eval(value)).split()
                found[variable] = ("," if variable == "UV_FIND_LINKS" else " ").join(words)
    if "UV_INDEX" in found:
        # As pip does: the newest of all indexes, and not the first index that has any.
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return found


class Uv:
    """uv, with its cache and with pip's settings."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        self._home = cache() / f"{UV.replace('==', '-')}-python{version}"
        if not (self._home / "bin/uv").exists():
            self._install()
        listing = subprocess.run(
            [self._home / "bin/python", "-m", "pip", "config", "list"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        self._variables = {
            "UV_CACHE_DIR": str(cache() / "uv"),
            "UV_NO_PROGRESS": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_SYSTEM_CERTS": "1",
            **settings_from_pip(listing.stdout),
        }

    def _install(self) -> None:
        self._home.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix="uv.", dir=self._home.parent))
        try:
            python = work / "bin/python"
            run(self._progress, "making a place for uv", [sys.executable, "-m", "venv", work])
            pip = [python, "-m", "pip", "install", "--quiet", "--no-input", "--no-cache-dir"]
            run(self._progress, "getting uv", [*pip, "--disable-pip-version-check", UV])
            # The last step is a rename, so that what has the name is whole. Another demo may have been quicker.
            if not self._home.exists():
                work.rename(self._home)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def run(self, step: str, *arguments: str | Path) -> None:
        run(self._progress, step, [self._home / "bin/uv", *arguments], **self._variables)

    def install(self, environment: Path) -> None:
        """Makes an environment with the packages, without the network where that is possible."""
        self.run("making an environment", "venv", "--python", sys.executable, environment)
        install = ["pip", "install", "--python", environment / "bin/python", "-r", REQUIREMENTS]
        try:
            self.run("installing what was downloaded before", *install, "--offline")
        except subprocess.CalledProcessError:
            self.run("downloading and installing", *install)


def fetch(progress: Progress) -> None:
    """Gets everything into the cache. It is installed for that, into an environment that nobody needs."""
    wanted = REQUIREMENTS.read_text()
    marker = cache() / f"fetched-{hashlib.sha256((wanted + sys.version).encode()).hexdigest()[:16]}"
    if marker.exists():
        return
    uv = Uv(progress)
    with tempfile.TemporaryDirectory(prefix="environment.", dir=cache()) as work:
        uv.install(Path(work) / "python")
    marker.touch()
    progress.end("JupyterLab is there")


def make(directory: Path, progress: Progress) -> None:
    """Makes the environment, or what of it is missing or old."""
    wanted = REQUIREMENTS.read_text()
    version = (HERE.parent / "version.txt").read_text()
    uv = Uv(progress)
    if not has(directory / PACKAGES_MARKER, wanted):
        if directory.exists():
            shutil.rmtree(directory)
        uv.install(directory)
        (directory / PACKAGES_MARKER).write_text(wanted)
    install = ["pip", "install", "--python", directory / "bin/python"]
    # All that it needs is here, so no index is asked.
    alone = ["--offline", "--no-index", "--no-deps", "--no-build-isolation", "--reinstall"]
    uv.run("adding the package `jansky`", *install, *alone, HERE.parent)
    (directory / OWN_MARKER).write_text(version)
    progress.end("JupyterLab is prepared")


def has(marker: Path, wanted: str) -> bool:
    try:
        return marker.read_text() == wanted
    except OSError:
        return False


def ensure_venv(may_install: bool) -> None:
    """Debian keeps a part of Python's venv in a package of its own, which root can install."""
    if (
        subprocess.run(
            [sys.executable, "-c", "import ensurepip"], capture_output=True, check=False
        ).returncode
        == 0
    ):
        return
    if not (may_install and os.geteuid() == 0 and Path("/usr/bin/apt-get").exists()):
        raise Failure("Python's venv is missing. On Debian: apt-get install python3-venv")
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "python3-venv"]):
        subprocess.run(
            ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--no-input", action="store_true", help="install python3-venv without asking, as root"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("fetch")
    commands.add_parser("make").add_argument("directory", type=Path)
    options = parser.parse_args()
    progress = Progress()
    try:
        ensure_venv(options.no_input)
        if options.command == "fetch":
            fetch(progress)
        else:
            make(options.directory, progress)
    except KeyboardInterrupt:
        progress.interrupt()
        return 130
    except Failure as failure:
        progress.interrupt()
        print(failure, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as failure:
        progress.interrupt()
        print(explanation(failure), file=sys.stderr)
        return 1
    return 0


def explanation(failure: subprocess.CalledProcessError) -> str:
    program = Path(failure.cmd[0]).name
    said = "\n".join(f"    {line}" for line in (failure.output or "").splitlines())
    return (
        f"{program} ended with {failure.returncode}:\n{said}\n"
        "If this was a download: look at the network, and at the proxy (HTTPS_PROXY) and the package index\n"
        "(pip config list) if there are some, and start again. What is downloaded is kept in\n"
        f"{cache()}."
    )


if __name__ == "__main__":
    sys.exit(main())
