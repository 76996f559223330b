"""Bars that were delivered in one go are found on a tape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tvstreamer.protocol import framing
from tvstreamer.tape.format import Header
from tvstreamer.tape.history import recorded_history
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter

START = 1_700_000_000.0


def message(*packets: tuple[str, list[object]]) -> str:
    return framing.join(json.dumps({"m": method, "p": p}) for method, p in packets)


def bars(first: int, count: int, *, name: str = "sds_1") -> tuple[str, list[object]]:
    rows = [{"i": number, "v": [START + 60 * number, 1.0, 2.0, 0.5, 1.5, 10.0]} for number in range(first, first + count)]
    return "timescale_update", ["cs_1", {name: {"s": rows, "t": "s1"}, "other": {"s": rows}, "study": {"st": []}}]


COMPLETED: tuple[str, list[object]] = ("series_completed", ["cs_1", "sds_1", "streaming", "s1"])


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "tape.jsonl"
    with TapeWriter(path, Header(start=START), redactor=Redactor(key=b"k" * 32)) as writer:
        writer.opened(1, "", START)
        writer.sent(
            1, message(("resolve_symbol", ["cs_1", "sym_1", "TEST:ONE"]), ("create_series", ["cs_1", "sds_1", "s1", "sym_1", "1", 3, ""])), START
        )  # fmt: skip
        writer.received(1, "garbage", START)
        writer.received(1, message(bars(0, 2), COMPLETED), START)
        writer.received(1, message(bars(0, 5)), START)
        writer.received(1, message(("series_completed", ["cs_1", "unknown", "streaming", "s1"])), START)
    return path


def test_a_delivery_that_is_too_short_is_no_answer(tape: Path) -> None:
    assert recorded_history(tape, "TEST:ONE", "1", 3) is None


def test_the_newest_bars_of_a_delivery_are_the_answer_and_the_last_is_forming(tape: Path) -> None:
    found = recorded_history(tape, "TEST:ONE", "1", 2)
    assert found is not None
    assert [bar.time for bar in found] == [START, START + 60]
    assert [bar.closed for bar in found] == [True, False]
    short = recorded_history(tape, "TEST:ONE", "1", 1)
    assert short is not None
    assert [bar.time for bar in short] == [START + 60]


@pytest.mark.parametrize(("symbol", "interval"), [("TEST:TWO", "1"), ("TEST:ONE", "5")])
def test_what_was_never_asked_for_is_not_there(tape: Path, symbol: str, interval: str) -> None:
    assert recorded_history(tape, symbol, interval, 1) is None


def test_a_delivery_is_what_comes_before_its_completion_in_snapshots_of_its_own_connection(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    asked = message(("resolve_symbol", ["cs_1", "sym_1", "TEST:ONE"]), ("create_series", ["cs_1", "sds_1", "s1", "sym_1", "1", 3, ""]))
    update = "du", bars(2, 1)[1]
    with TapeWriter(path, Header(start=START), redactor=Redactor(key=b"k" * 32)) as writer:
        for connection in (1, 2):
            writer.opened(connection, "", START)
            writer.sent(connection, asked, START)
        writer.received(1, message(bars(1, 1)), START)
        writer.received(2, message(bars(5, 2)), START)
        writer.received(1, framing.packet("~h~1"), START)
        writer.received(1, message(bars(0, 1), update, COMPLETED), START)
        writer.received(2, message(bars(3, 2), COMPLETED), START)

    def found(n: int) -> list[float] | None:
        history = recorded_history(path, "TEST:ONE", "1", n)
        return None if history is None else [(bar.time - START) / 60 for bar in history]

    assert found(2) == [0, 1]
    assert found(3) == [4, 5, 6]
    assert found(4) == [3, 4, 5, 6]
    assert found(5) is None
