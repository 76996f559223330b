"""A bar replay without a connection: what it asks for, and what it makes of the answers."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tvstreamer.errors import (
    AuthError,
    CriticalError,
    InvalidInterval,
    InvalidPlan,
    InvalidSymbol,
    RemoteProtocolError,
    SeriesError,
    SymbolError,
    TvError,
)
from tvstreamer.protocol import framing
from tvstreamer.protocol.bar_replay import BarReplayProtocol
from tvstreamer.symbols import Symbol

BTC = "BINANCE:BTCUSDT"


def replay(symbol: str = BTC, start: float = 600, **options: Any) -> BarReplayProtocol:
    return BarReplayProtocol(symbol, "1", start, rng=random.Random(1), **options)


def sent(protocol: BarReplayProtocol) -> list[tuple[str, list[Any]]]:
    payloads = [json.loads(payload) for text in protocol.messages_to_send() for payload in framing.split(text)]
    return [(each["m"], each["p"]) for each in payloads]


def say(protocol: BarReplayProtocol, *replies: tuple[str, list[Any]]) -> None:
    protocol.receive(framing.join([json.dumps({"m": method, "p": p}) for method, p in replies]))


def rows(*times: int, kind: str = "timescale_update") -> tuple[str, list[Any]]:
    bars = [{"i": number, "v": [float(time), 1.0, 2.0, 0.5, 1.5, 9.0]} for number, time in enumerate(times)]
    data = {"s": bars, "ns": {}, "t": "s1", "lbs": {"bar_close_time": times[-1] + 60}}
    return (kind, ["cs", {"sds_1": data}])


def loaded() -> BarReplayProtocol:
    protocol = replay()
    sent(protocol)
    say(protocol, rows(540, 600), ("series_completed", ["cs", "sds_1", "replay", "s1", {}]))
    protocol.events()
    return protocol


def test_it_asks_for_the_replay_first_and_for_its_chart_then() -> None:
    protocol = replay(bars=50, token="a token", locale=("de", "DE"))
    commands = sent(protocol)
    assert [method for method, _ in commands] == [
        "set_auth_token", "set_locale", "replay_create_session", "replay_add_series", "replay_reset",
        "chart_create_session", "resolve_symbol", "create_series",
    ]  # fmt: skip
    asked = dict(commands)
    session = asked["replay_create_session"][0]
    symbol = {"symbol": BTC, "adjustment": "splits"}
    assert (asked["set_auth_token"], asked["set_locale"]) == (["a token"], ["de", "DE"])
    assert asked["replay_add_series"][0] == session
    assert json.loads(asked["replay_add_series"][2][1:]) == symbol
    assert asked["replay_reset"][::2] == [session, 600]
    assert json.loads(asked["resolve_symbol"][2][1:]) == {"replay": session, "symbol": symbol}
    assert asked["create_series"][4:6] == ["1", 50]
    assert sent(protocol) == []


def test_a_chart_type_stands_beside_the_replay() -> None:
    bound = json.loads(dict(sent(replay(Symbol(BTC, chart="heikin-ashi"), 600.5)))["resolve_symbol"][2][1:])
    assert bound["type"].startswith("BarSetHeikenAshi")
    assert bound["symbol"] == {"symbol": BTC, "adjustment": "splits"}
    assert bound["replay"].startswith("rs_")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"symbol": "nothing"}, InvalidSymbol),
        ({"start": -1.0}, InvalidPlan),
        ({"start": float("nan")}, InvalidPlan),
        ({"bars": 0}, InvalidPlan),
        ({"bars": "5"}, InvalidPlan),
    ],
)
def test_what_cannot_be_replayed_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match="expected"):
        replay(**options)


def test_an_interval_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInterval):
        BarReplayProtocol(BTC, "XX", 0, rng=random.Random(1))


def test_bars_are_told_as_in_a_live_stream() -> None:
    protocol = replay()
    assert (protocol.loaded, protocol.point) == (False, None)
    say(protocol, ("replay_ok", ["rs", "x"]), ("replay_point", ["rs", 600]), rows(540, 600))
    say(protocol, ("series_completed", ["cs", "sds_1", "replay", "s1", {}]), ("something_new", []))
    assert (protocol.loaded, protocol.point) == (True, 600.0)
    assert [(bar.time, bar.closed) for bar in protocol.events()] == [(540.0, True), (600.0, False)]
    say(protocol, rows(660))
    assert [(bar.time, bar.closed) for bar in protocol.events()] == [(600.0, True), (660.0, False)]
    say(protocol, ("du", ["cs", {"st1": {"st": [], "ns": {}, "t": "s1"}}]))
    assert protocol.events() == []


def test_requests_are_answered_once_each() -> None:
    protocol = loaded()
    requests = [protocol.step(3), protocol.play(4), protocol.pause()]
    commands = sent(protocol)
    assert [(method, p[2:]) for method, p in commands] == [("replay_step", [3]), ("replay_start", [250]), ("replay_stop", [])]
    assert [p[1] for _, p in commands] == requests
    assert not protocol.answered(requests[0])
    say(protocol, ("replay_ok", ["rs", requests[0]]))
    assert protocol.answered(requests[0])
    assert not protocol.answered(requests[0])


@pytest.mark.parametrize("count", [0, -1, 1001, 1.5, "2"])
def test_a_step_has_a_number_of_bars(count: Any) -> None:
    with pytest.raises(InvalidPlan, match="1 to 1000"):
        loaded().step(count)


@pytest.mark.parametrize("speed", [0, -1.0, 1001, float("nan")])
def test_a_speed_is_bars_a_second(speed: float) -> None:
    with pytest.raises(InvalidPlan, match="bars a second"):
        loaded().play(speed)


def test_heartbeats_are_echoed_and_the_end_is_kept() -> None:
    protocol = loaded()
    protocol.receive("~m~4~m~~h~1")
    assert protocol.messages_to_send() == ["~m~4~m~~h~1"]
    assert not protocol.ended
    say(protocol, ("replay_data_end", ["rs"]))
    assert protocol.ended


@pytest.mark.parametrize(
    ("reply", "error", "text"),
    [
        (("symbol_error", ["cs", "a", "invalid symbol"]), SymbolError, "invalid symbol"),
        (("series_error", ["cs", "s", "t", "resolve error", "n"]), SeriesError, "resolve error"),
        (("series_error", ["cs", "s", "t", {"error": "odd"}, "n"]), SeriesError, "odd"),
        (("replay_error", ["rs", "t", "invalid symbol: 'A:B'"]), SymbolError, "A:B"),
        (("replay_error", ["rs", "t", "no such thing"]), SeriesError, "no such thing"),
        (("critical_error", ["rs", "no_point_or_series", {"command": "step"}]), CriticalError, "no_point_or_series: .*step"),
        (("protocol_error", ["bad auth token"]), AuthError, "bad auth token"),
        (("protocol_error", ["banned"]), CriticalError, "banned"),
    ],
)
def test_what_the_server_refuses_is_the_failure(reply: tuple[str, list[Any]], error: type[TvError], text: str) -> None:
    protocol = loaded()
    say(protocol, reply)
    protocol.lost(1000, "bye")
    with pytest.raises(error, match=text):
        raise protocol.failure or AssertionError("no failure")


def test_a_lost_connection_is_a_failure_and_a_repr_says_what_it_is() -> None:
    protocol = replay()
    assert repr(protocol) == f"<BarReplayProtocol {BTC} 1 loading>"
    say(protocol, ("replay_point", ["rs", 600]), ("series_completed", ["cs", "s", "replay", "t", {}]))
    assert repr(protocol) == f"<BarReplayProtocol {BTC} 1 at 600.0>"
    say(protocol, ("replay_data_end", ["rs"]))
    assert repr(protocol) == f"<BarReplayProtocol {BTC} 1 ended>"
    protocol.lost(1006, "")
    assert repr(protocol) == f"<BarReplayProtocol {BTC} 1 failed>"
    assert isinstance(protocol.failure, RemoteProtocolError)
