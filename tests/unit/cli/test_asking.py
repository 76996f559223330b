"""What the options of `stream` and `record` ask a client for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.cli import main
from tvstreamer.cli.asking import asking
from tvstreamer.errors import InvalidPlan
from tvstreamer.protocol import codec
from tvstreamer.protocol.limits import Limits
from tvstreamer.protocol.packets import QuoteSetFields, SwitchTimezone
from tvstreamer.tape.reader import TapeReader

FAKE = ["--source", "fake:seed=1,speed=max", "-s", "NASDAQ:AAPL"]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, {"fields": "default", "timezone": None, "limits": None}),
        ({"fields": "all", "quotes": True}, {"fields": "all", "timezone": None, "limits": None}),
        ({"fields": "lp,bid", "quotes": True}, {"fields": ["lp", "bid"], "timezone": None, "limits": None}),
        ({"limits": "premium", "timezone": "Etc/UTC"}, {"fields": "default", "timezone": "Etc/UTC", "limits": "premium"}),
        ({"limits": "quotes=5,history=70"}, {"fields": "default", "timezone": None, "limits": Limits(history=70, quotes=5)}),
    ],
)
def test_options_become_arguments(given: dict[str, Any], found: dict[str, Any]) -> None:
    assert asking(**{"quotes": False, "fields": None, "timezone": None, "limits": None} | given) == found


@pytest.mark.parametrize("limits", ["gold", "", "series", "series=", "series=-1", "series=1,series=2", "series=1,", "depth=4", "series=1e3"])
def test_limits_that_are_none_are_refused_with_what_they_may_be(limits: str) -> None:
    with pytest.raises(InvalidPlan, match=r"--limits .*: expected free, .*, or some of history=N, series=N, quotes=N"):
        asking(quotes=False, fields=None, timezone=None, limits=limits)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fields", "lp"], "--fields 'lp': expected --quotes with it"),
        (["--quotes", "--fields", "lp,b d"], "field 'b d': expected a name"),
        (["--limits", "gold"], "--limits 'gold'"),
        (["--limits", "series=0"], "limit series 0: expected a whole number above 0"),
        (["--limits", "quotes=1", "-s", "NASDAQ:MSFT"], "ticks or quotes of 2 symbols: the limit is 1"),
        (["--timezone", "a b"], "timezone 'a b': expected a name"),
    ],
)
@pytest.mark.parametrize("command", ["stream", "record"])
def test_what_makes_no_sense_exits_with_2(
    command: str, words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = ["-o", str(tmp_path / "tape.jsonl")] if command == "record" else []
    assert main([command, *FAKE, *output, *words]) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_is_asked_for_is_sent(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    words = ["--quotes", "--fields", "lp,bid", "--timezone", "Europe/Berlin", "--limits", "free", "-i", "60", "--max-events", "5"]
    assert main(["record", *FAKE, *words, "-o", str(tape)]) == 0
    with TapeReader(tape) as reader:
        sent = [codec.decode_command(text) for record in reader if record.k == "send" for text in record.payloads()]
    assert [each.names for each in sent if isinstance(each, QuoteSetFields)] == [["lp", "bid"]]
    assert [each.p.timezone for each in sent if isinstance(each, SwitchTimezone)] == ["Europe/Berlin"]


def test_only_the_fields_that_were_asked_for_are_printed(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["stream", *FAKE, "--quotes", "--fields", "bid", "--max-events", "3"]) == 0
    printed = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert {name for each in printed if each["type"] == "quote" for name in each["fields"]} == {"bid"}
