"""What passed over the connections of a test: the last packets, and how far each series and quote got.

It is what a failed test shows. Nothing in it tells a secret: whatever is shown or saved goes through a redactor first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tvstreamer.errors import FramingError, TapeError, TransportClosed
from tvstreamer.protocol import codec, framing
from tvstreamer.tape.format import Header
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.testing.matching import Questions
from tvstreamer.transports.base import Connector, Received, Tee, Transport, TransportInfo

KEPT = 2_000
"""Messages of a connection that a slice can hold."""
_WIDTH = 160
_ENDS = {
    "series_completed": "completed",
    "series_error": "failed",
    "study_completed": "completed",
    "study_error": "failed",
    "quote_completed": "completed",
    "symbol_resolved": "resolved",
    "symbol_error": "failed",
}


@dataclass(slots=True)
class _Topic:
    """Something that was asked for, and what came of it."""

    name: str
    state: str = "asked, nothing came"
    messages: int = 0


@dataclass(slots=True)
class Transcript:
    """One connection, as it was seen from the client."""

    info: TransportInfo
    messages: deque[tuple[str, float, str]] = field(default_factory=lambda: deque(maxlen=KEPT))
    failure: str = ""
    """What ended it before its time."""
    closed: bool = False
    """Whether the client has closed it, or seen its end."""
    taken: bool = False
    """Whether it was closed for the client, which had left it open. A client that closes it later has not forgotten to."""
    _topics: dict[tuple[str, str], _Topic] = field(default_factory=dict)
    _questions: Questions = field(default_factory=Questions)
    _at: float = 0.0

    def sent(self, text: str) -> None:
        self.messages.append(("send", self._at or self.info.opened_at, text))
        for payload in _payloads(text):
            command = codec.decode_command(payload)
            asks = self._questions.of(command)
            _, p = codec.parameters(payload)
            # One question for each quote, and else one for the id that stands second.
            keys = [(p[0], each) for each in p[1:]] if asks and asks[0].kind == "quote" else [(p[0], p[1]) for _ in asks]
            for key, ask in zip(keys, asks, strict=True):
                self._topics[key] = _Topic(f"{ask.kind} {' '.join(filter(None, (ask.symbol, ask.interval)))}")

    def received(self, text: str, at: float) -> None:
        self.messages.append(("recv", at, text))
        self._at = at
        for payload in _payloads(text):
            method, p = codec.parameters(payload)
            for name in _subjects(p):
                topic = self._topics.get((p[0], name))
                if topic is not None:
                    topic.messages += 1
                    topic.state = _ENDS.get(method, topic.state if topic.state == "completed" else "begun")

    def waiting(self) -> list[str]:
        """What was asked for and has not been answered."""
        return [topic.name for topic in list(self._topics.values()) if topic.state in ("asked, nothing came", "begun")]

    def states(self) -> list[str]:
        """How far each thing that was asked for has come."""
        return [f"{topic.name}: {topic.state}, {topic.messages} packets" for topic in list(self._topics.values())]

    def explain(self, redactor: Redactor, packets: int = 8) -> str:
        """What a person wants to know when a test with this connection failed."""
        lines = [f"{self.info.kind} connection to {redactor.url(self.info.url) or 'memory'}"]
        if self.failure:
            lines.append(f"  failed: {redactor.message(self.failure)}".replace("\n", "\n  "))
        if waiting := self.waiting():
            lines.append(f"  waited for: {', '.join(waiting)}")
        lines += [f"  {state}" for state in self.states()]
        last = [
            (direction, at, payload)
            for direction, at, text in list(self.messages)[-packets:]
            for payload in _payloads(redactor.message(text))
        ][-packets:]
        lines += [f"  {'>' if way == 'send' else '<'} {at:.3f} {_short(payload)}" for way, at, payload in last]
        return "\n".join(lines)


def _payloads(text: str) -> list[str]:
    try:
        return framing.split(text)
    except FramingError:
        return [text]


def _subjects(p: list[object]) -> list[str]:
    """The names in a reply that may be one of a series, a study, an alias or a quote."""
    second = p[1] if len(p) > 1 and isinstance(p[0], str) else None
    match second:
        case str(name):
            return [name]
        case {"n": str(name)}:
            return [name]
        case dict(objects):
            return [str(name) for name in objects]
        case _:
            return []


def _short(payload: str) -> str:
    return payload if len(payload) <= _WIDTH else f"{payload[:_WIDTH]}... ({len(payload)} characters)"


class ObservedTransport:
    """A transport whose messages are written into a transcript as they pass."""

    def __init__(self, inner: Transport, transcript: Transcript) -> None:
        self._inner = inner
        self._transcript = transcript

    def __repr__(self) -> str:
        return f"<ObservedTransport of {self._inner!r}>"

    @property
    def info(self) -> TransportInfo:
        return self._inner.info

    def send(self, message: str) -> None:
        self._transcript.sent(message)
        try:
            self._inner.send(message)
        except TapeError as error:
            self._transcript.failure = str(error)
            raise

    def recv(self, timeout: float | None = None) -> Received:
        try:
            received = self._inner.recv(timeout)
        except TransportClosed:
            self._transcript.closed = True
            raise
        self._transcript.received(*received)
        return received

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._transcript.closed = True
        self._transcript.taken = False
        self._inner.close(code, reason)


class ObservedTee(ObservedTransport):
    """The same of a transport that records, whose client decides when a message is written down."""

    def __init__(self, inner: Tee, transcript: Transcript) -> None:
        super().__init__(inner, transcript)
        self._tee = inner

    def follow(self, reached: Callable[[], float]) -> None:
        self._tee.follow(reached)

    def arrival(self, timeout: float | None = None) -> Received:
        try:
            return self._tee.arrival(timeout)
        except TransportClosed:
            self._transcript.closed = True
            raise

    def keep(self, text: str, at: float) -> float | None:
        stamp = self._tee.keep(text, at)
        if stamp is not None:
            self._transcript.received(text, stamp)
        return stamp

    def keep_end(self, closed: TransportClosed) -> TransportClosed:
        return self._tee.keep_end(closed)


class Observer:
    """Keeps the transcripts of all connections that it had a part in, and can end those that nobody ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: list[tuple[Transport, Transcript]] = []

    @property
    def transcripts(self) -> list[Transcript]:
        with self._lock:
            return [transcript for _, transcript in self._seen]

    def observed(self, connector: Connector) -> Connector:
        """The same connector, but its connections leave a transcript here."""

        def connect() -> Transport:
            inner = connector()
            transcript = Transcript(inner.info)
            with self._lock:
                self._seen.append((inner, transcript))
            return ObservedTee(inner, transcript) if isinstance(inner, Tee) else ObservedTransport(inner, transcript)

        return connect

    def close_leaked(self) -> None:
        """Closes the connections that are still open."""
        with self._lock:
            leaked = [(transport, transcript) for transport, transcript in self._seen if not transcript.closed]
        for transport, transcript in leaked:
            transcript.closed = transcript.taken = True
            transport.close(1001, "left open")

    def left_open(self) -> list[str]:
        """The connections that `close_leaked` has closed and their clients have not, by name."""
        infos = [transcript.info for transcript in self.transcripts if transcript.taken]
        return [f"{info.kind} connection to {info.url}" for info in infos]

    def save(self, path: Path, redactor: Redactor) -> int:
        """Writes what the transcripts still hold as a tape, which `tvstreamer replay` plays; how many messages that are."""
        transcripts = self.transcripts
        start = min((transcript.info.opened_at for transcript in transcripts), default=0.0)
        with TapeWriter(path, Header(start=start, tool="tvstreamer"), redactor=redactor, overwrite=True) as writer:
            for number, transcript in enumerate(transcripts, start=1):
                writer.opened(number, transcript.info.url, transcript.info.opened_at)
                for direction, at, text in list(transcript.messages):
                    if direction == "send":
                        writer.sent(number, text, at)
                    else:
                        writer.received(number, redactor.message(text), at)
        return writer.messages
