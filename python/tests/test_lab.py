"""What the browser is told: never a token."""

import json
import pathlib
import sys

from jansky.lab import shown

LAB = pathlib.Path(sys.prefix, "share/jupyter/labextensions/jansky-lab")


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


def test_the_installed_package_brings_its_part_for_jupyterlab():
    told = json.loads((LAB / "package.json").read_text())["jupyterlab"]["_build"]

    entry = LAB / told["load"]

    assert "currentScript" in entry.read_text()
    for name in ("index.js", "style.css"):
        assert entry.with_name(name).is_file(), f"{entry} asks for {name}"
