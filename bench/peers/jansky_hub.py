"""Jansky as a whole, with an SQLite database."""

import json
import pathlib
import time
import urllib.request

from machine import Machine
from program import Program

NAME = "jansky"

# Users that are made with one request.
BATCH = 1000


class Hub:
    """A Jansky with `users` users, one of whom has a token. It runs in `with hub.start():`."""

    name = NAME

    def __init__(self, machine: Machine, home: pathlib.Path, users: int):
        self.home = home
        self.program = machine.build("jansky")
        # The proxy is in the same process.
        self.port = self.hub_port = machine.free_port()
        self.fill(users)

    def start(self) -> Program:
        command = [self.program, "serve", "--config", str(self.home / "demo/jansky.toml")]
        return Program(command, self.home / "log")

    def fill(self, users: int) -> None:
        """Makes the users over the REST API, as the admin of the demo."""
        demo, ready = self.home / "demo", self.home / "ready.json"
        command = [self.program, "demo", "--no-input", "--home", str(demo)]
        # Nobody starts a notebook server, so any directory does as its environment.
        command += ["--port", str(self.port), "--python", str(self.home)]
        with Program([*command, "--ready-file", str(ready)], self.home / "log") as program:
            program.until_healthy(self.port)
            deadline = time.monotonic() + 20
            while not ready.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            made = json.loads(ready.read_text())
            admin = made["admin_token"]
            names = [f"user-{number}" for number in range(users - len(made["accounts"]))]
            for begin in range(0, len(names), BATCH):
                self.post(admin, "users", {"usernames": names[begin : begin + BATCH]})
            self.token = self.post(admin, f"users/{names[0]}/tokens", {})["token"]

    def post(self, token: str, path: str, body: dict) -> dict:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/hub/api/{path}",
            json.dumps(body).encode(),
            {"Authorization": f"token {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)
