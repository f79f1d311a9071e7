"""Stands in for a single-user server where a test is about the hub and not about Jupyter.

Its name says how it behaves: `slow-…` answers after a second, `stubborn-…` takes a while to stop,
`silent-…` never answers, `broken-…` ends at once with words in its log.
"""

import base64
import hashlib
import http.cookies
import http.server
import json
import os
import signal
import sys
import time
from urllib.parse import parse_qs, urlsplit

NAME = os.environ["JUPYTERHUB_SERVER_NAME"]
SERVICE = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
CHUNK = bytes(1 << 20)


def stop(_signal, _frame):
    if NAME.startswith("stubborn"):
        time.sleep(1)
    os._exit(0)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        page = url.path.removeprefix(SERVICE.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if page == "api":
            self.answer({"version": "stand-in"})
        elif page == "self":
            cookies = http.cookies.SimpleCookie(self.headers["Cookie"])
            session = cookies.get("jupyterhub-session-id")
            session = session.value if session else None
            self.answer({"pid": os.getpid(), "name": NAME, "session": session})
        elif page == "download":
            self.download(int(query["bytes"]))
        elif page == "echo":
            self.echo()
        else:
            self.send_error(404)

    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        received = 0
        while left > received:
            received += len(self.rfile.read1(min(left - received, len(CHUNK))))
        self.answer({"received": received})

    def answer(self, body):
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def download(self, size):
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        while size > 0:
            size -= self.wfile.write(CHUNK[: min(size, len(CHUNK))])

    def echo(self):
        """A WebSocket (RFC 6455) that says back each frame shorter than 64 KiB."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        self.close_connection = True
        while head := self.rfile.read(2):
            size = head[1] & 0x7F
            extended = self.rfile.read(2) if size == 126 else b""
            size = int.from_bytes(extended) if extended else size
            mask = self.rfile.read(4)
            body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self.rfile.read(size)))
            self.wfile.write(bytes([head[0], head[1] & 0x7F]) + extended + body)
            if head[0] & 0x0F == 8:
                return


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGTERM, stop)
if NAME.startswith("broken"):
    print("the disk of the stand-in is full", flush=True)
    sys.exit(3)
if NAME.startswith("silent"):
    print("the stand-in has nothing to say", flush=True)
    while True:
        signal.pause()
if NAME.startswith("slow"):
    time.sleep(1)
Server((SERVICE.hostname, SERVICE.port), Handler).serve_forever()
