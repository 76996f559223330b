from __future__ import annotations

import pytest

from tvstreamer.addresses import host_of, is_loopback, is_theirs


@pytest.mark.parametrize(
    ("url", "host", "loopback", "theirs"),
    [
        ("http://127.0.0.1:80/x", "127.0.0.1", True, False),
        ("ws://127.8.9.1", "127.8.9.1", True, False),
        ("http://[::1]:80", "::1", True, False),
        ("http://LOCALHOST", "localhost", True, False),
        ("https://www.TradingView.com/", "www.tradingview.com", False, True),
        ("https://tradingview.com", "tradingview.com", False, True),
        ("https://nottradingview.com", "nottradingview.com", False, False),
        ("https://tradingview.com.example.org", "tradingview.com.example.org", False, False),
        ("https://10.0.0.1", "10.0.0.1", False, False),
        ("http://[", "", False, False),
        ("", "", False, False),
    ],
)
def test_what_an_address_says(url: str, host: str, loopback: bool, theirs: bool) -> None:
    assert (host_of(url), is_loopback(url), is_theirs(url)) == (host, loopback, theirs)
