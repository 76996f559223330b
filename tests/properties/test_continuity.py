"""Wherever connections are cut and however long they stay away: every bar is delivered once, or lies in a gap that was told."""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.events import Bar, Connected, Disconnected, Event, Gap, HistoryComplete, Reconnected
from tvstreamer.protocol import framing
from tvstreamer.protocol.charts import OnGap
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.settings import Settings
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.pump import fire
from tvstreamer.reconnect import Backoff, ReconnectPolicy
from tvstreamer.server.connection import MarketConnection
from tvstreamer.server.manners import Manners
from tvstreamer.server.market import Market

SYMBOL = "TEST:ABC"
START = 1_700_000_040.0
MINUTE = 60.0
NOTHING_LOST: st.SearchStrategy[set[int]] = st.just(set())
NEVER = st.just(False)


@dataclass(frozen=True)
class Leg:
    """One connection, and the time without one after it.

    `messages` reach the client, then it is cut; or it goes `mute`, and is cut when its time is over. `lost` are messages that
    get lost in between. `depth` is how many minutes the server still knows then; `minutes` and `away` are how often there is
    a trade in each. Where it `fails`, the server answers that it has no such series.
    """

    minutes: list[int]
    away: list[int]
    messages: int
    mute: bool
    lost: set[int]
    depth: int
    fails: bool = False


def legs(
    lost: st.SearchStrategy[set[int]] = NOTHING_LOST, fails: st.SearchStrategy[bool] = NEVER
) -> st.SearchStrategy[list[Leg]]:
    trades = st.lists(st.sampled_from([1, 2, 1, 2, 0]), max_size=8)
    away = st.one_of(trades, st.integers(9, 40).map(lambda count: [1] * count))
    depth = st.one_of(st.just(1000), st.integers(1, 30))
    messages = st.one_of(st.just(1000), st.integers(0, 12))
    return st.lists(st.builds(Leg, trades, away, messages, st.booleans(), lost, depth, fails), min_size=1, max_size=5)


class World:
    """A client, and a market that goes on whether it is connected or not."""

    def __init__(self, *, window: int, most_bars: int, on_gap: OnGap, twice: bool) -> None:
        self.now = START
        self.client = ClientProtocol(rng=random.Random(1), settings=Settings(n_init_bars=window, on_gap=on_gap))
        self.client.subscribe(Subscription(SYMBOL, "1"))
        if twice:
            self.client.subscribe(Subscription(SYMBOL, "1", ticks=False))
        self.manners = Manners(most_bars=most_bars, reply_delay=0.0, heartbeat_timeout=None)
        self.trades: list[tuple[float, float]] = []
        self.events: list[Event] = []
        self.market = Market(0)
        self.number = 0
        self.connection: MarketConnection | None = None
        self.heard = 0
        self.loaded = False
        self.mute = False
        self.leg = Leg([], [], 0, False, set(), 0)

    def minute(self, trades: int) -> None:
        """A minute passes, with up to two trades."""
        begin = self.now
        for second in (5.0, 40.0)[:trades]:
            self.pass_time(begin + second)
            self.trades.append((self.now, 100.0 + len(self.trades) % 7))
            self.market.tick(SYMBOL, self.trades[-1][1], at=self.now)
            if self.connection is not None:
                self.connection.market_moved(self.now)
                self.talk()
        self.pass_time(begin + MINUTE)

    def pass_time(self, until: float) -> None:
        while self.now < until:
            self.now = min(until, self.now + 5.0)
            self.talk()

    def connect(self, leg: Leg) -> None:
        self.leg, self.heard = leg, 0
        self.number += 1
        self.market = Market(0)
        horizon = self.now // MINUTE * MINUTE - leg.depth * MINUTE
        # A server that knows nothing at all of a symbol has no series of it.
        remembered = [trade for trade in self.trades if trade[0] >= horizon] or self.trades[-1:]
        for at, price in remembered:
            self.market.tick(SYMBOL, price, at=at)
        self.connection = MarketConnection(self.market, self.manners, self.number)
        self.connection.connected(self.now)
        self.client.connected(self.now)
        self.talk()

    def cut(self) -> None:
        if self.connection is not None:
            self.connection = None
            self.client.disconnected(self.now, "cut")
            self.take()

    def talk(self) -> None:
        """Messages go both ways until nobody has anything to say."""
        while self.connection is not None:
            for message in self.client.messages_to_send():
                self.connection.receive(message, self.now)
            self.connection.handle_deadline(self.now)
            messages = self.connection.messages_to_send()
            for message in messages:
                self.hear(message)
            if not messages:
                break
        if self.connection is not None:
            fire(self.client, self.now)
        self.take()

    def hear(self, message: str) -> None:
        if self.connection is None:
            return
        self.heard += 1
        if self.heard > self.leg.messages:
            if not self.leg.mute:
                self.cut()
        elif self.leg.fails and self.heard > 1:
            if self.heard == 2:
                self.fail()
        # Before its first delivery a series has nothing to miss.
        elif self.heard not in self.leg.lost or not self.loaded:
            fire(self.client, self.now)
            self.client.receive(message, self.now)

    def fail(self) -> None:
        for session, chart in list(self.client._charts.items()):
            for series in chart.series:
                error = {"m": "series_error", "p": [session, series, "s1", "no"]}
                self.client.receive(framing.packet(json.dumps(error)), self.now)

    def take(self) -> None:
        events = self.client.events()
        self.loaded = self.loaded or any(isinstance(event, HistoryComplete) for event in events)
        self.events += events

    def play(self, plan: list[Leg]) -> None:
        self.mute = any(leg.mute for leg in plan)
        for _ in range(6):
            self.minute(2)
        whole = Leg([2, 2], [], 1_000_000, False, set(), 1000)
        for leg in [*plan, whole]:
            self.connect(leg)
            for trades in leg.minutes:
                self.minute(trades)
            if leg is not whole:
                self.cut()
            for trades in leg.away:
                self.minute(trades)

    def bars(self) -> list[float]:
        """The times of all bars that there ever were."""
        return sorted({at // MINUTE * MINUTE for at, _ in self.trades})

    def last_price(self, bar: float) -> float:
        return [price for at, price in self.trades if bar <= at < bar + MINUTE][-1]


def closed(events: list[Event]) -> list[float]:
    return [event.time for event in events if isinstance(event, Bar) and event.closed and event.revision == 0]


def closed_by_the_clock(events: list[Event]) -> list[float]:
    return [event.time for event in events if isinstance(event, Bar) and event.closed_by == "time" and event.revision == 0]


def check(world: World) -> None:
    events = world.events
    times = closed(events)
    assert times == sorted(set(times)), "each once, and in order"
    if not times:
        return
    gaps = [event for event in events if isinstance(event, Gap) and event.interval is not None]
    unfilled = [(gap.start, gap.end) for gap in gaps if not gap.filled]
    # The last bar before what nobody knows: the clock may have closed it, and what came of it last be missing all the same.
    uncertain = {gap.start for gap in gaps if gap.filled is None} & set(closed_by_the_clock(events))
    first = min([times[0], *(start for start, _ in unfilled)])
    for bar in world.bars():
        if first <= bar <= times[-1]:
            told = sum(start <= bar < end for start, end in unfilled)
            assert (bar in times) + told == 1 + (bar in uncertain), f"{bar - START}: {bar in times} and {told} gaps"
    for gap in gaps:
        assert gap.start < gap.end
        if gap.filled:
            inside = [time for time in times if gap.start <= time < gap.end]
            assert len(inside) == gap.filled == gap.expected
            assert events.index(gap) < min(
                number for number, event in enumerate(events) if isinstance(event, Bar) and event.time == gap.start
            )
    verdict = world.client.ledger.verify()
    assert not verdict.repeated
    assert not verdict.misplaced
    assert all(hole.reported for hole in verdict.holes), str(verdict)


def check_values(world: World) -> None:
    """Each bar came to what the market says it did."""
    last = {event.time: event for event in world.events if isinstance(event, Bar) and event.closed}
    # What the clock closes on a mute connection may be wrong for good, if no later one goes back that far.
    sure = [bar for bar in last.values() if bar.closed_by == "successor" or bar.revision or not world.mute]
    assert {bar.time: bar.close for bar in sure} == {bar.time: world.last_price(bar.time) for bar in sure}


windows = st.integers(1, 8)
on_gaps: st.SearchStrategy[Literal["fill", "yield"]] = st.sampled_from(["fill", "yield"])


@given(plan=legs(), window=windows, most_bars=windows, on_gap=on_gaps)
def test_closed_bars_and_gaps_cover_every_bar_exactly_once(
    plan: list[Leg], window: int, most_bars: int, on_gap: Literal["fill", "yield"]
) -> None:
    world = World(window=window, most_bars=most_bars, on_gap=on_gap, twice=False)
    world.play(plan)
    check(world)
    check_values(world)
    kinds = [type(event) for event in world.events if isinstance(event, Connected | Disconnected | Reconnected)]
    assert kinds.count(Disconnected) == len(plan)
    assert kinds[-1] is Reconnected, "the last connection restores everything"
    assert world.client.restored
    assert closed(world.events)[-1] >= world.bars()[-2]


@given(plan=legs(st.sets(st.integers(2, 12), max_size=3)), window=windows, most_bars=windows, on_gap=on_gaps)
def test_messages_that_get_lost_cost_no_bar_silently(
    plan: list[Leg], window: int, most_bars: int, on_gap: Literal["fill", "yield"]
) -> None:
    world = World(window=window, most_bars=most_bars, on_gap=on_gap, twice=False)
    world.play(plan)
    check(world)


@given(plan=legs(), window=windows, most_bars=windows)
def test_two_series_of_a_pair_are_each_complete(plan: list[Leg], window: int, most_bars: int) -> None:
    world = World(window=window, most_bars=most_bars, on_gap="fill", twice=True)
    world.play(plan)
    verdict = world.client.ledger.verify()
    assert not verdict.repeated
    assert not verdict.misplaced
    assert all(hole.reported for hole in verdict.holes), str(verdict)
    times = closed(world.events)
    for bar in world.bars():
        assert times.count(bar) <= 2


@given(plan=legs(fails=st.booleans()), window=windows, most_bars=windows)
def test_a_series_that_fails_for_a_while_loses_no_bar_silently(plan: list[Leg], window: int, most_bars: int) -> None:
    world = World(window=window, most_bars=most_bars, on_gap="fill", twice=False)
    world.play(plan)
    times = closed(world.events)
    assert times == sorted(set(times)), "each once, and in order"
    gaps = [event for event in world.events if isinstance(event, Gap) and event.interval is not None]
    for bar in world.bars():
        if times and times[0] <= bar <= times[-1]:
            # What was told as unknown may be shown after all, once the series is back.
            assert bar in times or any(gap.start <= bar < gap.end for gap in gaps if gap.filled is None)
    verdict = world.client.ledger.verify()
    assert not verdict.repeated
    assert not verdict.misplaced
    assert all(hole.reported for hole in verdict.holes), str(verdict)
    assert world.client.restored


policies = st.builds(
    ReconnectPolicy,
    initial=st.floats(0, 1e6),
    factor=st.floats(1, 100),
    maximum=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
    attempts=st.none() | st.integers(1, 50),
    total=st.none() | st.floats(1e-3, 1e6),
)


@given(policy=policies, seed=st.integers(), waits=st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)), max_size=60))
def test_back_off_keeps_its_bounds_whatever_the_seed(
    policy: ReconnectPolicy, seed: int, waits: list[tuple[float, float]]
) -> None:
    backoff, twin = Backoff(policy, random.Random(seed)), Backoff(policy, random.Random(seed))
    now = 0.0
    backoff.lost(now)
    twin.lost(now)
    latest = math.inf if policy.total is None else policy.total
    for number, (lasted, not_before) in enumerate(waits):
        at = backoff.next_attempt(now, not_before=not_before)
        assert at == twin.next_attempt(now, not_before=not_before)
        if at is None:
            assert number == policy.attempts or now + not_before > latest or now >= latest
            break
        assert policy.attempts is None or number < policy.attempts
        assert now + not_before <= at <= now + max(policy.maximum, not_before)
        assert at <= latest
        shortest = min(policy.maximum, policy.initial * policy.factor**number) * (1 - policy.jitter)
        assert at == latest or at >= now + shortest
        now = at + lasted
