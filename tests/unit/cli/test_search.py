"""`search` as the command line calls it."""

from __future__ import annotations

import csv
import io
import json
import socket

import pytest

from tvstreamer import FakeServer
from tvstreamer.cli import main, read
from tvstreamer.cli.table import Call


def found(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["search", *words]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_a_search_prints_rows_as_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [json.loads(line) for line in found(capsys, "btc", "--source", "fake:seed=7", "--type", "crypto", "--limit", "3").splitlines()]
    assert len(rows) == 3
    assert {(row["type"], row["kind"]) for row in rows} <= {("symbol_match", "spot"), ("symbol_match", "swap")}
    assert rows[0]["symbol"] == "BINANCE:BTCUSDT"


def test_filters_go_to_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("eurusd", "--source", "fake", "--exchange", "oanda", "--format", "csv")
    [row] = csv.DictReader(io.StringIO(found(capsys, *words)))
    assert (row["symbol"], row["extra"]) == ("OANDA:EURUSD", "{}")
    assert found(capsys, "aapl", "--source", "fake", "--country", "DE") == ""


def test_a_table_has_no_column_for_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    [line] = found(capsys, "aapl", "--source", "fake", "--format", "table").splitlines()
    assert line.split()[:3] == ["symbol_match", "NASDAQ:AAPL", "ticker=AAPL"]


def test_a_server_on_a_port_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(seed=7) as server:
        site = f"http://127.0.0.1:{server.port}"
        assert found(capsys, "aapl", "--source", site) == found(capsys, "aapl", "--source", server.url)


def test_nothing_found_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert found(capsys, "no such thing", "--source", "fake") == ""


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["x", "--source", "https://www.tradingview.com"], 2, "expected 'live' for the real site"),
        (["x", "--source", "session.jsonl"], 2, "source 'session.jsonl': expected 'live'"),
        (["x", "--source", "fake:seed=x"], 2, "expected a whole number"),
        (["x", "--country", "USA"], 2, "country 'USA': expected the two letters"),
        (["x", "--exchange", "a=b"], 2, "exchange 'a=b': expected a name"),
        (["x" * 201, "--source", "fake"], 2, "expected at most 200 characters"),
        (["x", "--timeout", "1e9"], 2, "timeout 1000000000.0: expected seconds"),
    ],
)
def test_each_mistake_has_its_line_and_its_code(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", *words]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(("state", "said"), [("forbidden", "HTTP 403"), ("captcha", "asks for a human"), ("changed", "has changed")])
def test_what_the_site_does_not_give_is_exit_code_4(state: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with FakeServer(seed=7, site=state) as server:  # type: ignore[arg-type]
        assert main(["search", "x", "--source", server.url]) == 4
    assert said in capsys.readouterr().err


def test_nobody_there_is_exit_code_4(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert main(["search", "x", "--source", f"http://127.0.0.1:{bound.getsockname()[1]}"]) == 4
    assert "Connection refused" in capsys.readouterr().err


def test_a_server_that_does_not_answer_is_exit_code_5(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert main(["search", "x", "--timeout", "0.05", "--source", f"http://127.0.0.1:{silent.getsockname()[1]}"]) == 5
    assert "no answer within 0.05 s" in capsys.readouterr().err


@pytest.mark.parametrize("front", ["typer", "argparse"])
def test_both_front_ends_read_the_same_call(front: str) -> None:
    call = read(["search", "btc", "--type", "crypto", "--limit=5"], front)
    assert isinstance(call, Call)
    assert call.values == {
        "text": "btc", "type": "crypto", "exchange": None, "country": None, "limit": 5, "source": "live", "format": "jsonl",
        "timeout": 30.0,
    }  # fmt: skip
    assert read(["search"], front) == 2
    assert read(["search", "x", "--type", "shares"], front) == 2
