"""Access tokens for services, on a Jansky science gateway.

>>> import jansky
>>> jansky.token("archive")                                      # a token, as text
>>> requests.get(url, auth=jansky.Auth("archive"))               # renewed by itself; httpx, too
>>> pyvo.dal.TAPService(url, session=jansky.session("archive"))

Tokens come from the agent beside this server, which renews them; nothing is kept here.
"""

from ._agent import Token, status, token
from ._auth import Auth, globus_authorizer, session, storage_options
from ._errors import (
    Frozen,
    InvalidRequest,
    JanskyError,
    NoAgent,
    NotAllowed,
    NotSignedIn,
    Unavailable,
)

__all__ = [
    "Auth",
    "Frozen",
    "InvalidRequest",
    "JanskyError",
    "NoAgent",
    "NotAllowed",
    "NotSignedIn",
    "Token",
    "Unavailable",
    "globus_authorizer",
    "session",
    "status",
    "storage_options",
    "token",
]
__version__ = "0.1.0"
