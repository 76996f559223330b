"""What a client is answered about charts: sessions, symbols, and each way to ask for bars."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from raw_client import START, Packets, RawClient

from tvstreamer.intervals import Interval
from tvstreamer.protocol import framing
from tvstreamer.server.market import Market
from tvstreamer.server.market.bar_market import BarMarket
from tvstreamer.server.plans import PLANS, Plan

BTC = "BINANCE:BTCUSDT"
APPLE = "NASDAQ:AAPL"
INDEX = "TVC:DXY"
DAY = 86_400
HEIKIN_ASHI = '={"symbol":{"symbol":"BINANCE:BTCUSDT"},"type":"BarSetHeikenAshi@tv-basicstudies-60!","inputs":{}}'
RENKO = (
    '={"symbol":{"symbol":"BINANCE:BTCUSDT"},"type":"BarSetRenko@tv-prostudies-40!",'
    '"inputs":{"style":"Traditional","boxSize":20}}'
)
KAGI = '={"symbol":{"symbol":"BINANCE:BTCUSDT"},"type":"BarSetKagi@tv-prostudies-34!","inputs":{}}'


class Client(RawClient):
    """With a chart session."""

    def __init__(self, market: Market | None = None, **manners: Any) -> None:
        super().__init__(market, **manners)
        self.send("chart_create_session", "cs", "")

    def ask(self, method: str, *p: object) -> Packets:
        """The answer without what the market goes on to say meanwhile."""
        self.send(method, *p)
        return [packet for packet in self.wait() if packet["m"] != "du" and not is_live(packet)]

    def series(
        self, resolution: str = "1", symbol: str = BTC, count: object = 5, frame: str = "", *, name: str = "s1"
    ) -> Packets:
        self.send("resolve_symbol", "cs", f"sym_{name}", symbol)
        return self.ask("create_series", "cs", name, "t1", f"sym_{name}", resolution, count, frame)


def is_live(packet: dict[str, Any]) -> bool:
    objects = packet["p"][1] if packet["m"] == "timescale_update" else {}
    return any(data["ns"]["indexes"] == "nochange" for data in objects.values())


def methods(packets: Packets) -> list[str]:
    return [packet["m"] for packet in packets]


def only(packets: Packets, method: str) -> dict[str, Any]:
    (packet,) = [packet for packet in packets if packet["m"] == method]
    return packet


def rows(packets: Packets, name: str = "s1") -> list[tuple[int, list[float]]]:
    return [
        (row["i"], row["v"])
        for packet in packets
        if packet["m"] in ("du", "timescale_update")
        for row in packet["p"][1].get(name, {"s": []})["s"]
    ]


def times(packets: Packets) -> list[float]:
    return [values[0] for _, values in rows(packets)]


def details(packets: Packets) -> dict[str, Any]:
    found: dict[str, Any] = only(packets, "series_completed")["p"][4]
    return found


def iso(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]  # mypy knows no star here


# --- shapes -------------------------------------------------------------------------------------------------------------


def test_answers_have_the_keys_of_the_wire_in_its_order() -> None:
    client = Client()
    client.send("resolve_symbol", "cs", "sym", BTC)
    client.send("create_series", "cs", "s1", "t1", "sym", "1", 2, "")
    client.connection.handle_deadline(client.now + 0.13)
    (message,) = client.connection.messages_to_send()
    loading, resolved, update, completed = framing.split(message)
    t = f'"t":{int(START)},"t_ms":{round(START * 1000 + 130)}'
    assert loading == f'{{"m":"series_loading","p":["cs","s1","t1"],{t}}}'
    assert resolved.startswith('{"m":"symbol_resolved","p":["cs","sym",{"source2":{')
    assert completed == f'{{"m":"series_completed","p":["cs","s1","streaming","t1",{{"rt_update_period":0}}],{t}}}'
    packet = json.loads(update)
    assert list(packet) == ["m", "p", "t", "t_ms"]
    data, scale = packet["p"][1]["s1"], packet["p"][2]
    assert list(data) == ["node", "s", "ns", "t", "lbs"]
    assert list(scale) == ["index", "zoffset", "changes", "marks", "index_diff"]
    assert '"s":[{"i":0,"v":[' in update
    assert f"[{data['s'][0]['v'][0]:.1f}," in update
    assert scale["changes"] == [row["v"][0] for row in data["s"]]
    assert data["lbs"] == {"bar_close_time": int(data["s"][-1]["v"][0]) + 60}


def test_an_index_has_bars_of_five_elements() -> None:
    assert {len(values) for _, values in rows(Client().series(symbol=INDEX))} == {5}


@pytest.mark.parametrize(("one", "other"), [("60", "1H"), ("D", "1D"), ("W", "1W"), ("M", "1M"), ("240", "4H")])
def test_resolutions_have_aliases(one: str, other: str) -> None:
    assert rows(Client().series(one)) == rows(Client().series(other))


# --- how many bars ------------------------------------------------------------------------------------------------------


def test_bars_may_end_at_a_moment_and_then_stand_still() -> None:
    client = Client()
    moment = START - 10 * DAY
    answer = client.series("60", count=["bar_count", moment, 4])
    assert times(answer) == [moment - 3_600 * back for back in (3, 2, 1, 0)]
    assert rows(client.wait(120)) == []
    assert not client.connection.market.is_by_hand(BTC)


def test_bars_that_end_in_the_future_are_the_newest_and_go_on() -> None:
    client = Client()
    assert len(rows(client.series(count=["bar_count", START + DAY, 4]))) == 4
    assert rows(client.wait(120))


def test_bars_may_begin_behind_a_moment_and_be_stepped_on() -> None:
    client = Client()
    moment = START - 10 * DAY
    answer = client.series("60", count=["bar_count", moment, -2])
    assert rows(answer) == list(enumerate(values for _, values in rows(answer)))
    assert times(answer) == [moment + 3_600, moment + 7_200]
    answer = client.ask("request_more_data", "cs", "s1", -3)
    assert methods(answer) == ["series_loading", "timescale_update", "series_completed"]
    assert [index for index, _ in rows(answer)] == [2, 3, 4]
    assert times(answer) == [moment + 3_600 * number for number in (3, 4, 5)]
    older = client.ask("request_more_data", "cs", "s1", 2)
    assert [index for index, _ in rows(older)] == [-2, -1]
    assert times(older) == [moment - 3_600, moment]
    assert details(client.ask("request_more_data", "cs", "s1", -1_000)) == {"rt_update_period": 0, "data_completed": "end"}


def test_ticks_cannot_begin_behind_a_moment() -> None:
    error = only(Client().series("1T", count=["bar_count", START - DAY, -2]), "series_error")
    assert error["p"][3:] == [f"unsupported resolution: {BTC}, 1T", "undefined"]


@pytest.mark.parametrize("count", [["bar_count", START, 0], ["odd"], ["bar_count", "x", 5]])
def test_what_is_no_count_is_three_hundred(count: list[object]) -> None:
    assert len(rows(Client().series(count=count))) == 300


def test_an_answer_is_bounded_and_more_may_be_asked_for() -> None:
    client = Client(most_bars=10)
    answer = client.series(count=500_000)
    assert len(rows(answer)) == 10
    assert details(answer) == {"rt_update_period": 0}
    answer = client.ask("request_more_data", "cs", "s1", 500_000)
    assert [index for index, _ in rows(answer)] == list(range(-10, 0))
    assert only(answer, "timescale_update")["p"][2]["zoffset"] == 10
    assert details(answer) == {"rt_update_period": 0}


def test_the_beginning_of_the_data_is_told() -> None:
    client = Client()
    answer = client.series("12M", count=30)
    assert details(answer) == {"rt_update_period": 0}
    answer = client.ask("request_more_data", "cs", "s1", 30)
    assert details(answer) == {"rt_update_period": 0, "data_completed": "end"}
    assert times(answer)[0] == iso(1990, 1, 1)
    answer = client.ask("request_more_data", "cs", "s1", 30)
    assert methods(answer) == ["series_loading", "series_completed"]
    assert details(answer)["data_completed"] == "end"
    assert details(Client().series("12M", count=100))["data_completed"] == "end"


@pytest.mark.parametrize("count", [0, -5])
def test_no_more_bars_are_no_bars(count: int) -> None:
    client = Client()
    client.series()
    answer = client.ask("request_more_data", "cs", "s1", count)
    assert methods(answer) == ["series_loading", "series_completed"]
    assert client.journal[-1] == ("tolerated", "request_more_data", f"{count} bars of 's1'")


def test_a_symbol_without_bars_has_none_older() -> None:
    market = Market(1)
    market.tick("X:Y", 5.0, at=START - DAY)
    client = Client(market)
    assert len(rows(client.series(symbol="X:Y"))) == 1
    assert details(client.ask("request_more_data", "cs", "s1", 5))["data_completed"] == "end"


# --- frames -------------------------------------------------------------------------------------------------------------


def test_a_period_loads_all_of_it_and_tells_what_to_show() -> None:
    answer = Client().series("1D", APPLE, 300, "12M")
    assert methods(answer) == [
        "series_loading", "symbol_resolved", "series_timeframe", "timescale_update", "series_timeframe", "series_completed",
    ]  # fmt: skip
    last = len(rows(answer)) - 1
    assert last > 300
    first, second = [packet["p"] for packet in answer if packet["m"] == "series_timeframe"]
    assert first == ["cs", "s1", "t1", 0, last, "12M", False]
    assert second[:3] + second[4:] == ["cs", "s1", "t1", last, "12M", True]
    begin = datetime.fromtimestamp(START, UTC).replace(year=2024).timestamp()
    assert [time for time in times(answer) if time >= begin] == times(answer)[second[3] :]
    assert all("t" not in packet for packet in answer if packet["m"] == "series_timeframe")


def test_the_last_session_begins_with_its_day() -> None:
    answer = Client().series("1", APPLE, 10, "LASTSESSION")
    shown = [packet["p"] for packet in answer if packet["m"] == "series_timeframe"][-1]
    assert times(answer)[shown[3]] == START - 1_800
    assert shown[4] == len(rows(answer)) - 1


def test_a_range_is_loaded_and_shown() -> None:
    start, end = START - 3 * 3_600, START - 2 * 3_600
    answer = Client().series("1", BTC, 10, f"r,{start:.0f}:{end:.0f}")
    shown = [packet["p"] for packet in answer if packet["m"] == "series_timeframe"][-1]
    assert (times(answer)[shown[3]], times(answer)[shown[4]]) == (start, end)
    assert shown[5] == f"r,{start:.0f}:{end:.0f}"


def test_a_frame_that_is_none_is_tolerated() -> None:
    client = Client()
    assert "series_timeframe" not in methods(client.series(frame="soon"))
    assert ("tolerated", "create_series", "frame 'soon': expected r,FROM:TO or a period") in client.journal


# --- changes ------------------------------------------------------------------------------------------------------------


def test_another_symbol_clears_the_series_first() -> None:
    client = Client()
    client.series()
    client.ask("request_more_data", "cs", "s1", 3)
    client.send("resolve_symbol", "cs", "sym_s1", APPLE)
    answer = client.ask("modify_series", "cs", "s1", "t2", "sym_s1", "5", "")
    assert methods(answer) == [
        "series_loading", "timescale_update", "symbol_resolved", "timescale_update", "series_completed",
    ]  # fmt: skip
    clearing = answer[methods(answer).index("timescale_update")]["p"]
    assert clearing[1] == {"s1": {"s": [], "ns": {"d": "", "indexes": []}, "t": "t2"}}
    assert clearing[2] == {"index": 0, "zoffset": 0, "changes": [], "marks": [], "index_diff": []}
    assert [index for index, _ in rows(answer)] == [0, 1, 2, 3, 4]


def test_a_change_in_the_same_burst_comes_after_what_was_asked_for_before() -> None:
    client = Client()
    client.send("resolve_symbol", "cs", "sym", BTC)
    client.send("create_series", "cs", "s1", "t1", "sym", "1", 5, "")
    client.send("modify_series", "cs", "s1", "t2", "sym", "1", f"r,{START - 7_200:.0f}:{START - 3_600:.0f}")
    answer = [packet for packet in client.wait() if packet["m"] != "du"]
    assert methods(answer) == [
        "series_loading", "symbol_resolved", "timescale_update", "series_completed",
        "series_loading", "timescale_update", "series_timeframe", "series_timeframe", "series_completed",
    ]  # fmt: skip
    assert [index for index, _ in rows(answer)][:6] == [0, 1, 2, 3, 4, 5 - len(rows(answer))]
    start, _ = answer[-2]["p"][3:5]
    assert dict(rows(answer))[start][0] == START - 7_200


def test_a_range_that_is_loaded_gives_no_data() -> None:
    client = Client()
    indexes = {values[0]: index for index, values in rows(client.series(count=300))}
    answer = client.ask("modify_series", "cs", "s1", "t2", "sym_s1", "1", f"r,{START - 7_200:.0f}:{START - 3_600:.0f}")
    assert methods(answer) == ["series_loading", "series_timeframe", "series_timeframe", "series_completed"]
    assert [packet["p"][2:] for packet in answer[1:3]] == [
        ["t2", indexes[START - 7_200], indexes[START - 3_600], f"r,{START - 7_200:.0f}:{START - 3_600:.0f}", accurate] for accurate in (False, True)
    ]


def test_a_range_beside_the_data_still_completes() -> None:
    client = Client(most_bars=50)
    client.series(count=50)
    answer = client.ask("modify_series", "cs", "s1", "t2", "sym_s1", "1", "r,0:600")
    assert methods(answer)[-1] == "series_completed"
    assert answer[-2]["p"][3:5] == [-50, -50]
    answer = client.ask("modify_series", "cs", "s1", "t3", "sym_s1", "1", f"r,{START + DAY:.0f}:{START + 2 * DAY:.0f}")
    assert methods(answer) == ["series_loading", "series_timeframe", "series_timeframe", "series_completed"]
    assert answer[1]["p"][3] == answer[1]["p"][4] >= 49


def test_without_a_frame_the_same_again_is_loaded_anew_with_as_many_bars() -> None:
    client = Client()
    client.series(count=7)
    answer = client.ask("modify_series", "cs", "s1", "t2", "sym_s1", "1", "")
    assert [index for index, _ in rows(answer)] == list(range(7))


def test_another_interval_with_a_frame_is_loaded_anew_since_its_beginning() -> None:
    client = Client()
    client.series(count=7)
    begin = START - 86_400 - START % 3_600
    answer = client.ask("modify_series", "cs", "s1", "t2", "sym_s1", "60", f"r,{begin:.0f}:{begin + 7_200:.0f}")
    assert methods(answer) == [
        "series_loading", "timescale_update", "series_timeframe", "timescale_update", "series_timeframe", "series_completed",
    ]  # fmt: skip
    held = dict(rows(answer))
    assert min(held) == 0
    first, last = answer[-2]["p"][3:5]
    assert (held[first][0], held[last][0]) == (begin, begin + 7_200)


def test_a_series_that_nobody_created_is_created_by_a_change() -> None:
    client = Client()
    client.send("resolve_symbol", "cs", "sym", BTC)
    assert len(rows(client.ask("modify_series", "cs", "s9", "t1", "sym", "1", ""), "s9")) == 300


@pytest.mark.parametrize(
    ("method", "p", "args"),
    [
        ("create_series", ["s1", "t1", "sym", "XX", 100], "s1, t1, sym, XX, 100"),
        ("modify_series", ["s1", "t1", "sym", "XX", "r,1:2"], "s1, t1, sym, XX, r,1:2"),
        ("request_more_data", ["nobody", 5], "nobody, 5"),
        ("request_more_tickmarks", ["nobody", 5], "nobody, 5"),
        ("get_first_bar_time", ["sym", "XX"], "sym, XX"),
        ("get_first_bar_time", ["nobody", "1D"], "nobody, 1D"),
        ("get_first_bar_time", ["sym", "1T"], "sym, 1T"),
    ],
)
def test_nonsense_is_a_critical_error_with_its_arguments(method: str, p: list[object], args: str) -> None:
    client = Client()
    client.send("resolve_symbol", "cs", "sym", BTC)
    client.wait()
    (error,) = client.ask(method, "cs", *p)
    assert error == {"m": "critical_error", "p": ["cs", "invalid parameters", f'method: {method}. args: "[{args}]"']}
    assert client.journal[-1] == ("rejected", method, "invalid parameters")


def test_a_series_that_is_removed_says_so_and_goes_on_no_more() -> None:
    client = Client()
    client.series()
    assert client.ask("remove_series", "cs", "s1") == [{"m": "series_deleted", "p": ["cs", "s1"]}]
    assert client.wait(60) == []


def test_sessions_have_their_own_series_and_may_be_deleted() -> None:
    client = Client()
    client.series()
    client.send("chart_create_session", "cs_2", "disable_statistics")
    client.send("resolve_symbol", "cs_2", "sym", BTC)
    client.ask("create_series", "cs_2", "s1", "u1", "sym", "5", 3)
    assert {packet["p"][0] for packet in client.wait(30)} == {"cs", "cs_2"}
    client.send("chart_delete_session", "cs")
    assert {packet["p"][0] for packet in client.wait(30)} == {"cs_2"}
    assert client.ask("chart_delete_session", "cs_2") == []
    assert client.wait(60) == []
    assert not client.connection.active


# --- time scale ---------------------------------------------------------------------------------------------------------


def test_marks_are_in_the_timezone_of_the_chart() -> None:
    client = Client()
    update = only(client.series("60", count=3), "timescale_update")["p"]
    first = update[1]["s1"]["s"][0]["v"][0]
    assert update[2]["marks"][0] == [20, int(first) - 5 * 3_600, 0]
    assert client.ask("switch_timezone", "cs", "Asia/Kolkata") == []
    update = only(client.ask("request_more_data", "cs", "s1", 3), "timescale_update")["p"]
    assert update[2]["marks"][0][1] == update[1]["s1"]["s"][0]["v"][0] + 19_800
    client.send("switch_timezone", "cs", "exchange")
    update = only(client.ask("request_more_data", "cs", "s1", 3), "timescale_update")["p"]
    assert update[2]["marks"][0][1] == update[1]["s1"]["s"][0]["v"][0]


def test_a_new_bar_has_a_provisional_mark() -> None:
    client = Client()
    client.series()
    new = next(packet for packet in client.wait(70) if packet["m"] == "timescale_update")["p"]
    time = new[1]["s1"]["s"][0]["v"][0]
    assert new[2] == {
        "index": 5, "zoffset": 0, "changes": [time], "marks": [[5, int(time) - 18_000, 5]], "index_diff": [],
    }  # fmt: skip


def test_an_unknown_timezone_is_a_critical_error() -> None:
    (error,) = Client().ask("switch_timezone", "cs", "Nowhere/Nowhere")
    assert error["p"] == ["cs", "invalid timezone", 'method: switch_timezone. args: "[Nowhere/Nowhere]"']


def test_points_of_time_to_come_have_no_objects() -> None:
    client = Client()
    newest = times(client.series("1D", APPLE, 3))[-1]
    (update,) = client.ask("request_more_tickmarks", "cs", "s1", 4)
    scale = update["p"][2]
    assert update["p"][:2] == ["cs", {}]
    assert (scale["index"], scale["zoffset"], len(scale["marks"])) == (3, 0, 4)
    assert [time - newest for time in scale["changes"]] == [DAY, 2 * DAY, 5 * DAY, 6 * DAY]
    assert [mark[0] for mark in scale["marks"]][2] in (50, 60, 70)


@pytest.mark.parametrize("count", [0, -5])
def test_no_points_to_come_are_none(count: int) -> None:
    client = Client()
    client.series("1D", APPLE, 3)
    assert client.ask("request_more_tickmarks", "cs", "s1", count) == []
    assert client.journal[-1] == ("tolerated", "request_more_tickmarks", f"{count} points behind 's1'")


def test_the_first_bar_has_a_time() -> None:
    client = Client()
    client.send("resolve_symbol", "cs", "sym", BTC)
    client.wait()
    assert client.ask("get_first_bar_time", "cs", "sym", "1D") == [
        {"m": "first_bar_time", "p": ["cs", "sym", int(iso(1990, 1, 1))]}
    ]
    market = Market(1)
    market.set_bars("X:Y", "1D", [])
    client = Client(market)
    client.send("resolve_symbol", "cs", "sym", "X:Y")
    client.wait()
    assert client.ask("get_first_bar_time", "cs", "sym", "1D")[0]["p"][2] == 0


# --- symbols ------------------------------------------------------------------------------------------------------------


def test_a_symbol_that_may_not_be_seen_is_refused_by_its_group() -> None:
    client = Client(forbidden=["nasdaq:*"])
    answer = client.series(symbol=APPLE)
    assert methods(answer) == ["series_loading", "symbol_error", "series_error"]
    assert answer[1]["p"] == ["cs", "sym_s1", "permission denied", "group", "nasdaq_paid"]
    assert answer[2]["p"][:4] == ["cs", "s1", "t1", "resolve error"]
    assert methods(client.series(symbol=BTC))[-1] == "series_completed"


def test_a_series_of_an_alias_that_nobody_resolved_is_a_resolve_error() -> None:
    assert only(Client().ask("create_series", "cs", "s1", "t1", "nobody", "1", 5), "series_error")["p"][3] == "resolve error"


def test_a_series_that_fails_after_a_change_is_gone() -> None:
    client = Client()
    client.series()
    client.send("resolve_symbol", "cs", "bad", "XXXX:NOPE")
    assert "series_error" in methods(client.ask("modify_series", "cs", "s1", "t2", "bad", "1", ""))
    assert client.wait(60) == []


def test_extended_hours_have_more_bars_and_an_info_that_says_so() -> None:
    wire = '={"session":"extended","symbol":"NASDAQ:AAPL"}'
    client = Client()
    client.now = START - 10 * 3_600 + 9 * 3_600
    regular = client.series("60", APPLE, 30)
    extended = client.series("60", wire, 30, name="s2")
    info = only(extended, "symbol_resolved")["p"][2]
    assert (info["subsession_id"], info["session"] != only(regular, "symbol_resolved")["p"][2]["session"]) == ("extended", True)
    spans = [values[-1][1][0] - values[0][1][0] for values in (rows(regular), rows(extended, "s2"))]
    assert spans[0] > spans[1], "so many bars are fewer days"
    live = client.wait(1_800)
    assert rows(live, "s2")
    assert not rows(live), "the regular session has not begun"
    assert only(client.series("60", wire, 3, name="s3"), "series_completed")["p"][2] == "streaming"


def test_prices_before_splits_are_multiples() -> None:
    wire = '={"adjustment":"none","symbol":"NASDAQ:NVDA"}'
    client = Client()
    count = ["bar_count", iso(2020, 6, 1), 5]
    adjusted = rows(client.series("1D", "NASDAQ:NVDA", count))
    raw = rows(client.series("1D", wire, count, name="s2"), "s2")
    assert [values[4] for _, values in raw] == pytest.approx([values[4] * 40 for _, values in adjusted])


def test_averaged_bars_go_on_as_they_are_loaded() -> None:
    client = Client()
    live = dict(rows([*client.series(symbol=HEIKIN_ASHI), *client.wait(150)]))
    assert len(live) >= 7
    assert only(client.series(symbol=HEIKIN_ASHI, name="s2"), "symbol_resolved")["p"][2]["bar_transform"] != "none"
    loaded = {values[0]: values for _, values in rows(client.series(symbol=HEIKIN_ASHI, name="s3", count=20), "s3")}
    assert all(loaded[values[0]] == values for values in list(live.values())[:-1])
    plain = {values[0]: values for _, values in rows(client.series(name="s4", count=20), "s4")}
    for values in list(loaded.values())[:-1]:
        assert values[4] == pytest.approx(sum(plain[values[0]][1:5]) / 4)


def test_bricks_are_of_one_size_and_only_added_to() -> None:
    client = Client()
    answer = client.series(symbol=RENKO, count=50)
    assert {round(abs(values[4] - values[1]), 6) for _, values in rows(answer)} == {20.0}
    live = client.wait(3_600)
    assert "du" not in methods(live)
    indexes = [index for index, _ in rows(live)]
    assert indexes == list(range(50, 50 + len(indexes)))
    assert indexes
    older = client.ask("request_more_data", "cs", "s1", 10)
    assert [index for index, _ in rows(older)] == list(range(-10, 0))
    assert times(older)[-1] < times(answer)[0]


def test_a_chart_type_that_is_not_served_is_refused_as_not_entitled_to() -> None:
    answer = Client().series(symbol=KAGI)
    assert methods(answer) == ["series_loading", "symbol_resolved", "series_error"]
    assert answer[2]["p"][3:] == ["study_not_auth:BarSetKagi@tv-prostudies-34!", "undefined"]


# --- plans --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resolution", "symbol", "reason"),
    [
        ("5S", BTC, "seconds_not_entitled"),
        ("1T", BTC, "ticks_not_entitled"),
        ("10R", BTC, "resolution_not_entitled"),
        ("20", BTC, "custom_resolution"),
        ("1", RENKO, "study_not_auth:BarSetRenko@tv-prostudies-40!"),
        ("1D", RENKO, None),
        ("15", HEIKIN_ASHI, None),
    ],
)
def test_a_plan_without_an_interval_refuses_it(resolution: str, symbol: str, reason: str | None) -> None:
    answer = Client(plan=PLANS["anonymous"]).series(resolution, symbol)
    if reason is None:
        assert methods(answer)[-1] == "series_completed"
        assert details(answer)["rt_update_period"] == 5
    else:
        assert only(answer, "series_error")["p"] == ["cs", "s1", "t1", reason, "undefined"]


def test_a_plan_ends_the_history() -> None:
    client = Client(plan=Plan(bars=12))
    assert details(client.series(count=10)) == {"rt_update_period": 0}
    answer = client.ask("request_more_data", "cs", "s1", 10)
    assert [index for index, _ in rows(answer)] == [-2, -1]
    assert details(answer)["data_completed"] == "limit"
    answer = client.ask("request_more_data", "cs", "s1", 10)
    assert methods(answer) == ["series_loading", "series_completed"]
    assert details(answer)["data_completed"] == "limit"
    assert details(Client(plan=Plan(bars=12)).series(count=100))["data_completed"] == "limit"


def test_a_plan_ends_the_number_of_sessions() -> None:
    client = Client(plan=Plan(chart_sessions=2))
    assert client.ask("chart_create_session", "cs_2") == []
    (error,) = client.ask("chart_create_session", "cs_3")
    assert error["p"] == ["cs_3", "max sessions rate reached", "chart_create_session"]
    assert client.ask("resolve_symbol", "cs_3", "sym", BTC)[0]["p"][1] == "invalid_session"
    client.send("chart_delete_session", "cs_2")
    assert client.ask("chart_create_session", "cs_3") == []


# --- what is not served -------------------------------------------------------------------------------------------------


def test_pointsets_and_deep_history_are_refused() -> None:
    client = Client()
    assert client.ask("create_pointset", "cs", "ps", "t1", BTC, "1", [[1, 0]]) == [
        {"m": "pointset_error", "p": ["cs", "ps", "t1"]}
    ]
    (refused,) = client.ask("request_history_data", "hs", 0, BTC, "5", 0, {"from_to": {}}, "", {}, [])
    assert (refused["m"], refused["p"][:2]) == ("request_error", ["hs", "not_allowed"])


def test_a_bar_is_ended_by_hand_in_the_series_of_its_interval() -> None:
    market = Market(1)
    market.tick("X:Y", 5.0, at=START - 5)
    client = Client(market)
    client.series("1", "X:Y")
    client.series("5", "X:Y", name="s2")
    market.close_bar("X:Y", "1", START)
    client.connection.close_bar("X:Y", Interval.parse("1"))
    market.tick("X:Y", 6.0, at=START + 1)
    client.connection.market_moved(START + 1)
    live = client.packets()
    assert [index for index, _ in rows(live)] == [1]
    assert math.isclose(rows(live)[0][1][1], 6.0)


def test_an_option_that_is_not_known_is_no_symbol_and_the_journal_says_which() -> None:
    client = Client()
    packets = client.series(symbol='={"symbol":"BINANCE:BTCUSDT","session":"weird"}')
    assert methods(packets) == ["series_loading", "symbol_error", "series_error"]
    assert only(packets, "symbol_error")["p"] == ["cs", "sym_s1", "invalid symbol"]
    assert any(each[2].endswith("session 'weird': expected one of regular, extended") for each in client.journal)


def test_a_key_that_is_not_known_is_passed_over_and_noted() -> None:
    client = Client()
    assert "symbol_resolved" in methods(client.series(symbol='={"symbol":"BINANCE:BTCUSDT","novel":1}'))
    (noted,) = [each for each in client.journal if each[0] == "tolerated"]
    assert noted[1:] == ("resolve_symbol", """'={"symbol":"BINANCE:BTCUSDT","novel":1}': unknown keys ['novel']""")


def test_a_series_of_the_name_of_one_that_was_just_removed_has_its_own_bars_only() -> None:
    client = Client()
    client.send("resolve_symbol", "cs", "sym", BTC)
    client.send("create_series", "cs", "s1", "t1", "sym", "1", 5, "")
    client.send("remove_series", "cs", "s1")
    client.send("create_series", "cs", "s1", "t2", "sym", "5", 2, "")
    packets = client.wait()
    deleted = methods(packets).index("series_deleted")
    assert methods(packets[deleted + 1 :]) == ["series_loading", "timescale_update", "series_completed"]
    assert len(rows(packets[deleted:])) == 2


def test_a_page_that_is_not_out_yet_comes_before_its_series_is_cleared() -> None:
    client = Client()
    client.series(count=3)
    client.send("request_more_data", "cs", "s1", 2)
    client.send("modify_series", "cs", "s1", "t2", "sym_s1", "5", "")
    indexes = [[row["i"] for row in packet["p"][1]["s1"]["s"]] for packet in client.wait() if packet["m"] == "timescale_update"]
    assert indexes[:3] == [[-2, -1], [], [0, 1, 2]]


def test_a_series_has_as_many_bars_as_it_was_created_with_however_few_another_interval_had() -> None:
    few = BarMarket.of([[START - 60 * back, 10, 12, 9, 11] for back in (5, 4, 3, 2)], "1")
    client = Client(Market(sources={"*": few}))
    client.series(count=3)
    for resolution, count in (("1D", 1), ("1", 3)):
        packets = client.ask("modify_series", "cs", "s1", resolution, "sym_s1", resolution, "")
        assert len(rows(packets)) == count
