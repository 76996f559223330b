"""A session in the wire's own words gives exactly the events that it holds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.events import Bar, Event, HistoryComplete, Notice, Tick
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.packets import Unknown

HAND_MADE = Path(__file__).resolve().parents[3] / "fixtures" / "wire" / "minute-session.log"


def lines_of(log: Path) -> Iterator[tuple[str, str]]:
    """("TX" or "RX", message) of each line that says so."""
    for line in log.read_text(encoding="utf-8").splitlines():
        if line.startswith(("WS TX ", "WS RX ")):
            yield line[3:5], line[6:]


def run(log: Path) -> tuple[list[Event], list[dict[str, Any]]]:
    """The events of a log, and the packets that it received, untyped."""
    client = ClientProtocol(rng=random.Random(1))
    client.adopt_connection(0.0)
    packets: list[dict[str, Any]] = []
    for direction, message in lines_of(log):
        if direction == "TX":
            for payload in framing.split(message):
                client.adopt(payload)
        else:
            client.receive(message, 0.0)
            packets += [json.loads(each) for each in framing.split(message) if not framing.heartbeat(each)]
    return client.events(), packets


def values_sent(packets: list[dict[str, Any]]) -> list[list[float]]:
    """The rows of all series, in the order in which they came."""
    return [
        row["v"]
        for packet in packets
        if packet.get("m") in ("timescale_update", "du")
        for data in packet["p"][1].values()
        for row in data.get("s", ())
    ]


def check_against_wire(log: Path) -> tuple[list[Tick], list[Bar]]:
    """What holds for any log of one series and one symbol: nothing is invented, changed or lost."""
    events, packets = run(log)
    assert [event for event in events if isinstance(event, Notice)] == []
    bars = [event for event in events if isinstance(event, Bar)]
    ticks = [event for event in events if isinstance(event, Tick)]

    rows = values_sent(packets)
    values = [[bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume] for bar in bars]
    assert all(each in rows for each in values)
    assert all(each in values for each in rows)
    closed = [bar.time for bar in bars if bar.closed]
    assert closed == sorted(set(closed)), "each bar closes once, in order"

    last: dict[str, Any] = {}
    expected = []
    for packet in packets:
        if packet.get("m") == "qsd" and packet["p"][1]["s"] == "ok":
            merged = {**last, **packet["p"][1]["v"]}
            if any(merged.get(key) != last.get(key) for key in ("lp", "volume")):
                expected.append((merged["lp"], merged.get("volume")))
            last = merged
    assert [(tick.price, tick.volume) for tick in ticks] == expected
    return ticks, bars


def test_the_hand_made_session_gives_its_ticks_and_bars() -> None:
    ticks, bars = check_against_wire(HAND_MADE)
    assert [(tick.price, tick.volume) for tick in ticks] == [(100.5, 10.25), (100.75, 10.25), (100.75, 11.0)]
    assert [(bar.time, bar.close, bar.closed_by) for bar in bars] == [
        (1700000040.0, 99.5, "successor"),
        (1700000100.0, 100.0, "successor"),
        (1700000160.0, 100.5, None),
        (1700000160.0, 100.75, None),
        (1700000160.0, 100.75, "successor"),
        (1700000220.0, 100.75, None),
    ]
    complete = [event for event in run(HAND_MADE)[0] if isinstance(event, HistoryComplete)]
    assert [(event.symbol, event.interval, event.bars) for event in complete] == [("DEMO:COIN", "1", 3)]


def test_the_real_session_gives_its_ticks_and_bars(captures: Path) -> None:
    log = captures / "tvstreamer_sample_ws_out_2025-07-06.log"
    if not log.is_file():
        pytest.skip(f"the captures hold no {log.name}")
    ticks, bars = check_against_wire(log)
    assert (len(ticks), len(bars), sum(bar.closed for bar in bars)) == (26, 315, 300)


def test_every_packet_of_the_real_events_is_known(captures: Path) -> None:
    file = captures / "tradingview-rs_events_2025-06-25.json"
    if not file.is_file():
        pytest.skip(f"the captures hold no {file.name}")
    packets = json.loads(file.read_text(encoding="utf-8"))
    replies = [codec.decode_reply(json.dumps(packet)) for packet in packets]
    assert replies
    assert [reply.method for reply in replies if isinstance(reply, Unknown)] == []
