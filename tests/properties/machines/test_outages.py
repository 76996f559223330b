"""A client, a market that goes on, and anything that may happen between them: what is told is true, and nothing is missed in silence.

The plan of faults changes while connections are open; the consumer is fast, slow or asleep; subscriptions come and go, history
is asked for, cables are pulled. When the faults are over, the client comes back by itself, and every bar is there, or a `Gap` says
which are not. And the recording of all that replays to the same events.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tvstreamer import FakeServer, TvWSClient
from tvstreamer.errors import (
    AuthError,
    ConnectFailed,
    FramingError,
    SeriesError,
    TransportClosed,
    TransportTimeout,
    TvError,
)
from tvstreamer.events import Bar, Connected, Disconnected, Event, Gap, Reconnected
from tvstreamer.faults import KINDS, FaultPlan
from tvstreamer.protocol.charts import OnGap
from tvstreamer.server.market import Market
from tvstreamer.testing.strategies import fault_plans
from tvstreamer.transports.base import Transport

Pair = tuple[str, str]

SYMBOLS = ("BINANCE:BTCUSDT", "NYSE:BRK.A")
"""A busy one, and one with minutes in which nobody trades."""
SECONDS = {"1": 60.0, "5": 300.0}
SETTLING = 60.0
"""Seconds after the end of a bar by which it has been told as closed, with a connection that works."""
PATIENCE = 400.0
"""Seconds in which a client comes back by itself: the longest back-off and Retry-After, watchdogs, and the fill of gaps."""
KEPT = Path(tempfile.gettempdir()) / "tvstreamer-outages"

pauses = st.sampled_from([0, 1, 10, 30, 62, 130, 400])
"""Seconds."""
pairs = st.tuples(st.sampled_from(SYMBOLS), st.sampled_from(list(SECONDS)))
METHODS = (
    "", "heartbeat", "hello", "qsd", "du", "timescale_update", "symbol_resolved", "series_loading", "series_completed",
    "create_series", "resolve_symbol", "quote_add_symbols", "request_more_data", "chart_delete_session",
)  # fmt: skip
plans = fault_plans(
    *(kind for kind in KINDS.values() if kind.carrier != "bytes"),
    max_size=3,
    at=st.integers(0, 120),
    method=st.sampled_from(METHODS),
    symbol=st.sampled_from(["", *SYMBOLS]),
    probability=st.sampled_from([1, 0.5, 0.1]),
    connection=st.none() | st.integers(1, 4),
    duration=st.none() | st.integers(1, 90),
    session=st.sampled_from(["", "cs_nobody"]),
    reason=st.just("wrong data"),
    timeout=st.integers(0, 40),
    latency=st.integers(1, 30).map(lambda tenths: tenths / 10),
    jitter=st.integers(0, 20).map(lambda tenths: tenths / 10),
    delay=st.integers(0, 50).map(lambda tenths: tenths / 10),
    wait=st.integers(1, 50).map(lambda tenths: tenths / 10),
    offset=st.sampled_from([3.0, -3.0, 90.0, -3600.0]),
    bytes=st.integers(0, 60).map(lambda kilobytes: kilobytes * 1000),
    retry_after=st.none() | st.integers(0, 90),
)

UNDETECTED = ("drop", "reorder", "duplicate", "wrong_length")
"""Faults after which something may stay undone of which nobody can know before the next connection: a command that never arrived."""
UNTRUE = ("drop", "reorder", "revise_bar")
"""Faults after which a bar's values may be older ones, or others, than the market's, and nothing tells."""


class Books:
    """What the client told of one series since it was asked for."""

    def __init__(self) -> None:
        self.times: list[float] = []
        """When the bars began that were told as closed, in the order in which they were."""
        self.newest: dict[float, Bar] = {}
        """The last word on each of them."""
        self.gaps: list[Gap] = []

    def take(self, event: Bar | Gap) -> None:
        if isinstance(event, Gap):
            assert event.start < event.end
            early = [time for time in self.times if event.start <= time < event.end]
            if event.filled is None and early == self.times[-1:] and self.newest[early[0]].closed_by == "time":
                early = []  # The clock closed it; nobody knows what came of it last.
            assert not early, f"{event} comes behind the bars of {early}"
            self.gaps.append(event)
        elif event.closed:
            if event.revision == 0:
                assert not self.times or event.time > self.times[-1], f"{event} comes behind that of {self.times[-1]}"
                self.times.append(event.time)
            assert event.time in self.newest or event.revision == 0, f"{event} revises what was not told"
            self.newest[event.time] = event

    def excepts(self, time: float) -> bool:
        """Whether a gap tells that this bar is missing."""
        return any(
            gap.start <= time < gap.end and (gap.filled is None or gap.filled != gap.expected) for gap in self.gaps
        )

    def was_left(self, time: float) -> bool:
        """Whether this bar lies in what nobody knows: the last one before it, whose end was not seen, or one that came late."""
        return any(gap.filled is None and gap.start <= time < gap.end for gap in self.gaps)


class Outages(RuleBasedStateMachine):
    server: FakeServer
    client: TvWSClient | None = None
    kept: ClassVar[Callable[[Path], object]] = lambda tape: None
    """Is told of each tape that a failure leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.transports: list[Transport] = []
        self.wanted: set[Pair] = set()
        self.kinds: set[str] = set()
        """All kinds of faults that there ever were."""

    # --- the client -----------------------------------------------------------------------------------------------

    def connect(self) -> Transport:
        transport = self.server.connect()
        self.transports.append(transport)
        return transport

    def start(self) -> None:
        """A new client, with a new tape."""
        self.books = {pair: Books() for pair in self.wanted}
        self.told: list[Event] = []
        self.lost = self.up = False
        self.as_begun = True
        """Whether it asked for nothing but what it began with: of other answers, too, the server's time can be learned."""
        self.begun = sorted(self.wanted)
        client = TvWSClient(
            self.begun,
            source=self.connect,
            clock=self.server.clock,
            n_init_bars=4,
            on_gap=self.on_gap,
            seed=self.seed,
            record=self.tape,
            overwrite=True,
        )
        try:
            client.connect()
        except ConnectFailed:
            client.close()
        else:
            self.client = client
            self.poll(0)

    @property
    def tape(self) -> Path:
        return self.folder / "outages.jsonl"

    def poll(self, timeout: float) -> None:
        assert self.client is not None
        try:
            batch = self.client.poll(timeout)
        except TvError as error:
            self.end(error)
        else:
            assert batch is not None, "the stream ended"
            self.take(batch)

    def end(self, error: TvError) -> None:
        """The client ended for one of the reasons that there are."""
        match error:
            case AuthError():
                pass
            case FramingError():
                assert "wrong_length" in self.kinds, "what ended the last of all attempts is what is told"
            case ConnectFailed():
                assert error.permanent or "gave up" in str(error)
            case TransportClosed() | TransportTimeout():
                assert "gave up" in str(error)
            case _:
                raise error
        self.leave()

    def leave(self) -> None:
        assert self.client is not None
        client, self.client = self.client, None
        client.close()
        self.check_tape()

    def take(self, batch: list[Event]) -> None:
        self.told += batch
        for event in batch:
            match event:
                case Connected():
                    assert not self.up
                    self.up = True
                case Disconnected():
                    assert self.up
                    self.up, self.lost = False, True
                case Reconnected():
                    assert self.up, "reconnected without a connection"
                    assert self.lost, "reconnected twice, or nothing was lost"
                    self.lost = False
                case Bar() | Gap() if event.interval is not None:
                    self.books[event.symbol, event.interval].take(event)
                case _:
                    pass
        # What fills a gap comes together with it.
        for gap in batch:
            if isinstance(gap, Gap) and gap.filled is not None and gap.interval is not None:
                times = self.books[gap.symbol, gap.interval].times
                filling = [time for time in times if gap.start <= time < gap.end]
                assert len(filling) == gap.filled, f"{gap} is filled by {filling}"

    # --- what may happen ------------------------------------------------------------------------------------------

    @initialize(
        seed=st.integers(0, 9),
        plan=plans,
        wanted=st.sets(pairs, min_size=1, max_size=2),
        on_gap=st.sampled_from(["fill", "yield"]),
        most_bars=st.sampled_from([20_000, 6, 2]),
    )
    def begin(self, seed: int, plan: FaultPlan, wanted: set[Pair], on_gap: OnGap, most_bars: int) -> None:
        """`most_bars` is how many the server gives in one answer: an outage may take several to fill."""
        self.seed = seed
        self.on_gap = on_gap
        self.server = FakeServer(seed=seed, speed="max", faults=plan, most_bars=most_bars)
        self.kinds |= {fault.kind for fault in plan}
        self.wanted = wanted
        self.start()

    @rule(plan=plans, seconds=pauses)
    def change_the_plan(self, plan: FaultPlan, seconds: int) -> None:
        self.kinds |= {fault.kind for fault in plan}
        self.server.set_faults(plan)
        self.let_time_pass(seconds, 3600)

    @rule(seconds=pauses, impatience=st.sampled_from([3600, 20, 2]))
    def let_time_pass(self, seconds: int, impatience: int) -> None:
        """The consumer takes what comes, and looks up every now and then."""
        clock = self.server.clock
        until = clock.now() + seconds
        while (left := until - clock.now()) > 0:
            if self.client is None:
                clock.wait(clock.event(), min(left, 30.0))
                self.start()
            else:
                self.poll(min(left, impatience))

    @rule(seconds=pauses)
    def sleep(self, seconds: int) -> None:
        """The consumer does something else for a while."""
        clock = self.server.clock
        clock.wait(clock.event(), seconds)

    @rule(pair=pairs)
    def subscribe(self, pair: Pair) -> None:
        if pair not in self.wanted:
            self.wanted.add(pair)
            if self.client is not None:
                self.as_begun = False
                self.books[pair] = Books()
                self.client.subscribe(pair)

    @rule(pair=pairs)
    def unsubscribe(self, pair: Pair) -> None:
        if pair in self.wanted:
            self.wanted.remove(pair)
            if self.client is not None:
                self.as_begun = False
                self.client.unsubscribe(pair)
                # What was due before that is still told.
                self.poll(0)
                self.books.pop(pair, None)

    @rule(pair=pairs, bars=st.integers(1, 30), timeout=st.integers(1, 60))
    def ask_for_history(self, pair: Pair, bars: int, timeout: int) -> None:
        if self.client is None:
            return
        symbol, interval = pair
        self.as_begun = False
        try:
            result = self.client.get_history(symbol, interval, bars, timeout=timeout)
        except (SeriesError, TransportTimeout, TransportClosed, ConnectFailed, AuthError):
            pass  # No answer in time, or the end of the client: then the stream tells, behind what came before it.
        else:
            self.check_history(list(result), pair, bars if result.complete else 0)
        # What streamed by meanwhile comes first, and belongs to the subscriptions that there are now.
        self.poll(0)

    def check_history(self, result: list[Bar], pair: Pair, least: int) -> None:
        assert len(result) >= least
        times = [bar.time for bar in result]
        assert times == sorted(set(times))
        truth = self.truth(pair)
        if not self.kinds.intersection(UNTRUE):
            assert {bar.time: values(bar) for bar in result[:-1]} == {time: truth[time] for time in times[:-1]}

    @rule(asleep=pauses, seconds=pauses)
    def cut_the_cable(self, asleep: int, seconds: int) -> None:
        """The consumer notices when it wakes up."""
        if self.transports:
            self.transports[-1].close(1006, "cut")
        self.sleep(asleep)
        self.let_time_pass(seconds, 3600)

    # --- what always holds ----------------------------------------------------------------------------------------

    @invariant()
    def the_ledger_has_no_hole_that_was_not_told(self) -> None:
        if self.client is not None:
            verdict = self.client.ledger.verify()
            assert not verdict.repeated, str(verdict)
            assert not verdict.misplaced, str(verdict)
            assert all(hole.reported for hole in verdict.holes), str(verdict)

    # --- how it ends ----------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """The faults are over: the client comes back, and nothing is missing that no gap tells of."""
        self.server.set_faults(None)
        if self.kinds.intersection(UNDETECTED):
            self.cut_the_cable(0, 1)
        clock = self.server.clock
        begin = clock.now()
        while clock.now() < begin + PATIENCE:
            self.let_time_pass(40, 3600)
            if self.is_whole():
                break
        assert self.client is not None
        assert self.up
        assert not self.lost, f"not restored within {PATIENCE:g} s"
        for pair, books in self.books.items():
            missing = self.missing(pair, books)
            assert not missing, f"nobody told of {missing} of {pair}"
            self.check_values(pair, books)
        self.leave()

    def is_whole(self) -> bool:
        if not self.up or self.lost:
            return False
        return not any(self.missing(pair, books) for pair, books in self.books.items())

    def missing(self, pair: Pair, books: Books) -> list[float]:
        """The bars that are neither told nor excepted by a gap, from the first one on to the newest that should be closed."""
        over = self.server.clock.now() - SECONDS[pair[1]] - SETTLING
        first = books.times[0] if books.times else over - 2 * SECONDS[pair[1]]
        expected = [time for time in self.truth(pair) if first <= time <= over]
        return [time for time in expected if time not in books.newest and not books.excepts(time)]

    def check_values(self, pair: Pair, books: Books) -> None:
        truth = self.truth(pair)
        invented = [time for time in books.newest if time not in truth]
        assert not invented
        if not self.kinds.intersection(UNTRUE):
            over = self.server.clock.now() - SECONDS[pair[1]] - SETTLING
            known = {time for time in books.times if time <= over and not books.was_left(time)}
            assert {time: values(books.newest[time]) for time in known} == {time: truth[time] for time in known}

    def truth(self, pair: Pair) -> dict[float, tuple[float | None, ...]]:
        """What the market made of each bar, the forming one included."""
        rows = Market(self.seed).history(*pair, until=self.server.clock.now(), count=300)
        return {row.time: (row.open, row.high, row.low, row.close, row.volume) for row in rows}

    def check_tape(self) -> None:
        """The tape has what happened: it gives the same events, played whole, and to a client that asks for the same."""
        live = [event.to_json() for event in self.told]
        check_same(live, played(TvWSClient(source=self.tape)), "played whole")
        if self.as_begun and "critical_error" not in self.kinds:  # a client that asks hears nothing of others' errors
            check_same(live, played(TvWSClient(self.begun, source=self.tape, n_init_bars=4)), "matched")

    def teardown(self) -> None:
        error = sys.exception()
        try:
            if error is None and hasattr(self, "server"):
                self.finish()
        except Exception as failure:
            error = failure
            raise
        finally:
            if self.client is not None:
                self.client.close()
            if isinstance(error, Exception):
                self.keep(error)
            shutil.rmtree(self.folder)

    def keep(self, error: Exception) -> None:
        """Leaves the tape of a failure: shrinking ends with the smallest, so that is the one that stays."""
        if not self.tape.exists():
            return
        KEPT.mkdir(exist_ok=True)
        place = traceback.extract_tb(error.__traceback__)[-1]
        tape = KEPT / f"{os.getpid()}-{type(error).__name__}-{place.name}-{place.lineno}.jsonl"
        shutil.copyfile(self.tape, tape)
        type(self).kept(tape)
        note(f"# the tape of this run; to play it: tvstreamer replay {tape}")


def values(bar: Bar) -> tuple[float | None, ...]:
    return bar.open, bar.high, bar.low, bar.close, bar.volume


def check_same(live: list[bytes], replayed: list[bytes], how: str) -> None:
    for number, (one, other) in enumerate(itertools.zip_longest(live, replayed, fillvalue=b"nothing")):
        if b"broken framing" in one and how == "matched":
            # The hello has a secret, and a pseudonym another length: on the tape it is broken, too, but elsewhere.
            assert b"broken framing" in other
            continue
        assert one == other, f"{how}, event {number} was {one.decode()} and is {other.decode()}"


def played(client: TvWSClient) -> list[bytes]:
    events: list[bytes] = []
    with client, suppress(TvError):  # A tape ends with an error where the run did; what came before it is what counts.
        for event in client.stream():
            events.append(event.to_json())
    return events


TestOutages = Outages.TestCase
# A run is minutes of a market: it takes three times as long as what the profiles count.
TestOutages.settings = settings(stateful_step_count=20, max_examples=settings.default.max_examples // 3)


def test_a_failure_leaves_its_tape_and_says_how_to_play_it() -> None:
    tapes: list[Path] = []

    class Doubtful(Outages):
        kept = tapes.append

        @invariant()
        def no_bar_ever_closes(self) -> None:
            assert not any(isinstance(event, Bar) and event.closed for event in self.told), "a bar has closed"

    once = settings(max_examples=30, stateful_step_count=5, database=None, phases=[Phase.generate])
    with pytest.raises(AssertionError, match="a bar has closed") as failure:
        run_state_machine_as_test(Doubtful, settings=once)
    try:
        assert f"tvstreamer replay {tapes[-1]}" in "\n".join(failure.value.__notes__)
        with TvWSClient(source=tapes[-1]) as client:
            assert any(isinstance(event, Bar) and event.closed for event in client)
    finally:
        for tape in set(tapes):
            tape.unlink()
