"""`HttpClient` on cassettes of a fake server's HTTP side: what it makes of answers that anybody can read in a file.

They are in fixtures/cassettes; tools/make_cassettes.py makes them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from make_cassettes import FOLDER, SCENARIOS, SESSION, cassette, main, stale
from tvstreamer.errors import ConnectFailed, RemoteProtocolError, ServerError, TvError
from tvstreamer.http import HttpClient


class Nobody:
    """A server that must not be asked."""

    def answer_http(self, *_: object) -> Any:
        raise AssertionError("somebody was asked")


def test_a_search_gives_the_rows_of_the_answer() -> None:
    with cassette(FOLDER / "search.yaml", "none") as played, HttpClient(Nobody()) as http:
        found = list(http.search("btc", type="crypto", exchange="COINBASE"))
        assert [row.symbol for row in found] == ["COINBASE:BTC", "COINBASE:BTCEUR", "COINBASE:BTCUSD"]
        assert [row.currency_code for row in found] == ["USD", "EUR", "USD"]
        [share] = http.search("sap", country="DE")
        assert (share.symbol, share.kind, share.country, share.typespecs) == ("XETR:SAP", "stock", "DE", ["common"])
        assert share.extra == {}
        assert list(http.search("no such thing")) == []
        assert played.all_played


def test_a_token_is_taken_out_of_the_page() -> None:
    with cassette(FOLDER / "token.yaml", "none"), HttpClient(Nobody(), auth=SESSION) as http:
        assert http.fetch_token() == "token-of-a-test"


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("forbidden.yaml", ConnectFailed, "HTTP 403: refused"),
        ("captcha.yaml", ServerError, "asks for a human"),
        ("changed.yaml", RemoteProtocolError, "has changed"),
        ("busy.yaml", ConnectFailed, "HTTP 429: too many requests; it asks to wait for 30 s"),
        ("down.yaml", ConnectFailed, "HTTP 503"),
    ],
)
def test_an_answer_that_is_none_is_told_for_what_it_is(name: str, kind: type[TvError], said: str) -> None:
    with cassette(FOLDER / name, "none") as played, HttpClient(Nobody(), auth=SESSION) as http:
        with pytest.raises(kind, match=said):
            list(http.search("btc", type="crypto", exchange="COINBASE"))
        with pytest.raises(kind, match=said):
            http.fetch_token()
        assert played.all_played


def test_the_cassettes_are_what_a_fake_server_answers_today() -> None:
    assert stale() == []
    assert {path.stem for path in FOLDER.iterdir()} == set(SCENARIOS)


def test_a_cassette_that_has_rotted_is_named(tmp_path: Path) -> None:
    for path in FOLDER.iterdir():
        shutil.copy(path, tmp_path)
    text = (tmp_path / "token.yaml").read_text(encoding="utf-8")
    (tmp_path / "token.yaml").write_text(text.replace("token-of-a-test", "token-of-old"), encoding="utf-8")
    (tmp_path / "down.yaml").unlink()
    (tmp_path / "nobodys.yaml").write_text("interactions: []\n", encoding="utf-8")
    assert stale(tmp_path) == ["down.yaml", "nobodys.yaml", "token.yaml"]


def test_no_cassette_holds_what_looks_like_a_secret() -> None:
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "eyJ" not in text
        assert "sessionid" not in text
        assert len(text) < 4_000, "small enough to be read"


def test_the_tool_says_whether_all_is_well(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["make_cassettes.py", "--check"])
    assert main() == 0
    assert capsys.readouterr().out == ""
