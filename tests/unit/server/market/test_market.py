"""The market: which symbols there are, and who answers for them."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import UTC, datetime

import pytest

from tvstreamer.errors import InvalidInterval, InvalidPlan, InvalidSymbol, SymbolError
from tvstreamer.intervals import Interval
from tvstreamer.server.market import Market, market_start
from tvstreamer.server.market.synthetic import SyntheticSymbol

NOW = market_start(0)


@pytest.mark.parametrize(
    "name",
    ["XXXX:NOPE", "xxxx:anything", "BINANCE:nope", "NASDAQ:INVALID", "no symbol", "", "NASDAQ:AAPL{session=extended}",
     "(NASDAQ:AAPL", "NASDAQ:AAPL/", "NASDAQ:AAPL//NASDAQ:MSFT", "NASDAQ:AAPL)", "1/NASDAQ:AAPL+"],
)  # fmt: skip
def test_some_symbols_are_unknown(name: str) -> None:
    market = Market()
    assert market.info(name, NOW) is None
    assert not market.knows(name)
    for ask in (
        lambda: market.quote(name, NOW),
        lambda: market.ticks(name, NOW, NOW + 1),
        lambda: market.next_tick(name, NOW),
        lambda: market.history(name, "1", NOW, 5),
        lambda: market.series(name, "1", at=NOW, count=5),
        lambda: market.bar_at(name, "1", NOW),
    ):
        with pytest.raises(SymbolError, match="expected"):
            ask()


def test_any_other_symbol_exists() -> None:
    market = Market()
    for name in ("BINANCE:BTCUSDT", "NASDAQ:NOPENOPE", "WHERE:EVER", "NSE:M&M"):
        assert market.knows(name)
        assert market.bar_at(name, "12M", NOW) is not None


def test_unknown_symbols_can_be_chosen_by_pattern_or_function() -> None:
    assert not Market(unknown="nasdaq:a*").knows("NASDAQ:AAPL")
    assert not Market(unknown=["NSE:*", "nasdaq:a?pl"]).knows("nasdaq:aapl")
    assert Market(unknown=()).knows("XXXX:NOPE")
    odd = Market(unknown=lambda symbol: len(symbol) % 2 == 1)
    assert (odd.knows("AB:C"), odd.knows("AB:CD")) == (True, False)


def test_a_symbol_is_the_same_in_any_case() -> None:
    market = Market()
    assert market.info("binance:btcusdt", NOW) == market.info("BINANCE:BTCUSDT", NOW)
    assert market.history("binance:btcusdt", "1", NOW, 3) == market.history("BINANCE:BTCUSDT", "1", NOW, 3)


def test_info_is_new_each_time() -> None:
    market = Market()
    info = market.info("BINANCE:BTCUSDT")
    assert info is not None
    info.clear()
    assert market.info("BINANCE:BTCUSDT")


def test_the_seed_makes_the_prices() -> None:
    first, again, other = (Market(seed).history("BINANCE:BTCUSDT", "1", NOW, 5) for seed in (1, 1, 2))
    assert first == again != other


def test_two_symbols_do_not_move_together() -> None:
    market = Market()
    closes = [
        [row.close / row.open > 1 for row in market.history(name, "1D", NOW, 100)]
        for name in ("BINANCE:BTCUSDT", "KRAKEN:BTCUSDT")
    ]
    assert 20 < sum(one == two for one, two in zip(*closes, strict=True)) < 80


def test_intervals_may_be_spelled_out() -> None:
    market = Market()
    assert market.history("NASDAQ:AAPL", "1h", NOW, 3) == market.history("NASDAQ:AAPL", Interval(60, "m"), NOW, 3)
    with pytest.raises(InvalidInterval):
        market.history("NASDAQ:AAPL", "1Mo!", NOW, 3)


def test_history_is_known_until_at() -> None:
    market = Market()
    until = NOW + 30
    (forming,) = market.history("BINANCE:BTCUSDT", "1", until, 1)
    (done,) = market.history("BINANCE:BTCUSDT", "1", until, 1, at=NOW + 3_600)
    assert forming.time == done.time == NOW
    assert (forming.volume or 0) < (done.volume or 0)


def test_all_questions_agree_on_one_moment() -> None:
    market = Market(3)
    tick = market.next_tick("NASDAQ:AAPL", NOW)
    assert tick is not None
    assert market.ticks("NASDAQ:AAPL", NOW, tick.time) == [tick]
    series = market.series("NASDAQ:AAPL", "1D", at=tick.time, count=5)
    bar = market.bar_at("NASDAQ:AAPL", "1D", tick.time)
    assert bar == series.current == market.history("NASDAQ:AAPL", "1D", tick.time, 1)[0]
    quote = market.quote("NASDAQ:AAPL", tick.time, ["lp", "volume"])
    assert quote == {"volume": tick.day_volume, "lp": tick.price}


def test_a_tick_by_hand_turns_the_synthetic_prices_off() -> None:
    market = Market()
    assert not market.is_by_hand("NASDAQ:AAPL")
    tick = market.tick("nasdaq:aapl", 12.5, at=NOW)
    assert market.is_by_hand("NASDAQ:AAPL")
    assert market.next_tick("NASDAQ:AAPL", NOW - 1) is None
    assert market.ticks("NASDAQ:AAPL", NOW - 60, NOW + 60) == [tick]
    assert [(row.close, row.volume) for row in market.history("NASDAQ:AAPL", "1", NOW, 300)] == [(12.5, 1.0)]
    assert market.quote("NASDAQ:AAPL", NOW, ["lp"]) == {"lp": 12.5}
    assert market.series("NASDAQ:AAPL", "1", at=NOW, count=300).rows == market.history("NASDAQ:AAPL", "1", NOW, 300)
    assert len(market.history("NASDAQ:MSFT", "1", NOW, 300)) == 300


def test_bars_by_hand_turn_the_synthetic_prices_off_too() -> None:
    market = Market()
    market.set_bars("NASDAQ:AAPL", "1h", [[NOW, 1, 2, 0.5, 1.5, 10]])
    assert market.bar_at("NASDAQ:AAPL", "60", NOW) == market.history("NASDAQ:AAPL", "60", NOW, 5)[0]
    assert market.history("NASDAQ:AAPL", "1", NOW, 5) == []
    market.close_bar("NASDAQ:AAPL", "60", NOW + 1)
    market.tick("NASDAQ:AAPL", 3, size=2, at=NOW + 2)
    assert market.series("NASDAQ:AAPL", "60", at=NOW + 2, count=5).rows[-1].time == NOW + 3_600


def test_a_symbol_by_hand_exists_even_if_it_would_be_unknown() -> None:
    market = Market()
    market.tick("XXXX:NOPE", 1.0, at=NOW)
    assert market.knows("XXXX:NOPE")


def test_nothing_is_put_in_by_hand_where_no_client_would_see_it() -> None:
    with pytest.raises(InvalidPlan, match="expected one without options"):
        Market().tick("NASDAQ:AAPL{session=extended}", 42.0, at=NOW)


def test_only_what_is_driven_by_hand_has_a_bar_to_close() -> None:
    with pytest.raises(InvalidPlan, match="BINANCE:BTCUSDT"):
        Market().close_bar("BINANCE:BTCUSDT", "1", NOW)
    with pytest.raises(InvalidSymbol):
        Market().tick("no symbol", 1.0, at=NOW)


def test_a_virtual_run_begins_on_a_wednesday_of_2025_with_most_markets_open() -> None:
    market = Market()
    starts = {market_start(seed) for seed in range(200)}
    assert len(starts) > 40
    for start in starts:
        at = datetime.fromtimestamp(start, UTC)
        assert (at.year, at.weekday(), at.hour, at.minute) == (2025, 2, 15, 0)
        for name in ("BINANCE:BTCUSDT", "NASDAQ:AAPL", "XETR:SAP", "FX:EURUSD"):
            assert market.quote(name, start, ["current_session"]) == {"current_session": "market"}


def test_memory_stays_bounded_however_many_days_pass() -> None:
    market = Market()
    series = market.series("KRAKEN:SLOW", "60", at=NOW, count=10, keep=20)

    def run(days: range) -> int:
        for day in days:
            start = NOW + day * 86_400
            for tick in market.ticks("KRAKEN:SLOW", start, start + 600):
                series.add(tick)
            market.quote("KRAKEN:SLOW", start)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = run(range(50))
        assert run(range(50, 100)) - before < 100_000
    finally:
        tracemalloc.stop()
    assert len(series.rows) <= 41


def synthetic_symbols() -> list[SyntheticSymbol]:
    """All that there are, those of other tests included."""
    return [each for each in gc.get_referrers(SyntheticSymbol) if isinstance(each, SyntheticSymbol)]


def test_memory_stays_bounded_however_many_symbols_are_asked_for() -> None:
    market = Market()
    others = synthetic_symbols()  # held, so that no new one gets the identity of an old one
    for number in range(4_200):
        market.info(f"NASDAQ:X{number}")
    gc.collect()
    assert 4_000 < len(synthetic_symbols()) - len(others) <= 4_100


def test_its_repr_tells_seed_and_what_is_by_hand() -> None:
    market = Market(4)
    market.tick("NASDAQ:AAPL", 1, at=NOW)
    assert repr(market) == "Market(seed=4, by_hand=['NASDAQ:AAPL'])"
