"""A client that sends raw commands in any order: what it has been shown is what a model of the bars says, and nothing fails.

Both machines play bars of minutes that the model knows, so that it needs nothing of the market that it judges.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tvstreamer.protocol import framing
from tvstreamer.server.connection import MarketConnection
from tvstreamer.server.manners import Manners
from tvstreamer.server.market import Market
from tvstreamer.server.market.bar_market import BarMarket
from tvstreamer.server.plans import Plan

Row = list[float]
FIRST = 1_751_832_000
MINUTES = [minute for minute in range(90) if minute % 7 != 3]
"""Some minutes have no bar."""


def bars_of(base: int) -> list[Row]:
    return [[FIRST + 60 * at, base + at, base + at + 2, base + at - 1, base + at + at % 3 - 1, 4 * at + 4] for at in MINUTES]


BARS = {"TEST:ONE": bars_of(100), "TEST:TWO": bars_of(500)[20:60]}
SECONDS = {"1": 60, "5": 300, "15": 900}
MARKET = Market(sources={symbol: BarMarket.of(rows, "1") for symbol, rows in BARS.items()})
"""Never changed, so that it is made once."""


def merged(rows: Sequence[Row], interval: str) -> list[Row]:
    """Bars of minutes as those of an interval."""
    seconds = SECONDS[interval]
    return [
        [time, inside[0][1], max(row[2] for row in inside), min(row[3] for row in inside), inside[-1][4], sum(row[5] for row in inside)]
        for time, inside in ((time, list(each)) for time, each in groupby(rows, lambda row: row[0] // seconds * seconds))
    ]


class View:
    """A series as its client has it, drawn from packets as the wire's rules say."""

    def __init__(self) -> None:
        self.bars: dict[int, Row] = {}
        self.loading = self.answered = 0
        self.reason: object = None
        """Why the last request failed; None where it did not."""
        self.completed: dict[str, Any] = {}

    def take(self, method: str, objects: dict[str, Any]) -> None:
        if method == "timescale_update" and not objects["s"]:
            self.bars.clear()
        for row in objects["s"]:
            known = self.bars.get(row["i"])
            assert known is None or known[0] == row["v"][0], "an index is of one bar"
            self.bars[row["i"]] = row["v"]

    @property
    def rows(self) -> list[Row]:
        """All bars, which stand next to each other and in order of time."""
        indexes = sorted(self.bars)
        assert indexes == list(range(indexes[0], indexes[0] + len(indexes))) if indexes else True
        rows = [self.bars[index] for index in indexes]
        assert [row[0] for row in rows] == sorted({row[0] for row in rows})
        return rows


class Commands(RuleBasedStateMachine):
    """What both machines have: a connection, and a view of each series."""

    def __init__(self, now: float, **manners: Any) -> None:
        super().__init__()
        self.now = now
        self.connection = MarketConnection(MARKET, Manners(heartbeat_timeout=None, **manners))
        self.connection.connected(now)
        self.views: dict[tuple[str, str], View] = {}
        self.said: list[tuple[str, list[Any]]] = []
        """What concerns no series, since the last look."""
        self.take()

    def send(self, method: str, *p: object) -> None:
        self.connection.receive(framing.packet(json.dumps({"m": method, "p": p})), self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.connection.handle_deadline(self.now)
        self.take()

    def take(self) -> None:
        for message in self.connection.messages_to_send():
            for payload in framing.split(message):
                if not framing.heartbeat(payload):
                    packet = json.loads(payload)
                    self.hear(packet.get("m", "hello"), packet.get("p", []))

    def hear(self, method: str, p: list[Any]) -> None:
        if method in ("timescale_update", "du"):
            for series, objects in p[1].items():
                if (p[0], series) in self.views:
                    self.views[p[0], series].take(method, objects)
            return
        view = self.views.get((p[0], p[1])) if len(p) > 1 and isinstance(p[1], str) else None
        if view is None:
            self.said.append((method, p))
        elif method == "series_deleted":
            view.bars.clear()
        elif method == "series_loading":
            view.loading += 1
            view.reason = None
        elif method == "series_completed":
            view.answered += 1
            view.completed = p[4]
        elif method == "series_error":
            view.answered += 1
            view.reason = p[3]
            view.bars.clear()

    @invariant()
    def the_connection_lives(self) -> None:
        assert self.connection.closing is None


class Wanted(NamedTuple):
    """What the model knows of a series: `first` is the number of its oldest bar among all of the interval."""

    symbol: str
    interval: str
    count: int
    first: int


series_names = st.sampled_from([("c1", "s1"), ("c1", "s2"), ("c2", "s1")])
symbols = st.sampled_from(sorted(BARS))
intervals = st.sampled_from(sorted(SECONDS))
MOST_BARS, PLAN = 12, Plan(bars=25)


class Charts(Commands):
    """Series are created, changed, extended and removed while the market goes on."""

    def __init__(self) -> None:
        super().__init__(FIRST + 30 * 60.0 + 1, most_bars=MOST_BARS, plan=PLAN)
        self.wanted: dict[tuple[str, str], Wanted | None] = {}
        """None for a series that the market does not have."""
        self.counts: dict[tuple[str, str], int] = {}
        """How many bars each was created with."""

    @initialize()
    def begin(self) -> None:
        for session in ("c1", "c2"):
            self.send("chart_create_session", session, "")
            for symbol in BARS:
                self.send("resolve_symbol", session, symbol, symbol)

    def known(self, symbol: str, interval: str) -> int:
        """How many bars have begun by now."""
        return len(merged([row for row in BARS[symbol] if row[0] <= self.now], interval))

    def loaded(self, symbol: str, interval: str, count: int) -> Wanted:
        return Wanted(symbol, interval, count, max(0, self.known(symbol, interval) - min(count, MOST_BARS)))

    @rule(name=series_names, symbol=symbols, interval=intervals, count=st.integers(1, 15))
    def create(self, name: tuple[str, str], symbol: str, interval: str, count: int) -> None:
        if name not in self.wanted:
            # What is still to come of one of this name that was removed is for the same eyes.
            self.views.setdefault(name, View())
            self.send("create_series", *name, "t1", symbol, interval, count, "")
            self.wanted[name] = self.loaded(symbol, interval, count)
            self.counts[name] = count

    @rule(name=series_names, symbol=symbols, interval=intervals | st.just("30S"))
    def modify(self, name: tuple[str, str], symbol: str, interval: str) -> None:
        if name in self.wanted:
            self.send("modify_series", *name, "t2", symbol, interval, "")
            self.wanted[name] = self.loaded(symbol, interval, self.counts[name]) if interval in SECONDS else None

    @rule(name=series_names, minutes=st.integers(0, 60))
    def frame(self, name: tuple[str, str], minutes: int) -> None:
        """Older bars, as far as they are not there: how many that is at most a span of time says."""
        series = self.wanted.get(name)
        if series is not None:
            self.send("modify_series", *name, "t3", series.symbol, series.interval, f"r,{FIRST + 60 * minutes}:{int(self.now)}")
            self.pass_time(0.2)
            first = self.known(series.symbol, series.interval) - len(self.views[name].bars)
            assert first <= series.first
            self.wanted[name] = series._replace(first=first)
            held = [row for row in self.views[name].rows if row[0] >= FIRST + 60 * minutes]
            whole = merged([row for row in BARS[series.symbol] if FIRST + 60 * minutes <= row[0] <= self.now], series.interval)
            limited = series.first - first >= MOST_BARS or len(self.views[name].bars) >= PLAN.bars  # type: ignore[operator]
            assert limited or len(held) >= len(whole) - 1

    @rule(name=series_names, count=st.integers(-2, 15))
    def more(self, name: tuple[str, str], count: int) -> None:
        series = self.wanted.get(name)
        if series is not None:
            self.send("request_more_data", *name, count)
            assert PLAN.bars is not None
            room = PLAN.bars - (self.known(series.symbol, series.interval) - series.first)
            self.wanted[name] = series._replace(first=max(0, series.first - max(0, min(count, MOST_BARS, room))))

    @rule(name=series_names)
    def remove(self, name: tuple[str, str]) -> None:
        if name in self.wanted:
            self.send("remove_series", *name)
            del self.wanted[name]

    @rule(session=st.sampled_from(["c1", "c2"]))
    def begin_anew(self, session: str) -> None:
        # What was collected for the old session is not for the new one.
        self.settle()
        self.send("chart_delete_session", session)
        self.send("chart_create_session", session, "")
        for symbol in BARS:
            self.send("resolve_symbol", session, symbol, symbol)
        self.views = {name: view for name, view in self.views.items() if name[0] != session}
        self.wanted = {name: series for name, series in self.wanted.items() if name[0] != session}

    @rule(seconds=st.floats(0.01, 400))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule()
    def settle(self) -> None:
        """Everything is answered; then each series shows what the model says."""
        self.pass_time(0.2)
        for name, view in self.views.items():
            assert view.loading == view.answered, "each request is answered once"
            if name not in self.wanted:
                assert not view.rows
                continue
            series = self.wanted[name]
            if series is None:
                assert view.reason == f"unsupported resolution: {self.symbol_of(name)}, 30S"
                continue
            assert view.reason is None
            expected = merged([row for row in BARS[series.symbol] if row[0] <= self.now], series.interval)[series.first :]
            assert [row[:2] for row in view.rows] == [row[:2] for row in expected]
            # The newest one is not over.
            assert view.rows[:-1] == expected[:-1]

    def symbol_of(self, name: tuple[str, str]) -> str:
        protocol = self.connection.protocol
        assert protocol is not None
        chart = protocol.charts[name[0]]
        return chart.symbols[chart.series[name[1]].p.alias]


class BarReplays(Commands):
    """A bar replay is placed, stepped, started and stopped, its series and its interval change, and charts show it."""

    def __init__(self) -> None:
        super().__init__(FIRST + 7 * 86_400.0)
        self.series: set[str] = set()
        """The intervals of the replay's series."""
        self.base: str | None = None
        self.until: float | None = None
        """Up to and without when everything is shown; None while there is no point."""
        self.point: float | None = None
        self.delay: float | None = None
        self.next_at = 0.0
        self.charts: dict[tuple[str, str], Wanted] = {}
        self.requests = 0
        self.oks: list[str] = []
        self.refusals = 0
        self.ends = 0
        """How often the server has to say that there are no more bars."""
        self.points: list[float] = []

    @initialize()
    def begin(self) -> None:
        self.send("replay_create_session", "rs")
        self.send("chart_create_session", "c1", "")
        self.send("resolve_symbol", "c1", "sym", '={"replay":"rs","symbol":{"symbol":"TEST:ONE"}}')

    def ask(self, what: str, *p: object, well: bool = True) -> None:
        self.requests += 1
        request = f"{what}_{self.requests}"
        self.send(f"replay_{what}", "rs", request, *p)
        if well:
            self.oks.append(request)
        else:
            self.refusals += 1

    def choose_base(self) -> None:
        self.base = min(self.series, key=lambda interval: SECONDS[interval], default=None)

    def shown(self, interval: str) -> list[Row]:
        return merged([row for row in BARS["TEST:ONE"] if self.until is not None and row[0] < self.until], interval)

    def move(self, bar: Row) -> None:
        assert self.base is not None
        self.point, self.until = bar[0], bar[0] + SECONDS[self.base]
        self.points.append(bar[0])

    def advance(self, count: int) -> int:
        assert self.base is not None and self.until is not None
        coming = [row for row in merged(BARS["TEST:ONE"], self.base) if row[0] >= self.until][:count]
        if coming:
            self.move(coming[-1])
        return len(coming)

    @rule(interval=st.sampled_from(["1", "5"]))
    def add_series(self, interval: str) -> None:
        self.ask("add_series", "TEST:ONE", interval)
        self.series.add(interval)
        self.choose_base()

    @rule(symbol=st.sampled_from(["TEST:ONE", "TEST:NONE"]), interval=st.sampled_from(["30S", "10R", "XX"]))
    def add_none(self, symbol: str, interval: str) -> None:
        self.ask("add_series", symbol, interval, well=False)

    @rule(interval=st.sampled_from(["1", "5"]))
    def remove_series(self, interval: str) -> None:
        self.ask("remove_series", "TEST:ONE", interval)
        self.series.discard(interval)
        self.choose_base()
        if self.base is None:
            self.delay = None

    @rule(interval=st.sampled_from(["1", "5", "15", "30S", "XX"]))
    def set_resolution(self, interval: str) -> None:
        well = self.base is not None and interval in SECONDS
        self.ask("set_resolution", interval, well=well)
        if well:
            self.base = interval

    @rule(minute=st.integers(-5, 100))
    def change_point(self, minute: int) -> None:
        self.ask("reset", FIRST + 60 * minute, well=self.base is not None)
        if self.base is None:
            return
        self.delay = None
        rows = merged(BARS["TEST:ONE"], self.base)
        self.move(([row for row in rows if row[0] <= FIRST + 60 * minute] or rows[:1])[-1])
        for name, chart in self.charts.items():
            self.charts[name] = chart._replace(first=max(0, len(self.shown(chart.interval)) - chart.count))

    @rule(count=st.integers(0, 40))
    def step(self, count: int) -> None:
        well = self.base is not None and self.point is not None and count > 0
        self.ask("step", count, well=well)
        if well:
            self.ends += self.advance(count) < count

    @rule(delay=st.sampled_from([1, 200, "1000", 5000, -1, "soon"]))
    def start(self, delay: int | str) -> None:
        well = self.base is not None and self.point is not None and delay not in (-1, "soon")
        self.ask("start", delay, well=well)
        if well:
            self.delay = int(delay) / 1000
            self.next_at = self.now + self.delay

    @rule()
    def stop(self) -> None:
        self.ask("stop")
        self.delay = None

    @rule()
    def replay_anew(self) -> None:
        self.settle()
        self.send("replay_delete_session", "rs")
        self.send("chart_delete_session", "c1")
        self.series.clear()
        self.charts.clear()
        self.views.clear()
        self.base = self.point = self.until = self.delay = None
        self.begin()

    @rule(name=st.sampled_from(["s1", "s2"]), interval=intervals, count=st.integers(1, 30))
    def create_chart(self, name: str, interval: str, count: int) -> None:
        if ("c1", name) not in self.views:
            self.send("create_series", "c1", name, "t1", "sym", interval, count, "")
            if self.point is not None:
                self.views["c1", name] = View()
                first = max(0, len(self.shown(interval)) - count)
                self.charts["c1", name] = Wanted("TEST:ONE", interval, count, first)

    @rule(name=st.sampled_from(["s1", "s2"]), count=st.integers(1, 20))
    def more(self, name: str, count: int) -> None:
        chart = self.charts.get(("c1", name))
        if chart is not None:
            self.send("request_more_data", "c1", name, count)
            self.charts["c1", name] = chart._replace(first=max(0, chart.first - count))

    @rule(seconds=st.floats(0.01, 5))
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)
        while self.delay is not None and self.next_at <= self.now:
            if self.advance(1):
                self.next_at += self.delay
            else:
                self.delay = None
                self.ends += 1

    @rule()
    def settle(self) -> None:
        """Everything is answered, in order; then each chart shows what the replay has reached, and nothing of later."""
        self.wait(0.2)
        told, self.said = self.said, []
        assert [p[1] for method, p in told if method == "replay_ok"] == self.oks
        refused = [method for method, p in told if method in ("replay_error", "critical_error")]
        assert len(refused) == self.refusals
        assert [p[1] for method, p in told if method == "replay_point"] == self.points
        assert [method for method, p in told].count("replay_data_end") == self.ends
        self.oks, self.points = [], []
        self.refusals = self.ends = 0
        for name, chart in self.charts.items():
            view = self.views[name]
            assert view.loading == view.answered, "each request is answered once"
            assert view.rows == self.shown(chart.interval)[chart.first :]


TestCharts = Charts.TestCase
TestBarReplays = BarReplays.TestCase
TestCharts.settings = TestBarReplays.settings = settings(stateful_step_count=30, max_examples=settings.default.max_examples // 3)
