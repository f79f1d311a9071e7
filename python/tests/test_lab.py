"""What the browser is told: never a token."""

import json

from jansky.lab import shown


def test_only_what_is_known_to_be_harmless_goes_to_the_browser():
    answer = {
        "state": "active",
        "hub": "connected",
        "access_token": "canary",
        "identities": [{"provider": "iam", "state": "ok", "refresh_token": "canary"}],
        "audiences": [{"id": "archive", "state": "ready", "expires_in": 9, "token": "canary"}],
    }

    told = shown(answer)

    assert "canary" not in json.dumps(told)
    assert told["audiences"] == [{"id": "archive", "state": "ready", "expires_in": 9}]
    assert told["identities"] == [{"provider": "iam", "state": "ok"}]
