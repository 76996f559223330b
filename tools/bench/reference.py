"""What everything is measured against: the same work, written plainly with the standard library.

`json` reads, frozen dataclasses carry the events. It cuts framing, merges quotes, follows commands to learn which series
is which, tells forming bars from closed ones and echoes heartbeats; and it must give the very same ticks and bars as
`ClientProtocol`, which the bench checks before it measures. It leaves out what a plain loop would: closing bars by the
clock, revisions, statistics, and the tape's digest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RefTick:
    symbol: str
    time: float
    price: float
    volume: float | None


@dataclass(frozen=True)
class RefBar:
    symbol: str
    interval: str
    time: float
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    closed: bool


RefEvent = RefTick | RefBar


class RefSeries:
    def __init__(self, symbol: str, interval: str) -> None:
        self.symbol = symbol
        self.interval = interval
        self.forming: list[float] | None = None

    def apply(self, rows: list[dict[str, Any]]) -> list[RefEvent]:
        events: list[RefEvent] = []
        last = len(rows) - 1
        for number, row in enumerate(rows):
            values = row["v"]
            if self.forming is not None and values[0] > self.forming[0]:
                events.append(self.bar(self.forming, True))
                self.forming = None
            if number < last:
                events.append(self.bar(values, True))
            else:
                self.forming = values
                events.append(self.bar(values, False))
        return events

    def bar(self, values: list[float], closed: bool) -> RefBar:
        volume = values[5] if len(values) > 5 and values[5] != 1e100 else None
        return RefBar(
            symbol=self.symbol,
            interval=self.interval,
            time=values[0],
            open=values[1],
            high=values[2],
            low=values[3],
            close=values[4],
            volume=volume,
            closed=closed,
        )


class ReferenceClient:
    """Messages in, events out."""

    def __init__(self) -> None:
        self.aliases: dict[tuple[str, str], str] = {}
        self.series: dict[tuple[str, str], RefSeries] = {}
        self.quotes: dict[tuple[str, str], dict[str, Any]] = {}
        self.outbox: list[str] = []

    def adopt(self, packet: dict[str, Any]) -> None:
        method, p = packet["m"], packet["p"]
        if method == "resolve_symbol":
            name = p[2]
            self.aliases[p[0], p[1]] = json.loads(name[1:])["symbol"] if name.startswith("=") else name
        elif method == "create_series":
            self.series[p[0], p[1]] = RefSeries(self.aliases[p[0], p[3]], p[4])
        elif method == "quote_add_symbols":
            for symbol in p[1:]:
                self.quotes[p[0], symbol] = {}

    def receive(self, message: str, at: float) -> list[RefEvent]:
        packets: list[Any] = []
        for payload in split(message):
            packets.append(payload if payload.startswith("~h~") else json.loads(payload))
        return self.receive_packets(packets, at)

    def receive_packets(self, packets: list[Any], at: float) -> list[RefEvent]:
        events: list[RefEvent] = []
        for packet in packets:
            if isinstance(packet, str):
                self.outbox.append(f"~m~{len(packet)}~m~{packet}")
                continue
            method = packet.get("m")
            if method == "qsd":
                self.on_quote(packet["p"], at, events)
            elif method in ("du", "timescale_update"):
                self.on_data(packet["p"], events)
        return events

    def on_quote(self, p: list[Any], at: float, events: list[RefEvent]) -> None:
        session, update = p
        state = self.quotes.get((session, update["n"]))
        if state is None or update["s"] != "ok":
            return
        changes = update["v"]
        before = (state.get("lp"), state.get("volume"))
        state.update(changes)
        price, volume = state.get("lp"), state.get("volume")
        if price is not None and (price, volume) != before:
            time = float(changes.get("lp_time", at))
            events.append(RefTick(symbol=update["n"], time=time, price=price, volume=volume))

    def on_data(self, p: list[Any], events: list[RefEvent]) -> None:
        for name, data in p[1].items():
            series = self.series.get((p[0], name))
            if series is not None and "s" in data:
                events.extend(series.apply(data["s"]))


def split(message: str) -> list[str]:
    payloads = []
    position = 0
    while position < len(message):
        if not message.startswith("~m~", position):
            raise ValueError(f"expected ~m~ at {position}")
        end = message.index("~m~", position + 3)
        start = end + 3
        position = start + int(message[position + 3 : end])
        payloads.append(message[start:position])
    return payloads


def read_tape(path: Path) -> Iterator[list[RefEvent]]:
    """The events of a tape, a record at a time."""
    client = ReferenceClient()
    with path.open(encoding="utf-8") as file:
        start = json.loads(next(file))["start"]
        for line in file:
            record = json.loads(line)
            kind = record["k"]
            if kind == "recv":
                packets = record["p"] if "p" in record else [json.loads(each) for each in split(record["raw"])]
                yield client.receive_packets(packets, start + record["t"] / 1e9)
            elif kind == "send":
                for packet in record["p"]:
                    if isinstance(packet, dict):
                        client.adopt(packet)
