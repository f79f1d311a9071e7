"""A gateway that believes every agent and gives it the same token, for what is measured before it."""

import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# As long as a token with a few claims is.
TOKEN = "x" * 900


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body: dict, status: int = 200) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path.endswith("/enroll"):
            self.answer({"session": "s"})
            return
        audience = dict(urllib.parse.parse_qsl(body))["audience"]
        self.answer({"access_token": TOKEN, "expires_in": 3600, "audience": audience})

    def do_GET(self) -> None:
        if self.path.endswith("/audiences"):
            self.answer({"state": "active", "audiences": []})
        else:
            self.answer({"error": "not_found"}, 404)

    def log_message(self, *_) -> None:
        pass


class Gateway:
    def __enter__(self) -> "Gateway":
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hub/broker/v1/"
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()
