"""What happened on one connection, as its server saw it: commands, replies, and what was made of odd ones.

Bounded, and free of secrets: of a command it keeps the method, the session, the symbols and the interval, nothing else.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

import msgspec

from tvstreamer.protocol.packets import (
    Command,
    CreateSeries,
    ModifySeries,
    QuoteAddSymbols,
    QuoteRemoveSymbols,
    RemoveSeries,
    Reply,
    RequestMoreData,
    ResolveSymbol,
)
from tvstreamer.symbols import plain_symbol

NOTES: Final = 10_000
"""Commands and what was made of them: the newest of a connection that are kept."""

REPLIES: Final = 200
"""Replies: the newest of a connection that are kept."""

_LONGEST: Final = 200
_MOST_SYMBOLS: Final = 1_000


class JournalEntry(msgspec.Struct, frozen=True, gc=False):
    """One thing that happened: `kind` is `command`, `reply`, `rejected`, `ignored`, `tolerated` or `closed`.

    `detail` says why something was rejected, ignored, tolerated or closed. A series is told by its symbol and interval,
    which is the resolution of the wire.
    """

    at: float
    kind: str
    method: str
    detail: str = ""
    connection: int = 1
    session: str = ""
    symbols: tuple[str, ...] = ()
    interval: str = ""

    @property
    def direction(self) -> str:
        """`send` or `recv`, as the client sees it; empty where nothing was said."""
        if self.kind == "closed":
            return ""
        return "recv" if self.kind == "reply" else "send"

    def __str__(self) -> str:
        where = ", ".join(self.symbols)
        words = (f"connection {self.connection}, at {self.at:.3f}:", self.kind, self.method, where, self.interval, self.detail)
        return " ".join(filter(None, words))


class Journal:
    """The entries of a connection, the n-th. Appending and reading may happen in two threads."""

    def __init__(self, connection: int = 1) -> None:
        self.connection = connection
        self._count = 0
        self._notes: deque[tuple[int, JournalEntry]] = deque(maxlen=NOTES)
        self._replies: deque[tuple[int, JournalEntry]] = deque(maxlen=REPLIES)

    def __repr__(self) -> str:
        return f"<Journal of connection {self.connection}, {len(self)} entries>"

    def __len__(self) -> int:
        return len(self._notes) + len(self._replies)

    def __iter__(self) -> Iterator[JournalEntry]:
        """All entries that are kept, in order. What happens meanwhile may be left out."""
        merged = heapq.merge(self._notes.copy(), self._replies.copy(), key=lambda numbered: numbered[0])
        return (entry for _, entry in merged)

    def clear(self) -> None:
        self._notes.clear()
        self._replies.clear()

    def note(self, at: float, kind: str, method: str, detail: str = "") -> None:
        """What was made of something that the client said, or how it ended."""
        self._count += 1
        entry = JournalEntry(at, kind, _short(method), _short(detail), self.connection)
        self._notes.append((self._count, entry))

    def command(self, at: float, command: Command, symbol_of: Callable[[str, str], str | None]) -> None:
        """A command; `symbol_of` has the symbol string of an alias or a series in a session."""
        self._count += 1
        session, symbols, interval = _about(command, symbol_of)
        entry = JournalEntry(
            at, "command", method_of(command), "", self.connection, _short(session), _plain(symbols), _short(interval)
        )
        self._notes.append((self._count, entry))

    def reply(self, at: float, reply: Reply) -> None:
        """A reply."""
        self._count += 1
        entry = JournalEntry(at, "reply", method_of(reply), "", self.connection)
        self._replies.append((self._count, entry))

    def message(self, at: float, methods: Collection[str]) -> None:
        """Replies of which nothing is known but their methods."""
        for method in methods:
            self._count += 1
            self._replies.append((self._count, JournalEntry(at, "reply", _short(method), "", self.connection)))


def method_of(packet: Any) -> str:
    """The name of a packet on the wire."""
    return str(packet.__struct_config__.tag)


def _about(command: Command, symbol_of: Callable[[str, str], str | None]) -> tuple[str, list[str], str]:
    """Session, symbol strings and resolution."""
    match command:
        case ResolveSymbol(p=p):
            return p.session, [p.symbol], ""
        case CreateSeries(p=p) | ModifySeries(p=p):
            symbol = symbol_of(p.session, p.alias)
            return p.session, [] if symbol is None else [symbol], p.resolution
        case RequestMoreData(p=p) | RemoveSeries(p=p):
            symbol = symbol_of(p.session, p.series)
            return p.session, [] if symbol is None else [symbol], ""
        case QuoteAddSymbols(session=session, names=names) | QuoteRemoveSymbols(session=session, names=names):
            return session, list(names), ""
        case _:
            session = getattr(getattr(command, "p", None), "session", "")
            return session if isinstance(session, str) else "", [], ""


def _plain(symbols: list[str]) -> tuple[str, ...]:
    return tuple(_short(plain_symbol(symbol)) for symbol in symbols[:_MOST_SYMBOLS])


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
