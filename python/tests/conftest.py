"""A gateway that does what a test says, and the real agent beside this process.

The agent is `jansky agent` of the program under test. What it proves to the gateway is checked by
the tests of the agent; here the gateway believes everything.
"""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
PROGRAM = os.environ.get("JANSKY_TEST_BINARY") or TARGET / "debug" / "jansky"


class Gateway:
    """The broker of a gateway."""

    def __init__(self):
        self.lifetime = 600
        self.refusal = None
        self.asked: list[dict[str, str]] = []
        self.audiences = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, status: int, body: dict, **headers: str) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                if self.path.endswith("/enroll"):
                    self.answer(200, {"session": "s", "user": "river", "server": ""})
                    return
                form = dict(urllib.parse.parse_qsl(body))
                gateway.asked.append(form)
                if gateway.refusal:
                    status, refusal = gateway.refusal
                    self.answer(status, refusal, Retry_After="1")
                    return
                self.answer(
                    200,
                    {
                        "access_token": f"token-{len(gateway.asked)}",
                        "token_type": "Bearer",
                        "expires_in": gateway.lifetime,
                        "scope": form.get("scope", "archive:read"),
                        "audience": form["audience"],
                    },
                )

            def do_GET(self) -> None:
                if self.path.endswith("/audiences"):
                    known = {"state": "active", "identities": [], "audiences": gateway.audiences}
                    self.answer(200, known)
                else:
                    self.answer(404, {"error": "not_found"})

            def log_message(self, *_) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hub/broker/v1/"

    def refuse(self, status: int, error: str, **more: str) -> None:
        self.refusal = (status, {"error": error, "error_description": "so it is", **more})


@pytest.fixture
def gateway():
    gateway = Gateway()
    yield gateway
    gateway.server.shutdown()
    gateway.server.server_close()


@pytest.fixture
def agent(gateway, monkeypatch):
    """The path of the socket of a running agent."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="jansky-") as directory:
        where = os.path.join(directory, "agent.sock")
        document = {"ticket": "t", "broker_url": gateway.url, "socket": where}
        process = subprocess.Popen([PROGRAM, "agent"], stdin=subprocess.PIPE)
        try:
            process.stdin.write(json.dumps(document).encode())
            process.stdin.close()
            until(lambda: is_open(where))
            monkeypatch.setenv("JANSKY_AGENT_SOCKET", where)
            yield where
        finally:
            process.terminate()
            process.wait(20)


def is_open(where: str) -> bool:
    with socket.socket(socket.AF_UNIX) as one:
        return one.connect_ex(where) == 0


def until(condition, seconds: float = 20) -> None:
    """Waits until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


@pytest.fixture
def service():
    """A service that answers with the token it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = self.headers.get("Authorization", "nothing").encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
