"""Questions to the agent over its Unix socket."""

from __future__ import annotations

import http.client
import json
import os
import socket
import time
from urllib.parse import urlencode

from ._errors import JanskyError, NoAgent, Unavailable, error_of

# Where the agent of this server listens.
SOCKET = "JANSKY_AGENT_SOCKET"

# The agent itself waits for the gateway for 30 s.
_TIMEOUT = 40.0


class Token(str):
    """An access token. It is text; its attributes say what it is good for and until when."""

    audience: str | None
    scope: str | None
    expires_at: float

    @classmethod
    def _of(cls, answer: dict) -> Token:
        self = cls(answer["access_token"])
        self.audience = answer.get("audience")
        self.scope = answer.get("scope")
        self.expires_at = time.time() + float(answer["expires_in"])
        return self

    @property
    def expires_in(self) -> float:
        """The seconds that are left of it."""
        return max(0.0, self.expires_at - time.time())

    def __repr__(self) -> str:
        # What the last line of a cell shows is saved with the notebook.
        return f"<token for {self.audience}, {self.expires_in:.0f} s left>"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str):
        super().__init__("agent", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def token(
    audience: str,
    scope: str | None = None,
    min_ttl: float | None = None,
    *,
    patience: float = 10.0,
) -> Token:
    """Returns an access token for the service `audience`.

    `scope` names the rights to ask for, with blanks between them; without it the token has all that
    are configured. The token lives for `min_ttl` seconds at least (without it: 60), as far as tokens
    for this service live that long. While the gateway is being restarted this waits, for `patience`
    seconds at most.
    """
    query = {"audience": audience}
    if scope is not None:
        query["scope"] = scope
    if min_ttl is not None:
        query["min_ttl"] = str(int(min_ttl))
    path = f"/v1/token?{urlencode(query)}"
    deadline = time.monotonic() + patience
    while True:
        try:
            return Token._of(ask(path))
        except Unavailable as error:
            pause = min(max(error.retry_after, 0.1), 2.0)
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)


def status() -> dict:
    """Returns how things stand: identities, services, and whether tokens are given at all."""
    return ask("/v1/status")


def ask(path: str) -> dict:
    """Asks the agent and returns its answer, or raises what it stands for."""
    where = os.environ.get(SOCKET)
    if not where:
        raise NoAgent(
            f"{SOCKET} is not set: this is not a server of a Jansky gateway, or no services are "
            "configured there"
        )
    connection = _Connection(where)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except TimeoutError as error:
        raise Unavailable("the agent of this server does not answer") from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAgent(
            f"the agent of this server cannot be asked ({error}); start the server again"
        ) from error
    finally:
        connection.close()
    try:
        answer = json.loads(body)
        if not isinstance(answer, dict):
            raise ValueError
    except ValueError as error:
        raise JanskyError(f"the agent answered {response.status} and no JSON") from error
    if response.status != 200:
        raise error_of(response.status, answer, response.headers.get("Retry-After"))
    return answer
