"""Bars that were delivered in one go are found on a tape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tvstreamer import TvWSClient
from tvstreamer.errors import InvalidPlan
from tvstreamer.protocol import framing
from tvstreamer.protocol.history import HistoryRequest
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
    assert [bar.time for bar in found.bars] == [START, START + 60]
    assert [bar.closed for bar in found.bars] == [True, False]
    short = recorded_history(tape, "TEST:ONE", "1", 1)
    assert short is not None
    assert [bar.time for bar in short.bars] == [START + 60]


@pytest.mark.parametrize(("late", "closed"), [(119.0, False), (120.0, True)])
def test_the_last_bar_is_over_if_the_server_said_so(tmp_path: Path, late: float, closed: bool) -> None:
    path = tmp_path / "tape.jsonl"
    with TapeWriter(path, Header(start=START), redactor=Redactor(key=b"k" * 32)) as writer:
        writer.opened(1, "", START)
        writer.sent(
            1, message(("resolve_symbol", ["cs_1", "sym_1", "TEST:ONE"]), ("create_series", ["cs_1", "sds_1", "s1", "sym_1", "1", 2, ""])), START
        )  # fmt: skip
        # Nodes of the service differ by a little; the newest time counts.
        for seconds, packet in ((late, bars(0, 2)), (late - 1, COMPLETED)):
            timed = {"m": packet[0], "p": packet[1], "t_ms": round((START + seconds) * 1000)}
            writer.received(1, framing.packet(json.dumps(timed)), START)
    found = recorded_history(path, "TEST:ONE", "1", 2)
    assert found is not None
    assert [(bar.closed, bar.closed_by) for bar in found.bars] == [(True, "successor"), (closed, "time" if closed else None)]


def test_a_tape_answers_as_its_server_did(tmp_path: Path) -> None:
    for seed in range(3):
        path = tmp_path / f"{seed}.jsonl"
        with TvWSClient(source=f"fake:seed={seed},speed=max", record=path) as client:
            asked = [client.get_history("BINANCE:BTCUSDT", interval, 20) for interval in ("1", "5", "1D")]
        with TvWSClient(source=path) as client:
            assert [list(client.get_history("BINANCE:BTCUSDT", interval, 20)) for interval in ("1", "5", "1D")] == [list(each) for each in asked]


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
        return None if history is None else [(bar.time - START) / 60 for bar in history.bars]

    assert found(2) == [0, 1]
    assert found(3) == [4, 5, 6]
    assert found(4) == [3, 4, 5, 6]
    assert found(5) is None


def series(path: Path, create: list[object], *pages: tuple[tuple[int, int], dict[str, str]]) -> Path:
    """A tape of one series, delivered page by page, a minute each."""
    asked = message(("resolve_symbol", ["cs_1", "sym_1", "TEST:ONE"]), ("create_series", ["cs_1", "sds_1", "s1", "sym_1", "1", *create]))
    with TapeWriter(path, Header(start=START), redactor=Redactor(key=b"k" * 32)) as writer:
        writer.opened(1, "", START)
        writer.sent(1, asked, START)
        for number, ((first, count), details) in enumerate(pages, 1):
            done = ("series_completed", ["cs_1", "sds_1", "streaming", "s1", details])
            writer.received(1, message(bars(first, count), done), START + 60 * number)
    return path


def times(request: HistoryRequest | None) -> list[float] | None:
    return None if request is None else [(bar.time - START) / 60 for bar in request.bars]


def test_pages_of_a_series_are_one_delivery(tmp_path: Path) -> None:
    path = series(tmp_path / "t.jsonl", [3, ""], ((6, 3), {}), ((3, 3), {}))
    assert times(recorded_history(path, "TEST:ONE", "1", 5)) == [4, 5, 6, 7, 8]
    assert times(recorded_history(path, "TEST:ONE", "1", start=START + 240, end=START + 420)) == [4, 5, 6]
    assert recorded_history(path, "TEST:ONE", "1", start=START + 120) is None
    assert times(recorded_history(path, "TEST:ONE", "1", 2, end=START + 360)) == [4, 5]


@pytest.mark.parametrize(("word", "complete", "limit"), [("end", True, None), ("limit", False, "limit")])
def test_all_that_the_server_has_is_an_answer_however_short(tmp_path: Path, word: str, complete: bool, limit: str | None) -> None:
    path = series(tmp_path / "t.jsonl", [3, ""], ((6, 3), {"data_completed": word}))
    found = recorded_history(path, "TEST:ONE", "1", 50)
    assert found is not None
    assert (times(found), found.complete, found.limit) == ([6, 7, 8], complete, limit)


@pytest.mark.parametrize(
    "create", [[3, f"r,{START:.0f}:{START + 540:.0f}"], [["bar_count", int(START) + 540, 3], ""]], ids=["period", "bar_count"]
)
def test_a_series_that_was_asked_for_up_to_a_moment_answers_up_to_that(tmp_path: Path, create: list[object]) -> None:
    path = series(tmp_path / "t.jsonl", create, ((6, 3), {}), ((0, 6), {}), ((0, 0), {}))
    assert times(recorded_history(path, "TEST:ONE", "1", 2, end=START + 540)) == [7, 8]
    assert times(recorded_history(path, "TEST:ONE", "1", start=START + 360, end=START + 500)) == [6, 7, 8]
    assert recorded_history(path, "TEST:ONE", "1", 2, end=START + 541) is None, "what is behind it was not asked for"
    assert times(recorded_history(path, "TEST:ONE", "1", 2)) == [7, 8], "at the moment of the recording there was no more"


def test_a_series_up_to_the_past_is_none_up_to_the_present(tmp_path: Path) -> None:
    path = series(tmp_path / "t.jsonl", [3, f"r,0:{START:.0f}"], ((0, 3), {}))
    assert recorded_history(path, "TEST:ONE", "1", 2) is None


def test_what_cannot_be_asked_is_refused_before_the_tape_is_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan, match="history of 0 bars"):
        recorded_history(tmp_path / "absent", "TEST:ONE", "1", 0)
