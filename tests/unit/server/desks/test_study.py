"""What a client that asks for studies is answered, message by message."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from raw_client import START, Packets, RawClient

from tvstreamer.constants import NO_VALUE
from tvstreamer.server.market import Market

BTC = "BINANCE:BTCUSDT"
SMA = "MASimple@tv-basicstudies-241"


class Client(RawClient):
    def said(self, seconds: float = 0.13) -> list[Packets]:
        """What comes while that time passes, by message."""
        self.now += seconds
        self.connection.handle_deadline(self.now)
        return self.messages()

    def series(self, count: int = 5, symbol: str = BTC, name: str = "s1") -> None:
        self.send("chart_create_session", "cs", "")
        self.send("resolve_symbol", "cs", "sym", symbol)
        self.send("create_series", "cs", name, "t1", "sym", "1", count, "")

    def study(self, kind: str = SMA, name: str = "st1", parent: str = "s1", **inputs: object) -> None:
        self.send("create_study", "cs", name, "u1", parent, kind, inputs)


def methods(messages: list[Packets]) -> list[list[str]]:
    return [[packet["m"] for packet in message] for message in messages]


def rows(messages: list[Packets], name: str) -> list[dict[str, Any]]:
    """Bars of a series or points of a study, as they came."""
    objects = [packet["p"][1][name] for message in messages for packet in message if packet["m"] in ("du", "timescale_update") and name in packet["p"][1]]
    return [row for data in objects for row in data.get("s", data.get("st"))]


def errors(messages: list[Packets]) -> list[list[Any]]:
    return [packet["p"] for message in messages for packet in message if packet["m"] == "study_error"]


def test_a_study_comes_in_a_message_behind_its_series() -> None:
    client = Client()
    client.series()
    client.study()
    assert methods(client.said()) == [
        ["series_loading", "study_loading", "symbol_resolved", "timescale_update", "series_completed"],
        ["du", "study_completed"],
    ]


def test_packets_have_the_wires_shape() -> None:
    client = Client()
    client.series()
    client.study(in_0=2)
    first, (update, completed) = client.said()
    assert first[1] == {"m": "study_loading", "p": ["cs", "st1", "t1_u1"], "t": first[1]["t"], "t_ms": first[1]["t_ms"]}
    assert list(completed) == ["m", "p", "t", "t_ms"]
    assert completed["p"] == ["cs", "st1", "t1_u1"]
    assert list(update) == ["m", "p"]
    data = update["p"][1]["st1"]
    assert list(data) == ["node", "st", "ns", "t"]
    assert (data["ns"], data["t"]) == ({"d": "", "indexes": []}, "t1_u1")


def test_points_before_the_first_bar_have_indexes_of_their_own() -> None:
    client = Client()
    client.series()
    client.study(in_0=3)
    messages = client.said()
    points, bars = rows(messages, "st1"), rows(messages, "s1")
    assert [point["i"] for point in points] == [*range(-1_000_100, -1_000_000), *range(5)]
    assert [point["v"][0] for point in points[-5:]] == [bar["v"][0] for bar in bars]
    # Each bar has a value, as there are bars before the first one: its own and these make the average.
    before = client.market.history(BTC, "1", until=bars[0]["v"][0] - 1, count=102)
    assert [bar.time for bar in before[2:]] == [point["v"][0] for point in points[:100]]
    closes = [bar.close for bar in before] + [bar["v"][4] for bar in bars]
    assert [point["v"][1] for point in points] == pytest.approx([statistics.fmean(closes[i : i + 3]) for i in range(105)])


def test_where_data_begins_there_is_no_value_yet() -> None:
    market = Market(1)
    market.set_bars("TEST:ONE", "1", [[START - 240 + 60 * i, c, c, c, c, 1.0] for i, c in enumerate((1.0, 2.0, 3.0))])
    client = Client(market)
    client.series(300, "TEST:ONE")
    client.study(in_0=2)
    assert [(point["i"], point["v"][1]) for point in rows(client.said(), "st1")] == [(0, NO_VALUE), (1, 1.5), (2, 2.5)]


def test_values_go_on_with_the_bars_behind_them_in_the_same_message() -> None:
    client = Client()
    client.series(3)
    client.study(in_0=2)
    client.study("Volume@tv-basicstudies-246", "st2", length=1)
    closes = {row["i"]: row["v"][4] for row in rows(client.said(), "s1")}
    news = client.said(200)
    assert {tuple(each) for each in methods(news)} == {("du", "du"), ("timescale_update", "du")}
    for message in news:
        ((bar,), (average,), (volume,)) = (rows([message], name) for name in ("s1", "st1", "st2"))
        assert bar["i"] == average["i"] == volume["i"]
        closes[bar["i"]] = bar["v"][4]
        assert average["v"] == [bar["v"][0], pytest.approx((closes[bar["i"]] + closes[bar["i"] - 1]) / 2)]
        assert volume["v"][1] == bar["v"][5]
        data = message[1]["p"][1]["st1"]
        assert list(data) == ["st", "ns", "t"]
        assert data["ns"]["indexes"] == "nochange"
    assert len(closes) >= 5


def test_older_bars_bring_all_values_anew() -> None:
    client = Client()
    client.series(3)
    client.study(in_0=2)
    first = rows(client.said(), "st1")
    client.send("request_more_data", "cs", "s1", 4)
    messages = client.said()
    assert methods(messages)[-2:] == [["series_loading", "study_loading", "timescale_update", "series_completed"], ["du", "study_completed"]]
    points = rows(messages[-1:], "st1")
    assert [point["i"] for point in points[100:]] == [-4, -3, -2, -1, 0, 1, 2]
    assert [point["v"] for point in points[96:100]] == [point["v"] for point in first[92:96]]


def test_older_bars_say_which_points_before_the_first_bar_are_theirs_now() -> None:
    client = Client()
    client.series(3)
    client.said()
    client.send("request_more_data", "cs", "s1", 1)
    assert index_diff(client.said()) == [], "there is no study whose points would move"
    client.study(in_0=2)
    first = {point["i"]: point["v"] for point in rows(client.said(), "st1")}
    client.send("request_more_data", "cs", "s1", 4)
    messages = client.said()
    diff = index_diff(messages)
    assert len(diff) == 100
    assert diff[:6] == [[-1000001, -2], [-1000002, -3], [-1000003, -4], [-1000004, -5], [-1000005, -1000001], [-1000006, -1000002]]
    later = {point["i"]: point["v"] for point in rows(messages[-1:], "st1")}
    assert all(later[new] == first[before] for before, new in diff if new in later)
    client.send("modify_series", "cs", "s1", "t2", "sym", "1", "r,0:5000000000")
    assert index_diff(client.said())[0] == [-1000001, -6]


def index_diff(messages: list[list[dict[str, Any]]]) -> list[list[int]]:
    """That of the first page of bars."""
    return next(packet["p"][2]["index_diff"] for message in messages for packet in message if packet["m"] == "timescale_update")


def test_a_change_of_the_series_computes_its_studies_anew() -> None:
    client = Client()
    client.series(3)
    client.study(in_0=2)
    client.said()
    client.send("modify_series", "cs", "s1", "t2", "sym", "5", "")
    messages = client.said()
    assert methods(messages)[-2:] == [
        ["series_loading", "timescale_update", "study_loading", "timescale_update", "series_completed"],
        ["du", "study_completed"],
    ]
    assert messages[-2][2]["p"] == messages[-1][1]["p"] == ["cs", "st1", "t2_u1"]
    times = [point["v"][0] for point in rows(messages[-1:], "st1")]
    assert times[1] - times[0] == 300


def test_a_series_that_cannot_be_shown_any_more_has_no_studies_either() -> None:
    client = Client()
    client.series(3)
    client.study()
    client.said()
    client.send("resolve_symbol", "cs", "bad", "XXXX:NOPE")
    client.send("modify_series", "cs", "s1", "t2", "bad", "5", "")
    assert errors(client.said()) == [["cs", "st1", "t2_u1", "check study unexpected error", "fake-charts-1-study-1"]]
    assert repr(client.connection._studies) == "<StudyDesk of 0 studies>"


def test_other_inputs_begin_anew() -> None:
    client = Client()
    client.series(3)
    client.study(in_0=2)
    client.said()
    client.send("modify_study", "cs", "st1", "u2", {"in_0": 1})
    messages = client.said()
    assert methods(messages)[-2:] == [["study_loading"], ["du", "study_completed"]]
    assert messages[-1][1]["p"] == ["cs", "st1", "t1_u2"]
    ((last, (bar,)), *_) = [(rows([each], "st1")[-1], rows([each], "s1")) for each in client.said(60) if rows([each], "s1")]
    assert last["v"][1] == bar["v"][4]


def test_what_is_removed_is_not_told_any_more() -> None:
    client = Client()
    client.series(3)
    client.study()
    client.study(name="st2")
    client.said()
    client.send("remove_study", "cs", "st1")
    assert next(message for message in client.said() if message[0]["m"] == "study_deleted")[0]["p"] == ["cs", "st1", "t1_u1"]
    news = client.said(20)
    assert rows(news, "st2") and not rows(news, "st1")
    client.send("remove_series", "cs", "s1")
    client.said()
    assert not client.connection.active
    assert errors(client.said(20)) == []


def test_a_client_that_is_gone_has_no_studies() -> None:
    client = Client()
    client.series(3)
    client.study()
    client.said()
    client.connection.disconnected(client.now, 1006)
    assert repr(client.connection._studies) == "<StudyDesk of 0 studies>"


@pytest.mark.parametrize(
    ("kind", "parent", "inputs", "reason", "noted"),
    [
        ("ADX@tv-basicstudies-241", "s1", {}, "check study unexpected error", "'ADX@tv-basicstudies-241': expected one of"),
        (SMA, "s1", {"in_0": 0}, "check study unexpected error", "length 0: expected a whole number"),
        (SMA, "s9", {}, "check study unexpected error", "'s9': expected a series that has bars"),
        ("Script@tv-scripting-101!", "s1", {"text": "x"}, "study_not_auth:Script@tv-scripting-101!", "'Script@tv-scripting-101!'"),
        ("StrategyScript@tv-scripting-101!", "s1", {}, "study_not_auth:StrategyScript@tv-scripting-101!", "'StrategyScript"),
    ],
)
def test_what_cannot_be_computed_is_an_error_of_the_study_alone(
    kind: str, parent: str, inputs: dict[str, Any], reason: str, noted: str
) -> None:
    client = Client()
    client.series(3)
    client.study(kind, parent=parent, **inputs)
    messages = client.said()
    turnaround = "t1_u1" if parent == "s1" else "u1"
    assert methods(messages)[1] == ["study_error"]
    assert errors(messages) == [["cs", "st1", turnaround, reason, "fake-charts-1-study-1"]]
    ((rejected, method, detail),) = client.journal
    assert (rejected, method) == ("rejected", "create_study")
    assert noted in detail
    assert rows(client.said(20), "s1")


def test_a_chart_has_no_more_studies_than_the_manners_allow() -> None:
    client = Client(most_studies=1)
    client.series(3)
    client.study()
    client.study(name="st2")
    client.study(in_0=2)
    assert errors(client.said()) == [
        ["cs", "st2", "t1_u1", "The maximum number of studies per chart has been reached for current subscription", "fake-charts-1-study-1"]
    ]
    client.send("remove_study", "cs", "st1")
    client.study(name="st3")
    assert errors(client.said()) == []


def test_inputs_that_a_study_does_not_take_end_it() -> None:
    client = Client()
    client.series(3)
    client.study()
    client.said()
    client.send("modify_study", "cs", "st1", "u2", {"in_0": "x"})
    assert len(errors(client.said())) == 1
    assert not rows(client.said(20), "st1")


def test_studies_that_nobody_created_are_noted() -> None:
    client = Client()
    client.series(3)
    client.send("modify_study", "cs", "st1", "u2", {})
    client.send("remove_study", "cs", "st1")
    assert errors(client.said()) == []
    assert client.journal == [("ignored", "modify_study", "no study st1"), ("ignored", "remove_study", "no study st1")]


def test_a_study_of_a_late_feed_has_the_bars_right_before_the_series_too() -> None:
    client = Client()
    client.series(symbol="EXAMPLE:DELAYED", count=3)
    client.study(length=2)
    times = [row["v"][0] for row in rows(client.said(), "st1")]
    bars = client.market.history("EXAMPLE:DELAYED", "1", until=START, count=20, at=START)
    assert times[-20:] == [bar.time for bar in bars]
