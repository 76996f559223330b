"""What clients of this feed are known to get wrong, played to ours.

A server with bars 0 to 5, of which 5 is forming; one update of 5, then 6 and 7. After an outage it has more. Measured with the same
scenarios, other clients lose bars without a word, give some twice, do not echo a heartbeat that stands among data, or never notice that
nothing comes any more.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tvstreamer import faults
from tvstreamer.events import Bar, Disconnected, Event, Gap, Reconnected, Stalled, SymbolInfo, Tick
from tvstreamer.faults import Fault, FaultPlan
from tvstreamer.protocol import framing
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.watchdogs import Watchdogs
from tvstreamer.reconnect import ReconnectPolicy
from tvstreamer.server.fake import FakeServer
from tvstreamer.wsclient import TvWSClient

SYMBOL = "TEST:ABC"
MINUTE = 60.0
AT_ONCE = ReconnectPolicy(initial=1.0, jitter=0.0)


class Scene:
    """A market by hand, a client, and what it has told so far."""

    def __init__(self, *plan: Fault, most_bars: int = 5000, n_init_bars: int = 300, watchdogs: Watchdogs | None = None) -> None:
        self.server = FakeServer(speed="max", most_bars=most_bars, faults=FaultPlan(plan))
        self.start = self.server.clock.now() // MINUTE * MINUTE - 5 * MINUTE
        self.server.market.bars(SYMBOL, "1", [self.row(number) for number in range(6)])
        self.client = TvWSClient(
            [(SYMBOL, "1")],
            source=self.server.connect,
            clock=self.server.clock,
            n_init_bars=n_init_bars,
            reconnect=AT_ONCE,
            watchdogs=watchdogs or Watchdogs(),
        )
        self.events: list[Event] = []

    def row(self, number: int) -> list[float]:
        return [self.start + number * MINUTE, 10.0 + number, 10.5 + number, 9.5 + number, 10.0 + number, 100.0]

    def watch(self, seconds: float = 0.5) -> None:
        """Lets virtual time pass, and takes what comes."""
        until = self.server.clock.now() + seconds
        while (left := until - self.server.clock.now()) > 0:
            batch = self.client.poll(left)
            assert batch is not None, "the stream ended"
            self.events += batch

    def update(self, price: float) -> None:
        self.server.market.tick(SYMBOL, price)
        self.watch(0.1)

    def next_bar(self, number: int) -> None:
        self.server.market.close_bar(SYMBOL, "1")
        self.server.market.tick(SYMBOL, 10.0 + number)

    def bars(self, *numbers: int) -> None:
        for number in numbers:
            self.next_bar(number)
            self.watch(0.1)

    @property
    def closed(self) -> list[int]:
        """The numbers of the bars that were closed, in the order in which that was told."""
        bars = [event for event in self.events if isinstance(event, Bar) and event.closed and not event.revision]
        return [round((bar.time - self.start) / MINUTE) for bar in bars]

    def told(self, *kinds: type[Event]) -> list[str]:
        return [type(event).__name__ for event in self.events if isinstance(event, kinds)]

    def base(self) -> None:
        self.watch()
        self.update(16.0)
        self.bars(6, 7)


@pytest.fixture
def make_scene() -> Iterator[Callable[..., Scene]]:
    with ExitStack() as stack:

        def make(*plan: Fault, **options: Any) -> Scene:
            scene = Scene(*plan, **options)
            stack.callback(scene.client.close)
            return scene

        yield make


def test_the_base_case_gives_every_bar_once(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    scene.base()
    assert scene.closed == [0, 1, 2, 3, 4, 5, 6]
    assert next(event for event in scene.events if isinstance(event, Bar) and event.closed and event.time == scene.start + 300).close == 16.0
    assert scene.client.ledger.verify()


def test_names_in_any_script_change_nothing(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(faults.astral(text=" \u682a\u5f0f\u4f1a\u793e \U0001f680"))
    scene.base()
    (info,) = [event for event in scene.events if isinstance(event, SymbolInfo)]
    assert info.description is not None
    assert info.description.endswith("\u682a\u5f0f\u4f1a\u793e \U0001f680")
    assert scene.closed == [0, 1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("position", ["first", "last"])
def test_a_heartbeat_among_data_is_echoed_and_the_data_taken(make_scene: Callable[..., Scene], position: str) -> None:
    scene = make_scene(faults.glue_heartbeat(position=position))
    scene.base()
    scene.watch(11.0)
    scene.bars(8)
    scene.watch(11.0)
    scene.bars(9)
    assert scene.closed == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert scene.client.statistics().heartbeats == 2
    assert [entry.detail for entry in scene.server.journal if entry.kind == "ignored"] == []


def test_a_heartbeat_between_two_updates_is_echoed_and_both_are_taken() -> None:
    protocol = ClientProtocol(rng=random.Random(1))
    protocol.adopt_connection(0.0)
    for command in (
        '{"m":"chart_create_session","p":["cs_1",""]}',
        '{"m":"resolve_symbol","p":["cs_1","sds_sym_1","TEST:ABC"]}',
        '{"m":"create_series","p":["cs_1","sds_1","s1","sds_sym_1","1",300,""]}',
    ):
        protocol.adopt(command)
    protocol.events()
    du = '{"m":"du","p":["cs_1",{"sds_1":{"s":[{"i":5,"v":[300.0,15.0,17.0,14.0,%s,7.0]}],"ns":{},"t":"s1"}}]}'
    protocol.receive(framing.join([du % 16.5, "~h~12", du % 16.75]), 1.0)
    assert [event.close for event in protocol.events() if isinstance(event, Bar)] == [16.5, 16.75]
    assert protocol.messages_to_send() == [framing.packet("~h~12")]


def test_after_an_abort_what_was_missed_is_told_and_filled_in_order(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(faults.reset_peer(at=5.0, connection=1))
    scene.base()
    scene.watch(4.5)
    assert scene.told(Disconnected) == ["Disconnected"]
    scene.next_bar(8)
    scene.next_bar(9)
    scene.watch(2.0)
    scene.bars(10)
    assert scene.closed == list(range(10))
    assert scene.told(Disconnected, Gap, Reconnected) == ["Disconnected", "Gap", "Gap", "Reconnected"]
    ticks, bars = [event for event in scene.events if isinstance(event, Gap)]
    assert (ticks.interval, ticks.filled) == (None, None)
    assert (bars.start, bars.end, bars.filled, bars.expected) == (scene.start + 480, scene.start + 540, 1, 1)
    assert scene.client.ledger.verify()


def test_an_outage_longer_than_the_window_is_filled_page_by_page(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(faults.reset_peer(at=5.0, connection=1), most_bars=6, n_init_bars=6)
    scene.base()
    scene.watch(5.0)
    for number in range(8, 26):
        scene.next_bar(number)
    scene.watch(3.0)
    scene.bars(26)
    assert scene.closed == list(range(26))
    (gap,) = [event for event in scene.events if isinstance(event, Gap) and event.interval]
    assert (gap.start, gap.end, gap.filled) == (scene.start + 8 * MINUTE, scene.start + 25 * MINUTE, 17)
    assert [entry.method for entry in scene.server.journal].count("request_more_data") >= 2
    assert scene.client.ledger.verify()


def test_what_the_server_has_no_more_is_named_and_not_guessed(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(faults.reset_peer(at=5.0, connection=1))
    scene.base()
    scene.watch(5.0)
    scene.server.market.bars(SYMBOL, "1", [scene.row(number) for number in range(20, 26)])
    scene.watch(3.0)
    assert scene.closed == [0, 1, 2, 3, 4, 5, 6, 20, 21, 22, 23, 24]
    unknown, filled = [event for event in scene.events if isinstance(event, Gap) and event.interval]
    assert (unknown.start, unknown.end, unknown.filled) == (scene.start + 7 * MINUTE, scene.start + 20 * MINUTE, None)
    assert (filled.start, filled.end, filled.filled) == (scene.start + 20 * MINUTE, scene.start + 25 * MINUTE, 5)
    verdict = scene.client.ledger.verify()
    assert not verdict
    assert all(hole.reported for hole in verdict.holes)


@pytest.mark.parametrize(
    ("fault", "kind"), [(faults.chatty_stall(at=5.0, connection=1), "progress"), (faults.silence(at=5.0, connection=1), "bytes")]
)
def test_a_server_that_says_nothing_new_for_fifty_seconds_is_left_for_another(make_scene: Callable[..., Scene], fault: Fault, kind: str) -> None:
    scene = make_scene(fault, watchdogs=Watchdogs(progress=40.0))
    scene.base()
    scene.watch(50.0)
    (stalled,) = [event for event in scene.events if isinstance(event, Stalled)]
    assert stalled.kind == kind
    scene.bars(8)
    assert scene.told(Stalled, Disconnected, Reconnected) == ["Stalled", "Disconnected", "Reconnected"]
    assert scene.closed == list(range(8))
    assert [event for event in scene.events if isinstance(event, Tick)][-1].price == 18.0
