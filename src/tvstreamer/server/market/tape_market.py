"""A tape as a market: what it recorded of bars and quotes is history and goes on as it did, whatever a client asks for.

Other than a tape that is served, which plays its records to who asks for the same, this answers any command: longer
intervals, other counts, older pages, quotes of what was recorded as bars. Of the intervals that were recorded of a symbol the
shortest is taken, and each recorded update becomes the ticks that make it: a new high, a new low, and the close. A symbol of
which only quotes were recorded gets bars of a minute from their last prices. When the tape is over the market is quiet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tvstreamer.errors import FramingError, InvalidInterval, InvalidSource, InvalidSymbol
from tvstreamer.intervals import Interval
from tvstreamer.protocol import codec
from tvstreamer.protocol.packets import (
    BarValues,
    CreateSeries,
    DataUpdate,
    ModifySeries,
    QuoteData,
    ResolveSymbol,
    SymbolResolved,
    TimescaleUpdate,
)
from tvstreamer.server.market.bar_files import MOST_ROWS, FileBar
from tvstreamer.server.market.bar_market import BarSymbol, Trade, decimals, lots_of
from tvstreamer.server.market.symbol import MarketSymbol
from tvstreamer.server.market.variants import Variant
from tvstreamer.symbols import parse_symbol, plain_symbol
from tvstreamer.tape.format import Record, moment
from tvstreamer.tape.reader import TapeReader

_MINUTE: Final = Interval(1, "m")
_NO_PRICE: Final = 1e99
_MOMENTARY: Final = frozenset(
    "lp lp_time ch chp volume open_price high_price low_price prev_close_price bid ask bid_size ask_size current_session"
    " rch rchp rtc rtc_time trade_loaded metrics_loaded".split()
)
"""Fields of a quote that change with its prices."""

_State = tuple[float, BarValues]
"""A bar as it was known from a moment on."""


class TapeMarket:
    """A source of a `Market`. `start` is the moment at which the tape begins."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        recording = _Recording()
        with TapeReader(self._path) as reader:
            self.start: float | None = reader.header.start
            for record in reader:
                recording.read(record, moment(reader.header.start, record.t))
        self._symbols = recording.symbols()
        if not self._symbols:
            raise InvalidSource(f"{self._path}: expected a tape with bars or quotes")

    def find(self, name: str, variant: Variant) -> MarketSymbol | None:
        return self._symbols.get(name)

    def __repr__(self) -> str:
        return f"<TapeMarket {self._path}, {len(self._symbols)} symbols>"


class _Recording:
    """What a tape tells of its symbols, as its records go by."""

    def __init__(self) -> None:
        self._aliases: dict[tuple[int, str, str], str] = {}
        self._series: dict[tuple[int, str, str], tuple[str, Interval]] = {}
        self._bars: dict[tuple[str, Interval], dict[int, list[_State]]] = {}
        self._prices: dict[str, list[tuple[float, float, float | None]]] = {}
        self._infos: dict[str, dict[str, Any]] = {}
        self._facts: dict[str, dict[str, Any]] = {}
        self._count = 0

    def read(self, record: Record, at: float) -> None:
        if record.k not in ("send", "recv"):
            return
        try:
            payloads = record.payloads()
        except FramingError:
            return  # Nothing that either side could have understood.
        for payload in payloads:
            if record.k == "send":
                self._asked(record.c, codec.decode_command(payload))
            else:
                self._answered(record.c, codec.decode_reply(payload), at)

    def _asked(self, connection: int, command: object) -> None:
        match command:
            case ResolveSymbol(p=p):
                # Other kinds of charts, and bar replays, show something else than the symbol's prices.
                plain = "" if '"type"' in p.symbol or '"replay"' in p.symbol else _symbol(p.symbol)
                self._aliases[connection, p.session, p.alias] = plain
            case CreateSeries(p=p) | ModifySeries(p=p):
                symbol = self._aliases.get((connection, p.session, p.alias), "")
                interval = _interval(p.resolution)
                self._series.pop((connection, p.session, p.series), None)
                if symbol and interval is not None:
                    self._series[connection, p.session, p.series] = symbol, interval

    def _answered(self, connection: int, reply: object, at: float) -> None:
        match reply:
            case SymbolResolved(p=p):
                symbol = self._aliases.get((connection, p.session, p.alias), "")
                if symbol:
                    self._infos[symbol] = dict(p.info)
            case TimescaleUpdate(p=p) | DataUpdate(p=p):
                for name, data in p.objects.items():
                    series = self._series.get((connection, p.session, name))
                    for row in data.s or () if series is not None else ():
                        assert series is not None
                        self._bar(series, row.v, at)
            case QuoteData(p=p) if p.update.s == "ok":
                self._quote(p.update.n, p.update.v, at)

    def _bar(self, series: tuple[str, Interval], values: BarValues, at: float) -> None:
        if not all(abs(value) < _NO_PRICE for value in msgspec.structs.astuple(values) if value is not None):
            return
        states = self._bars.setdefault(series, {}).setdefault(int(values.time), [])
        if not states or states[-1][1] != values:
            self._keep()
            states.append((at, values))

    def _quote(self, name: str, changes: dict[str, Any], at: float) -> None:
        symbol = _symbol(name)
        if not symbol:
            return
        facts = self._facts.setdefault(symbol, {})
        facts |= {field: value for field, value in changes.items() if field not in _MOMENTARY}
        price, volume = changes.get("lp"), changes.get("volume")
        known = self._prices.setdefault(symbol, [])
        if price is None and known and volume is not None:
            price = known[-1][1]
        if isinstance(price, int | float) and abs(price) < _NO_PRICE:
            self._keep()
            total = float(volume) if isinstance(volume, int | float) and 0 <= volume < _NO_PRICE else None
            known.append((at, float(price), total))

    def _keep(self) -> None:
        self._count += 1
        if self._count > MOST_ROWS:
            raise InvalidSource(f"more than {MOST_ROWS} bars and prices on one tape: expected a shorter one")

    def symbols(self) -> dict[str, MarketSymbol]:
        found: dict[str, MarketSymbol] = {}
        for symbol in {*(symbol for symbol, _ in self._bars), *self._prices}:
            intervals = sorted((interval for name, interval in self._bars if name == symbol), key=_length)
            if intervals:
                found[symbol] = self._of_bars(symbol, intervals[0])
            elif self._prices[symbol]:
                found[symbol] = self._of_prices(symbol)
        return found

    def _of_bars(self, symbol: str, interval: Interval) -> MarketSymbol:
        states = self._bars[symbol, interval]
        times = sorted(states)
        bars = [FileBar(time, *_final(states[time])) for time in times]
        scale = 10 ** max(decimals(values.volume or 0.0) for time in times for _, values in states[time])
        trades: dict[int, Sequence[Trade]] = {}
        for number, time in enumerate(times):
            end = min(time + _length(interval), times[number + 1] if number + 1 < len(times) else math.inf)
            if len(states[time]) > 1 or states[time][0][0] < end:
                trades[number] = _course(states[time], end, scale)
        return BarSymbol.of(
            symbol, bars, interval, info=self._infos.get(symbol), facts=self._facts.get(symbol), trades=trades, volumescale=scale
        )

    def _of_prices(self, symbol: str) -> MarketSymbol:
        prices = self._prices[symbol]
        scale = 10 ** max(decimals(total or 0.0) for _, _, total in prices)
        minutes: dict[int, list[Trade]] = {}
        before: float | None = None
        last = -math.inf
        for at, price, total in prices:
            traded = 0.0 if before is None or total is None else max(0.0, total - before)
            before = before if total is None else total
            last = max(round(at, 3), round(last + 0.001, 3))
            minutes.setdefault(int(last // 60) * 60, []).append(Trade(last, price, lots_of(traded, scale)))
        bars = []
        for time, trades in minutes.items():
            values = [trade.price for trade in trades]
            volume = sum(trade.lots for trade in trades) / scale
            bars.append(FileBar(time, values[0], max(values), min(values), values[-1], None if before is None else volume))
        return BarSymbol.of(
            symbol, bars, _MINUTE, facts=self._facts[symbol], trades=dict(enumerate(minutes.values())), volumescale=scale
        )


def _symbol(name: str) -> str:
    try:
        return parse_symbol(plain_symbol(name))
    except InvalidSymbol:
        return ""


def _interval(resolution: str) -> Interval | None:
    """An interval whose bars begin by the clock."""
    try:
        interval = Interval.parse(resolution)
    except InvalidInterval:
        return None
    return None if interval.unit in ("T", "R") else interval


def _length(interval: Interval) -> float:
    return interval.seconds or interval.count * 31 * 86_400


def _final(states: Iterable[_State]) -> tuple[float, float, float, float, float | None]:
    """The bar that all states together make: a high stays one, whatever came later."""
    values = [values for _, values in states]
    last = values[-1]
    high, low = max(each.high for each in values), min(each.low for each in values)
    volumes = [each.volume for each in values if each.volume is not None]
    return values[0].open, high, low, last.close, max(volumes) if volumes else None


def _course(states: Sequence[_State], end: float, scale: int) -> list[Trade]:
    """The ticks that take a bar from state to state, each at the moment at which it was told."""
    first_at, first = states[0]
    # A bar is told within its time, but for the last of it, which may be late.
    latest = end - 0.05
    began = float(int(first.time))
    told = max(began, min(first_at, latest))
    turns = (first.low, first.high) if first.close >= first.open else (first.high, first.low)
    sold = lots_of(first.volume or 0.0, scale)
    steps = [(began + (told - began) * place / 3, price, 0) for place, price in enumerate((first.open, *turns))]
    steps.append((told, first.close, sold))
    high, low = first.high, first.low
    for at, values in states[1:]:
        told = min(at, latest)
        if values.high > high:
            steps.append((told, values.high, 0))
        if values.low < low:
            steps.append((told, values.low, 0))
        high, low = max(high, values.high), min(low, values.low)
        total = lots_of(values.volume or 0.0, scale)
        steps.append((told, values.close, max(0, total - sold)))
        sold = max(sold, total)
    trades: list[Trade] = []
    for time, price, lots in steps:
        # No two of a symbol share a moment.
        earliest = round(trades[-1].time + 0.001, 3) if trades else time
        if trades and earliest >= end:
            # Too many at the end for a moment each: only the last counts, and what was sold.
            trades[-1] = Trade(trades[-1].time, price, trades[-1].lots + lots)
        else:
            trades.append(Trade(max(round(time, 3), earliest), price, lots))
    return trades
