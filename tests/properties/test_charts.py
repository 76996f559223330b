"""However a client asks for the bars of a chart, it is given the same ones, each under one index for good."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from raw_client import Packets, RawClient

from tvstreamer.server.market import Market, market_start

MARKET = Market(1)
START = market_start(1)
SYMBOLS = [
    "BINANCE:BTCUSDT",
    "NASDAQ:AAPL",
    "TVC:DXY",
    "NASDAQ:AAPL/NASDAQ:MSFT",
    '={"symbol":"NASDAQ:AAPL","session":"extended"}',
    '={"symbol":"NASDAQ:AAPL","currency-id":"EUR","adjustment":"none"}',
    '={"symbol":{"symbol":"NASDAQ:AAPL"},"type":"BarSetHeikenAshi@tv-basicstudies-60!","inputs":{}}',
]
INTERVALS = ["1", "5", "60", "1D", "1W", "30S"]

Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("more"), st.integers(1, 60)),
        st.tuples(st.just("wait"), st.integers(1, 120)),
        st.tuples(st.just("frame"), st.integers(1, 150)),
    ),
    max_size=5,
)


class Client(RawClient):
    """Keeps what it is told of one series, and complains when an index or a time is used twice."""

    def __init__(self, symbol: str, interval: str, most_bars: int) -> None:
        super().__init__(MARKET, now=START, most_bars=most_bars)
        self.interval = interval
        self.most_bars = most_bars
        self.bars: dict[int, list[float]] = {}
        self.send("chart_create_session", "cs")
        self.send("resolve_symbol", "cs", "sym", symbol)

    def wait(self, seconds: float = 0.13) -> Packets:
        packets = super().wait(seconds)
        for packet in packets:
            self.take(packet)
        return packets

    def take(self, packet: dict[str, Any]) -> None:
        if packet["m"] not in ("du", "timescale_update"):
            return
        rows = packet["p"][1]["s1"]["s"]
        assert len(rows) <= self.most_bars
        for row in rows:
            known = self.bars.get(row["i"])
            assert known is None or known[0] == row["v"][0], "an index is of one bar"
            self.bars[row["i"]] = row["v"]
        if packet["m"] == "timescale_update":
            scale = packet["p"][2]
            assert scale["changes"] == [row["v"][0] for row in rows]
            assert [mark[2] for mark in scale["marks"]] == [row["i"] for row in rows]
            assert scale["index"] == rows[0]["i"]
            assert scale["zoffset"] == -min(self.bars)

    def do(self, step: Step) -> None:
        kind, number = step
        if kind == "more":
            self.send("request_more_data", "cs", "s1", number)
        elif kind == "frame":
            oldest = min(values[0] for values in self.bars.values())
            self.send("modify_series", "cs", "s1", "t1", "sym", self.interval, f"r,{int(oldest) - number * 60}:{int(START)}")
        self.wait(number if kind == "wait" else 0.2)


@given(st.sampled_from(SYMBOLS), st.sampled_from(INTERVALS), st.integers(1, 60), steps, st.integers(20, 100))
@example(SYMBOLS[-1], "1", 2, [("more", 3), ("wait", 90), ("more", 60)], 50)
@example(SYMBOLS[4], "60", 5, [("frame", 150), ("more", 1), ("frame", 1)], 20)
def test_paging_any_way_gives_the_same_bars(symbol: str, interval: str, count: int, plan: list[Step], most_bars: int) -> None:
    client = Client(symbol, interval, most_bars)
    client.send("create_series", "cs", "s1", "t1", "sym", interval, count, "")
    client.wait(0.2)
    for step in plan:
        client.do(step)
    indexes = sorted(client.bars)
    assert indexes == list(range(indexes[0], indexes[-1] + 1)), "there is no hole"
    times = [client.bars[index][0] for index in indexes]
    assert times == sorted(set(times))

    whole = Client(symbol, interval, 20_000)
    whole.now = client.now
    whole.send("create_series", "cs", "s1", "t1", "sym", interval, len(indexes) + 2, "")
    whole.wait(0.2)
    asked = {values[0]: values for values in whole.bars.values()}
    # The newest bar goes on while the two ask, and others may come.
    assert [client.bars[index] for index in indexes[:-1]] == [asked.get(time) for time in times[:-1]]
    assert all(time in times for time in asked if times[0] <= time <= times[-1])


@given(st.sampled_from(SYMBOLS), st.sampled_from(INTERVALS), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_bars_before_and_behind_a_moment_are_those_of_one_stretch(symbol: str, interval: str, before: int, behind: int, more: int) -> None:
    moment = START - 800 * 86_400
    older, newer = Client(symbol, interval, 100), Client(symbol, interval, 100)
    older.send("create_series", "cs", "s1", "t1", "sym", interval, ["bar_count", moment, before])
    newer.send("create_series", "cs", "s1", "t1", "sym", interval, ["bar_count", moment, -behind])
    for client in (older, newer):
        client.wait(0.2)
    newer.do(("more", -more))
    newer.do(("more", before))
    assert [values for _, values in sorted(newer.bars.items())][:before] == [values for _, values in sorted(older.bars.items())]
    assert sorted(newer.bars) == list(range(-before, behind + more))
    times = [values[0] for _, values in sorted(newer.bars.items())]
    assert times == sorted(set(times))
