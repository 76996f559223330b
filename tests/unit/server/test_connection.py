"""What one client of the fake server is answered, message by message."""

from __future__ import annotations

from typing import Any

import pytest
from raw_client import START, RawClient

from tvstreamer.constants import HEARTBEAT_TIMEOUT
from tvstreamer.server.market import Market

BTC = "BINANCE:BTCUSDT"


class Client(RawClient):
    """One that has to answer heartbeats, as the real ones have."""

    def __init__(self, market: Market | None = None, **manners: Any) -> None:
        super().__init__(market, **({"heartbeat_timeout": HEARTBEAT_TIMEOUT} | manners))

    def series(self, interval: str = "1", symbol: str = BTC, count: object = 5) -> list[str]:
        self.send("chart_create_session", "cs", "")
        self.send("resolve_symbol", "cs", "sym", symbol)
        self.send("create_series", "cs", "s1", "t1", "sym", interval, count, "")
        return [packet["m"] for packet in self.wait()]


def test_a_burst_is_answered_after_a_moment_in_the_order_of_the_real_server() -> None:
    client = Client()
    assert client.series() == ["series_loading", "symbol_resolved", "timescale_update", "series_completed"]


@pytest.mark.parametrize(("count", "expected"), [(5, 5), (["bar_count", 0, -7], 7), (["odd"], 300), (0, 1)])
def test_a_series_has_as_many_bars_as_asked_for(count: object, expected: int) -> None:
    client = Client()
    client.send("chart_create_session", "cs", "")
    client.send("resolve_symbol", "cs", "sym", BTC)
    client.send("create_series", "cs", "s1", "t1", "sym", "1", count, "")
    (update,) = [packet for packet in client.wait() if packet["m"] == "timescale_update"]
    assert len(update["p"][1]["s1"]["s"]) == expected


def test_an_unknown_symbol_is_an_error_of_symbol_and_series() -> None:
    assert Client().series(symbol="XXXX:NOPE") == ["series_loading", "symbol_error", "series_error"]


def test_a_nonsense_resolution_is_a_critical_error() -> None:
    assert "critical_error" in Client().series(interval="nonsense")


def test_another_interval_empties_the_series_then_fills_it() -> None:
    client = Client()
    client.series()
    client.send("modify_series", "cs", "s1", "t2", "sym", "5", "")
    assert [packet["m"] for packet in client.wait() if packet["m"] != "du"] == [
        "series_loading", "timescale_update", "timescale_update", "series_completed",
    ]  # fmt: skip


def test_older_bars_have_negative_indexes() -> None:
    client = Client()
    client.series()
    client.send("request_more_data", "cs", "s1", 3)
    (update,) = [packet for packet in client.wait() if packet["m"] == "timescale_update" and "zoffset" in packet["p"][2] and packet["p"][2]["zoffset"]]
    assert [row["i"] for row in update["p"][1]["s1"]["s"]] == [-3, -2, -1]
    client.send("request_more_data", "cs", "unknown", 3)
    assert "critical_error" in [packet["m"] for packet in client.packets()]


def test_nobody_is_followed_after_everything_was_ended() -> None:
    client = Client()
    client.series()
    client.send("quote_create_session", "qs")
    client.send("quote_add_symbols", "qs", BTC, "XXXX:NOPE")
    states = {packet["p"][1]["n"]: packet["p"][1]["s"] for packet in client.wait() if packet["m"] == "qsd"}
    assert states == {BTC: "ok", "XXXX:NOPE": "error"}
    assert client.connection.active
    client.send("remove_series", "cs", "s1")
    client.wait()
    client.send("quote_remove_symbols", "qs", BTC)
    client.send("quote_delete_session", "qs")
    client.send("chart_delete_session", "cs")
    client.wait()
    assert not client.connection.active
    assert client.wait(5) == []


def test_what_holds_no_packet_ends_the_connection() -> None:
    client = Client()
    client.connection.receive("garbage", client.now)
    assert client.connection.closing is not None
    assert client.connection.closing[0] == 1002
    assert client.connection.next_deadline() is None


def test_tokens_are_accepted_by_the_manners() -> None:
    for token, refused in (("unauthorized_user_token", False), ("widget_user_token", False), ("mine", False), ("bad", True)):
        client = Client(tokens=["mine"])
        client.send("set_auth_token", token)
        assert (client.connection.closing is not None) is refused


def states(packets: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[int, Any]]:
    """What a client knows in the end: the merged quote, and each bar by its index."""
    quote: dict[str, Any] = {}
    bars: dict[int, Any] = {}
    for packet in packets:
        if packet["m"] == "qsd":
            quote |= packet["p"][1]["v"]
        elif packet["m"] in ("du", "timescale_update"):
            bars |= {row["i"]: row["v"] for row in packet["p"][1]["s1"]["s"]}
    return quote, bars


def followed(policy: str, **manners: Any) -> Client:
    client = Client(slow_client=policy, heartbeat_timeout=None, **manners)
    client.send("quote_create_session", "qs")
    client.send("quote_add_symbols", "qs", BTC)
    client.series()
    return client


def test_who_is_told_less_after_falling_behind_ends_in_the_same_state() -> None:
    everything, less = (followed(policy).wait(600.0) for policy in ("drop", "conflate"))
    assert states(less) == states(everything)
    assert len(less) < len(everything) / 10


def test_who_keeps_up_is_told_everything_under_either_policy() -> None:
    clients = [followed(policy) for policy in ("drop", "conflate")]
    told = [[packet for _ in range(100) for packet in client.wait(0.5)] for client in clients]
    assert told[0] == told[1]


def test_a_price_by_hand_that_comes_while_answers_are_collected_is_told_behind_them() -> None:
    market = Market(1)
    market.set_bars("TEST:HAND", "1", [[START - 30, 1, 1, 1, 1, 1]])
    client = Client(market=market)
    client.send("chart_create_session", "cs", "")
    client.send("resolve_symbol", "cs", "sym", "TEST:HAND")
    client.send("create_series", "cs", "s1", "t1", "sym", "1", 5, "")
    client.now += 0.05
    market.tick("TEST:HAND", 2.0, at=client.now)
    client.connection.market_moved(client.now)
    packets = client.wait()
    assert [packet["m"] for packet in packets][-2:] == ["series_completed", "du"]
    assert packets[-1]["p"][1]["s1"]["s"][-1]["v"][4] == 2.0
    assert client.wait() == []


def test_prices_by_hand_wait_while_too_much_is_unsent_and_are_told_together_then() -> None:
    client = followed("conflate", most_unsent=0)
    connection = client.connection
    connection.market.tick(BTC, 1.0, at=client.now)
    connection.market_moved(client.now)
    assert connection.server.unsent > 0
    for price in (2.0, 3.0):
        client.now += 0.001
        connection.market.tick(BTC, price, at=client.now)
        connection.market_moved(client.now)
    assert [packet["p"][1]["v"]["lp"] for packet in client.packets() if packet["m"] == "qsd"] == [1.0]
    assert connection.next_deadline() == client.now - 0.001
    assert [packet["p"][1]["v"]["lp"] for packet in client.wait(0.0) if packet["m"] == "qsd"] == [3.0]
