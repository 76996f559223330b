"""Clients that do not read: dropped or told less, and the server holds no more than it may."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tvstreamer.errors import InvalidPlan
from tvstreamer.protocol import framing
from tvstreamer.server.fake import FakeServer

SYMBOL = "EX:SYM"
MOST = 50_000
TICKS = 1_500
"""With what a tick tells, more than sockets, whose buffers the system sizes, take by themselves."""
NAMES = [f'={{"symbol":"{SYMBOL}","name":"{number}"}}' for number in range(40)]
"""Each tick is told under all of them."""


@contextmanager
def stubborn(server: FakeServer) -> Iterator[socket.socket]:
    """A client that follows a symbol and does not read."""
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.settimeout(20)
        raw.connect(("127.0.0.1", server.port))
        raw.sendall(
            b"GET /socket.io/websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        commands = [{"m": "quote_create_session", "p": ["qs"]}, {"m": "quote_add_symbols", "p": ["qs", *NAMES]}]
        text = framing.join([json.dumps(command) for command in commands]).encode()
        raw.sendall(b"\x81\xfe" + len(text).to_bytes(2, "big") + b"\0\0\0\0" + text)
        server.verify("quote_completed", kind="reply", timeout=20)
        yield raw


def test_a_client_that_takes_nothing_is_dropped_and_the_journal_says_why() -> None:
    with FakeServer(seed=1, reply_delay=0.0, most_unsent=MOST) as server:
        server.market.tick(SYMBOL, 1.0)
        with stubborn(server) as raw:
            price = 1.0
            while not [entry for entry in server.journal if entry.kind == "closed"]:
                price += 1.0
                assert price < 10 * TICKS
                server.market.tick(SYMBOL, price)
            [closed] = server.verify("", kind="closed")
            assert closed.detail.startswith("1013 too slow: 5")
            with pytest.raises(ConnectionResetError):
                while raw.recv(65_536):
                    pass


def test_a_client_that_is_told_less_learns_where_things_stand_when_it_reads_again() -> None:
    with FakeServer(seed=1, reply_delay=0.0, most_unsent=MOST, slow_client="conflate") as server:
        server.market.tick(SYMBOL, 1.0)
        with stubborn(server) as raw:
            [(peer, _)] = server._peers
            for number in range(TICKS):
                server.market.tick(SYMBOL, 2.0 + number)
                assert peer.unsent < MOST + 10_000
            last = f'"lp":{TICKS + 1}.0'.encode()
            told = b""
            while last not in told[-65_536:]:
                told += raw.recv(65_536)
        updates = len(re.findall(b'"lp":', told))
        assert updates < TICKS * len(NAMES)
        assert not [entry for entry in server.journal if entry.kind == "closed" and "slow" in entry.detail]


def test_a_client_that_takes_nothing_is_missed_by_its_echo_too() -> None:
    with FakeServer(seed=1, speed=600, reply_delay=0.0, most_unsent=10**9) as server:
        server.market.tick(SYMBOL, 1.0)
        with stubborn(server):
            [(peer, _)] = server._peers
            price = 1.0
            while peer.unsent == 0 and peer.open:
                price += 1.0
                server.market.tick(SYMBOL, price)
            [closed] = server.verify("", kind="closed", timeout=20)
            assert "no echo" in closed.detail


@pytest.mark.parametrize("options", [{"slow_client": "ignore"}, {"most_unsent": -1}])
def test_a_policy_that_there_is_not_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidPlan, match=r"slow_client|most_unsent"):
        FakeServer(**options)  # type: ignore[arg-type]
