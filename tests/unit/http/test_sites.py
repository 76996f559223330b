"""What a source means to the HTTP side."""

from __future__ import annotations

import pytest

from tvstreamer import FakeServer
from tvstreamer.errors import InvalidSource
from tvstreamer.http.sites import IN_MEMORY, Site, read_site


@pytest.mark.parametrize(
    ("source", "pages", "search"),
    [
        ("live", "https://www.tradingview.com", "https://symbol-search.tradingview.com"),
        ("live:", "https://www.tradingview.com", "https://symbol-search.tradingview.com"),
        ("live:host=de", "https://de.tradingview.com", "https://symbol-search.tradingview.com"),
        ("live:host=in.tradingview.com", "https://in.tradingview.com", "https://symbol-search.tradingview.com"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("HTTPS://fake.example", "https://fake.example", "https://fake.example"),
        ("ws://127.0.0.1:8000/socket.io/websocket", "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("wss://[::1]:8000/socket.io/websocket", "https://[::1]:8000", "https://[::1]:8000"),
    ],
)
def test_a_source_says_whom_to_ask(source: str, pages: str, search: str) -> None:
    assert read_site(source) == Site(pages, search)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("https://www.tradingview.com", "expected 'live' for the real site"),
        ("wss://data.tradingview.com/socket.io/websocket", "expected 'live' for the real site"),
        ("live:host=evil.example", "expected live, or live:host=de"),
        ("live:host=", "expected live, or live:host=de"),
        ("live:host=a@de", "expected live, or live:host=de"),
        ("live:region=de", "expected live, or live:host=de"),
        ("lively", "source 'lively': expected 'live', the http:// or ws:// address"),
        ("session.jsonl", "expected 'live'"),
        (7, "source 7: expected 'live'"),
        ("http://", r"expected http://HOST\[:PORT\]"),
        ("http://127.0.0.1:x", r"expected http://HOST\[:PORT\]"),
        ("http://127.0.0.1/symbol_search", r"expected http://HOST\[:PORT\]"),
        ("http://127.0.0.1/?a=b", r"expected http://HOST\[:PORT\]"),
        ("http://[", r"expected http://HOST\[:PORT\]"),
    ],
)
def test_anything_else_is_refused_with_what_was_expected(source: object, said: str) -> None:
    with pytest.raises(InvalidSource, match=said):
        read_site(source)


def test_an_address_with_a_password_is_refused_without_it() -> None:
    with pytest.raises(InvalidSource, match="not shown, as it names a user") as caught:
        read_site("http://tester:canary-3f@127.0.0.1:8000")
    assert "canary" not in str(caught.value)


def test_a_server_in_this_process_has_a_name_that_nobody_else_can_have() -> None:
    server = FakeServer(seed=7)
    assert read_site(server) == Site(IN_MEMORY, IN_MEMORY, server)


@pytest.mark.parametrize(
    ("source", "keeps"),
    [("live", True), ("https://fake.example", True), ("http://localhost:1", True), ("http://fake.example", False)],
)
def test_cookies_go_where_nobody_can_read_them(source: str, keeps: bool) -> None:
    assert read_site(source).keeps_secrets is keeps
    assert read_site(FakeServer(seed=7)).keeps_secrets
