"""Why there is no token, and what to do."""

from __future__ import annotations


class JanskyError(Exception):
    """There is no token. The text says what to do."""


class NoAgent(JanskyError):
    """This is not a server of a Jansky gateway, or its agent has ended."""


class InvalidRequest(JanskyError):
    """The service or the scope does not exist under this name."""


class NotAllowed(JanskyError):
    """You, or this server, may not have a token for this service."""


class NotSignedIn(JanskyError):
    """Sign in again at `url`; the server goes on meanwhile."""

    def __init__(self, message: str, url: str | None = None):
        super().__init__(message)
        self.url = url


class Frozen(JanskyError):
    """The gateway gives this server no tokens; `reason` is one word of it."""

    def __init__(self, message: str, reason: str | None = None):
        super().__init__(message)
        self.reason = reason


class Unavailable(JanskyError):
    """The gateway or the service behind it cannot be asked now; try again in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 2.0):
        super().__init__(message)
        self.retry_after = retry_after


def error_of(status: int, answer: dict, retry_after: str | None) -> JanskyError:
    """The error that an answer of the agent stands for (RFC 6749 5.2)."""
    error = str(answer.get("error") or "")
    message = str(answer.get("error_description") or error or f"the agent answered {status}")
    if error == "reauth_required":
        url = answer.get("reauth_url")
        return NotSignedIn(f"{message}; sign in again at {url}" if url else message, url)
    if error == "session_frozen":
        return Frozen(message, answer.get("frozen_reason"))
    if status == 401:
        return Frozen(message, error or None)
    if status == 403:
        return NotAllowed(message)
    if status in (429, 502, 503, 504):
        try:
            seconds = float(retry_after or "")
        except ValueError:
            seconds = 2.0
        return Unavailable(message, seconds)
    return InvalidRequest(message)
