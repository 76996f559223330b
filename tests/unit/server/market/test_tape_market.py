"""A tape as a market."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.errors import InvalidSource
from tvstreamer.protocol import framing
from tvstreamer.server.market import Market
from tvstreamer.server.market.tape_market import TapeMarket
from tvstreamer.tape.format import Header
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter

START = 1_751_846_400.0
BTC, ODD = "BINANCE:BTCUSDT", "BINANCE:ODD"
Packet = tuple[str, list[Any]]


def message(*packets: Packet) -> str:
    return framing.join(json.dumps({"m": method, "p": p}) for method, p in packets)


def asked(symbol: str = BTC, series: str = "s1", interval: str = "1", alias: str = "sym") -> list[Packet]:
    return [("resolve_symbol", ["cs", alias, symbol]), ("create_series", ["cs", series, "t1", alias, interval, 3, ""])]


def bars(*rows: list[float], series: str = "s1") -> Packet:
    return "timescale_update", ["cs", {series: {"s": [{"i": n, "v": row} for n, row in enumerate(rows)], "t": "t1"}}, {}]


def update(row: list[float], series: str = "s1") -> Packet:
    return "du", ["cs", {series: {"s": [{"i": 9, "v": row}], "t": "t1"}}]


def quote(name: str, status: str = "ok", **values: Any) -> Packet:
    return "qsd", ["qs", {"n": name, "s": status, "v": values}]


def market(path: Path, *script: tuple[float, str, list[Packet]]) -> Market:
    with TapeWriter(path, Header(start=START), redactor=Redactor(key=b"k" * 32)) as writer:
        writer.opened(1, "", START)
        for at, direction, packets in script:
            writer.sent(1, message(*packets), START + at) if direction == "send" else writer.received(1, message(*packets), START + at)
        writer.received(1, "~m~3~m~ab", START + 900)
    return Market(sources={"*": TapeMarket(path)})


SNAPSHOT = [[START - 60, 10, 12, 9, 11, 5], [START, 11, 11.5, 10.5, 11.25, 0.5]]
SCRIPT: list[tuple[float, str, list[Packet]]] = [
    (1, "send", asked()),
    (1.5, "recv", [("symbol_resolved", ["cs", "sym", {"name": "BTCUSDT", "pricescale": 100, "type": "spot"}]), bars(*SNAPSHOT)]),
    (1.6, "recv", [quote(BTC, lp=11.25, description="Bitcoin", pro_name=BTC)]),
    (20, "recv", [update([START, 11, 12.5, 10.5, 12.5, 0.75])]),
    (30, "recv", [update([START, 11, 12.5, 10.25, 10.5, 0.75])]),
    (30, "recv", [update([START, 11, 12.5, 10.25, 10.5, 0.75])]),
    # The last of a bar is told when it is over.
    (61.5, "recv", [update([START, 11, 12.5, 10.25, 10.75, 1.0]), bars([START + 60, 10.75, 10.75, 10.75, 10.75, 0.125])]),
    (70, "recv", [update([START + 60, 10.75, 11, 10.75, 11, 0.25])]),
]


def test_what_was_recorded_is_history_in_the_end(tmp_path: Path) -> None:
    given = market(tmp_path / "tape.jsonl", *SCRIPT)
    rows = given.history(BTC, "1", START + 900, 9)
    assert [[row.time, row.open, row.high, row.low, row.close, row.volume] for row in rows] == [
        SNAPSHOT[0], [START, 11, 12.5, 10.25, 10.75, 1.0], [START + 60, 10.75, 11, 10.75, 11, 0.25],
    ]  # fmt: skip
    assert given.start == START
    (longer,) = given.history(BTC, "5", START + 900, 1)
    assert (longer.open, longer.high, longer.low, longer.close, longer.volume) == (11, 12.5, 10.25, 11, 1.25)


@pytest.mark.parametrize(("at", "expected"), [(25, [11, 12.5, 10.5, 12.5, 0.75]), (31, [11, 12.5, 10.25, 10.5, 0.75]), (1.5, [11, 11.5, 10.5, 11.25, 0.5])])
def test_a_bar_forms_as_it_was_told(tmp_path: Path, at: float, expected: list[float]) -> None:
    bar = market(tmp_path / "tape.jsonl", *SCRIPT).bar_at(BTC, "1", START + at)
    assert bar is not None
    assert [bar.open, bar.high, bar.low, bar.close, bar.volume] == expected


def test_a_series_that_is_kept_up_ends_where_history_does(tmp_path: Path) -> None:
    given = market(tmp_path / "tape.jsonl", *SCRIPT)
    for text in ("1", "5"):
        series = given.series(BTC, text, at=START - 30, count=5)
        ticks = given.ticks(BTC, START - 30, START + 900)
        for tick in ticks:
            series.add(tick)
        rows = series.rows
        assert rows == given.history(BTC, text, START + 900, len(rows))
        assert all(before.time < after.time for before, after in pairwise(ticks))


def test_infos_and_fields_are_the_recorded_ones(tmp_path: Path) -> None:
    given = market(tmp_path / "tape.jsonl", *SCRIPT)
    assert given.info(BTC) == {"name": "BTCUSDT", "pricescale": 100, "type": "spot"}
    quote = given.quote(BTC, START + 25)
    assert (quote["description"], quote["lp"]) == ("Bitcoin", 12.5)
    assert not given.knows("NASDAQ:AAPL")
    assert "1 symbols" in repr(TapeMarket(tmp_path / "tape.jsonl"))


def test_the_shortest_interval_is_taken_and_other_charts_are_left_out(tmp_path: Path) -> None:
    given = market(
        tmp_path / "tape.jsonl",
        (0, "send", [*asked(interval="5"), ("modify_series", ["cs", "s1", "t2", "sym", "1D", ""]), *asked(series="s2", interval="5")]),
        (0, "send", asked('={"symbol":{"symbol":"NYSE:IBM"},"type":"BarSetRenko@tv-prostudies-40!"}', "s3", alias="renko")),
        (0, "send", [*asked("no symbol", "s4", alias="none"), *asked(series="s5", interval="10T"), *asked(series="s6", interval="?")]),
        (1, "recv", [bars([START, 1, 1, 1, 1], series=name) for name in ("s1", "s2", "s3", "s4", "s5", "s6", "unknown")]),
        (1, "recv", [bars([START, 1e100, 1, 1, 1], series="s2"), ("symbol_resolved", ["cs", "unknown", {}])]),
        (2, "recv", [("timescale_update", ["cs", {"s2": {"st": []}}, {}])]),
    )
    assert given.supports(BTC, "5") and not given.supports(BTC, "1")
    assert not given.knows("NYSE:IBM")
    (bar,) = given.history(BTC, "5", START + 900, 5)
    assert bar.volume is None


def test_of_quotes_alone_there_are_bars_of_a_minute(tmp_path: Path) -> None:
    given = market(
        tmp_path / "tape.jsonl",
        (0.5, "recv", [quote(ODD, lp=5, volume=100, short_name="ODD"), quote(ODD, "error"), quote("?", lp=1)]),
        (0.5, "recv", [quote(ODD, lp=6)]),
        (30, "recv", [quote(ODD, volume=101.5), quote(ODD, ch=3), quote(ODD, lp=1e100)]),
        (65, "recv", [quote(ODD, lp=4.5, volume=102)]),
        (66, "recv", [quote("BINANCE:NOTHING", description="no price")]),
    )
    rows = given.history(ODD, "1", START + 900, 9)
    assert [[row.open, row.high, row.low, row.close, row.volume] for row in rows] == [[5, 6, 5, 6, 1.5], [4.5, 4.5, 4.5, 4.5, 0.5]]
    assert [round(tick.time - START, 3) for tick in given.ticks(ODD, START, START + 900)] == [0.5, 0.501, 30, 65]
    assert given.quote(ODD, START + 40)["short_name"] == "ODD"
    assert not given.knows("BINANCE:NOTHING")


def test_more_at_the_end_of_a_bar_than_there_are_moments(tmp_path: Path) -> None:
    late = [update([START, 1, 1, 1, 1, n / 8]) for n in range(100)]
    given = market(tmp_path / "tape.jsonl", (0, "send", asked()), (90, "recv", [bars([START, 1, 1, 1, 1, 0]), bars([START + 60, 1, 1, 1, 1, 0]), *late]))
    rows = given.history(BTC, "1", START + 900, 2)
    assert rows[0].volume == 99 / 8
    series = given.series(BTC, "1", at=START - 1, count=1)
    for tick in given.ticks(BTC, START - 1, START + 900):
        series.add(tick)
    assert series.rows == rows


def test_a_tape_without_prices_is_no_market(tmp_path: Path) -> None:
    with pytest.raises(InvalidSource, match="expected a tape with bars or quotes"):
        market(tmp_path / "tape.jsonl", (0, "send", asked()))
