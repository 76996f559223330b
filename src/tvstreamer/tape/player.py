"""Playing a tape to a client that has ids of its own.

The player answers three questions for one connection of a tape: does this command have its like among the recorded ones,
what comes next and when, and how does it read with the client's ids. It does no I/O and knows no clock; records and the
index of recorded commands are handed in.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tvstreamer.errors import FramingError, TapeExhausted, TapeMismatch
from tvstreamer.intervals import canonical_interval
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.aliases import Aliases
from tvstreamer.protocol.ids import AGAIN, purpose
from tvstreamer.protocol.packets import (
    ChartDeleteSession,
    Command,
    CreateSeries,
    CreateStudy,
    ModifySeries,
    ModifyStudy,
    QuoteAddSymbols,
    QuoteDeleteSession,
    QuoteRemoveSymbols,
    RemoveSeries,
    RemoveStudy,
    RequestMoreData,
    ResolveSymbol,
)
from tvstreamer.studies import study_label
from tvstreamer.symbols import base_symbol, symbol_name
from tvstreamer.tape.format import Record


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing that a recorded command asked for: `kind` is `series`, `symbol`, `quote`, `more` or `study`.

    A study is of a series, whose name is in `alias`.
    """

    kind: str
    connection: int
    t: int
    symbol: str
    interval: str
    session: str
    name: str
    alias: str = ""
    study: str = ""

    def __str__(self) -> str:
        what = f"{self.symbol} {self.interval} {self.study}".strip()
        return f"{what} ({self.kind}, at {self.t / 1e9:.3f} s of connection {self.connection})"


def index(sends: Iterable[Record]) -> list[Offer]:
    """What the recorded client asked for, in order."""
    offers: list[Offer] = []
    symbols: dict[tuple[int, str, str], str] = {}
    series: dict[tuple[int, str, str], tuple[str, str]] = {}
    for record in sends:
        for payload in record.payloads():
            command = codec.decode_command(payload)
            match command:
                case ResolveSymbol(p=p):
                    symbol = symbol_name(p.symbol)
                    symbols[record.c, p.session, p.alias] = symbol
                    offers.append(Offer("symbol", record.c, record.t, symbol, "", p.session, p.alias, p.alias))
                case CreateSeries(p=p) | ModifySeries(p=p):
                    symbol = symbols.get((record.c, p.session, p.alias), p.alias)
                    interval = canonical_interval(p.resolution)
                    series[record.c, p.session, p.series] = (symbol, interval)
                    offers.append(
                        Offer("series", record.c, record.t, symbol, interval, p.session, p.series, p.alias)
                    )
                case QuoteAddSymbols(session=session, names=names):
                    for name in names:
                        offers.append(Offer("quote", record.c, record.t, symbol_name(name), "", session, name))
                case RequestMoreData(p=p):
                    symbol, interval = series.get((record.c, p.session, p.series), ("", ""))
                    offers.append(Offer("more", record.c, record.t, symbol, interval, p.session, p.series))
                case CreateStudy(p=p):
                    symbol, interval = series.get((record.c, p.session, p.parent), ("", ""))
                    label, _ = study_label(p.kind, p.inputs)
                    offers.append(
                        Offer("study", record.c, record.t, symbol, interval, p.session, p.study, p.parent, label)
                    )
                case _:
                    pass
    return offers


def alike(offers: Sequence[Offer], kind: str, symbol: str, interval: str) -> list[tuple[int, Offer]]:
    """What was asked for under this name, by number. A symbol without options stands for however it was recorded, where it was
    not recorded without."""
    named = [
        (number, offer) for number, offer in enumerate(offers) if (offer.kind, offer.interval) == (kind, interval)
    ]
    exact = [pair for pair in named if pair[1].symbol == symbol]
    return exact or [pair for pair in named if base_symbol(pair[1].symbol) == symbol]


def nearest_offer(offers: Sequence[Offer], what: str, kind: str) -> str:
    """The one, of that kind if there is any, whose name is most like that; "" where there is none at all."""
    same_kind = [offer for offer in offers if offer.kind == kind] or offers
    named = {f"{offer.symbol} {offer.interval} {offer.study}".strip(): offer for offer in same_kind}
    close = difflib.get_close_matches(what, list(named), n=1, cutoff=0.0)
    return str(named[close[0]]) if close else ""


class Playback:
    """One connection of a tape, matched to what a live client asks for."""

    def __init__(self, connection: int, records: Iterator[Record], offers: Sequence[Offer]) -> None:
        self.connection = connection
        self._records = records
        self._offers = [offer for offer in offers if offer.connection == connection]
        self._taken: set[int] = set()
        self.position = -1
        """Offset in ns up to which replies have been played; -1 before the first."""
        self.first_ask: int | None = None
        """Offset in ns at which the recorded client asked for what the live one asked for first."""
        self._next: Record | None = None
        self._ended = False
        self._aliases = Aliases()
        self._symbols: dict[tuple[str, str], str] = {}
        self._answers: dict[tuple[str, str], int] = {}
        """Which offer answers each live symbol alias."""
        self._series: dict[tuple[str, str], Offer] = {}
        """Which one is played to each live series."""
        self._turnarounds: dict[tuple[str, str], str] = {}
        self._unanswered: dict[tuple[str, str], tuple[str, str]] = {}
        """The recorded quote of each live one that was removed before anything came of it."""

    def __repr__(self) -> str:
        return f"<Playback of connection {self.connection}, {len(self._taken)} of {len(self._offers)} offers taken>"

    @property
    def untaken(self) -> list[Offer]:
        """What the recorded client asked for on this connection, and nobody has asked for now."""
        return [offer for number, offer in enumerate(self._offers) if number not in self._taken]

    def close(self) -> None:
        """Lets go of the records that were not played, and so of the file that they come from."""
        close = getattr(self._records, "close", None)
        if close is not None:
            close()

    # --- what the live client sends -------------------------------------------------------------------------------

    def sent(self, message: str) -> None:
        """Takes note of what the live client asks for. Raises `TapeMismatch` for what the tape does not hold."""
        try:
            payloads = framing.split(message)
        except FramingError as error:
            raise TapeMismatch(f"a tape answers whole packets only: {error}") from error
        for payload in payloads:
            if not framing.heartbeat(payload):
                self.asked(codec.decode_command(payload))

    def asked(self, command: object) -> None:
        """The same for one command."""
        if self._is_again_in_vain(command):
            return
        match command:
            case ResolveSymbol(p=p):
                symbol = symbol_name(p.symbol)
                self._symbols[p.session, p.alias] = symbol
                # A series that follows brings an answer of its own; this serves a symbol asked for alone.
                self._answer_with(self._find("symbol", symbol, ""), p.session, p.alias)
            case CreateSeries(p=p) | ModifySeries(p=p):
                symbol = self._symbols.get((p.session, p.alias), p.alias)
                number = self._find("series", symbol, canonical_interval(p.resolution), session=p.session)
                offer = self._series[p.session, p.series] = self._offers[number]
                self._turnarounds[p.session, p.series] = p.turnaround
                self._aliases.bind_series((offer.session, offer.name), (p.session, p.series, p.turnaround))
                own = self._answer_to_come(offer.session, offer.alias)
                if own is not None:
                    self._answer_with(own, p.session, p.alias)
            case QuoteAddSymbols(session=session, names=names):
                for name in names:
                    self._aliases.bind_quote(self._quote(session, name), (session, name))
            case RemoveSeries(p=p):
                self._aliases.forget_series(p.session, p.series)
            case ChartDeleteSession(p=p):
                self._aliases.forget_series(p.session)
            case QuoteRemoveSymbols(session=session, names=names):
                for name in names:
                    recorded = self._aliases.unanswered_quote(session, name)
                    if recorded is not None:
                        self._unanswered[session, name] = recorded
                    self._aliases.forget_quote(session, name)
            case QuoteDeleteSession(p=p):
                self._aliases.forget_quote(p.session)
            case RequestMoreData(p=p):
                self._more(self._series.get((p.session, p.series)))
            case CreateStudy(p=p):
                self._study(p)
            case RemoveStudy(p=p):
                self._aliases.forget_series(p.session, p.study)
            case ModifyStudy():
                raise TapeMismatch("modify_study: a tape holds the values of the inputs that were recorded")
            case Command():
                pass  # Sessions, locale, token, fields: nothing is answered to these.
            case _:
                method = getattr(command, "method", "") or repr(command)
                raise TapeMismatch(f"{method}: a tape cannot answer this command")

    def _is_again_in_vain(self, command: object) -> bool:
        """Whether a command repeats a question that the recorded client left at that: this one is not answered either."""
        session = getattr(getattr(command, "p", None), "session", "")
        return purpose(session) == AGAIN and all(purpose(offer.session) != AGAIN for offer in self._offers)

    def _quote(self, session: str, name: str) -> tuple[str, str]:
        """The recorded quote session, and string, that stand for a symbol which the live client adds to one of its own.

        A symbol without an answer is added again. Where the recorded client has left it at that it stays with what it had, as
        what comes late is for it as well.
        """
        before = self._unanswered.pop((session, name), None)
        try:
            offer = self._offers[self._find("quote", symbol_name(name), "", session=session)]
        except TapeMismatch:
            if before is None:
                raise
            return before
        return offer.session, offer.name

    def _more(self, series: Offer | None) -> None:
        """Takes the recorded request for older bars of a series; they come to the live one as all that concerns it does."""
        for number, offer in enumerate(self._offers):
            if series is None or (offer.kind, offer.session, offer.name) != ("more", series.session, series.name):
                continue
            if number not in self._taken and offer.t >= self.position:
                self._taken.add(number)
                return
        raise TapeMismatch("request_more_data: a tape holds no more bars than were recorded")

    def _study(self, p: CreateStudy.Params) -> None:
        """Takes the recorded request for this study of the series that is played to the live one."""
        label, _ = study_label(p.kind, p.inputs)
        series = self._series.get((p.session, p.parent))
        where = "a series that is not played" if series is None else f"{series.symbol} {series.interval}"
        alike = [
            (number, offer)
            for number, offer in enumerate(self._offers)
            if series is not None and (offer.kind, offer.session, offer.alias) == ("study", series.session, series.name)
        ]
        for number, offer in alike:
            if offer.study == label and offer.t >= self.position and number not in self._taken:
                self._taken.add(number)
                turnaround = f"{self._turnarounds[p.session, p.parent]}_{p.turnaround}"
                self._aliases.bind_series((offer.session, offer.name), (p.session, p.study, turnaround))
                return
        nearest = max(alike, key=lambda pair: difflib.SequenceMatcher(None, pair[1].study, label).ratio(), default=None)
        problem = f"study {label} of {where} is not on the tape, or has been played (connection {self.connection})"
        raise TapeMismatch(problem, nearest="" if nearest is None else str(nearest[1]))

    def _answer_to_come(self, session: str, alias: str) -> int | None:
        """The recorded request for this symbol, if its answer is certainly still to come."""
        ahead = (
            number
            for number, offer in enumerate(self._offers)
            if (offer.kind, offer.session, offer.name) == ("symbol", session, alias) and offer.t >= self.position
        )
        return next(ahead, None)

    def _answer_with(self, number: int, session: str, alias: str) -> None:
        """Gives a live symbol alias this recorded answer. The one that it had before is for others again."""
        self._taken.discard(self._answers.get((session, alias), number))
        self._taken.add(number)
        self._answers[session, alias] = number
        offer = self._offers[number]
        self._aliases.bind_symbol((offer.session, offer.name), (session, alias))

    def follows(self, session: str, name: str) -> bool:
        """Whether the live client follows this symbol's quotes by now."""
        return self._aliases.has_quote(session, name)

    def _find(self, kind: str, symbol: str, interval: str, *, session: str = "") -> int:
        """Takes the recorded request that stands for a live one: not yet played, not yet taken, alike in purpose if one is."""
        fitting = alike(self._offers, kind, symbol, interval)
        ahead = [pair for pair in fitting if pair[1].t >= self.position]
        free = [pair for pair in ahead if pair[0] not in self._taken] or ahead
        likely = [pair for pair in free if purpose(pair[1].session) == purpose(session)] or free
        if likely:
            number, offer = likely[0]
            self._taken.add(number)
            if self.first_ask is None:
                self.first_ask = offer.t
            return number
        what = f"{symbol} {interval}".strip()
        if fitting:
            raise TapeMismatch(f"{what} was asked for too late: the tape has been played past it", nearest=str(fitting[-1][1]))
        nearest = nearest_offer(self._offers, what, kind)
        raise TapeMismatch(f"{what} is not on the tape (connection {self.connection})", nearest=nearest)

    # --- what comes next ------------------------------------------------------------------------------------------

    def peek(self) -> Record | None:
        """The next record that concerns the client: `recv`, or the `close` that ends it; None at the end."""
        while self._next is None and not self._ended:
            record = next(self._records, None)
            if record is None:
                self._ended = True
            elif record.k in ("recv", "close"):
                self._next = record
        return self._next

    def take(self) -> str | None:
        """The message of the record that `peek` showed, with the client's ids; None where nothing of it is his."""
        record = self._next
        if record is None:
            raise TapeExhausted("the connection's records are used up")
        self._next = None
        self.position = record.t
        try:
            payloads = record.payloads()
        except FramingError:
            return record.text()
        rewritten = [text for payload in payloads for text in self._aliases.rewrite(payload)]
        return framing.join(rewritten) if rewritten or not payloads else None
