"""Tokens and what is said when there is none."""

import pytest

import jansky
from conftest import until


def test_a_token_is_text_and_knows_its_end(agent, gateway):
    token = jansky.token("archive", scope="archive:read")

    assert token == "token-1"
    assert token.audience == "archive"
    assert token.scope == "archive:read"
    assert 590 < token.expires_in <= 600
    assert gateway.asked[0]["audience"] == "archive"


def test_the_last_line_of_a_cell_does_not_show_it(agent):
    assert "token-1" not in repr(jansky.token("archive"))


def test_it_is_renewed_by_itself(agent, gateway):
    gateway.lifetime = 2
    seen = set()

    def third() -> bool:
        token = jansky.token("archive")
        assert token.expires_in > 0
        seen.add(str(token))
        return len(seen) == 3

    until(third)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, "invalid_target", jansky.InvalidRequest),
        (403, "invalid_target", jansky.NotAllowed),
        (403, "server_shared", jansky.NotAllowed),
        (401, "reauth_required", jansky.NotSignedIn),
        (503, "temporarily_unavailable", jansky.Unavailable),
        (429, "slow_down", jansky.Unavailable),
    ],
)
def test_what_the_gateway_refuses_is_an_error_of_its_own(agent, gateway, status, error, kind):
    gateway.refuse(status, error, reauth_url="https://hub.test/hub/x")

    with pytest.raises(kind) as caught:
        jansky.token("archive", patience=0)

    assert type(caught.value) is kind
    if kind is jansky.NotSignedIn:
        assert caught.value.url == "https://hub.test/hub/x"
        assert "https://hub.test/hub/x" in str(caught.value)
    if kind is jansky.Unavailable:
        assert caught.value.retry_after > 0


def test_a_frozen_session_says_why(agent, gateway):
    gateway.refuse(401, "session_frozen", frozen_reason="signed_out")

    with pytest.raises(jansky.Frozen) as caught:
        jansky.token("archive")

    assert "signed out" in str(caught.value)


def test_a_short_absence_of_the_gateway_is_waited_for(agent, gateway):
    gateway.refuse(503, "temporarily_unavailable")
    import threading

    back = threading.Timer(0.5, lambda: setattr(gateway, "refusal", None))
    back.start()

    assert jansky.token("archive").startswith("token-")
    back.join()


def test_elsewhere_the_error_says_that_there_is_no_agent(monkeypatch):
    monkeypatch.delenv("JANSKY_AGENT_SOCKET", raising=False)
    with pytest.raises(jansky.NoAgent, match="JANSKY_AGENT_SOCKET"):
        jansky.token("archive")

    monkeypatch.setenv("JANSKY_AGENT_SOCKET", "/nowhere/agent.sock")
    with pytest.raises(jansky.NoAgent, match="start the server again"):
        jansky.token("archive")
