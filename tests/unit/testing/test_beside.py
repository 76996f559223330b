"""What a playing connection does not hold is recorded beside it, and the next time everything comes from the tape."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tvstreamer import Bar, Event, FakeServer, Study, Subscription, TvWSClient
from tvstreamer.errors import ConnectFailed, TapeMismatch, TransportClosed
from tvstreamer.events import Disconnected, Reconnected, StudyUpdate, SymbolInfo, Tick
from tvstreamer.protocol import framing
from tvstreamer.tape.reader import TapeReader
from tvstreamer.testing import UsedTape, use_tape
from tvstreamer.transports.base import Transport

SOURCE = "fake:seed=7,speed=max"
NOWHERE = "ws://127.0.0.1:9/nobody-listens-here"
BTC, ETH, FIVE, GOLD = ("BINANCE:BTCUSDT", "1"), ("BINANCE:ETHUSDT", "5"), ("BINANCE:BTCUSDT", "5"), ("TVC:GOLD", "1")
Plan = Sequence[tuple[int, str, object]]
"""After so many events, to `subscribe` or `unsubscribe` this."""


def stream(tape: UsedTape, plan: Plan = (), count: int = 60, **options: object) -> list[Event]:
    events: list[Event] = []
    with TvWSClient([BTC], source=tape, n_init_bars=5, seed=1, **options) as client:  # type: ignore[arg-type]
        for number, event in enumerate(itertools.islice(client.stream(), count), 1):
            events.append(event)
            for after, what, subscription in plan:
                if after == number:
                    getattr(client, what)(subscription)
    return events


def record(path: Path, source: object = SOURCE, count: int = 60) -> None:
    with use_tape(path, "once", source=source) as tape:
        stream(tape, count=count)


def recorded_and_replayed(path: Path, plan: Plan, source: object = SOURCE, count: int = 60, **options: object) -> list[Event]:
    """The events of a run that records what is missing, which are those of the run after it."""
    with use_tape(path, "new_episodes", source=source) as tape:
        events = stream(tape, plan, count, **options)
    before = path.read_bytes()
    for mode in ("none", "new_episodes"):
        with use_tape(path, mode, source=NOWHERE) as tape:
            assert stream(tape, plan, count, **options) == events
    assert path.read_bytes() == before
    return events


def of(events: list[Event], symbol: str, kind: type[Event] = Event) -> list[Event]:
    return [event for event in events if isinstance(event, kind) and getattr(event, "symbol", "") == symbol]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tape.jsonl"
    record(path)
    return path


def test_a_subscription_that_the_tape_does_not_hold_is_recorded_and_appended(path: Path) -> None:
    with use_tape(path, source=NOWHERE) as tape:
        undisturbed = stream(tape)
    events = recorded_and_replayed(path, [(20, "subscribe", ETH)], count=80)
    assert len(of(events, ETH[0], Bar)) >= 5
    assert of(events, ETH[0], SymbolInfo)
    assert of(events, ETH[0], Tick)
    btc = of(events, BTC[0])
    assert btc == of(undisturbed, BTC[0])[: len(btc)]
    assert not [event for event in events if isinstance(event, Disconnected | Reconnected)]
    with TapeReader(path) as reader:
        records = list(reader)
    assert [record.c for record in records if record.k == "open"] == [1, 2]
    (note,) = [record.note for record in records if record.k == "note"]
    assert note["beside"] == 1
    assert not any('"symbol_resolved"' in payload and "BTC" in payload for record in records if record.c == 2 for payload in record.payloads())


def test_it_works_over_a_socket_in_real_time_too(tmp_path: Path) -> None:
    with FakeServer(seed=3, speed=50) as server:
        record(tmp_path / "tape.jsonl", server.url, count=30)
        events = recorded_and_replayed(tmp_path / "tape.jsonl", [(20, "subscribe", ETH)], server.url, count=40)
    assert of(events, ETH[0], Bar)


def test_what_was_recorded_beside_is_played_at_a_pace_too(path: Path) -> None:
    plan = [(20, "subscribe", ETH)]
    events = recorded_and_replayed(path, plan)
    with use_tape(path, source=NOWHERE) as tape:
        assert of(stream(tape, plan, speed=1e6), ETH[0], Bar)[:5] == of(events, ETH[0], Bar)[:5]


def test_another_interval_of_a_symbol_that_the_tape_knows(path: Path) -> None:
    events = recorded_and_replayed(path, [(20, "subscribe", FIVE)])
    assert [event for event in of(events, BTC[0], Bar) if isinstance(event, Bar) and event.interval == "5"]


def test_quotes_come_beside_in_the_session_that_there_is(path: Path) -> None:
    events = recorded_and_replayed(path, [(20, "subscribe", GOLD[0]), (24, "subscribe", ETH[0])])
    assert of(events, GOLD[0], Tick)
    assert of(events, ETH[0], Tick)


def test_what_is_unsubscribed_is_taken_back_where_it_was_asked_for(path: Path) -> None:
    plan = [(20, "subscribe", ETH), (40, "unsubscribe", ETH), (45, "unsubscribe", BTC), (45, "subscribe", GOLD)]
    events = recorded_and_replayed(path, plan, count=70)
    assert of(events[20:40], ETH[0], Bar)
    assert not of(events[40:], ETH[0], Bar)
    assert not of(events[45:], BTC[0], Bar)
    assert of(events[45:], GOLD[0], Bar)


def test_studies_come_with_their_series(path: Path) -> None:
    events = recorded_and_replayed(path, [(20, "subscribe", Subscription(*ETH, studies=[Study("RSI")]))], count=90)
    assert of(events, ETH[0], StudyUpdate)


def test_the_same_subscription_again_when_the_tape_has_played_past_it(path: Path) -> None:
    events = recorded_and_replayed(path, [(30, "unsubscribe", BTC), (30, "subscribe", BTC)], count=60)
    assert of(events[30:], BTC[0], Bar)


def test_each_run_may_add_something(path: Path) -> None:
    recorded_and_replayed(path, [(20, "subscribe", ETH)])
    recorded_and_replayed(path, [(20, "subscribe", ETH), (30, "subscribe", GOLD)])
    events = recorded_and_replayed(path, [(15, "subscribe", FIVE), (20, "subscribe", ETH), (30, "subscribe", GOLD)])
    assert {symbol for symbol in (ETH[0], GOLD[0]) if of(events, symbol, Bar)} == {ETH[0], GOLD[0]}


def test_what_is_beside_goes_on_when_the_tape_has_no_more(path: Path) -> None:
    events = recorded_and_replayed(path, [(60, "subscribe", ETH)], count=120)
    assert len(events) == 120
    assert len(of(events[60:], ETH[0])) > 50


def test_the_end_that_the_server_made_is_the_end_of_what_is_beside(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with FakeServer(seed=7, speed="max") as server:
        with use_tape(path, "once", source=server.connect) as tape, TvWSClient([BTC], source=tape, n_init_bars=5, seed=1) as client:
            for number, event in enumerate(client.stream()):
                if number == 40:
                    server.disconnect()
                if isinstance(event, Reconnected):
                    break
            list(itertools.islice(client.stream(), 20))
    events = recorded_and_replayed(path, [(20, "subscribe", ETH)], count=80)
    assert [event for event in events if isinstance(event, Reconnected)]
    lost = next(number for number, event in enumerate(events) if isinstance(event, Disconnected))
    assert of(events[:lost], ETH[0], Bar)
    assert of(events[lost:], ETH[0], Bar)
    with TapeReader(path) as reader:
        assert [record.note["beside"] for record in reader if record.k == "note"] == [1, 2]


choices = st.tuples(st.integers(1, 60), st.sampled_from(["subscribe", "unsubscribe"]), st.sampled_from([BTC, ETH, FIVE, GOLD, GOLD[0]]))


@given(first=st.lists(choices, max_size=3), more=st.lists(choices, max_size=3))
@example(first=[], more=[(1, "subscribe", ETH), (60, "subscribe", FIVE)])
@example(first=[], more=[(1, "subscribe", ETH), (1, "subscribe", FIVE), (25, "unsubscribe", FIVE)])
@settings(max_examples=25)
def test_whatever_is_subscribed_when_a_recording_is_replayed_to_the_same_events(
    tmp_path_factory: pytest.TempPathFactory, first: list[tuple[int, str, object]], more: list[tuple[int, str, object]]
) -> None:
    path = tmp_path_factory.mktemp("beside") / "tape.jsonl"
    record(path)
    recorded_and_replayed(path, first)
    recorded_and_replayed(path, [*first, *more])


@pytest.mark.parametrize("name", ["tape.jsonl", "tape.jsonl.gz"])
def test_verify_knows_what_was_recorded_beside(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    record(path)
    plan: Plan = [(20, "subscribe", ETH), (30, "subscribe", FIVE)]
    recorded_and_replayed(path, plan)
    with use_tape(path, "verify", source="fake:seed=9,speed=max") as tape:
        stream(tape, plan)
    with pytest.raises(TapeMismatch, match="does not answer as it did") as caught:
        with use_tape(path, "verify", source=SOURCE) as tape:
            stream(tape, plan[:1])
    missing = [line.split(" {")[0] for line in caught.value.diff.splitlines()[3:] if line[0] in "+-"]
    assert missing == ["-  > resolve_symbol BINANCE:BTCUSDT", "-  > create_series BINANCE:BTCUSDT 5 5"]


def test_history_and_snapshots_that_the_tape_does_not_hold_are_asked_beside_it(path: Path) -> None:
    def ask(tape: UsedTape) -> tuple[object, ...]:
        with TvWSClient([BTC], source=tape, n_init_bars=5, seed=1) as client:
            events = list(itertools.islice(client.stream(), 20))
            # The second is longer than what comes in one page, and the third on the tape already.
            history = client.get_history(*ETH, 10), client.get_history(*GOLD, 6_000), client.get_history(*BTC, 5)
            quote = client.snapshot([GOLD[0]], fields=["lp", "bid"])[GOLD[0]]
            events += itertools.islice(client.stream(), 40)
        return ([bar.time for each in history for bar in each], quote.fields, events[:20], [of(events, BTC[0], kind) for kind in (Bar, Tick)])

    with use_tape(path, "new_episodes", source=SOURCE) as tape:
        told = ask(tape)
    before = path.read_bytes()
    with use_tape(path, source=NOWHERE) as tape:
        assert ask(tape) == told
    with use_tape(path, "new_episodes", source=NOWHERE) as tape:
        assert ask(tape) == told
    assert path.read_bytes() == before


def test_without_new_episodes_nothing_is_asked_of_anybody(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(TapeMismatch, match="BINANCE:ETHUSDT is not on the tape"):
        with use_tape(path, source=NOWHERE) as tape:
            stream(tape, [(20, "subscribe", ETH)])
    assert path.read_bytes() == before


def test_a_source_that_is_not_there_is_told_by_subscribe(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(ConnectFailed):
        with use_tape(path, "new_episodes", source=NOWHERE) as tape:
            stream(tape, [(20, "subscribe", ETH)])
    assert path.read_bytes() == before


# --- a client of one's own ---------------------------------------------------------------------------------------------


def packet(method: str, *p: object) -> str:
    return framing.packet(f'{{"m":"{method}","p":{list(p)}}}'.replace("'", '"'))


def heard(transport: Transport, word: str) -> str:
    for _ in range(200):
        if word in (text := transport.recv(600).text):
            return text
    raise AssertionError(word)


def ask_bare(tape: UsedTape) -> list[str]:
    transport = tape()
    texts = []
    # Several in one message, and of a chart session that has a series of the tape already.
    transport.send(packet("chart_create_session", "cs_a", "") + packet("resolve_symbol", "cs_a", "s1", BTC[0]))
    transport.send(packet("create_series", "cs_a", "x1", "t1", "s1", "1", 5, "") + framing.packet("~h~1"))
    texts.append(heard(transport, '"series_completed","p":["cs_a","x1"'))
    transport.send(packet("create_series", "cs_a", "x2", "t2", "s1", "5", 5, ""))
    texts.append(heard(transport, '"series_completed","p":["cs_a","x2"'))
    transport.send(packet("request_more_data", "cs_a", "x2", 5))
    texts.append(heard(transport, '"series_completed","p":["cs_a","x2"'))
    transport.send(packet("quote_create_session", "qs_a") + packet("quote_add_symbols", "qs_a", BTC[0], ETH[0]))
    texts.append(heard(transport, ETH[0]))
    transport.send(packet("remove_series", "cs_a", "x2") + packet("remove_series", "cs_a", "x1"))
    transport.send(packet("quote_remove_symbols", "qs_a", ETH[0]))
    with pytest.raises(TapeMismatch):
        transport.send(packet("request_more_data", "cs_a", "x1", 5))
    with pytest.raises(TapeMismatch):
        transport.send(packet("nonsense"))
    with pytest.raises(TapeMismatch, match="whole packets"):
        transport.send("~m~")
    assert repr(transport.__dict__["_inner"]).startswith("<BesideTransport of <ReplayTransport")
    transport.close()
    with pytest.raises(TransportClosed):
        transport.recv(1)
    return texts


def test_a_client_of_ones_own_may_ask_for_anything(path: Path) -> None:
    with use_tape(path, "new_episodes", source=SOURCE) as tape:
        texts = ask_bare(tape)
    with use_tape(path, source=NOWHERE) as tape:
        assert ask_bare(tape) == texts
    # The symbol was resolved beside as well, which the client must not hear.
    with TapeReader(path) as reader:
        assert any("symbol_resolved" in record.text() for record in reader if record.c == 2 and record.k == "recv")


@pytest.mark.parametrize("note", ['{"beside":1,"shift":"x"}', '{"beside":7,"shift":0.0}', '{"beside":0,"shift":0.0}', '{"beside":1,"shift":0.0}', "3"])
def test_notes_that_say_something_else_are_passed_over(path: Path, note: str) -> None:
    lines = path.read_text().splitlines(keepends=True)
    lines.insert(2, f'{{"t":0,"c":1,"k":"note","note":{note}}}\n')
    lines.insert(1, f'{{"t":0,"c":3,"k":"note","note":{note}}}\n')
    path.write_text("".join(lines[:-1]))
    with use_tape(path, source=NOWHERE) as tape:
        assert len(stream(tape)) == 60
    with use_tape(path, "verify", source=SOURCE) as tape:
        stream(tape)
