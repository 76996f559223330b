"""`history` and `quote` as the command line calls them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tvstreamer.cli import main

FAKE = ("--source", "fake:seed=7,speed=max")
BARS = ("history", "-s", "BINANCE:BTCUSDT", "-i", "1D", *FAKE)


def test_history_of_a_span_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "bars.csv"
    words = [*BARS, "--from", "2023-01-01", "--to", "2023-02-01", "--format", "csv", "-o", str(target)]
    assert main(words) == 0
    header, *lines = target.read_text().splitlines()
    assert header.startswith("type,symbol,interval,time,open")
    assert len(lines) == 31
    assert main(words) == 6
    assert "the file exists already" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BARS, "-n", "2", "-o", str(tmp_path / "absent" / "bars")]) == 6
    assert "bars: cannot be written: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "2023-01-01", "-n", "5"), "--bars 5 and --from"),
        (("--to", "soon"), "end 'soon': expected"),
        (("-s", "NASDAQ:AAPL"), "--symbol 'BINANCE:BTCUSDT', 'NASDAQ:AAPL': expected one, as history is of one series"),
        (("-i", "1"), "--interval '1D', '1': expected one"),
    ],
)
def test_history_of_what_makes_no_sense_is_refused(words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BARS, *words]) == 2
    assert said in capsys.readouterr().err


def test_all_there_is_is_complete_however_few(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["history", "-s", "BINANCE:BTCUSDT", "-i", "12M", "-n", "5000", *FAKE]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert 0 < len(out.splitlines()) < 5000
    assert err == ""


@pytest.mark.parametrize("command", ["stream", "record"])
def test_it_ends_where_the_server_refuses_all_that_was_asked_for(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = ("-o", str(tmp_path / "refused.jsonl"), "--events", "-") if command == "record" else ()
    assert main([command, "-s", "EXAMPLE:ABSENT", "-i", "1", *FAKE, *target]) == 4
    out, err = capsys.readouterr()
    assert '"type":"series_failed"' in out
    lines = err.splitlines()
    assert lines[:2] == ["refused EXAMPLE:ABSENT: invalid symbol", "refused EXAMPLE:ABSENT 1: resolve error"]
    assert lines[-1] == "tvstreamer: nothing left to wait for: the server refused all that was asked for"


def test_it_goes_on_with_what_is_not_refused(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("stream", "-s", "EXAMPLE:ABSENT", "-s", "BINANCE:BTCUSDT", "-i", "1", *FAKE, "--max-events", "900")
    assert main(words) == 0
    assert "refused EXAMPLE:ABSENT: invalid symbol" in capsys.readouterr().err
