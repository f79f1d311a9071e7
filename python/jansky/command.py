"""The command `jansky` in the shells of a server.

    jansky token AUDIENCE      prints an access token
    jansky audiences           shows which services there are
    jansky git-credential      is a credential helper of git

The gateway's own program understands the first one as well.
"""

from __future__ import annotations

import argparse
import json
import sys

from . import __version__
from ._agent import status, token
from ._auth import _is_this_machine
from ._errors import JanskyError, NotSignedIn, Unavailable

# What else than 0 and 1 a script may want to know (sysexits.h has the second).
SIGN_IN_AGAIN = 3
TRY_LATER = 75


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except JanskyError as error:
        print(f"jansky: {error}", file=sys.stderr)
        if isinstance(error, NotSignedIn):
            return SIGN_IN_AGAIN
        return TRY_LATER if isinstance(error, Unavailable) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jansky", description="Access tokens for services, from the agent of this server."
    )
    parser.add_argument("--version", action="version", version=f"jansky {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("token", help="print an access token for a service")
    one.add_argument("audience", metavar="AUDIENCE")
    one.add_argument("--scope", help="the rights to ask for, with blanks between them")
    one.add_argument("--min-ttl", type=int, metavar="SECONDS", help="how long it has to live")
    one.add_argument("--json", action="store_true", help="with its end and scope, as JSON")
    one.set_defaults(run=_token)

    all_of_them = commands.add_parser("audiences", help="show which services there are")
    all_of_them.add_argument("--json", action="store_true", help="all that is known, as JSON")
    all_of_them.set_defaults(run=_audiences)

    git = commands.add_parser("git-credential", help="be a credential helper of git")
    git.add_argument("--audience", required=True, help="the service that the repository is at")
    git.add_argument("--username", default="oauth2", help="what git is to say beside the token")
    git.add_argument("operation", choices=["get", "store", "erase"])
    git.set_defaults(run=_git_credential)
    return parser


def _token(options: argparse.Namespace) -> int:
    got = token(options.audience, options.scope, options.min_ttl)
    if options.json:
        answer = {
            "access_token": str(got),
            "expires_in": int(got.expires_in),
            "scope": got.scope,
            "audience": got.audience,
        }
        print(json.dumps(answer))
    else:
        # str() because print would show what repr() hides in no other way.
        print(str(got))
    return 0


def _audiences(options: argparse.Namespace) -> int:
    known = status()
    if options.json:
        print(json.dumps(known, indent=1))
        return 0
    if known.get("state") != "active":
        reason = known.get("frozen_reason") or known.get("problem") or ""
        print(f"no tokens at the moment: {known.get('state')} {reason}".rstrip())
    for audience in known.get("audiences", []):
        line = f"{audience['id']:<20} {audience['state']:<16} {audience.get('title', '')}"
        print(line.rstrip())
        if audience.get("reauth_url"):
            print(f"{'':<20} sign in again at {audience['reauth_url']}")
    return 0


def _git_credential(options: argparse.Namespace) -> int:
    """gitcredentials(7): attributes come as lines `key=value` until an empty line or the end."""
    asked = {}
    for line in sys.stdin:
        key, _, value = line.rstrip("\n").partition("=")
        if not key:
            break
        asked[key] = value
    # There is nothing to keep and nothing to forget.
    if options.operation != "get":
        return 0
    host = asked.get("host", "").rsplit(":", 1)[0].strip("[]")
    if asked.get("protocol") != "https" and not _is_this_machine(host):
        return 0
    got = token(options.audience)
    print(f"username={asked.get('username') or options.username}")
    print(f"password={got!s}")
    print(f"password_expiry_utc={int(got.expires_at)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
