from __future__ import annotations

import pytest

from tvstreamer.clock import SystemClock
from tvstreamer.errors import ConnectFailed, InvalidPlan
from tvstreamer.transports.websocket_client import connect, public_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://data.tradingview.com/socket.io/websocket", "wss://data.tradingview.com/socket.io/websocket"),
        ("ws://user:secret@127.0.0.1:9/x?auth=secret&type=chart#f", "ws://127.0.0.1:9/x?auth=...&type=chart"),
        ("ws://[broken", "(malformed address)"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert public_url(url) == shown


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "127.0.0.1", "ws://", "ws://127.0.0.1:port/", "ws://[broken"])
def test_what_is_no_websocket_address_cannot_be_connected_to(url: str) -> None:
    with pytest.raises(ConnectFailed, match="expected ws://"):
        connect(url, clock=SystemClock())


def test_no_header_smuggles_another_one_and_none_is_shown() -> None:
    for extra in ({"cookie": "hidden\r\nX: y"}, {"headers": [("X", "hidden\r\nY: z")]}, {"origin": "hidden\r\nX: y"}):
        with pytest.raises(InvalidPlan, match="control characters") as caught:
            connect("ws://127.0.0.1:9/", clock=SystemClock(), **extra)  # type: ignore[arg-type]
        assert "hidden" not in str(caught.value)
