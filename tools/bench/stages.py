"""What is measured inside this process: decoding, replaying and writing, each next to its reference.

Each loop returns how many events (or records) it made, so that a loop that stops doing its work is noticed. Time is that
of the processor, of this process: another process that is busy beside it counts for nothing.
"""

from __future__ import annotations

import gc
import hashlib
import json
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.corpus import START, Corpus, Message, redactor
from bench.reference import RefBar, ReferenceClient, RefEvent, RefTick, read_tape, split
from tvstreamer.events import Bar, Event, Tick
from tvstreamer.protocol import framing
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.pump import BATCH
from tvstreamer.tape.format import Header, moment
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.wsclient import TvWSClient

Loop = Callable[[], int]


class BenchError(Exception):
    """Two loops that have to do the same work do not: what was measured would mean nothing."""


@dataclass(frozen=True)
class Timed:
    """CPU seconds of one loop and its reference, round by round, and what a run of it handles."""

    candidate: list[float]
    reference: list[float]

    @property
    def ratio(self) -> float:
        """How many times as fast as the reference: the median over the rounds, each compared with its own reference."""
        return statistics.median(ref / own for own, ref in zip(self.candidate, self.reference, strict=True))

    @property
    def seconds(self) -> float:
        return statistics.median(self.candidate)

    @property
    def reference_seconds(self) -> float:
        return statistics.median(self.reference)


def interleaved(loops: dict[str, Loop], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each loop in each round; in every round each loop runs once, after a collection of garbage."""
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    expected: dict[str, int] = {}
    for _ in range(rounds):
        for name, loop in loops.items():
            gc.collect()
            begun = time.process_time()
            count = loop()
            seconds[name].append(time.process_time() - begun)
            if expected.setdefault(name, count) != count:
                raise BenchError(f"{name} made {count} where it made {expected[name]} before")
    return seconds


# --- decoding ---------------------------------------------------------------------------------------------------------


def adopted(commands: list[str]) -> ClientProtocol:
    """A client that follows what the commands ask for."""
    protocol = ClientProtocol(rng=random.Random(1))
    protocol.adopt_connection(START)
    for message in commands:
        for payload in framing.split(message):
            protocol.adopt(payload)
    protocol.events()
    return protocol


def reference_client(commands: list[str]) -> ReferenceClient:
    client = ReferenceClient()
    for message in commands:
        for payload in split(message):
            client.adopt(json.loads(payload))
    return client


def text_to_events(commands: list[str], messages: list[Message]) -> int:
    protocol = adopted(commands)
    count = 0
    for at, message in messages:
        protocol.receive(message, at)
        count += len(protocol.events())
        protocol.messages_to_send()
    return count


def text_to_events_reference(commands: list[str], messages: list[Message]) -> int:
    client = reference_client(commands)
    count = 0
    for at, message in messages:
        count += len(client.receive(message, at))
        client.outbox.clear()
    return count


def check_same_work(commands: list[str], messages: list[Message], tape: Path) -> int:
    """Raises `BenchError` unless all loops give the same ticks and bars; returns how many there are."""
    protocol = adopted(commands)
    for at, message in messages:
        protocol.receive(message, at)
    ours = _comparable(protocol.events())
    client = reference_client(commands)
    theirs = [event for at, message in messages for event in client.receive(message, at)]
    if ours != [_plain(event) for event in theirs]:
        raise BenchError(f"the reference gives other events: {len(theirs)} where we give {len(ours)}")
    # A tape's moments are rounded to nanoseconds, and ticks without a time of their own carry them.
    taped = [_plain(event) for events in read_tape(tape) for event in events]
    if _comparable(_direct(tape)) != taped or len(taped) != len(ours):
        raise BenchError(f"the reference reads {len(taped)} other events from the tape, {len(ours)} are expected")
    with TvWSClient(source=tape) as stream:
        if _comparable(list(stream.stream())) != taped:
            raise BenchError("the client gives other events than the reference reads from the tape")
    return len(ours)


def _comparable(events: list[Event]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for event in events:
        if isinstance(event, Tick):
            rows.append((event.symbol, event.time, event.price, event.volume))
        elif isinstance(event, Bar):
            values = (event.open, event.high, event.low, event.close, event.volume)
            rows.append((event.symbol, event.interval, event.time, *values, event.closed))
    return rows


def _plain(event: RefEvent) -> tuple[object, ...]:
    if isinstance(event, RefTick):
        return (event.symbol, event.time, event.price, event.volume)
    assert isinstance(event, RefBar)
    values = (event.open, event.high, event.low, event.close, event.volume)
    return (event.symbol, event.interval, event.time, *values, event.closed)


# --- replaying --------------------------------------------------------------------------------------------------------


def _direct(tape: Path) -> list[Event]:
    protocol = ClientProtocol(rng=random.Random(1))
    events: list[Event] = []
    _replay(tape, protocol, lambda: events.extend(protocol.events()))
    return events


def _replay(tape: Path, protocol: ClientProtocol, take: Callable[[], object]) -> None:
    """From records to the protocol, and nothing between them; `take` is called after every few, as a replay does."""
    with TapeReader(tape) as reader:
        start = reader.header.start
        for number, record in enumerate(reader.packets()):
            kind, packets = record.k, record.p
            if kind == "recv":
                at = start + record.t / 1e9  # `moment`, without the call
                if packets is None:
                    protocol.receive(record.raw or "", at)
                else:
                    protocol.receive_packets(packets, at)
            elif kind == "send":
                for packet in packets or ():
                    protocol.adopt_packet(packet)
            elif kind == "open":
                protocol.adopt_connection(moment(start, record.t))
            if not number % BATCH:
                take()
        take()


def tape_to_events(tape: Path) -> int:
    protocol = ClientProtocol(rng=random.Random(1))
    count = 0

    def take() -> None:
        nonlocal count
        count += len(protocol.events())
        protocol.messages_to_send()

    _replay(tape, protocol, take)
    return count


def tape_through_client(tape: Path) -> int:
    count = 0
    with TvWSClient(source=tape) as client:
        for _ in client.stream():
            count += 1
    return count


def tape_reference(tape: Path) -> int:
    return sum(len(events) for events in read_tape(tape))


# --- writing ----------------------------------------------------------------------------------------------------------


def in_a_rush(messages: list[Message]) -> list[Message]:
    """The messages as if 100,000 came a second: how fast a writer is matters when it has no time, and then its flushes
    come from the number of records, not from the clock."""
    return [(START + number / 100_000, message) for number, (_, message) in enumerate(messages)]


def write_recorded(path: Path, messages: list[Message]) -> int:
    """As a recorder writes: redacted, each payload checked, and flushed as its policy says."""
    path.unlink(missing_ok=True)
    with TapeWriter(path, Header(start=START), redactor=redactor()) as writer:
        for at, message in messages:
            writer.received(1, message, at)
    return writer.records


def write_bare(path: Path, messages: list[Message]) -> int:
    """The least that keeps a message: its text as a JSON string, to a buffered file, unredacted and unchecked."""
    encode = msgspec.json.encode
    records = 0
    with path.open("wb") as file:
        for at, message in messages:
            line = encode({"t": round((at - START) * 1e9), "c": 1, "k": "recv", "raw": message})
            file.write(line + b"\n")
            records += 1
    return records


# --- all of it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """The figures of this process."""

    messages: int
    packets: int
    events: int
    text: Timed
    direct: Timed
    client: Timed
    write: Timed
    digest: str


def measure(corpus: Corpus, messages: list[Message], tape: Path, rounds: int) -> Measured:
    """Runs every loop `rounds` times. `tape` holds the messages of the corpus."""
    commands = corpus.commands
    events = check_same_work(commands, messages, tape)
    out = tape.with_name("written.jsonl")
    rush = in_a_rush(messages)
    loops: dict[str, Loop] = {
        "text": lambda: text_to_events(commands, messages),
        "text reference": lambda: text_to_events_reference(commands, messages),
        "direct": lambda: tape_to_events(tape),
        "tape reference": lambda: tape_reference(tape),
        "client": lambda: tape_through_client(tape),
        "write": lambda: write_recorded(out, rush),
        "bare": lambda: write_bare(out, rush),
    }
    seconds = interleaved(loops, rounds)
    digest = hashlib.sha256("".join(message for _, message in messages).encode()).hexdigest()
    return Measured(
        messages=len(messages),
        packets=sum(len(framing.split(message)) for _, message in messages),
        events=events,
        text=Timed(seconds["text"], seconds["text reference"]),
        direct=Timed(seconds["direct"], seconds["tape reference"]),
        client=Timed(seconds["client"], seconds["tape reference"]),
        write=Timed(seconds["write"], seconds["bare"]),
        digest=digest[:16],
    )
