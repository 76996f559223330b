"""`use_tape`: what each mode replays, records and leaves behind."""

from __future__ import annotations

import asyncio
import inspect
import itertools
from pathlib import Path

import pytest

from tvstreamer import Bar, Event, FakeServer, FaultPlan, StreamRouter, Subscription, TvWSClient, faults
from tvstreamer.errors import InvalidPlan, InvalidSource, TapeExhausted, TapeFormatError, TapeMismatch, TransportClosed
from tvstreamer.protocol import framing
from tvstreamer.testing import UsedTape, VirtualClock, use_tape

SOURCE = "fake:seed=7,speed=max"
BTC, ETH = ("BINANCE:BTCUSDT", "1"), ("BINANCE:ETHUSDT", "5")
NOWHERE = "ws://127.0.0.1:9/nobody-listens-here"
TOKEN = "canary-token-51c8"


def stream(tape: UsedTape, *subscriptions: object, count: int | None = 40, **options: object) -> list[Event]:
    with TvWSClient(subscriptions or [BTC], source=tape, n_init_bars=5, seed=1, **options) as client:  # type: ignore[arg-type]
        return list(itertools.islice(client.stream(), count))


def connections(path: Path) -> int:
    return path.read_text().count('"k":"open"')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A tape with one connection, and `tapes` to hold nothing else."""
    path = tmp_path / "tapes" / "tape.jsonl"
    with use_tape(path, "once", source=SOURCE) as tape:
        stream(tape)
    return path


def test_once_records_and_then_replays_the_same_events(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tape.jsonl.gz"
    with use_tape(path, "once", source=SOURCE) as tape:
        live = stream(tape)
        assert not path.exists()
    assert repr(tape).endswith("mode once, 0 of 0 connections played, 1 connections recorded>")
    with use_tape(path, "once", source=NOWHERE) as tape:
        assert stream(tape) == live
    assert (tape.play_count, tape.all_played) == (1, True)
    assert list(path.parent.iterdir()) == [path]


def test_however_late_a_client_is_closed_its_recording_ends_where_it_has_handled_everything(tmp_path: Path) -> None:
    with use_tape(tmp_path / "tape.jsonl", "once", source=SOURCE) as tape, TvWSClient([BTC], source=tape, n_init_bars=5) as client:
        live = list(itertools.islice(client.stream(), 40))
        assert client.source is not None
        clock = client.source.clock
        assert isinstance(clock, VirtualClock)
        clock.advance(600)
    with use_tape(tmp_path / "tape.jsonl") as tape:
        assert stream(tape, count=None) == live


def test_the_mode_comes_from_the_environment_or_is_none(tmp_path: Path) -> None:
    assert use_tape(tmp_path / "x", environ={"TVSTREAMER_RECORD": "once"})._make().mode == "once"
    with pytest.raises(InvalidPlan, match="record mode 'any': expected one of none, once"):
        use_tape(tmp_path / "x", environ={"TVSTREAMER_RECORD": "any"})._make()
    with pytest.raises(InvalidPlan, match="record mode 'any'"):
        use_tape(tmp_path / "x", "any")


@pytest.mark.parametrize("mode", ["none", "verify"])
def test_a_missing_tape_says_how_to_record_it(tmp_path: Path, mode: str) -> None:
    with pytest.raises(InvalidSource, match=r"tape .*x.jsonl: no such file, .*to record it: use_tape\(..., mode='once'\)") as caught:
        with use_tape(tmp_path / "x.jsonl", mode):
            pass
    # A report of the failure shows the tape that could not be made.
    shown = [repr(entry.locals.get("self")) for entry in caught.traceback]
    assert any(f"mode {mode}, 0 of 0 connections played" in each for each in shown)


def test_none_never_records(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(TapeMismatch, match="no connection that has not been played holds create_series BINANCE:ETHUSDT 5") as caught:
        with use_tape(path, source=NOWHERE, environ={}) as tape:
            stream(tape, ETH)
    assert [line for line in caught.value.diff.splitlines()[3:] if line[0] in "+-"] == [
        "-symbol: BINANCE:BTCUSDT", "-interval: 1", "+symbol: BINANCE:ETHUSDT", "+interval: 5",
    ]  # fmt: skip
    assert path.read_bytes() == before


def test_new_episodes_records_what_the_tape_does_not_hold_and_appends_it(path: Path) -> None:
    with use_tape(path, "new_episodes", source=SOURCE) as tape:
        first, added = stream(tape), stream(tape, ETH)
    assert connections(path) == 2
    with use_tape(path) as tape:
        # In whatever order: a client gets the connection that holds what it subscribes to.
        assert [event for event in stream(tape, ETH) if isinstance(event, Bar)] == [event for event in added if isinstance(event, Bar)]
        assert stream(tape) == first
    assert tape.all_played


def beside_each_other(path: Path, *pairs: tuple[str, str]) -> list[list[Event]]:
    """Records a client for each, which poll in turns; what each of them got."""
    with use_tape(path, "once", source=SOURCE) as tape:
        clients = [TvWSClient([pair], source=tape, n_init_bars=5, seed=1) for pair in pairs]
        live: list[list[Event]] = [[] for _ in clients]
        for _ in range(8):
            for client, events in zip(clients, live, strict=True):
                events += client.poll(60) or []
        for client in clients:
            client.close()
    return live


def test_what_clients_recorded_beside_each_other_plays_without_use_tape_too(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    live = dict(zip((BTC, ETH), beside_each_other(path, BTC, ETH), strict=True))
    for pair, events in live.items():
        with TvWSClient([pair], source=path) as client:
            assert list(client.stream()) == events
    router = StreamRouter([ETH], source=path)
    assert list(router.iter_bars(ETH)) == [event for event in live[ETH] if isinstance(event, Bar)]
    lacks = "connection 1 lacks BINANCE:ETHUSDT, BINANCE:ETHUSDT 5; connection 2 lacks BINANCE:BTCUSDT, BINANCE:BTCUSDT 1"
    with pytest.raises(TapeMismatch, match=f"no connection of the tape holds all that is subscribed: {lacks}"):
        TvWSClient([BTC, ETH], source=path).connect()


def test_a_client_that_is_played_to_its_end_leaves_the_one_beside_it_to_others(tmp_path: Path) -> None:
    live = beside_each_other(tmp_path / "tape.jsonl", BTC, BTC)
    with use_tape(tmp_path / "tape.jsonl") as tape:
        assert [stream(tape, count=None) for _ in live] == live


def test_a_tape_that_is_broken_anywhere_is_refused_before_it_is_used(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"broken\n")
    with pytest.raises(TapeFormatError, match="not a record: b'broken'"):
        with use_tape(path):
            raise AssertionError("it was opened")


def test_new_episodes_makes_a_tape_where_there_is_none(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "new_episodes", source=SOURCE) as tape:
        stream(tape)
    assert connections(path) == 1


@pytest.mark.parametrize(("mode", "left"), [("all", 2), ("rewrite", 1)])
def test_all_appends_and_rewrite_replaces(path: Path, mode: str, left: int) -> None:
    before = path.read_bytes()
    with use_tape(path, mode, source=SOURCE) as tape:
        stream(tape, count=30)
        assert path.read_bytes() == before
    assert connections(path) == left
    assert path.read_bytes() != before


@pytest.mark.parametrize("mode", ["all", "rewrite", "new_episodes"])
def test_a_block_that_fails_leaves_the_tape_as_it_was(path: Path, mode: str) -> None:
    before = path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        with use_tape(path, mode, source=SOURCE) as tape:
            stream(tape, ETH)
            raise ZeroDivisionError
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_recording_of_nothing_replaces_nothing(path: Path) -> None:
    before = path.read_bytes()
    with use_tape(path, "rewrite", source=SOURCE) as tape:
        tape.as_source(credentials=tape._credentials)
    assert path.read_bytes() == before


def test_verify_passes_when_the_feed_answers_alike_and_never_writes(path: Path) -> None:
    before = path.read_bytes()
    with use_tape(path, "verify", source="fake:seed=8,speed=max") as tape:
        stream(tape)
    with pytest.raises(TapeMismatch, match="does not answer as it did") as caught:
        with use_tape(path, "verify", source=SOURCE) as tape:
            stream(tape, "BINANCE:BTCUSDT")
    assert "-  > create_series BINANCE:BTCUSDT 1 5" in caught.value.diff
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_whether_the_market_moved_is_not_verified(path: Path) -> None:
    with use_tape(path, "rewrite", source=SOURCE) as tape:
        stream(tape, count=6)
    assert b'"m":"du"' not in path.read_bytes()
    with use_tape(path, "verify", source=SOURCE) as tape:
        stream(tape, count=40)
    with use_tape(path, "rewrite", source=SOURCE) as tape:
        stream(tape, count=40)
    assert b'"m":"du"' in path.read_bytes()
    with use_tape(path, "verify", source=SOURCE) as tape:
        stream(tape, count=6)


def test_what_was_not_played_is_told(path: Path) -> None:
    with use_tape(path) as tape:
        pass
    assert (tape.unplayed, tape.all_played) == (["connection 1"], False)
    with use_tape(path) as tape:
        stream(tape, "BINANCE:BTCUSDT", count=5)
    assert [each.partition(" (")[0] for each in tape.unplayed] == ["BINANCE:BTCUSDT 1"]
    with pytest.raises(TapeMismatch, match="recorded, but not asked for: connection 1"):
        with use_tape(path, require_all_played=True):
            pass


def test_a_client_without_subscriptions_gets_the_tape_whole(path: Path) -> None:
    with use_tape(path) as tape:
        with TvWSClient(source=tape) as client:
            assert list(client.stream())
            assert client.get_history(*BTC, 5).complete
    assert tape.all_played


def test_more_clients_than_recorded_is_an_error(path: Path) -> None:
    with use_tape(path) as tape:
        stream(tape, count=None)
        with pytest.raises(TapeExhausted, match="all 1 connections have been played"):
            stream(tape)


def test_subscriptions_that_no_one_connection_holds_together(path: Path) -> None:
    with use_tape(path, "new_episodes", source=SOURCE) as tape:
        stream(tape, ETH)
    with use_tape(path) as tape:
        with pytest.raises(TapeMismatch, match="holds all that is subscribed"):
            stream(tape, BTC, ETH)


def test_strict_takes_connections_in_their_order(path: Path) -> None:
    with use_tape(path, "new_episodes", source=SOURCE) as tape:
        stream(tape, ETH)
    with use_tape(path, match="strict") as tape:
        with pytest.raises(TapeMismatch):
            stream(tape, ETH)
    with use_tape(path, match="strict") as tape:
        stream(tape)
        stream(tape, ETH)


def test_lenient_lets_questions_go_unanswered(path: Path) -> None:
    with use_tape(path, match="lenient") as tape:
        stream(tape, BTC, ETH, count=None)
    assert "create_series BINANCE:ETHUSDT 5 5" in tape.unanswered


def test_match_on_adds_conditions(path: Path) -> None:
    with use_tape(path, match_on=["parameters"]) as tape:
        stream(tape)
    with pytest.raises(TapeMismatch, match="differs in few"):
        with use_tape(path, match_on=["few"], matchers={"few": lambda live, recorded: False}) as tape:
            stream(tape)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("match", "exact", "match 'exact': expected one of strict, causal, lenient"),
        ("match_on", "symbol", "match_on 'symbol': expected a list"),
        ("match_on", ["body"], "match_on 'body': expected some of"),
        ("speed", "fast", "speed 'fast': expected 'max' or a number"),
    ],
)
def test_wrong_options_are_refused(path: Path, option: str, value: object, message: str) -> None:
    with pytest.raises((InvalidPlan, InvalidSource), match=message):
        with use_tape(path, **{option: value}):  # type: ignore[arg-type]
            pass


def test_a_tape_is_no_source_of_a_tape(path: Path) -> None:
    with pytest.raises(InvalidSource, match="a tape cannot be recorded from a tape"):
        with use_tape(path.with_name("other.jsonl"), "once", source=path) as tape:
            stream(tape)


def test_hooks_see_what_is_recorded_and_what_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "once", source=SOURCE, before_record=lambda text: None if '"du"' in text else text.replace("Bitcoin", "Gold")) as tape:
        stream(tape)
    assert '"du"' not in path.read_text()
    assert "Bitcoin" not in path.read_text()
    with use_tape(path, before_replay=lambda text: None if '"qsd"' in text else text) as tape:
        assert not [event for event in stream(tape, count=None) if type(event).__name__ == "Tick"]


def test_secrets_do_not_reach_the_tape_or_what_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with FakeServer(speed="max", tokens=[TOKEN]) as server:
        with use_tape(path, "once", source=server.connect) as tape:
            stream(tape, token=TOKEN)
    assert TOKEN not in path.read_text()
    shown = tape.observer.transcripts[0].explain(tape.redactor, packets=1000)
    assert "set_auth_token" in shown
    assert TOKEN not in shown


def test_faults_disturb_what_is_replayed(path: Path) -> None:
    plan = FaultPlan([faults.close(after=3, code=4000)])
    with use_tape(path, faults=plan) as tape:
        undisturbed = 40
        assert len(stream(tape, count=None)) < undisturbed


def test_bare_connections_for_a_client_of_ones_own(path: Path) -> None:
    with use_tape(path) as tape:
        transport = tape()
        transport.send(framing.packet('{"m":"quote_add_symbols","p":["qs_mine","BINANCE:BTCUSDT"]}'))
        while "qs_mine" not in transport.recv(60).text:
            pass
        assert tape.clock.now() >= transport.info.opened_at
    # It was left open, and so closed at the end.
    with pytest.raises(TransportClosed):
        transport.recv(0)


def test_speed_paces_the_replay(path: Path) -> None:
    with use_tape(path, speed=1e9) as tape:
        assert len(stream(tape)) == 40


def test_recordings_of_two_clients_at_once_go_to_one_tape(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "once", source=SOURCE, seed=5) as tape:
        with TvWSClient([BTC], source=tape) as one, TvWSClient([ETH], source=tape) as two:
            for _, _ in zip(itertools.islice(one.stream(), 20), two.stream(), strict=False):
                pass
    assert connections(path) == 2
    with use_tape(path) as tape:
        stream(tape, ETH)
        stream(tape)
    assert tape.all_played


def test_quotes_and_bars_alone_are_looked_for_alone(path: Path) -> None:
    with use_tape(path) as tape:
        stream(tape, Subscription(*BTC, ticks=False), count=5)
    with pytest.raises(TapeMismatch, match="holds quote_add_symbols BINANCE:ETHUSDT"):
        with use_tape(path) as tape:
            stream(tape, "BINANCE:ETHUSDT")


def test_a_decorated_function_gets_a_new_tape_each_time(path: Path) -> None:
    @use_tape(path)
    def check(tape: UsedTape, count: int = 5) -> int:
        return len(stream(tape, count=count))

    @use_tape(path)
    async def check_async(*, tape: UsedTape) -> int:
        return len(stream(tape))

    assert (check(), check(count=7)) == (5, 7)
    assert asyncio.run(check_async()) == 40
    assert list(inspect.signature(check).parameters) == ["count"]
