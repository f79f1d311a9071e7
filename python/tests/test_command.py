"""The command in shells, as a process of its own."""

import json
import subprocess
import sys

from conftest import PROGRAM


def run(*arguments: str, text: str = "", program=(sys.executable, "-m", "jansky.command")):
    command = [*program, *arguments]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=30, check=False
    )


def test_a_token_is_all_that_is_printed(agent):
    for program in ([sys.executable, "-m", "jansky.command"], [PROGRAM]):
        got = run("token", "archive", program=program)

        assert (got.returncode, got.stdout, got.stderr) == (0, "token-1\n", "")


def test_json_has_its_end_and_scope(agent, gateway):
    for program in ([sys.executable, "-m", "jansky.command"], [PROGRAM]):
        got = run(
            "token", "archive", "--json", "--scope", "a b", "--min-ttl", "30", program=program
        )
        answer = json.loads(got.stdout)

        assert answer["scope"] == "a b"
        assert 0 < answer["expires_in"] <= 600
    assert len(gateway.asked) == 1
    assert gateway.asked[0]["min_ttl"] == "30"


def test_errors_are_told_by_status_and_text(agent, gateway):
    gateway.refuse(401, "reauth_required", reauth_url="https://hub.test/x")
    for program in ([sys.executable, "-m", "jansky.command"], [PROGRAM]):
        got = run("token", "archive", program=program)

        assert (got.returncode, got.stdout) == (3, "")
        assert "https://hub.test/x" in got.stderr


def test_audiences_are_listed(agent, gateway):
    gateway.audiences = [{"id": "archive", "title": "The archive", "state": "ready"}]

    got = run("audiences")

    assert got.stdout.split() == ["archive", "ready", "The", "archive"]
    assert json.loads(run("audiences", "--json").stdout)["state"] == "active"


def test_git_gets_a_password_that_ends_and_only_over_tls(agent, gateway):
    def asked(protocol: str) -> dict:
        text = f"protocol={protocol}\nhost=git.example.org\nwwwauth[]=Basic\n\n"
        got = run("git-credential", "--audience", "gitlab", "get", text=text)
        assert got.returncode == 0, got.stderr
        return dict(line.split("=", 1) for line in got.stdout.splitlines())

    assert asked("http") == {}
    answer = asked("https")
    assert answer["username"] == "oauth2"
    assert answer["password"] == "token-1"
    assert int(answer["password_expiry_utc"]) > 0
    assert run("git-credential", "--audience", "gitlab", "store", text="x=y\n").stdout == ""


def test_git_itself_uses_it(agent, tmp_path):
    helper = f"!{sys.executable} -m jansky.command git-credential --audience gitlab"
    got = subprocess.run(
        [
            "git",
            "-c",
            "credential.helper=",
            "-c",
            f"credential.helper={helper}",
            "credential",
            "fill",
        ],
        input="protocol=https\nhost=git.example.org\n\n",
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=tmp_path,
    )

    assert "password=token-1" in got.stdout.splitlines(), got.stderr
