"""`--auth`: who the user is, and whether a token is fetched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tvstreamer import FakeServer
from tvstreamer.auth import token_expiry
from tvstreamer.cli import main
from tvstreamer.cli.identity import identity
from tvstreamer.errors import CredentialsNotFound, InvalidPlan, InvalidSource

COOKIES = {"TVSTREAMER_SESSIONID": "canary-1", "TVSTREAMER_SESSIONID_SIGN": "v1:canary-2"}


def test_without_session_there_is_nothing_to_be_fetched() -> None:
    found = identity("env", "live", {"TVSTREAMER_TOKEN": "mine"})
    assert (found["auth"].token, found["token"]) == ("mine", None)


@pytest.mark.parametrize("auth", ["session", "session:env", "session:har"])
def test_with_session_a_token_is_fetched_from_the_site_of_the_source(auth: str, tmp_path: Path) -> None:
    if auth == "session:har":
        har = tmp_path / "a.har"
        cookies = [{"name": "sessionid", "value": "canary-1"}, {"name": "sessionid_sign", "value": "canary-2"}]
        har.write_text(json.dumps({"log": {"entries": [{"request": {"url": "https://www.tradingview.com/", "cookies": cookies}}]}}))
        auth = f"session:har:{har}"
    with FakeServer(seed=7) as server:
        fetch = identity(auth, server.url, COOKIES)["token"]
        assert fetch is not None
        assert token_expiry(fetch())


def test_a_session_without_cookies_is_told_when_the_token_is_fetched() -> None:
    fetch = identity("session", "live:host=prodata", {})["token"]
    assert fetch is not None
    with pytest.raises(CredentialsNotFound, match="no session cookies"):
        fetch()


@pytest.mark.parametrize("source", ["fake", "fake:seed=7", "tape.jsonl"])
def test_a_source_without_a_site_has_no_tokens(source: str) -> None:
    with pytest.raises(InvalidPlan, match=f"auth 'session' and source '{source}': expected live"):
        identity("session", source, COOKIES)


def test_a_socket_of_theirs_is_no_site_of_theirs() -> None:
    fetch = identity("session", "wss://data.tradingview.com/socket.io/websocket", COOKIES)["token"]
    assert fetch is not None
    with pytest.raises(InvalidSource, match="expected 'live' for the real site"):
        fetch()


@pytest.mark.parametrize("auth", ["session:", "session:nowhere", "session:har:", "sessions"])
def test_another_place_is_refused(auth: str) -> None:
    with pytest.raises(InvalidPlan, match="auth .*: expected"):
        identity(auth, "live", COOKIES)


@pytest.mark.parametrize("command", [["quote"], ["history", "-i", "1D", "-n", "2"], ["stream", "--max-events", "2"]])
def test_commands_are_who_they_are_told_to_be(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in COOKIES.items():
        monkeypatch.setenv(name, value)
    with FakeServer(seed=7, tokens=["a-token-of-this-test"]) as server:
        assert main([*command, "-s", "NASDAQ:AAPL", "--auth", "session", "--source", server.url]) == 0
        server.verify("set_auth_token", count=1)
    monkeypatch.delenv("TVSTREAMER_SESSIONID_SIGN")
    with FakeServer(seed=7) as server:
        assert main([*command, "-s", "NASDAQ:AAPL", "--auth", "session", "--source", server.url]) == 4
    assert "the site does not know this session" in capsys.readouterr().err
