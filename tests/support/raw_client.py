"""A client of the fake server by its bare words, for tests of what it is answered."""

from __future__ import annotations

import json
from typing import Any

from tvstreamer.protocol import framing
from tvstreamer.server.connection import MarketConnection
from tvstreamer.server.manners import Manners
from tvstreamer.server.market import Market, market_start

START = market_start(1)
Packets = list[dict[str, Any]]


class RawClient:
    """Sends commands and collects packets, on a clock of its own. It answers no heartbeat, and nobody minds."""

    def __init__(self, market: Market | None = None, *, now: float = START, **manners: Any) -> None:
        self.market = market or Market(1)
        self.connection = MarketConnection(self.market, Manners(**{"heartbeat_timeout": None} | manners))
        self.now = now
        self.connection.connected(self.now)
        self.packets()

    def send(self, method: str, *p: object) -> None:
        self.connection.receive(framing.packet(json.dumps({"m": method, "p": p})), self.now)

    def wait(self, seconds: float = 0.13) -> Packets:
        """What comes while that time passes; without an argument, the answer to what was sent."""
        self.now += seconds
        self.connection.handle_deadline(self.now)
        return self.packets()

    def messages(self) -> list[Packets]:
        """What has come, by message, without heartbeats."""
        texts = [framing.split(message) for message in self.connection.messages_to_send()]
        return [[json.loads(text) for text in each] for each in texts if not framing.heartbeat(each[0])]

    def packets(self) -> Packets:
        return [packet for message in self.messages() for packet in message]

    @property
    def journal(self) -> list[tuple[str, str, str]]:
        """What the server noted of it beside commands and replies: kind, method and detail."""
        assert self.connection.protocol is not None
        entries = self.connection.protocol.journal
        return [(entry.kind, entry.method, entry.detail) for entry in entries if entry.kind not in ("command", "reply")]
