"""Whether what a client asks for is what a tape holds, and what to say when it is not.

A tape answers questions: a series, a symbol, quotes, more bars, a study. Kind, symbol and interval of a question always have
to be those of a recorded one, as its answer has them too; `match_on` adds further conditions. Nothing in here does I/O.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tvstreamer.errors import FramingError, InvalidPlan, TapeMismatch, shorten
from tvstreamer.intervals import canonical_interval
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import (
    CreateSeries,
    CreateStudy,
    ModifySeries,
    QuoteAddSymbols,
    RequestMoreData,
    ResolveSymbol,
)
from tvstreamer.studies import study_label
from tvstreamer.symbols import plain_symbol
from tvstreamer.tape.format import Record
from tvstreamer.tape.player import Offer, Playback

STRICTNESS = ("strict", "causal", "lenient")
"""Asked in the recorded order and each once; in any order; and what is not on the tape is just not answered."""
_SESSIONS = {"cs": "chart", "qs": "quote", "rs": "replay"}

_COMPARED = ("method", "session_kind", "symbol", "interval", "range", "parameters")


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of a client, without the ids that it chose. `order` counts the questions of its connection from 0."""

    kind: str
    method: str
    session_kind: str
    symbol: str
    interval: str
    range: str
    parameters: str
    order: int

    def lines(self, names: Sequence[str] = _COMPARED) -> list[str]:
        """What a diff compares."""
        return [f"{name}: {getattr(self, name)}".rstrip() for name in names]

    def __str__(self) -> str:
        parts = f"{self.symbol} {self.interval} {self.range} {self.parameters}".split()
        return " ".join([self.method, *parts])


Matcher = Callable[[Ask, Ask], bool]
"""Given the question of the live client and a recorded one, whether they are the same."""


def _same(name: str) -> Matcher:
    return lambda live, recorded: bool(getattr(live, name) == getattr(recorded, name))


class Matchers:
    """Matchers by name: the built-in ones, and those that are registered."""

    def __init__(self, more: Mapping[str, Matcher] | None = None) -> None:
        names = ("method", "session_kind", "symbol", "interval", "range", "parameters", "order")
        self._known: dict[str, Matcher] = {name: _same(name) for name in names}
        self.registered: dict[str, Matcher] = {}
        """Those that are not built in."""
        for name, matcher in (more or {}).items():
            self.register_matcher(name, matcher)

    def register_matcher(self, name: str, matcher: Matcher) -> None:
        """Makes a matcher known under a name for `match_on`. Raises `InvalidPlan` for what cannot be called."""
        if not callable(matcher):
            raise InvalidPlan(f"matcher {name}: {shorten(matcher)}: expected a function of two questions")
        self._known[name] = self.registered[name] = matcher

    def chosen(self, match_on: Iterable[str]) -> dict[str, Matcher]:
        """The matchers of these names, and those that always count. Raises `InvalidPlan` for an unknown name."""
        if isinstance(match_on, str):
            raise InvalidPlan(f"match_on {match_on!r}: expected a list of names, as [{match_on!r}]")
        names = dict.fromkeys(("symbol", "interval", *match_on))
        for name in names:
            if name not in self._known:
                raise InvalidPlan(f"match_on {shorten(name)}: expected some of {', '.join(self._known)}")
        return {name: self._known[name] for name in names}


class Questions:
    """Reads the questions out of one connection's commands."""

    def __init__(self) -> None:
        self._symbols: dict[tuple[str, str], str] = {}
        self._series: dict[tuple[str, str], tuple[str, str]] = {}
        self._count = 0

    def of(self, command: object) -> list[Ask]:
        """What this command asks for; nothing for those that only prepare."""
        match command:
            case ResolveSymbol(p=p):
                symbol = self._symbols[p.session, p.alias] = plain_symbol(p.symbol)
                return [self._ask("symbol", "resolve_symbol", p.session, symbol, parameters=_wrapping(p.symbol))]
            case CreateSeries(p=p) | ModifySeries(p=p):
                symbol, interval = self._symbols.get((p.session, p.alias), p.alias), canonical_interval(p.resolution)
                self._series[p.session, p.series] = (symbol, interval)
                creates = isinstance(command, CreateSeries)
                method = "create_series" if creates else "modify_series"
                count = json.dumps(p.count) if isinstance(p, CreateSeries.Params) else ""
                return [self._ask("series", method, p.session, symbol, interval, p.period, count)]
            case RequestMoreData(p=p):
                symbol, interval = self._series.get((p.session, p.series), ("", ""))
                return [self._ask("more", "request_more_data", p.session, symbol, interval, parameters=str(p.count))]
            case CreateStudy(p=p):
                symbol, interval = self._series.get((p.session, p.parent), ("", ""))
                label, _ = study_label(p.kind, p.inputs)
                return [self._ask("study", "create_study", p.session, symbol, interval, parameters=label)]
            case QuoteAddSymbols(session=session, names=names):
                return [self._ask("quote", "quote_add_symbols", session, plain_symbol(name)) for name in names]
            case _:
                return []

    def _ask(
        self, kind: str, method: str, session: str, symbol: str, interval: str = "", period: str = "", parameters: str = ""
    ) -> Ask:
        self._count += 1
        session_kind = _SESSIONS.get(session.partition("_")[0], "")
        return Ask(kind, method, session_kind, symbol, interval, period, parameters, self._count - 1)


def _wrapping(wire: str) -> str:
    """What a symbol string says beyond the symbol: adjustment, chart type, session."""
    return wire[1:] if wire.startswith("=") else ""


def recorded_questions(sends: Iterable[Record], connection: int) -> list[Ask]:
    """What the recorded client asked for on one connection."""
    return [ask for _, ask in timed_questions(sends, connection)]


def timed_questions(sends: Iterable[Record], connection: int) -> list[tuple[int, Ask]]:
    """The same, each with its offset in ns."""
    questions = Questions()
    return [
        (record.t, ask)
        for record in sends
        if record.c == connection
        for payload in record.payloads()
        if not framing.heartbeat(payload)
        for ask in questions.of(codec.decode_command(payload))
    ]


class Expectation:
    """The recorded questions of one connection, and which of them have been asked."""

    def __init__(self, asks: Sequence[Ask], matchers: Mapping[str, Matcher], strictness: str) -> None:
        self._asks = asks
        self._matchers = matchers
        self._strict = strictness == "strict"
        self._asked: set[int] = set()

    def check(self, live: Ask) -> None:
        """Takes the recorded question that a live one stands for. Raises `TapeMismatch`, with the nearest as a diff."""
        if self._strict:
            due = next((number for number in range(len(self._asks)) if number not in self._asked), None)
            if due is None:
                raise mismatch(f"{live}: nothing more was asked for on this connection of the tape", live, self._asks)
            if self._wrong(live, self._asks[due]):
                raise mismatch(f"{live}: in the recorded order, another question is due", live, [self._asks[due]])
            self._asked.add(due)
            return
        fitting = [number for number, recorded in enumerate(self._asks) if not self._wrong(live, recorded)]
        if not fitting:
            names = (*_COMPARED, "order") if "order" in self._matchers else _COMPARED
            nearest = _nearest(live, self._asks, names)
            if nearest is None:
                raise mismatch(f"{live} is not on the tape", live, (), names)
            wrong = ", ".join(self._wrong(live, nearest))
            raise mismatch(f"{live} is not on the tape (differs in {wrong})", live, [nearest], names)
        # The same may be asked again: a tape tells it again as long as it has not played past it.
        self._asked.add(next((number for number in fitting if number not in self._asked), fitting[0]))

    def _wrong(self, live: Ask, recorded: Ask) -> list[str]:
        """What keeps two questions from being the same."""
        wrong = ["kind"] if live.kind != recorded.kind else []
        return wrong + [name for name, matcher in self._matchers.items() if not matcher(live, recorded)]


def _nearest(live: Ask, recorded: Sequence[Ask], names: Sequence[str]) -> Ask | None:
    """The recorded question that is most like the live one."""
    text = "\n".join(live.lines(names))

    def likeness(ask: Ask) -> tuple[bool, float]:
        return ask.kind == live.kind, difflib.SequenceMatcher(None, "\n".join(ask.lines(names)), text).ratio()

    return max(recorded, key=likeness, default=None)


def mismatch(problem: str, live: Ask, recorded: Sequence[Ask], names: Sequence[str] = _COMPARED) -> TapeMismatch:
    """The error, with a diff from the recorded question that is most like the live one. `names` are what is known of that."""
    nearest = _nearest(live, recorded, names)
    if nearest is None:
        return TapeMismatch(f"{problem}; nothing was asked for on it")
    diff = difflib.unified_diff(nearest.lines(names), live.lines(names), "recorded", "asked", lineterm="", n=9)
    return TapeMismatch(problem, nearest=str(nearest), diff="\n".join(diff))


class MatchedPlayback(Playback):
    """A playback that also holds the client to `match_on`, and passes what it plays through a hook."""

    def __init__(
        self,
        connection: int,
        records: Iterator[Record],
        offers: Sequence[Offer],
        expectation: Expectation,
        *,
        lenient: bool,
        before_replay: Callable[[str], str | None] | None = None,
    ) -> None:
        super().__init__(connection, records, offers)
        self._expectation = expectation
        self._questions = Questions()
        self._lenient = lenient
        self._before_replay = before_replay
        self.unanswered: list[Ask] = []
        """What was asked for, is not on the tape, and was let pass."""

    def asked(self, command: object) -> None:
        if isinstance(command, QuoteAddSymbols):
            # One by one, as some may be on the tape and others not.
            for name in command.names:
                self._asked_one(msgspec.structs.replace(command, p=[command.session, name]))
        else:
            self._asked_one(command)

    def _asked_one(self, command: object) -> None:
        asks = self._questions.of(command)
        try:
            for ask in asks:
                self._expectation.check(ask)
            super().asked(command)
        except TapeMismatch:
            if not self._lenient:
                raise
            self.unanswered += asks

    def take(self) -> str | None:
        text = super().take()
        return text if text is None or self._before_replay is None else filtered(text, self._before_replay)


def filtered(message: str, hook: Callable[[str], str | None]) -> str | None:
    """A message after a hook had each of its payloads but heartbeats; None where nothing is left. What is not framed stays."""
    try:
        payloads = framing.split(message)
    except FramingError:
        return message
    kept = [changed for payload in payloads if (changed := payload if framing.heartbeat(payload) else hook(payload)) is not None]
    return framing.join(kept) if kept else None
