"""Lets clients from PyPI, unmodified but for the address that they connect to, ask a fake server for what they can.

`python python_clients.py WS_URL` prints a JSON line for each check: client, what was asked for, whether it came, what came.
Their libraries are told another address where they open a connection, so that everything else is as their authors wrote it.
"""

# What it imports is installed where it runs, not where types are checked.
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import requests
import websocket
import websockets.asyncio.client

SYMBOL = "BINANCE:BTCUSDT"
UNKNOWN = "XXXX:NOPE"
WAIT = 20.0
"""Seconds for one check."""

Check = Callable[[], str]
CHECKS: list[tuple[str, str, Check]] = []


class Failed(Exception):
    """Something else came than was asked for."""


def check(client: str, what: str) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        CHECKS.append((client, what, function))
        return function

    return register


def expect(truth: object, problem: str) -> None:
    if not truth:
        raise Failed(problem)


def redirect(url: str) -> None:
    """From now on every address of tradingview.com is that of the fake server, over WebSocket and HTTP."""
    here = urlsplit(url)
    plain = f"http://{here.netloc}"

    def moved(address: str) -> str:
        parts = urlsplit(str(address))
        if not (parts.hostname or "").endswith("tradingview.com"):
            return address
        base = f"{here.scheme}://{here.netloc}" if parts.scheme in ("ws", "wss") else plain
        return f"{base}{parts.path}" + (f"?{parts.query}" if parts.query else "")

    connect = websocket.WebSocket.connect
    websocket.WebSocket.connect = lambda self, address, **options: connect(self, moved(address), **options)
    make = websocket.WebSocketApp.__init__
    # Whether it is about TLS is decided by the address that the application was made with.
    websocket.WebSocketApp.__init__ = lambda self, address, *rest, **options: make(self, moved(address), *rest, **options)
    opened = websockets.asyncio.client.connect.__init__

    def open_there(self: Any, uri: str, *arguments: Any, **options: Any) -> None:
        opened(self, moved(uri), *arguments, **options)

    websockets.asyncio.client.connect.__init__ = open_there
    send = requests.Session.request
    requests.Session.request = lambda self, method, url, *rest, **options: send(
        self, method, moved(url), *rest, **options
    )
    get = httpx.AsyncClient.get
    httpx.AsyncClient.get = lambda self, url, **options: get(self, moved(url), **options)


def until(holds: Callable[[], Any], what: str, wait: float = WAIT) -> Any:
    deadline = time.monotonic() + wait
    while not (found := holds()):
        expect(time.monotonic() < deadline, f"no {what} within {wait:g} s")
        time.sleep(0.02)
    return found


# --- tvdatafeed-enhanced: websocket-client, and websockets for several symbols ----------------------------------------


def datafeed() -> Any:
    from tvDatafeed import TvDatafeed

    return TvDatafeed()


@check("tvdatafeed-enhanced", "history")
def _() -> str:
    from tvDatafeed import Interval

    bars = datafeed().get_hist("BTCUSDT", "BINANCE", Interval.in_1_minute, n_bars=300)
    expect(bars is not None and len(bars) == 300, f"300 bars expected, got {bars}")
    return f"{len(bars)} bars to {bars.index[-1]}"


@check("tvdatafeed-enhanced", "several symbols")
def _() -> str:
    from tvDatafeed import Interval

    bars = datafeed().get_hist_multi(["BTCUSDT", "ETHUSDT"], "BINANCE", Interval.in_1_hour, n_bars=50)
    counts = {name: len(each) for name, each in bars.items()}
    expect(counts == {"BTCUSDT": 50, "ETHUSDT": 50}, f"50 bars of each expected, got {counts}")
    return "50 bars of each of 2"


@check("tvdatafeed-enhanced", "unknown symbol")
def _() -> str:
    bars = datafeed().get_hist("NOPE", "XXXX")
    expect(bars is None, f"no bars expected, got {bars}")
    return "no data, after its own timeout"


@check("tvdatafeed-enhanced", "search")
def _() -> str:
    found = datafeed().search_symbol("BTCUSDT", "BINANCE")
    expect(any(each["symbol"] == "BTCUSDT" for each in found), f"BTCUSDT expected, got {found}")
    return f"{len(found)} symbols"


# --- tvkit: websockets on asyncio, validates symbols over HTTP first --------------------------------------------------


async def first(items: AsyncIterator[Any], count: int) -> list[Any]:
    found: list[Any] = []
    async for item in items:
        found.append(item)
        if len(found) >= count:
            break
    return found


def with_tvkit(ask: Callable[[Any], Any]) -> Any:
    from tvkit.api.chart.ohlcv import OHLCV

    async def run() -> Any:
        async with OHLCV(max_attempts=1) as client:
            return await asyncio.wait_for(ask(client), WAIT)

    return asyncio.run(run())


@check("tvkit", "history")
def _() -> str:
    bars = with_tvkit(lambda client: client.get_historical_ohlcv(SYMBOL, "60", 300))
    expect(len(bars) == 300, f"300 bars expected, got {len(bars)}")
    return f"{len(bars)} bars"


@check("tvkit", "history of a range")
def _() -> str:
    now = time.time()
    start, end = (time.strftime("%Y-%m-%d", time.gmtime(now - days * 86_400)) for days in (30, 10))
    bars = with_tvkit(lambda client: client.get_historical_ohlcv(SYMBOL, "1D", start=start, end=end))
    expect(20 <= len(bars) <= 22, f"some 21 daily bars of {start} to {end} expected, got {len(bars)}")
    return f"{len(bars)} bars of {start} to {end}"


@check("tvkit", "live bars")
def _() -> str:
    bars = with_tvkit(lambda client: first(client.get_ohlcv(SYMBOL, "1", 5), 12))
    expect(bars[-1].timestamp >= bars[4].timestamp, "later bars expected")
    return f"{len(bars)} bars, {len({bar.timestamp for bar in bars})} times"


@check("tvkit", "quotes")
def _() -> str:
    quotes = with_tvkit(lambda client: first(client.get_quote_data(SYMBOL, "1", 5), 3))
    expect(any(quote.current_price for quote in quotes), f"a price expected: {quotes}")
    return f"{len(quotes)} updates"


@check("tvkit", "unknown symbol")
def _() -> str:
    try:
        with_tvkit(lambda client: client.get_historical_ohlcv(UNKNOWN, "60", 10))
    except ValueError as error:
        return shorten(error)
    raise Failed("an error expected")


# --- tradingview-scraper: websocket-client, sleeps a second for each message ------------------------------------------


@check("tradingview-scraper", "history")
def _() -> str:
    from tradingview_scraper.symbols.stream import Streamer

    streamer = Streamer(export_result=True, export_type="json")
    streamer._export = lambda **_: None
    bars = streamer.stream("BINANCE", "BTCUSDT", timeframe="1h", numb_price_candles=100)["ohlc"]
    expect(len(bars) == 100, f"100 bars expected, got {len(bars)}")
    return f"{len(bars)} bars"


@check("tradingview-scraper", "quotes and live bars")
def _() -> str:
    from tradingview_scraper.symbols.stream import RealTimeData

    seen = set()
    for packet in RealTimeData().get_ohlcv(SYMBOL):
        seen.add(packet.get("m"))
        if {"qsd", "timescale_update", "du"} <= seen:
            return ", ".join(sorted(filter(None, seen)))
    raise Failed(f"the stream ended after {seen}")


@check("tradingview-scraper", "unknown symbol")
def _() -> str:
    from tradingview_scraper.symbols.stream import Streamer

    try:
        Streamer(export_result=True).stream("XXXX", "NOPE")
    except ValueError as error:
        return shorten(error)
    raise Failed("an error expected")


# --- tradingview-api-python: websocket-client's WebSocketApp, a port of the largest project ---------------------------
# Its studies cannot be tried: they ask for an attribute that its chart session does not have.


@contextlib.contextmanager
def ported() -> Iterator[Any]:
    from tradingviewApiPython import Client

    client = Client()
    try:
        yield client
    finally:
        client.end()


def chart_of(client: Any, symbol: str, **options: Any) -> tuple[Any, list[str], list[int]]:
    chart = client.Session.Chart()
    errors: list[str] = []
    updates: list[int] = []
    chart.on_error(lambda *words: errors.append(" ".join(map(str, words))))
    chart.on_update(lambda *_: updates.append(1))
    chart.set_market(symbol, {"timeframe": "1", "range": 50, **options})
    return chart, errors, updates


@check("tradingview-api-python", "history and live bars")
def _() -> str:
    with ported() as client:
        chart, errors, updates = chart_of(client, SYMBOL)
        until(lambda: len(chart.periods) >= 50 and len(updates) >= 5, "updates")
        expect(not errors, f"errors: {errors}")
        return f"{len(chart.periods)} bars, {chart.infos['description']}"


@check("tradingview-api-python", "extra history")
def _() -> str:
    with ported() as client:
        chart, errors, _ = chart_of(client, SYMBOL)
        until(lambda: len(chart.periods) >= 50, "history")
        chart.fetch_more(70)
        until(lambda: len(chart.periods) >= 120, "older bars")
        expect(not errors, f"errors: {errors}")
        return f"{len(chart.periods)} bars"


@check("tradingview-api-python", "unknown symbol")
def _() -> str:
    with ported() as client:
        _, errors, _ = chart_of(client, UNKNOWN)
        until(lambda: len(errors) >= 2, "errors")
        return "; ".join(errors)


@check("tradingview-api-python", "quotes")
def _() -> str:
    with ported() as client:
        quotes = client.Session.Quote()
        market = quotes.Market(SYMBOL)
        loaded = threading.Event()
        market.on_loaded(lambda *_: loaded.set())
        expect(loaded.wait(WAIT), "no quote_completed")
        until(lambda: market.last_data.get("lp"), "price")
        return f"{len(market.last_data)} fields"


@check("tradingview-api-python", "bar replay")
def _() -> str:
    with ported() as client:
        start = int(time.time()) - 86_400
        chart, errors, _ = chart_of(client, SYMBOL, replay=start)
        points: list[Any] = []
        chart.on_replay_point(points.append)
        until(lambda: len(chart.periods) >= 50 or errors, "history up to the point")
        expect(not errors, f"errors: {errors}")
        newest = max(period["time"] for period in chart.periods)
        expect(newest <= start, f"bars up to {start} expected, got {newest}")
        expect(chart.replay_step(3), "no replay_ok")
        until(lambda: len(chart.periods) >= 53, "bars of three steps")
        return f"3 steps, {len(points)} points"


# --- tradingview-api: websockets on asyncio ---------------------------------------------------------------------------


@check("tradingview-api", "history and live bars")
def _() -> str:
    from TradingView import ChartSession, Client

    async def run() -> str:
        client = Client()
        await client.connect()
        while not client.logged:  # it sends nothing before, and does not catch up by itself
            await asyncio.sleep(0.01)
        chart = ChartSession(client)
        updates: list[int] = []
        chart.on_update(lambda *_: updates.append(1))
        chart.set_market(SYMBOL, {"timeframe": "1", "range": 50})
        for _ in range(int(WAIT * 20)):
            if len(chart.periods_list) >= 50 and len(updates) >= 5:
                break
            await asyncio.sleep(0.05)
        expect(len(chart.periods_list) >= 50 and len(updates) >= 5, f"{len(chart.periods_list)} bars, {len(updates)} updates")
        client.disconnect()
        return f"{len(chart.periods_list)} bars"

    return asyncio.run(run())


# --- all of them ------------------------------------------------------------------------------------------------------


def shorten(value: object) -> str:
    text = re.sub(r"\s+", " ", str(value))
    return text if len(text) <= 100 else text[:97] + "..."


def main() -> None:
    logging.disable(logging.CRITICAL)
    redirect(sys.argv[1])
    for client, what, function in CHECKS:
        noise = io.StringIO()
        begun = time.monotonic()
        try:
            with contextlib.redirect_stdout(noise), contextlib.redirect_stderr(noise):
                detail, works = function(), True
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = "" if isinstance(error, Failed) else f" ({where.filename.rpartition('/')[2]}:{where.lineno})"
            detail, works = f"{type(error).__name__}: {shorten(error)}{place}", False
        seconds = round(time.monotonic() - begun, 1)
        line = {"client": client, "what": what, "works": works, "detail": shorten(detail), "seconds": seconds}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
