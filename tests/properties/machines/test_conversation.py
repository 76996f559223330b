"""`ClientProtocol` and `ServerProtocol` back to back: whatever happens between them, they agree."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tvstreamer import Bar, Interval, StudyUpdate, Subscription, Tick
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.history import HistoryRequest
from tvstreamer.protocol.ids import purpose
from tvstreamer.protocol.packets import (
    BarRow,
    BarValues,
    CreateStudy,
    DataUpdate,
    LastBarStatus,
    QuoteCompleted,
    QuoteData,
    QuoteUpdate,
    RequestMoreData,
    SeriesCompleted,
    SeriesData,
    StudyRow,
    SwitchTimezone,
    TimescaleUpdate,
)
from tvstreamer.protocol.server import ServerProtocol
from tvstreamer.protocol.snapshots import QuoteRequest
from tvstreamer.server.manners import hello
from tvstreamer.symbols import plain_symbol

SYMBOLS = ("TEST:ONE", "TEST:TWO")
MINUTE = Interval.parse("1")
WORDS = st.sampled_from([None, None, "end", "limit"])
"""What a server may say of the end of the data."""

subscriptions = st.builds(
    lambda symbol, interval: Subscription(symbol, interval, studies=["RSI"] if interval else ()),
    st.sampled_from(SYMBOLS),
    st.sampled_from([None, "1", "5"]),
)


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1_700_000_000.0
        self.client = ClientProtocol(rng=random.Random(1))
        self.wanted: set[Subscription] = set()
        self.checked: list[HistoryRequest] = []
        """Those whose answer was looked at."""
        self.requests: list[HistoryRequest | QuoteRequest] = []
        """What was asked for once."""
        self.timezone: str | None = None
        self.to_client: list[str] = []
        self.to_server: list[str] = []
        self.heartbeats_delivered = 0
        self.volume = 0.0
        self.emitted: list[tuple[str, float, float]] = []
        """What the server said, as (symbol, price, volume), in the order in which it said it on this connection."""
        self.told: list[tuple[str, float, float]] = []
        self.closed: dict[tuple[str, str], list[float]] = {}
        """When the bars began whose closing the client told, for each subscription that there is."""
        self.final: dict[tuple[str, str], list[float]] = {}
        """The same for the values of studies."""
        self.loaded: dict[str, float] = {}
        self.studies: dict[str, str] = {}
        """The study that each chart session has by now."""
        self.timezones: dict[str, str] = {}
        """The time zone of each."""
        self.given: dict[str, list[float]] = {}
        """When the bars began that each chart session was given, in order."""
        self.pages: dict[str, list[RequestMoreData]] = {}
        """What each has asked for beyond, and did not get yet."""
        self.complete: dict[str, list[list[float]]] = {}
        """The bars that each had whenever the server said that an answer is complete."""
        self.ended: set[str] = set()
        """Chart sessions that were told that there are no older bars."""
        self.quoted: set[str] = set()
        """Quote sessions of those who asked once that were told everything."""
        self.connection = 0
        self.connect()

    def connect(self) -> None:
        self.connection += 1
        self.server = ServerProtocol(hello(self.connection, self.now))
        self.server.connected(self.now)
        self.client.connected(self.now)
        self.to_client, self.to_server = [], []
        self.emitted, self.told = [], []
        self.loaded, self.studies, self.timezones = {}, {}, {}
        self.given, self.pages, self.complete = {}, {}, {}
        self.quoted, self.ended = set(), set()
        self.heartbeats_delivered = 0
        self.collect()

    def collect(self) -> None:
        for request in self.requests:
            if isinstance(request, HistoryRequest) and request.done and request not in self.checked:
                self.checked.append(request)
                self.check_history(request)
        self.to_server += self.client.messages_to_send()
        self.to_client += self.server.messages_to_send()
        for event in self.client.events():
            if isinstance(event, Tick) and event.volume is not None:
                self.told.append((event.symbol, event.price, event.volume))
            elif isinstance(event, Bar) and event.closed and event.revision == 0:
                self.closed.setdefault((event.symbol, event.interval), []).append(event.time)
            elif isinstance(event, StudyUpdate) and event.closed:
                self.final.setdefault((event.symbol, event.interval), []).append(event.time)

    # --- what may happen

    @rule(subscription=subscriptions)
    def subscribe(self, subscription: Subscription) -> None:
        self.client.subscribe(subscription)
        self.wanted.add(subscription)
        self.collect()

    @rule(subscription=subscriptions)
    def unsubscribe(self, subscription: Subscription) -> None:
        self.client.unsubscribe(subscription)
        self.wanted.discard(subscription)
        self.collect()
        self.closed.pop((subscription.symbol, subscription.interval), None)
        self.final.pop((subscription.symbol, subscription.interval), None)

    @rule(symbol=st.sampled_from(SYMBOLS), bars=st.none() | st.integers(1, 9))
    def ask_once(self, symbol: str, bars: int | None) -> None:
        """For so many bars, or for quotes."""
        client = self.client
        asked = client.request_quotes([symbol], None) if bars is None else client.request_history(symbol, MINUTE, bars)
        self.requests.append(asked)
        self.collect()

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def ask_no_more(self, data: st.DataObject) -> None:
        """Whoever has waited long enough lets go of an answer that has come, or has not."""
        request = self.requests.pop(data.draw(st.integers(0, len(self.requests) - 1)))
        self.client.end_request(request)
        self.collect()

    @rule(timezone=st.sampled_from(["Etc/UTC", "America/New_York", "exchange"]))
    def set_timezone(self, timezone: str) -> None:
        self.timezone = timezone
        self.client.set_timezone(timezone)
        self.collect()

    @rule(many=st.integers(1, 4), upstream=st.booleans())
    def deliver(self, many: int, upstream: bool) -> None:
        queue = self.to_server if upstream else self.to_client
        batch, queue[:] = queue[:many], queue[many:]
        for message in batch:
            if upstream:
                self.server.receive(message, self.now)
                for command in self.server.requests():
                    if isinstance(command, CreateStudy):
                        self.studies[command.p.session] = command.p.study
                    elif isinstance(command, SwitchTimezone):
                        self.timezones[command.p.session] = command.p.timezone
                    elif isinstance(command, RequestMoreData):
                        self.pages.setdefault(command.p.session, []).append(command)
            else:
                self.heartbeats_delivered += "~m~~h~" in message
                self.client.receive(message, self.now)
        self.collect()

    @precondition(lambda self: any(session.names for session in self.server.quotes.values()))
    @rule(data=st.data())
    def quote(self, data: st.DataObject) -> None:
        followed = [(session, name) for session, quotes in self.server.quotes.items() for name in quotes.names]
        session, name = data.draw(st.sampled_from(followed))
        self.volume += 1
        price = data.draw(st.integers(1, 1000)) / 10
        update = QuoteUpdate(name, v={"volume": self.volume, "lp": price})
        # Who asked once is told that this was all.
        last = [QuoteCompleted(QuoteCompleted.Params(session, name))] if purpose(session) == "snapshot" else []
        self.quoted |= {session} if last else set()
        self.server.reply([QuoteData(QuoteData.Params(session, update)), *last])
        self.emitted.append((plain_symbol(name), price, self.volume))
        self.collect()

    @precondition(lambda self: any(chart.series for chart in self.server.charts.values()))
    @rule(data=st.data(), by_update=st.booleans())
    def bar(self, data: st.DataObject, by_update: bool) -> None:
        """A snapshot for a series that has none, else a change of its last bar, or a new bar by either message."""
        series = [(session, name) for session, chart in self.server.charts.items() for name in chart.series]
        session, name = data.draw(st.sampled_from(series))
        price = data.draw(st.integers(1, 1000)) / 10
        later = data.draw(st.sampled_from([0, 60, 120])) if session in self.loaded else 0
        self.send_bar(session, name, price, later, by_update=by_update)

    def send_bar(self, session: str, name: str, price: float, later: int, *, by_update: bool) -> None:
        if session not in self.loaded:
            times = [self.now // 60 * 60 - 60 * back for back in (2, 1, 0)]
            self.loaded[session] = times[-1]
            self.given[session] = times
            self.server.reply([self.timescale(session, name, times, price), self.completed(session, name)])
        else:
            newest = self.loaded[session] + later
            self.loaded[session] = newest
            self.given[session] = sorted({*self.given[session], newest})
            if by_update:
                objects = self.timescale(session, name, [newest], price).p.objects
                self.server.reply([DataUpdate(DataUpdate.Params(session, objects))])
            else:
                self.server.reply([self.timescale(session, name, [newest], price)])
        self.collect()

    @precondition(lambda self: any(self.pages.values()))
    @rule(data=st.data(), bars=st.integers(0, 3), overlap=st.booleans(), word=WORDS)
    def page(self, data: st.DataObject, bars: int, overlap: bool, word: str | None) -> None:
        """Older bars, fewer or more than were asked for, perhaps with one that is there, perhaps with the word that these are all."""
        session = data.draw(st.sampled_from(sorted(session for session, asked in self.pages.items() if asked)))
        self.send_page(session, bars, overlap, word)

    def send_page(self, session: str, bars: int, overlap: bool, word: str | None) -> None:
        asked = self.pages[session].pop(0).p
        if session not in self.server.charts:
            return
        oldest = self.given[session][0]
        times = [oldest - 60 * back for back in range(bars, 0, -1)] + ([oldest] if overlap else [])
        self.given[session] = sorted({*self.given[session], *times})
        self.ended |= {session} if word else set()
        page = [self.timescale(session, asked.series, times, 50.0)] if times else []
        self.server.reply([*page, self.completed(session, asked.series, {} if word is None else {"data_completed": word})])
        self.collect()

    @rule(wanted=st.integers(4, 9), pages=st.lists(st.tuples(st.integers(0, 3), st.booleans(), WORDS), max_size=4))
    def page_through(self, wanted: int, pages: list[tuple[int, bool, str | None]]) -> None:
        """A request that is answered page by page while the newest bar goes on."""
        self.ask_once(SYMBOLS[0], wanted)
        self.become_quiet()
        session = [session for session in self.server.charts if purpose(session) == "history"][-1]
        (name,) = self.server.charts[session].series
        self.send_bar(session, name, 50.0, 0, by_update=True)
        for bars, overlap, word in pages:
            self.become_quiet()
            if self.pages.get(session):
                self.send_bar(session, name, 51.0, 60, by_update=overlap)
                self.send_page(session, bars, overlap, word)

    def completed(self, session: str, name: str, details: dict[str, str] | None = None) -> SeriesCompleted:
        self.complete.setdefault(session, []).append(self.given[session])
        return SeriesCompleted(SeriesCompleted.Params(session, name, "streaming", "s", {"rt_update_period": 0} | (details or {})))

    def check_history(self, request: HistoryRequest) -> None:
        """The answer has the newest of what some session had when the server said that a page is complete, and no fewer."""
        assert request.wanted is not None
        answers = [times[-request.wanted :] for session in self.complete.values() for times in session]
        assert [bar.time for bar in request.bars] in answers
        assert request.complete or len(request.bars) < request.wanted
        assert not (request.complete and request.limit)

    @precondition(lambda self: self.loaded.keys() & self.studies.keys())
    @rule(data=st.data(), spans=st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), min_size=1, max_size=4))
    def study(self, data: st.DataObject, spans: list[tuple[int, int]]) -> None:
        """Values of a study for bars about the newest of its series, one message after the other."""
        session = data.draw(st.sampled_from(sorted(self.loaded.keys() & self.studies.keys())))
        for last, back in spans:
            times = [self.loaded[session] + 60 * (last - i) for i in range(back + 1)]
            rows = [StudyRow(0, [time, 50.0]) for time in times]
            self.server.reply([DataUpdate(DataUpdate.Params(session, {self.studies[session]: SeriesData(st=rows)}))])
        self.collect()
        self.deliver(many=len(self.to_client), upstream=False)

    def timescale(self, session: str, name: str, times: list[float], price: float) -> TimescaleUpdate:
        rows = [BarRow(index, BarValues(time, price, price, price, price, 1.0)) for index, time in enumerate(times)]
        data = {name: SeriesData(s=rows, lbs=LastBarStatus(int(times[-1]) + 60))}
        milliseconds = round(self.now * 1000)
        return TimescaleUpdate(TimescaleUpdate.Params(session, data), milliseconds // 1000, milliseconds)

    @rule(seconds=st.floats(0.1, 90))
    def let_time_pass(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            moments = [self.client.next_deadline(), self.server.next_deadline()]
            due = min((moment for moment in moments if moment is not None and moment <= until), default=None)
            if due is None:
                break
            self.now = max(self.now, due)
            self.client.handle_deadline(self.now)
            self.server.handle_deadline(self.now)
            self.collect()
        self.now = until
        if self.server.closing is not None:
            self.drop()

    @rule()
    def drop(self) -> None:
        self.client.disconnected(self.now, "dropped")
        self.connect()

    @rule()
    def become_quiet(self) -> None:
        """Everything on its way arrives; then both sides hold the same subscriptions, and every heartbeat is echoed.

        What the client asks for to fill a gap comes on top.
        """
        while self.to_client or self.to_server:
            self.deliver(many=100, upstream=True)
            self.deliver(many=100, upstream=False)
        asked = [session for session in (*self.server.charts, *self.server.quotes) if purpose(session) in ("history", "snapshot")]
        # An answer's session ends when the asker lets go of it, or with the connection.
        waiting = [
            session
            for session in asked
            if self.pages.get(session) or session not in (self.quoted if session in self.server.quotes else self.loaded)
        ]
        assert sum(not request.done for request in self.requests) == len(waiting)
        assert len(asked) <= len(self.requests)
        assert not any(self.pages.get(session) for session in self.ended)
        followed = {
            plain_symbol(name) for session, quotes in self.server.quotes.items() if session not in asked for name in quotes.names
        }
        assert followed == {each.symbol for each in self.wanted if each.ticks}
        series = sorted(
            (plain_symbol(chart.symbols[create.p.alias]), create.p.resolution)
            for session, chart in self.server.charts.items()
            for create in chart.series.values()
            if purpose(session) != "backfill" and session not in asked
        )
        assert series == sorted((each.symbol, each.interval) for each in self.wanted if each.wants_bars)
        assert len(self.studies.keys() & self.server.charts.keys()) == sum(len(each.studies) for each in self.wanted)
        if self.timezone is not None:
            assert all(self.timezones[session] == self.timezone for session in self.server.charts)
        assert self.heartbeats_delivered == self.server.heartbeats
        assert self.server.unechoed == 0
        assert not [entry for entry in self.server.journal if entry.kind in ("rejected", "ignored")]

    # --- what always holds

    @invariant()
    def ticks_are_told_in_order_and_none_is_invented(self) -> None:
        emitted = iter(self.emitted)
        assert all(tick in emitted for tick in self.told), (self.told, self.emitted)

    @invariant()
    def no_bar_closes_twice_within_one_subscription(self) -> None:
        assert all(len(set(times)) == len(times) for times in self.closed.values()), self.closed

    @invariant()
    def the_last_values_of_a_bar_are_told_once_and_in_order(self) -> None:
        assert all(times == sorted(set(times)) for times in self.final.values()), self.final

    @invariant()
    def what_was_asked_for_once_is_answered_in_order(self) -> None:
        for request in self.requests:
            if isinstance(request, HistoryRequest) and request.done:
                times = [bar.time for bar in request.bars]
                assert times == sorted(set(times))
                assert len(times) <= (request.wanted or 0)

    @invariant()
    def no_deadline_lies_in_the_past(self) -> None:
        deadline = self.client.next_deadline()
        assert deadline is None or deadline > self.now


TestConversation = Conversation.TestCase
TestConversation.settings = settings(stateful_step_count=30, deadline=None)
