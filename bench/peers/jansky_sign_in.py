"""Jansky with an OpenID provider, on SQLite."""

import http.cookiejar
import json
import pathlib
import urllib.request

from machine import Machine
from program import Program

NAME = "jansky"

CONFIGURATION = """
[hub]
bind = "127.0.0.1:{port}"
data_dir = "{home}/data"
public_url = "http://127.0.0.1:{port}/"

[provider.bench]
kind = "oidc"
issuer = "{issuer}"
client_id = "bench"
client_secret = {{ file = "{home}/secret" }}
scopes = ["openid"]
allow_all = true

[provider.local]
kind = "local"

[spawner]
kind = "process"
run_as = "hub"
users_are_trusted_with_everything = true
servers_may_run_as_root = true
# Nobody starts a server.
command = ["/bin/true"]
"""


class Hub:
    """A Jansky at which people sign in. It runs in `with hub.start():`."""

    name = NAME
    path = "/hub/oauth_login?idp=bench"

    def __init__(self, machine: Machine, home: pathlib.Path, issuer: str):
        self.home = home
        self.program = machine.build("jansky")
        # The proxy is in the same process.
        self.port = self.hub_port = machine.free_port()
        secret = home / "secret"
        secret.touch(mode=0o600)
        secret.write_text("secret")
        text = CONFIGURATION.format(port=self.port, home=home, issuer=issuer)
        (home / "jansky.toml").write_text(text)

    def start(self) -> Program:
        command = [self.program, "serve", "--config", str(self.home / "jansky.toml")]
        return Program(command, self.home / "log")

    def new_token(self) -> str:
        """A token of somebody who has signed in, made as the script of a page makes it."""
        jar = http.cookiejar.CookieJar()
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
        base = f"http://127.0.0.1:{self.port}"
        # To the provider and back again; it lets the first person in.
        browser.open(base + self.path, timeout=60).close()
        xsrf = next(cookie.value for cookie in jar if cookie.name == "_xsrf")
        request = urllib.request.Request(
            f"{base}/hub/api/users/person-0/tokens",
            b"{}",
            {"X-XSRFToken": xsrf, "Sec-Fetch-Mode": "cors", "Content-Type": "application/json"},
        )
        with browser.open(request, timeout=60) as response:
            return json.load(response)["token"]
