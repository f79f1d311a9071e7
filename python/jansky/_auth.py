"""Tokens for the libraries that people use, each imported only when it is asked for."""

from __future__ import annotations

import functools
import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from ._agent import Token, token


class Auth:
    """Signs requests to one service: `auth=` of requests and of httpx.

    Each request carries a token that is good at that moment. With `hosts` it is sent to these hosts
    only, whatever else the session asks. It is never sent over plain HTTP, but to this machine.
    """

    def __init__(
        self,
        audience: str,
        scope: str | None = None,
        *,
        min_ttl: float | None = None,
        hosts: Iterable[str] | None = None,
    ):
        self.audience = audience
        self.scope = scope
        self.min_ttl = min_ttl
        self.hosts = None if hosts is None else frozenset(host.lower() for host in hosts)

    def token(self) -> Token:
        """A token that is good now."""
        return token(self.audience, self.scope, self.min_ttl)

    def header(self, url: str) -> str | None:
        """The value of `Authorization` for a request to `url`, or None where it is not to go."""
        address = urlsplit(url)
        host = (address.hostname or "").lower()
        if self.hosts is not None and host not in self.hosts:
            return None
        if address.scheme != "https" and not _is_this_machine(host):
            raise ValueError(f"a token is not sent to `{host}` in the clear; use https")
        return f"Bearer {self.token()}"

    # Both libraries take anything that can be called with the request.
    def __call__(self, request):
        header = self.header(str(request.url))
        if header is not None:
            request.headers["Authorization"] = header
        return request

    def __repr__(self) -> str:
        return f"jansky.Auth({self.audience!r})"


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def session(audience: str, scope: str | None = None, **options):
    """Returns a `requests.Session` for a service; pyvo takes it as `session=`.

    `options` are those of :class:`Auth`.
    """
    import requests

    made = requests.Session()
    made.auth = Auth(audience, scope, **options)
    return made


def globus_authorizer(audience: str, scope: str | None = None):
    """Returns an authorizer for clients of globus-sdk, such as `TransferClient(authorizer=...)`."""
    from globus_sdk.authorizers.base import GlobusAuthorizer

    class AgentAuthorizer(GlobusAuthorizer):
        """Takes each token from the agent."""

        def get_authorization_header(self) -> str:
            return f"Bearer {token(audience, scope)}"

        def handle_missing_authorization(self) -> bool:
            # Another try takes another token if the agent has one.
            return False

    return AgentAuthorizer()


def storage_options(audience: str, scope: str | None = None, **options) -> dict:
    """Returns `storage_options` with which fsspec, pandas, xarray and others read https URLs.

    They can be sent to workers; each takes its tokens from the agent of the server it runs on. Needs
    aiohttp 3.12. `options` are those of :class:`Auth`.
    """
    return {"get_client": functools.partial(_client, Auth(audience, scope, **options))}


async def _client(auth: Auth, *, loop=None, **options):
    import asyncio

    import aiohttp

    async def sign(request, handler):
        # Asking may take a moment, during which other reads go on.
        header = await asyncio.to_thread(auth.header, str(request.url))
        if header is not None:
            request.headers["Authorization"] = header
        return await handler(request)

    return aiohttp.ClientSession(middlewares=(sign,), **options)
