"""What a market is made of: symbols, intervals, ticks, bars, quotes, and whole markets.

Values fit together: a high is the highest, a bar begins at a multiple of its interval, what a quote changed is what it has.
Prices are multiples of a step, as real ones are, so that a failing example is easy to read.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final, Literal, get_args

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from tvstreamer.events import Bar, Quote, Tick
from tvstreamer.intervals import Interval, Unit
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.server.market import Market
from tvstreamer.studies import BUILT_INS, SOURCES, Study
from tvstreamer.testing.strategies.bounds import EARLIEST, LATEST, check_range, check_size, grid, one_of

USUAL_SYMBOLS: Final = ("BINANCE:BTCUSDT", "NASDAQ:AAPL", "FX:EURUSD", "CME_MINI:ES1!", "NSE:M&M", "TVC:DXY")
USUAL_INTERVALS: Final = ("1", "5", "60", "1D", "1W", "1M", "5S")
_MOST_BARS: Final = 99_999
_DAY: Final = 86_400
_STATES: Final[tuple[tuple[bool, Literal["successor", "time"] | None, int], ...]] = (
    (False, None, 0), (True, "successor", 0), (True, "time", 0), (True, "successor", 1),
)  # fmt: skip
_TICKERS: Final = st.from_regex(r"[A-Z0-9][A-Z0-9!&_./*+-]{0,11}", fullmatch=True)
_ANY_SYMBOL: Final = st.sampled_from(USUAL_SYMBOLS) | st.builds(
    "{}:{}".format, st.from_regex(r"[A-Z][A-Z0-9_]{0,7}", fullmatch=True), _TICKERS
)


_INPUTS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "length": st.integers(1, 10_000),
    "factor": st.floats(0.001, 50),
    "source": st.sampled_from(SOURCES),
    "flag": st.booleans(),
}
_VOLUMES: Final = st.none() | st.integers(0, 10**9).map(lambda lots: lots / 1000)


@st.composite
def symbols(draw: st.DrawFn, *, exchanges: Collection[str] | None = None) -> str:
    """Symbols in their canonical spelling: well-known ones, and any others that have the form. Shrinks to BINANCE:BTCUSDT."""
    if exchanges is None:
        return draw(_ANY_SYMBOL)
    return f"{draw(one_of('exchanges', exchanges))}:{draw(_TICKERS)}"


@st.composite
def intervals(
    draw: st.DrawFn, *, units: Collection[Unit] | None = None, min_count: int = 1, max_count: int = _MOST_BARS
) -> Interval:
    """Intervals of these units (`T S m D W M R`), or of all. Shrinks to one minute."""
    if not 1 <= min_count <= max_count <= _MOST_BARS:
        raise InvalidArgument(f"min_count={min_count!r}, max_count={max_count!r}: expected numbers from 1 to {_MOST_BARS}")
    known = sorted(get_args(Unit), key=lambda unit: unit != "m")
    unit = draw(one_of("units", known if units is None else units))
    if unit not in known:
        raise InvalidArgument(f"units={units!r}: expected some of {', '.join(known)}")
    return Interval(draw(st.integers(min_count, max_count)), unit)


@st.composite
def subscriptions(
    draw: st.DrawFn,
    *,
    symbols: st.SearchStrategy[str] | None = None,
    intervals: st.SearchStrategy[Interval | str | None] | None = None,
) -> Subscription:
    """Subscriptions to a symbol's ticks, perhaps quotes, perhaps the bars of an interval."""
    return Subscription(
        draw(st.sampled_from(USUAL_SYMBOLS) if symbols is None else symbols),
        draw(st.none() | st.sampled_from(USUAL_INTERVALS) if intervals is None else intervals),  # type: ignore[arg-type]
        quotes=draw(st.booleans()),
    )


@st.composite
def studies(draw: st.DrawFn, *, names: Collection[str] = tuple(BUILT_INS)) -> Study:
    """Built-in studies of these names, with some of their inputs. Shrinks to the first name, with the default inputs."""
    name = draw(one_of("names", names))
    if name not in BUILT_INS:
        raise InvalidArgument(f"names={names!r}: expected some of {', '.join(BUILT_INS)}")
    inputs = {each.name: _INPUTS[each.kind] for each in BUILT_INS[name].inputs}
    return Study(name, **draw(st.fixed_dictionaries({}, optional=inputs)))


@st.composite
def ticks(
    draw: st.DrawFn,
    *,
    symbols: st.SearchStrategy[str] | None = None,
    min_price: float = 0.01,
    max_price: float = 100_000.0,
    price_step: float = 0.01,
    min_time: float = EARLIEST,
    max_time: float = LATEST,
) -> Tick:
    """Ticks on whole seconds, as the feed has them."""
    return Tick(
        draw(_symbol(symbols)),
        draw(grid("time", min_time, max_time, 1)),
        draw(_prices(min_price, max_price, price_step)),
        draw(_VOLUMES),
    )


@st.composite
def bars(
    draw: st.DrawFn,
    *,
    symbols: st.SearchStrategy[str] | None = None,
    intervals: st.SearchStrategy[Interval | str] | None = None,
    min_price: float = 0.01,
    max_price: float = 100_000.0,
    price_step: float = 0.01,
    min_time: float = EARLIEST,
    max_time: float = LATEST,
    closed: bool | None = None,
) -> Bar:
    """Single bars, forming, closed or revised; `closed` chooses. Shrinks to one that is flat, forming and without volume."""
    interval = Interval.parse(draw(_interval(intervals)))
    states = [state for state in _STATES if closed is None or state[0] == closed]
    open_, high, low, close = draw(_prices_of_a_bar(min_price, max_price, price_step))
    is_closed, closed_by, revision = draw(st.sampled_from(states))
    return Bar(
        draw(_symbol(symbols)),
        str(interval),
        draw(grid("time", min_time, max_time, _step(interval))),
        open_,
        high,
        low,
        close,
        draw(_VOLUMES),
        closed=is_closed,
        closed_by=closed_by,
        revision=revision,
    )


@st.composite
def bar_series(
    draw: st.DrawFn,
    *,
    symbol: str | None = None,
    interval: Interval | str | None = None,
    min_size: int = 0,
    max_size: int | None = None,
    min_price: float = 0.01,
    max_price: float = 100_000.0,
    price_step: float = 0.01,
    min_time: float = EARLIEST,
    max_time: float = LATEST,
    gaps: bool = True,
    forming: bool = True,
) -> list[Bar]:
    """The bars of one series, oldest first: all closed, but the last one perhaps if `forming`.

    With `gaps` there may be times without a bar, as in a thin market. Either all bars have a volume or none has.
    """
    check_size(min_size, max_size)
    parsed = Interval.parse(draw(_interval(None)) if interval is None else interval)
    step = _step(parsed)
    # The latest begin leaves room for the least number of bars, and no more are drawn than there is room for.
    begin = draw(grid("time", min_time, max_time - max(0, min_size - 1) * step, step))
    room = int((max_time - begin) // step) + 1
    most = min(room, max(min_size + 20, 20) if max_size is None else max_size)
    skipped = st.integers(0, 3) if gaps else st.just(0)
    one = st.tuples(skipped, _prices_of_a_bar(min_price, max_price, price_step), st.integers(0, 10**9))
    drawn = draw(st.lists(one, min_size=min_size, max_size=most))
    has_volume = draw(st.booleans())
    spare = room - len(drawn)
    name = draw(_symbol(None)) if symbol is None else symbol
    series: list[Bar] = []
    time = begin
    for skip, (open_, high, low, close), lots in drawn:
        skip = min(skip, spare)
        spare -= skip
        time += skip * step
        volume = lots / 1000 if has_volume else None
        series.append(Bar(name, str(parsed), time, open_, high, low, close, volume, closed=True, closed_by="successor"))
        time += step
    if series and forming and draw(st.booleans()):
        last = series[-1]
        series[-1] = Bar(name, str(parsed), last.time, last.open, last.high, last.low, last.close, last.volume)
    return series


@st.composite
def quotes(
    draw: st.DrawFn,
    *,
    symbols: st.SearchStrategy[str] | None = None,
    statuses: Collection[str] = ("ok",),
    min_price: float = 0.01,
    max_price: float = 100_000.0,
    price_step: float = 0.01,
    min_time: float = EARLIEST,
    max_time: float = LATEST,
) -> Quote:
    """Quotes: what changed is part of what is known. Those of a status other than `ok` know nothing."""
    status = draw(one_of("statuses", statuses))
    price = _prices(min_price, max_price, price_step)
    times = grid("time", min_time, max_time, 1)
    values: dict[str, st.SearchStrategy[Any]] = {
        "lp": price,
        "volume": _VOLUMES,
        "bid": price,
        "ask": price,
        "ch": st.integers(-1000, 1000).map(lambda hundredths: hundredths / 100),
        "lp_time": times.map(int),
        "description": st.sampled_from(["Bitcoin / TetherUS", "日経平均", "\N{CHART WITH UPWARDS TREND}"]),
        "is_tradable": st.booleans(),
    }
    fields = draw(st.fixed_dictionaries({}, optional=values)) if status == "ok" else {}
    changed = draw(st.sets(st.sampled_from(sorted(fields)))) if fields else set()
    changes = {name: value for name, value in fields.items() if name in changed}
    return Quote(draw(_symbol(symbols)), draw(times), status, changes, fields)


@st.composite
def markets(
    draw: st.DrawFn, *, min_seed: int = 0, max_seed: int = 2**16, by_hand: Collection[str] = (), max_bars: int = 20
) -> Market:
    """Markets for a fake server: made from a seed, and for the symbols in `by_hand` with bars of 1 minute that are drawn.

    Shrinks to the least seed, and no bars by hand.
    """
    check_range("seed", min_seed, max_seed)
    market = Market(draw(st.integers(min_seed, max_seed)))
    for symbol in by_hand:
        rows = draw(bar_series(symbol=symbol, interval="1", max_size=max_bars))
        market.set_bars(symbol, "1", [[bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume or 0.0] for bar in rows])
    return market


def _symbol(given: st.SearchStrategy[str] | None) -> st.SearchStrategy[str]:
    return symbols() if given is None else given


def _interval(given: st.SearchStrategy[Interval | str] | None) -> st.SearchStrategy[Interval | str]:
    return st.sampled_from(USUAL_INTERVALS) if given is None else given


def _step(interval: Interval) -> float:
    """Seconds of which the times of bars are multiples: a day for months, a second for bars that have no length."""
    return float(interval.seconds or (_DAY if not interval.is_intraday else 1))


def _prices(least: float, most: float, step: float) -> st.SearchStrategy[float]:
    if not step > 0:
        raise InvalidArgument(f"price_step={step!r}: expected a number above 0")
    return grid("price", least, most, step)


@lru_cache
def _prices_of_a_bar(least: float, most: float, step: float) -> st.SearchStrategy[tuple[float, float, float, float]]:
    """Open, high, low and close: the ends are free, the extremes reach beyond them or not."""
    price = _prices(least, most, step)
    return st.tuples(price, price, price, price).map(lambda four: (four[0], max(four), min(four), four[1]))
