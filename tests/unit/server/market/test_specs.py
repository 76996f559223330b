"""How markets are spelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tvstreamer.errors import InvalidSource
from tvstreamer.server.market import Market
from tvstreamer.server.market.bar_market import BarMarket
from tvstreamer.server.market.specs import market_source, market_sources, parse_markets
from tvstreamer.server.market.synthetic import SyntheticMarket

ROWS = "time,open,high,low,close\n60,1,1,1,1\n120,1,1,1,1\n"


def test_a_synthetic_market_with_its_options() -> None:
    assert repr(market_source("fake")) == repr(SyntheticMarket())
    spelled = market_source("fake:seed=7,halts=yes,delay=900")
    assert repr(spelled) == repr(SyntheticMarket(7, halts=True, delay=900))
    assert market_source(spelled) is spelled


def test_each_symbol_comes_from_the_first_pattern_that_it_matches(tmp_path: Path) -> None:
    path = tmp_path / "bars.CSV"
    path.write_text(ROWS)
    market = Market(sources=market_sources({"binance:*": path, "NASDAQ:A*": "fake:seed=3"}))
    assert len(market.history("BINANCE:ANY", "1", 1e9, 9)) == 2
    assert market.history("NASDAQ:AAPL", "1", 1.7e9, 9) == Market(3).history("NASDAQ:AAPL", "1", 1.7e9, 9)
    assert not market.knows("NASDAQ:MSFT")
    assert isinstance(market_sources(str(path))["*"], BarMarket)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("fake:speed=3", "option 'speed=3': expected seed=7"),
        ("fake:seed=x", "option 'seed=x': expected seed=7"),
        ("fake:seed=1,seed=2", "option 'seed=2': expected it once"),
        ("fake:delay=9999999", "delay 9999999: expected no more than"),
        ("fake:halts=maybe", "option 'halts=maybe'"),
        ("bars.xlsx", "market 'bars.xlsx': expected fake"),
        ("absent.jsonl", "no such file"),
        ("absent.csv", "No such file"),
        (7, "market 7: expected fake"),
    ],
)
def test_what_is_no_market(spec: object, problem: str) -> None:
    with pytest.raises(InvalidSource, match=problem):
        market_source(spec)  # type: ignore[arg-type]


def test_patterns_are_of_symbols() -> None:
    for pattern in ("BINANCE", ""):
        with pytest.raises(InvalidSource, match="expected \\* or one of symbols"):
            market_sources({pattern: "fake"})
    with pytest.raises(InvalidSource, match="at least one"):
        market_sources({})


def test_the_command_lines_spelling() -> None:
    assert parse_markets(["BINANCE:*=a=b.csv", "fake:seed=7"]) == {"BINANCE:*": "a=b.csv", "*": "fake:seed=7"}
    assert parse_markets(["bars.csv"]) == {"*": "bars.csv"}
    for text in ("a=b.csv", "BINANCE:*=", "=x.csv"):
        with pytest.raises(InvalidSource, match="expected PATTERN=MARKET"):
            parse_markets([text])
    with pytest.raises(InvalidSource, match="was not given before"):
        parse_markets(["fake", "bars.csv"])
