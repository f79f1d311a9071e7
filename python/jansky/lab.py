"""What the item in JupyterLab's status bar asks: how things stand, and never a token.

An extension of the Jupyter server: the browser cannot reach the agent, and is not meant to.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from ._agent import SOCKET, status
from ._errors import JanskyError

# What of an answer goes to the browser; whatever else an agent may say stays here.
_WHOLE = ("state", "hub", "frozen_reason", "problem", "user", "server")
_IDENTITY = ("provider", "title", "state", "reauth_url")
_AUDIENCE = ("id", "title", "state", "scopes", "reauth_url", "expires_in")


def shown(answer: Mapping) -> dict:
    """What of an answer of the agent is for the browser."""

    def part(of: Mapping, names: tuple[str, ...]) -> dict:
        return {name: of[name] for name in names if name in of}

    return part(answer, _WHOLE) | {
        "identities": [part(one, _IDENTITY) for one in answer.get("identities", [])],
        "audiences": [part(one, _AUDIENCE) for one in answer.get("audiences", [])],
    }


class StatusHandler(APIHandler):
    """`GET /jansky/status`"""

    @web.authenticated
    async def get(self) -> None:
        self.set_header("Cache-Control", "no-store")
        if not os.environ.get(SOCKET):
            answer = {"state": "absent"}
        else:
            try:
                answer = await asyncio.to_thread(status)
            except JanskyError as error:
                answer = {"state": "refused", "problem": str(error)}
        self.finish(json.dumps(shown(answer)))


class SignedInHandler(JupyterHandler):
    """`GET /jansky/signed-in`: where the window ends up in which somebody has signed in again.

    On the way here the browser gets what it needs to go on working with this server.
    """

    @web.authenticated
    def get(self) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish(
            "<!DOCTYPE html><html lang=en><title>Signed in</title>"
            "<p>You are signed in again. You can close this window and go on in your notebook."
            # The gateway cuts the tie to the page that opened this, so nobody else closes it.
            "<script>window.close()</script>"
        )


def _jupyter_server_extension_points() -> list[dict]:
    return [{"module": "jansky.lab"}]


def _load_jupyter_server_extension(app) -> None:
    base = url_path_join(app.web_app.settings["base_url"], "jansky")
    handlers = [(f"{base}/status", StatusHandler), (f"{base}/signed-in", SignedInHandler)]
    app.web_app.add_handlers(".*$", handlers)
