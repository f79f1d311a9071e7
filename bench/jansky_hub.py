"""Jansky, with an SQLite database below a directory of its own."""

import json
import urllib.request

from programs import Program, build, free_port


class Jansky:
    """A Jansky with `count` users, of whom one has a token. It runs in `with hub.start()`."""

    name = "jansky"
    health = "/hub/health"

    def __init__(self, directory, count):
        self.directory = directory
        self.public_port = self.hub_port = free_port()
        self._fill(count)

    def _fill(self, count):
        """Makes the users over the REST API, as the admin of the demo."""
        home, ready = self.directory / "home", self.directory / "ready.json"
        demo = [build() / "jansky", "demo", "--home", home, "--port", self.public_port]
        # No server is started, so no Python environment is needed.
        demo += ["--python", self.directory, "--no-input", "--ready-file", ready]
        with Program(demo, self.directory / "log") as program:
            program.until_healthy(self.public_port, self.health)
            while not ready.exists():
                pass
            made = json.loads(ready.read_text())
            admin = made["admin_token"]
            names = [f"user-{number}" for number in range(count - len(made["accounts"]))]
            for begin in range(0, len(names), 1000):
                self._post(admin, "users", {"usernames": names[begin : begin + 1000]})
            self.token = self._post(admin, "users/user-3/tokens", {})["token"]

    def _post(self, token, path, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.public_port}/hub/api/{path}",
            json.dumps(body).encode(),
            {"Authorization": f"token {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def start(self):
        config = self.directory / "home" / "jansky.toml"
        return Program([build() / "jansky", "serve", "--config", config], self.directory / "log")
