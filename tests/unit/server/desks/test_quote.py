"""What a client is answered about quotes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from raw_client import START, Packets, RawClient

from tvstreamer.server.desks.quote import HIBERNATION

BTC = "BINANCE:BTCUSDT"
APPLE = "NASDAQ:AAPL"


class Client(RawClient):
    """With a quote session."""

    def __init__(self, **manners: Any) -> None:
        super().__init__(**manners)
        self.send("quote_create_session", "qs")

    def ask(self, method: str, *p: object) -> Packets:
        """The answer alone: the flush comes before any tick."""
        self.send(method, *p)
        self.connection.handle_deadline(self.now + 0.13)
        return self.packets()

    def tick(self, price: float, symbol: str = "X:Y") -> Packets:
        """A price by hand, a second later."""
        self.now += 1
        self.market.tick(symbol, price, at=self.now)
        self.connection.market_moved(self.now)
        return self.packets()


@pytest.fixture
def client() -> Client:
    client = Client()
    client.market.tick("X:Y", 5.0, at=START - 10)
    client.send("quote_set_fields", "qs", "lp", "bid", "description")
    return client


def updates(packets: Packets) -> list[tuple[str, dict[str, Any]]]:
    return [(packet["p"][1]["n"], packet["p"][1]["v"]) for packet in packets if packet["m"] == "qsd"]


def test_a_symbol_comes_with_the_wanted_fields_in_descending_order(client: Client) -> None:
    first, second = client.ask("quote_add_symbols", "qs", APPLE)[:2]
    assert list(first["p"][1]) == ["n", "s", "v"]
    assert list(first["p"][1]["v"]) == ["lp", "description", "bid"]
    assert second == {"m": "quote_completed", "p": ["qs", APPLE]}


def test_without_fields_all_come_in_four_packets() -> None:
    packets = Client().ask("quote_add_symbols", "qs", BTC)
    parts = [values for name, values in updates(packets)]
    assert [packet["m"] for packet in packets[:5]] == ["qsd"] * 4 + ["quote_completed"]
    assert parts[0] == {"metrics_loaded": False}
    assert list(parts[1]) == ["trade_loaded", "bid_size", "bid", "ask_size", "ask"]
    assert parts[1]["trade_loaded"] is True
    assert {"lp", "description", "pricescale", "update_mode"} <= parts[2].keys()
    assert parts[3] == {"metrics_loaded": True, "fundamental_data": False}


def test_only_what_changed_is_told(client: Client) -> None:
    client.ask("quote_add_symbols", "qs", "X:Y")
    ((name, values),) = updates(client.tick(6.0))
    assert (name, values["lp"]) == ("X:Y", 6.0)
    assert "description" not in values
    assert all("lp" not in values for _, values in updates(client.tick(6.0)))


def test_other_fields_come_at_once_when_they_are_wanted(client: Client) -> None:
    client.ask("quote_add_symbols", "qs", "X:Y")
    ((name, values),) = updates(client.ask("quote_set_fields", "qs", "lp", "open_price"))
    assert (name, list(values)) == ("X:Y", ["open_price"])
    assert all(set(values) <= {"lp", "open_price"} for _, values in updates(client.tick(7.0)))


def test_the_name_is_echoed_as_it_was_sent(client: Client) -> None:
    wire = '={"symbol": "X:Y", "session": "regular"}'
    assert updates(client.ask("quote_add_symbols", "qs", wire))[0][0] == wire
    assert updates(client.tick(8.0))[0][0] == wire


def test_a_symbol_that_is_added_again_comes_whole(client: Client) -> None:
    first = updates(client.ask("quote_add_symbols", "qs", "X:Y"))
    assert client.ask("quote_remove_symbols", "qs", "X:Y") == []
    assert client.tick(5.0) == []
    again = updates(client.ask("quote_add_symbols", "qs", "X:Y"))
    assert [(name, values.keys()) for name, values in again] == [(name, values.keys()) for name, values in first]


@pytest.mark.parametrize("method", ["quote_hibernate_all", "quote_fast_symbols"])
def test_what_is_not_wanted_in_real_time_comes_rarely_and_complete(client: Client, method: str) -> None:
    client.ask("quote_add_symbols", "qs", "X:Y")
    assert client.ask(method, "qs") == []
    prices = [values["lp"] for step in range(12) for _, values in updates(client.tick(6.0 + step))]
    assert len(prices) == 12 // HIBERNATION
    assert client.ask("quote_fast_symbols", "qs", "X:Y") == []
    assert len(updates(client.tick(30.0))) == len(updates(client.tick(31.0))) == 1


def test_sessions_have_fields_of_their_own_and_may_be_deleted(client: Client) -> None:
    client.send("quote_create_session", "qs_2")
    client.send("quote_set_fields", "qs_2", "volume")
    client.ask("quote_add_symbols", "qs_2", "X:Y")
    client.ask("quote_add_symbols", "qs", "X:Y")
    told = {packet["p"][0]: set(packet["p"][1]["v"]) for packet in client.tick(9.0)}
    assert (told["qs_2"], "lp" in told["qs"]) == ({"volume"}, True)
    client.send("quote_delete_session", "qs")
    assert {packet["p"][0] for packet in client.tick(10.0)} == {"qs_2"}


def test_an_unknown_symbol_is_an_error_without_an_end(client: Client) -> None:
    (packet,) = client.ask("quote_add_symbols", "qs", "XXXX:NOPE")
    assert json.dumps(packet["p"][1]) == '{"n": "XXXX:NOPE", "s": "error", "errmsg": "no_such_symbol", "v": {}}'


def test_a_symbol_that_may_not_be_seen_is_denied_and_completed() -> None:
    client = Client(forbidden=["ECONOMICS:*"])
    denied, completed = client.ask("quote_add_symbols", "qs", "ECONOMICS:USGDP")
    assert denied["p"][1] == {
        "n": "ECONOMICS:USGDP", "s": "permission_denied", "errmsg": "Permission denied", "v": {"alternative": "economics_paid"},
    }  # fmt: skip
    assert completed["m"] == "quote_completed"


def test_another_currency_is_another_price(client: Client) -> None:
    client.send("quote_set_fields", "qs", "lp", "currency_code", "chp")
    (plain,) = [values for _, values in updates(client.ask("quote_add_symbols", "qs", APPLE))]
    (euro,) = [values for _, values in updates(client.ask("quote_add_symbols", "qs", f'={{"symbol":"{APPLE}","currency-id":"EUR"}}'))]
    assert euro["lp"] == pytest.approx(plain["lp"] / 1.08, rel=1e-4)
    assert (euro["currency_code"], euro["chp"]) == ("EUR", plain["chp"])


def test_fields_may_be_listed(client: Client) -> None:
    assert client.ask("quote_list_fields", "qs") == [{"m": "quote_list_fields", "p": ["qs", []]}]
    client.ask("quote_add_symbols", "qs", "X:Y")
    names = client.ask("quote_list_fields", "qs")[0]["p"][1]
    assert names == sorted(names)
    assert {"lp", "volume", "description"} <= set(names)


def test_nothing_is_told_to_a_client_that_is_gone(client: Client) -> None:
    client.ask("quote_add_symbols", "qs", "X:Y")
    client.connection.disconnected(client.now, 1006)
    assert client.tick(5.5) == []
    assert not client.connection.active


def test_what_is_not_known_of_a_symbol_string_is_in_the_journal(client: Client) -> None:
    (refused,) = client.ask("quote_add_symbols", "qs", '={"symbol":"BINANCE:BTCUSDT","adjustment":"novel"}')
    assert refused["p"][1]["errmsg"] == "no_such_symbol"
    client.ask("quote_add_symbols", "qs", '={"symbol":"BINANCE:BTCUSDT","novel":1}')
    assert client.connection.protocol is not None
    notes = [(kind, detail) for kind, _, detail in client.journal if kind in ("rejected", "tolerated")]
    assert [kind for kind, _ in notes] == ["rejected", "tolerated"]
    assert "adjustment 'novel': expected one of splits, dividends, none" in notes[0][1]
    assert "unknown keys ['novel']" in notes[1][1]
