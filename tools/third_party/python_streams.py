"""Lets streaming clients from PyPI, unmodified but for their address, print bars as the conformance kit reads them.

`python python_streams.py CLIENT URL SYMBOL INTERVAL BARS`, CLIENT being `tvkit` or `tradingview-api-python`.
"""

# What it imports is installed where it runs, not where types are checked.
# mypy: ignore-errors

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading

from python_clients import redirect


def tell(time: float, open_: float, high: float, low: float, close: float, volume: float | None) -> None:
    values = {"type": "bar", "time": time, "open": open_, "high": high, "low": low, "close": close, "volume": volume}
    print(json.dumps(values), flush=True)


def tvkit(symbol: str, interval: str, bars: int) -> None:
    from tvkit.api.chart.ohlcv import OHLCV

    async def run() -> None:
        async with OHLCV() as client:
            async for bar in client.get_ohlcv(symbol, interval, bars):
                tell(bar.timestamp, bar.open, bar.high, bar.low, bar.close, bar.volume)

    asyncio.run(run())


def ported(symbol: str, interval: str, bars: int) -> None:
    """It says that something changed, not what: as its users do, this prints what is another than before."""
    from tradingviewApiPython import Client

    client = Client()
    chart = client.Session.Chart()
    told: dict[float, tuple[float, ...]] = {}

    def changed(*_: object) -> None:
        for bar in sorted(chart.periods, key=lambda bar: bar["time"]):
            values = tuple(bar.get(name) for name in ("open", "max", "min", "close", "volume"))
            if told.get(bar["time"]) != values:
                told[bar["time"]] = values
                tell(bar["time"], *values)

    def complain(*words: object) -> None:
        print("error:", *words, file=sys.stderr, flush=True)

    chart.on_update(changed)
    chart.on_error(complain)
    chart.set_market(symbol, {"timeframe": interval, "range": bars})
    try:
        threading.Event().wait()
    finally:
        client.end()


if __name__ == "__main__":
    # Whoever is asked to end may clean up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    name, url, *task = sys.argv[1:]
    redirect(url)
    {"tvkit": tvkit, "tradingview-api-python": ported}[name](task[0], task[1], int(task[2]))
