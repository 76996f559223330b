"""What a client that replays bars is answered, message by message."""

from __future__ import annotations

from typing import Any

import pytest
from raw_client import START, Packets, RawClient

from tvstreamer.intervals import Interval

BTC = "BINANCE:BTCUSDT"
NOW = START + 7 * 86_400
DAY_AGO = int(NOW) - 86_400
REPLAYED = f'={{"replay":"rs","symbol":{{"symbol":"{BTC}","adjustment":"splits"}}}}'


class Client(RawClient):
    def __init__(self) -> None:
        super().__init__(now=NOW)

    def replay(self, resolution: str = "1", at: float = DAY_AGO) -> None:
        self.send("replay_create_session", "rs")
        self.send("replay_add_series", "rs", "add", f'={{"symbol":"{BTC}","adjustment":"splits"}}', resolution)
        self.send("replay_reset", "rs", "reset", at)

    def chart(self, resolution: str = "1", count: int = 5, wire: str = REPLAYED) -> None:
        self.send("chart_create_session", "cs", "")
        self.send("resolve_symbol", "cs", "sym", wire)
        self.send("create_series", "cs", "s1", "t1", "sym", resolution, count, "")

    @property
    def rejected(self) -> list[tuple[str, str]]:
        return [(method, detail) for kind, method, detail in self.journal if kind == "rejected"]


def methods(packets: Packets) -> list[str]:
    return [packet["m"] for packet in packets]


def bars(packets: Packets) -> list[list[float]]:
    return [
        row["v"]
        for packet in packets
        if packet["m"] in ("timescale_update", "du")
        for data in packet["p"][1].values()
        for row in data["s"]
    ]


def only(packets: Packets, method: str) -> list[list[Any]]:
    return [packet["p"] for packet in packets if packet["m"] == method]


def test_a_replay_begins_with_the_bars_up_to_its_moment() -> None:
    client = Client()
    client.replay()
    client.chart()
    said = client.wait()
    assert methods(said) == [
        "replay_ok", "replay_instance_id", "replay_ok", "replay_point", "replay_resolutions",
        "series_loading", "symbol_resolved", "timescale_update", "series_completed",
    ]  # fmt: skip
    assert only(said, "replay_ok") == [["rs", "add"], ["rs", "reset"]]
    assert only(said, "replay_resolutions") == [["rs", "1", "1S"]]
    shown = bars(said)
    assert shown == [
        [row.time, row.open, row.high, row.low, row.close, row.volume]
        for row in client.market.history(BTC, Interval.parse("1"), until=DAY_AGO, count=5, at=NOW)
    ]
    assert only(said, "replay_point") == [["rs", shown[-1][0]]]
    assert only(said, "series_completed")[0][2] == "replay"


def test_time_goes_on_only_with_steps() -> None:
    client = Client()
    client.replay()
    client.chart()
    client.wait()
    assert client.wait(300.0) == []
    client.send("replay_step", "rs", "step", 1)
    said = client.wait()
    assert methods(said) == ["replay_ok", "replay_point", "timescale_update"]
    (bar,) = bars(said)
    assert only(said, "replay_point") == [["rs", bar[0]]]
    client.send("replay_step", "rs", "step", 3)
    assert [row[0] for row in bars(client.wait())] == [bar[0] + 60 * number for number in (1, 2, 3)]


def test_older_bars_of_a_replay_can_be_asked_for() -> None:
    client = Client()
    client.replay()
    client.chart(count=3)
    first = bars(client.wait())[0][0]
    client.send("request_more_data", "cs", "s1", 2)
    assert [row[0] for row in bars(client.wait())] == [first - 120, first - 60]


def test_a_longer_bar_is_made_of_the_steps_so_far() -> None:
    client = Client()
    hour = DAY_AGO - DAY_AGO % 3600
    client.replay("15", hour)
    client.chart("60")
    (*_, forming) = bars(client.wait())
    steps = client.market.history(BTC, Interval.parse("15"), until=hour + 2699, count=3, at=NOW)
    assert forming[:5] == [hour, steps[0].open, steps[0].high, steps[0].low, steps[0].close]
    for count in (2, 3):
        client.send("replay_step", "rs", "step", 1)
        said = client.wait()
        assert "du" in methods(said)
        high, low = max(row.high for row in steps[:count]), min(row.low for row in steps[:count])
        assert bars(said)[0][:5] == [hour, steps[0].open, high, low, steps[count - 1].close]
    client.send("replay_step", "rs", "step", 2)
    whole, next_one = bars(client.wait())
    (real,) = client.market.history(BTC, Interval.parse("60"), until=hour, count=1, at=NOW)
    assert whole == [hour, real.open, real.high, real.low, real.close, real.volume]
    assert next_one[0] == hour + 3600


def test_shorter_bars_follow_a_longer_step() -> None:
    client = Client()
    client.replay("60")
    client.chart("15", count=4)
    before = bars(client.wait())[-1][0]
    client.send("replay_step", "rs", "step", 1)
    assert [row[0] for row in bars(client.wait())] == [before + 900 * number for number in (1, 2, 3, 4)]


def test_steps_are_those_of_the_shortest_series() -> None:
    client = Client()
    client.replay("60")
    client.send("replay_add_series", "rs", "more", BTC, "5")
    client.send("replay_reset", "rs", "again", DAY_AGO)
    assert only(client.wait(), "replay_resolutions")[-1][1] == "5"
    client.send("replay_remove_series", "rs", "less", BTC, "5")
    client.send("replay_reset", "rs", "again", DAY_AGO)
    assert only(client.wait(), "replay_resolutions")[-1][1] == "60"


def test_a_replay_steps_by_itself_until_it_is_stopped() -> None:
    client = Client()
    client.replay()
    client.chart()
    client.wait()
    client.send("replay_start", "rs", "go", "500")
    assert methods(client.wait(0.2)) == ["replay_ok"]
    assert methods(client.wait(0.4)) == ["replay_point", "timescale_update"]
    assert len(bars(client.wait(1.0))) == 2
    client.send("replay_stop", "rs", "halt")
    assert methods(client.wait(5.0)) == ["replay_ok"]


def test_where_the_market_is_now_a_replay_ends() -> None:
    client = Client()
    client.replay(at=int(NOW) - 150)
    client.chart()
    client.wait()
    client.send("replay_step", "rs", "step", 10)
    said = client.wait()
    assert methods(said)[-1] == "replay_data_end"
    assert bars(said)[-1][0] + 60 <= NOW
    client.send("replay_start", "rs", "go", 0)
    assert methods(client.wait(0.5)) == ["replay_ok", "replay_data_end"]
    client.send("replay_step", "rs", "step", 1)
    assert methods(client.wait()) == ["replay_ok", "replay_data_end"]


def test_another_moment_begins_the_charts_anew() -> None:
    client = Client()
    client.replay()
    client.chart()
    client.wait()
    client.send("replay_reset", "rs", "reset", DAY_AGO - 3600)
    said = client.wait()
    assert bars(said)[-1][0] == DAY_AGO - DAY_AGO % 60 - 3600
    assert methods(said)[-4:] == ["series_loading", "timescale_update", "timescale_update", "series_completed"]
    client.send("replay_step", "rs", "step", 1)
    assert [row[0] for row in bars(client.wait())] == [DAY_AGO - DAY_AGO % 60 - 3540]


def test_before_the_first_bar_a_replay_begins_at_the_first() -> None:
    client = Client()
    client.replay("1D", at=0)
    (point,) = only(client.wait(), "replay_point")
    assert point[1] > 0


def test_a_study_and_a_chart_type_go_along() -> None:
    client = Client()
    client.replay()
    kind = '"type":"BarSetHeikenAshi@tv-basicstudies-60!","inputs":{}'
    client.chart(wire=f"{REPLAYED[:-1]},{kind}}}")
    client.send("create_study", "cs", "st", "u", "s1", "MASimple@tv-basicstudies-241", {})
    client.wait()
    client.send("replay_step", "rs", "step", 1)
    assert methods(client.wait()) == ["replay_ok", "replay_point", "timescale_update", "du"]


@pytest.mark.parametrize(
    ("commands", "answer", "method"),
    [
        ([("replay_step", "rs", "x", 1)], ["critical_error", ["rs", "no_point_or_series", {"command": "step", "args": {"length": 1}}]], "replay_step"),
        ([("replay_start", "rs", "x", 9)], ["critical_error", ["rs", "no_point_or_series", {"command": "start", "args": {"delay": 9}}]], "replay_start"),
        ([("replay_start", "rs", "x", "soon")], ["critical_error", ["rs", "invalid_parameters", "replay_start"]], "replay_start"),
        ([("replay_reset", "rs", "x", 5)], ["critical_error", ["rs", "no_point_or_series", {"command": "reset", "args": {"time": 5}}]], "replay_reset"),
        ([("replay_set_resolution", "rs", "x", "5")], ["critical_error", ["rs", "no_point_or_series", {"command": "set_resolution", "args": {"resolution": "5"}}]], "replay_set_resolution"),
        ([("replay_set_resolution", "rs", "x", "XX")], ["replay_error", ["rs", "x", "unsupported resolution: XX", ""]], "replay_set_resolution"),
        ([("replay_add_series", "rs", "x", "XXXX:NOPE", "1")], ["replay_error", ["rs", "x", "invalid symbol: 'XXXX:NOPE'", ""]], "replay_add_series"),
        ([("replay_add_series", "rs", "x", BTC, "XX")], ["replay_error", ["rs", "x", "unsupported resolution: XX", ""]], "replay_add_series"),
        ([("replay_add_series", "rs", "x", BTC, "1"), ("replay_step", "rs", "y", 1)], ["critical_error", ["rs", "no_point_or_series", {"command": "step", "args": {"length": 1}}]], "replay_step"),
        ([("replay_add_series", "rs", "x", BTC, "10R")], ["replay_error", ["rs", "x", "unsupported resolution: 10R", ""]], "replay_add_series"),
        ([("replay_add_series", "rs", "x", BTC, "1"), ("replay_set_resolution", "rs", "y", "10R")], ["replay_error", ["rs", "y", "unsupported resolution: 10R", ""]], "replay_set_resolution"),
    ],
)  # fmt: skip
def test_what_a_replay_cannot_do_is_refused(commands: list[tuple[Any, ...]], answer: list[Any], method: str) -> None:
    client = Client()
    client.send("replay_create_session", "rs")
    for command in commands:
        client.send(*command)
    last = [packet for packet in client.wait() if packet["m"] != "replay_ok"][-1]
    assert [last["m"], last["p"]] == answer
    assert client.rejected[-1][0] == method


def test_what_a_series_is_without_does_not_end_the_connection() -> None:
    client = Client()
    client.replay()
    client.chart()
    client.send("replay_start", "rs", "start", 500)
    client.wait()
    client.send("replay_remove_series", "rs", "gone", f'={{"symbol":"{BTC}","adjustment":"splits"}}', "1")
    client.wait()
    assert client.wait(5.0) == [], "nothing goes on by itself without a series"
    client.send("create_series", "cs", "s2", "t1", "sym", "5", 3, "")
    assert methods(client.wait())[-1] == "series_completed", "what is shown stays"
    client.send("replay_reset", "rs", "again", DAY_AGO)
    assert methods(client.wait()) == ["critical_error"]


def test_a_shorter_series_that_comes_later_goes_on_where_the_longer_one_is() -> None:
    client = Client()
    client.replay("60")
    client.chart("60")
    shown = bars(client.wait())[-1][0]
    client.send("replay_add_series", "rs", "add", BTC, "1")
    client.send("replay_step", "rs", "step", 1)
    assert only(client.wait(), "replay_point") == [["rs", shown + 3600]]


def test_a_longer_resolution_shows_nothing_of_what_is_to_come() -> None:
    client = Client()
    hour = DAY_AGO - DAY_AGO % 3600
    client.replay("1", hour + 60)
    client.chart("60", count=1)
    (before,) = bars(client.wait())
    client.send("replay_set_resolution", "rs", "to", "60")
    assert methods(client.wait()) == ["replay_ok"]
    client.send("create_series", "cs", "s2", "t1", "sym", "60", 1, "")
    assert bars(client.wait()) == [before]
    client.send("replay_step", "rs", "step", 1)
    assert only(client.wait(), "replay_point") == [["rs", hour + 3600]]


def test_two_moments_in_one_burst_leave_the_bars_of_the_second() -> None:
    client = Client()
    client.replay()
    client.chart(count=3)
    client.wait()
    client.send("replay_step", "rs", "step", 2)
    client.send("replay_reset", "rs", "a", DAY_AGO - 600)
    client.send("replay_reset", "rs", "b", DAY_AGO - 1200)
    shown: dict[int, float] = {}
    for packet in client.wait():
        if packet["m"] in ("timescale_update", "du"):
            rows = packet["p"][1]["s1"]["s"]
            shown = {**shown, **{row["i"]: row["v"][0] for row in rows}} if rows else {}
    assert list(shown.values()) == [DAY_AGO - 1200 - 60 * back for back in (2, 1, 0)]


def test_another_resolution_makes_other_steps() -> None:
    client = Client()
    client.replay()
    client.chart()
    client.wait()
    client.send("replay_set_resolution", "rs", "x", "15")
    client.send("replay_step", "rs", "step", 1)
    (point,) = only(client.wait(), "replay_point")
    assert point[1] % 900 == 0


@pytest.mark.parametrize("begun", [False, True])
def test_a_chart_of_no_replay_says_that_there_was_none_in_time(begun: bool) -> None:
    client = Client()
    if begun:
        client.send("replay_create_session", "rs")
    client.chart()
    said = client.wait()
    assert only(said, "series_error")[0][3] == "Upstream error, errmsg: session rs was not created in time"


def test_a_deleted_replay_moves_no_chart_any_more() -> None:
    client = Client()
    client.replay()
    client.chart()
    client.wait()
    client.send("replay_start", "rs", "go", 100)
    client.send("replay_delete_session", "rs")
    assert client.wait(5.0)[1:] == []
    client.send("replay_step", "rs", "step", 1)
    assert only(client.wait(), "critical_error") == [["rs", "invalid_session", "replay_step"]]
    client.connection.disconnected(client.now, 1000)
