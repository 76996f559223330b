"""What a client of a served tape is answered where its account may not see what was recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tvstreamer import Subscription, TvWSClient
from tvstreamer.errors import AuthError, InvalidPlan, SeriesError, TransportClosed, TransportTimeout
from tvstreamer.protocol import framing
from tvstreamer.server.account import most_recorded_bars
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.plans import Plan
from tvstreamer.studies import Study

BTC, APPLE = "BINANCE:BTCUSDT", "NASDAQ:AAPL"
RENKO = '={"symbol":{"symbol":"BINANCE:BTCUSDT"},"type":"BarSetRenko@tv-prostudies-40!","inputs":{}}'
RSI, SMA = Study("RSI").wire_name, Study("SMA").wire_name
Packets = list[dict[str, Any]]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bars of two intervals and a study of one symbol, quotes of two."""
    path = tmp_path_factory.mktemp("tapes") / "tape.jsonl"
    wanted = [Subscription(BTC, "1", studies=["RSI", "SMA"]), Subscription(BTC, "45S"), Subscription(APPLE)]
    with TvWSClient(wanted, source="fake:seed=7,speed=max", n_init_bars=20, record=path) as client:
        client.get_history(APPLE, "1", 30)
        for _ in range(20):
            client.poll(20)
    return path


class Client:
    """Raw commands to a server of the tape."""

    def __init__(self, tape: Path, **options: Any) -> None:
        self.server = FakeServer(tape=tape, speed="max", **options)
        self.transport = self.server.connect()
        self.packets()
        self.send("chart_create_session", "cs", "")
        self.send("quote_create_session", "qs")

    def send(self, method: str, *p: object) -> None:
        self.transport.send(framing.packet(json.dumps({"m": method, "p": p})))

    def packets(self, seconds: float = 1.0) -> Packets:
        def read() -> Iterator[dict[str, Any]]:
            while True:
                try:
                    message = self.transport.recv(seconds).text
                except (TransportTimeout, TransportClosed):
                    return
                yield from (json.loads(text) for text in framing.split(message) if not framing.heartbeat(text))

        return list(read())

    def series(self, resolution: str = "1", symbol: str = BTC, *, studies: tuple[str, ...] = ()) -> Packets:
        self.send("resolve_symbol", "cs", "sym", symbol)
        self.send("create_series", "cs", "s1", "t1", "sym", resolution, 20, "")
        for study in studies:
            self.send("create_study", "cs", study[:3], study[:3], "s1", study, {})
        return self.packets()

    @property
    def rejected(self) -> list[tuple[str, str]]:
        return [(entry.method, entry.detail) for entry in self.server.journal if entry.kind == "rejected"]


def methods(packets: Packets) -> list[str]:
    return [packet["m"] for packet in packets]


def only(packets: Packets, method: str) -> list[Any]:
    (packet,) = [packet for packet in packets if packet["m"] == method]
    p: list[Any] = packet["p"]
    return p


def test_what_the_account_may_see_is_played_as_it_was_recorded(tape: Path) -> None:
    client = Client(tape, plan="free")
    packets = client.series(studies=(RSI, SMA))
    assert {"symbol_resolved", "timescale_update", "series_completed", "study_completed"} <= set(methods(packets))
    client.send("remove_study", "cs", "RSI")
    client.send("chart_delete_session", "cs")
    assert not client.rejected
    assert repr(client.server._peers[0][0].inner._account) == "<Account free>"  # type: ignore[union-attr]


def test_an_interval_of_a_dearer_plan_is_refused(tape: Path) -> None:
    client = Client(tape, plan="free")
    packets = client.series("45S")
    assert methods(packets) == ["series_loading", "series_error", "symbol_resolved"]
    assert only(packets, "series_error") == ["cs", "s1", "t1", "seconds_not_entitled", "undefined"]
    assert client.rejected == [("create_series", "seconds_not_entitled")]


@pytest.mark.parametrize(("resolution", "reason"), [("1", "study_not_auth:BarSetRenko@tv-prostudies-40!"), ("1D", "resolve error")])
def test_bricks_within_a_day_are_refused(tape: Path, resolution: str, reason: str) -> None:
    packets = Client(tape, plan="free").series(resolution, RENKO)
    assert only(packets, "series_error")[3] == reason


def test_nonsense_is_left_to_the_tape(tape: Path) -> None:
    client = Client(tape, plan="free")
    assert only(client.series("XX"), "series_error")[3] == "resolve error"
    assert "is not on the tape" in client.rejected[0][1]


@pytest.mark.parametrize(
    ("options", "reasons", "status"),
    [
        ({"forbidden": ["binance:*"]}, ["permission denied", "group", "binance_paid"], "permission_denied"),
        ({"forbidden": ["binance:btcusdt"]}, ["permission denied", "symbol", BTC], "permission_denied"),
        ({"unknown": [BTC]}, ["invalid symbol"], "error"),
    ],
)
def test_a_symbol_that_may_not_be_seen_is_no_symbol(tape: Path, options: dict[str, Any], reasons: list[str], status: str) -> None:
    client = Client(tape, **options)
    packets = client.series()
    assert methods(packets) == ["symbol_error", "series_loading", "series_error"]
    assert only(packets, "symbol_error") == ["cs", "sym", *reasons]
    assert only(packets, "series_error")[3] == "resolve error"
    client.send("quote_add_symbols", "qs", BTC)
    assert only(client.packets(), "qsd")[1]["s"] == status
    client.send("quote_add_symbols", "qs", BTC, APPLE)
    told = [packet["p"][1] for packet in client.packets() if packet["m"] == "qsd"]
    assert {(each["n"], each["s"]) for each in told} == {(BTC, status), (APPLE, "ok")}


def test_a_study_too_many_is_refused(tape: Path) -> None:
    client = Client(tape, plan=Plan(studies=1))
    packets = client.series(studies=(RSI, SMA))
    assert only(packets, "study_completed")[1] == "RSI"
    refused = only(packets, "study_error")
    assert refused[:3] == ["cs", SMA[:3], f"t1_{SMA[:3]}"]
    assert refused[3].startswith("The maximum number of studies per chart has been reached")
    client.send("create_study", "cs", "XYZ", "XYZ", "gone", SMA, {})
    assert only(client.packets(), "study_error")[2] == "XYZ"


def test_a_chart_session_too_many_is_refused(tape: Path) -> None:
    client = Client(tape, plan=Plan(chart_sessions=1))
    client.send("chart_create_session", "cs2", "")
    assert only(client.packets(), "critical_error") == ["cs2", "max sessions rate reached", "chart_create_session"]


def test_a_connection_too_many_is_sent_away(tape: Path) -> None:
    with FakeServer(tape=tape, speed="max", plan=Plan(connections=1)) as server:
        first, second = (TvWSClient([(BTC, "1")], source=server.connect, clock=server.clock) for _ in range(2))
        with first, pytest.raises(AuthError, match="user connections limit reached"), second:
            for _ in range(20):
                first.poll(20)
                second.poll(20)


@pytest.mark.parametrize(("options", "well"), [({}, True), ({"tokens": ["mine"]}, False), ({"tokens": ["other"]}, True)])
def test_with_tokens_only_those_are_known(tape: Path, options: dict[str, Any], well: bool) -> None:
    client = Client(tape, **options)
    client.send("set_auth_token", "other")
    assert methods(client.packets()) == ([] if well else ["protocol_error"])
    assert client.rejected == ([] if well else [("protocol_error", "bad auth token")])


def test_a_recorded_answer_that_is_too_long_for_the_plan_is_refused_at_once(tape: Path) -> None:
    assert most_recorded_bars(tape, 1)[0] == 30
    FakeServer(tape=tape, plan=Plan(bars=30)).close()
    with pytest.raises(InvalidPlan, match=r"plan mine: .*tape.jsonl has an answer of 30 bars of NASDAQ:AAPL 1: expected a plan of as many"):
        FakeServer(tape=tape, plan=Plan("mine", bars=29))


@pytest.mark.parametrize("options", [{"most_bars": 5}, {"reply_delay": 0.5}, {"errors": {"create_series": "no"}}])
def test_what_a_tape_cannot_follow_is_refused_at_once(tape: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidPlan, match="expected none with a tape"):
        FakeServer(tape=tape, **options)


def test_a_tape_has_no_bar_replay_and_says_so(tape: Path) -> None:
    client = Client(tape)
    client.send("replay_create_session", "rs")
    client.send("replay_add_series", "rs", "add", BTC, "1")
    client.send("replay_reset", "rs", "reset", 5)
    client.send("replay_step", "rs", "step", 1)
    client.send("replay_delete_session", "rs")
    said = client.packets()
    assert [packet["p"] for packet in said] == [["rs", request, "a served tape has no bar replay", ""] for request in ("add", "reset", "step")]
    assert methods(said) == ["replay_error"] * 3
    assert "one that is a market has" in client.rejected[0][1]
    packets = client.series(symbol=f'={{"symbol":{{"replay":"rs","symbol":"{BTC}"}}}}')
    assert methods(packets) == ["symbol_error", "series_loading", "series_error"], "and no live bars in its place"


def test_our_client_is_told_that_a_tape_has_no_bar_replay(tape: Path) -> None:
    with FakeServer(tape=tape, speed="max") as server:
        client = TvWSClient(source=server.connect, clock=server.clock)
        with pytest.raises(SeriesError, match="bar replay: a served tape has no bar replay"), client.bar_replay(BTC, "1", 5.0):
            pass
