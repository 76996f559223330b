"""Quotes are found on a tape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.protocol import framing
from tvstreamer.symbols import wire_quote
from tvstreamer.tape.format import Header
from tvstreamer.tape.quotes import recorded_quotes
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter

START = 1_700_000_000.0
EXTENDED = "A:E{session=extended}"


def message(*packets: tuple[str, list[Any]]) -> str:
    return framing.join(json.dumps({"m": method, "p": p}) for method, p in packets)


def quote(session: str, name: str, **v: Any) -> tuple[str, list[Any]]:
    return "qsd", [session, {"n": name, "s": "ok", "v": v}]


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "tape.jsonl"
    name = wire_quote(EXTENDED)
    with TapeWriter(path, Header(start=START), redactor=Redactor(key=b"k" * 32)) as writer:
        writer.opened(1, "", START)
        writer.sent(
            1,
            message(
                ("quote_create_session", ["qs_few"]), ("quote_set_fields", ["qs_few", "lp", "volume"]),
                ("quote_create_session", ["qs_all"]), ("quote_create_session", ["qs_more"]),
                ("quote_set_fields", ["qs_more", "lp", "bid", "ask"]), ("quote_add_symbols", ["qs_few", "A:B"]),
            ),
            START,
        )  # fmt: skip
        writer.received(1, "garbage", START)
        writer.received(1, message(quote("qs_few", "A:B", lp=1.0, volume=2.0), ("quote_completed", ["qs_few", "A:B"])), START)
        writer.received(1, message(quote("qs_few", name, lp=9.0), ("quote_completed", ["qs_few", name])), START)
        writer.received(1, message(("novel", []), quote("qs_more", "A:B", lp=3.0, bid=4.0)), START + 1)
        writer.received(1, message(("quote_completed", ["qs_more", "A:B"]), quote("qs_more", "A:C", lp=5.0)), START + 2)
        writer.received(1, message(quote("qs_all", "A:A", lp=7.0, novel=8.0), ("quote_completed", ["qs_all", "A:A"])), START + 3)
    return path


def test_a_list_is_answered_by_a_session_that_asked_for_all_of_it(tape: Path) -> None:
    found = recorded_quotes(tape, ["A:B"], ("lp", "bid"), exactly=True)
    assert found.done
    assert (found.quotes["A:B"].fields, found.quotes["A:B"].time) == ({"lp": 3.0, "bid": 4.0}, START + 1)
    assert not recorded_quotes(tape, ["A:B"], ("bid", "volume"), exactly=True).done


def test_a_set_is_answered_by_what_was_asked_for_of_it_where_nobody_asked_for_all(tape: Path) -> None:
    assert recorded_quotes(tape, ["A:B"], ("lp", "bid"), exactly=False).quotes["A:B"].fields == {"lp": 3.0, "bid": 4.0}
    assert recorded_quotes(tape, ["A:B"], ("volume", "ch"), exactly=False).quotes["A:B"].fields == {"volume": 2.0}
    assert not recorded_quotes(tape, ["A:B"], ("ch",), exactly=False).done


def test_all_fields_are_those_of_a_session_that_named_none(tape: Path) -> None:
    assert recorded_quotes(tape, ["A:A"], None, exactly=False).quotes["A:A"].fields == {"lp": 7.0, "novel": 8.0}
    assert recorded_quotes(tape, ["A:A"], ("lp",), exactly=True).quotes["A:A"].fields == {"lp": 7.0}
    assert not recorded_quotes(tape, ["A:B"], None, exactly=False).done


def test_what_is_not_complete_or_was_never_asked_for_is_missing(tape: Path) -> None:
    found = recorded_quotes(tape, ["A:B", "A:C", "A:Z"], ("lp",), exactly=True)
    assert set(found.quotes) == {"A:B"}
    assert not found.done


def test_a_symbol_with_options_is_another_symbol(tape: Path) -> None:
    assert recorded_quotes(tape, [EXTENDED], ("lp",), exactly=True).quotes[EXTENDED].fields == {"lp": 9.0}
    assert not recorded_quotes(tape, ["A:E"], ("lp",), exactly=True).done
